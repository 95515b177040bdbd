"""NDJSON: one resource a line.

Source: https://hl7.org/fhir/R4/nd-json.html and https://github.com/ndjson/ndjson-spec. A line that cannot be read is a
problem of its own; the lines around it stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vaultfs.errors import JsonMalformed, SourceError
from vaultfs.interop.fhir.bundle import resource
from vaultfs.interop.fhir.cursor import END, MAX_DEPTH, Cursor
from vaultfs.interop.joiner import Slot
from vaultfs.interop.window import Window

# Files that were put together from several may have a byte order mark in the middle.
_BLANK = re.compile(rb"(?:[ \t\r\n]++|\xef\xbb\xbf)*")
_SPACE = b" \t\r\n"
_LINE_FEED, _OBJECT, _ARRAY = 0x0A, 0x7B, 0x5B

# Bounded, and not possessive, for the reason that `cursor` gives.
_TOKEN = re.compile(rb'[^"{}\[\]]*+(?:"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"[^"{}\[\]]*+){0,64}(?:([{\[])|([}\]])|)')


def is_lines(window: Window, start: int, maximum: int) -> bool:
    """Return whether a source is NDJSON of several lines, and not one JSON text.

    It is, if the first line is a complete value and another line follows, or if the second line begins an object where
    no JSON text could have one: then the first line is damaged. A single line is the same either way.

    Parameters
    ----------
    start
        Where the text begins.
    maximum
        How many bytes to look at; a first line that is longer makes the source one text.
    """
    seen = start - window.base
    most = seen + maximum + 1
    while (index := window.data.find(b"\n", seen, most)) < 0:
        seen = len(window.data)
        if seen >= most or not window.more():
            return False
    line = window.data[start - window.base : index].rstrip(_SPACE)
    byte = Cursor(window, window.base + index).peek()
    return byte != END and (_is_complete(line) or (byte == _OBJECT and not _may_continue(line)))


def lines(window: Window, start: int) -> Iterator[Slot]:
    """Yield a slot for each line that is not blank, or several for a line that is a Bundle.

    Parameters
    ----------
    start
        Where the first line begins.
    """
    at = searched = start
    while True:
        index = window.data.find(b"\n", searched - window.base)
        if index < 0:
            searched = window.end
            if window.more():
                continue
        end = window.base + (index if index >= 0 else len(window.data))
        yield from _line(window, at, end)
        if index < 0:
            return
        at = searched = end + 1


def _line(window: Window, at: int, end: int) -> list[Slot]:
    line = window.part(at, end)
    lead = _BLANK.match(line)
    start = at + (lead.end() if lead else 0)
    text = line[start - at :].rstrip(_SPACE)
    if not text:
        return []
    end = start + len(text)
    try:
        # Without more brackets than this there cannot be more levels; else the scanner counts them.
        if text.count(b"{") + text.count(b"[") > MAX_DEPTH:
            cursor = Cursor(Window(None, len(text), data=text), 0)
            cursor.skip()
            if cursor.peek() != END:
                return [Slot(start, start, end, None, JsonMalformed())]
        return resource(window, start, start, end)
    except SourceError as error:
        # The frames of the traceback hold the text.
        problem = error.with_traceback(None)
    return [Slot(start, start, end, None, problem)]


def _is_complete(line: bytes) -> bool:
    cursor = Cursor(Window(None, len(line), data=line), 0)
    try:
        cursor.skip()
    except SourceError:
        return False
    return cursor.peek() == END


def _may_continue(line: bytes) -> bool:
    """Return whether an object may follow `line` in a JSON text: after a colon, or as an item of an open array."""
    stack = bytearray()
    at = 0
    if line[:1] not in (b"{", b"["):
        return False
    for found in _TOKEN.finditer(line):
        at = found.end()
        if found.lastindex == 1 and len(stack) < MAX_DEPTH:
            stack.append(line[at - 1])
        elif found.lastindex == 2 and stack:
            stack.pop()
        elif found.lastindex or found.end() == found.start():
            break
    if at < len(line) or not stack:
        return False
    return line.endswith(b":") or (stack[-1] == _ARRAY and line.endswith((b"[", b",")))
