"""Files that the vault names: small ones in two copies, written to both places and read from whichever is good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from vaultfs_format.combining import combine

from vaultfs.engine.files.paths import Layout
from vaultfs.errors import (
    FormatError,
    StorageFailed,
    StorageReadOnly,
    Unsupported,
    VaultDamaged,
    VaultError,
    VaultMissing,
)
from vaultfs.metrics import Counter, Metrics
from vaultfs.vfs import File, Vfs, converted

T = TypeVar("T")

MAX_FILE = 1 << 30
"""Largest small file that is read whole."""


@contextmanager
def spare(vfs: Vfs, layout: Layout, metrics: Metrics | None) -> Iterator[None]:
    """Let what is done to a second copy fail, and count it, if the copies have a place of their own.

    Maintenance makes them good when that place is there again. Want of space is an error like any other.

    Parameters
    ----------
    metrics
        None: nothing may fail.
    """
    try:
        yield
    except (StorageFailed, StorageReadOnly, VaultMissing):
        if metrics is None or not vfs.apart(layout.copy_of(layout.root), layout.root):
            raise
        metrics.add(Counter.COPIES_MISSED)


def write_pair(vfs: Vfs, layout: Layout, path: Path, data: bytes, metrics: Metrics | None = None) -> None:
    """Write `data` to `path` and to its copy, each durable before the next begins.

    Parameters
    ----------
    metrics
        Counts a copy whose place fails (`spare`); without it that is an error.
    """
    copy = layout.copy_of(path)
    with spare(vfs, layout, metrics):
        vfs.make_directory(copy.parent)
        vfs.replace(copy, data)
    vfs.make_directory(path.parent)
    vfs.replace(path, data)


def keep_pair(vfs: Vfs, layout: Layout, path: Path, data: bytes, metrics: Metrics) -> None:
    """Write `data` to `path` and to its copy, and read both back: for what takes the place of the only other one.

    Errors are those of `write_pair` and `read_back`.
    """
    write_pair(vfs, layout, path, data, metrics)
    read_back(vfs, layout, path, data, metrics)


def read_back(vfs: Vfs, layout: Layout, path: Path, data: bytes, metrics: Metrics) -> None:
    """Check that a file and its copy hold `data`.

    Raises
    ------
    VaultDamaged, VaultMissing, StorageFailed
        One of them does not; a copy whose place fails is counted (`spare`).
    """
    for place in (layout.copy_of(path), path):
        with spare(vfs, layout, metrics if place != path else None):
            if vfs.read(place, len(data)) != data:
                raise VaultDamaged


def read_pair(vfs: Vfs, layout: Layout, path: Path, parse: Callable[[bytes], T]) -> T:
    """Return what `parse` makes of the file, or of its copy where the file is missing or `parse` finds it damaged.

    Where both are damaged, at different places, it is made of what they give together; nothing is written.

    Raises
    ------
    Unsupported, StorageFailed, StorageReadOnly
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
        except (Unsupported, StorageFailed, StorageReadOnly) as error:
            failure = error
    combined = combine(copies, parse)
    if combined is None:
        raise failure
    return combined[1]


def heal_pair(
    vfs: Vfs, layout: Layout, path: Path, parse: Callable[[bytes], object], metrics: Metrics | None = None
) -> int:
    """Make the file and its copy good where `parse` finds them damaged or they are missing; return how many were made.

    Parameters
    ----------
    metrics
        As of `write_pair`.

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
        except (VaultMissing, FormatError, VaultDamaged, StorageFailed, StorageReadOnly):
            bad.append(place)
    if good is None:
        combined = combine(copies, parse)
        if combined is None:
            raise VaultDamaged
        good = combined[0]
    healed = 0
    for place in bad:
        with spare(vfs, layout, metrics if place != path else None):
            vfs.make_directory(place.parent)
            vfs.replace(place, good)
            healed += 1
    return healed


def drop_copy(vfs: Vfs, layout: Layout, path: Path, metrics: Metrics) -> None:
    """Remove the copy or the mirror of a file, if its place is there."""
    with spare(vfs, layout, metrics):
        vfs.unlink(layout.copy_of(path))


def secure_removal(vfs: Vfs, layout: Layout, directory: Path, metrics: Metrics) -> None:
    """Return when what was removed from a directory, and from the one with its second copies, is gone for good."""
    for path in (layout.copy_of(directory), directory):
        with spare(vfs, layout, metrics if path != directory else None), suppress(VaultMissing):
            vfs.sync_directory(path)


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
