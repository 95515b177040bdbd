"""README.txt and the dictionary in the directory of a vault: for people without its program. No vault needs them."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from vaultfs_format.essentials import essentials
from vaultfs_format.suite import Suite

from vaultfs.errors import VaultError
from vaultfs.vfs import Vfs, converted


def write_essentials(vfs: Vfs, root: Path, suite: Suite) -> None:
    """Write them to a vault that is being created, durably.

    Raises
    ------
    StorageFull, StorageReadOnly, StorageFailed
    """
    for name, data in essentials(suite).items():
        vfs.replace(root / name, data)


def restore_essentials(vfs: Vfs, root: Path, suite: Suite) -> int:
    """Write those that are missing, or are not what this version writes; return how many.

    What cannot be written stays as it is: nothing depends on it.
    """
    restored = 0
    for name, data in essentials(suite).items():
        with suppress(VaultError):
            if not _is_there(vfs, root / name, data):
                _replace(vfs, root / name, data)
                restored += 1
    return restored


def _replace(vfs: Vfs, path: Path, data: bytes) -> None:
    staged = vfs.stage(path, data)
    try:
        vfs.rename(staged, path)
    except VaultError:  # a directory has the name, for one
        vfs.unlink(staged)
        raise


def _is_there(vfs: Vfs, path: Path, data: bytes) -> bool:
    """Return whether a file, and neither a link nor a pipe, holds `data`."""
    try:
        with converted():
            found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size != len(data):
            return False
        return vfs.read(path, len(data)) == data
    except VaultError:
        return False
