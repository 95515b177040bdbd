"""Finding the files of a damaged vault by what they begin with, and reading them as far as the device lets them.

Names decide only where the beginning of a file is damaged. They are never told: those that are not the vault's may hold
data of a patient.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

from vaultfs_format import act, copymark, epoch, head, journal, keyring, keytable, segment, superblock, witness
from vaultfs_format.errors import Truncated, VaultError
from vaultfs_format.searching import Read

from vaultfs_tools.keyless.files import Reader, VaultFiles
from vaultfs_tools.keyless.findings import FileUnreadable
from vaultfs_tools.keyless.segments import Lenient

BLOCK = 4096
"""Bytes that are given up where the device reports an error in them."""

_OPEN = 64
"""Files that are kept open."""


class Kind(Enum):
    """What a file is, by the eight bytes that it begins with."""

    SUPERBLOCK = superblock.MAGIC
    SECRET = epoch.MAGIC
    KEYRING = keyring.MAGIC
    HEAD = head.MAGIC
    JOURNAL = journal.MAGIC
    SEGMENT = segment.MAGIC
    TABLE = keytable.MAGIC
    ACT = act.MAGIC
    MARK = copymark.MAGIC
    WITNESS = witness.MAGIC
    OTHER = b""


_ID = "[0-9a-f]{32}"
_NAMES = {
    Kind.SUPERBLOCK: r"VAULT\.\d+",
    Kind.SECRET: r"secret\.\d+",
    Kind.KEYRING: r"keyring\.\d+",
    Kind.HEAD: "head",
    Kind.JOURNAL: rf"{_ID}\.(vjrn|vacc)",
    Kind.SEGMENT: rf"{_ID}\.(vseg|part)",
    Kind.TABLE: rf"{_ID}\.vkey\.\d+",
    Kind.ACT: rf"{_ID}\.vact",
    Kind.MARK: "copy",
}
_STATED = re.compile(rf"({_ID})\.(vjrn|vacc|vseg|part)")
_UNFINISHED = ".tmp"
_MAGIC = len(segment.MAGIC)


@dataclass(frozen=True, slots=True, repr=False)
class Source:
    """A file that may hold something of the vault.

    Parameters
    ----------
    size
        In bytes.
    """

    files: VaultFiles
    name: str
    kind: Kind
    size: int

    @property
    def stated_id(self) -> bytes:
        """The id that the name of a segment or journal states; empty where it states none."""
        found = _STATED.match(os.path.basename(self.name))
        return bytes.fromhex(found[1]) if found else b""

    def __repr__(self) -> str:
        return f"<Source {self.kind.name.lower()}>"


def find(root: Path, refused: Callable[[Kind, VaultError], None]) -> list[Source]:
    """Return the files below a directory, or the file of that name, in the order of their names.

    Files under names of unfinished writes (SPEC section 3) are left out.

    Parameters
    ----------
    refused
        Is told of every file or directory that cannot be read, and what it is by its name.
    """
    files = VaultFiles(root if root.is_dir() else root.parent)
    names = files.walk(partial(_unreadable, refused)) if root.is_dir() else [root.name]
    found: list[Source] = []
    for name in names:
        if not name.endswith(_UNFINISHED):
            found += _source(files, name, refused)
    return found


def _unreadable(refused: Callable[[Kind, VaultError], None], error: OSError) -> None:
    refused(Kind.OTHER, FileUnreadable(errno=error.errno))


def _source(files: VaultFiles, name: str, refused: Callable[[Kind, VaultError], None]) -> Iterator[Source]:
    try:
        with files.open(name) as file:
            size = file.size
            magic = Salvage(file)(0, _MAGIC)
    except VaultError as error:
        refused(_kind_of_name(name), error)
        return
    except OSError as error:
        refused(_kind_of_name(name), FileUnreadable(errno=error.errno))
        return
    kinds = {kind.value: kind for kind in Kind if kind is not Kind.OTHER}
    if size:
        yield Source(files, name, kinds.get(magic) or _kind_of_name(name), size)


def _kind_of_name(name: str) -> Kind:
    last = os.path.basename(name)
    return next((kind for kind, pattern in _NAMES.items() if re.fullmatch(pattern, last)), Kind.OTHER)


class Salvage:
    """Reads a file of which parts cannot be read: zeros stand for them, which no digest or seal takes for good."""

    def __init__(self, file: Reader) -> None:
        self._size = file.size
        self._read = Lenient(file)

    def __call__(self, offset: int, length: int) -> bytes:
        """Return the bytes at `offset`: fewer at the end."""
        there = max(0, min(length, self._size - offset))
        try:
            data = self._read(offset, there)
        except Truncated:  # the file has become shorter
            data = b""
        if len(data) == there or there <= BLOCK:
            return data.ljust(there, b"\0")
        first = offset - offset % BLOCK
        places = range(first, offset + there, BLOCK)
        spans = [(max(at, offset), min(at + BLOCK, offset + there)) for at in places]
        return b"".join([self(start, end - start) for start, end in spans])


class Library:
    """Reads any of the files; a few are kept open."""

    def __init__(self) -> None:
        self._open: OrderedDict[Source, tuple[ExitStack, Read]] = OrderedDict()

    def reader(self, source: Source) -> Read:
        """Return what reads a file, however many are read in between."""
        return partial(self.read, source)

    def read(self, source: Source, offset: int, length: int) -> bytes:
        """Return the bytes at `offset`: fewer at the end, zeros for those that cannot be read."""
        if source not in self._open:
            stack = ExitStack()
            try:
                self._open[source] = stack, Salvage(stack.enter_context(source.files.open(source.name)))
            except (VaultError, OSError):  # it could be opened before: what was in it is missed where it is wanted
                return b""
            if len(self._open) > _OPEN:
                self._open.popitem(last=False)[1][0].close()
        self._open.move_to_end(source)
        return self._open[source][1](offset, length)

    def whole(self, source: Source, limit: int) -> bytes:
        """Return the bytes of a file, up to a limit."""
        return self.read(source, 0, min(source.size, limit))

    def close(self) -> None:
        """Close all files."""
        for stack, _ in self._open.values():
            stack.close()
        self._open.clear()
