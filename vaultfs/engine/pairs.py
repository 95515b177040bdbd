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


def heal_pair(vfs: Vfs, layout: Layout, path: Path, parse: Callable[[bytes], object]) -> int:
    """Make the file and its copy good where `parse` finds them damaged or they are missing; return how many were not.

    Raises
    ------
    Unsupported
        One may be of a newer program: nothing is written.
    VaultDamaged
        Neither is good, nor what they give together.
    StorageFull, StorageReadOnly, StorageFailed
        Not both could be written.
    """
    good: bytes | None = None
    copies: list[bytes] = []
    bad: list[Path] = []
    for place in (path, layout.copy_of(path)):
        try:
            data = vfs.read(place, MAX_FILE)
            copies.append(data)
            parse(data)
            good = data
        except (VaultMissing, FormatError, VaultDamaged, StorageFailed):
            bad.append(place)
    if good is None:
        combined = combine(copies, parse)
        if combined is None:
            raise VaultDamaged
        good = combined[0]
    for place in bad:
        vfs.make_directory(place.parent)
        vfs.replace(place, good)
    return len(bad)


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
