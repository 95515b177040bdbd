"""Rooms for large bodies on their way in or out, used again: fresh memory costs more than sealing what goes into it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from vaultfs_format import limits

ROOM = limits.MAX_BODY + limits.SEAL_OVERHEAD
KEPT = 8
"""Rooms that are kept for the next user."""


class Buffers:
    """A pool of rooms for one sealed body each. Any thread may use it."""

    def __init__(self) -> None:
        self._free: deque[bytearray] = deque(maxlen=KEPT)

    @contextmanager
    def room(self) -> Iterator[memoryview]:
        """Lend `ROOM` bytes, whose content means nothing, until the end of the block."""
        try:
            buffer = self._free.pop()
        except IndexError:
            buffer = bytearray(ROOM)
        try:
            yield memoryview(buffer)
        finally:
            self._free.append(buffer)
