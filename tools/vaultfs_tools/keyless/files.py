"""The files of a vault, for reading: names, sizes, bytes. Errors of the device are coded, without a path.

Names are relative to the vault and follow from ids, classes, years and numbers alone.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from vaultfs_format import limits
from vaultfs_format.errors import LimitExceeded, Truncated, forget_paths
from vaultfs_format.head import SegmentRow
from vaultfs_format.segment import NO_YEAR

from vaultfs_tools.keyless.errors import FileMissing, FileUnreadable, NotRegular
from vaultfs_tools.keyless.sizes import most

HEAD = "head"
LOCK = "lock"
INDEX = "index"
JOURNALS = "journal"
RESERVE = "journal/reserve"
SEGMENTS = "segments"
LOCATION = "segments/main"
COPIES = "copies"
ACTS = "acts"
RETIRED = "retired"
MARK = "copy"

_INDEXES = frozenset({INDEX, f"{INDEX}.new", f"{INDEX}.old"})

MAX_SMALL = limits.GIB
"""Largest file that is read whole."""

CHUNK = limits.MIB
"""Bytes read at a time."""

_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR})
_NOT_A_FILE = frozenset({errno.EISDIR, errno.ENXIO, errno.ELOOP})
_DEVICE = frozenset({errno.EIO, errno.ENODATA, errno.EBADMSG, errno.EUCLEAN, errno.EILSEQ, errno.EREMOTEIO})
"""Errors that tell of the medium. Any other one tells of the program's surroundings and ends the check."""


def superblock_name(generation: int) -> str:
    """Return the name of a VAULT file."""
    return f"VAULT.{generation}"


def keyring_name(epoch: int) -> str:
    """Return the name of a keyring."""
    return f"keyring.{epoch}"


def range_name(row: SegmentRow) -> str:
    """Return the directory of a segment's class and years."""
    years = "none" if row.first_year == NO_YEAR else f"{row.first_year:04d}-{row.last_year:04d}"
    return f"{LOCATION}/{row.frame_class.name.lower()}/{years}"


def segment_name(row: SegmentRow) -> str:
    """Return the name of a segment."""
    return f"{range_name(row)}/{row.segment_id.hex()}.vseg"


def table_name(row: SegmentRow) -> str:
    """Return the name of a segment's key table."""
    return f"{range_name(row)}/{row.segment_id.hex()}.vkey.{row.table_epoch}"


def part_name(segment_id: bytes) -> str:
    """Return the name of an open blob segment."""
    return f"{LOCATION}/blob/{segment_id.hex()}.part"


def copy_name(name: str) -> str:
    """Return the name of the second copy of a small file."""
    return f"{COPIES}/{name}"


class Reader:
    """An open file. Offsets and sizes in bytes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def into(self, view: memoryview, offset: int) -> None:
        """Fill `view` with the bytes at `offset`.

        Raises
        ------
        FileUnreadable, Truncated
        """
        done = 0
        while done < len(view):
            with device_errors():
                count = os.preadv(self._descriptor, [view[done:]], offset + done)
            if not count:
                raise Truncated(expected=offset + len(view), got=offset + done)
            done += count

    def read(self, offset: int, length: int) -> bytes:
        """Return the `length` bytes at `offset`.

        Raises
        ------
        FileUnreadable, Truncated
        """
        if offset + length > self.size:
            raise Truncated(expected=offset + length, got=self.size)
        data = bytearray(length)
        self.into(memoryview(data), offset)
        return bytes(data)

    def extents(self) -> Iterator[tuple[int, int]]:
        """Yield where stretches begin and end that are stored; between them are holes, which read as zeros."""
        end = 0
        while end < self.size:
            try:
                start = os.lseek(self._descriptor, end, os.SEEK_DATA)
                end = min(os.lseek(self._descriptor, start, os.SEEK_HOLE), self.size)
            except OSError as error:
                if error.errno != errno.ENXIO:  # the device or the file system cannot tell
                    yield end, self.size
                return
            yield start, end


@contextmanager
def device_errors() -> Iterator[None]:
    """Turn what tells of missing or damaged files into coded errors; anything else is not the vault's fault."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        forget_paths(error)
        if number in _MISSING:
            raise FileMissing from None
        if number in _NOT_A_FILE:
            raise NotRegular from None
        if number in _DEVICE:
            raise FileUnreadable(errno=number) from None
        raise


def _refuse(error: OSError) -> None:
    raise error


class VaultFiles:
    """The directory of a vault.

    Parameters
    ----------
    root
        The directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def open(self, name: str) -> Iterator[Reader]:
        """Open a file for reading.

        Raises
        ------
        FileMissing, NotRegular, FileUnreadable
        """
        with device_errors():
            # Not blocking: a FIFO in the place of a file would hang before it can be refused.
            descriptor = os.open(self.root / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise NotRegular
            yield Reader(descriptor)
        finally:
            os.close(descriptor)

    def read(self, name: str, limit: int = MAX_SMALL) -> bytes:
        """Return a whole file.

        Raises
        ------
        FileMissing, NotRegular, FileUnreadable, LimitExceeded
        """
        with self.open(name) as file:
            bound = min(limit, most(file.read, file.size))
            if file.size > bound:
                raise LimitExceeded(size=file.size, limit=bound)
            return file.read(0, file.size)

    def size(self, name: str) -> int:
        """Return the size of a file, 0 where it is missing."""
        try:
            return os.stat(self.root / name).st_size
        except OSError:
            return 0

    def total(self) -> int:
        """Return the bytes of all segments and journals, as far as they can be told."""
        try:
            return sum(self.size(name) for name in self.walk() if name.endswith((".vseg", ".vjrn", ".vacc")))
        except FileUnreadable:
            return 0

    def names(self, directory: str) -> list[str]:
        """Return the names of the files in a directory, relative to the vault and sorted; none where it is missing.

        Raises
        ------
        FileUnreadable
        """
        try:
            with device_errors(), os.scandir(self.root / directory) as found:
                return sorted(f"{directory}/{entry.name}" for entry in found if not entry.is_dir(follow_symlinks=False))
        except (FileMissing, NotRegular):
            return []

    def walk(self, onerror: Callable[[OSError], None] = _refuse) -> list[str]:
        """Return the names of all files of the vault but those of the index, in a fixed order.

        Parameters
        ----------
        onerror
            Is told of a directory that cannot be read; it is left out if this returns.

        Raises
        ------
        FileUnreadable
        """
        found: list[str] = []
        with device_errors():
            copies = self.root / COPIES  # where it is a link, it leads to another disk
            roots = [self.root, copies] if copies.is_symlink() else [self.root]
            for where, directories, names in chain.from_iterable(os.walk(root, onerror=onerror) for root in roots):
                base = os.path.relpath(where, self.root)
                if base == ".":
                    directories[:] = [name for name in directories if name not in _INDEXES]
                directories.sort()
                found += [name if base == "." else f"{base}/{name}" for name in sorted(names)]
        return found
