"""The directory of a copy: files appear in it whole and durably, and one process at a time writes to it.

Nothing is read or written through a link: one that has the name of a file is replaced by it, and a directory that is
one is refused before anything is written.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from vaultfs_format.errors import VaultError
from vaultfs_format.searching import Read

from vaultfs_tools.copying.errors import CopyBusy, DirectoryLinked
from vaultfs_tools.copying.unlinked import Unlinked
from vaultfs_tools.keyless.durable import make_directory, sync_directory, write
from vaultfs_tools.keyless.files import COPIES, JOURNALS, SEGMENTS, copy_name
from vaultfs_tools.keyless.litter import is_vaults
from vaultfs_tools.keyless.naming import is_unfinished
from vaultfs_tools.keyless.segments import Lenient

_PRIVATE = 0o700
_WAITING = re.compile(rf"{SEGMENTS}/.*/[0-9a-f]{{32}}\.tmp")


class Target:
    """The directory that is written to.

    Attributes
    ----------
    written
        Bytes that were copied into it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = Unlinked(root)
        self.written = 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other copiers out. The lock lies beside the directory: in it, it would become part of the vault.

        Raises
        ------
        CopyBusy
        """
        self.root.parent.mkdir(parents=True, exist_ok=True)
        place = self.root.with_name(f"{self.root.name}.lock")
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CopyBusy from None
            yield
        finally:
            os.close(descriptor)

    def begin(self) -> None:
        """Make the directory, private to its owner.

        Raises
        ------
        DirectoryLinked
        """
        make_directory(self.root)
        self._refuse_links()
        self.root.chmod(_PRIVATE)
        for name in (JOURNALS, SEGMENTS):
            make_directory(self.root / name)

    def _refuse_links(self) -> None:
        for name in (COPIES, JOURNALS, SEGMENTS):
            if (self.root / name).is_symlink():
                raise DirectoryLinked
            for where, directories, _ in os.walk(self.root / name):
                if any((Path(where) / directory).is_symlink() for directory in directories):
                    raise DirectoryLinked

    def tidy(self) -> None:
        """Remove what an interrupted run has left, but for segments that wait to be named: they are looked at again."""
        self.clear([name for name in self.files.walk() if _WAITING.fullmatch(name)], unfinished_only=True)

    def read(self, name: str) -> bytes | None:
        """Return a small file, None where it is missing or cannot be read."""
        with suppress(VaultError):
            return self.files.read(name)
        return None

    @contextmanager
    def present(self, name: str) -> Iterator[Read]:
        """Yield what reads the file that has a name now; where there is none, or no more bytes, it returns fewer."""
        with ExitStack() as stack:
            try:
                read: Read = Lenient(stack.enter_context(self.files.open(name)))
            except VaultError:
                read = read_nothing
            yield read

    def put(self, name: str, data: bytes) -> None:
        """Make a file hold `data`, unless it does."""
        if self.read(name) != data:
            write(self.root / name, data)
            self.written += len(data)

    def put_both(self, name: str, data: bytes) -> None:
        """Write a small file to both of its places, the second one first."""
        self.put(copy_name(name), data)
        self.put(name, data)

    def put_beside(self, name: str, data: bytes) -> None:
        """Write a small file to its second place, and to the first one where nothing is.

        What is there stays: the head in force may name it, and not what is written.
        """
        self.put(copy_name(name), data)
        if not os.path.lexists(self.root / name):
            self.put(name, data)

    @contextmanager
    def staged(self, name: str) -> Iterator[int]:
        """Yield the descriptor of a new file that gets its name only by `publish`; durable when this returns."""
        path = self.root / name
        make_directory(path.parent)
        path.unlink(missing_ok=True)
        with _durable(path, os.O_EXCL) as descriptor:
            yield descriptor

    @contextmanager
    def in_place(self, name: str) -> Iterator[int]:
        """Yield the descriptor of a file that is written where it is; durable, with its name, when this returns."""
        path = self.root / name
        make_directory(path.parent)
        if path.is_symlink():
            path.unlink()
        with _durable(path, 0) as descriptor:
            yield descriptor
        sync_directory(path.parent)

    def publish(self, staged: str, name: str) -> None:
        """Give a staged file its name, durably."""
        path = self.root / name
        make_directory(path.parent)
        os.rename(self.root / staged, path)
        sync_directory(path.parent)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.root / name).unlink(missing_ok=True)

    def clear(self, keep: Collection[str], *, unfinished_only: bool) -> None:
        """Remove files of the vault that are not to be kept; whatever else lies here is left alone."""
        for name in self.files.walk():
            if name not in keep and (is_unfinished(name) or (is_vaults(name) and not unfinished_only)):
                self.remove(name)


@contextmanager
def _durable(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)
    try:
        yield descriptor
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_nothing(_: int, __: int) -> bytes:
    """Read a file that is not there."""
    return b""
