"""Files that the vault names: small ones in two copies, written to both places and read from whichever is good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from vaultfs_format.combining import combine

from vaultfs.engine.paths import Layout
from vaultfs.errors import FormatError, StorageFailed, Unsupported, VaultDamaged, VaultError, VaultMissing
from vaultfs.vfs import File, Vfs, converted

T = TypeVar("T")

MAX_FILE = 1 << 30
"""Largest small file that is read whole."""


def write_pair(vfs: Vfs, layout: Layout, path: Path, data: bytes) -> None:
    """Write `data` to `path` and to its copy, each durable before the next begins."""
    copy = layout.copy_of(path)
    vfs.make_directory(copy.parent)
    vfs.replace(copy, data)
    vfs.make_directory(path.parent)
    vfs.replace(path, data)


def read_pair(vfs: Vfs, layout: Layout, path: Path, parse: Callable[[bytes], T]) -> T:
    """Return what `parse` makes of the file, or of its copy where the file is missing or `parse` finds it damaged.

    Where both are damaged, at different places, it is made of what they give together; nothing is written.

    Raises
    ------
    Unsupported, StorageFailed
        Neither is good, and one may be of a newer program, or cannot be read.
    VaultDamaged
        Neither is good.
    """
    failure: VaultError = VaultDamaged()
    copies: list[bytes] = []
    for place in (path, layout.copy_of(path)):
        try:
            copies.append(vfs.read(place, MAX_FILE))
            return parse(copies[-1])
        except (VaultMissing, FormatError, VaultDamaged):
            continue
        except (Unsupported, StorageFailed) as error:
            failure = error
    combined = combine(copies, parse)
    if combined is None:
        raise failure
    return combined[1]


def part_path(layout: Layout, segment_id: bytes) -> Path:
    """Return where the bodies of an open blob segment lie: a settling that did not finish may have sealed it."""
    part = layout.part(segment_id)
    with converted():
        if part.exists():
            return part
        return next(iter(sorted(part.parent.glob(f"*/{segment_id.hex()}.vseg"))), part)


def open_named(vfs: Vfs, path: Path, *, writable: bool = False) -> File:
    """Open a file that something in force names.

    Raises
    ------
    VaultDamaged
        It is missing.
    """
    try:
        return vfs.open(path, writable=writable)
    except VaultMissing:
        raise VaultDamaged from None
