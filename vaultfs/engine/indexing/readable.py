"""Which index a reader can use: where another process may write, with locks; where nobody can, without; else none."""

from __future__ import annotations

import os
from pathlib import Path

from vaultfs.engine.indexing.environments import DATA, LOCK, Mode, pinned
from vaultfs.engine.indexing.index import Index
from vaultfs.errors import IndexMissing, StorageReadOnly
from vaultfs.vfs import converted

_MOUNTS = Path("/proc/self/mountinfo")


def index_for_reading(path: Path) -> Index:
    """Open the index at `path` for reading.

    Raises
    ------
    IndexMissing
        There is none.
    StorageReadOnly
        Its locks cannot be taken, though somebody may be writing.
    IndexDamaged, StorageFailed
    """
    if not _holds_something(path / DATA):
        raise IndexMissing
    with converted(), pinned(path) as unchanged:
        lockable = os.access(path, os.W_OK) and (not (path / LOCK).exists() or os.access(path / LOCK, os.W_OK))
        if not (lockable or _frozen(path)):
            # What has just been taken away cannot be written to either.
            raise StorageReadOnly if unchanged() else IndexMissing
    return Index(path, Mode.READ if lockable else Mode.FROZEN)


def _holds_something(data: Path) -> bool:
    try:
        return os.stat(data).st_size > 0
    except OSError:
        return False


def _frozen(path: Path) -> bool:
    """Return whether nobody can write to the file system of `path`.

    A mount that is read-only is not enough: the same file system may be writable through another one.
    Source: Linux, proc_pid_mountinfo(5): the options of the superblock are the last field.
    """
    try:
        device = os.stat(path).st_dev
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    options = [line.split()[-1].split(",") for line in lines if line.split()[2] == number]
    return bool(options) and all("ro" in one for one in options)
