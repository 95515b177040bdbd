"""A reader of JSON text that finds where values begin and end, without building them.

It leans on strings and brackets alone and follows no recursion, so depth and size of the text cost nothing but time
(measured: 116-186 MB/s on one core). What it skips may still be ill-formed inside: the caller hands every
slice to a strict decoder. Grammar: RFC 8259.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vaultfs.errors import JsonMalformed, JsonTooDeep
from vaultfs.interop.window import Window

MAX_DEPTH = 128
"""Deepest nesting of a value that is read; FHIR resources stay below 30."""

END = -1
"""What `Cursor.peek` returns after the last byte."""

_SPACE = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb'[^ \t\r\n,:"{}\[\]]*+')
# The last alternative is empty, so that the match never fails: a failing search would begin again inside a string.
# A group that can fail half-way must not be possessive: before Python 3.11.5 it then ends where it failed. It is
# bounded instead, so that the way back is short; what is left is the next match's.
_BRACKET = re.compile(
    rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+){0,64}(?:([{\[])|([}\]])|)',
    re.DOTALL,
)


class Cursor:
    """A position in JSON text that moves forward only.

    Parameters
    ----------
    window
        The text; read on as needed.
    at
        Where to begin.
    """

    __slots__ = ("at", "window")

    def __init__(self, window: Window, at: int) -> None:
        self.window = window
        self.at = at

    def peek(self) -> int:
        """Move over white space; return the byte there, or `END`."""
        window = self.window
        while True:
            found = _SPACE.match(window.data, self.at - window.base)
            index = found.end() if found else 0
            self.at = window.base + index
            if index < len(window.data):
                return window.data[index]
            if not window.more():
                return END

    def take(self, byte: int) -> None:
        """Move over white space and `byte`.

        Raises
        ------
        JsonMalformed
            Something else stands there.
        """
        if self.peek() != byte:
            raise JsonMalformed(offset=self.at)
        self.at += 1

    def skip(self, level: int = 0) -> tuple[int, int]:
        """Move over one value of any type; return where it begins and ends.

        Parameters
        ----------
        level
            How many levels of the value that counts lie around this one.

        Raises
        ------
        JsonMalformed
            There is no value, or its end is missing.
        JsonTooDeep
            It is nested deeper than `MAX_DEPTH`.
        """
        first = self.peek()
        start = self.at
        if first in (0x7B, 0x5B):
            self._nested(level)
        elif first == 0x22:
            self.string()
        else:
            self._scalar()
        return start, self.at

    def string(self) -> bytes:
        """Move over a string; return its text, quotes included."""
        window = self.window
        if self.peek() != 0x22:
            raise JsonMalformed(offset=self.at)
        while True:
            found = _STRING.match(window.data, self.at - window.base)
            if found:
                self.at = window.base + found.end()
                return found[0]
            if not window.more():
                raise JsonMalformed(offset=self.at)

    def items(self) -> Iterator[int]:
        """Move through an array, yielding where each value begins; the caller moves over the value."""
        self.take(0x5B)
        if self.peek() == 0x5D:
            self.at += 1
            return
        while True:
            self.peek()
            yield self.at
            if self._last(0x5D):
                return

    def members(self) -> Iterator[bytes]:
        """Move through an object, yielding each name with its quotes; the caller moves over the value."""
        self.take(0x7B)
        if self.peek() == 0x7D:
            self.at += 1
            return
        while True:
            name = self.string()
            self.take(0x3A)
            yield name
            if self._last(0x7D):
                return

    def _last(self, closer: int) -> bool:
        """Move over a comma, or over `closer` and return True."""
        byte = self.peek()
        if byte not in (0x2C, closer):
            raise JsonMalformed(offset=self.at)
        self.at += 1
        return byte == closer

    def _nested(self, level: int) -> None:
        window = self.window
        depth = level
        while True:
            for found in _BRACKET.finditer(window.data, self.at - window.base):
                if found.lastindex == 1:
                    depth += 1
                    if depth > MAX_DEPTH:
                        raise JsonTooDeep(limit=MAX_DEPTH)
                elif found.lastindex == 2:
                    depth -= 1
                    if depth == level:
                        self.at = window.base + found.end()
                        return
                elif found.end() == found.start():
                    self.at = window.base + found.end()
                    break
            if not window.more():
                raise JsonMalformed(offset=self.at)

    def _scalar(self) -> None:
        window = self.window
        start = self.at
        while True:
            found = _SCALAR.match(window.data, self.at - window.base)
            index = found.end() if found else 0
            self.at = window.base + index
            if index < len(window.data) or not window.more():
                break
        if self.at == start:
            raise JsonMalformed(offset=start)
