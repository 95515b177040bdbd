"""The directory of the index: opened, made anew beside itself, and given its place."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from vaultfs.engine.indexing import environments
from vaultfs.engine.indexing.index import Index, converted
from vaultfs.errors import IndexDamaged, StorageFailed, VaultError


def open_index(path: Path) -> Index:
    """Open the index at `path`, an empty one where what lies there is none that can be read."""
    discard(_building(path))
    discard(_retired(path))
    try:
        return Index(path)
    except (IndexDamaged, StorageFailed):
        discard(path)
        return Index(path)


def build_index(path: Path) -> Index:
    """Open an empty index beside `path`, to take its place by `install` once it is filled."""
    building = _building(path)
    discard(building)
    return Index(building)


def copied(index: Index, path: Path) -> Index:
    """Open a compacted copy of `index` beside `path`, to take its place by `install`."""
    building = _building(path)
    discard(building)
    index.copy_to(building)
    return Index(building)


def install(path: Path) -> None:
    """Give the place of an index that has been closed to the one that was built beside it.

    Readers may be opening what lies there, and LMDB makes the file of its locks where it is missing: the old index is
    taken away whole before it is removed.
    """
    retired = _retired(path)
    discard(retired)

    def rename() -> None:
        with suppress(FileNotFoundError):
            path.rename(retired)
        _building(path).rename(path)

    with converted():
        environments.exchange(rename)
    with suppress(VaultError):  # the next one to come by tries again
        discard(retired)


def abandon_build(path: Path, index: Index) -> None:
    """Remove an index that could not be filled."""
    index.close()
    discard(_building(path))


def discard(path: Path) -> None:
    """Remove an index."""
    with converted():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _building(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _retired(path: Path) -> Path:
    return path.with_name(path.name + ".old")
