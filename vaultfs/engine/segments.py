"""Writing segments: frames in, a file and its key table out, read back through the keys before it counts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vaultfs_format import limits
from vaultfs_format.directory import HERE, FrameRow
from vaultfs_format.frame import FrameClass, FrameHeader, open_body_in, open_entries
from vaultfs_format.head import SegmentRow
from vaultfs_format.keytable import seal_table
from vaultfs_format.segment import (
    FOOTER_SIZE,
    SUPERBLOCK_SIZE,
    SegmentFooter,
    SegmentHead,
    SliceHasher,
    slice_size_for,
    tree_root,
)
from vaultfs_format.suite import DIGEST

from vaultfs.engine.engine import Engine
from vaultfs.engine.pairs import open_named, write_pair
from vaultfs.engine.store import read_table
from vaultfs.errors import VaultDamaged
from vaultfs.vfs import File


@dataclass(frozen=True, slots=True, repr=False)
class Placed:
    """A frame for a segment.

    Parameters
    ----------
    body
        Returns the sealed body.
    offset
        Where the body lies in a part file that becomes the segment.
    """

    header: FrameHeader
    body: Callable[[], bytes]
    entries: bytes
    key: bytes
    runs: Sequence[tuple[int, int]]
    offset: int = 0

    @property
    def size(self) -> int:
        """Bytes that the frame takes in a segment, about."""
        return self.header.body_sealed + len(self.entries)


def _head(engine: Engine, frame_class: FrameClass, years: tuple[int, int], segment_id: bytes, size: int) -> SegmentHead:
    return SegmentHead(
        engine.suite,
        frame_class,
        slice_size_for(size),
        0,
        engine.chain.epoch,
        *years,
        engine.head.generation,
        engine.vault_id,
        segment_id,
    )


def write_segment(
    engine: Engine,
    frame_class: FrameClass,
    years: tuple[int, int],
    frames: Sequence[Placed],
    audit: bytes = b"",
    first_leaf: int = 0,
) -> SegmentRow:
    """Write a segment with its key table, durably, and return its row for the head.

    Parameters
    ----------
    years
        First and last year of its records.
    audit, first_leaf
        For class audit: the clear entries, and the index of the first in the audit tree.
    """
    segment_id = os.urandom(16)
    directory = engine.layout.range(frame_class, *years)
    engine.vfs.make_directory(directory)
    rows, at = [], SUPERBLOCK_SIZE
    for frame in frames:
        rows.append(FrameRow(frame.header, at, HERE, frame.runs, frame.entries))
        at += frame.header.body_sealed
    bodies = at - SUPERBLOCK_SIZE
    rest = sum(row.size for row in rows) + len(audit)
    head = _head(engine, frame_class, years, segment_id, at + rest)
    temporary = directory / f"{segment_id.hex()}.tmp"
    file = engine.vfs.create(temporary)
    try:
        hasher = SliceHasher(head)
        offset = _append(file, hasher, [head.encode()], 0)
        offset = _append(file, hasher, (frame.body() for frame in frames), offset)
        return _finish(engine, file, temporary, head, hasher, bodies, rows, frames, audit, first_leaf)
    except BaseException:
        engine.vfs.unlink(temporary)
        raise
    finally:
        file.close()


def seal_part(
    engine: Engine, segment_id: bytes, end: int, years: tuple[int, int], frames: Sequence[Placed]
) -> SegmentRow:
    """Make a segment of an open blob segment: its bodies stay where they are.

    Parameters
    ----------
    end
        Bytes of the part file that count; anything beyond is cut off.
    """
    head = replace(_head(engine, FrameClass.BLOB, years, segment_id, end), slice_size=limits.SLICE_LARGE)
    engine.vfs.make_directory(engine.layout.range(FrameClass.BLOB, *years))
    path = engine.layout.part(segment_id)
    file = open_named(engine.vfs, path, writable=True)
    try:
        file.truncate(end)
        file.append([head.encode()], 0)
        hasher = SliceHasher(head)
        for at in range(0, end, limits.MIB):
            hasher.update(file.read(at, min(limits.MIB, end - at)))
        rows = [FrameRow(frame.header, frame.offset, HERE, frame.runs, frame.entries) for frame in frames]
        return _finish(engine, file, path, head, hasher, end - SUPERBLOCK_SIZE, rows, frames, b"", 0)
    finally:
        file.close()


def _append(file: File, hasher: SliceHasher, pieces: Iterable[bytes], offset: int) -> int:
    for piece in pieces:
        offset += file.append([piece], offset)
        hasher.update(piece)
    return offset


def _finish(
    engine: Engine,
    file: File,
    path: Path,
    head: SegmentHead,
    hasher: SliceHasher,
    bodies: int,
    rows: Sequence[FrameRow],
    frames: Sequence[Placed],
    audit: bytes,
    first_leaf: int,
) -> SegmentRow:
    """Write everything after the bodies, then the key table, and give the file its name once it has been read back."""
    directory = b"".join([row.encode() for row in rows])
    offset = _append(file, hasher, [directory, audit], SUPERBLOCK_SIZE + bodies)
    leaves = hasher.finish()
    footer = SegmentFooter(
        head,
        bodies,
        len(directory),
        len(audit),
        DIGEST * len(leaves),
        first_leaf,
        len(rows),
        sum(row.header.entry_count for row in rows),
        tree_root(engine.suite, leaves),
    )
    file.append([b"".join(leaves), footer.encode()], offset)
    table = seal_table(
        engine.suite,
        engine.vault_id,
        head.segment_id,
        engine.chain.epoch,
        engine.chain.epoch_root,
        os.urandom(32),
        [frame.key for frame in frames],
    ).encode()
    row = SegmentRow(
        head.segment_id,
        head.frame_class,
        head.disposition,
        head.first_year,
        head.last_year,
        engine.chain.epoch,
        footer.length,
        footer.frames,
        footer.entries,
        footer.root,
        table[-DIGEST:],
    )
    write_pair(engine.vfs, engine.layout, engine.layout.key_table(row), table)
    file.sync()
    _read_back(engine, file, row)
    engine.vfs.rename(path, engine.layout.segment(row))
    return row


def _read_back(engine: Engine, file: File, row: SegmentRow) -> None:
    """Check the file as a reader would: slices against the root, every frame through the key table.

    Raises
    ------
    VaultDamaged
    """
    footer = SegmentFooter.decode(file.read(row.length - FOOTER_SIZE, FOOTER_SIZE), file.size())
    hasher = SliceHasher(SegmentHead.decode(file.read(0, SUPERBLOCK_SIZE)))
    for at in range(0, footer.leaves_offset, limits.MIB):
        hasher.update(file.read(at, min(limits.MIB, footer.leaves_offset - at)))
    if tree_root(engine.suite, hasher.finish()) != row.root:
        raise VaultDamaged
    table = read_table(engine.vfs, engine.layout, engine.chain, row)
    data = file.read(footer.directory_offset, footer.directory_length)
    at = 0
    room = memoryview(bytearray(limits.MAX_BODY))
    for slot in range(footer.frames):
        frame, at = FrameRow.decode(data, at)
        key = table.key(slot)
        open_entries(engine.suite, frame.header, key, frame.entries)
        sealed = file.read(frame.body_offset, frame.header.body_sealed)
        open_body_in(engine.suite, frame.header, key, sealed, room)
