"""Where a rescue writes to: a new or empty directory that its owner alone can enter, with files of the same kind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from vaultfs_format.errors import VaultError

from vaultfs_tools.rescuing.errors import OutputInside, OutputNotEmpty

RECORDS = "records"
LISTS = ("manifest", "subjects", "states", "events", "missing")
_ROLES = (".before", "", ".after")


class Output:
    """The directory that is written to.

    Attributes
    ----------
    records, bytes
        Records written, and their bytes with those around them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()
        self._lists: dict[str, BinaryIO] = {}
        self.records = 0
        self.bytes = 0

    def check(self, vault: Path) -> None:
        """Refuse a directory that has something in it, or lies in the vault; nothing is written.

        Raises
        ------
        OutputNotEmpty, OutputInside
        """
        path, root = self._path.resolve(), vault.resolve()
        if path == root or root in path.parents:
            raise OutputInside
        if path.is_dir():
            if any(path.iterdir()):
                raise OutputNotEmpty
        elif path.exists() or self._path.is_symlink():
            raise OutputNotEmpty

    def begin(self) -> None:
        """Make the directory, and the lists in it."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.chmod(0o700)
        (self._path / RECORDS).mkdir(mode=0o700)
        for name in LISTS:
            self._lists[name] = self._stack.enter_context(_private(self._path / f"{name}.jsonl"))

    def line(self, name: str, row: Mapping[str, object]) -> None:
        """Add a line to a list."""
        self._lists[name].write(json.dumps(row).encode() + b"\n")

    def record(self, stem: str, lengths: Sequence[int], pieces: Iterator[bytes]) -> str:
        """Write the bytes before a record, its own, and those after it, to a file each; return the name of its own.

        Parameters
        ----------
        lengths
            Bytes of the three, which `pieces` give one after the other. Empty ones but the second have no file.

        Raises
        ------
        VaultError
            From `pieces`; no file is left then.
        """
        names = [f"{RECORDS}/{stem}{role}" for role in _ROLES]
        written: list[Path] = []
        rest = b""
        try:
            for name, length, needed in zip(names, lengths, (False, True, False), strict=True):
                if length or needed:
                    path = self._path / name
                    with _private(path) as file:
                        written.append(path)
                        rest = _fill(file, length, rest, pieces)
            for _ in pieces:  # what follows the last byte must be good, too, and empty
                pass
        except VaultError:
            for path in written:
                path.unlink()
            raise
        self.records += 1
        self.bytes += sum(lengths)
        return names[1]

    def close(self) -> None:
        """Close the lists."""
        self._stack.close()


def _fill(file: BinaryIO, length: int, rest: bytes, pieces: Iterator[bytes]) -> bytes:
    """Write `length` bytes, those of `rest` first; return what is left of the last piece."""
    while length > len(rest):
        file.write(rest)
        length -= len(rest)
        rest = next(pieces)
    file.write(rest[:length])
    return rest[length:]


def _private(path: Path) -> BinaryIO:
    """Create a file that only its owner can read."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.fdopen(os.open(path, flags, 0o600), "wb")
