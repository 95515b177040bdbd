"""Removing what an interrupted write left: files that nothing in force names."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from vaultfs_format.directory import decode_rows
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import SegmentRow
from vaultfs_format.segment import FOOTER_SIZE, SUPERBLOCK_SIZE, SegmentFooter, SegmentHead

from vaultfs.engine.engine import Engine
from vaultfs.engine.files.mirrors import DAMAGE
from vaultfs.engine.files.pairs import drop_copy, secure_removal, spare
from vaultfs.engine.files.sealed import open_segment
from vaultfs.engine.settling.retired import mend_retired, put_away
from vaultfs.errors import StorageReadOnly, Unsupported, VaultMissing
from vaultfs.vfs import converted

_UNFINISHED = ".tmp"
_UNREADABLE = (*DAMAGE, StorageReadOnly, Unsupported, VaultMissing)


def sweep(engine: Engine) -> int:
    """Remove unfinished files under ``segments`` and their copies; return how many. Call under the lock.

    A segment that the head does not name is litter if it was written under this head, whose journals still hold its
    frames, if a segment that the head names has taken its frames in, or if it is a part of the log that was pruned; any
    other is left for fsck to report. So is a mirror, and one whose segment is gone if the segments that the head names
    have all of its frames.
    """
    return _Sweeping(engine).run()


class _Sweeping:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        layout = engine.layout
        self._named = {layout.segment(row) for row in engine.head.segments}
        self._tables = {layout.key_table(row) for row in engine.head.segments}
        self._ids = {row.segment_id.hex() for row in engine.head.segments}
        self._named_parts = {layout.part(segment_id) for live in engine.live for segment_id in live.parts}
        self._taken: dict[tuple[FrameClass, bool], set[bytes]] = {}
        self._removed = 0

    def run(self) -> int:
        layout, files = self._engine.layout, _files(self._engine.layout.segments)
        unnamed = [path for path in files if self._is_litter(path, path)]
        litter = {_stem(path) for path in unnamed}
        if not self._engine.live:
            self._put_away(litter - {_stem(path) for path in unnamed if self._is_pruned(path)})
        self._remove_tables(litter | {_stem(part) for part in self._named_parts})
        for path in unnamed:
            if path.suffix == ".vseg":
                drop_copy(self._engine.vfs, layout, path, self._engine.metrics)
            self._remove(path)
        for path in _files(layout.copy_of(layout.segments)):
            original = layout.original_of(path)
            if self._is_litter(path, original) or self._is_left(path, original):
                with spare(self._engine.vfs, layout, self._engine.metrics):
                    self._remove(path)
        self._sweep_small()
        mend_retired(self._engine)
        return self._removed

    def _remove_tables(self, litter: set[str]) -> None:
        """Remove key tables of litter, for good, before the segments go: without these they are not known as such."""
        layout, directories = self._engine.layout, set[Path]()
        for path in _files(layout.copy_of(layout.segments)):
            if self._is_loose(layout.original_of(path), litter):
                directories.add(layout.original_of(path).parent)
                with spare(self._engine.vfs, layout, self._engine.metrics):
                    self._remove(path)
        for path in _files(layout.segments):
            if self._is_loose(path, litter):
                directories.add(path.parent)
                self._remove(path)
        for directory in sorted(directories):
            secure_removal(self._engine.vfs, layout, directory, self._engine.metrics)

    def _put_away(self, litter: set[str]) -> None:
        """Put away the key tables of segments that others have taken in: copies of the vault may have the segments."""
        for path in _files(self._engine.layout.segments):
            if self._is_loose(path, litter) and _stem(path) in litter and _epoch(path) <= self._engine.head.epoch:
                put_away(self._engine, path)

    def _sweep_small(self) -> None:
        """Remove keyrings and VAULT files that the head does not name, and unfinished tables among those put away."""
        engine, layout = self._engine, self._engine.layout
        named = {layout.keyring(engine.head.epoch), layout.superblock(engine.head.superblock_generation)}
        if engine.older:
            return
        for directory in (layout.copy_of(layout.root), layout.root):
            with spare(engine.vfs, layout, engine.metrics if directory != layout.root else None):
                for name in engine.vfs.names(directory):
                    kind, _, number = name.partition(".")
                    known = kind in ("keyring", "VAULT") and number.removesuffix(_UNFINISHED).isdecimal()
                    if known and layout.root / name not in named:
                        self._remove(directory / name)
        for path in _files(layout.copy_of(layout.retired)) + _files(layout.retired):
            if path.suffix == _UNFINISHED:
                with spare(engine.vfs, layout, engine.metrics if layout.retired not in path.parents else None):
                    self._remove(path)

    def _remove(self, path: Path) -> None:
        self._engine.vfs.unlink(path)
        self._removed += 1

    def _is_litter(self, path: Path, original: Path) -> bool:
        """Return whether a file, which is `original` or its copy, is unfinished, or was made for nothing."""
        if path.suffix == ".part":
            return original not in self._named_parts and not self._is_open(original)
        if path.suffix == ".vseg":
            return original not in self._named and self._is_superseded(path)
        return path.suffix == _UNFINISHED

    def _is_open(self, part: Path) -> bool:
        """Return whether transactions write to a part file now: they may have begun it since files were listed."""
        return _stem(part) in {segment_id.hex() for segment_id in self._engine.parts.open_ids()}

    def _is_loose(self, table: Path, litter: set[str]) -> bool:
        """Return whether a file is a key table of litter, or of a segment that was never named."""
        if ".vkey." not in table.name or table.suffix == _UNFINISHED or table in self._tables:
            return False
        if _stem(table) in litter:
            return True
        if _stem(table) in self._ids or _epoch(table) > self._engine.head.epoch:
            return not self._engine.older  # of another epoch; a vault that was put back may yet be brought forward
        with converted():
            return bool(self._engine.live) and not table.with_name(_stem(table) + ".vseg").exists()

    def _is_left(self, mirror: Path, original: Path) -> bool:
        """Return whether the segment of a mirror is gone, and the head names others that have all of its frames.

        The place of the mirror was not there when they took them in.
        """
        if (
            mirror.suffix != ".vseg"
            or original in self._named
            or original.name in self._engine.vfs.names(original.parent)
        ):
            return False
        return self._is_taken_in(mirror, lately=False) or self._is_pruned(mirror)

    def _is_superseded(self, path: Path) -> bool:
        """Return whether the frames of a segment that the head does not name stand elsewhere."""
        engine = self._engine
        try:
            head = self._head(path)
        except _UNREADABLE:
            return False
        if head.vault_id == engine.vault_id and head.generation == engine.head.generation:
            return bool(engine.live) or head.epoch > engine.head.epoch
        return self._is_taken_in(path, lately=True) or self._is_pruned(path)

    def _is_pruned(self, path: Path) -> bool:
        """Return whether a file is a segment of the log before the first leaf that is kept."""
        engine = self._engine
        try:
            footer = self._footer(path)
        except _UNREADABLE:
            return False
        mine = footer.head.vault_id == engine.vault_id and footer.head.frame_class is FrameClass.AUDIT
        return mine and footer.audited.stop <= engine.head.first_leaf

    def _is_taken_in(self, path: Path, *, lately: bool) -> bool:
        """Return whether segments that the head names, or those of the last settling, have all frames of another."""
        try:
            head = self._head(path)
            found = self._frame_ids(path) if head.vault_id == self._engine.vault_id else None
        except _UNREADABLE:
            return False
        return found is not None and found <= self._held(head.frame_class, lately=lately)

    def _head(self, path: Path) -> SegmentHead:
        return SegmentHead.decode(self._engine.vfs.read(path, SUPERBLOCK_SIZE)[:SUPERBLOCK_SIZE])

    def _footer(self, path: Path) -> SegmentFooter:
        with closing(self._engine.vfs.open(path)) as file:
            length = file.size()
            return SegmentFooter.decode(file.read(max(0, length - FOOTER_SIZE), FOOTER_SIZE), length)

    def _frame_ids(self, path: Path) -> set[bytes]:
        footer = self._footer(path)
        with closing(self._engine.vfs.open(path)) as file:
            return _ids(file.read(footer.directory_offset, footer.directory_length), footer)

    def _held(self, frame_class: FrameClass, *, lately: bool) -> set[bytes]:
        """Return the ids of the frames in segments of a class that the head names, or that the last settling wrote."""
        known = frame_class, lately
        if known not in self._taken:
            rows = [row for row in self._engine.head.segments if row.frame_class is frame_class]
            self._taken[known] = {frame_id for row in rows for frame_id in self._ids_in(row, lately=lately)}
        return self._taken[known]

    def _ids_in(self, row: SegmentRow, *, lately: bool) -> set[bytes]:
        """Return the ids of the frames in a segment; none if it is lost, or must be of the last settling and is not."""
        engine = self._engine
        try:
            with closing(open_segment(engine.vfs, engine.layout, row)) as segment:
                footer = segment.footer
                if lately and footer.head.generation != engine.head.generation - 1:
                    return set()
                return _ids(segment.read(footer.directory_offset, footer.directory_length), footer)
        except _UNREADABLE:
            return set()


def _files(root: Path) -> list[Path]:
    return [Path(directory) / name for directory, _, names in os.walk(root) for name in sorted(names)]


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]


def _epoch(table: Path) -> int:
    return int(table.suffix[1:])


def _ids(directory: bytes, footer: SegmentFooter) -> set[bytes]:
    return {row.header.frame_id for row in decode_rows(directory, footer.frames)}
