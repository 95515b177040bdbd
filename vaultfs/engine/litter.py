"""Removing what an interrupted write left: files that nothing in force names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from vaultfs_format.directory import decode_rows
from vaultfs_format.frame import FrameClass
from vaultfs_format.segment import FOOTER_SIZE, SUPERBLOCK_SIZE, SegmentFooter, SegmentHead

from vaultfs.engine.engine import Engine
from vaultfs.engine.pairs import drop_copy, spare
from vaultfs.errors import FormatError, VaultError
from vaultfs.vfs import converted


def sweep(engine: Engine) -> int:
    """Remove unfinished files under ``segments`` and their copies; return how many. Call before anything is written.

    A segment that the head does not name is litter if it was written under this head, whose journals still hold its
    frames, or if a segment that the head names has taken its frames in; any other is left for fsck to report. So is a
    mirror whose segment is gone, unless the segments that the head names have taken its frames in.
    """
    named = {engine.layout.segment(row) for row in engine.head.segments}
    tables = {engine.layout.key_table(row) for row in engine.head.segments}
    parts = _live_parts(engine)
    removed = 0
    litter: set[str] = set()
    for path in _files(engine.layout.segments):
        if (
            path.suffix == ".tmp"
            or (path.suffix == ".part" and path not in parts)
            or (path.suffix == ".vseg" and path not in named and _superseded(engine, path))
        ):
            litter.add(path.name.partition(".")[0])
            if path.suffix == ".vseg":
                drop_copy(engine.vfs, engine.layout, path, engine.metrics)
            engine.vfs.unlink(path)
            removed += 1
    copies = engine.layout.copy_of(engine.layout.segments)
    for path in _left_mirrors(engine, _files(copies), named):
        with spare(engine.vfs, engine.layout, engine.metrics):
            engine.vfs.unlink(path)
            removed += 1
    for path in [*_files(engine.layout.segments), *_files(copies)]:
        original = engine.layout.original_of(path) if copies in path.parents else path
        done_with = path is not original and path.suffix == ".part" and original not in parts
        stem = path.name.partition(".")[0]
        unnamed = ".vkey." in path.name and original not in tables
        if unnamed and (stem in litter or stem in {part.stem for part in parts} or _orphan(engine, original)):
            done_with = True
        if done_with:
            with spare(engine.vfs, engine.layout, engine.metrics if path is not original else None):
                engine.vfs.unlink(path)
                removed += 1
    return removed


def _left_mirrors(engine: Engine, copies: Iterable[Path], named: set[Path]) -> list[Path]:
    """Return the mirrors of segments that are gone and whose frames stand in segments that the head names.

    Their place was not there when those were merged.
    """
    left: dict[Path, set[bytes]] = {}
    for path in copies:
        original = engine.layout.original_of(path)
        if path.suffix == ".vseg" and original not in named and original.name not in engine.vfs.names(original.parent):
            with suppress(VaultError):
                if _head(engine, path).vault_id == engine.vault_id:
                    left[path] = _frame_ids(engine, path)
    for row in engine.head.segments if left else ():
        with suppress(VaultError):
            held = _frame_ids(engine, engine.layout.segment(row))
            for frames in left.values():
                frames.difference_update(held)
    return [path for path, frames in left.items() if not frames]


def _files(root: Path) -> list[Path]:
    return [Path(directory) / name for directory, _, names in os.walk(root) for name in sorted(names)]


def _live_parts(engine: Engine) -> set[Path]:
    parts = set()
    for live in engine.live:
        for segment_id in live.parts:
            parts.add(engine.layout.part(segment_id))
    return parts


def _superseded(engine: Engine, path: Path) -> bool:
    """Return whether the frames of a segment that the head does not name stand elsewhere."""
    try:
        head = _head(engine, path)
        if head.vault_id != engine.vault_id:
            return False
        if head.generation == engine.head.generation:
            return bool(engine.live)
        return _frame_ids(engine, path) <= _merged(engine, head.frame_class)
    except FormatError:
        return False


def _head(engine: Engine, path: Path) -> SegmentHead:
    return SegmentHead.decode(engine.vfs.read(path, SUPERBLOCK_SIZE)[:SUPERBLOCK_SIZE])


def _merged(engine: Engine, frame_class: FrameClass) -> set[bytes]:
    """Return the ids of the frames in segments of a class that the last settling has written."""
    found: set[bytes] = set()
    for row in engine.head.segments:
        path = engine.layout.segment(row)
        if row.frame_class is frame_class and _head(engine, path).generation == engine.head.generation - 1:
            found |= _frame_ids(engine, path)
    return found


def _frame_ids(engine: Engine, path: Path) -> set[bytes]:
    file = engine.vfs.open(path)
    try:
        length = file.size()
        footer = SegmentFooter.decode(file.read(max(0, length - FOOTER_SIZE), FOOTER_SIZE), length)
        data = file.read(footer.directory_offset, footer.directory_length)
    finally:
        file.close()
    return {row.header.frame_id for row in decode_rows(data, footer.frames)}


def _orphan(engine: Engine, table: Path) -> bool:
    """Return whether a key table has no segment beside it while journals live: its segment was never named."""
    segment = table.with_name(table.name.partition(".")[0] + ".vseg")
    with converted():
        return bool(engine.live) and not segment.exists()
