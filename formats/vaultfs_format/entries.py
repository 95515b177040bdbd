"""The directory entries of a frame: what it holds and where, sealed apart from the body.

An entry block is a prologue that names the shred unit, one fixed row an entry, and the part list of a blob. It holds
all that an index needs, so an index is rebuilt without opening a body.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from vaultfs_format import limits
from vaultfs_format.errors import FieldInvalid, LimitExceeded, Structure
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, require, require_size
from vaultfs_format.suite import KEY

NO_SUBJECT = bytes(16)
NO_DATE = 0
NO_OFFSET = -32768
"""Stored where a date states no offset from UTC."""

MAX_OFFSET_MINUTES = 24 * 60 - 1
FIRST_DATE = -62_135_596_800_000
"""0001-01-01T00:00, the first date of the proleptic Gregorian calendar that is stored."""

LAST_DATE = 253_402_300_799_999
"""9999-12-31T23:59:59.999, the last."""


class Role(IntEnum):
    """What an entry is."""

    RECORD = 1
    DELETE = 2
    UNDELETE = 3
    PART = 4
    SUBJECT = 5
    ALIAS = 6
    LINK = 7
    UNLINK = 8
    STATE = 9
    EVENTS = 10
    BASE = 11


PROLOGUE = Layout(
    Structure.ENTRIES,
    "entry block: prologue",
    Field("subject", "16s", "surrogate of the subject; zero: no subject"),
    Field("disposition", "I", "disposition class: 0"),
    Field("rows", "I", "number of rows"),
    Field("parts", "I", "number of part rows after the rows"),
    Field(RESERVED, "4s"),
)
ROW = Layout(
    Structure.ENTRIES,
    "entry block: row",
    Field(
        "role",
        "B",
        "1 record, 2 delete, 3 undelete, 4 part, 5 subject, 6 alias, 7 link, 8 unlink, 9 state, 10 events, 11 base",
    ),
    Field("flags", "B", "bit 0: weak alias; other bits zero"),
    Field("kind", "H", "number in the kind registry; 0: none"),
    Field("media", "H", "number in the media type registry; 0: none"),
    Field("precision", "B", "0 no date, 1 year, 2 month, 3 day, 4 minute, 5 second, 6 millisecond"),
    Field(RESERVED, "B"),
    Field("offset_minutes", "h", "minutes east of UTC; -32768: not stated"),
    Field(RESERVED, "2s"),
    Field("incarnation", "I", "high part of the record number"),
    Field("date", "q", "wall-clock milliseconds since 1970-01-01T00:00"),
    Field("number", "Q", "record number; 0: the entry is not of a record"),
    Field("version", "I", "version of the record or of the state"),
    Field("offset", "I", "where the bytes begin in the body"),
    Field("length", "Q", "bytes of the record, without those around it; of the part"),
    Field("before", "I", "bytes stored before the record's own"),
    Field("after", "I", "bytes stored after the record's own"),
    Field("token", "16s", "record, part: content id; alias, state: token; link: the other subject; else zero"),
)
PART_ROW = Layout(
    Structure.ENTRIES,
    "entry block: part row",
    Field("content_id", "16s", "content id of the part"),
    Field("length", "I", "bytes of the part"),
)
WEAK = 1

pack_row = ROW.pack
"""Returns the bytes of a row, given the fields of `Entry` in their order."""


def encode_block(subject: bytes, rows: Sequence[bytes], parts: Sequence[bytes] = (), disposition: int = 0) -> bytes:
    """Return the plaintext bytes of an entry block whose rows are encoded."""
    return b"".join([PROLOGUE.pack(subject, disposition, len(rows), len(parts)), *rows, *parts])


class Entry(NamedTuple):
    """One row. Fields as in the table `ROW`."""

    role: int
    flags: int = 0
    kind: int = 0
    media: int = 0
    precision: int = 0
    offset_minutes: int = NO_OFFSET
    incarnation: int = 0
    date: int = NO_DATE
    number: int = 0
    version: int = 0
    offset: int = 0
    length: int = 0
    before: int = 0
    after: int = 0
    token: bytes = bytes(16)

    def __repr__(self) -> str:
        return f"Entry(role={self.role}, version={self.version})"


_DATE = ("precision", "offset_minutes", "date")
_RECORD = ("incarnation", "number", "version")

FIELDS_OF: dict[int, tuple[str, ...]] = {
    Role.RECORD: ("kind", "media", *_DATE, *_RECORD, "offset", "length", "before", "after", "token"),
    Role.DELETE: ("kind", *_RECORD, "offset"),
    Role.UNDELETE: ("kind", *_RECORD, "offset"),
    Role.PART: ("length", "token"),
    Role.SUBJECT: ("offset", "length"),
    Role.ALIAS: ("flags", *_DATE, "offset", "length", "token"),
    Role.LINK: ("offset", "token"),
    Role.UNLINK: ("offset", "token"),
    Role.STATE: ("version", "offset", "length", "token"),
    Role.EVENTS: ("offset", "length"),
    Role.BASE: ("offset", "length"),
}
"""The fields that an entry of each role has; the others hold the value that means nothing."""

_POSITIVE = ("kind", "media", "number", "version")


class PartRow(NamedTuple):
    """A part of a blob: its content id, under which it is found in the blob's shred unit, and its length."""

    content_id: bytes
    length: int

    def __repr__(self) -> str:
        return f"PartRow(length={self.length})"


class _Shape(NamedTuple):
    """What `_entry` holds against a row of one role: the fields that it lacks, and those that are never zero."""

    unused: itemgetter[Any]
    defaults: Any
    positive: itemgetter[Any]

    @classmethod
    def of(cls, names: Sequence[str]) -> _Shape:
        at = Entry._fields.index
        unused = itemgetter(*(at(name) for name in Entry._fields if name not in ("role", *names)))
        # The role stands in twice, being never zero, so that a tuple comes out for every role.
        positive = itemgetter(0, 0, *(at(name) for name in _POSITIVE if name in names))
        return cls(unused, unused(Entry(role=0)), positive)


_SHAPES = {role: _Shape.of(names) for role, names in FIELDS_OF.items()}
_TWO_ZEROS = bytes(2)
_new = tuple.__new__
"""What `Entry._make` comes to, without a call of Python's for each of millions."""
_SUBJECT = int(Role.SUBJECT)


class EntryBlock(msgspec.Struct, frozen=True, gc=False):
    """All entries of a frame.

    Parameters
    ----------
    subject, disposition
        The shred unit.
    entries
        At least one.
    parts
        The parts of a blob in their order, which the body of this frame follows; empty for what lies in one frame.
    """

    subject: bytes
    disposition: int
    entries: Sequence[Entry]
    parts: Sequence[PartRow] = ()

    def encode(self) -> bytes:
        """Return the plaintext bytes of the block."""
        parts = [PART_ROW.pack(*part) for part in self.parts]
        return encode_block(self.subject, [pack_row(*entry) for entry in self.entries], parts, self.disposition)

    @classmethod
    def decode(cls, data: Buffer) -> EntryBlock:
        """Parse a block.

        Raises
        ------
        Truncated, TrailingBytes, LimitExceeded, FieldInvalid
        """
        subject, disposition, rows, parts = PROLOGUE.unpack(data)
        if rows > limits.MAX_ENTRIES or parts > limits.MAX_PARTS:
            raise LimitExceeded(structure=Structure.ENTRIES, rows=rows, parts=parts)
        require(rows > 0, Structure.ENTRIES, 1)
        require(disposition == 0, Structure.ENTRIES, 16)
        end = PROLOGUE.size + rows * ROW.size
        expected = end + PART_ROW.size * parts
        require_size(data, expected, Structure.ENTRIES)
        found = [_entry(values) for values in ROW.struct.iter_unpack(memoryview(data)[PROLOGUE.size : end])]
        listed = [PartRow._make(row) for row in PART_ROW.struct.iter_unpack(memoryview(data)[end:expected])]
        if any(not 0 < part.length <= limits.MAX_BODY for part in listed):
            raise FieldInvalid(structure=Structure.ENTRIES, rule=15)
        return cls(subject, disposition, found, listed)


def _entry(values: tuple[Any, ...]) -> Entry:
    role, flags, _, _, precision, zero, offset_minutes, zeros, *_ = values
    entry = _new(Entry, values[:5] + values[6:7] + values[8:])
    shape = _SHAPES.get(role)
    if shape is None or zero != 0 or zeros != _TWO_ZEROS:
        raise FieldInvalid(structure=Structure.ENTRIES, rule=3)
    if shape.unused(entry) != shape.defaults:
        raise FieldInvalid(structure=Structure.ENTRIES, rule=4)
    if 0 in shape.positive(entry):
        raise FieldInvalid(structure=Structure.ENTRIES, rule=5)
    if precision:
        stated = -MAX_OFFSET_MINUTES <= offset_minutes <= MAX_OFFSET_MINUTES or offset_minutes == NO_OFFSET
        if precision > 6 or not stated or not FIRST_DATE <= entry.date <= LAST_DATE:
            raise FieldInvalid(structure=Structure.ENTRIES, rule=6)
    elif entry.date != NO_DATE or offset_minutes != NO_OFFSET:
        raise FieldInvalid(structure=Structure.ENTRIES, rule=6)
    if flags > WEAK or entry.length > limits.MAX_RECORD or (role == _SUBJECT and entry.length != KEY):
        raise FieldInvalid(structure=Structure.ENTRIES, rule=7)
    return entry
