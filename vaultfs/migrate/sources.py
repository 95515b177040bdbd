"""Source files: found in a fixed order, read while nobody changes them."""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vaultfs.errors import SourceChanged, SourceUnreadable

HEAD = 64 * 1024
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_PATIENT = re.compile(rb'"resourceType"\s*:\s*"Patient"')


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to be imported.

    Parameters
    ----------
    root
        Absolute path of the source that the caller named, as bytes of the file system in text.
    relative
        Path below it, with slashes; the file's own name where the source is a file.
    linked
        The caller named the file itself, so that it may be a link.
    """

    path: Path = field(repr=False)
    root: str = field(repr=False)
    relative: str = field(repr=False)
    size: int
    linked: bool = False


def walk(sources: Sequence[Path]) -> tuple[list[SourceFile], int]:
    """Return the regular files of `sources`, each once, and how many things were found that cannot be read as files.

    Folders are read recursively, in the order of names; links to folders are not followed, links to files and special
    files count as unreadable, so that nothing outside of a named source is taken in. A source may itself be a link.
    """
    files: dict[Path, SourceFile] = {}
    unreadable = 0
    for source in sources:
        root = Path(os.path.abspath(source))
        for path in _paths(root):
            try:
                found = path.stat() if path == root else path.lstat()
            except (OSError, ValueError):  # the latter for what can be no path
                unreadable += 1
                continue
            if not stat.S_ISREG(found.st_mode):
                unreadable += 1
                continue
            relative = path.name if path == root else path.relative_to(root).as_posix()
            files.setdefault(path, SourceFile(path, str(root), relative, found.st_size, linked=path == root))
    return list(files.values()), unreadable


def _paths(root: Path) -> Iterator[Path]:
    if not _is(root, stat.S_ISDIR):
        yield root
        return
    unreadable: list[Path] = []
    for directory, folders, names in os.walk(root, onerror=lambda error: unreadable.append(Path(error.filename))):
        folders.sort()
        here = Path(directory)
        links = [name for name in folders if _is(here / name, stat.S_ISLNK, follow=False)]
        for name in sorted([*names, *links]):
            yield here / name
    yield from unreadable


def _is(path: Path, kind: Callable[[int], bool], *, follow: bool = True) -> bool:
    """Return whether a file is of a kind; one that cannot be looked at is of none, and found to be unreadable later."""
    try:
        return kind(os.stat(path, follow_symlinks=follow).st_mode)
    except (OSError, ValueError):
        return False


def patients_first(files: Iterable[SourceFile]) -> list[SourceFile]:
    """Return the files with those that seem to hold patients in front, so that references to them resolve."""
    return sorted(files, key=lambda file: not _PATIENT.search(_head_of(file)))


def _head_of(file: SourceFile) -> bytes:
    """Return the first bytes of a file, none where it cannot be read."""
    try:
        descriptor = _open(file)
    except SourceUnreadable:
        return b""
    with os.fdopen(descriptor, "rb", buffering=0) as stream, contextlib.suppress(OSError):
        return stream.read(HEAD) or b""
    return b""


def _open(file: SourceFile) -> int:
    """Open a file without waiting for it: what was a file may be a pipe by now."""
    try:
        return os.open(os.path.realpath(file.path) if file.linked else file.path, _FLAGS)
    except OSError as error:
        error.filename = None  # it stays reachable as the context of the coded error
        raise SourceUnreadable(errno=error.errno or 0) from None


class StableReader(io.RawIOBase):
    """A file that must not change while it is read.

    Attributes
    ----------
    position
        Bytes read so far.
    """

    def __init__(self, file: SourceFile) -> None:
        super().__init__()
        self.position = 0
        self._descriptor = _open(file)
        self._before = self._state()

    def _state(self) -> tuple[int, int, int]:
        found = os.fstat(self._descriptor)
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns

    @property
    def size(self) -> int:
        """Bytes of the file when it was opened."""
        return self._before[0]

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, which becomes that of the bytes read so far."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.size}[whence]
        self.position = base + offset
        return self.position

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override] # io takes any buffer
        """Read the next bytes."""
        view = memoryview(buffer)
        try:
            count = os.preadv(self._descriptor, [view], self.position)
        except OSError as error:
            raise SourceUnreadable(errno=error.errno or 0) from None
        self.position += count
        return count

    def check(self, *, ended: bool) -> None:
        """Refuse a file that changed since it was opened; `ended` says that all of it should have been read.

        Raises
        ------
        SourceChanged
        """
        if self._state() != self._before or (ended and self.position != self.size):
            raise SourceChanged

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class Tail(io.RawIOBase):
    """The rest of a source that is put as one record, as it is read.

    Parameters
    ----------
    source
        Where the rest begins.
    watch
        Called with the bytes.
    end
        Called when the end is met; may raise to refuse the source.

    Attributes
    ----------
    length
        Bytes read so far.
    """

    def __init__(
        self,
        source: io.RawIOBase | io.BufferedReader,
        watch: Callable[[bytes], None] = lambda _: None,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._source = source
        self._watch = watch
        self._end = end
        self.length = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes."""
        data = self._source.read(size) or b""
        self.length += len(data)
        self._watch(data)
        if not data:
            self._end()
        return data
