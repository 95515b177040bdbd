"""Small files in two copies: written to both places, read from whichever is good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from vaultfs.engine.paths import Layout
from vaultfs.errors import FormatError, VaultDamaged, VaultMissing
from vaultfs.vfs import Vfs

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

    Raises
    ------
    VaultMissing
        Neither exists.
    VaultDamaged
        Neither is good.
    """
    missing = 0
    for place in (path, layout.copy_of(path)):
        try:
            return parse(vfs.read(place, MAX_FILE))
        except VaultMissing:
            missing += 1
        except (FormatError, VaultDamaged):
            continue
    raise VaultMissing() if missing == 2 else VaultDamaged()


def unlink_pair(vfs: Vfs, layout: Layout, path: Path) -> None:
    """Remove a file and its copy."""
    vfs.unlink(path)
    vfs.unlink(layout.copy_of(path))
