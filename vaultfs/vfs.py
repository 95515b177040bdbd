"""The one door to the file system for durable data: few operations, each with the kernel's rules written down.

Errors of the operating system become coded errors without a path in them. Hosts and tests may pass another `Vfs` that
counts, fails or forgets.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vaultfs_format.errors import forget_paths

from vaultfs import processes
from vaultfs.errors import (
    ArgumentInvalid,
    StorageFailed,
    StorageFull,
    StorageReadOnly,
    VaultError,
    VaultMissing,
    WriterBusy,
)

Buffer = bytes | bytearray | memoryview

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR})
_MAX_VECTOR = 512
"""Buffers handed to one writev; Linux takes up to 1,024 (IOV_MAX)."""
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
"""Who opens a pipe must not wait for its other end; of a regular file it changes nothing."""
_LOCK_INTERVAL = 0.02
"""Seconds between two attempts to take the writer's lock."""


def coded(error: OSError) -> VaultError:
    """Return the coded error for an error of the operating system."""
    number = error.errno or 0
    if number in _FULL:
        return StorageFull(errno=number)
    if number in _READ_ONLY:
        return StorageReadOnly(errno=number)
    if number in _MISSING:
        return VaultMissing(errno=number)
    return StorageFailed(errno=number)


@contextmanager
def converted() -> Iterator[None]:
    """Turn every `OSError` that is not coded yet into a coded error without the path."""
    try:
        yield
    except VaultError:
        raise
    except OSError as error:
        failure = coded(error)
        forget_paths(error)
        try:
            raise failure from None
        finally:
            del failure  # it would hold this frame, which its traceback holds


def absolute(path: Path | str) -> Path:
    """Return a path that a host has given, absolute.

    Raises
    ------
    ArgumentInvalid
        No file can have it: it holds half of a surrogate pair, or a null character.
    """
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError:
        name = b"\0"
    if b"\0" in name:
        raise ArgumentInvalid
    with converted():
        return Path(path).absolute()


class File:
    """An open file. Offsets and sizes in bytes; nothing is buffered here."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def append(self, pieces: Sequence[Buffer], offset: int) -> int:
        """Write `pieces` one after the other at `offset`; return the bytes written, which is all of them."""
        written, first = 0, 0
        pending = [memoryview(piece) for piece in pieces if piece]
        with converted():
            while first < len(pending):
                count = os.pwritev(self._descriptor, pending[first : first + _MAX_VECTOR], offset + written)
                written += count
                while first < len(pending) and count >= len(pending[first]):
                    count -= len(pending[first])
                    first += 1
                if count:
                    pending[first] = pending[first][count:]
        return written

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes at `offset`, fewer at the end of the file."""
        with converted():
            data = os.pread(self._descriptor, length, offset)
            if len(data) == length or not data:
                return data
            pieces = [data]
            missing = length - len(data)
            while missing:
                data = os.pread(self._descriptor, missing, offset + length - missing)
                if not data:
                    break
                pieces.append(data)
                missing -= len(data)
            return b"".join(pieces)

    def read_into(self, offset: int, room: memoryview) -> int:
        """Fill `room` with the bytes at `offset`; return how many there were, fewer at the end of the file."""
        filled = 0
        with converted():
            while filled < len(room):
                count = os.preadv(self._descriptor, [room[filled:]], offset + filled)
                if not count:
                    break
                filled += count
        return filled

    def begin_writing(self, offset: int, length: int) -> None:
        """Let the kernel write these bytes soon. It promises nothing, and does not wait."""
        with converted():
            # On Linux this begins the writing of dirty pages, and lets go of clean ones, of which there are none here.
            os.posix_fadvise(self._descriptor, offset, length, os.POSIX_FADV_DONTNEED)

    def sync(self) -> None:
        """Return when all bytes written are durable. After a failure the cache proves nothing: give the file up."""
        with converted():
            os.fdatasync(self._descriptor)

    def truncate(self, length: int) -> None:
        """Cut the file to `length` bytes."""
        with converted():
            os.ftruncate(self._descriptor, length)

    def allocate(self, length: int) -> None:
        """Make the file `length` bytes long, its blocks reserved."""
        with converted():
            os.posix_fallocate(self._descriptor, 0, length)

    def size(self) -> int:
        """Return the size of the file."""
        with converted():
            return os.fstat(self._descriptor).st_size

    def lock(self) -> bool:
        """Take the exclusive `flock` of the file for as long as it is open here; return whether nobody else has it."""
        with converted():
            return _locked(self._descriptor, fcntl.LOCK_EX)

    def close(self) -> None:
        """Close the file."""
        descriptor, self._descriptor = self._descriptor, -1  # at once: the next file that is opened gets its number
        if descriptor >= 0:
            os.close(descriptor)


class Vfs:
    """The operating system's files.

    What changes them goes through `create`, `open`, `move`, `unlink`, `add_directory`, `sync_directory` and the methods
    of `File`; everything else is made of these.
    """

    def create(self, path: Path) -> File:
        """Create a file that must not exist, for reading and writing, private to the user."""
        with converted():
            return self.file(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path)

    def open(self, path: Path, *, writable: bool = False) -> File:
        """Open a file that exists. What is no regular file, a pipe for example, is refused as damaged storage is."""
        with converted():
            descriptor = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC | _NONBLOCK)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise StorageFailed(errno=errno.EISDIR)
            return self.file(descriptor, path)

    def file(self, descriptor: int, path: Path) -> File:  # noqa: ARG002 - for those that watch files by name
        """Return the file that `create` and `open` give out."""
        return File(descriptor)

    def read(self, path: Path, limit: int) -> bytes:
        """Return a whole file of at most `limit` bytes, `limit` + 1 bytes of a longer one."""
        file = self.open(path)
        try:
            return file.read(0, min(file.size(), limit) + 1)
        finally:
            file.close()

    def size(self, path: Path) -> int:
        """Return the size of a file in bytes."""
        file = self.open(path)
        try:
            return file.size()
        finally:
            file.close()

    def replace(self, path: Path, data: bytes) -> None:
        """Make `path` hold `data`, durably: the old or the new content is there at any time, never a mixture."""
        self.rename(self.stage(path, data), path)

    def stage(self, path: Path, data: bytes) -> Path:
        """Write what `path` is to hold beside it, durably; return where."""
        temporary = path.with_name(path.name + ".tmp")
        self.unlink(temporary)
        file = self.create(temporary)
        try:
            file.append([data], 0)
            file.sync()
        except BaseException:
            file.close()
            self.unlink(temporary)
            raise
        file.close()
        return temporary

    def rename(self, source: Path, target: Path) -> None:
        """Give a synced file its name, durably. The directory is synced after: a rename alone may be forgotten."""
        self.move(source, target)
        self.sync_directory(target.parent)
        if source.parent != target.parent:
            self.sync_directory(source.parent)

    def show(self, path: Path) -> None:
        """Let everybody read a file."""
        with converted():
            os.chmod(path, 0o644)

    def move(self, source: Path, target: Path) -> None:
        """Give a file another name. Not durable before both directories are synced."""
        with converted():
            os.rename(source, target)

    def unlink(self, path: Path) -> None:
        """Remove a file if it exists."""
        with converted():
            path.unlink(missing_ok=True)

    def make_directory(self, path: Path) -> None:
        """Create a directory and its parents, durably, private to the user."""
        missing = []
        with converted():
            while not path.is_dir():
                missing.append(path)
                path = path.parent
        for directory in reversed(missing):
            self.add_directory(directory)
            self.sync_directory(directory.parent)

    def add_directory(self, path: Path) -> None:
        """Create a directory if it does not exist. Not durable before its parent is synced."""
        with converted():
            path.mkdir(mode=0o700, exist_ok=True)

    def apart(self, path: Path, other: Path) -> bool:
        """Return whether a directory may fail alone: a link, or of another file system, or it cannot be looked at."""
        try:
            found = os.lstat(path)
            return stat.S_ISLNK(found.st_mode) or found.st_dev != os.lstat(other).st_dev
        except FileNotFoundError:
            return False
        except OSError as error:
            forget_paths(error)
            return True

    def link(self, target: Path, path: Path) -> None:
        """Let `path` lead to a directory elsewhere, durably."""
        with converted():
            path.symlink_to(target, target_is_directory=True)
        self.sync_directory(path.parent)

    def sync_directory(self, path: Path) -> None:
        """Return when the names in a directory are durable."""
        with converted():
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def names(self, path: Path) -> list[str]:
        """Return the names in a directory, sorted; none where it does not exist."""
        with converted():
            return sorted(os.listdir(path)) if path.is_dir() else []

    def preallocate(self, path: Path, length: int) -> None:
        """Create a file of `length` zero bytes whose blocks are reserved."""
        file = self.create(path)
        try:
            file.allocate(length)
            file.sync()
        finally:
            file.close()


class WriterLock:
    """The writer's lock: an exclusive `flock` on a file that is never renamed. The kernel drops it with the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self, wait: float) -> None:
        """Take the lock within `wait` seconds.

        Raises
        ------
        WriterBusy
        """
        deadline = time.monotonic() + wait
        with converted():
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                while not _locked(descriptor, fcntl.LOCK_EX):
                    if time.monotonic() >= deadline:
                        raise WriterBusy
                    time.sleep(_LOCK_INTERVAL)
            except BaseException:
                os.close(descriptor)
                raise
        self._descriptor = descriptor
        processes.watch(self)

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor >= 0:
            # A child that is being forked shares the lock until it has closed its descriptor.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self.abandon()

    def abandon(self) -> None:
        """Close the descriptor alone: in a forked child the lock is the parent's."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def path_lock(path: Path, *, exclusive: bool, wait: float) -> Iterator[bool]:
    """Hold the `flock` of a directory or file; tell whether it was got within `wait` seconds."""
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    deadline = time.monotonic() + wait
    with converted():
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        while not (locked := _locked(descriptor, kind)) and time.monotonic() < deadline:
            time.sleep(_LOCK_INTERVAL)
        yield locked
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # a child that was forked meanwhile has the descriptor, too
        os.close(descriptor)


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
