"""Writing segments: frames in, a file and its key table out, read back before it counts.

What goes in has been checked against the MAC of a journal, the root of a segment, or was just sealed. What is read back
must be those bytes (by the root over the slices) and those keys, so that a segment opens whatever its sources opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import msgspec
from vaultfs_format import limits
from vaultfs_format.directory import entry_count, moved
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import SegmentRow
from vaultfs_format.keytable import seal_table
from vaultfs_format.layout import Buffer
from vaultfs_format.segment import (
    FOOTER_SIZE,
    SUPERBLOCK_SIZE,
    SegmentFooter,
    SegmentHead,
    SliceHasher,
    slice_size_for,
    tree_root,
)
from vaultfs_format.suite import DIGEST, same

from vaultfs.engine.engine import Engine
from vaultfs.engine.pairs import open_named, write_pair
from vaultfs.engine.store import read_table
from vaultfs.errors import VaultDamaged
from vaultfs.vfs import File


class Placed(msgspec.Struct, frozen=True, gc=False):
    """A frame for a segment: its encoded row, whose place is rewritten, its sealed body and its key."""

    row: Buffer
    body: Buffer
    key: bytes

    def __repr__(self) -> str:
        return "<Placed>"


Slot = tuple[int, int, int]
"""Where a frame lies in a segment: offset and length of its row, offset of its body."""


class Written(NamedTuple):
    """A segment that was written: its row for the head, and where each frame lies, in order."""

    row: SegmentRow
    slots: list[Slot]


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
) -> Written:
    """Write a segment with its key table, durably.

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
    size = SUPERBLOCK_SIZE + len(audit) + sum(len(frame.body) + len(frame.row) for frame in frames)
    head = _head(engine, frame_class, years, segment_id, size)
    temporary = directory / f"{segment_id.hex()}.tmp"
    file = engine.vfs.create(temporary)
    try:
        hasher = SliceHasher(head)
        end, offsets = 0, []
        for chunk in _chunks(head.encode(), frames):
            end += file.append([chunk], end)
            hasher.update(chunk)
        at = SUPERBLOCK_SIZE
        for frame in frames:
            offsets.append(at)
            at += len(frame.body)
        return _finish(engine, file, temporary, head, hasher, frames, offsets, end, audit, first_leaf)
    except BaseException:
        engine.vfs.unlink(temporary)
        raise
    finally:
        file.close()


def _chunks(first: bytes, frames: Sequence[Placed]) -> Iterator[bytes]:
    """Yield the bytes of a segment up to its directory, in pieces that are worth a system call."""
    pending: list[Buffer] = [first]
    size = len(first)
    for frame in frames:
        pending.append(frame.body)
        size += len(frame.body)
        if size >= limits.MIB:
            yield b"".join(pending)
            pending, size = [], 0
    yield b"".join(pending)


def seal_part(
    engine: Engine,
    segment_id: bytes,
    end: int,
    years: tuple[int, int],
    frames: Sequence[Placed],
    offsets: Sequence[int],
) -> Written:
    """Make a segment of an open blob segment: its bodies stay where they are.

    Parameters
    ----------
    end
        Bytes of the part file that count; anything beyond is cut off.
    frames, offsets
        The frames, and where the body of each lies in the file; their bodies are not looked at.
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
        return _finish(engine, file, path, head, hasher, frames, offsets, end, b"", 0)
    finally:
        file.close()


def _finish(
    engine: Engine,
    file: File,
    path: Path,
    head: SegmentHead,
    hasher: SliceHasher,
    frames: Sequence[Placed],
    offsets: Sequence[int],
    end: int,
    audit: bytes,
    first_leaf: int,
) -> Written:
    """Write everything after the bodies, then the key table, and give the file its name once it has been read back."""
    rows = [moved(frame.row, offset) for frame, offset in zip(frames, offsets, strict=True)]
    lengths = list(map(len, rows))
    slots = list(zip(accumulate(lengths, initial=end), lengths, offsets, strict=False))
    at = end + sum(lengths)
    tail = b"".join([*rows, audit])
    file.append([tail], end)
    hasher.update(tail)
    leaves = hasher.finish()
    footer = SegmentFooter(
        head,
        end - SUPERBLOCK_SIZE,
        at - end,
        len(audit),
        DIGEST * len(leaves),
        first_leaf,
        len(rows),
        sum(map(entry_count, rows)),
        tree_root(engine.suite, leaves),
    )
    file.append([b"".join(leaves), footer.encode()], end + len(tail))
    keys = [frame.key for frame in frames]
    table = seal_table(
        engine.suite,
        engine.vault_id,
        head.segment_id,
        engine.chain.epoch,
        engine.chain.epoch_root,
        os.urandom(32),
        keys,
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
    _read_back(engine, file, row, keys)
    engine.vfs.rename(path, engine.layout.segment(row))
    return Written(row, slots)


def _read_back(engine: Engine, file: File, row: SegmentRow, keys: Sequence[bytes]) -> None:
    """Check what a reader will find: the slices against the root, and every key in the table.

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
    if not same(b"".join(table.keys()), b"".join(keys)):
        raise VaultDamaged
