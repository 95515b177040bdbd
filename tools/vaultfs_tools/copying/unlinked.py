"""Files that are reached through no link: who plants one in a directory must not choose what is read there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vaultfs_tools.keyless.errors import NotRegular
from vaultfs_tools.keyless.files import COPIES, Reader, VaultFiles, device_errors

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Unlinked(VaultFiles):
    """A directory in which what is a link counts for no file, and what lies in a linked directory is missing.

    Parameters
    ----------
    root
        The directory; it may be reached through links.
    copies
        Whether its directory `copies` may be a link: that of a vault may (SPEC.md 3), that of a copy may not.
    """

    def __init__(self, root: Path, *, copies: bool = False) -> None:
        super().__init__(root)
        self._copies = copies

    @contextmanager
    def open(self, name: str) -> Iterator[Reader]:
        """Open a file for reading. Raises as that of `VaultFiles` does."""
        with device_errors():
            descriptor = self._descriptor(name)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise NotRegular
            yield Reader(descriptor)
        finally:
            os.close(descriptor)

    def size(self, name: str) -> int:
        """Return the size of a file, 0 where it is missing or is none."""
        try:
            found = os.lstat(self.root / name)
        except OSError:
            return 0
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def _descriptor(self, name: str) -> int:
        """Open a file, each directory on the way from the one that holds it: none can become a link meanwhile."""
        *directories, last = name.split("/")
        at = os.open(self.root, _DIRECTORY)
        try:
            for depth, directory in enumerate(directories):
                follow = self._copies and depth == 0 and directory == COPIES
                inner = os.open(directory, _DIRECTORY if follow else _DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
                os.close(at)
                at = inner
            return os.open(last, _FILE, dir_fd=at)
        finally:
            os.close(at)
