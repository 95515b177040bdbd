"""Finding everything in a file that begins with a magic, wherever damage lies before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vaultfs_format import limits

Read = Callable[[int, int], bytes]
"""Returns bytes of a file at an offset: fewer at its end, and none where it cannot be read."""


def occurrences(read: Read, magic: bytes, start: int, end: int) -> Iterator[int]:
    """Yield where a magic begins between two offsets of a file, in order."""
    window, kept = limits.MIB, len(magic) - 1
    for base in range(start, end, window):
        data = read(base, min(window + kept, end - base))
        position = data.find(magic)
        while position >= 0:
            yield base + position
            position = data.find(magic, position + 1)
