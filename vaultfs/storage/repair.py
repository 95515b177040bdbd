"""Repair of segments: what can be healed is written anew, byte for byte; what cannot is told to the record.

A repaired file is the one that was there: neither its root nor its signature changes, and the head knows nothing of it.
It is written under a name that does not count, read back whole, and renamed over the damaged one, if the head still
names it: a settling may have merged it with others meanwhile, and then there is nothing to repair and nothing to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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
from vaultfs.engine.files.mirrors import DAMAGE
from vaultfs.engine.files.pairs import spare
from vaultfs.engine.files.sealed import SealedSegment, open_segment, stage_whole
from vaultfs.engine.reading.store import read_table
from vaultfs.errors import (
    IndexDamaged,
    NotAuthentic,
    StorageFailed,
    StorageFull,
    StorageReadOnly,
    VaultDamaged,
    VaultError,
)
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
        Whether `records` are all: False where the directory itself, or what names the records of a blob, is lost.
    """

    segment_id: bytes
    healed: int = 0
    lost: Sequence[int] = ()
    records: Sequence[RecordId] = ()
    complete: bool = True


def repair(engine: Engine, row: SegmentRow, advance: Advance = lambda _: None) -> Repaired:
    """Look at every byte of a segment, and heal what is damaged. Others may read and write the vault meanwhile.

    Parameters
    ----------
    advance
        Is told the bytes that were looked at.

    Raises
    ------
    StorageFull, StorageReadOnly, StorageFailed
        The file is as it was.
    Closed, Forked, WriterPoisoned
    """
    with engine.maintained():
        done = _repaired(engine, row, advance)
        with engine.lock:
            return done if done.healed or engine.names(row) else Repaired(row.segment_id)


def _repaired(engine: Engine, row: SegmentRow, advance: Advance) -> Repaired:
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
        if (damage or segment.missing) and _put(engine, row, path, segment.sliced, damage):
            healed = max(1, len(damage.slices))
        if engine.mirroring:
            with spare(engine.vfs, engine.layout, engine.metrics):
                healed += _repair_mirror(engine, row, segment, advance)
    finally:
        segment.close()
    return Repaired(row.segment_id, healed)


def _put(engine: Engine, row: SegmentRow, path: Path, sliced: SlicedFile, damage: Damage) -> bool:
    """Write a segment, or its mirror, over what is there of it, unless the head does not name it any more."""
    temporary = stage_whole(engine.vfs, path, sliced, damage)
    try:
        with engine.lock:
            engine.check_writable()
            named = engine.names(row)
            if named:
                engine.vfs.rename(temporary, path)
                engine.store.reopen(row.segment_id)
    finally:
        engine.vfs.unlink(temporary)
    return named


def _repair_mirror(engine: Engine, row: SegmentRow, segment: SealedSegment, advance: Advance) -> int:
    """Make the mirror of a segment that is good whole; return how much of it was damaged, as in `Repaired`."""
    size = segment.mirror.size()
    damage = examine(segment.mirrored, size, advance)
    copy = engine.layout.copy_of(engine.layout.segment(row))
    if not damage or not _put(engine, row, copy, segment.mirrored, damage):
        return 0
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
    complete, at = True, 0
    for ordinal in range(footer.frames):
        frame, at = FrameRow.decode(data, at)
        header = frame.header
        first, last = frame.body_offset // size, (frame.body_offset + header.body_sealed - 1) // size
        if header.frame_class in (FrameClass.RECORD, FrameClass.BLOB) and not gone.isdisjoint(range(first, last + 1)):
            try:
                key = table.key(ordinal)
                block = open_entries(engine.suite, header, key, frame.entries)
            except (FormatError, NotAuthentic, IndexDamaged):
                complete = False
                continue
            if _authentic(segment, frame, engine.suite, key):
                continue  # the damage of the slice is elsewhere
            for entry in block.entries:
                if entry.role == Role.RECORD:
                    found[engine.chain.record_id(entry.incarnation, entry.number)] = None
                elif entry.role == Role.PART:
                    records, all_read = _records_with(engine, block.subject, entry.token)
                    found.update(dict.fromkeys(records))
                    complete &= all_read
    return list(found), complete


def _authentic(segment: SealedSegment, frame: FrameRow, suite: Suite, key: bytes) -> bool:
    try:
        check_body(suite, frame.header, key, segment.file.read(frame.body_offset, frame.header.body_sealed))
    except (NotAuthentic, StorageFailed):
        return False
    return True


def _records_with(engine: Engine, subject: bytes, content_id: bytes) -> tuple[list[RecordId], bool]:
    """Return the records of a subject that a part of a blob belongs to, and whether all frames could be asked."""
    records: list[RecordId] = []
    complete = True
    with engine.lock:  # no settling moves frames now
        try:
            with engine.index.reading() as txn:
                frames = engine.index.frames_of(txn, subject)
        except IndexDamaged:
            return [], False
        for handle, _, _ in frames:
            try:
                block = engine.store.load(handle, keep=False).block
            except (IndexDamaged, *DAMAGE):
                complete = False
                continue
            if any(part.content_id == content_id for part in block.parts):
                records += [
                    engine.chain.record_id(entry.incarnation, entry.number)
                    for entry in block.entries
                    if entry.role == Role.RECORD
                ]
    return records, complete


def repair_queue(engine: Engine) -> Iterator[Repaired]:
    """Repair the segments in which a read has met damage; yield what became of each.

    A segment leaves the queue when the next one is asked for, so that what was not taken note of comes again.

    Raises
    ------
    StorageFull, StorageReadOnly, StorageFailed
        In the end: what could not be repaired stays queued.
    Closed, Forked, WriterPoisoned
    """
    failure: VaultError | None = None
    with engine.maintained():
        for segment_id in sorted(engine.store.damaged):
            with engine.lock:
                row = next((row for row in engine.head.segments if row.segment_id == segment_id), None)
            if row is not None:
                try:
                    done = repair(engine, row)
                except (StorageFull, StorageReadOnly, StorageFailed) as error:
                    failure = failure or error
                    continue
                yield done
            engine.store.damaged.discard(segment_id)
    if failure is not None:
        raise failure
