"""A view of a stream that slides forward: what an adapter still needs is in memory, the rest is not.

Positions are offsets in the source, so that they stay true when bytes are let go.
"""

from __future__ import annotations

from typing import BinaryIO

from vaultfs.errors import PieceTooLarge

CHUNK_BYTES = 1024 * 1024
"""How much is read at a time, at least."""


class Window:
    """The bytes of a source from `base` on, as far as they have been read.

    Parameters
    ----------
    source
        The stream, at its beginning; None for a window over `data` alone.
    limit
        The most bytes to hold from the last released position on.
    chunk
        The fewest bytes to ask for in a read.
    data, base
        Bytes that are there already, and their offset in the source.
    """

    __slots__ = ("_chunk", "_ended", "_released", "_source", "base", "data", "limit")

    def __init__(
        self,
        source: BinaryIO | None,
        limit: int,
        chunk: int = CHUNK_BYTES,
        *,
        data: bytes = b"",
        base: int = 0,
    ) -> None:
        self._source = source
        self._chunk = chunk
        self._ended = source is None
        self._released = base
        self.limit = limit
        self.data = data
        self.base = base

    @property
    def end(self) -> int:
        """The position after the last byte that has been read."""
        return self.base + len(self.data)

    @property
    def ended(self) -> bool:
        """Whether the end of the source has been met."""
        return self._ended

    def more(self) -> bool:
        """Read on; return False at the end of the source.

        The amount doubles with what is held, so that scanning a long token again from its start stays linear. It never
        passes `limit`, so that what an adapter finds does not depend on the size of the reads.

        Raises
        ------
        PieceTooLarge
            `limit` bytes are held already.
        """
        if self._ended or self._source is None:
            return False
        room = self._released + self.limit - self.end
        if room <= 0:
            raise PieceTooLarge(limit=self.limit)
        if self._released > self.base:
            self.data = self.data[self._released - self.base :]
            self.base = self._released
        got = self._source.read(min(room, max(self._chunk, len(self.data))))
        if not got:
            self._ended = True
            return False
        self.data += got
        return True

    def fill(self, count: int) -> bool:
        """Read until `count` bytes from `base` on are there; return False if the source ends before."""
        while len(self.data) < count:
            if not self.more():
                return False
        return True

    def part(self, start: int, end: int) -> bytes:
        """Return the bytes between two positions that are held."""
        return self.data[start - self.base : end - self.base]

    def release(self, position: int) -> None:
        """Let go of everything before `position`."""
        self._released = position
