"""A magic is found wherever it begins, across the borders of what is read at once, and only where it is asked for."""

from __future__ import annotations

from vaultfs_format import limits
from vaultfs_format.searching import occurrences

MAGIC = b"VGRP"


def _found(data: bytes, start: int = 0, end: int | None = None) -> list[int]:
    end = len(data) if end is None else end
    return list(occurrences(lambda offset, length: data[offset : offset + length], MAGIC, start, end))


def test_every_place_is_found_once() -> None:
    border = limits.MIB
    places = [0, 4, 100, border - 2, border + 2, 2 * border - 4, 2 * border]
    data = bytearray(2 * border + 4)
    for at in places:
        data[at : at + 4] = MAGIC
    assert _found(bytes(data)) == places


def test_places_that_overlap_are_found() -> None:
    data = b"abababa"
    read = lambda offset, length: data[offset : offset + length]  # noqa: E731
    assert list(occurrences(read, b"aba", 0, 7)) == [0, 2, 4]


def test_only_what_lies_whole_between_the_offsets_is_found() -> None:
    data = MAGIC * 4
    assert _found(data, 1, 15) == [4, 8]
    assert _found(data, 16) == []


def test_a_file_that_gives_nothing_has_nothing() -> None:
    assert list(occurrences(lambda *_: b"", MAGIC, 0, 5 * limits.MIB)) == []
