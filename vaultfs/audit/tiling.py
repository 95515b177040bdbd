"""Writing tiles fast: many files at a time are written, and each is synced once when all of them are on their way.

Nothing counts before a checkpoint covers it. So tiles get their names before these are durable, and who writes the
checkpoint does so when this returns.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from vaultfs_format.tlog.tiles import Tile

from vaultfs.vfs import File, Vfs

_AT_A_TIME = 256
"""Files that are open, and not synced, at a time."""


def write_tiles(files: Vfs, place: Path, tiles: Iterable[tuple[Tile, bytes]]) -> int:
    """Write tiles durably below a directory, over what lies there; return how many.

    A reader finds each of them whole or not at all. What a crash leaves of them is written again by whoever goes on
    from the checkpoint.

    Raises
    ------
    StorageFull, StorageReadOnly, StorageFailed
    """
    directories = set[Path]()
    written, waiting = 0, iter(tiles)
    while some := list(islice(waiting, _AT_A_TIME)):
        paths = _write(files, [(place / tile.path, data) for tile, data in some])
        directories.update(path.parent for path in paths)
        written += len(paths)
    for directory in sorted(directories):
        files.sync_directory(directory)
    return written


def _write(files: Vfs, contents: Iterable[tuple[Path, bytes]]) -> list[Path]:
    """Write files, then sync them, then give them their names."""
    opened: list[tuple[Path, Path, File]] = []
    try:
        for path, data in contents:
            files.make_directory(path.parent)
            temporary = path.with_name(path.name + ".tmp")
            files.unlink(temporary)
            opened.append((temporary, path, files.create(temporary)))
            opened[-1][-1].append([data], 0)
            opened[-1][-1].begin_writing(0, len(data))
        for _, _, file in opened:
            file.sync()
        for temporary, path, _ in opened:
            files.move(temporary, path)
    except BaseException:
        for temporary, _, _ in opened:
            files.unlink(temporary)
        raise
    finally:
        for _, _, file in opened:
            file.close()
    return [path for _, path, _ in opened]
