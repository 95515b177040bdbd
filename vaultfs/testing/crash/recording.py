"""The operating system's files, with a log of what was changed, and a process that can be ended at any change."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vaultfs.testing.vfs import Operation
from vaultfs.vfs import Buffer, File, Vfs


class Killed(BaseException):
    """The process has been ended. Nothing that it does from now on reaches the files."""


@dataclass(frozen=True, slots=True)
class Change:
    """One recorded change.

    Parameters
    ----------
    file
        Number of the file that is written, truncated or synced.
    path, target
        Names relative to the recorder's root; of a file that is changed, the name that it has at the time.
    offset
        Of a write; the new length of a truncation or allocation.
    """

    kind: Operation
    file: int = 0
    path: str = ""
    target: str = ""
    offset: int = 0
    data: bytes = field(default=b"", repr=False)


class RecordingVfs(Vfs):
    """The operating system's files, with a log of what was changed below `root`, which must be empty at first.

    Attributes
    ----------
    log
        The changes in their order.
    last
        Length of the log at which the process is killed: the next change raises `Killed`, and so do all after it until
        this is set to None, which begins another process.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log: list[Change] = []
        self.last: int | None = None
        self._lock = threading.RLock()
        self._numbers: dict[str, int] = {}
        self._files = 0

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _alive(self) -> None:
        if self.last is not None and len(self.log) >= self.last:
            raise Killed

    def create(self, path: Path) -> File:
        with self._lock:
            self._alive()
            name = self._name(path)
            self._files += 1
            self._numbers[name] = self._files
            try:
                file = super().create(path)
            except BaseException:
                del self._numbers[name]
                raise
            self.record(Change(Operation.CREATE, self._files, name))
            return file

    def file(self, descriptor: int, path: Path) -> File:
        return _RecordedFile(self, descriptor, self._numbers[self._name(path)])

    def move(self, source: Path, target: Path) -> None:
        with self._lock:
            self._alive()
            super().move(source, target)
            old, new = self._name(source), self._name(target)
            for name in [one for one in self._numbers if one == old or one.startswith(old + "/")]:
                self._numbers[new + name[len(old) :]] = self._numbers.pop(name)
            self.record(Change(Operation.MOVE, path=old, target=new))

    def unlink(self, path: Path) -> None:
        with self._lock:
            self._alive()
            super().unlink(path)
            if self._numbers.pop(self._name(path), None) is not None:
                self.record(Change(Operation.UNLINK, path=self._name(path)))

    def add_directory(self, path: Path) -> None:
        with self._lock:
            self._alive()
            super().add_directory(path)
            self.record(Change(Operation.ADD_DIRECTORY, path=self._name(path)))

    def sync_directory(self, path: Path) -> None:
        with self._lock:
            self._alive()
            super().sync_directory(path)
            self.record(Change(Operation.SYNC_DIRECTORY, path=self._name(path)))

    def change_file(self, kind: Operation, number: int, offset: int = 0, data: bytes = b"") -> None:
        """Note a change of the file `number`."""
        with self._lock:
            name = next((name for name, one in self._numbers.items() if one == number), "")
            self.record(Change(kind, number, name, offset=offset, data=data))

    def record(self, change: Change) -> None:
        """Add a change, which has been made, to the log."""
        with self._lock:
            self.log.append(change)

    def check_alive(self) -> None:
        """Raise `Killed` where the process has been ended."""
        with self._lock:
            self._alive()


class _RecordedFile(File):
    def __init__(self, vfs: RecordingVfs, descriptor: int, number: int) -> None:
        super().__init__(descriptor)
        self._vfs = vfs
        self._number = number

    def append(self, pieces: Sequence[Buffer], offset: int) -> int:
        self._vfs.check_alive()
        written = super().append(pieces, offset)
        self._vfs.change_file(Operation.APPEND, self._number, offset, b"".join(pieces))
        return written

    def sync(self) -> None:
        self._vfs.check_alive()
        super().sync()
        self._vfs.change_file(Operation.SYNC, self._number)

    def truncate(self, length: int) -> None:
        self._vfs.check_alive()
        super().truncate(length)
        self._vfs.change_file(Operation.TRUNCATE, self._number, length)

    def allocate(self, length: int) -> None:
        self._vfs.check_alive()
        super().allocate(length)
        self._vfs.change_file(Operation.ALLOCATE, self._number, length)
