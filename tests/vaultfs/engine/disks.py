"""Disks on which something happens when the access journal of a reader is synced or read."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

from vaultfs_format.journal import HEADER_SIZE

from vaultfs.errors import StorageFailed
from vaultfs.vfs import File, Vfs


class Stuck(Vfs):
    """A disk on which the first sync of an access journal waits to be let go, and fails."""

    def __init__(self) -> None:
        self.stuck = False
        self.reached, self.let_go = threading.Event(), threading.Event()

    def file(self, descriptor: int, path: Path) -> File:
        return StuckFile(descriptor, self) if path.suffix == ".vacc" else File(descriptor)


class StuckFile(File):
    def __init__(self, descriptor: int, disk: Stuck) -> None:
        super().__init__(descriptor)
        self._disk = disk

    def sync(self) -> None:
        if self._disk.stuck:
            self._disk.stuck = False
            self._disk.reached.set()
            self._disk.let_go.wait(60)
            raise StorageFailed(errno=errno.EIO)
        super().sync()


class Chased(Vfs):
    """A disk that does something whenever an access journal is read beyond its header: some thousand times at most."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act
        self.acts = 0

    def file(self, descriptor: int, path: Path) -> File:
        return ChasedFile(descriptor, self) if path.suffix == ".vacc" else File(descriptor)


class ChasedFile(File):
    def __init__(self, descriptor: int, disk: Chased) -> None:
        super().__init__(descriptor)
        self._disk = disk

    def read(self, offset: int, length: int) -> bytes:
        if offset >= HEADER_SIZE and self._disk.acts < 5000:
            self._disk.acts += 1
            self._disk.act()
        return super().read(offset, length)
