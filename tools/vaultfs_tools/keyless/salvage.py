"""Copying what a device still gives of a file: large pieces first, and around what it does not give, sectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vaultfs_tools.keyless.durable import write_all
from vaultfs_tools.keyless.errors import FileUnreadable
from vaultfs_tools.keyless.files import CHUNK, Reader

PIECES = (CHUNK, 4096, 512)
"""Bytes that are read at a time, each where the device has failed in one of the size before."""

Span = tuple[int, int]


def fill(descriptor: int, sources: Sequence[Reader | None], length: int) -> list[Span]:
    """Write the first `length` bytes of the first source, and where the device does not give them, of the next one.

    Returns
    -------
    list
        From where to where no source gave any.

    Raises
    ------
    OSError
        The file cannot be written.
    Truncated
        A source became shorter.
    """
    left = [(0, length)]
    for source in sources:
        if source is not None and left:
            left = [span for start, end in left for span in _fill(descriptor, source, start, end)]
    return left


def _fill(descriptor: int, source: Reader, start: int, end: int) -> Iterator[Span]:
    """Write what a source has between two offsets; yield where it has nothing."""
    for at, data in _pieces(source, start, min(end, source.size), PIECES):
        write_all(descriptor, data, at)
        if at > start:
            yield start, at
        start = at + len(data)
    if start < end:
        yield start, end


def _pieces(source: Reader, start: int, end: int, sizes: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Yield what can be read between two offsets, in order."""
    size, *smaller = sizes
    for at in range(start, end, size):
        length = min(size, end - at)
        try:
            data = source.read(at, length)
        except FileUnreadable:
            if smaller:
                yield from _pieces(source, at, at + length, smaller)
            continue
        yield at, data
