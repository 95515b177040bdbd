"""Repair of segments: what can be healed is written anew, byte for byte; what cannot is told to the record.

A repaired file is the one that was there: neither its root nor its signature changes, and the head knows nothing of it.
It is written under a name that does not count, read back whole, and renamed over the damaged one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vaultfs_format.directory import FrameRow
from vaultfs_format.entries import Role
from vaultfs_format.errors import FormatError
from vaultfs_format.frame import FrameClass, check_body, open_entries
from vaultfs_format.head import SegmentRow
from vaultfs_format.healing import Damage, Lost, SlicedFile, examine, heal
from vaultfs_format.suite import Suite

from vaultfs.engine.engine import Engine
from vaultfs.engine.pairs import spare
from vaultfs.engine.sealed import SealedSegment, open_segment, write_whole
from vaultfs.engine.store import read_table
from vaultfs.errors import NotAuthentic, StorageFailed, VaultDamaged, VaultError
from vaultfs.model import RecordId

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of a segment.

    Parameters
    ----------
    healed
        Slices that were damaged and are whole again, parity and those of the mirror included; other damage that was
        healed counts as one.
    lost
        Numbers of the slices that nothing gives back. Then the file is as it was.
    records
        The records of which something is lost with these.
    complete
        Whether `records` are all: False where the directory itself is lost.
    """

    segment_id: bytes
    healed: int = 0
    lost: Sequence[int] = ()
    records: Sequence[RecordId] = ()
    complete: bool = True


def repair(engine: Engine, row: SegmentRow, advance: Advance = lambda _: None) -> Repaired:
    """Look at every byte of a segment, and heal what is damaged.

    Parameters
    ----------
    advance
        Is told the bytes that were looked at.

    Raises
    ------
    StorageFull, StorageReadOnly, StorageFailed
        The file is as it was.
    """
    path = engine.layout.segment(row)
    try:
        segment = open_segment(engine.vfs, engine.layout, row)
    except VaultDamaged:
        return Repaired(row.segment_id, lost=(0,), complete=False)
    try:
        damage = examine(segment.sliced, segment.file.size(), advance)
        lost = _lost(segment.sliced, damage) if damage else []
        if lost:
            records, complete = _affected(engine, row, segment, lost)
            return Repaired(row.segment_id, 0, lost, records, complete)
        healed = 0
        if damage or segment.missing:
            write_whole(engine.vfs, path, segment.sliced, damage)
            healed = max(1, len(damage.slices))
        if engine.mirroring:
            with spare(engine.vfs, engine.layout, engine.metrics):
                healed += _repair_mirror(engine, path, segment, advance)
    finally:
        segment.close()
    if healed:
        engine.store.reopen(row.segment_id)
    return Repaired(row.segment_id, healed)


def _repair_mirror(engine: Engine, path: Path, segment: SealedSegment, advance: Advance) -> int:
    """Make the mirror of a segment that is good whole; return how much of it was damaged, as in `Repaired`."""
    size = segment.mirror.size()
    damage = examine(segment.mirrored, size, advance)
    if not damage:
        return 0
    write_whole(engine.vfs, engine.layout.copy_of(path), segment.mirrored, damage)
    return max(1, len(damage.slices)) if size else 0


def _lost(sliced: SlicedFile, damage: Damage) -> list[int]:
    if damage.roots:
        return list(range(sliced.geometry.slices))
    return sorted({number for one in heal(sliced, damage) if isinstance(one, Lost) for number in one.slices})


def _affected(
    engine: Engine, row: SegmentRow, segment: SealedSegment, lost: Iterable[int]
) -> tuple[list[RecordId], bool]:
    """Return the records of which something is lost with these slices, and whether these are all."""
    footer, size = segment.footer, segment.footer.geometry.slice_size
    gone = set(lost)
    try:
        data = segment.read(footer.directory_offset, footer.directory_length)
        table = read_table(engine.vfs, engine.layout, engine.chain, row)
    except (VaultError, FormatError):
        return [], False
    found: dict[RecordId, None] = {}
    at = 0
    for ordinal in range(footer.frames):
        frame, at = FrameRow.decode(data, at)
        header = frame.header
        first, last = frame.body_offset // size, (frame.body_offset + header.body_sealed - 1) // size
        if header.frame_class in (FrameClass.RECORD, FrameClass.BLOB) and not gone.isdisjoint(range(first, last + 1)):
            key = table.key(ordinal)
            try:
                block = open_entries(engine.suite, header, key, frame.entries)
            except (FormatError, NotAuthentic):
                return list(found), False
            if _authentic(segment, frame, engine.suite, key):
                continue  # the damage of the slice is elsewhere
            for entry in block.entries:
                if entry.role == Role.RECORD:
                    found[engine.chain.record_id(entry.incarnation, entry.number)] = None
                elif entry.role == Role.PART:
                    found.update(dict.fromkeys(_records_with(engine, block.subject, entry.token)))
    return list(found), True


def _authentic(segment: SealedSegment, frame: FrameRow, suite: Suite, key: bytes) -> bool:
    try:
        check_body(suite, frame.header, key, segment.file.read(frame.body_offset, frame.header.body_sealed))
    except (NotAuthentic, StorageFailed):
        return False
    return True


def _records_with(engine: Engine, subject: bytes, content_id: bytes) -> list[RecordId]:
    """Return the records of a subject that a part of a blob belongs to."""
    records = []
    with engine.index.reading() as txn:
        frames = engine.index.frames_of(txn, subject)
    for handle, _, _ in frames:
        block = engine.store.load(handle, keep=False).block
        if any(part.content_id == content_id for part in block.parts):
            records += [
                engine.chain.record_id(entry.incarnation, entry.number)
                for entry in block.entries
                if entry.role == Role.RECORD
            ]
    return records


def repair_queue(engine: Engine) -> list[Repaired]:
    """Repair the segments in which a read has met damage.

    Raises
    ------
    StorageFull, StorageReadOnly, StorageFailed
        What was not repaired stays queued.
    """
    rows = {row.segment_id: row for row in engine.head.segments}
    done = []
    for segment_id in sorted(engine.store.damaged):
        if segment_id in rows:
            done.append(repair(engine, rows[segment_id]))
        engine.store.damaged.discard(segment_id)
    return done
