"""Reading the files of a damaged vault: as far as the device lets them be read, and without going through holes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from vaultfs_format import limits
from vaultfs_format.errors import Truncated, VaultError
from vaultfs_format.searching import occurrences

from vaultfs_tools.keyless.files import Reader
from vaultfs_tools.keyless.segments import Lenient
from vaultfs_tools.rescuing.sources import Source

BLOCK = 4096
"""Bytes that are given up where the device reports an error in them."""

Extent = tuple[int, int]
"""Where bytes that are stored begin, and where they end."""

_OPEN = 64
"""Files that are kept open."""


class Salvage:
    """Reads a file of which parts cannot be read: zeros stand for them, which no digest or seal takes for good."""

    def __init__(self, file: Reader) -> None:
        self._size = file.size
        self._read = Lenient(file)
        self.extents = file.extents

    def __call__(self, offset: int, length: int) -> bytes:
        """Return the bytes at `offset`: fewer at the end."""
        there = max(0, min(length, self._size - offset))
        try:
            data = self._read(offset, there)
        except Truncated:  # the file has become shorter
            data = b""
        if len(data) == there or there <= BLOCK:
            return data.ljust(there, b"\0")
        first = offset - offset % BLOCK
        places = range(first, offset + there, BLOCK)
        spans = [(max(at, offset), min(at + BLOCK, offset + there)) for at in places]
        return b"".join([self(start, end - start) for start, end in spans])


class Library:
    """Reads any of the files; a few are kept open."""

    def __init__(self) -> None:
        self._open: OrderedDict[Source, tuple[ExitStack, Salvage]] = OrderedDict()

    def file(self, source: Source) -> File:
        """Return what reads a file, however many are read in between."""
        return File(self, source)

    def opened(self, source: Source) -> Salvage | None:
        """Return an open file; None where it cannot be opened any more: what was in it is missed where it is wanted."""
        if source not in self._open:
            stack = ExitStack()
            try:
                self._open[source] = stack, Salvage(stack.enter_context(source.files.open(source.name)))
            except (VaultError, OSError):
                return None
            if len(self._open) > _OPEN:
                self._open.popitem(last=False)[1][0].close()
        self._open.move_to_end(source)
        return self._open[source][1]

    def close(self) -> None:
        """Close all files."""
        for stack, _ in self._open.values():
            stack.close()
        self._open.clear()


@dataclass(frozen=True, slots=True, repr=False)
class File:
    """A file of a library."""

    library: Library
    source: Source

    @property
    def size(self) -> int:
        """Bytes of the file, holes included."""
        return self.source.size

    def __call__(self, offset: int, length: int) -> bytes:
        """Return the bytes at `offset`: fewer at the end, zeros for those that cannot be read."""
        read = self.library.opened(self.source)
        return b"" if read is None else read(offset, length)

    def extents(self) -> Sequence[Extent]:
        """Return the stretches of the file that are stored: the rest are holes, however large they are."""
        read = self.library.opened(self.source)
        return [] if read is None else list(read.extents())

    def stored(self) -> int:
        """Return how many bytes of the file are stored."""
        return sum(end - start for start, end in self.extents())

    def whole(self, limit: int) -> bytes:
        """Return all bytes of a small file: none where it is none, being over a limit or large and mostly a hole."""
        hollow = self.size > limits.MIB and 2 * self.stored() < self.size
        return b"" if self.size > limit or hollow else self(0, self.size)

    def occurrences(self, magic: bytes, start: int, end: int) -> Iterator[int]:
        """Yield where a magic begins between two offsets, in order."""
        for first, last in self.extents():
            yield from occurrences(self, magic, max(first, start), min(last, end))
