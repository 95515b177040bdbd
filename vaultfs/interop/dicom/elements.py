"""Data elements: where one begins and ends, in every encoding of DICOM PS3.5, section 7.

Nothing here recurses over what a file nests, and no value is read that nobody asked for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from vaultfs.errors import DicomMalformed
from vaultfs.interop.dicom.reader import Reader

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

MAX_DEPTH = 128
"""Deepest nesting that is followed; reports nest a dozen levels."""

MAX_VALUE = 64 * 1024
"""Longest value that is read, in bytes; those that decide have 64 characters, or 4,096 at most."""

MAX_ITEMS = 4096
"""Most items that are kept of all sequences that are read."""

# PS3.5, 7.1.2: these have two reserved bytes and a length of four bytes; all others a length of two bytes.
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())


@dataclass(frozen=True, slots=True)
class Coding:
    """How elements are encoded: with or without their value representation, and in which byte order."""

    explicit: bool
    big: bool = False

    def tag(self, data: bytes) -> int:
        """Return group and element as one number."""
        group, element = struct.unpack(">HH" if self.big else "<HH", data[:4])
        return int(group) << 16 | int(element)

    def number(self, data: bytes) -> int:
        """Return an unsigned integer."""
        return int.from_bytes(data, "big" if self.big else "little")


IMPLICIT = Coding(explicit=False)
EXPLICIT = Coding(explicit=True)


class Start(NamedTuple):
    """The beginning of an element: what stands before its value."""

    tag: int
    vr: bytes
    length: int
    coding: Coding


@dataclass(frozen=True, slots=True)
class Found:
    """The values that were asked for, of a data set or of an item of a sequence, as encoded.

    Parameters
    ----------
    values
        Bytes by tag.
    items
        Items of sequences by tag, those alone that have any of the values.
    """

    coding: Coding
    values: dict[int, bytes] = field(default_factory=dict, repr=False)
    items: dict[int, list[Found]] = field(default_factory=dict, repr=False)


def start(reader: Reader, coding: Coding, head: bytes) -> Start:
    """Return the beginning of an element whose first eight bytes are `head`.

    An element without a possible value representation, in an explicit encoding, is read as an implicit one: writers
    mix the two, above all in sequences that they copy.
    """
    tag = coding.tag(head)
    vr = head[4:6]
    if not coding.explicit or tag >> 16 == 0xFFFE or not (vr.isalpha() and vr.isupper()):
        return Start(tag, b"", coding.number(head[4:8]), Coding(explicit=False, big=coding.big))
    if vr in _SHORT:
        return Start(tag, vr, coding.number(head[6:8]), coding)
    if vr not in _LONG and head[6:8] != b"\0\0":
        raise DicomMalformed(offset=reader.position - 8)
    return Start(tag, vr, coding.number(reader.exactly(4)), coding)


def skip(reader: Reader, element: Start) -> None:
    """Skip a value; one of undefined length item by item (PS3.5, 7.5).

    Raises
    ------
    DicomMalformed, DicomTruncated
    """
    if element.length != UNDEFINED:
        reader.skip(element.length)
        return
    # True: in a sequence, where items are expected; False: in an item.
    open_: list[tuple[bool, Coding]] = [(True, within(element))]
    while open_:
        in_sequence, coding = open_[-1]
        one = start(reader, coding, reader.exactly(8))
        if one.tag == (SEQUENCE_END if in_sequence else ITEM_END):
            open_.pop()
        elif in_sequence != (one.tag == ITEM) or one.tag in (SEQUENCE_END, ITEM_END):
            raise DicomMalformed(offset=reader.position)
        elif one.length != UNDEFINED:
            reader.skip(one.length)
        elif len(open_) >= 2 * MAX_DEPTH:
            raise DicomMalformed(depth=MAX_DEPTH)
        else:
            open_.append((False, coding) if in_sequence else (True, within(one)))


def within(element: Start) -> Coding:
    """Return how the items of a sequence are encoded: those of an unknown one implicitly (PS3.5, 6.2.2)."""
    return IMPLICIT if element.vr == b"UN" else element.coding


def _end(reader: Reader, length: int) -> int | None:
    """Return where a value ends, None where that is undefined; refuse one that passes the end of the file."""
    if length == UNDEFINED:
        return None
    reader.check(length)
    return reader.position + length


class Picker:
    """Reads the values that are wanted, at the depths at which they stand.

    Parameters
    ----------
    wanted
        Tags of values.
    sequences
        Tags of sequences that are looked into.
    """

    def __init__(self, wanted: frozenset[int], sequences: frozenset[int]) -> None:
        self._wanted = wanted
        self._sequences = sequences
        self._kept = 0

    def take(self, reader: Reader, element: Start, found: Found, depth: int = 0) -> None:
        """Read an element into `found` if it is wanted, else skip it.

        Raises
        ------
        DicomMalformed, DicomTruncated
        """
        if element.tag in self._sequences and depth < 4:
            listed = found.items.setdefault(element.tag, [])
            for item in self._items(reader, element, depth):
                listed.append(item)
                self._kept += 1
                if self._kept > MAX_ITEMS:
                    raise DicomMalformed(limit=MAX_ITEMS)
        elif element.tag in self._wanted and element.length != UNDEFINED:
            reader.check(element.length)
            if element.length > MAX_VALUE:
                raise DicomMalformed(limit=MAX_VALUE)
            found.values.setdefault(element.tag, reader.exactly(element.length))
        else:
            skip(reader, element)

    def _items(self, reader: Reader, sequence: Start, depth: int) -> Iterator[Found]:
        """Yield the items of a sequence that have anything wanted."""
        coding = within(sequence)
        end = _end(reader, sequence.length)
        while end is None or reader.position < end:
            one = start(reader, coding, reader.exactly(8))
            if one.tag == SEQUENCE_END:
                return
            if one.tag != ITEM:
                raise DicomMalformed(offset=reader.position)
            item = self._item(reader, coding, one.length, depth)
            if item.values or item.items:
                yield item
        if reader.position != end:
            raise DicomMalformed(offset=reader.position)

    def _item(self, reader: Reader, coding: Coding, length: int, depth: int) -> Found:
        found = Found(coding)
        end = _end(reader, length)
        while end is None or reader.position < end:
            one = start(reader, coding, reader.exactly(8))
            if one.tag == ITEM_END:
                return found
            self.take(reader, one, found, depth + 1)
        if reader.position != end:
            raise DicomMalformed(offset=reader.position)
        return found
