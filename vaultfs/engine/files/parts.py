"""Open blob segments: bodies of large records are appended here before the commit that names them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from vaultfs_format import limits
from vaultfs_format.frame import FrameClass
from vaultfs_format.layout import Buffer
from vaultfs_format.segment import NO_YEAR, SUPERBLOCK_SIZE, SegmentHead
from vaultfs_format.suite import Suite

from vaultfs.engine.files.mirrors import Mirror
from vaultfs.engine.files.paths import Layout
from vaultfs.errors import Closed, VaultError
from vaultfs.vfs import File, Vfs

MAX_PART_FILE = 4 * limits.GIB
"""A part file is given up for a new one at this size."""

MAX_BUSY = 64
"""Part files with bodies that no group names yet, from which on settling begins no other one for bodies that come."""

WRITE_BEHIND = 8 * limits.MIB
"""Bytes after which the disk begins to work, beside those who go on sealing: so little is left to do for a sync.

Not on mirrors: nobody syncs them but at the end, and most are removed with their file before the disk has got to them.
"""


@dataclass(frozen=True, slots=True)
class Landed:
    """Where a body came to lie."""

    segment_id: bytes
    offset: int
    length: int


class _Part:
    """An open part file.

    Attributes
    ----------
    end
        Where the next body goes.
    begun
        Up to where the kernel was told to write already.
    unsynced
        Whether anything was written since the last sync began.
    pinned
        Bodies that no group names yet: offset to length.
    """

    def __init__(self, segment_id: bytes, file: File, mirror: Mirror) -> None:
        self.segment_id = segment_id
        self.file = file
        self.mirror = mirror
        self.end = self.begun = SUPERBLOCK_SIZE
        self.unsynced = True
        self.pinned: dict[int, int] = {}

    def close(self) -> None:
        self.file.close()
        self.mirror.close()


class PartFiles:
    """The part files that this process has begun. Those of an earlier process are read, never appended to.

    A body is pinned from `append` until its transaction has committed it (`release`) or given it up (`abandon`).
    Settling leaves files with pinned bodies alone.
    """

    def __init__(self, vfs: Vfs, layout: Layout, suite: Suite, vault_id: bytes) -> None:
        self._vfs = vfs
        self._layout = layout
        self._suite = suite
        self._vault_id = vault_id
        self._lock = threading.Lock()
        self._parts: dict[bytes, _Part] = {}
        self._open: _Part | None = None
        self._closed = False

    def _head(self, segment_id: bytes) -> bytes:
        """Return a superblock without epoch, years and generation, which are known when the file is sealed."""
        head = SegmentHead(self._suite, FrameClass.BLOB, 0, 0, NO_YEAR, NO_YEAR, 0, self._vault_id, segment_id, 0)
        return head.encode()

    def append(self, body: Buffer) -> Landed:
        """Write a sealed body; it counts only once a durable group names it.

        Raises
        ------
        Closed, StorageFull, StorageFailed
        """
        with self._lock:
            if self._closed:
                raise Closed
            part = self._open
            if part is None or part.end + len(body) > MAX_PART_FILE:
                part = self._open = self._begin()
            landed = Landed(part.segment_id, part.end, len(body))
            part.unsynced = True
            try:
                part.file.append([body], landed.offset)
            except BaseException:
                self._open = None  # a file is not written to again after a failure
                raise
            part.mirror.append([body], landed.offset)
            part.end += len(body)
            part.pinned[landed.offset] = landed.length
            if part.end - part.begun >= WRITE_BEHIND:
                part.file.begin_writing(part.begun, part.end - part.begun)
                part.begun = part.end
            return landed

    def _begin(self) -> _Part:
        segment_id = os.urandom(16)
        path = self._layout.part(segment_id)
        self._vfs.make_directory(path.parent)
        file = self._vfs.create(path)
        try:
            file.append([self._head(segment_id)], 0)
            self._vfs.sync_directory(path.parent)
        except BaseException:
            file.close()
            self._vfs.unlink(path)
            raise
        mirror = Mirror.begin(self._vfs, self._layout.copy_of(path), file, SUPERBLOCK_SIZE)
        part = self._parts[segment_id] = _Part(segment_id, file, mirror)
        return part

    def release(self, bodies: Iterable[Landed]) -> None:
        """Take note that a durable group names these bodies."""
        with self._lock:
            for body in bodies:
                self._parts[body.segment_id].pinned.pop(body.offset, None)

    def abandon(self, bodies: Sequence[Landed]) -> None:
        """Give up those of `bodies` that no group names; at the end of a file they give their space back."""
        with self._lock:
            for body in reversed(bodies):
                part = self._parts.get(body.segment_id)
                if part is None or part.pinned.pop(body.offset, None) is None:
                    continue
                if part is self._open and part.end == body.offset + body.length:
                    part.end = body.offset
                    part.begun = min(part.begun, part.end)
                    with suppress(VaultError):
                        part.file.truncate(part.end)
                        part.mirror.truncate(part.end)

    def sync(self, bodies: Iterable[Landed]) -> dict[bytes, int]:
        """Make bodies durable; return for each of their part files, in order, where the last of them ends."""
        ends: dict[bytes, int] = {}
        for body in bodies:
            ends[body.segment_id] = max(ends.get(body.segment_id, 0), body.offset + body.length)
        for segment_id in ends:
            with self._lock:
                part = self._parts[segment_id]
                unsynced, part.unsynced = part.unsynced, False
            if unsynced:
                part.file.sync()
        return ends

    def detach(self) -> tuple[set[bytes], set[bytes]]:
        """Begin no more bodies in the present files, and let go of those without pinned bodies.

        Where a transaction is open for so long that it writes to more and more files, the present one goes on.

        Returns
        -------
        tuple
            Ids of the files that were let go of, and of those that still have pinned bodies.
        """
        with self._lock:
            idle = {segment_id for segment_id, part in self._parts.items() if not part.pinned}
            for segment_id in idle:
                self._parts.pop(segment_id).close()
            if len(self._parts) < MAX_BUSY or self._open is None or self._open.segment_id in idle:
                self._open = None
            return idle, set(self._parts)

    def open_ids(self) -> set[bytes]:
        """Return the ids of the files that transactions write to, or may still name in a group."""
        with self._lock:
            return set(self._parts)

    def close(self) -> None:
        """Close all part files, and begin no other."""
        with self._lock:
            self._closed = True
            for part in self._parts.values():
                part.mirror.sync()
                part.close()
            self._parts.clear()
            self._open = None
