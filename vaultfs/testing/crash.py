"""Power cuts, simulated: a recording of every change to the files, and the disks that a cut at any point may leave.

The model is POSIX taken at its word. What a file holds is certain up to its last sync; what a directory lists is
certain up to the last sync of that directory, whatever was synced elsewhere. All later changes may be there or not, and
a write may be there in some sectors alone. One thing is taken from the file systems that journal: a file that is moved
to another directory is never in neither of the two.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from vaultfs.testing.vfs import Operation
from vaultfs.vfs import Buffer, File, Vfs

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Change:
    """One recorded change.

    Parameters
    ----------
    file
        Number of the file that is written, truncated or synced.
    path, target
        Names relative to the recorder's root.
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
    """The operating system's files, with a log of what was changed below `root`, which must be empty at first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log: list[Change] = []
        self._lock = threading.RLock()
        self._numbers: dict[str, int] = {}
        self._last = 0

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def create(self, path: Path) -> File:
        with self._lock:
            name = self._name(path)
            self._last += 1
            self._numbers[name] = self._last
            try:
                file = super().create(path)
            except BaseException:
                del self._numbers[name]
                raise
            self.record(Change(Operation.CREATE, self._last, name))
            return file

    def file(self, descriptor: int, path: Path) -> File:
        return _RecordedFile(self, descriptor, self._numbers[self._name(path)])

    def move(self, source: Path, target: Path) -> None:
        with self._lock:
            super().move(source, target)
            old, new = self._name(source), self._name(target)
            for name in [one for one in self._numbers if one == old or one.startswith(old + "/")]:
                self._numbers[new + name[len(old) :]] = self._numbers.pop(name)
            self.record(Change(Operation.MOVE, path=old, target=new))

    def unlink(self, path: Path) -> None:
        with self._lock:
            super().unlink(path)
            if self._numbers.pop(self._name(path), None) is not None:
                self.record(Change(Operation.UNLINK, path=self._name(path)))

    def add_directory(self, path: Path) -> None:
        with self._lock:
            super().add_directory(path)
            self.record(Change(Operation.ADD_DIRECTORY, path=self._name(path)))

    def sync_directory(self, path: Path) -> None:
        with self._lock:
            super().sync_directory(path)
            self.record(Change(Operation.SYNC_DIRECTORY, path=self._name(path)))

    def record(self, change: Change) -> None:
        """Add a change of a file to the log."""
        with self._lock:
            self.log.append(change)


class _RecordedFile(File):
    def __init__(self, vfs: RecordingVfs, descriptor: int, number: int) -> None:
        super().__init__(descriptor)
        self._vfs = vfs
        self._number = number

    def append(self, pieces: Sequence[Buffer], offset: int) -> int:
        written = super().append(pieces, offset)
        self._vfs.record(Change(Operation.APPEND, self._number, offset=offset, data=b"".join(pieces)))
        return written

    def sync(self) -> None:
        super().sync()
        self._vfs.record(Change(Operation.SYNC, self._number))

    def truncate(self, length: int) -> None:
        super().truncate(length)
        self._vfs.record(Change(Operation.TRUNCATE, self._number, offset=length))

    def allocate(self, length: int) -> None:
        super().allocate(length)
        self._vfs.record(Change(Operation.ALLOCATE, self._number, offset=length))


class Fate(Enum):
    """What becomes of changes that were not synced."""

    LOST = "lost"
    KEPT = "kept"
    TORN = "torn"
    """Names are kept; of each write, some sectors."""
    MIXED = "mixed"
    """For each directory and each file by chance: lost, kept or torn."""


class _File:
    def __init__(self) -> None:
        self.certain = b""
        self.data = bytearray()
        self.pending: list[Change] = []

    def apply(self, change: Change) -> None:
        self.pending.append(change)
        _apply(self.data, change)

    def sync(self) -> None:
        self.certain = bytes(self.data)
        self.pending.clear()

    def content(self, fate: Fate, chance: random.Random) -> bytes:
        if fate is Fate.MIXED:
            fate = chance.choice((Fate.LOST, Fate.KEPT, Fate.TORN))
        if fate is Fate.LOST:
            return self.certain
        if fate is Fate.KEPT:
            return bytes(self.data)
        data = bytearray(self.certain)
        for change in self.pending:
            for part in _sectors(change):
                if chance.random() < 0.5:
                    _apply(data, part)
        return bytes(data)


def _apply(data: bytearray, change: Change) -> None:
    if change.kind is Operation.TRUNCATE:
        del data[change.offset :]
    end = change.offset + len(change.data)
    if len(data) < end:
        data.extend(bytes(end - len(data)))
    data[change.offset : end] = change.data


def _sectors(change: Change) -> Iterator[Change]:
    at, end = change.offset, change.offset + len(change.data)
    if not change.data:
        yield change
    while at < end:
        stop = min(end, (at // SECTOR + 1) * SECTOR)
        part = change.data[at - change.offset : stop - change.offset]
        yield Change(change.kind, change.file, offset=at, data=part)
        at = stop


class _Directory:
    def __init__(self) -> None:
        self.certain: dict[str, _File | _Directory] = {}
        self.names: dict[str, _File | _Directory] = {}
        self.moved_away: list[tuple[_Directory, str, _File | _Directory]] = []

    def sync(self) -> None:
        self.certain = dict(self.names)
        for target, name, node in self.moved_away:
            target.certain.setdefault(name, node)
        self.moved_away.clear()


class _Cut:
    """What one power cut leaves of each directory and file."""

    def __init__(self, fate: Fate, seed: int) -> None:
        self._fate = fate
        self._chance = random.Random(seed)
        self._kept: dict[_Directory, bool] = {}
        self._saved: dict[_Directory, dict[str, _File | _Directory]] = {}

    def names(self, directory: _Directory) -> dict[str, _File | _Directory]:
        """Return what a directory lists."""
        found = directory.names if self._kept[directory] else directory.certain
        return self._saved.get(directory, {}) | found

    def decide(self, directory: _Directory) -> None:
        """Choose what becomes of a directory and all below it."""
        kept = self._chance.random() < 0.5 if self._fate is Fate.MIXED else self._fate is not Fate.LOST
        self._kept[directory] = kept
        for target, name, node in directory.moved_away if kept else ():
            self._saved.setdefault(target, {})[name] = node
        for node in {**directory.certain, **directory.names}.values():
            if isinstance(node, _Directory) and node not in self._kept:
                self.decide(node)

    def content(self, file: _File) -> bytes:
        """Return what a file holds."""
        return file.content(self._fate, self._chance)


class Disk:
    """A disk on which recorded changes are made one after the other, and which may lose power at any time."""

    def __init__(self) -> None:
        self._root = _Directory()
        self._files: dict[int, _File] = {}

    def make(self, change: Change) -> None:
        """Make one change."""
        match change.kind:
            case Operation.CREATE:
                self._files[change.file] = _File()
                self._parent(change.path).names[Path(change.path).name] = self._files[change.file]
            case Operation.MOVE:
                source, target = self._parent(change.path), self._parent(change.target)
                moved = source.names.pop(Path(change.path).name)
                target.names[Path(change.target).name] = moved
                if source is not target:
                    source.moved_away.append((target, Path(change.target).name, moved))
            case Operation.UNLINK:
                del self._parent(change.path).names[Path(change.path).name]
            case Operation.ADD_DIRECTORY:
                self._parent(change.path).names.setdefault(Path(change.path).name, _Directory())
            case Operation.SYNC_DIRECTORY:
                self._directory(Path(change.path)).sync()
            case Operation.SYNC:
                self._files[change.file].sync()
            case _:
                self._files[change.file].apply(change)

    def _parent(self, path: str) -> _Directory:
        return self._directory(Path(path).parent)

    def _directory(self, path: Path) -> _Directory:
        found = self._root
        for name in path.parts:
            step = found.names[name]
            assert isinstance(step, _Directory)  # noqa: S101 - the recording is of a file system
            found = step
        return found

    def after_power_cut(self, target: Path, fate: Fate, seed: int = 0) -> None:
        """Write what may be left now into the directory `target`, which must not exist."""
        cut = _Cut(fate, seed)
        cut.decide(self._root)
        _write(self._root, target, cut)


def _write(directory: _Directory, target: Path, cut: _Cut) -> None:
    target.mkdir(mode=0o700)
    for name, node in sorted(cut.names(directory).items()):
        if isinstance(node, _Directory):
            _write(node, target / name, cut)
            continue
        data = cut.content(node)
        with (target / name).open("wb") as file:
            if data.count(0) == len(data):
                file.truncate(len(data))
            else:
                file.write(data)
