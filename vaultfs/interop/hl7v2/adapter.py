"""The HL7v2 adapter: messages in ER7 encoding, alone, in a row, in batches, in MLLP frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from vaultfs.interop.hl7v2.delimiters import delimiters
from vaultfs.interop.hl7v2.framing import slots
from vaultfs.interop.hl7v2.tables import BATCH, MEDIA_TYPE
from vaultfs.interop.joiner import join
from vaultfs.interop.pieces import MAX_PIECE_BYTES, Facts, Piece
from vaultfs.interop.window import CHUNK_BYTES, Window

_BLANK = re.compile(rb"(?:\xef\xbb\xbf|[ \t\r\n\x0b]++)*")
# A header; a trailer; or a segment that often comes first where the header was lost.
_HEAD = re.compile(rb"(?:MSH|[FB]HS|[FB]TS|EVN|PID|PD1|PV1|NK1|ORC|OBR|OBX|NTE|MSA)[!-/:-@\[-`{-~]")
_LATER = re.compile(rb"[\r\n\x0b](?:\xef\xbb\xbf)?((?:MSH|[FB]HS)[^\r\n]*)")
_WHOLE = Facts(BATCH, MEDIA_TYPE)


class Hl7v2Adapter:
    """Reads HL7v2 messages in ER7 encoding (HL7 v2.5.1 chapter 2; v2.1 to v2.9 alike).

    Parameters
    ----------
    maximum
        Largest record in bytes; at most about three times as much is held in memory.
    chunk
        How much is read at a time.
    """

    name = "hl7v2"

    def __init__(self, maximum: int = MAX_PIECE_BYTES, chunk: int = CHUNK_BYTES) -> None:
        self._maximum = maximum
        self._chunk = chunk

    def recognises(self, head: bytes) -> bool:
        """Return whether `head` begins with a segment, or has a sound message or batch header at a later line."""
        blank = _BLANK.match(head)
        start = blank.end() if blank else 0
        if _HEAD.match(head, start):
            return True
        if head[start : start + 1] in (b"{", b"[", b"<"):
            return False
        return any(delimiters(found[1]) for found in _LATER.finditer(head))

    def pieces(self, source: BinaryIO) -> Iterator[Piece]:
        """Yield the pieces of `source`, a message each, as soon as it ends; see `vaultfs.interop.pieces.Adapter`.

        Raises
        ------
        Hl7Malformed
            There is no segment in the source at all.
        PieceTooLarge
            A message, or what lies between two, is larger than the adapter reads.
        """
        window = Window(source, 2 * self._maximum, self._chunk)
        yield from join(window, slots(window), _WHOLE, self._maximum)
