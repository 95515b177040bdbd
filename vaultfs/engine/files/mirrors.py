"""Mirrors: second copies of files that grow. They may lag behind or be missing, and nobody waits for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from vaultfs_format import limits

from vaultfs.engine.files.pairs import open_named, part_path
from vaultfs.engine.files.paths import Layout
from vaultfs.errors import FormatError, NotAuthentic, StorageFailed, VaultDamaged, VaultError, VaultMissing
from vaultfs.vfs import Buffer, File, Vfs

R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")

DAMAGE = (FormatError, NotAuthentic, StorageFailed, VaultDamaged)
"""What damage looks like to those who open what they have read, that of the device included."""


class Mirror:
    """The mirror of a file. What is read of it has to prove itself.

    A write that fails ends it, and keeps nobody from anything: what it has until then still serves.

    Parameters
    ----------
    path
        Where it lies; it is opened when it is first read. None: there is none.
    """

    def __init__(self, vfs: Vfs, path: Path | None = None) -> None:
        self._vfs = vfs
        self._path = path
        self._file: File | None = None
        self._writing = False
        self._named = False

    @classmethod
    def begin(cls, vfs: Vfs, path: Path, original: File, length: int) -> Mirror:
        """Return a mirror that has the first `length` bytes of a file, and takes what is appended to it."""
        mirror = cls(vfs, path)
        mirror.complete(original, length)
        return mirror

    def complete(self, original: File, length: int) -> None:
        """Have the first `length` bytes of the file, where it did not take all that was written to it.

        What it has stays, and is added to if the file has the same: of a file that rots it may be the only good copy.
        """
        if self._writing or self._path is None:
            return
        with suppress(VaultError):
            self.close()
            self._vfs.make_directory(self._path.parent)
            self._file = self._opened(self._path)
            self._named = False
            at = self._file.size()
            self._writing = same(self._file, original, min(at, length))
            for start in range(at, length, limits.MIB):
                self.append([original.read(start, min(limits.MIB, length - start))], start)

    def _opened(self, path: Path) -> File:
        try:
            return self._vfs.open(path, writable=True)
        except VaultMissing:
            return self._vfs.create(path)

    def append(self, pieces: Sequence[Buffer], offset: int) -> None:
        """Write what was written to the file."""
        if self._writing and self._file is not None:
            try:
                self._file.append(pieces, offset)
            except VaultError:
                self._writing = False

    def truncate(self, length: int) -> None:
        """Cut off what was cut off from the file."""
        if self._writing and self._file is not None:
            try:
                self._file.truncate(length)
            except VaultError:
                self._writing = False

    def sync(self) -> None:
        """Return when what it has is durable, or when it has failed."""
        if self._writing and self._file is not None:
            try:
                self._file.sync()
                if self._path is not None and not self._named:
                    self._vfs.sync_directory(self._path.parent)
                    self._named = True
            except VaultError:
                self._writing = False

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes at an offset: fewer at its end, and none where it is missing or cannot be read."""
        try:
            if self._file is None and self._path is not None:
                self._file = self._vfs.open(self._path)
            return b"" if self._file is None else self._file.read(offset, length)
        except VaultError:
            return b""

    def size(self) -> int:
        """Return the bytes that it has."""
        if not self.read(0, 1) or self._file is None:
            return 0
        try:
            return self._file.size()
        except VaultError:
            return 0

    def close(self) -> None:
        """Close the file."""
        self._writing = False
        if self._file is not None:
            self._file.close()
            self._file = None


def same(one: File, other: File | Mirror, length: int) -> bool:
    """Return whether two files begin with the same `length` bytes."""
    pieces = ((at, min(limits.MIB, length - at)) for at in range(0, length, limits.MIB))
    return all(one.read(at, size) == other.read(at, size) for at, size in pieces)


class Doubled(NamedTuple):
    """A file and its mirror."""

    file: File
    mirror: Mirror

    def close(self) -> None:
        """Close both."""
        self.file.close()
        self.mirror.close()


def open_part(vfs: Vfs, layout: Layout, segment_id: bytes, *, writable: bool = False) -> Doubled:
    """Open the bodies of an open blob segment.

    Raises
    ------
    VaultDamaged
        They are missing.
    """
    mirror = Mirror(vfs, layout.copy_of(layout.part(segment_id)))
    return Doubled(open_named(vfs, part_path(layout, segment_id), writable=writable), mirror)


def first_good(source: S, spare: R, act: Callable[[S | R], T]) -> T:
    """Return what `act` makes of what is there, or else of what stands in for it; it fails as the first does."""
    try:
        return act(source)
    except DAMAGE as error:
        try:
            return act(spare)
        except DAMAGE:
            raise error from None


def copy_file(vfs: Vfs, source: Path, target: Path) -> None:
    """Make `target` hold what `source` holds, durably: it appears whole or not at all.

    Raises
    ------
    VaultMissing, StorageFull, StorageReadOnly, StorageFailed
    """
    temporary = target.with_suffix(".tmp")
    original = vfs.open(source)
    try:
        vfs.make_directory(target.parent)
        vfs.unlink(temporary)
        copy = vfs.create(temporary)
        try:
            size = original.size()
            for at in range(0, size, limits.MIB):
                copy.append([original.read(at, min(limits.MIB, size - at))], at)
            copy.sync()
        finally:
            copy.close()
        vfs.rename(temporary, target)
    finally:
        original.close()
