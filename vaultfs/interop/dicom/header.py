"""The header of a DICOM file: its encoding, the values that decide where it belongs, and where its pixels are.

Source: DICOM PS3.10, section 7 (file meta information); PS3.5, section 7 and annex A (transfer syntaxes).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

from vaultfs.errors import DicomMalformed, DicomTruncated
from vaultfs.interop.dicom import tags
from vaultfs.interop.dicom.elements import EXPLICIT, IMPLICIT, UNDEFINED, Coding, Found, Picker, Start, skip, start
from vaultfs.interop.dicom.reader import Inflated, Reader

PREAMBLE = 128
PREFIX = b"DICM"

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95"})
_CODINGS = {
    IMPLICIT_LITTLE: IMPLICIT,
    "1.2.840.10008.1.2.2": Coding(explicit=True, big=True),
    # Of one vendor: implicit, with pixels of the other byte order.
    "1.2.840.113619.5.2": IMPLICIT,
}

_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Header:
    """What was found.

    Parameters
    ----------
    syntax
        The transfer syntax UID, empty where none is stated.
    found
        Values of the data set, and of the file meta information.
    pixels
        Offset and length of the value of Pixel Data where that is native, in the file; else None.
    """

    syntax: str = field(repr=False)
    found: Found
    pixels: tuple[int, int] | None


def read_header(source: BinaryIO, size: int) -> Header:
    """Read a file as far as its pixels, and see that they are all there.

    Parameters
    ----------
    source
        The file from its beginning, with or without preamble and file meta information.
    size
        Its bytes.

    Raises
    ------
    DicomMalformed, DicomTruncated
    """
    reader = Reader(source, size)
    if reader.peek(PREAMBLE + len(PREFIX))[PREAMBLE:] == PREFIX:
        reader.skip(PREAMBLE + len(PREFIX))
    picker = Picker(tags.VALUES, tags.SEQUENCES)
    found = Found(EXPLICIT)
    _meta(reader, picker, found)
    syntax = uid(found.values.get(tags.TRANSFER_SYNTAX, b""))
    if syntax in _DEFLATED:
        _data_set(Reader(Inflated(reader), None), EXPLICIT, picker, found, tags.LAST)
        return Header(syntax, found, None)
    coding = _CODINGS.get(syntax, EXPLICIT) if syntax else guess(reader.peek(8))
    found = Found(coding, found.values, found.items)
    pixels = _data_set(reader, coding, picker, found)
    return Header(syntax or (EXPLICIT_LITTLE if coding.explicit else IMPLICIT_LITTLE), found, pixels)


def guess(head: bytes) -> Coding:
    """Return how a data set is encoded whose first eight bytes are `head`, where nothing says so.

    The first group of a data set is below 0100, so that its bytes tell their order.
    """
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return Coding(explicit=explicit, big=explicit and head[:1] == b"\0" and head[1:2] != b"\0")


def uid(value: bytes) -> str:
    """Return a UID without its padding (PS3.5, 9.1); other text where it is none."""
    return value.strip(b" \0\r\n\t").decode("ascii", errors="replace")


def _meta(reader: Reader, picker: Picker, found: Found) -> None:
    """Read the group 0002; the length that it states is often wrong."""
    while EXPLICIT.tag(reader.peek(4).ljust(4, b"\0")) >> 16 == 0x0002:
        picker.take(reader, start(reader, EXPLICIT, reader.exactly(8)), found)


def _data_set(
    reader: Reader, coding: Coding, picker: Picker, found: Found, last: int | None = None
) -> tuple[int, int] | None:
    """Read the data set up to its pixels, or to the tag `last`; return offset and length of native pixels."""
    coding = _as_it_is(coding, reader.peek(8))
    while True:
        head = reader.at_most(8)
        if not head.strip(b"\0"):
            _padding(reader)
            return None
        if len(head) < 8:
            raise DicomTruncated(offset=reader.position)
        element = start(reader, coding, head)
        if last is not None and element.tag > last:
            return None
        if element.tag in tags.PIXELS:
            place = reader.position
            skip(reader, element)
            return (place, element.length) if _native(element) else None
        picker.take(reader, element, found)


def _padding(reader: Reader) -> None:
    """Refuse a file that goes on after a block of zeros: some writers fill up the last block, but a hole is damage."""
    while part := reader.at_most(_BLOCK):
        if part.strip(b"\0"):
            raise DicomMalformed(offset=reader.position)


def _native(element: Start) -> bool:
    return element.tag == tags.PIXEL_DATA and element.length != UNDEFINED


def _as_it_is(coding: Coding, head: bytes) -> Coding:
    """Return the encoding of a data set that begins with `head`: that which is stated may not be true."""
    has_vr = head[4:6].isalpha() and head[4:6].isupper()
    return Coding(explicit=True) if has_vr and not coding.explicit else coding
