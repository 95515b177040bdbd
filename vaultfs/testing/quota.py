"""A disk of a stated size: writes beyond it find no space, and what is preallocated keeps its place."""

from __future__ import annotations

import errno
import threading
from collections.abc import Sequence
from pathlib import Path

from vaultfs.vfs import Buffer, File, Vfs, coded


class QuotaVfs(Vfs):
    """The operating system's files, of which those that this object creates share a number of bytes.

    Parameters
    ----------
    left
        Bytes that may still be taken. A test may change it at any time: 0 is a full disk.
    """

    def __init__(self, left: int) -> None:
        self.left = left
        self._lock = threading.Lock()

    def file(self, descriptor: int, path: Path) -> File:  # noqa: ARG002 - the signature of `Vfs`
        return _QuotaFile(self, descriptor)

    def unlink(self, path: Path) -> None:
        size = path.stat().st_size if path.is_file() else 0
        super().unlink(path)
        self.take(-size)

    def take(self, amount: int) -> None:
        """Take bytes of the disk; a negative amount gives some back.

        Raises
        ------
        StorageFull
        """
        with self._lock:
            if amount > max(0, self.left):
                raise coded(OSError(errno.ENOSPC, "on purpose"))
            self.left -= amount


class _QuotaFile(File):
    def __init__(self, vfs: QuotaVfs, descriptor: int) -> None:
        super().__init__(descriptor)
        self._vfs = vfs

    def append(self, pieces: Sequence[Buffer], offset: int) -> int:
        end = offset + sum(map(len, pieces))
        growth = max(0, end - self.size())
        try:
            self._vfs.take(growth)
        except OSError:
            # What still fits is written, as a file system does it.
            fitting = max(0, len(b"".join(pieces)) - (growth - max(0, self._vfs.left)))
            super().append([b"".join(pieces)[:fitting]], offset)
            raise
        return super().append(pieces, offset)

    def truncate(self, length: int) -> None:
        before = self.size()
        super().truncate(length)
        self._vfs.take(min(0, length - before))

    def allocate(self, length: int) -> None:
        self._vfs.take(max(0, length - self.size()))
        super().allocate(length)
