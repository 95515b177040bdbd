"""Removing what an interrupted write left: files that nothing in force names."""

from __future__ import annotations

import os
from pathlib import Path

from vaultfs_format.segment import SUPERBLOCK_SIZE, SegmentHead

from vaultfs.engine.engine import Engine
from vaultfs.errors import FormatError


def sweep(engine: Engine) -> int:
    """Remove unfinished files under ``segments`` and their copies; return how many. Call before anything is written.

    A segment that the head does not name is litter only if it was written under this head, whose journals still hold
    its frames; any other is left for fsck to report.
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
            or (path.suffix == ".vseg" and path not in named and _of_this_head(engine, path))
        ):
            litter.add(path.name.partition(".")[0])
            engine.vfs.unlink(path)
            removed += 1
    copies = engine.layout.copy_of(engine.layout.segments)
    for path in [*_files(engine.layout.segments), *_files(copies)]:
        original = (
            engine.layout.root / path.relative_to(engine.layout.root / "copies") if copies in path.parents else path
        )
        stem = path.name.partition(".")[0]
        unnamed = ".vkey." in path.name and original not in tables
        if unnamed and (stem in litter or stem in {part.stem for part in parts} or _orphan(engine, original)):
            engine.vfs.unlink(path)
            removed += 1
    return removed


def _files(root: Path) -> list[Path]:
    return [Path(directory) / name for directory, _, names in os.walk(root) for name in sorted(names)]


def _live_parts(engine: Engine) -> set[Path]:
    parts = set()
    for live in engine.live:
        for segment_id in live.parts:
            parts.add(engine.layout.part(segment_id))
    return parts


def _of_this_head(engine: Engine, path: Path) -> bool:
    if not engine.live:
        return False
    try:
        head = SegmentHead.decode(engine.vfs.read(path, SUPERBLOCK_SIZE)[:SUPERBLOCK_SIZE])
    except FormatError:
        return False
    return head.vault_id == engine.vault_id and head.generation == engine.head.generation


def _orphan(engine: Engine, table: Path) -> bool:
    """Return whether a key table has no segment beside it while journals live: its segment was never named."""
    segment = table.with_name(table.name.partition(".")[0] + ".vseg")
    return bool(engine.live) and not segment.exists()
