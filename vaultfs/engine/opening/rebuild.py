"""Making the index from the files: all of it, or what a journal has beyond its stamp."""

from __future__ import annotations

from collections.abc import Callable

import lmdb
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import SegmentRow
from vaultfs_format.journal import NO_JOURNAL

from vaultfs.engine.committing import collector
from vaultfs.engine.engine import LiveJournal, View
from vaultfs.engine.files.mirrors import Doubled
from vaultfs.engine.indexing.batch import Batch
from vaultfs.engine.indexing.facts import facts_of
from vaultfs.engine.indexing.index import PLACE, Container, ContainerKind, Index, Stamp
from vaultfs.engine.opening.replay import FoundFrame, live_groups, segment_frames


@collector.paused()
def index_segment(engine: View, index: Index, txn: lmdb.Transaction, number: int, row: SegmentRow) -> None:
    """Index a segment as container `number`."""
    index.put_container(txn, number, Container(ContainerKind.SEGMENT, row.segment_id))
    if row.frame_class is not FrameClass.AUDIT:
        batch = Batch(engine.chain.alias_keys)
        for frame in segment_frames(engine, row):
            _add(engine, batch, frame, number, number)
        batch.write(index, txn)


@collector.paused()
def index_journal(
    engine: View,
    index: Index,
    txn: lmdb.Transaction,
    number: int,
    live: LiveJournal,
    after: int,
    part_number: Callable[[bytes], int],
) -> None:
    """Index the groups of a live journal after group `after` as container `number`.

    Parameters
    ----------
    part_number
        Returns the number of a part file.
    """
    index.put_container(txn, number, Container(ContainerKind.JOURNAL, live.journal.header.journal_id))
    parts: dict[bytes, Doubled] = {}
    batch = Batch(engine.chain.alias_keys)
    try:
        for group in live_groups(engine, live, parts):
            if group.group.number <= after:
                continue
            for frame in group.frames:
                home = part_number(frame.segment_id) if frame.segment_id else number
                _add(engine, batch, frame, number, home)
        for segment_id in parts:
            index.put_container(txn, part_number(segment_id), Container(ContainerKind.PART, segment_id))
    finally:
        for part in parts.values():
            part.close()
    batch.write(index, txn)


def _add(engine: View, batch: Batch, frame: FoundFrame, container: int, body_container: int) -> None:
    header = frame.row.header
    if header.frame_class is FrameClass.AUDIT:
        return
    batch.add(
        engine.take_handles(1),
        PLACE.pack(*frame.place(container, body_container)),
        facts_of(frame.entries()),
        frame.row.runs,
    )


def current_stamp(engine: View) -> Stamp:
    """Return the stamp of an index that covers everything durable."""
    if not engine.live:
        return Stamp(engine.vault_id, engine.head.generation, NO_JOURNAL, 0)
    journal = engine.live[-1].journal
    return Stamp(engine.vault_id, engine.head.generation, journal.header.journal_id, journal.durable)


def build(engine: View, index: Index) -> None:
    """Fill an empty index from the segments and the live journals, and go on with it. The stamp comes last.

    Until then the index in force stays so: a file that is damaged takes nothing away from the others.
    """
    segments: dict[int, SegmentRow] = {}
    parts: dict[bytes, int] = {}

    def part_number(segment_id: bytes) -> int:
        if segment_id not in parts:
            parts[segment_id] = engine.take_container()
        return parts[segment_id]

    for row in engine.head.segments:
        number = engine.take_container()
        segments[number] = row
        with index.writing() as txn:
            index_segment(engine, index, txn, number, row)
    journals = {engine.take_container(): live for live in engine.live}
    with index.writing() as txn:
        for number, live in journals.items():
            index_journal(engine, index, txn, number, live, 0, part_number)
        index.put_stamp(txn, current_stamp(engine))
    engine.index = index
    store = engine.store
    store.renew(index)
    for number, live in journals.items():
        live.number = number
        live.catalogue = None
        store.add_journal(number, live.journal)
    for number, row in segments.items():
        store.add_segment(number, row)
    for segment_id, number in parts.items():
        store.add_part(number, segment_id)
