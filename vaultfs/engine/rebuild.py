"""Making the index from the files: all of it, or what a journal has beyond its stamp."""

from __future__ import annotations

import lmdb
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import SegmentRow
from vaultfs_format.journal import NO_JOURNAL

from vaultfs.engine.batch import Batch
from vaultfs.engine.engine import Engine, LiveJournal
from vaultfs.engine.index import ContainerKind, Stamp
from vaultfs.engine.replay import FoundFrame, live_groups, segment_frames
from vaultfs.vfs import File


def index_segment(engine: Engine, txn: lmdb.Transaction, row: SegmentRow) -> None:
    """Index a segment and make it readable."""
    number = engine.take_container()
    engine.index.put_container(txn, number, ContainerKind.SEGMENT, row.segment_id)
    if row.frame_class is not FrameClass.AUDIT:
        batch = Batch(engine.chain.alias_key)
        for frame in segment_frames(engine, row):
            _add(batch, frame, number, number)
        batch.write(engine.index, txn)
    engine.store.add_segment(number, row)


def index_journal(engine: Engine, txn: lmdb.Transaction, live: LiveJournal, after: int) -> None:
    """Index the groups of a live journal after group `after`."""
    engine.index.put_container(txn, live.number, ContainerKind.JOURNAL, live.journal.header.journal_id)
    parts: dict[bytes, File] = {}
    batch = Batch(engine.chain.alias_key)
    try:
        for group in live_groups(engine, live, parts):
            if group.group.number <= after:
                continue
            for frame in group.frames:
                home = live.number
                if frame.segment_id:
                    home, new = engine.part_container(frame.segment_id)
                    if new:
                        engine.index.put_container(txn, home, ContainerKind.PART, frame.segment_id)
                _add(batch, frame, live.number, home)
    finally:
        for file in parts.values():
            file.close()
    batch.write(engine.index, txn)


def _add(batch: Batch, frame: FoundFrame, container: int, body_container: int) -> None:
    header = frame.row.header
    if header.frame_class is FrameClass.AUDIT:
        return
    batch.add(
        frame.address(container),
        frame.place(body_container),
        header.frame_class,
        header.frame_id,
        frame.entries(),
        frame.row.commits(),
    )


def current_stamp(engine: Engine) -> Stamp:
    """Return the stamp of an index that covers everything durable."""
    if not engine.live:
        return Stamp(engine.vault_id, engine.head.generation, NO_JOURNAL, 0)
    journal = engine.live[-1].journal
    return Stamp(engine.vault_id, engine.head.generation, journal.header.journal_id, journal.durable)


def build(engine: Engine) -> None:
    """Fill an empty index from the segments and the live journals; the stamp comes last."""
    for row in engine.head.segments:
        with engine.index.writing() as txn:
            index_segment(engine, txn, row)
    with engine.index.writing() as txn:
        for live in engine.live:
            index_journal(engine, txn, live, 0)
        engine.index.put_stamp(txn, current_stamp(engine))
