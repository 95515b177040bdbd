"""Settling: the frames of all live journals become segments, and one head makes it so.

Order: segments with both copies of their key tables, each read back through its keys before it gets its name; the head;
the index; the journals are unlinked last. A crash at any point leaves either the journals or the head in force, and
what is not in force is litter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

from vaultfs_format import limits, merkle
from vaultfs_format.audit import ENTRY
from vaultfs_format.entries import Entry, EntryBlock, Role
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.journal import NO_JOURNAL
from vaultfs_format.segment import SUPERBLOCK_SIZE

from vaultfs.engine.batch import forget, year_of
from vaultfs.engine.engine import Engine
from vaultfs.engine.heads import write_head
from vaultfs.engine.index import Stamp
from vaultfs.engine.rebuild import index_segment
from vaultfs.engine.replay import FoundFrame, live_groups
from vaultfs.engine.segments import Placed, seal_part, write_segment
from vaultfs.engine.store import Lru
from vaultfs.engine.units import Unit
from vaultfs.model import NOBODY
from vaultfs.vfs import File

SEGMENT_TARGET = 64 * limits.MIB
"""Sealed bytes after which a segment is closed; also the least that makes a range of years of its own."""

VERBATIM = limits.FRAME_TARGET // 2
"""Frames with a body of at least this size are carried over as they are."""

NONE = (0, 0)


@dataclass(slots=True, repr=False)
class _Frame:
    """A frame of a journal, its entries opened."""

    found: FoundFrame
    block: EntryBlock
    commits: list[int]


@dataclass(slots=True, repr=False)
class _Harvest:
    """Everything that the live journals hold."""

    records: list[_Frame] = field(default_factory=list)
    control: list[_Frame] = field(default_factory=list)
    audit: list[_Frame] = field(default_factory=list)
    blobs: dict[bytes, list[_Frame]] = field(default_factory=dict)
    leaves: list[bytes] = field(default_factory=list)
    subjects: dict[int, list[tuple[bytes, int]]] = field(default_factory=dict)
    parts: dict[int, list[tuple[bytes, int]]] = field(default_factory=dict)


def settle(engine: Engine) -> int:
    """Settle all live journals; return how many segments were written. Call from the committer's thread or when idle.

    Raises
    ------
    StorageFull, StorageFailed, VaultDamaged
        The journals are still in force.
    """
    with engine.lock:
        engine.check_writable()
        if not engine.live:
            return 0
        if engine.active is not None:
            engine.active.journal.close_with_record()
            engine.active = None
        idle, busy = engine.parts.detach()
        parts: dict[bytes, File] = {}
        try:
            harvest = _harvest(engine, parts)
            rows = [*_write_records(engine, harvest.records), *_write_small(engine, harvest)]
            sealed = {segment_id for segment_id in harvest.blobs.keys() - busy if _mostly_live(harvest, segment_id)}
            rows += [_write_blobs(engine, harvest, one, in_place=one in sealed) for one in sorted(harvest.blobs)]
        finally:
            for file in parts.values():
                file.close()
        head = _next_head(engine, harvest, rows)
        write_head(engine.vfs, engine.layout, head, engine.chain.epoch_root)
        _take_over(engine, head, rows, harvest)
        for segment_id in (idle | harvest.blobs.keys()) - busy - sealed:
            engine.vfs.unlink(engine.layout.part(segment_id))
        return len(rows)


def _harvest(engine: Engine, parts: dict[bytes, File]) -> _Harvest:
    harvest = _Harvest()
    for live in engine.live:
        subjects = harvest.subjects.setdefault(live.number, [])
        parts_of = harvest.parts.setdefault(live.number, [])
        for group in live_groups(engine, live, parts):
            harvest.leaves += [
                group.group.audit[at : at + ENTRY.size] for at in range(0, len(group.group.audit), ENTRY.size)
            ]
            for found in group.frames:
                frame = _Frame(found, found.entries(), list(found.row.commits()))
                subjects.append((frame.block.subject, found.ordinal))
                match found.row.header.frame_class:
                    case FrameClass.AUDIT:
                        harvest.audit.append(frame)
                    case FrameClass.CONTROL:
                        harvest.control.append(frame)
                    case FrameClass.BLOB:
                        harvest.blobs.setdefault(found.segment_id, []).append(frame)
                        parts_of += [(e.token, found.ordinal) for e in frame.block.entries if e.role == Role.PART]
                    case _:
                        harvest.records.append(frame)
    return harvest


# Records: by range of years, then by subject.


def _write_records(engine: Engine, frames: Sequence[_Frame]) -> Iterator[SegmentRow]:
    ranges = _ranges(frames)
    by_range: dict[tuple[int, int], dict[bytes, list[_Frame]]] = {}
    for frame in frames:
        for years in {_range_of(year, ranges) for year in _years(frame)}:
            by_range.setdefault(years, {}).setdefault(frame.block.subject, []).append(frame)
    bodies: Lru[bytes, bytes] = Lru(8 * limits.MIB, len)
    for years, subjects in sorted(by_range.items()):
        pending: list[Placed] = []
        size, first, last = 0, 9999, 0
        for subject in sorted(subjects):
            for placed, low, high in _pack_subject(engine, subjects[subject], years, ranges, bodies):
                pending.append(placed)
                size += placed.size
                if low:
                    first, last = min(first, low), max(last, high)
            if size >= SEGMENT_TARGET:
                yield write_segment(engine, FrameClass.RECORD, _span(years, first, last), pending)
                pending, size, first, last = [], 0, 9999, 0
        if pending:
            yield write_segment(engine, FrameClass.RECORD, _span(years, first, last), pending)


def _span(years: tuple[int, int], first: int, last: int) -> tuple[int, int]:
    return NONE if years == NONE or last == 0 else (first, last)


def _ranges(frames: Iterable[_Frame]) -> list[tuple[int, int]]:
    """Return consecutive ranges of years, each with enough bytes for a segment of its own."""
    weights: dict[int, int] = {}
    for frame in frames:
        share = frame.found.row.header.body_sealed // len(frame.block.entries)
        for entry in frame.block.entries:
            if entry.role == Role.RECORD and entry.precision:
                year = year_of(entry.date)
                weights[year] = weights.get(year, 0) + share
    ranges, first, weight = [], None, 0
    left = sum(weights.values())
    for year in sorted(weights):
        first = year if first is None else first
        weight += weights[year]
        if weight >= SEGMENT_TARGET and left - weight >= SEGMENT_TARGET // 2:
            ranges.append((first, year))
            left -= weight
            first, weight = None, 0
    if first is not None:
        ranges.append((first, max(weights)))
    return ranges


def _years(frame: _Frame) -> set[int]:
    """Return the years of a frame's records, 0 for those that lack a date or a subject."""
    if frame.block.subject == NOBODY:
        return {0}
    years = {year_of(e.date) if e.precision else 0 for e in frame.block.entries if e.role == Role.RECORD}
    return years or {0}


def _range_of(year: int, ranges: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return next((r for r in ranges if r[0] <= year <= r[1]), NONE) if year else NONE


def _pack_subject(
    engine: Engine,
    frames: Sequence[_Frame],
    years: tuple[int, int],
    ranges: Sequence[tuple[int, int]],
    bodies: Lru[bytes, bytes],
) -> Iterator[tuple[Placed, int, int]]:
    """Yield one subject's frames for one range, with their first and last year."""
    packer = _Packer(engine, FrameClass.RECORD, frames[0].block.subject)
    for frame in frames:
        all_years = _years(frame)
        header = frame.found.row.header
        whole = {_range_of(year, ranges) for year in all_years} == {years}
        if whole and header.body_plain >= VERBATIM:
            yield _verbatim(frame), min(all_years), max(all_years)
            continue
        home = min(_range_of(year, ranges) for year in all_years)
        body = bodies.get(header.frame_id, frame.found.body)
        for entry, commit in zip(frame.block.entries, frame.commits, strict=True):
            year = 0
            if entry.role == Role.RECORD and frame.block.subject != NOBODY:
                year = year_of(entry.date) if entry.precision else 0
                target = _range_of(year, ranges)
            else:
                target = home
            if target == years:
                packer.add(entry, commit, body, year)
    yield from packer.finish()


def _verbatim(frame: _Frame) -> Placed:
    row = frame.found.row
    return Placed(row.header, frame.found.sealed_body, row.entries, frame.found.key, row.runs, row.body_offset)


class _Packer:
    """Packs entries of one shred unit into new frames under new keys; commit numbers are kept."""

    def __init__(self, engine: Engine, frame_class: FrameClass, subject: bytes) -> None:
        self._unit = Unit(engine.suite, frame_class, subject)
        self._commits: list[int] = []
        self._years: list[int] = []

    def add(self, entry: Entry, commit: int, body: bytes, year: int = 0) -> None:
        """Take in an entry and its bytes out of `body`."""
        size = entry.before + entry.length + entry.after
        data = body[entry.offset : entry.offset + size]
        self._unit.add(entry._replace(offset=self._unit.room(size)), data)
        self._commits.append(commit)
        self._years.append(year)

    def finish(self) -> Iterator[tuple[Placed, int, int]]:
        """Yield the frames with their first and last year (0 where nothing is dated)."""
        self._unit.flush()
        commits, years = iter(self._commits), iter(self._years)
        for drafted in self._unit.frames:
            count = len(drafted.block.entries)
            dated = [year for year in islice(years, count) if year] or [0]
            sealed = drafted.sealed
            runs = _runs(islice(commits, count))
            yield (
                Placed(sealed.header, partial(bytes, sealed.body), sealed.entries, sealed.key, runs),
                min(dated),
                max(dated),
            )


def _runs(commits: Iterable[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for commit in commits:
        if runs and runs[-1][1] == commit:
            runs[-1] = (runs[-1][0] + 1, commit)
        else:
            runs.append((1, commit))
    return runs


# Control state and audit: few and small, one segment each. Blobs: the part file becomes the segment.


def _write_small(engine: Engine, harvest: _Harvest) -> Iterator[SegmentRow]:
    control = _pack_states(engine, harvest.control)
    if control:
        yield write_segment(engine, FrameClass.CONTROL, NONE, control)
    if harvest.leaves:
        first = engine.live[0].journal.header.first_leaf
        audit = [placed for placed, _, _ in _pack_audit(engine, harvest.audit)]
        yield write_segment(engine, FrameClass.AUDIT, NONE, audit, b"".join(harvest.leaves), first)


def _pack_states(engine: Engine, frames: Sequence[_Frame]) -> list[Placed]:
    """Return the newest version of each state: what it replaces is not carried over."""
    newest: dict[bytes, int] = {}
    for frame in frames:
        for entry in frame.block.entries:
            newest[entry.token] = max(newest.get(entry.token, 0), entry.version)
    packer = _Packer(engine, FrameClass.CONTROL, NOBODY)
    for frame in frames:
        body = frame.found.body()
        for entry, commit in zip(frame.block.entries, frame.commits, strict=True):
            if newest[entry.token] == entry.version:
                packer.add(entry, commit, body)
    return [placed for placed, _, _ in packer.finish()]


def _pack_audit(engine: Engine, frames: Sequence[_Frame]) -> Iterator[tuple[Placed, int, int]]:
    packer = _Packer(engine, FrameClass.AUDIT, NOBODY)
    for frame in frames:
        if frame.found.row.header.body_plain >= VERBATIM:
            yield from packer.finish()
            packer = _Packer(engine, FrameClass.AUDIT, NOBODY)
            yield _verbatim(frame), 0, 0
            continue
        body = frame.found.body()
        for entry, commit in zip(frame.block.entries, frame.commits, strict=True):
            packer.add(entry, commit, body)
    yield from packer.finish()


def _mostly_live(harvest: _Harvest, segment_id: bytes) -> bool:
    """Return whether at least half of a part file is bodies that count."""
    live = sum(frame.found.row.header.body_sealed for frame in harvest.blobs[segment_id])
    return 2 * live >= _end(harvest.blobs[segment_id]) - SUPERBLOCK_SIZE


def _end(frames: Sequence[_Frame]) -> int:
    return max(frame.found.row.body_offset + frame.found.row.header.body_sealed for frame in frames)


def _write_blobs(engine: Engine, harvest: _Harvest, segment_id: bytes, *, in_place: bool) -> SegmentRow:
    """Make a segment of the bodies in a part file: of the file itself, or of copies where others still write to it."""
    frames = harvest.blobs[segment_id]
    years = [year for frame in frames for year in _years(frame) if year]
    span = (min(years), max(years)) if years else NONE
    placed = [_verbatim(frame) for frame in frames]
    if not in_place:
        return write_segment(engine, FrameClass.BLOB, span, placed)
    return seal_part(engine, segment_id, _end(frames), span, placed)


# Taking over.


def _next_head(engine: Engine, harvest: _Harvest, rows: Sequence[SegmentRow]) -> Head:
    """Return the head over the old segments and the new ones; its live set is the last leaf of the audit tree."""
    old = engine.head
    tree = old.tree()
    repeated = old.tree_size - engine.live[0].journal.header.first_leaf
    tree.extend(merkle.audit_leaf(leaf) for leaf in harvest.leaves[repeated:])
    head = replace(
        old,
        generation=old.generation + 1,
        last_commit=engine.last_commit,
        next_number=max(live.journal.header.last_number for live in engine.live) + 1,
        journals=(),
        segments=sorted([*old.segments, *rows]),
    )
    tree.append(merkle.audit_leaf(head.live_set().encode()))
    return replace(head, tree_size=tree.size, peaks=tuple(tree.peaks))


def _take_over(engine: Engine, head: Head, rows: Sequence[SegmentRow], harvest: _Harvest) -> None:
    settled = list(engine.live)
    part_numbers = [engine.part_container(segment_id) for segment_id in harvest.blobs]
    segments = {engine.take_container(): row for row in rows}
    engine.head = head
    engine.leaves = head.tree_size - 1
    engine.live = []
    try:
        with engine.index.writing() as txn:
            for number, row in segments.items():
                index_segment(engine, engine.index, txn, number, row)
                engine.store.add_segment(number, row)
            for number, subjects in harvest.subjects.items():
                forget(engine.index, txn, number, subjects, harvest.parts[number])
            for number in part_numbers:
                forget(engine.index, txn, number, ())
            engine.index.put_stamp(txn, Stamp(engine.vault_id, head.generation, NO_JOURNAL, 0))
    except BaseException:
        engine.poisoned = True
        raise
    engine.store.drop([*(live.number for live in settled), *part_numbers])
    for live in settled:
        live.journal.close()
        engine.vfs.unlink(engine.layout.journal(live.journal.header.journal_id))
    engine.vfs.sync_directory(engine.layout.journals)
