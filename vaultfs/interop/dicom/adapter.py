"""The DICOM adapter: files as PS3.10 has them, and data sets without what should stand before them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from vaultfs.errors import SourceError
from vaultfs.interop.dicom import tags
from vaultfs.interop.dicom.elements import Found, Picker, start
from vaultfs.interop.dicom.facts import describe
from vaultfs.interop.dicom.header import PREAMBLE, PREFIX, guess, read_header, uid
from vaultfs.interop.dicom.reader import Reader
from vaultfs.interop.pieces import MAX_PIECE_BYTES, Facts, Piece
from vaultfs.interop.whole import one_piece
from vaultfs.interop.window import CHUNK_BYTES

# File Meta Information Group Length, always the first element of the group.
_META = b"\x02\0\0\0UL\x04\0"
_SOP_CLASSES = "1.2.840.10008."


class DicomAdapter:
    """Reads DICOM files (PS3.10), each one record.

    Parameters
    ----------
    maximum
        Largest file in bytes that `pieces` takes into memory; `describe` takes one of any size.
    chunk
        How much is read at a time.
    """

    name = "dicom"

    def __init__(self, maximum: int = MAX_PIECE_BYTES, chunk: int = CHUNK_BYTES) -> None:
        self._maximum = maximum
        self._chunk = chunk

    def recognises(self, head: bytes) -> bool:
        """Return whether `head` has the prefix of PS3.10, 7.1, the file meta information alone, or neither.

        A data set alone is taken for one only if its first elements are of the groups 0000 and 0008, in order, and
        among them is the UID of a SOP class of the standard.
        """
        return head[PREAMBLE : PREAMBLE + 4] == PREFIX or head.startswith(_META) or _is_data_set(head)

    def pieces(self, source: BinaryIO) -> Iterator[Piece]:
        """Yield `source` as one piece; see `vaultfs.interop.pieces.Adapter`.

        Raises
        ------
        PieceTooLarge
        """
        yield from one_piece(self, source, self._maximum, self._chunk)

    def describe(self, source: BinaryIO, size: int) -> Facts:
        """Return what the header says; pixels are passed over.

        Raises
        ------
        DicomMalformed, DicomTruncated
            The file ends within a value, or its elements do not follow each other.
        EncodingUnknown
            An identifier of the patient is not in the character sets that the file states.
        """
        return describe(read_header(source, size))


def _is_data_set(head: bytes) -> bool:
    coding = guess(head[:8])
    reader, found, before = Reader(io.BytesIO(head), len(head)), Found(coding), -1
    picker = Picker(frozenset({tags.SOP_CLASS}), frozenset())
    try:
        while tags.SOP_CLASS not in found.values:
            element = start(reader, coding, reader.exactly(8))
            if not before < element.tag <= tags.SOP_CLASS or element.tag >> 16 not in (0x0000, 0x0008):
                return False
            before = element.tag
            picker.take(reader, element, found)
    except SourceError:
        return False
    return uid(found.values[tags.SOP_CLASS]).startswith(_SOP_CLASSES)
