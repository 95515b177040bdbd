"""Settling: the frames of all live journals become segments, and one head makes it so.

Order: segments with both copies of their key tables, each read back before it gets its name; the head; the index; the
journals, and the segments that others have taken in, are unlinked last. A crash at any point leaves either the old head
or the new one in force, and what is not in force is litter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from operator import itemgetter

import msgspec
from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY, LeafKind
from vaultfs_format.directory import FrameRow
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.journal import NO_JOURNAL
from vaultfs_format.segment import SUPERBLOCK_SIZE

from vaultfs.audit.events import subjects_in
from vaultfs.engine import collector, reserve
from vaultfs.engine.batch import Batch, forget, move
from vaultfs.engine.catalogue import Listed, listed
from vaultfs.engine.compaction import Merged, discard_segments, merge_small
from vaultfs.engine.engine import Engine
from vaultfs.engine.harvest import Harvest, opened
from vaultfs.engine.heads import stage_head, witness
from vaultfs.engine.index import PLACE, Container, ContainerKind, Stamp
from vaultfs.engine.mirrors import open_part
from vaultfs.engine.packing import (
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
from vaultfs.engine.pairs import drop_copy
from vaultfs.engine.recovery import restore_parts
from vaultfs.engine.renewing import renewed
from vaultfs.engine.sealed import mirror_segment
from vaultfs.engine.segments import Placed, Written, seal_part, write_segment
from vaultfs.engine.subjectheads import Heads, count
from vaultfs.engine.units import Drafted
from vaultfs.errors import StorageFull, VaultError
from vaultfs.metrics import Counter
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


class _Changes:
    """What a settling changes: segments, and rows of the index."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
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


def as_it_is(head: Head) -> Head:
    """Return a head without amendments."""
    return head


@collector.paused()
def settle(engine: Engine, amended: Callable[[Head], Head] = as_it_is, renewing: Sequence[SegmentRow] = ()) -> int:
    """Settle all live journals; return how many segments were written. Call from the committer's thread or when idle.

    The journals are held in memory: at most `Options.settle_bytes` and one transaction.

    Parameters
    ----------
    amended
        Returns the head that is to be in force, made of the one that follows: with other files of keys, for one.
    renewing
        Segments of the head that are sealed anew, each held in memory, those of blobs excepted.

    Raises
    ------
    StorageFull
        The journals are still in force, and the writer goes on.
    StorageFailed, VaultDamaged
        The journals are still in force; the writer is poisoned.
    """
    with engine.lock:
        engine.check_writable()
        if not engine.live:
            return 0
        _end_journal(engine)
        idle, busy = engine.parts.detach()
        changes = _Changes(engine)
        try:
            try:
                _write_all(engine, changes, busy)
                for one in filter(None, (renewed(engine, row) for row in renewing)):
                    changes.merged.append(one)
                head = _next_head(engine, changes, amended)
                staged = stage_head(
                    engine.vfs, engine.layout, head, engine.chain.epoch_root, engine.signing, engine.metrics
                )
            except StorageFull:
                _undo(engine, changes)
                raise
            head = staged.publish(engine.vfs, engine.layout, engine.metrics)
            _take_over(engine, head, changes)
        except BaseException as error:
            if not (isinstance(error, StorageFull) and changes.undone):
                engine.poison()
            raise
        witness(engine.anchors, head, engine.metrics)
        if engine.mirroring:
            _mirror(engine, [*changes.segments.values(), *(one.row for one in changes.merged)])
        for segment_id in (idle | changes.parts) - busy:
            part = engine.layout.part(segment_id)
            if segment_id not in changes.sealed:
                engine.vfs.unlink(part)
            drop_copy(engine.vfs, engine.layout, part, engine.metrics)
        return len(changes.segments)


def _mirror(engine: Engine, rows: Sequence[SegmentRow]) -> None:
    """Give new segments their mirrors; maintenance makes those that fail."""
    named = set(engine.head.segments)
    for row in rows:
        if row in named:
            try:
                mirror_segment(engine.vfs, engine.layout, row)
            except VaultError:
                engine.metrics.add(Counter.MIRRORS_MISSED)


def _end_journal(engine: Engine) -> None:
    """End the journal that is appended to."""
    if engine.active is None:
        return
    try:
        engine.active.journal.close_with_record()
    except StorageFull:
        reserve.enter(engine)
        raise
    except BaseException:
        engine.poison()  # whether the closing record is there is in doubt, and nothing may follow it
        raise
    engine.active = None


def _write_all(engine: Engine, changes: _Changes, busy: set[bytes]) -> None:
    """Write all segments."""
    harvests = [Harvest(engine, live) for live in engine.live]
    leaves = _counted(engine, harvests, changes)
    _write_records(engine, harvests, changes)
    _write_states(engine, harvests, changes)
    _write_audit(engine, harvests, leaves, changes)
    changes.parts = {segment_id for harvest in harvests for segment_id in harvest.catalogue.blobs}
    for segment_id in sorted(changes.parts):
        if _write_blobs(engine, harvests, segment_id, changes, busy=segment_id in busy):
            changes.sealed.add(segment_id)
    if not engine.renewal.before:
        for one in merge_small(engine, [*engine.head.segments, *changes.segments.values()]):
            changes.merged.append(one)


def _counted(engine: Engine, harvests: Sequence[Harvest], changes: _Changes) -> bytes:
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


def _undo(engine: Engine, changes: _Changes) -> None:
    """Take back the segments that were written: the journals stay in force, and the writer goes on."""
    layout, vfs = engine.layout, engine.vfs
    rows = [*changes.segments.values(), *(one.row for one in changes.merged)]
    for row in rows:
        if row.segment_id in changes.parts:
            vfs.unlink(layout.key_table(row))
            drop_copy(vfs, layout, layout.key_table(row), engine.metrics)
    discard_segments(engine, (row for row in rows if row.segment_id not in changes.parts))
    restore_parts(engine, changes.parts)  # also the one that had its new name already when the failure came
    engine.settle_at = sum(live.journal.end for live in engine.live) + engine.options.settle_bytes // 4
    changes.undone = True


# Records: by range of years, then by subject.


def _write_records(engine: Engine, harvests: Sequence[Harvest], changes: _Changes) -> None:
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


def _write(engine: Engine, frame_class: FrameClass, years: Years, frames: Sequence[_Frame], changes: _Changes) -> None:
    if frames:
        changes.take(write_segment(engine, frame_class, years, [frame.placed for frame in frames]), frames)


# Control state and audit: few and small, one segment each. Blobs: the part file becomes the segment.


def _write_states(engine: Engine, harvests: Sequence[Harvest], changes: _Changes) -> None:
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


def _write_audit(engine: Engine, harvests: Sequence[Harvest], leaves: bytes, changes: _Changes) -> None:
    """Write the events and their clear entries, in their order."""
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
    if leaves:
        first = engine.live[0].journal.header.first_leaf
        written = write_segment(engine, FrameClass.AUDIT, NONE, [frame.placed for frame in frames], leaves, first)
        changes.take(written, frames)


def _write_blobs(
    engine: Engine, harvests: Sequence[Harvest], segment_id: bytes, changes: _Changes, *, busy: bool
) -> bool:
    """Make a segment of the bodies in a part file: of the file itself, or of copies where it must not be touched.

    Returns
    -------
    bool
        Whether the file itself became the segment: it does unless others still write to it, or most of it is void.
    """
    found = [(listed(row), harvest) for harvest in harvests for row in harvest.catalogue.blobs.get(segment_id, ())]
    years = span([frame for frame, _ in found])
    live = sum(frame.body_length for frame, _ in found)
    end = max(frame.body_offset + frame.body_length for frame, _ in found)
    in_place = not busy and 2 * live >= end - SUPERBLOCK_SIZE
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


# Taking over.


def _next_head(engine: Engine, changes: _Changes, amended: Callable[[Head], Head]) -> Head:
    """Return the head over the old segments and the new ones; its live set is the last leaf of the audit tree."""
    old = engine.head
    tree = old.tree()
    repeated = old.tree_size - engine.live[0].journal.header.first_leaf
    tree.extend(changes.hashes[repeated:])
    rows = {*old.segments, *changes.segments.values()}
    for one in changes.merged:
        rows.difference_update(one.sources)
        rows.add(one.row)
    following = replace(
        old,
        generation=max(old.generation, engine.seen) + 1,
        incarnation=old.incarnation + engine.accepting,
        last_commit=engine.last_commit,
        next_number=max(live.journal.header.last_number for live in engine.live) + 1,
        journals=(),
        segments=sorted(rows),
        signer=engine.signing.signer.number,
    )
    head = amended(following)
    tree.append(merkle.audit_leaf(engine.suite, head.live_set().encode()))
    return replace(head, tree_size=tree.size, peaks=tuple(tree.peaks))


def _take_over(engine: Engine, head: Head, changes: _Changes) -> None:
    settled, store, index = list(engine.live), engine.store, engine.index
    gone = [live.number for live in settled] + [engine.part_container(segment_id) for segment_id in changes.parts]
    engine.head = head
    engine.accepting = False
    engine.leaves = head.tree_size - 1
    engine.live = []
    engine.settle_at = engine.options.settle_bytes
    with index.writing() as txn:
        for number, row in changes.segments.items():
            store.add_segment(number, row)
            index.put_container(txn, number, Container(ContainerKind.SEGMENT, row.segment_id))
        for one in changes.merged:
            for number, container in one.containers(store).items():
                store.add_segment(number, one.row, container)
                index.put_container(txn, number, container)
        move(index, txn, changes.places)
        changes.batch.write(index, txn)
        forget(index, txn, changes.forgotten)
        if changes.heads is not None:
            changes.heads.write(index, txn)
            engine.stated = changes.heads.entry()
        for number in gone:
            index.drop_container(txn, number)
        index.put_stamp(txn, Stamp(engine.vault_id, head.generation, NO_JOURNAL, 0))
    store.drop(gone)
    for live in settled:
        live.journal.close()
        path = engine.layout.journal(live.journal.header.journal_id)
        engine.vfs.unlink(path)
        drop_copy(engine.vfs, engine.layout, path, engine.metrics)
    engine.vfs.sync_directory(engine.layout.journals)
    discard_segments(engine, (source for one in changes.merged for source in one.sources), named=True)
