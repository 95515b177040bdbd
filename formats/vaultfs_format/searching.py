"""Finding everything in a file that begins with a magic, wherever damage lies before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from vaultfs_format import limits

Read = Callable[[int, int], bytes]
"""Returns bytes of a file at an offset: fewer at its end, and none where it cannot be read."""

_SECTOR = 4 * limits.KIB
"""Bytes that are read at a time around what cannot be read."""


def read_through(read: Read, offset: int, length: int) -> bytes:
    """Return so many bytes of a file: zeros in the place of sectors that cannot be read, and behind its end."""
    data = read(offset, length)
    if len(data) == length:
        return data
    # The first piece ends where a sector does.
    borders = [offset, *range((offset // _SECTOR + 1) * _SECTOR, offset + length, _SECTOR), offset + length]
    return b"".join([read(start, end - start).ljust(end - start, b"\0") for start, end in pairwise(borders)])


def occurrences(read: Read, magic: bytes, start: int, end: int) -> Iterator[int]:
    """Yield where a magic begins between two offsets of a file, in order."""
    window, kept = limits.MIB, len(magic) - 1
    for base in range(start, end, window):
        data = read_through(read, base, min(window + kept, end - base))
        position = data.find(magic)
        while position >= 0:
            yield base + position
            position = data.find(magic, position + 1)
