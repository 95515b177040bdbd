"""Finding the files of a damaged vault by what they begin with.

Names decide only where the beginning of a file is damaged. They are never told: those that are not the vault's may hold
data of a patient.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

from vaultfs_format import act, copymark, epoch, head, journal, keyring, keytable, segment, superblock, witness
from vaultfs_format.errors import VaultError

from vaultfs_tools.keyless.errors import FileUnreadable, NotRegular
from vaultfs_tools.keyless.files import VaultFiles
from vaultfs_tools.keyless.segments import Lenient


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

    Files under names of unfinished writes (SPEC section 3) are left out. Links are not followed, but for one that is
    named here, and for the directory of the mirrors, which may lie on another disk.

    Parameters
    ----------
    refused
        Is told of every file or directory that cannot be read, and what it is by its name.
    """
    if not root.is_dir():
        return list(_source(VaultFiles(root.parent), root.name, refused))
    files = VaultFiles(root)
    found: list[Source] = []
    for name in files.walk(partial(_unreadable, refused)):
        if (root / name).is_symlink():
            refused(_kind_of_name(name), NotRegular())
        elif not name.endswith(_UNFINISHED):
            found += _source(files, name, refused)
    return found


def _unreadable(refused: Callable[[Kind, VaultError], None], error: OSError) -> None:
    refused(Kind.OTHER, FileUnreadable(errno=error.errno))


def _source(files: VaultFiles, name: str, refused: Callable[[Kind, VaultError], None]) -> Iterator[Source]:
    try:
        with files.open(name) as file:
            size = file.size
            magic = Lenient(file)(0, _MAGIC)
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
