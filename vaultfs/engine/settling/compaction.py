"""Merging small segments, so that a site that settles a little every day keeps few files.

Segments of one class are merged when `FAN` of them are of about the same size, so that a frame is carried over a few
times in its life at most. Frames, keys and clear audit entries are carried verbatim, one segment after the other: the
index learns of it by one row for each segment that is taken in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from vaultfs_format import limits
from vaultfs_format.directory import body_span, split_rows
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import SegmentRow
from vaultfs_format.segment import NO_YEAR, SUPERBLOCK_SIZE, SegmentFooter

from vaultfs.engine.engine import Engine
from vaultfs.engine.files.heads import read_superblock
from vaultfs.engine.files.mirrors import DAMAGE
from vaultfs.engine.files.pairs import drop_copy, secure_removal
from vaultfs.engine.files.sealed import SealedSegment, open_segment
from vaultfs.engine.indexing.index import Container, ContainerKind
from vaultfs.engine.reading.store import FrameStore, read_table
from vaultfs.engine.settling.retired import put_away
from vaultfs.engine.settling.segments import Placed, write_segment
from vaultfs.errors import FormatError, NotAuthentic, Unsupported

FAN = 8
"""Segments of about the same size that are merged into one; also the ratio of two sizes that are not the same."""

MERGE_LIMIT = 16 * limits.MIB
"""Segments of this size and more are left alone; the others are held in memory while they are merged."""


UNREADABLE = (*DAMAGE, Unsupported)
"""What reading a segment, or its key table, may raise where it is damaged."""


class _Source(NamedTuple):
    """A segment that is taken in: its footer, its frames in directory order, and its clear audit entries."""

    footer: SegmentFooter
    frames: list[Placed]
    audit: bytes

    def __repr__(self) -> str:
        return "<_Source>"

    @classmethod
    def read(cls, segment: SealedSegment, keys: Iterable[bytes]) -> _Source:
        """Read a segment whole.

        Parameters
        ----------
        keys
            Those of its frames, as many as there are.
        """
        footer = segment.footer
        data = memoryview(segment.read(0, footer.leaves_offset))
        directory = bytes(data[footer.directory_offset : footer.directory_offset + footer.directory_length])
        frames = []
        for row, key in zip(split_rows(directory, footer.frames), keys, strict=True):
            at, length = body_span(row)
            frames.append(Placed(row, data[at : at + length], key))
        return cls(footer, frames, bytes(data[footer.audit_offset :]))

    def is_dense(self) -> bool:
        """Whether bodies follow each other in the order of their rows without a gap: those of blobs need not."""
        following = SUPERBLOCK_SIZE
        for frame in self.frames:
            at, length = body_span(frame.row)
            if at != following:
                return False
            following += length
        return following == self.footer.directory_offset


@dataclass(frozen=True, slots=True)
class Merged:
    """A segment that has taken in others.

    Parameters
    ----------
    row
        Its row for the head.
    sources
        Rows of the segments that it replaces.
    shifts
        For each source how much further on its frame rows, bodies and keys lie.
    """

    row: SegmentRow
    sources: Sequence[SegmentRow]
    shifts: Sequence[tuple[int, int, int]]

    def containers(self, store: FrameStore) -> dict[int, Container]:
        """Return the containers that lay in the sources as they lie now."""
        found = {}
        for source, (rows, bodies, slots) in zip(self.sources, self.shifts, strict=True):
            for number, one in store.numbers_of(ContainerKind.SEGMENT, source.segment_id).items():
                moved = (one.rows + rows, one.bodies + bodies, one.slots + slots)
                found[number] = Container(ContainerKind.SEGMENT, self.row.segment_id, *moved)
        return found


def merge_small(engine: Engine, rows: Iterable[SegmentRow]) -> Iterator[Merged]:
    """Merge what there is to merge among the segments of a coming head; yield each merging when it is written.

    A segment that cannot be read whole is left out, and noted as damaged. One of blobs that lie in another order than
    their rows, or have gaps between them, is left out as well: its places would not move all by as much.

    Raises
    ------
    StorageFull, StorageFailed, VaultDamaged
        The merged segment could not be written, or is not what was written.
    """
    left = _Candidates(engine, rows)
    while chosen := left.choose():
        sources = [source for row in chosen if (source := left.source(row)) is not None]
        if len(sources) == len(chosen):
            left.drop(chosen)
            yield _merged(engine, chosen, sources)


class _Candidates:
    """Segments that may be merged: those that are small, but for those that were found damaged, or merged already."""

    def __init__(self, engine: Engine, rows: Iterable[SegmentRow]) -> None:
        self._engine = engine
        self._rows = {row for row in rows if row.length < MERGE_LIMIT}
        self._first_leaves: dict[SegmentRow, tuple[int, int]] = {}

    def drop(self, rows: Iterable[SegmentRow]) -> None:
        """Leave segments out from now on."""
        self._rows.difference_update(rows)

    def choose(self) -> list[SegmentRow]:
        """Return segments to merge with each other, none if there are none.

        Audit entries stay consecutive; the undated stay apart.
        """
        groups: dict[tuple[FrameClass, bool, int], list[SegmentRow]] = {}
        for row in self._rows:
            size = (row.length // SUPERBLOCK_SIZE).bit_length() // (FAN.bit_length() - 1)
            groups.setdefault((row.frame_class, row.first_year == NO_YEAR, size), []).append(row)
        for (frame_class, *_), members in sorted(groups.items()):
            if frame_class is FrameClass.AUDIT and len(members) >= FAN:
                chosen = self._consecutive(members)
            else:
                chosen = sorted(members, key=lambda row: (row.first_year, row.last_year, row.segment_id))[:FAN]
            if len(chosen) >= FAN:
                return chosen
        return []

    def _consecutive(self, members: Iterable[SegmentRow]) -> list[SegmentRow]:
        """Return audit segments of which each begins with the leaf after the last one of the segment before."""
        run: list[SegmentRow] = []
        following = -1
        leaves = [(found, row) for row in members if (found := self._leaves(row)) is not None]
        for (first, end), row in sorted(leaves):
            if first != following:
                if len(run) >= FAN:
                    break
                run = []
            run.append(row)
            following = end
        return run

    def _leaves(self, row: SegmentRow) -> tuple[int, int] | None:
        """Return the first leaf of an audit segment, and the one after its last; None if that cannot be read."""
        if row not in self._first_leaves:
            try:
                with closing(open_signed(self._engine, row)) as segment:
                    footer = segment.footer
            except UNREADABLE:
                self._leave(row)
                return None
            self._first_leaves[row] = footer.audited.start, footer.audited.stop
        return self._first_leaves[row]

    def source(self, row: SegmentRow) -> _Source | None:
        """Return a segment, read whole as it was written; None if it cannot be, or cannot be merged."""
        engine = self._engine
        try:
            with closing(open_signed(engine, row)) as segment:
                table = read_table(engine.vfs, engine.layout, engine.chain, row)
                source = _Source.read(segment, table.keys_of(row.frames))
        except UNREADABLE:
            self._leave(row)
            return None
        if not source.is_dense():
            self.drop([row])
            return None
        return source

    def _leave(self, row: SegmentRow) -> None:
        self.drop([row])
        self._engine.store.note_damaged(row.segment_id)


def open_signed(engine: Engine, row: SegmentRow) -> SealedSegment:
    """Open a segment by a footer that is signed: not all of what it says is under the root, and it is signed anew."""
    superblock, _ = read_superblock(engine.vfs, engine.layout, engine.head)

    def signed(footer: SegmentFooter) -> bool:
        try:
            footer.verify(superblock.signer(footer.signer))
        except (FormatError, NotAuthentic):
            return False
        return True

    return open_segment(engine.vfs, engine.layout, row, signed)


def _merged(engine: Engine, rows: Sequence[SegmentRow], sources: Sequence[_Source]) -> Merged:
    """Write one segment with all that is in `rows`; the bodies and the frame rows of each stay together."""
    frames = [frame for source in sources for frame in source.frames]
    first = rows[0]
    years = (min(row.first_year for row in rows), max(row.last_year for row in rows))
    audit = b"".join([source.audit for source in sources])
    written = write_segment(engine, first.frame_class, years, frames, audit, sources[0].footer.first_leaf)
    shifts, position = [], 0
    for source in sources:
        row_offset, _, body_offset = written.slots[position]
        shifts.append((row_offset - source.footer.directory_offset, body_offset - SUPERBLOCK_SIZE, position))
        position += source.footer.frames
    return Merged(written.row, rows, shifts)


def discard_segments(engine: Engine, rows: Iterable[SegmentRow], *, named: bool = False) -> None:
    """Remove the files of segments that the head does not name, so that what is left tells what it was.

    A key table without its segment would not, so those are gone for good before any segment is removed.

    Parameters
    ----------
    named
        Whether an earlier head named them, and others have taken them in: then their key tables are put away.
    """
    vfs, layout = engine.vfs, engine.layout
    gone = list(rows)
    for row in gone:
        table = layout.key_table(row)
        if named:
            put_away(engine, table)
        drop_copy(vfs, layout, table, engine.metrics)
        vfs.unlink(table)
    for directory in sorted({layout.key_table(row).parent for row in gone}):
        secure_removal(vfs, layout, directory, engine.metrics)
    for row in gone:
        drop_copy(vfs, layout, layout.segment(row), engine.metrics)
        vfs.unlink(layout.segment(row))
