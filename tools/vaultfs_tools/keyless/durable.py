"""Writing files of a vault without the engine: durably, and so that old or new content is there, never a mixture.

What is written belongs to whom the vault belongs, so that a repair by the superuser does not lock its owner out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700


def write(path: Path, data: bytes) -> None:
    """Make `path` hold `data`, durably: written under another name, synced, renamed, its directory synced."""
    with replacing(path) as descriptor:
        write_all(descriptor, data, 0)


@contextmanager
def replacing(path: Path) -> Iterator[int]:
    """Yield the descriptor of a new file, which takes the place of `path`, durably, unless something is raised."""
    make_directory(path.parent)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE_FILE)
    try:
        _take_over(descriptor, path)
        yield descriptor
        os.fsync(descriptor)
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    sync_directory(path.parent)


def make_directory(path: Path) -> None:
    """Create a directory and its parents, durably, private to the owner of the directory that it is made in."""
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(mode=_PRIVATE_DIRECTORY)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _belong(descriptor, path.parent.stat())
        finally:
            os.close(descriptor)
        sync_directory(path.parent)


def _take_over(descriptor: int, path: Path) -> None:
    """Give a new file the owner and the permissions of the one that it replaces, or the owner of the directory."""
    replaced: os.stat_result | None = None
    with suppress(OSError):
        replaced = path.lstat()
    if replaced is None or not stat.S_ISREG(replaced.st_mode):
        _belong(descriptor, path.parent.stat())
        return
    _belong(descriptor, replaced)
    with suppress(OSError):
        os.fchmod(descriptor, stat.S_IMODE(replaced.st_mode) & 0o666)


def _belong(descriptor: int, other: os.stat_result) -> None:
    """Give a file the owner of another one, where this account may."""
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (other.st_uid, other.st_gid):
        with suppress(OSError):
            os.fchown(descriptor, other.st_uid, other.st_gid)


def sync_directory(path: Path) -> None:
    """Return when the names in a directory are durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of `data` at an offset."""
    view = memoryview(data)
    while view:
        count = os.pwrite(descriptor, view, offset)
        view, offset = view[count:], offset + count
