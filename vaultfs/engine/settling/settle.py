"""Settling: the frames of all live journals become segments, and one head makes it so.

Order: segments with both copies of their key tables, each read back before it gets its name; the head; the index; the
journals, and the segments that others have taken in or that were pruned, are unlinked last. A crash at any point leaves
either the old head or the new one in force, and what is not in force is litter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from vaultfs_format import merkle
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.journal import NO_JOURNAL

from vaultfs.engine.committing import collector, reserve
from vaultfs.engine.engine import Engine
from vaultfs.engine.files.heads import stage_head, witness
from vaultfs.engine.files.pairs import drop_copy
from vaultfs.engine.files.sealed import mirror_segment
from vaultfs.engine.indexing.batch import forget, move
from vaultfs.engine.indexing.index import Container, ContainerKind, Stamp
from vaultfs.engine.log.logbase import Pruning
from vaultfs.engine.opening.recovery import restore_parts
from vaultfs.engine.opening.seen import next_generation
from vaultfs.engine.settling.carrying import (
    Changes,
    count_events,
    write_audit,
    write_blobs,
    write_records,
    write_states,
)
from vaultfs.engine.settling.compaction import discard_segments, merge_small
from vaultfs.engine.settling.harvest import Harvest
from vaultfs.engine.settling.renewing import renewed
from vaultfs.errors import StorageFull, VaultError
from vaultfs.metrics import Counter


def as_it_is(head: Head) -> Head:
    """Return a head without amendments."""
    return head


@collector.paused()
def settle(
    engine: Engine,
    amended: Callable[[Head], Head] = as_it_is,
    renewing: Sequence[SegmentRow] = (),
    pruning: Pruning | None = None,
) -> int:
    """Settle all live journals; return how many segments were written. Call from the committer's thread or when idle.

    The journals are held in memory: at most `Options.settle_bytes` and one transaction.

    Parameters
    ----------
    amended
        Returns the head that is to be in force, made of the one that follows: with other files of keys, for one.
    renewing
        Segments of the head that are sealed anew, each held in memory, those of blobs excepted.
    pruning
        What is removed of the log.

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
        changes = Changes(engine, pruning)
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


def _write_all(engine: Engine, changes: Changes, busy: set[bytes]) -> None:
    """Write all segments."""
    harvests = [Harvest(engine, live) for live in engine.live]
    leaves = count_events(engine, harvests, changes)
    write_records(engine, harvests, changes)
    write_states(engine, harvests, changes)
    write_audit(engine, harvests, leaves, changes)
    changes.parts = {segment_id for harvest in harvests for segment_id in harvest.catalogue.blobs}
    for segment_id in sorted(changes.parts):
        if write_blobs(engine, harvests, segment_id, changes, busy=segment_id in busy):
            changes.sealed.add(segment_id)
    if not engine.renewal.before:
        gone = changes.pruning.gone if changes.pruning else ()
        rows = [row for row in engine.head.segments if row not in gone]
        for one in merge_small(engine, [*rows, *changes.segments.values()]):
            changes.merged.append(one)


def _undo(engine: Engine, changes: Changes) -> None:
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


# Taking over.


def _next_head(engine: Engine, changes: Changes, amended: Callable[[Head], Head]) -> Head:
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
        generation=next_generation(old, engine.seen),
        incarnation=old.incarnation + engine.accepting,
        last_commit=engine.last_commit,
        next_number=max(live.journal.header.last_number for live in engine.live) + 1,
        journals=(),
        segments=sorted(rows),
        signer=engine.signing.signer.number,
    )
    if changes.pruning is not None:
        following = changes.pruning.amended(following)
    head = amended(following)
    tree.append(merkle.audit_leaf(engine.suite, head.live_set().encode()))
    return replace(head, tree_size=tree.size, peaks=tuple(tree.peaks))


def _take_over(engine: Engine, head: Head, changes: Changes) -> None:
    settled, store, index = list(engine.live), engine.store, engine.index
    gone = [live.number for live in settled] + [engine.part_container(segment_id) for segment_id in changes.parts]
    pruned = changes.pruning.gone if changes.pruning else ()
    gone += [number for row in pruned for number in store.numbers_of(ContainerKind.SEGMENT, row.segment_id)]
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
    discard_segments(engine, pruned)
