"""A file system that fails on purpose: it counts the calls of each kind, and fails those that it was told to."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

from vaultfs.vfs import Buffer, File, Vfs, coded

T = TypeVar("T")


class Operation(Enum):
    """The kinds of calls that a `Vfs` makes of the operating system."""

    CREATE = "create"
    OPEN = "open"
    READ = "read"
    APPEND = "append"
    SYNC = "sync"
    TRUNCATE = "truncate"
    ALLOCATE = "allocate"
    MOVE = "move"
    UNLINK = "unlink"
    ADD_DIRECTORY = "add_directory"
    SYNC_DIRECTORY = "sync_directory"


CHANGES = frozenset(Operation) - {Operation.OPEN, Operation.READ}
"""The kinds that change what is on disk."""


class When(Enum):
    """What has happened when a call fails."""

    NOTHING_DONE = 0
    HALF_DONE = 1
    ALL_DONE = 2


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure that is to come.

    Parameters
    ----------
    kinds
        The kinds of calls that count.
    number
        The first of them that fails: 1 for the next one.
    error
        An ``errno``, or an exception to raise as it is.
    lasting
        Whether all calls after it fail too.
    when
        What of the call is done. Half is of the bytes of an append; any other call is done or not.
    """

    kinds: frozenset[Operation]
    number: int
    error: int | BaseException
    lasting: bool
    when: When

    def raised(self) -> BaseException:
        """Return what the failing call raises."""
        return coded(OSError(self.error, "on purpose")) if isinstance(self.error, int) else self.error


class FaultyVfs(Vfs):
    """The operating system's files, with faults. Safe to use from many threads.

    Parameters
    ----------
    durable
        False counts syncs and fails them when told, and otherwise leaves them out: tests that cut no power need none.

    Attributes
    ----------
    calls
        Number of calls of each kind so far, failed ones included.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self.durable = durable
        self.calls: Counter[Operation] = Counter()
        self._lock = threading.Lock()
        self._fault: Fault | None = None
        self._left = 0

    def fail(
        self,
        *kinds: Operation,
        error: int | BaseException,
        number: int = 1,
        lasting: bool = False,
        when: When = When.NOTHING_DONE,
    ) -> None:
        """Let the `number`-th call from now on of any of `kinds` fail; replaces a fault that has not come yet."""
        with self._lock:
            self._fault = Fault(frozenset(kinds), number, error, lasting, when)
            self._left = number

    def heal(self) -> None:
        """Let nothing fail any more."""
        with self._lock:
            self._fault = None

    def changes(self) -> int:
        """Return how many calls were made that change what is on disk."""
        with self._lock:
            return sum(count for kind, count in self.calls.items() if kind in CHANGES)

    def call(self, kind: Operation, perform: Callable[[], T], half: Callable[[], object] = lambda: None) -> T:
        """Count a call and perform it, or fail."""
        fault = self._due(kind)
        if fault is None:
            return perform()
        if fault.when is When.HALF_DONE:
            half()
        elif fault.when is When.ALL_DONE:
            perform()
        raise fault.raised()

    def _due(self, kind: Operation) -> Fault | None:
        with self._lock:
            self.calls[kind] += 1
            fault = self._fault
            if fault is None or kind not in fault.kinds:
                return None
            self._left -= 1
            if self._left > 0:
                return None
            if not fault.lasting:
                self._fault = None
            return fault

    def create(self, path: Path) -> File:
        return self.call(Operation.CREATE, lambda: super(FaultyVfs, self).create(path))

    def open(self, path: Path, *, writable: bool = False) -> File:
        return self.call(Operation.OPEN, lambda: super(FaultyVfs, self).open(path, writable=writable))

    def file(self, descriptor: int, path: Path) -> File:  # noqa: ARG002 - the signature of `Vfs`
        return _FaultyFile(self, descriptor)

    def move(self, source: Path, target: Path) -> None:
        self.call(Operation.MOVE, lambda: super(FaultyVfs, self).move(source, target))

    def unlink(self, path: Path) -> None:
        self.call(Operation.UNLINK, lambda: super(FaultyVfs, self).unlink(path))

    def add_directory(self, path: Path) -> None:
        self.call(Operation.ADD_DIRECTORY, lambda: super(FaultyVfs, self).add_directory(path))

    def sync_directory(self, path: Path) -> None:
        sync = super().sync_directory
        self.call(Operation.SYNC_DIRECTORY, lambda: sync(path) if self.durable else None)


class _FaultyFile(File):
    def __init__(self, vfs: FaultyVfs, descriptor: int) -> None:
        super().__init__(descriptor)
        self._vfs = vfs

    def append(self, pieces: Sequence[Buffer], offset: int) -> int:
        def half() -> None:
            data = b"".join(pieces)
            super(_FaultyFile, self).append([data[: len(data) // 2]], offset)

        return self._vfs.call(Operation.APPEND, lambda: super(_FaultyFile, self).append(pieces, offset), half)

    def read(self, offset: int, length: int) -> bytes:
        return self._vfs.call(Operation.READ, lambda: super(_FaultyFile, self).read(offset, length))

    def read_into(self, offset: int, room: memoryview) -> int:
        return self._vfs.call(Operation.READ, lambda: super(_FaultyFile, self).read_into(offset, room))

    def sync(self) -> None:
        self._vfs.call(Operation.SYNC, super().sync if self._vfs.durable else lambda: None)

    def truncate(self, length: int) -> None:
        self._vfs.call(Operation.TRUNCATE, lambda: super(_FaultyFile, self).truncate(length))

    def allocate(self, length: int) -> None:
        self._vfs.call(Operation.ALLOCATE, lambda: super(_FaultyFile, self).allocate(length))
