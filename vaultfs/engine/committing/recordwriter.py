"""The records that a transaction writes: new ones, new versions, deletions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import msgspec
from vaultfs_format import limits
from vaultfs_format.entries import Entry, Role, pack_row
from vaultfs_format.events.records import RecordDeleted, RecordPut, RecordUndeleted

from vaultfs.access.policy import Action
from vaultfs.audit.events import FIRST_VERSION, EventType, record_event_end, record_event_start
from vaultfs.engine.committing.blobs import BlobWriter, is_blob, take
from vaultfs.engine.committing.identities import Holder, Identities
from vaultfs.engine.committing.pending import UNSEALED, Pending
from vaultfs.engine.committing.units import DateFields, Drafted, date_fields
from vaultfs.engine.engine import Engine
from vaultfs.engine.indexing.facts import RECORD_KEY
from vaultfs.engine.reading.records import newest
from vaultfs.engine.reading.session import FAILURES, asked_id
from vaultfs.errors import Deleted
from vaultfs.model import NOBODY, Identifier, NewRecord, RecordId, SubjectId

if TYPE_CHECKING:
    from vaultfs.engine.committing.writing import WritingSession

_NUMBERS = 256
"""Least record numbers that are drawn at once."""

_RECORD = int(Role.RECORD)

Fresh = Iterator[tuple[RecordId, int]]


class _Numbers:
    """Record ids, and the numbers behind them, that one transaction has drawn and not used yet."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ids: list[RecordId] = []
        self._at = self._first = self.incarnation = 0

    def take(self, amount: int) -> Fresh:
        """Return fresh ids and the numbers behind them, of the present `incarnation`."""
        if len(self._ids) - self._at < amount:
            drawn = max(amount, _NUMBERS)
            self.incarnation, self._first = self._engine.draw_numbers(drawn)
            self._ids, self._at = self._engine.chain.record_ids(self.incarnation, self._first, drawn), 0
        at = self._at
        self._at += amount
        return zip(self._ids[at : self._at], count(self._first + at), strict=False)


class _Shelf(msgspec.Struct, frozen=True, gc=False):
    """Where records of one kind and subject go, which the policy permits, and how the events of it begin."""

    holder: Holder
    kind: int
    event: bytes


class _Source(NamedTuple):
    """Number and version of the record that is replaced, the first bytes, and the file that has the others."""

    number: bytes
    base: int
    content: bytes
    stream: BinaryIO | None

    def __repr__(self) -> str:
        return "<_Source>"


class RecordWriter:
    """Writes the records of one transaction.

    Parameters
    ----------
    pending
        Receives frames and events, and is told which versions the transaction makes, and of what.
    """

    def __init__(self, session: WritingSession, pending: Pending, identities: Identities) -> None:
        self._session = session
        self._engine = session.engine
        self._pending = pending
        self._intent = pending.intent
        self._identities = identities
        self._numbers = _Numbers(session.engine)
        self._deleted: set[bytes] = set()
        self.blobs: list[Drafted] = []
        self.count = 0
        """Records written so far."""

    def put_many(self, records: Sequence[NewRecord]) -> list[RecordId]:
        """Write records and return their ids, in their order."""
        engine, pending = self._engine, self._pending
        events, gathered = pending.events, pending.gathered
        self._identities.look_up({r.subject for r in records if isinstance(r.subject, Identifier)})
        fresh = self._numbers.take(sum(r.replaces is None for r in records))
        incarnation, at = self._numbers.incarnation, engine.options.clock()
        content_id, pack_key, media_number = engine.chain.content_id, RECORD_KEY.pack, engine.media_types.number
        subjects: dict[Identifier | SubjectId | None, dict[str, _Shelf]] = {}
        last, shelves = None, subjects.setdefault(None, {})
        media_type: str | None = None
        media = 0
        ids = []
        for r in records:
            data, before, after, subject, kind = r.data, r.before, r.after, r.subject, r.kind
            dated, source = date_fields(r.date), None
            if r.media_type != media_type:
                media_type, media = r.media_type, media_number(r.media_type)
            if subject != last:
                last, shelves = subject, subjects.setdefault(subject, {})
            shelf = shelves.get(kind)
            known, number = self._permit(kind, subject) if shelf is None else (None, 0)
            small = isinstance(data, bytes) and (length := len(before) + len(data) + len(after)) < limits.BLOB_THRESHOLD
            if not small or r.replaces is not None:
                source = self._source(r)
            if shelf is None:  # all is well with the record: now a subject may be created
                shelf = shelves[kind] = self._shelf(number, subject, known, at)
            if source is not None:
                record_id = self._put_other(r, source, dated, shelf, fresh, media)
            elif isinstance(data, bytes):
                record_id, number = next(fresh)
                precision, offset_minutes, milliseconds = dated
                holder = shelf.holder
                frame = (holder.unit if precision else holder.undated).room(length)
                row = pack_row(
                    _RECORD, 0, shelf.kind, media, precision, offset_minutes, incarnation, milliseconds, number, 1,
                    frame.size, len(data), len(before), len(after), content_id(holder.content_key, data),
                )  # fmt: skip
                key = pack_key(incarnation, number, 1, _RECORD)
                frame.add_record(row, key, milliseconds if precision else None, length, (before, data, after))
                events.append(shelf.event + record_id + FIRST_VERSION)
            ids.append(record_id)
            if len(gathered) >= UNSEALED:
                pending.seal()
        self.count += len(ids)
        return ids

    def _permit(self, kind: str, subject: Identifier | SubjectId | None) -> tuple[SubjectId | None, int]:
        """Ask whether records of a kind may be put for a subject.

        Returns
        -------
        tuple[SubjectId | None, int]
            The subject, None where it must be created, and the number of the kind.
        """
        number = self._engine.kinds.number(kind)
        known = self._identities.permitted(NOBODY if subject is None else subject, Action.WRITE, kind)
        return known, number

    def _shelf(self, kind: int, subject: Identifier | SubjectId | None, known: SubjectId | None, at: int) -> _Shelf:
        """Return where to put records of a kind for a subject, which is created where it is not known."""
        if known is None:
            known = self._identities.created(subject) if isinstance(subject, Identifier) else NOBODY
        try:
            holder = self._identities.holder(known)
        except FAILURES:
            self._session.note_failed(RecordPut, (known, kind, None, 0))
            raise
        return _Shelf(holder, kind, record_event_start(EventType.RECORD_PUT, at, self._session.id, holder.id, kind))

    def _source(self, record: NewRecord) -> _Source:
        """Look at a record that is large, comes from a file, or is a new version of another."""
        number, base = b"", 0
        if record.replaces is not None:
            number, base = self._base(record.replaces)
        return _Source(number, base, *take(record.data))

    def _put_other(
        self, record: NewRecord, source: _Source, dated: DateFields, shelf: _Shelf, fresh: Fresh, media: int
    ) -> RecordId:
        """Write a record of which there is more to know than its bytes."""
        before, after, replaces = record.before, record.after, record.replaces
        precision, offset_minutes, milliseconds = dated
        number, base, content, stream = source
        if replaces is None:
            record_id, low = next(fresh)
            incarnation, version = self._numbers.incarnation, 1
        else:
            record_id, version = replaces, self._intent.versions.get(number, base) + 1
            incarnation, low = int.from_bytes(number[:4], "big"), int.from_bytes(number[4:], "big")
        holder = shelf.holder
        entry = Entry(
            _RECORD, 0, shelf.kind, media, precision, offset_minutes, incarnation, milliseconds,
            low, version, 0, len(content), len(before), len(after),
        )  # fmt: skip
        size = len(before) + len(content) + len(after)
        if stream is not None or is_blob(size):
            writer = BlobWriter(self._engine, holder.id, entry, holder.content_key, holder.parts)
            try:
                writer.write(content, stream, before, after, record.pixels)
            except BaseException:
                self.give_up(writer.frames)
                raise
            self.blobs += writer.frames
            holder.parts |= writer.written
            self._intent.parts |= writer.relied
        else:
            token = self._engine.chain.content_id(holder.content_key, content)
            frame = (holder.unit if precision else holder.undated).room(size)
            frame.add(entry._replace(offset=frame.size, token=token), before, content, after)
        if replaces is not None:
            self._build_on(number, base, version)
        self._pending.events.append(shelf.event + record_id + record_event_end(version))
        return record_id

    def mark(self, record_id: RecordId, role: Role, action: Action) -> tuple[SubjectId, int, int] | None:
        """Delete or undelete a record; return its subject and kind, and the version made; None for no change."""
        engine = self._engine
        deleting = role is Role.DELETE
        with self._session.noting_absence(
            RecordDeleted if deleting else RecordUndeleted, None, 0, asked_id(record_id), 0
        ):
            number = engine.chain.number_of(record_id)
            located, last = self._session.steady(lambda: newest(engine, number))
        subject = SubjectId(located.frame.block.subject)
        self._session.authorize(action, engine.kinds.name(located.entry.kind), subject)
        own = number in self._intent.versions
        deleted = number in self._deleted if own else last.role == Role.DELETE
        if deleted and deleting:
            about = subject, located.entry.kind, record_id, last.version
            self._session.note_failed(RecordDeleted, about)
            raise Deleted
        if not deleted and role is Role.UNDELETE:
            return None
        version = self._intent.versions.get(number, last.version) + 1
        self._build_on(number, last.version, version, deleted=deleting)
        entry = located.entry
        frame = self._identities.holder(subject).unit.room(0)
        frame.add(Entry(role, kind=entry.kind, incarnation=entry.incarnation, number=entry.number, version=version))
        return subject, entry.kind, version

    def _base(self, record_id: RecordId) -> tuple[bytes, int]:
        """Return the number of a record, and the visible version of it that a new one is to be built on.

        Who replaces a record takes it out of sight, so that they must be permitted to write it as it is.
        """
        engine, asked = self._engine, (None, 0, asked_id(record_id), 0)
        with self._session.noting_absence(RecordPut, *asked):
            number = engine.chain.number_of(record_id)
            located, last = self._session.steady(lambda: newest(engine, number))
        subject = SubjectId(located.frame.block.subject)
        self._session.authorize(Action.WRITE, engine.kinds.name(located.entry.kind), subject)
        own = number in self._intent.versions
        if number in self._deleted if own else last.role == Role.DELETE:
            self._session.note_failed(RecordPut, asked)
            raise Deleted
        return number, last.version

    def _build_on(self, number: bytes, base: int, version: int, *, deleted: bool = False) -> None:
        """Take note that this transaction has made `version` of a record, of which the vault had `base`."""
        self._intent.bases.setdefault(number, base)
        self._intent.versions[number] = version
        (self._deleted.add if deleted else self._deleted.discard)(number)

    def give_up(self, frames: Sequence[Drafted]) -> None:
        """Give back the space of bodies that no commit will name."""
        landed = [frame.landed for frame in frames if frame.landed]
        if landed and self._engine.writable():
            self._engine.parts.abandon(landed)
