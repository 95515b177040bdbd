"""Open blob segments: bodies of large records are appended here before the commit that names them."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from vaultfs_format import limits
from vaultfs_format.frame import FrameClass
from vaultfs_format.segment import NO_YEAR, SUPERBLOCK_SIZE, SegmentHead
from vaultfs_format.suite import Suite

from vaultfs.engine.paths import Layout
from vaultfs.vfs import File, Vfs

MAX_PART_FILE = 4 * limits.GIB
"""A part file is given up for a new one at this size."""


@dataclass(frozen=True, slots=True)
class Landed:
    """Where a body came to lie."""

    segment_id: bytes
    offset: int
    length: int


class _Part:
    def __init__(self, segment_id: bytes, file: File) -> None:
        self.segment_id = segment_id
        self.file = file
        self.end = SUPERBLOCK_SIZE
        self.synced = 0


class PartFiles:
    """The part files that this process has begun. Those of an earlier process are read, never appended to."""

    def __init__(self, vfs: Vfs, layout: Layout, suite: Suite, vault_id: bytes) -> None:
        self._vfs = vfs
        self._layout = layout
        self._suite = suite
        self._vault_id = vault_id
        self._lock = threading.Lock()
        self._parts: dict[bytes, _Part] = {}
        self._open: _Part | None = None

    def _head(self, segment_id: bytes) -> bytes:
        """Return a superblock without epoch, years and generation, which are known when the file is sealed."""
        head = SegmentHead(
            self._suite, FrameClass.BLOB, limits.SLICE_LARGE, 0, 0, NO_YEAR, NO_YEAR, 0, self._vault_id, segment_id
        )
        return head.encode()

    def append(self, body: bytes) -> Landed:
        """Write a sealed body; it counts only once a durable group names it."""
        with self._lock:
            part = self._open
            if part is None or part.end + len(body) > MAX_PART_FILE:
                part = self._open = self._begin()
            offset = part.end
            part.end += part.file.append([body], offset)
            return Landed(part.segment_id, offset, len(body))

    def _begin(self) -> _Part:
        segment_id = os.urandom(16)
        path = self._layout.part(segment_id)
        self._vfs.make_directory(path.parent)
        file = self._vfs.create(path)
        part = _Part(segment_id, file)
        self._parts[segment_id] = part
        file.append([self._head(segment_id)], 0)
        self._vfs.sync_directory(path.parent)
        return part

    def abandon(self, bodies: list[Landed]) -> None:
        """Take back bodies that no commit names; those that lie at the end give their space back."""
        with self._lock:
            for body in reversed(bodies):
                part = self._parts.get(body.segment_id)
                if part is not None and part.end == body.offset + body.length:
                    part.end = body.offset
                    part.file.truncate(part.end)

    def sync(self, segment_id: bytes) -> int:
        """Make a part file durable; return how many of its bytes are."""
        with self._lock:
            part = self._parts[segment_id]
            end = part.end
        if part.synced < end:
            part.file.sync()
            part.synced = end
        return end

    def retire(self) -> None:
        """Close all part files: they are about to be sealed, or the vault is closed."""
        with self._lock:
            for part in self._parts.values():
                part.file.close()
            self._parts.clear()
            self._open = None
