"""A transaction: puts, deletions, identities and states that become durable together, or not at all."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from vaultfs_format.disclosure import DISCLOSURE_KIND, SUSPENSION_KIND, digest_of
from vaultfs_format.entries import Role
from vaultfs_format.events.base import Event, Outcome
from vaultfs_format.events.disclosures import SubjectDisclosed
from vaultfs_format.events.records import RecordDeleted, RecordUndeleted, StateSet
from vaultfs_format.frame import FrameClass

from vaultfs.access.policy import Action
from vaultfs.disclosing import Disclosure, Suspension
from vaultfs.engine.committing import collector
from vaultfs.engine.committing.identities import Identities
from vaultfs.engine.committing.pending import Pending
from vaultfs.engine.committing.recordwriter import RecordWriter
from vaultfs.engine.committing.units import Unit, role_entry
from vaultfs.engine.reading.state import State, encode_state
from vaultfs.errors import ArgumentInvalid, TransactionConflict, TransactionEnded, VaultError
from vaultfs.metrics import Counter
from vaultfs.model import NOBODY, Date, Identifier, NewRecord, PixelData, RecordId, SubjectId

if TYPE_CHECKING:
    from vaultfs.engine.committing.writing import WritingSession

_TOMORROW = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)


class Transaction:
    """Work of one session, by one thread. Commits at the end of a ``with`` block, rolls back when it raises.

    Nothing of it is visible before the commit, not even to its own session.
    """

    def __init__(self, session: WritingSession) -> None:
        self._session = session
        self._engine = session.engine
        self._ended = False
        self._control: Unit | None = None
        self._pending = Pending(session.engine, session.id)
        self._intent = self._pending.intent
        self._identities = Identities(session, self._pending)
        self._records = RecordWriter(session, self._pending, self._identities)
        self.commit_number = 0

    # Records.

    def put(
        self,
        data: bytes | BinaryIO,
        *,
        kind: str,
        subject: Identifier | SubjectId | None,
        date: Date = None,
        media_type: str = "application/octet-stream",
        replaces: RecordId | None = None,
        before: bytes = b"",
        after: bytes = b"",
        pixels: PixelData | None = None,
    ) -> RecordId:
        """Store a record, or a new version of one. The arguments are those of `NewRecord`.

        Returns
        -------
        RecordId
            Never given out before. Readable once the transaction has committed.

        Raises
        ------
        KindUnknown, SubjectAmbiguous, AccessDenied, NotFound, Deleted, TooLarge, StorageFull, StorageFailed
        """
        return self.put_many([NewRecord(data, kind, subject, date, media_type, replaces, before, after, pixels)])[0]

    def put_many(self, records: Iterable[NewRecord]) -> list[RecordId]:
        """Store many records: as `put` does each, in less time. The policy is asked once for a subject and kind.

        Returns
        -------
        list[RecordId]
            In the order of `records`.

        Raises
        ------
        KindUnknown, SubjectAmbiguous, AccessDenied, NotFound, Deleted, TooLarge, StorageFull, StorageFailed
            Records before the one that is refused are part of the transaction.
        """
        self._check()
        wanted = list(records)
        with collector.paused():
            return self._records.put_many(wanted)

    def delete(self, record_id: RecordId) -> None:
        """Hide a record. Its bytes stay until disposal; `undelete` shows it again.

        Raises
        ------
        NotFound, Deleted, AccessDenied
        """
        self._mark(record_id, Role.DELETE, Action.DELETE, RecordDeleted)

    def undelete(self, record_id: RecordId) -> None:
        """Show a deleted record again; one that is visible is left as it is.

        Raises
        ------
        NotFound, AccessDenied
        """
        self._mark(record_id, Role.UNDELETE, Action.UNDELETE, RecordUndeleted)

    def _mark(self, record_id: RecordId, role: Role, action: Action, event: Callable[..., Event]) -> None:
        self._check()
        marked = self._records.mark(record_id, role, action)
        if marked is not None:
            subject, kind, version = marked
            self._pending.note(event, subject, kind, record_id, version, Outcome.DONE)

    # Subjects.

    def subject(self, identifier: Identifier, date: Date = None) -> SubjectId:
        """Return the subject of an identifier, created if nobody has claimed it.

        Raises
        ------
        SubjectAmbiguous
        """
        self._check()
        return self._identities.subject(identifier, date)

    def claimants(self, identifier: Identifier) -> list[SubjectId]:
        """Return the subjects for which an identifier is asserted, by the vault or by this transaction."""
        self._check()
        return self._identities.claimants(identifier)

    def identifiers(self, subject: SubjectId) -> list[Identifier]:
        """Return the identifiers that the vault or this transaction asserts for a subject."""
        self._check()
        return self._identities.identifiers(subject)

    def linked(self, one: SubjectId, other: SubjectId) -> bool:
        """Return whether two subjects are stated to be one person."""
        self._check()
        return self._identities.linked(one, other)

    def new_subject(self) -> SubjectId:
        """Create a subject that no identifier names yet.

        Raises
        ------
        AccessDenied
        """
        self._check()
        return self._identities.create()

    def identify(self, subject: SubjectId, identifier: Identifier, date: Date = None, *, weak: bool = False) -> None:
        """Assert that an identifier names a subject, from `date` on.

        Parameters
        ----------
        weak
            Kept with the assertion: the identifier may be shared or mistyped, and whoever files records by identifiers
            should not let it decide alone. The vault itself finds subjects by weak identifiers too.

        Raises
        ------
        NotFound, AccessDenied
        """
        self._check()
        self._identities.identify(subject, identifier, date, weak=weak)

    def link(self, one: SubjectId, other: SubjectId) -> None:
        """State that two subjects are the same person. Nothing is moved; searches find the records of both."""
        self._check()
        self._identities.relate(one, other, same=True)

    def unlink(self, one: SubjectId, other: SubjectId) -> None:
        """Take back a link."""
        self._check()
        self._identities.relate(one, other, same=False)

    # Disclosures (45 CFR 164.528).

    def disclose(self, subject: Identifier | SubjectId, disclosure: Disclosure, records: int) -> RecordId:
        """Put on record that something about a subject is disclosed; let it go only once this has committed.

        What is stated becomes a record of the subject, and the event has its digest: no event has text.

        Parameters
        ----------
        records
            How many records of the subject are disclosed.

        Raises
        ------
        ArgumentInvalid
            It is about nobody, or its date is to come: no accounting would have it.
        NotFound, SubjectAmbiguous, AccessDenied
        """
        self._check()
        if subject == NOBODY or records < 0:
            raise ArgumentInvalid(records=records)
        if disclosure.date is not None and disclosure.date > _latest_day(self._engine.options.clock()):
            raise ArgumentInvalid
        known = self._identities.required(subject, Action.EXPORT)
        data = disclosure.statement(os.urandom(16))
        record = self.put(data, kind=DISCLOSURE_KIND, subject=known)
        self._pending.note(SubjectDisclosed, known, record, digest_of(data), records, disclosure.basis)
        return record

    def suspend(self, subject: Identifier | SubjectId, suspension: Suspension) -> RecordId:
        """Leave disclosures to an agency out of accountings for a time; delete the record to end that earlier.

        Raises
        ------
        ArgumentInvalid, NotFound, SubjectAmbiguous, AccessDenied
        SuspensionInvalid
            It ends before it begins, or is longer than an oral one may be.
        """
        self._check()
        if subject == NOBODY:
            raise ArgumentInvalid
        known = self._identities.required(subject, Action.ADMINISTER)
        data = suspension.statement(self._engine.options.clock())
        return self.put(data, kind=SUSPENSION_KIND, subject=known)

    # Control state.

    def state(self, namespace: str, key: bytes) -> State:
        """Return a control state and rely on it: the commit fails if it has changed by then.

        Raises
        ------
        ArgumentInvalid
            `namespace` is empty, or holds half of a surrogate pair.
        AccessDenied, TransactionConflict
        """
        self._check()
        found = self._session.state(namespace, key)
        token = self._engine.chain.state_token(namespace, key)
        if self._intent.guards.setdefault(token, found.version) != found.version:
            raise TransactionConflict
        return found

    def guard(self, namespace: str, key: bytes, expected_version: int) -> None:
        """Let the commit fail unless a control state has this version (0: does not exist) then.

        Raises
        ------
        ArgumentInvalid
            `namespace` is empty or holds half of a surrogate pair; or the transaction relies on another version.
        """
        self._check()
        token = self._engine.chain.state_token(namespace, key)
        if self._intent.guards.setdefault(token, expected_version) != expected_version:
            raise ArgumentInvalid

    def set_state(self, namespace: str, key: bytes, value: bytes) -> int:
        """Set a control state and return its new version. A change by another transaction makes the commit fail.

        Raises
        ------
        ArgumentInvalid
            `namespace` is empty, or holds half of a surrogate pair.
        AccessDenied
        """
        self._check()
        self._session.authorize(Action.WRITE_STATE, None, None)
        body = encode_state(namespace, key, value)
        token = self._engine.chain.state_token(namespace, key)
        known = self._intent.states.get(token)
        if known is None:
            known = self._intent.guards.get(token)
            if known is None:
                known = self._session.steady(lambda: self._session.states.version(token))
        version = known + 1
        if self._control is None:
            self._control = Unit(FrameClass.CONTROL, NOBODY, self._pending.gathered)
        frame = self._control.room(len(body))
        frame.add(role_entry(Role.STATE, token, frame.size, len(body))._replace(version=version), body)
        self._intent.guards.setdefault(token, known)
        self._intent.states[token] = version
        self._pending.note(StateSet, self._engine.chain.event_state_token(namespace, key), version)
        return version

    # Ending.

    def commit(self) -> int:
        """Make everything durable; return the commit number, 0 if there was nothing to commit.

        Raises
        ------
        TransactionConflict
            Run the transaction again.
        CommitUnknown, StorageFull, StorageFailed, WriterPoisoned, TooLarge
        """
        self._check()
        self._ended = True
        with collector.paused():
            self._commit()
        return self.commit_number

    def _commit(self) -> None:
        try:
            self._identities.close()
            if self._control:
                self._control.close()
            intent = self._pending.carry(self._records.blobs)
            if not intent.frames and not intent.guards:
                self._session.note(self._pending.told)
                return
            self.commit_number = self._session.commit(intent)
            self._engine.metrics.add(Counter.RECORDS_PUT, self._records.count)
        except BaseException:
            self._abandon()
            with suppress(VaultError):
                self._session.note(self._pending.told)
            raise

    def rollback(self) -> None:
        """Forget everything, but for what somebody was told.

        Raises
        ------
        StorageFull, StorageFailed, WriterPoisoned, Closed
            Something was told, and that cannot be recorded.
        """
        if not self._ended:
            self._ended = True
            self._abandon()
            self._session.note(self._pending.told)

    def _abandon(self) -> None:
        self._records.give_up(self._records.blobs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._ended:
            return
        if kind is None:
            self.commit()
        else:
            with suppress(VaultError):  # what has ended the transaction is raised
                self.rollback()

    def _check(self) -> None:
        if self._ended:
            raise TransactionEnded
        self._engine.check_writable()
        self._session.check()


def _latest_day(now: int) -> dt.date:
    """Return the latest day that it can be anywhere when it is `now`, in microseconds since 1970."""
    return (_TOMORROW + dt.timedelta(microseconds=now)).date()
