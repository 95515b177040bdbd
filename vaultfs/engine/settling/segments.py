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
from vaultfs_format.healing import SlicedFile, examine
from vaultfs_format.keytable import seal_table
from vaultfs_format.layout import Buffer
from vaultfs_format.segment import (
    FOOTER_SIZE,
    SUPERBLOCK_SIZE,
    SegmentFooter,
    SegmentHead,
)
from vaultfs_format.slices import Protector, tree_root
from vaultfs_format.suite import DIGEST, same

from vaultfs.engine.engine import Engine
from vaultfs.engine.files.pairs import drop_copy, open_named, write_pair
from vaultfs.engine.reading.store import read_table
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


Years = tuple[int, int]
"""First and last year of the records of a segment."""


class _Writer:
    """Writes what slices cover from the beginning of a file on, and the parity where it goes.

    Parameters
    ----------
    covered
        Bytes that slices will cover.
    """

    def __init__(
        self, engine: Engine, file: File, frame_class: FrameClass, years: Years, segment_id: bytes, covered: int
    ) -> None:
        generation, epoch = engine.head.generation, engine.chain.epoch
        self.head = SegmentHead(
            engine.suite, frame_class, 0, epoch, *years, generation, engine.vault_id, segment_id, covered
        )
        self._file = file
        self._signing = engine.signing
        self._protector = Protector(self.head)
        self.end = 0

    def write(self, data: Buffer) -> None:
        """Write the next bytes."""
        self._file.append([data], self.end)
        self.take(data)

    def take(self, data: Buffer) -> None:
        """Take in the next bytes, which are in the file already."""
        self.end += len(data)
        self._protector.update(data)
        self._write_parity()

    def _write_parity(self) -> None:
        for parity in self._protector.made():
            self._file.append([parity.data], parity.offset)

    def finish(
        self, bodies: int, directory: int, audit: int, first_leaf: int, frames: int, entries: int
    ) -> SegmentFooter:
        """Write leaf hashes and footer, both times, once all covered bytes are there."""
        leaves = self._protector.finish()
        self._write_parity()
        suite, parity_leaves = self.head.suite, self._protector.parity_leaves
        roots = tree_root(suite, leaves), tree_root(suite, parity_leaves)
        signer = self._signing.signer.number
        footer = SegmentFooter(self.head, bodies, directory, audit, first_leaf, frames, entries, *roots, signer)
        footer = replace(footer, signature=self._signing.sign_segment(footer.statement()))
        hashes = b"".join([*leaves, *parity_leaves])
        for offset in footer.leaves_offsets:
            self._file.append([hashes, footer.encode()], offset)
        return footer


def write_segment(
    engine: Engine,
    frame_class: FrameClass,
    years: Years,
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
    covered = SUPERBLOCK_SIZE + len(audit) + sum([len(frame.body) + len(frame.row) for frame in frames])
    temporary = directory / f"{segment_id.hex()}.tmp"
    file = engine.vfs.create(temporary)
    try:
        writer = _Writer(engine, file, frame_class, years, segment_id, covered)
        for chunk in _chunks(writer.head.encode(), frames):
            writer.write(chunk)
        offsets = list(accumulate([len(frame.body) for frame in frames[:-1]], initial=SUPERBLOCK_SIZE))
        return _finish(engine, file, temporary, writer, frames, offsets, audit, first_leaf)
    except BaseException:
        take_back(engine, temporary)
        raise
    finally:
        file.close()


def take_back(engine: Engine, temporary: Path) -> None:
    """Remove what there is of a segment that failed: it may have its name, though giving it that was what failed.

    Parameters
    ----------
    temporary
        Its name while it is written, in the directory where it would lie.
    """
    table = temporary.with_suffix(f".vkey.{engine.chain.epoch}")
    drop_copy(engine.vfs, engine.layout, table, engine.metrics)
    for left in (table, temporary.with_suffix(".vseg"), temporary):
        engine.vfs.unlink(left)


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
    years: Years,
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
    covered = end + sum([len(frame.row) for frame in frames])
    engine.vfs.make_directory(engine.layout.range(FrameClass.BLOB, *years))
    path = engine.layout.part(segment_id)
    file = open_named(engine.vfs, path, writable=True)
    try:
        file.truncate(end)
        writer = _Writer(engine, file, FrameClass.BLOB, years, segment_id, covered)
        writer.write(writer.head.encode())
        while writer.end < end:
            writer.take(file.read(writer.end, min(limits.MIB, end - writer.end)))
        return _finish(engine, file, path, writer, frames, offsets, b"", 0)
    finally:
        file.close()


def _finish(
    engine: Engine,
    file: File,
    path: Path,
    writer: _Writer,
    frames: Sequence[Placed],
    offsets: Sequence[int],
    audit: bytes,
    first_leaf: int,
) -> Written:
    """Write everything after the bodies, then the key table, and give the file its name once it has been read back."""
    rows = [moved(frame.row, offset) for frame, offset in zip(frames, offsets, strict=True)]
    lengths = list(map(len, rows))
    slots = list(zip(accumulate(lengths, initial=writer.end), lengths, offsets, strict=False))
    bodies = writer.end - SUPERBLOCK_SIZE
    writer.write(b"".join([*rows, audit]))
    footer = writer.finish(bodies, sum(lengths), len(audit), first_leaf, len(rows), sum(map(entry_count, rows)))
    head = writer.head
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
    write_pair(engine.vfs, engine.layout, engine.layout.key_table(row), table, engine.metrics)
    file.sync()
    _read_back(engine, file, row, keys)
    engine.vfs.rename(path, engine.layout.segment(row))
    return Written(row, slots)


def _read_back(engine: Engine, file: File, row: SegmentRow, keys: Sequence[bytes]) -> None:
    """Check what a reader will find: every slice and the root, what makes them good again, every key in the table.

    Raises
    ------
    VaultDamaged
    """
    footer = SegmentFooter.decode(file.read(row.length - FOOTER_SIZE, FOOTER_SIZE))
    sliced = SlicedFile(file.read, footer)
    if footer.root != row.root or not sliced.right(sliced.leaves) or examine(sliced, file.size()):
        raise VaultDamaged
    table = read_table(engine.vfs, engine.layout, engine.chain, row)
    if not same(b"".join(table.keys()), b"".join(keys)):
        raise VaultDamaged
