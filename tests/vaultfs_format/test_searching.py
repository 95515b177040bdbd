"""A magic is found wherever it begins, across the borders of what is read at once, and only where it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from vaultfs_format import limits
from vaultfs_format.searching import occurrences, read_through

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
    assert list(occurrences(lambda offset, length: data[offset : offset + length], b"aba", 0, 7)) == [0, 2, 4]


def test_only_what_lies_whole_between_the_offsets_is_found() -> None:
    data = MAGIC * 4
    assert _found(data, 1, 15) == [4, 8]
    assert _found(data, 16) == []


def test_a_file_that_gives_nothing_has_nothing() -> None:
    assert list(occurrences(lambda *_: b"", MAGIC, 0, 5 * limits.MIB)) == []


def _broken(data: bytes, *sectors: int) -> Callable[[int, int], bytes]:
    """Return what reads a file of which some sectors cannot be read: whatever meets one of them gives nothing."""

    def read(offset: int, length: int) -> bytes:
        end = min(offset + length, len(data))
        met = any(offset < 4096 * (number + 1) and 4096 * number < end for number in sectors)
        return b"" if met else data[offset:end]

    return read


def test_a_sector_that_cannot_be_read_hides_no_other_place() -> None:
    data = bytearray(3 * limits.MIB)
    places = [100, 5 * 4096 + 7, 7 * 4096, limits.MIB + 5, 2 * limits.MIB + 4096 * 3]
    for at in places:
        data[at : at + 4] = MAGIC
    read = _broken(bytes(data), 6, 258, 2 * 256)
    assert list(occurrences(read, MAGIC, 0, len(data))) == places


def test_sectors_that_cannot_be_read_are_zeros() -> None:
    data = b"".join(bytes([number + 1]) * 4096 for number in range(6))
    for offset, length in ((0, len(data)), (100, 9000), (4096, 4096), (4000, 200), (5000, 100), (9000, 20_000)):
        expected = bytearray((data + bytes(8192))[offset : offset + length])
        for at in range(offset, offset + length):
            if at // 4096 in (1, 3):
                expected[at - offset] = 0
        assert read_through(_broken(data, 1, 3), offset, length) == expected
