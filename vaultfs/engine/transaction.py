"""A transaction: puts, deletions, identities and states that become durable together, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date as calendar_date
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from vaultfs_format import limits
from vaultfs_format.entries import WEAK, Entry, Role
from vaultfs_format.frame import FrameClass
from vaultfs_format.suite import KEY

from vaultfs.access.policy import Action
from vaultfs.audit.events import Event, EventType, sealable
from vaultfs.engine.blobs import BlobWriter, is_blob, take
from vaultfs.engine.claims import Claims
from vaultfs.engine.committer import Intent
from vaultfs.engine.records import newest
from vaultfs.engine.state import State, encode_state
from vaultfs.engine.subjects import content_key, encode_identifier, one_subject
from vaultfs.engine.units import Drafted, Unit, date_fields, role_entry
from vaultfs.errors import ArgumentInvalid, Deleted, TooLarge, TransactionConflict, TransactionEnded
from vaultfs.model import NOBODY, ClinicalDate, Identifier, RecordId, SubjectId

if TYPE_CHECKING:
    from vaultfs.engine.writing import WritingSession

MAX_TRANSACTION = 512 * limits.MIB
"""Largest transaction, in sealed bytes that go through the journal; blobs do not count."""

_ID_BATCH = 256
_ZERO = bytes(16)

Date = calendar_date | datetime | ClinicalDate | None


@dataclass(slots=True, repr=False)
class _Subject:
    """A subject as this transaction sees it."""

    id: SubjectId
    content_key: bytes
    unit: Unit


class Transaction:
    """Work of one session, by one thread. Commits at the end of a ``with`` block, rolls back when it raises.

    Nothing of it is visible before the commit, not even to its own session.
    """

    def __init__(self, session: WritingSession) -> None:
        self._session = session
        self._engine = session.engine
        self._ended = False
        self._ids: Iterator[RecordId] = iter(())
        self._numbers: Iterator[tuple[int, int]] = iter(())
        self._subjects: dict[bytes, _Subject] = {}
        self._created: set[SubjectId] = set()
        self._claims = Claims(self._engine, session.steady)
        self._control: Unit | None = None
        self._blobs: list[Drafted] = []
        self._events: list[Event] = []
        self._deleted: set[bytes] = set()
        self._intent = Intent([], sealable([]))
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
    ) -> RecordId:
        """Store a record, or a new version of one.

        Parameters
        ----------
        data
            The bytes, kept verbatim; a binary file is read to its end in constant memory.
        kind, media_type
            Names in the vault's registries.
        subject
            Whose record it is; an identifier that nobody has claimed creates a subject. None: nobody's.
        date
            The clinically relevant date.
        replaces
            The record that this is a new version of; it keeps its id.
        before, after
            Bytes stored with the record, in its shred unit, and returned beside it.

        Returns
        -------
        RecordId
            Never given out before. Readable once the transaction has committed.

        Raises
        ------
        KindUnknown, SubjectAmbiguous, AccessDenied, NotFound, Deleted, TooLarge, StorageFull, StorageFailed
        """
        self._check()
        engine = self._engine
        kind_number, media_number = engine.kinds.number(kind), engine.media_types.number(media_type)
        precision, offset_minutes, milliseconds = date_fields(None if date is None else ClinicalDate.of(date))
        owner = NOBODY if subject is None else subject
        known = self._known(owner)
        self._session.authorize(Action.WRITE, kind, known)
        replaced = b"" if replaces is None else engine.chain.number_of(replaces)
        base = self._base(replaced) if replaced else 0
        content, stream = take(data)
        holder = self._holder(known or owner)
        if replaces is None:
            record_id, version = self._next_id(), 1
            incarnation, number = next(self._numbers)
        else:
            record_id, version = replaces, self._intent.versions.get(replaced, base) + 1
            incarnation, number = int.from_bytes(replaced[:4], "big"), int.from_bytes(replaced[4:], "big")
        if stream is not None or is_blob(len(before) + len(content) + len(after)):
            template = Entry(
                Role.RECORD, 0, kind_number, media_number, precision, offset_minutes, incarnation, milliseconds,
                number, version, 0, 0, len(before), len(after),
            )  # fmt: skip
            self._put_blob(holder, template, content, stream, before, after)
        else:
            offset = holder.unit.room(len(before) + len(content) + len(after))
            token = engine.chain.content_id(holder.content_key, content)
            entry = Entry(
                Role.RECORD, 0, kind_number, media_number, precision, offset_minutes, incarnation, milliseconds,
                number, version, offset, len(content), len(before), len(after), token,
            )  # fmt: skip
            holder.unit.add(entry, before, content, after)
        if replaced:
            self._build_on(replaced, base, version)
        self._event(EventType.RECORD_PUT, holder.id, record_id, version)
        return record_id

    def _put_blob(
        self, holder: _Subject, entry: Entry, content: bytes, stream: BinaryIO | None, before: bytes, after: bytes
    ) -> None:
        writer = BlobWriter(self._engine, holder.id, entry, self._engine.chain.content_hasher(holder.content_key))
        try:
            writer.write(content, stream, before, after)
        except BaseException:
            self._give_up(writer.frames)
            raise
        self._blobs += writer.frames

    def delete(self, record_id: RecordId) -> None:
        """Hide a record. Its bytes stay until disposal; `undelete` shows it again.

        Raises
        ------
        NotFound, Deleted, AccessDenied
        """
        self._mark(record_id, Role.DELETE, Action.DELETE, EventType.RECORD_DELETED)

    def undelete(self, record_id: RecordId) -> None:
        """Show a deleted record again; one that is visible is left as it is.

        Raises
        ------
        NotFound, AccessDenied
        """
        self._mark(record_id, Role.UNDELETE, Action.UNDELETE, EventType.RECORD_UNDELETED)

    def _mark(self, record_id: RecordId, role: Role, action: Action, event: EventType) -> None:
        self._check()
        engine = self._engine
        number = engine.chain.number_of(record_id)
        located, last = self._session.steady(lambda: newest(engine, number))
        subject = SubjectId(located.frame.block.subject)
        self._session.authorize(action, engine.kinds.name(located.entry.kind), subject)
        own = number in self._intent.versions
        deleted = number in self._deleted if own else last.role == Role.DELETE
        if deleted and role is Role.DELETE:
            raise Deleted
        if not deleted and role is Role.UNDELETE:
            return
        version = self._intent.versions.get(number, last.version) + 1
        self._build_on(number, last.version, version, deleted=role is Role.DELETE)
        entry = located.entry
        holder = self._holder(subject)
        holder.unit.room(0)
        holder.unit.add(
            Entry(role, kind=entry.kind, incarnation=entry.incarnation, number=entry.number, version=version)
        )
        self._event(event, subject, record_id, version)

    def _next_id(self) -> RecordId:
        record_id = next(self._ids, None)
        if record_id is None:
            incarnation, first = self._engine.draw_numbers(_ID_BATCH)
            self._ids = self._engine.chain.record_ids(incarnation, first, _ID_BATCH)
            self._numbers = iter([(incarnation, number) for number in range(first, first + _ID_BATCH)])
            record_id = next(self._ids)
        return record_id

    def _base(self, number: bytes) -> int:
        """Return the version of a visible record that a new version is to be built on.

        Who replaces a record takes it out of sight, so that they must be permitted to write it as it is.
        """
        engine = self._engine
        located, last = self._session.steady(lambda: newest(engine, number))
        subject = SubjectId(located.frame.block.subject)
        self._session.authorize(Action.WRITE, engine.kinds.name(located.entry.kind), subject)
        own = number in self._intent.versions
        if number in self._deleted if own else last.role == Role.DELETE:
            raise Deleted
        return last.version

    def _build_on(self, number: bytes, base: int, version: int, *, deleted: bool = False) -> None:
        """Take note that this transaction has made `version` of a record, of which the vault had `base`."""
        self._intent.bases.setdefault(number, base)
        self._intent.versions[number] = version
        (self._deleted.add if deleted else self._deleted.discard)(number)

    # Subjects.

    def subject(self, identifier: Identifier, date: Date = None) -> SubjectId:
        """Return the subject of an identifier, created if nobody has claimed it.

        Raises
        ------
        SubjectAmbiguous
        """
        self._check()
        known = self._known(identifier)
        if known is None:
            when = None if date is None else ClinicalDate.of(date)
            known = self.new_subject()
            self.identify(known, identifier, when)
        return known

    def _known(self, subject: Identifier | SubjectId) -> SubjectId | None:
        """Return the subject that is meant, None for an identifier that nobody has claimed."""
        if isinstance(subject, SubjectId):
            return subject
        claimants = self._claims.claimants(subject)
        return self._session.steady(lambda: one_subject(self._engine, claimants))

    def claimants(self, identifier: Identifier) -> list[SubjectId]:
        """Return the subjects for which an identifier is asserted, by the vault or by this transaction."""
        self._check()
        return list(self._claims.claimants(identifier))

    def identifiers(self, subject: SubjectId) -> list[Identifier]:
        """Return the identifiers that the vault or this transaction asserts for a subject."""
        self._check()
        own = self._claims.own(subject)
        return own if subject in self._created else [*self._session.identifiers(subject), *own]

    def linked(self, one: SubjectId, other: SubjectId) -> bool:
        """Return whether two subjects are stated to be one person."""
        self._check()
        return self._claims.linked(one, other)

    def new_subject(self) -> SubjectId:
        """Create a subject that no identifier names yet.

        Raises
        ------
        AccessDenied
        """
        self._check()
        self._session.authorize(Action.LINK, None, None)
        subject = SubjectId(os.urandom(16))
        key = os.urandom(KEY)
        unit = Unit(self._engine.suite, FrameClass.RECORD, subject)
        unit.add(role_entry(Role.SUBJECT, _ZERO, unit.room(KEY), KEY), key)
        self._subjects[subject] = _Subject(subject, key, unit)
        self._created.add(subject)
        self._event(EventType.SUBJECT_CREATED, subject)
        return subject

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
        if subject == NOBODY:
            raise ArgumentInvalid
        when = None if date is None else ClinicalDate.of(date)
        if subject not in self._created:
            self._session.authorize(Action.LINK, None, subject)
        holder = self._holder(subject)
        token = self._engine.chain.identifier_token(identifier)
        claims = self._claims.claimants(identifier)
        if subject in claims:
            return
        if not claims:
            self._intent.unclaimed.add(token)
        self._claims.assert_for(subject, identifier)
        self._intent.claimed.add(token)
        body = encode_identifier(identifier)
        offset = holder.unit.room(len(body))
        holder.unit.add(role_entry(Role.ALIAS, token, offset, len(body), when, WEAK if weak else 0), body)
        self._event(EventType.IDENTIFIER_ASSERTED, subject)

    def link(self, one: SubjectId, other: SubjectId) -> None:
        """State that two subjects are the same person. Nothing is moved; searches find the records of both."""
        self._relate(one, other, Role.LINK, EventType.SUBJECTS_LINKED)

    def unlink(self, one: SubjectId, other: SubjectId) -> None:
        """Take back a link."""
        self._relate(one, other, Role.UNLINK, EventType.SUBJECTS_UNLINKED)

    def _relate(self, one: SubjectId, other: SubjectId, role: Role, event: EventType) -> None:
        self._check()
        if one == other or NOBODY in (one, other):
            raise ArgumentInvalid
        for subject in (one, other):
            self._session.authorize(Action.LINK, None, subject)
        for subject in (one, other):
            self._holder(subject)
        self._claims.relate(one, other, same=role is Role.LINK)
        self._event(event, one)
        self._event(event, other)

    def _write_links(self) -> None:
        """Write what was said last of each pair: two words of one commit on the same pair would have no order."""
        for (one, other), same in self._claims.links().items():
            unit = self._holder(one).unit
            unit.room(0)
            unit.add(role_entry(Role.LINK if same else Role.UNLINK, bytes(other), 0, 0))

    def _holder(self, subject: Identifier | SubjectId) -> _Subject:
        subject_id = self.subject(subject) if isinstance(subject, Identifier) else subject
        holder = self._subjects.get(subject_id)
        if holder is None:
            key = self._session.steady(lambda: content_key(self._engine, subject_id))
            unit = Unit(self._engine.suite, FrameClass.RECORD, subject_id)
            holder = self._subjects[subject_id] = _Subject(SubjectId(subject_id), key, unit)
        return holder

    # Control state.

    def state(self, namespace: str, key: bytes) -> State:
        """Return a control state and rely on it: the commit fails if it has changed by then."""
        self._check()
        found = self._session.state(namespace, key)
        token = self._engine.chain.state_token(namespace, key)
        if self._intent.guards.setdefault(token, found.version) != found.version:
            raise TransactionConflict
        return found

    def guard(self, namespace: str, key: bytes, expected_version: int) -> None:
        """Let the commit fail unless a control state has this version (0: does not exist) then."""
        self._check()
        token = self._engine.chain.state_token(namespace, key)
        if self._intent.guards.setdefault(token, expected_version) != expected_version:
            raise ArgumentInvalid

    def set_state(self, namespace: str, key: bytes, value: bytes) -> int:
        """Set a control state and return its new version. A change by another transaction makes the commit fail."""
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
            self._control = Unit(self._engine.suite, FrameClass.CONTROL, NOBODY)
        offset = self._control.room(len(body))
        entry = role_entry(Role.STATE, token, offset, len(body))._replace(version=version)
        self._control.add(entry, body)
        self._intent.guards.setdefault(token, known)
        self._intent.states[token] = version
        self._event(EventType.STATE_SET, version=version)
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
        try:
            self._write_links()
            units = [holder.unit for holder in self._subjects.values()]
            units += [self._control] if self._control else []
            frames = list(self._blobs)
            for unit in units:
                unit.flush()
                frames += unit.frames
            if not frames and not self._intent.guards:
                return 0
            self._intent.frames = frames
            self._intent.events = sealable(self._events)
            if self._intent.weight() > MAX_TRANSACTION or len(frames) > limits.MAX_GROUP_FRAMES // 2:
                raise TooLarge(frames=len(frames))
            self.commit_number = self._session.commit(self._intent)
        except BaseException:
            self._abandon()
            raise
        return self.commit_number

    def rollback(self) -> None:
        """Forget everything."""
        if not self._ended:
            self._ended = True
            self._abandon()

    def _abandon(self) -> None:
        self._give_up(self._blobs)

    def _give_up(self, frames: Sequence[Drafted]) -> None:
        """Give back the space of bodies that no commit will name."""
        landed = [frame.landed for frame in frames if frame.landed]
        if landed and self._engine.writable():
            self._engine.parts.abandon(landed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._ended:
            return
        if kind is None:
            self.commit()
        else:
            self.rollback()

    def _check(self) -> None:
        if self._ended:
            raise TransactionEnded
        self._engine.check_writable()
        self._session.check()

    def _event(self, kind: EventType, subject: bytes = b"", record: bytes = b"", version: int = 0) -> None:
        self._events.append(self._session.event(kind, subject, record, version))
