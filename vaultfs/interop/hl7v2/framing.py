"""Where the messages of a source begin and end: batches, MLLP frames, several messages in a row.

Sources: HL7 v2.5.1 chapter 2, 2.10.3 (batch protocol: FHS, BHS, BTS, FTS); HL7 transport specification MLLP release 1
(0x0b before a message, 0x1c 0x0d after it). A segment ends with CR; LF and CRLF are read as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from vaultfs.errors import Hl7Malformed, Hl7NoHeader
from vaultfs.interop.hl7v2.facts import describe
from vaultfs.interop.joiner import Slot
from vaultfs.interop.pieces import Facts
from vaultfs.interop.window import Window

_MARK = rb"(?:\xef\xbb\xbf)?"
# What begins a line and is no text that was broken over lines: "MSH" with anything but a small letter or a blank
# behind it is a header, if a damaged one. To take the line for text would put the next patient's message into this one.
_BOUNDARY = re.compile(
    rb"[\r\n\x0b\x1c](?:" + _MARK + rb"(?:(MSH)(?![a-z ])|([FB](?:HS|TS))(?![A-Za-z0-9 ]))|(?<=\x1c)(?=[\r\n\x0b]))"
)
_FIRST = re.compile(rb"(?:\xef\xbb\xbf|[ \t\r\n\x0b]++)*(?:(MSH)|([FB](?:HS|TS))(?![A-Za-z0-9 ]))")
_LOOKAHEAD = 8
"""The most bytes that `_BOUNDARY` reads: line break, byte order mark, segment id and one more."""

_SEGMENT = re.compile(rb"(?:\A|[\r\n\x0b\x1c])" + _MARK + rb"([A-Z][A-Z0-9]{2})[!-/:-@\[-`{-~]")
_BATCH = frozenset({b"FHS", b"BHS", b"BTS", b"FTS"})
# Line breaks, MLLP bytes, and what pads files: end-of-file of DOS, NUL.
_PADDING = b"\r\n\x0b\x1c\x1a\x00"
_START_BLOCK = 0x0B


class _Region(Enum):
    LOOSE = 0
    MESSAGE = 1
    BATCH = 2


@dataclass(frozen=True, slots=True)
class _Boundary:
    """The end of one region and the begin of the next, with the framing bytes between them."""

    gap: int
    start: int
    begins: _Region


def slots(window: Window) -> Iterator[Slot]:
    """Yield the slot of each message, and of each run of segments that has no header before it.

    Raises
    ------
    Hl7Malformed
        There is no segment in the source at all.
    """
    last = _first(window)
    found = last.begins is _Region.BATCH
    for boundary in _boundaries(window, last.start):
        found |= boundary.begins is _Region.BATCH
        for slot in _region(window, last, boundary.gap):
            found = True
            yield slot
        last = boundary
    if not found:
        raise Hl7Malformed


def _region(window: Window, begin: _Boundary, end: int) -> list[Slot]:
    text = window.part(begin.start, end)
    if begin.begins is _Region.MESSAGE:
        data = _trimmed(text)
        found = describe(data)
        stop = begin.start + len(data)
        if isinstance(found, Facts):
            return [Slot(begin.gap, begin.start, stop, found)]
        return [Slot(begin.gap, begin.start, stop, None, found)]
    for segment in _SEGMENT.finditer(text):
        if segment[1] not in _BATCH:
            start = begin.start + segment.start(1)
            return [Slot(start, start, start + len(_trimmed(text[segment.start(1) :])), None, Hl7NoHeader())]
    return []


def _trimmed(text: bytes) -> bytes:
    """Return a message up to the terminator of its last segment."""
    end = len(text.rstrip(_PADDING))
    for terminator in (b"\r\n", b"\r", b"\n"):
        if text.startswith(terminator, end):
            return text[: end + len(terminator)]
    return text[:end]


def _first(window: Window) -> _Boundary:
    """Return the region that the source begins with."""
    while True:
        found = _FIRST.match(window.data)
        # Without a look at the byte behind it, what matched might not be a match.
        if found and found.end() < len(window.data):
            break
        if found is None and len(window.data.lstrip(b"\xef\xbb\xbf \t" + _PADDING)) > _LOOKAHEAD:
            break
        if not window.more():
            break
    if found is None:
        return _Boundary(0, 0, _Region.LOOSE)
    if found[1]:
        return _Boundary(0, found.start(1), _Region.MESSAGE)
    return _Boundary(0, found.start(2), _Region.BATCH)


def _boundaries(window: Window, at: int) -> Iterator[_Boundary]:
    """Yield where regions end, from `at` on; last the end of the source."""
    while True:
        data, base, complete = window.data, window.base, window.ended
        # What lies nearer to the end of what has been read could be something else with more.
        final = len(data) - (0 if complete else _LOOKAHEAD)
        for found in _BOUNDARY.finditer(data, at - base):
            if found.start() > final:
                break
            yield _boundary(base, found)
            at = base + found.end()
        if complete:
            break
        at = max(at, base + final)
        window.more()
    yield _Boundary(window.end, window.end, _Region.LOOSE)


def _boundary(base: int, found: re.Match[bytes]) -> _Boundary:
    begin = base + found.start()
    if found[1]:
        # The start block of MLLP belongs to its message, a line break to the segment before.
        return _Boundary(begin + (found[0][0] != _START_BLOCK), base + found.start(1), _Region.MESSAGE)
    if found[2]:
        return _Boundary(begin + 1, base + found.start(2), _Region.BATCH)
    return _Boundary(begin, begin, _Region.LOOSE)
