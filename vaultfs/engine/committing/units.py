"""Building frames: records of one shred unit are gathered until they fill a frame, and sealed together with others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date as calendar_date
from datetime import datetime, timedelta

import msgspec
from vaultfs_format import limits
from vaultfs_format.entries import NO_OFFSET, Entry, EntryBlock, Role, encode_block, pack_row
from vaultfs_format.errors import FieldInvalid, Structure
from vaultfs_format.frame import FrameClass, SealedFrame, seal_blob, seal_frame
from vaultfs_format.layout import Buffer
from vaultfs_format.pixels import Rows
from vaultfs_format.suite import KEY, Suite

from vaultfs.engine.files.parts import Landed
from vaultfs.engine.indexing.facts import FrameFacts, Holding
from vaultfs.errors import ArgumentInvalid
from vaultfs.model import ClinicalDate, Date, Precision

_EPOCH = datetime(1970, 1, 1)
_EPOCH_DAY = _EPOCH.toordinal()
_DAY = 86_400_000
_MILLISECOND = timedelta(milliseconds=1)
_FRAME_ID = 16
_EVENTS = int(Role.EVENTS)
_NO_TOKEN = bytes(16)

DateFields = tuple[int, int, int]
"""Precision, minutes east of UTC and milliseconds since 1970, as an entry keeps them."""

_UNDATED: DateFields = (0, NO_OFFSET, 0)


class Drafted(msgspec.Struct, frozen=True, gc=False):
    """A sealed frame on its way into a group, and where its body lies if not in the group."""

    sealed: SealedFrame
    facts: FrameFacts
    landed: Landed | None = None

    def __repr__(self) -> str:
        return "<Drafted>"


class Gathered(msgspec.Struct, gc=False):
    """A frame before it is sealed: encoded rows, pieces of the body, and what the index needs to know.

    Attributes
    ----------
    size
        Bytes of the body so far: the offset of what comes next.
    """

    frame_class: FrameClass
    facts: FrameFacts
    rows: list[bytes] = []
    pieces: list[bytes] = []
    size: int = 0

    def add(self, entry: Entry, *pieces: bytes) -> None:
        """Take in an entry, made for the offset `size`, and its bytes."""
        self.facts.add(entry)
        self.rows.append(pack_row(*entry))
        self.pieces += pieces
        self.size += sum(map(len, pieces))

    def add_key(self, row: bytes, key: bytes) -> None:
        """Take in the encoded row of the content key, which a new subject's first frame begins with."""
        facts = self.facts
        facts.keys.append(b"")
        facts.holding = Holding.KEY
        self.rows.append(row)
        self.pieces.append(key)
        self.size += len(key)

    def add_alias(self, row: bytes, token: bytes, identifier: bytes) -> None:
        """Take in the encoded row of an identifier, and its bytes."""
        facts = self.facts
        facts.keys.append(b"")
        facts.aliases += (token,)
        facts.holding = min(facts.holding, Holding.NAMES)
        self.rows.append(row)
        self.pieces.append(identifier)
        self.size += len(identifier)

    def add_events(self, chunk: bytes) -> None:
        """Take in a chunk of encoded events."""
        self.facts.keys.append(b"")
        self.rows.append(pack_row(_EVENTS, 0, 0, 0, 0, NO_OFFSET, 0, 0, 0, 0, self.size, len(chunk), 0, 0, _NO_TOKEN))
        self.pieces.append(chunk)
        self.size += len(chunk)

    def add_record(
        self, row: bytes, key: bytes, date: int | None, length: int, pieces: tuple[bytes, bytes, bytes]
    ) -> None:
        """Take in the encoded row of a record and its bytes, `length` in all.

        Parameters
        ----------
        key, date
            As for `FrameFacts.add_record`.
        """
        self.facts.add_record(key, date)
        self.rows.append(row)
        self.pieces += pieces
        self.size += length

    def __repr__(self) -> str:
        return "<Gathered>"


def date_fields(date: Date) -> DateFields:
    """Return a date as an entry keeps it."""
    if type(date) is calendar_date:
        return Precision.DAY, NO_OFFSET, (date.toordinal() - _EPOCH_DAY) * _DAY
    if date is None:
        return _UNDATED
    stated = ClinicalDate.of(date)
    offset = NO_OFFSET if stated.offset_minutes is None else stated.offset_minutes
    return stated.precision, offset, (stated.when - _EPOCH) // _MILLISECOND


def date_of(entry: Entry) -> ClinicalDate | None:
    """Return the date of an entry.

    Raises
    ------
    FieldInvalid
        What is stored is no date.
    """
    if not entry.precision:
        return None
    offset = None if entry.offset_minutes == NO_OFFSET else entry.offset_minutes
    try:
        return ClinicalDate(_EPOCH + entry.date * _MILLISECOND, Precision(entry.precision), offset)
    except (OverflowError, ArgumentInvalid):
        raise FieldInvalid(structure=Structure.ENTRIES) from None


def seal_all(suite: Suite, gathered: Sequence[Gathered]) -> list[Drafted]:
    """Seal frames, each under a fresh key from the operating system."""
    secrets = os.urandom((_FRAME_ID + KEY) * len(gathered))
    drafted, at = [], 0
    for frame in gathered:
        key_at = at + _FRAME_ID
        sealed = seal_frame(
            suite,
            frame.frame_class,
            encode_block(frame.facts.subject, frame.rows),
            len(frame.rows),
            b"".join(frame.pieces),
            frame_id=secrets[at:key_at],
            key=secrets[key_at : key_at + KEY],
        )
        drafted.append(Drafted(sealed, frame.facts))
        at = key_at + KEY
    return drafted


def seal_large(
    suite: Suite, block: EntryBlock, body: Buffer, rows: Rows | None, room: memoryview
) -> tuple[SealedFrame, memoryview]:
    """Seal a frame of class blob under a fresh key; its sealed body is a view of `room`."""
    secret = os.urandom(_FRAME_ID + KEY)
    return seal_blob(suite, block, body, room, frame_id=secret[:_FRAME_ID], key=secret[_FRAME_ID:], rows=rows)


class Unit(msgspec.Struct, gc=False):
    """The records of one shred unit that a transaction, or a settling, is gathering.

    Parameters
    ----------
    full
        Receives the frames that are complete.
    target
        Bytes at which a frame is complete.
    """

    frame_class: FrameClass
    subject: bytes
    full: list[Gathered]
    target: int = limits.FRAME_TARGET
    _open: Gathered | None = None

    def room(self, length: int) -> Gathered:
        """Return the frame for `length` more bytes: another one if they do not fit into the present one."""
        frame = self._open
        if frame is not None:
            if not frame.rows or (frame.size + length <= self.target and len(frame.rows) < limits.MAX_ENTRIES):
                return frame
            self.full.append(frame)
        frame = self._open = Gathered(self.frame_class, FrameFacts(self.subject))
        return frame

    def close(self) -> None:
        """End the current frame, if it holds anything."""
        if self._open is not None and self._open.rows:
            self.full.append(self._open)
        self._open = None

    def __repr__(self) -> str:
        return "<Unit>"


def role_entry(role: int, token: bytes, offset: int, length: int, date: Date = None, flags: int = 0) -> Entry:
    """Return an entry that is not of a record."""
    precision, offset_minutes, milliseconds = date_fields(date)
    return Entry(
        role,
        flags=flags,
        precision=precision,
        offset_minutes=offset_minutes,
        date=milliseconds,
        offset=offset,
        length=length,
        token=token,
    )
