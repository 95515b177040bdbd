"""What a settling writes: the frames of the journals, each into a segment of its class, and the events counted.

Frames of records are carried over as they are, or small ones of a subject packed together; states and small frames of
events are packed anew; the part files of blobs become segments where they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

import msgspec
from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY, LeafKind
from vaultfs_format.directory import FrameRow
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import SegmentRow
from vaultfs_format.segment import SUPERBLOCK_SIZE

from vaultfs.audit.events import subjects_in
from vaultfs.engine.committing.units import Drafted
from vaultfs.engine.engine import Engine
from vaultfs.engine.files.mirrors import open_part
from vaultfs.engine.indexing.batch import Batch
from vaultfs.engine.indexing.index import PLACE
from vaultfs.engine.log.logbase import Pruning
from vaultfs.engine.log.subjectheads import Heads, count
from vaultfs.engine.settling.catalogue import Listed, listed
from vaultfs.engine.settling.compaction import MERGE_LIMIT, Merged
from vaultfs.engine.settling.harvest import Harvest, opened
from vaultfs.engine.settling.packing import (
    NONE,
    SEGMENT_TARGET,
    VERBATIM,
    Found,
    Packer,
    Years,
    by_subject,
    by_years,
    span,
)
from vaultfs.engine.settling.segments import Placed, Written, seal_part, write_segment
from vaultfs.model import NOBODY


class _Frame(msgspec.Struct, frozen=True, gc=False):
    """A frame on its way into a segment.

    Parameters
    ----------
    moved
        Its handle, where the index knows the frame already; else 0.
    made
        What the index is to know of it, where it is new.
    """

    placed: Placed
    moved: int
    made: Drafted | None = None


class Changes:
    """What a settling changes: segments, and rows of the index.

    Parameters
    ----------
    pruning
        What is removed of the log.
    """

    def __init__(self, engine: Engine, pruning: Pruning | None = None) -> None:
        self._engine = engine
        self.pruning = pruning
        self.segments: dict[int, SegmentRow] = {}
        self.places: dict[int, bytes] = {}
        self.batch = Batch(engine.chain.alias_keys)
        self.forgotten: list[tuple[int, int, bytes]] = []
        self.merged: list[Merged] = []
        self.parts: set[bytes] = set()
        self.sealed: set[bytes] = set()
        """Part files of the journals, and those of them that became segments where they are."""
        self.undone = False
        self.hashes: list[bytes] = []
        """Of the leaves of the journals, and of the one that states the heads of subjects, if any."""
        self.heads: Heads | None = None

    def forget(self, frames: Sequence[Listed]) -> None:
        """Take note of frames whose entries are in new ones now."""
        self.forgotten += [(frame.handle, frame.holding, frame.subject) for frame in frames]

    def take(self, written: Written, frames: Sequence[_Frame]) -> None:
        """Take note of a segment that was written."""
        number = self._engine.take_container()
        self.segments[number] = written.row
        pack = PLACE.pack
        for position, (frame, slot) in enumerate(zip(frames, written.slots, strict=True)):
            row_offset, row_length, body_offset = slot
            place = pack(number, row_offset, row_length, number, body_offset, 0, position)
            if frame.moved:
                self.places[frame.moved] = place
            elif frame.made is not None:
                row, _ = FrameRow.decode(frame.placed.row)
                self.batch.add(self._engine.take_handles(1), place, frame.made.facts, row.runs)


def count_events(engine: Engine, harvests: Sequence[Harvest], changes: Changes) -> bytes:
    """Count the events by subject; return the audit entries of the journals, and the one that states heads, if any."""
    entries = b"".join([harvest.audit for harvest in harvests])
    size, first = ENTRY.size, engine.live[0].journal.header.first_leaf
    each = [entries[at : at + size] for at in range(0, len(entries), size)]
    changes.hashes = merkle.audit_leaves(engine.suite, each)
    of_events = [leaf for entry, leaf in zip(each, changes.hashes, strict=True) if entry[0] == LeafKind.EVENT]
    subjects = (subject for harvest in harvests for subject in _subjects(engine, harvest))
    changes.heads = count(engine, first, list(zip(subjects, of_events, strict=True)), first + len(each))
    if changes.heads is None:
        return entries
    stated = changes.heads.entry().encode()
    changes.hashes.append(merkle.audit_leaf(engine.suite, stated))
    return entries + stated


def _subjects(engine: Engine, harvest: Harvest) -> Iterator[bytes]:
    """Yield the subject of each event of a journal."""
    for row in harvest.catalogue.audit:
        frame = opened(engine, harvest.placed(listed(row)))
        for entry in frame.block.entries:
            yield from subjects_in(frame.body[entry.offset : entry.offset + entry.length])


# Records: by range of years, then by subject.


def write_records(engine: Engine, harvests: Sequence[Harvest], changes: Changes) -> None:
    """Write the frames of records."""
    rows = [(row, harvest) for harvest in harvests for row in harvest.catalogue.records]
    rows.sort(key=itemgetter(0))
    for found in by_years([(listed(row), harvest) for row, harvest in rows]):
        pending: list[_Frame] = []
        taken: list[Listed] = []
        size = 0
        for whole, small in by_subject(found):
            for frame, harvest in whole:
                pending.append(_Frame(harvest.placed(frame), frame.handle))
                taken.append(frame)
                size += frame.body_length + frame.row_length
            if small:
                frames = [frame for frame, _ in small]
                added = _packed(engine, small)
                changes.forget(frames)
                pending += added
                taken += frames
                size += sum([len(frame.placed.body) + len(frame.placed.row) for frame in added])
            if size >= SEGMENT_TARGET:
                _write(engine, FrameClass.RECORD, span(taken), pending, changes)
                pending, taken, size = [], [], 0
        _write(engine, FrameClass.RECORD, span(taken), pending, changes)


def _packed(engine: Engine, small: Sequence[Found]) -> list[_Frame]:
    packer = Packer(engine, FrameClass.RECORD, small[0][0].subject)
    for frame, harvest in small:
        packer.take(opened(engine, harvest.placed(frame)))
    return [_Frame(placed, 0, made) for made, placed in packer.finish()]


def _write(engine: Engine, frame_class: FrameClass, years: Years, frames: Sequence[_Frame], changes: Changes) -> None:
    if frames:
        changes.take(write_segment(engine, frame_class, years, [frame.placed for frame in frames]), frames)


# Control state and audit: few and small, one segment each. Blobs: the part file becomes the segment.


def write_states(engine: Engine, harvests: Sequence[Harvest], changes: Changes) -> None:
    """Write the newest version of each state: what it replaces is not carried over."""
    frames = []
    for harvest in harvests:
        for row in harvest.catalogue.control:
            frames.append(opened(engine, harvest.placed(listed(row))))
            changes.forget([listed(row)])
    newest: dict[bytes, int] = {}
    for frame in frames:
        for entry in frame.block.entries:
            newest[entry.token] = max(newest.get(entry.token, 0), entry.version)
    packer = Packer(engine, FrameClass.CONTROL, NOBODY)
    for frame in frames:
        for entry, commit in zip(frame.block.entries, frame.commits, strict=True):
            if newest[entry.token] == entry.version:
                packer.add(entry, commit, frame.body)
    made = [_Frame(placed, 0, drafted) for drafted, placed in packer.finish()]
    _write(engine, FrameClass.CONTROL, NONE, made, changes)


def write_audit(engine: Engine, harvests: Sequence[Harvest], leaves: bytes, changes: Changes) -> None:
    """Write the events and their clear entries, in their order, and the base of the log where it is pruned."""
    frames: list[_Frame] = []
    packer = Packer(engine, FrameClass.AUDIT, NOBODY)
    for harvest in harvests:
        for row in harvest.catalogue.audit:
            placed = harvest.placed(listed(row))
            if listed(row).plain < VERBATIM:
                packer.take(opened(engine, placed))
                continue
            frames += [_Frame(one, 0) for _, one in packer.finish()]
            packer = Packer(engine, FrameClass.AUDIT, NOBODY)
            frames.append(_Frame(placed, 0))
    frames += [_Frame(one, 0) for _, one in packer.finish()]
    if changes.pruning is not None:
        frames += [_Frame(one, 0) for one in changes.pruning.frames(engine)]
    if leaves:
        first = engine.live[0].journal.header.first_leaf
        written = write_segment(engine, FrameClass.AUDIT, NONE, [frame.placed for frame in frames], leaves, first)
        changes.take(written, frames)


def write_blobs(
    engine: Engine, harvests: Sequence[Harvest], segment_id: bytes, changes: Changes, *, busy: bool
) -> bool:
    """Make a segment of the bodies in a part file: of the file itself, or of copies where it must not be touched.

    Returns
    -------
    bool
        Whether the file itself became the segment: it does unless others still write to it, or too much of it is void:
        more than half, or anything at all of one that will be merged.
    """
    found = [(listed(row), harvest) for harvest in harvests for row in harvest.catalogue.blobs.get(segment_id, ())]
    found.sort(key=lambda one: one[0].body_offset)
    years = span([frame for frame, _ in found])
    live = sum(frame.body_length for frame, _ in found)
    end = max(frame.body_offset + frame.body_length for frame, _ in found)
    void = end - SUPERBLOCK_SIZE - live
    in_place = not busy and (void == 0 or (end >= MERGE_LIMIT and void <= live))
    frames: list[_Frame] = []
    size = 0
    part = open_part(engine.vfs, engine.layout, segment_id, writable=True)
    try:
        for frame, harvest in found:
            placed = harvest.placed_in(part, frame)
            frames.append(_Frame(Placed(placed.row, b"", placed.key) if in_place else placed, frame.handle))
            size += 0 if in_place else frame.body_length
            if size >= SEGMENT_TARGET:
                _write(engine, FrameClass.BLOB, years, frames, changes)
                frames, size = [], 0
    finally:
        part.close()
    if not in_place:
        _write(engine, FrameClass.BLOB, years, frames, changes)
        return False
    offsets = [frame.body_offset for frame, _ in found]
    changes.take(seal_part(engine, segment_id, end, years, [frame.placed for frame in frames], offsets), frames)
    return True
