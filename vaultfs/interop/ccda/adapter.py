"""The C-CDA adapter: one clinical document in XML, in any encoding that Expat reads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import BinaryIO

from vaultfs.errors import SourceError
from vaultfs.interop.ccda.facts import ROOT, Header
from vaultfs.interop.ccda.walk import Walk, walk
from vaultfs.interop.pieces import MAX_PIECE_BYTES, Facts, Piece
from vaultfs.interop.whole import one_piece
from vaultfs.interop.window import CHUNK_BYTES

_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_OPEN = (b"<", b"<\0", b"\0<")


class CcdaAdapter:
    """Reads HL7 CDA documents (CDA Release 2), each one record.

    Parameters
    ----------
    maximum
        Largest document in bytes that `pieces` takes into memory; `describe` takes one of any size.
    chunk
        How much is read at a time.
    """

    name = "ccda"

    def __init__(self, maximum: int = MAX_PIECE_BYTES, chunk: int = CHUNK_BYTES) -> None:
        self._maximum = maximum
        self._chunk = chunk

    def recognises(self, head: bytes) -> bool:
        """Return whether the root of an XML text is a clinical document, or its document type says that it is."""
        mark = next((one for one in _MARKS if head.startswith(one)), b"")
        if not head[len(mark) :].lstrip(b" \t\r\n\0").startswith(_OPEN):
            return False
        roots: list[str] = []
        reading = Walk(lambda path, _: roots.append(path[0]))
        # Whatever is wrong with it, the root has been met or it has not.
        with contextlib.suppress(SourceError):
            reading.feed(head)
        return roots[:1] == [ROOT] or (reading.document_type or "").rpartition(":")[2] == "ClinicalDocument"

    def pieces(self, source: BinaryIO) -> Iterator[Piece]:
        """Yield `source` as one piece; see `vaultfs.interop.pieces.Adapter`.

        Raises
        ------
        PieceTooLarge
        """
        yield from one_piece(self, source, self._maximum, self._chunk)

    def describe(self, source: BinaryIO, size: int) -> Facts:  # noqa: ARG002 - the end of the text tells it
        """Return what the header says; the whole text is read, to see that it is well formed.

        Raises
        ------
        XmlMalformed, XmlForbidden, XmlTooDeep, FormatUnknown
        EncodingUnknown
            Expat does not read the encoding that the text states.
        """
        header = Header()
        walk(source, header.take)
        return header.facts()
