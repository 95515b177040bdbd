r"""One HL7v2 message as bytes and spans: nothing is split before it is asked for, nothing is ever changed.

    >>> message = Message(b"MSH|^~\\&|A\rPID|1||7^^^GH~8^^^XY&1.2.3&ISO\r")
    >>> message["PID-3[2].4.2"], message.span("PID-3[2].4.2")
    ('1.2.3', Span(offset=32, length=5))

A path is segment, field, repetition, component, sub-component, all counted from one as in the standard:
``OBX[2]-5[1].1.2``. A segment or repetition that is left out is the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from vaultfs.errors import ArgumentInvalid, Hl7Malformed
from vaultfs.interop.hl7v2.delimiters import Delimiters, delimiters
from vaultfs.interop.hl7v2.text import decode, unescape

NULL = b'""'
"""A field that is to be deleted at the receiver (HL7 v2.5.1, 2.5.3.4); not the same as an empty one."""

_PATH = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d{1,6})\])?-(\d{1,4})(?:\[(\d{1,6})\])?(?:\.(\d{1,4}))?(?:\.(\d{1,4}))?")
_BREAKS = b"\r\n"


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a message: where it begins, and how many bytes it has."""

    offset: int
    length: int


class Message:
    """A message that can be asked for its parts.

    Parameters
    ----------
    data
        From ``MSH`` on. Segments end with CR, LF or both; a line that does not begin with a segment id continues the
        segment before it.

    Raises
    ------
    Hl7Malformed
        The header does not declare usable delimiters.
    """

    __slots__ = ("_charset", "_segments", "data", "delimiters")

    def __init__(self, data: bytes) -> None:
        marks = delimiters(data) if data.startswith(b"MSH") else None
        if marks is None:
            raise Hl7Malformed
        self.data = data
        self.delimiters: Delimiters = marks
        self._segments: dict[bytes, list[tuple[int, int]]] | None = None
        self._charset: str | None = None

    def __getitem__(self, path: str) -> str | None:
        """Return the text at `path`, unescaped: None where there is nothing, empty for an explicit null."""
        span = self.span(path)
        return None if span is None else self.text(self.data[span.offset : span.offset + span.length])

    def span(self, path: str) -> Span | None:
        """Return where the part at `path` lies, or None where it is absent or empty.

        Raises
        ------
        ArgumentInvalid
            `path` is not one.
        """
        segment, index, field, repetition, component, subcomponent = _parse(path)
        places = self.segments(segment)
        if index > len(places):
            return None
        place = self.field(places[index - 1], field)
        if place is None:
            return None
        if segment != b"MSH" or field > 2:
            marks = self.delimiters
            for mark, number in (
                (marks.repetition, repetition),
                (marks.component, component),
                (marks.subcomponent, subcomponent),
            ):
                place = self._part(place, mark, number)
                if place is None:
                    return None
        start, end = place
        return Span(start, end - start) if end > start else None

    def segments(self, name: bytes) -> list[tuple[int, int]]:
        """Return where each segment of this id begins and ends, without its terminator."""
        if self._segments is None:
            self._segments = self._index()
        return self._segments.get(name, [])

    def field(self, segment: tuple[int, int], number: int) -> tuple[int, int] | None:
        """Return where a field of a segment begins and ends, all its repetitions included; None if it is cut off.

        ``MSH-1`` is the field separator itself, so that the fields of MSH are counted from one more.
        """
        start, end = segment
        data, mark = self.data, self.delimiters.field
        if data.startswith(b"MSH", start):
            if number == 1:
                return start + 3, start + 4
            number -= 1
        at = start + 3
        for _ in range(number - 1):
            at = data.find(mark, at + 1, end)
            if at < 0:
                return None
        if at >= end:
            return None
        after = data.find(mark, at + 1, end)
        return at + 1, end if after < 0 else after

    def value(self, segment: tuple[int, int], number: int) -> bytes:
        """Return the bytes of a field, all repetitions included, as they stand; empty where there is nothing."""
        start, end = segment
        if self.data.startswith(b"MSH", start):
            place = self.field(segment, number)
            return b"" if place is None else self.data[place[0] : place[1]]
        parts = self.data[start:end].split(self.delimiters.field, number + 1)
        return parts[number] if number < len(parts) else b""

    def text(self, part: bytes) -> str:
        """Return a part without delimiters as text: decoded, escapes undone, an explicit null as the empty string."""
        if part == NULL:
            return ""
        mark = self.delimiters.escape
        if part.isascii() and b"\x1b" not in part and not (mark and mark in part):
            return part.decode("ascii")
        return decode(unescape(part, self.delimiters), self.charset)

    @property
    def charset(self) -> str:
        """The character set that MSH-18 states first, as it stands there."""
        if self._charset is None:
            stated = self.value((0, self.segments(b"MSH")[0][1]), 18)
            mark = self.delimiters.repetition
            self._charset = (stated.partition(mark)[0] if mark else stated).decode("latin-1")
        return self._charset

    def _part(self, place: tuple[int, int], mark: bytes, number: int | None) -> tuple[int, int] | None:
        if number is None:
            return place
        start, end = place
        if not mark:
            return place if number == 1 else None
        for _ in range(number - 1):
            found = self.data.find(mark, start, end)
            if found < 0:
                return None
            start = found + 1
        found = self.data.find(mark, start, end)
        return start, end if found < 0 else found

    def _index(self) -> dict[bytes, list[tuple[int, int]]]:
        data = self.data
        places: dict[bytes, list[tuple[int, int]]] = {}
        begin, name = 0, b"MSH"
        for found in _segment(self.delimiters.field).finditer(data):
            places.setdefault(name, []).append((begin, self._stop(found.start())))
            begin, name = found.start(1), found[1]
        places.setdefault(name, []).append((begin, self._stop(len(data))))
        return places

    def _stop(self, end: int) -> int:
        while self.data[end - 1] in _BREAKS:
            end -= 1
        return end


@cache
def _segment(mark: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"[\r\n]([A-Z][A-Z0-9]{2})(?=[\r\n" + re.escape(mark) + rb"]|\Z)")


@lru_cache(512)
def _parse(path: str) -> tuple[bytes, int, int, int, int | None, int | None]:
    found = _PATH.fullmatch(path)
    if found is None:
        raise ArgumentInvalid(length=len(path))
    name, index, field, repetition, component, subcomponent = found.groups()
    numbers = (int(index or 1), int(field), int(repetition or 1))
    below = (int(component) if component else None, int(subcomponent) if subcomponent else None)
    if 0 in (*numbers, *below):
        raise ArgumentInvalid(length=len(path))
    return name.encode(), *numbers, *below
