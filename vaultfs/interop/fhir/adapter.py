"""The FHIR adapter: bundles of any type, single resources, arrays of resources, NDJSON."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import BinaryIO

from vaultfs.errors import JsonMalformed, NotAResource, PieceTooLarge
from vaultfs.interop.fhir.bundle import bundle, resource
from vaultfs.interop.fhir.cursor import END, Cursor
from vaultfs.interop.fhir.facts import MEDIA_TYPE
from vaultfs.interop.fhir.lines import is_lines, lines
from vaultfs.interop.fhir.resources import KIND_OF
from vaultfs.interop.joiner import Slot, join
from vaultfs.interop.pieces import MAX_PIECE_BYTES, Facts, Piece
from vaultfs.interop.window import CHUNK_BYTES, Window

_MARK = b"\xef\xbb\xbf"
_OBJECT, _ARRAY = 0x7B, 0x5B
_HEAD = re.compile(rb'(?:\xef\xbb\xbf)?[ \t\r\n]*+(?:\[[ \t\r\n]*+(?:\{|\]|\Z)|\{[ \t\r\n]*+(?:["}]|\Z))')
_WHOLE = Facts("Bundle", MEDIA_TYPE)


class FhirAdapter:
    """Reads FHIR JSON (https://hl7.org/fhir/R4/json.html).

    A source of at most `maximum` bytes that is one JSON text is all or nothing: it is checked to its end before the
    first piece is yielded. NDJSON goes line by line, and larger sources entry by entry.

    Parameters
    ----------
    maximum
        Largest record in bytes; at most about three times as much is held in memory.
    chunk
        How much is read at a time.
    """

    name = "fhir"

    def __init__(self, maximum: int = MAX_PIECE_BYTES, chunk: int = CHUNK_BYTES) -> None:
        self._maximum = maximum
        self._chunk = chunk

    def recognises(self, head: bytes) -> bool:
        """Return whether `head` begins as JSON does that may hold objects; what else it is, the pieces say."""
        return _HEAD.match(head) is not None

    def pieces(self, source: BinaryIO) -> Iterator[Piece]:
        """Yield the pieces of `source`; see `vaultfs.interop.pieces.Adapter`.

        Raises
        ------
        JsonMalformed, JsonTooDeep, FieldMalformed, NotAResource
            The text is no FHIR JSON; of a text larger than `maximum`, pieces may have been yielded before.
        PieceTooLarge
            A record, or what lies between two, is larger than the adapter reads.
        """
        window = Window(source, 2 * self._maximum, self._chunk)
        window.fill(len(_MARK))
        cursor = Cursor(window, len(_MARK) if window.data.startswith(_MARK) else 0)
        first = cursor.peek()
        if first == END:
            raise JsonMalformed(offset=cursor.at)
        start = cursor.at
        if is_lines(window, start, self._maximum):
            yield from join(window, lines(window, start), _WHOLE, self._maximum)
        elif window.fill(self._maximum + 1):
            yield from join(window, _large(cursor, first), _WHOLE, self._maximum)
        else:
            slots, whole = _small(cursor, first)
            yield from join(window, slots, whole, self._maximum)


def _small(cursor: Cursor, first: int) -> tuple[list[Slot], Facts]:
    """Return the slots of a text that is in memory from end to end, and what is known of the text as a whole."""
    window, start = cursor.window, cursor.at
    whole = _WHOLE
    if first == _OBJECT:
        slots, kind = _exhaust(bundle(cursor, start))
        own = [] if kind == "Bundle" and slots else resource(window, start, start, cursor.at)
        if kind != "Bundle":
            slots = own
        elif own and own[0].facts:
            whole = own[0].facts
    elif first == _ARRAY:
        slots = list(_array(cursor))
    else:
        slots = resource(window, start, *cursor.skip())
    _finish(cursor)
    return slots, whole


def _large(cursor: Cursor, first: int) -> Iterator[Slot]:
    """Yield the slots of a text that is larger than a record may be, as far as it has been read."""
    if first == _ARRAY:
        yield from _array(cursor)
    elif first == _OBJECT:
        kind = yield from bundle(cursor, cursor.at)
        if kind is None or kind not in KIND_OF:
            raise NotAResource
        if kind != "Bundle":
            raise PieceTooLarge
    else:
        raise JsonMalformed(offset=cursor.at)
    _finish(cursor)


def _array(cursor: Cursor) -> Iterator[Slot]:
    for _ in cursor.items():
        start, end = cursor.skip()
        yield from resource(cursor.window, start, start, end)


def _finish(cursor: Cursor) -> None:
    if cursor.peek() != END:
        raise JsonMalformed(offset=cursor.at)


def _exhaust(walk: Generator[Slot, None, str | None]) -> tuple[list[Slot], str | None]:
    """Return all that a generator yields, and what it returns."""
    slots = []
    while True:
        try:
            slots.append(next(walk))
        except StopIteration as stop:
            kind: str | None = stop.value
            return slots, kind
