"""A session: one principal with one purpose. Every access goes through one, is decided by the policy and audited.

Here is what reads. What a session of the process that writes adds is in `vaultfs.engine.committing.writing`.
"""

from __future__ import annotations

import io
import os
from collections import Counter as Tallies
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date as calendar_date
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeVar, cast

from vaultfs_format import limits
from vaultfs_format.entries import Role
from vaultfs_format.events.records import AccessDenied as DeniedEvent
from vaultfs_format.events.records import (
    IdentifiersListed,
    RecordRead,
    RecordsRead,
    RecordsSearched,
    SourceCompared,
    StateRead,
    SubjectExported,
    SubjectSearched,
    SubjectsListed,
    VersionsListed,
)

from vaultfs.access.policy import Action, Policy, Request
from vaultfs.audit.events import Event, Outcome
from vaultfs.context import UNSTATED, Attest, Context
from vaultfs.engine.custody.guarding import Guard
from vaultfs.engine.engine import View
from vaultfs.engine.files.mirrors import DAMAGE
from vaultfs.engine.reading.attesting import session_event
from vaultfs.engine.reading.records import (
    Located,
    Record,
    RecordFile,
    RecordInfo,
    find_version,
    info_of,
    locate,
    read_record,
)
from vaultfs.engine.reading.searching import people, records_of
from vaultfs.engine.reading.state import State, States
from vaultfs.engine.reading.subjects import identifiers_of, subjects_of
from vaultfs.errors import (
    AccessDenied,
    AttestationFailed,
    Closed,
    Deleted,
    IndexDamaged,
    KindUnknown,
    NotFound,
    ReadOnly,
    SubjectAmbiguous,
)
from vaultfs.metrics import Counter, Timing, timed
from vaultfs.model import NOBODY, ClinicalDate, Identifier, Principal, RecordId, SubjectId

if TYPE_CHECKING:
    from vaultfs.engine.committing.transaction import Transaction

T = TypeVar("T")

Wanted = Sequence[tuple[RecordId, int | None]]
"""Records, each in a version: None is the newest."""

RECORD_ID = 16
"""Bytes of a record id."""

FAILURES = (NotFound, Deleted, SubjectAmbiguous, KindUnknown, IndexDamaged, *DAMAGE)
"""How a question ends that could not be answered."""


class Host(Protocol):
    """An open vault, as its sessions see it."""

    @property
    def engine(self) -> View:
        """Files, keys and index."""
        ...

    @property
    def states(self) -> States:
        """The control states."""
        ...

    @property
    def guard(self) -> Guard:
        """What stands before the keys."""
        ...

    def steady(self, read: Callable[[], T]) -> T:
        """Return what `read` returns; run it again where what it reads has moved."""
        ...

    def record(self, events: Sequence[Event], *, durable: bool) -> None:
        """Write audit events, durably or so that they become durable within the vault's bound."""
        ...


class Session:
    """Access by one principal for one purpose.

    Reads are buffered by default: their audit event is written before the data is returned and durable within the
    vault's bound. A strict session returns data only once the event is durable.
    """

    def __init__(
        self,
        host: Host,
        principal: Principal,
        purpose: str,
        policy: Policy,
        *,
        strict: bool,
        context: Context = UNSTATED,
        attest: Attest | None = None,
    ) -> None:
        self._host = host
        self.engine = host.engine
        self.states = host.states
        self.principal = principal
        self.purpose = purpose
        self._policy = policy
        self.strict = strict
        self.id = os.urandom(16)
        self._closed = False
        event = session_event(self.engine, self.id, principal, purpose, strict=strict, context=context, attest=attest)
        self._host.record([event], durable=strict or attest is not None)
        if event.outcome is Outcome.FAILED:
            raise AttestationFailed

    # Reading.

    def get(self, record_id: RecordId, version: int | None = None) -> Record:
        """Return a record, the newest version by default.

        Raises
        ------
        NotFound, Deleted, AccessDenied
        """
        return self._read_one(record_id, version, lambda located: read_record(self.engine, located))

    def info(self, record_id: RecordId, version: int | None = None) -> RecordInfo:
        """Return what is known of a record, without its bytes."""
        return self._read_one(record_id, version, lambda located: info_of(self.engine, located))

    def open(self, record_id: RecordId, version: int | None = None) -> io.BufferedReader:
        """Return a record as a seekable binary file; only what is read of it is decrypted."""

        def make(located: Located) -> RecordFile:
            return RecordFile(self.engine, located, self._host.steady)

        return io.BufferedReader(cast(io.RawIOBase, self._read_one(record_id, version, make)), 1 << 20)

    def _read_one(self, record_id: RecordId, version: int | None, use: Callable[[Located], T]) -> T:
        metrics = self.engine.metrics
        with timed(metrics, Timing.READ):
            [(located, result)] = self._read([(record_id, version)], use, RecordRead, None, 0, asked_id(record_id), 0)
        metrics.add(Counter.RECORDS_READ)
        metrics.add(Counter.BYTES_READ, located.entry.length)
        about = located.frame.block.subject, located.entry.kind, record_id, located.entry.version
        self._note([self.event(RecordRead, *about, Outcome.DONE)])
        return result

    def _read(
        self, wanted: Wanted, use: Callable[[Located], T], kind: Callable[..., Event], *asked: object
    ) -> list[tuple[Located, T]]:
        """Find records, ask whether they may be read, and use them.

        The policy is the host's code: it is asked once, under no lock, and what it raises is no answer of the vault's.
        """
        self.check()
        with self.noting_absence(kind, *asked):
            found = self._host.steady(lambda: self._located(wanted))
        for number, subject in {(one.entry.kind, one.frame.block.subject) for one in found}:
            self.authorize(Action.READ, self.engine.kinds.name(number), SubjectId(subject))
        permitted = [(record_id, one.entry.version) for (record_id, _), one in zip(wanted, found, strict=True)]

        def read() -> list[tuple[Located, T]]:
            nonlocal found
            at, found = found or self._located(permitted), []  # only what has moved since is looked for again
            return [(one, use(one)) for one in at]

        with self.noting_absence(kind, *asked):
            return self._host.steady(read)

    def _located(self, wanted: Wanted) -> list[Located]:
        number_of = self.engine.chain.number_of
        return [find_version(self.engine, number_of(record_id), version) for record_id, version in wanted]

    @contextmanager
    def noting_absence(self, kind: Callable[..., Event], *asked: object) -> Iterator[None]:
        """Record that someone asked for what is not there, not one, or not to be read: the answer tells something too.

        Parameters
        ----------
        asked
            What the event has of that beside time, session and outcome.
        """
        with self.noting(kind, [asked]):
            yield

    @contextmanager
    def noting(self, kind: Callable[..., Event], asked: Sequence[tuple[object, ...]]) -> Iterator[None]:
        """Record the same, by several events."""
        try:
            yield
        except FAILURES:
            self.note_failed(kind, *asked)
            raise

    def note_failed(self, kind: Callable[..., Event], *asked: tuple[object, ...]) -> None:
        """Record that what was asked could not be answered: where `noting` would be felt, a `try` is not."""
        self._note([self.event(kind, *one, Outcome.FAILED) for one in asked])

    def get_many(self, wanted: Wanted) -> list[Record]:
        """Return many records, each in the version asked for (None: the newest), in the order asked for.

        One audit event a subject and kind says how many records were read.

        Raises
        ------
        NotFound, Deleted, AccessDenied
            Nothing is returned.
        """
        read = self._read(wanted, lambda located: read_record(self.engine, located), RecordsRead, None, 0, 0)
        found = [record for _, record in read]
        self.engine.metrics.add(Counter.RECORDS_READ, len(found))
        self.engine.metrics.add(Counter.BYTES_READ, sum(len(record.data) for record in found))
        counts = Tallies((record.info.subject, record.info.kind) for record in found)
        self._note(
            [
                self.event(RecordsRead, subject, self._number(kind), count, Outcome.DONE)
                for (subject, kind), count in counts.items()
            ]
        )
        return found

    def versions(self, record_id: RecordId) -> list[RecordInfo]:
        """Return all versions of a record, oldest first, those of a deleted record too."""
        self.check()

        def read() -> list[RecordInfo]:
            number = self.engine.chain.number_of(record_id)
            with self.engine.index.reading() as txn:
                history = self.engine.index.history(txn, number)
            hits = [hit for hit in history if hit.role == Role.RECORD]
            if not hits:
                raise NotFound
            return [info_of(self.engine, locate(self.engine, number, hit)) for hit in hits]

        with self.noting_absence(VersionsListed, None, 0, asked_id(record_id), 0):
            found = self._host.steady(read)
        for kind, subject in {(info.kind, info.subject) for info in found}:
            self.authorize(Action.READ, kind, subject)
        about = found[-1].subject, self._number(found[-1].kind), record_id, len(found)
        self._note([self.event(VersionsListed, *about, Outcome.DONE)])
        return found

    def find(
        self,
        *,
        subject: Identifier | SubjectId,
        kind: str | None = None,
        since: calendar_date | datetime | ClinicalDate | None = None,
        until: calendar_date | datetime | ClinicalDate | None = None,
        follow_links: bool = True,
    ) -> list[RecordInfo]:
        """Return the records of a subject and of those linked to it, in the order in which they were stored.

        Parameters
        ----------
        subject
            An identifier, a surrogate, or `NOBODY` for the records that belong to no subject.
        kind
            Only records of this kind.
        since, until
            Only dated records that begin at or after, and before this instant; a missing offset counts as UTC.
        follow_links
            False for the records of this one subject alone.

        Raises
        ------
        NotFound, SubjectAmbiguous
            Nobody has the identifier, or several who are not linked. The policy was asked about no subject.
        AccessDenied, KindUnknown
        """
        self.check()
        with self.noting_absence(RecordsSearched, None, 0, 0):
            number = None if kind is None else self.engine.kinds.number(kind)
        lower = None if since is None else ClinicalDate.of(since)
        upper = None if until is None else ClinicalDate.of(until)
        subjects = self._searched(subject, kind, number or 0, follow_links=follow_links)

        def read() -> list[RecordInfo]:
            with self.engine.index.snapshot():
                return [info for one in subjects for info in records_of(self.engine, one, number, lower, upper)]

        failing = self.noting(RecordsSearched, [(one, number or 0, 0) for one in subjects])
        with failing, timed(self.engine.metrics, Timing.SEARCH):
            found = self._host.steady(read)
        found.sort(key=lambda info: (info.commit, self.engine.chain.number_of(info.id)))
        counts = Tallies(info.subject for info in found)
        self._note([self.event(RecordsSearched, one, number or 0, counts[one], Outcome.DONE) for one in subjects])
        return found

    def _searched(
        self, subject: Identifier | SubjectId, kind: str | None, number: int, *, follow_links: bool
    ) -> list[SubjectId]:
        """Return the subjects to search for, if the policy permits it: who may not is not told who is unknown."""
        subjects: list[SubjectId] = []
        unknown = None
        with self.noting_absence(RecordsSearched, None, number, 0):
            try:
                subjects = self._host.steady(lambda: people(self.engine, subject, follow_links=follow_links))
            except (NotFound, SubjectAmbiguous) as error:
                unknown = type(error), error.facts
        for one in subjects or (None,):
            self.authorize(Action.SEARCH, kind, one)
        if unknown is not None:
            error_class, facts = unknown
            self.note_failed(RecordsSearched, (None, number, 0))
            raise error_class(**facts)
        return subjects

    def subjects(self, identifier: Identifier) -> list[SubjectId]:
        """Return every subject for which an identifier is asserted."""
        self.check()
        self.authorize(Action.SEARCH, None, None)
        with self.noting_absence(SubjectSearched, None):
            found = self._host.steady(lambda: subjects_of(self.engine, identifier))
        self._note([self.event(SubjectSearched, one, Outcome.DONE) for one in found or (None,)])
        return found

    def identifiers(self, subject: SubjectId) -> list[Identifier]:
        """Return the identifiers that are asserted for a subject."""
        self.check()
        self.authorize(Action.SEARCH, None, subject)
        with self.noting_absence(IdentifiersListed, subject, 0):
            found = self._host.steady(lambda: identifiers_of(self.engine, subject))
        self._note([self.event(IdentifiersListed, subject, len(found), Outcome.DONE)])
        return found

    def all_subjects(self) -> Iterator[SubjectId]:
        """Yield every subject of the vault, `NOBODY` first; the list is taken when the iteration begins."""
        self.check()
        self.authorize(Action.SEARCH, None, None)
        with self.noting_absence(SubjectsListed, 0):
            units = self._host.steady(self._units)
        self._note([self.event(SubjectsListed, len(units), Outcome.DONE)])
        yield NOBODY
        for unit in units:
            yield SubjectId(unit)

    def _units(self) -> list[bytes]:
        with self.engine.index.reading() as txn:
            return self.engine.index.all_units(txn)

    def state(self, namespace: str, key: bytes) -> State:
        """Return a control state; version 0 where there is none.

        Raises
        ------
        ArgumentInvalid
            `namespace` is empty, or holds half of a surrogate pair.
        AccessDenied
        """
        self.check()
        self.authorize(Action.READ_STATE, None, None)
        token = self.engine.chain.event_state_token(namespace, key)
        with self.noting_absence(StateRead, token, 0):
            found = self._host.steady(lambda: self.states.read(namespace, key))
        self._note([self.event(StateRead, token, found.version, Outcome.DONE)])
        return found

    def transaction(self) -> Transaction:
        """Begin a transaction.

        Raises
        ------
        ReadOnly
            The vault was opened for reading.
        """
        self.check()
        raise ReadOnly

    def disclose(self, subject: SubjectId, count: int) -> None:
        """Record that `count` records of a subject are about to leave the vault; durable when this returns.

        Source: 45 CFR 164.528, accounting of disclosures.
        """
        self.check()
        self.authorize(Action.EXPORT, None, subject)
        self._host.record([self.event(SubjectExported, subject, count)], durable=True)

    def compared(self, files: int, *, whole: bool) -> None:
        """Record that what was imported was compared with its source; durable when this returns.

        Parameters
        ----------
        files
            How many files of the source are in the vault as they are.
        whole
            Whether there were no others.
        """
        self.check()
        outcome = Outcome.DONE if whole else Outcome.FAILED
        self._host.record([self.event(SourceCompared, files, outcome)], durable=True)

    # Deciding and recording.

    def authorize(self, action: Action, kind: str | None, subject: SubjectId | None) -> None:
        """Ask the policy; a denial is audited, durably, before this raises. A policy that raises permits nothing.

        Raises
        ------
        AccessDenied
            Or what the policy raises.
        """
        permitted = False
        try:
            permitted = self._policy.permits(Request(self.principal, self.purpose, action, kind, subject))
        finally:
            if not permitted:
                event = self.event(DeniedEvent, subject, self._number(kind), action)
                self._host.record([event], durable=True)
                self.engine.metrics.add(Counter.DENIALS)
        if not permitted:
            raise AccessDenied(action=action)

    def event(self, kind: Callable[..., Event], *about: object) -> Event:
        """Return an event of this session, now: of a class, with what it has beside time and session."""
        return kind(self.engine.options.clock(), self.id, *about)

    def _number(self, kind: str | None) -> int:
        """Return the number of a kind; 0 for none, and for one that the vault does not know."""
        if kind is not None:
            with suppress(KindUnknown):
                return self.engine.kinds.number(kind)
        return 0

    def _note(self, events: list[Event]) -> None:
        most = limits.MAX_GROUP_AUDIT // 4  # of whatever size they are, a group holds them
        for first in range(0, len(events), most):
            self._host.record(events[first : first + most], durable=self.strict)

    def check(self) -> None:
        """Refuse a closed session, and one of a vault whose key may not be used."""
        self.engine.check()
        if self._closed:
            raise Closed
        self._host.guard.check_process()

    def close(self) -> None:
        """End the session."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()


def asked_id(record_id: bytes) -> bytes | None:
    """Return what was asked for where it can be a record id."""
    return record_id if len(record_id) == RECORD_ID else None
