"""Starting a vault that was unlocked: recover it, remove litter, bring the index up to date, and log what was done."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from vaultfs_format.events.vault import Recovered, RollbackAccepted, VaultOpened

from vaultfs.engine.committing import reserve
from vaultfs.engine.committing.control import MIRRORING, ON
from vaultfs.engine.committing.grouping import Intent
from vaultfs.engine.custody.reencrypting import resume
from vaultfs.engine.engine import Engine
from vaultfs.engine.files.essentials import restore_essentials
from vaultfs.engine.files.heads import witness
from vaultfs.engine.indexing.index import Container, ContainerKind, Stamp
from vaultfs.engine.log.merging import MERGING
from vaultfs.engine.opening import rebuild
from vaultfs.engine.opening.acts import Acts
from vaultfs.engine.opening.recovery import open_journals
from vaultfs.engine.settling.litter import sweep
from vaultfs.engine.settling.settle import settle
from vaultfs.errors import IndexDamaged, StorageFull
from vaultfs.metrics import Counter

if TYPE_CHECKING:
    from vaultfs.engine.vault import Vault

MAX_LIVE_JOURNALS = 16
"""Journals of earlier processes after which opening settles them."""

_NEVER = 1 << 63
"""A size that no journals reach."""


def start(vault: Vault) -> None:
    """Make a vault whose files were opened ready for use.

    Raises
    ------
    VaultDamaged, FormatError, NotAuthentic, StorageFull, StorageReadOnly, StorageFailed
    """
    engine = vault.engine
    stamp = _stamp(engine)
    known = engine.index.containers() if stamp else {}
    engine.next_container = max(known, default=0) + 1
    engine.next_handle = engine.index.next_handle() if stamp else 1
    void, outdated = open_journals(engine, stamp)
    sweep(engine)
    with suppress(StorageFull):
        reserve.make(engine)
    restore_essentials(engine.vfs, engine.layout.root, engine.head.suite)
    if stamp is None or outdated:
        vault.rebuild_index()
    else:
        _resume_index(vault, stamp, known)
    engine.mirroring = vault.state(*MIRRORING).value == ON
    resume(vault)
    acts = Acts(engine, vault.state)
    left = acts.left()
    restored, rest = left.parted()
    engine.accepting |= left.restored
    if engine.accepting:
        _accept(vault, acts.claims(restored))
    if void:
        vault.note(Recovered, void)
    engine.index.forget_dead_readers()
    vault.note(VaultOpened)
    vault.merge_access_logs(seconds=MERGING)
    for intent in acts.claims(rest):
        vault.commit(intent)
    if engine.chain.turn.time:
        vault.retire()
    if len(engine.live) > MAX_LIVE_JOURNALS:
        vault.settle()
    elif engine.head.generation > engine.seen:
        witness(engine.anchors, engine.head, engine.metrics)
    for intent in acts.remove(left):  # not before the head says what a restored vault needs it to say
        with suppress(StorageFull):  # then they are logged again
            vault.commit(intent)


def _accept(vault: Vault, claims: Iterable[Intent]) -> None:
    """Write the head from which on an older vault is the vault, before anything is committed but what says so."""
    engine = vault.engine
    engine.settle_at = _NEVER
    if engine.older:
        vault.note(RollbackAccepted, engine.seen)
    for intent in claims:
        vault.commit(intent)
    engine.metrics.add(Counter.SEGMENTS_WRITTEN, settle(engine))


def _stamp(engine: Engine) -> Stamp | None:
    """Return the stamp of the index if it is of this vault and this head; any other index is made anew."""
    try:
        stamp = engine.index.stamp()
    except IndexDamaged:
        return None
    head = engine.head
    if stamp is None or (stamp.vault_id, stamp.generation) != (head.vault_id, head.generation):
        return None
    return stamp


def _resume_index(vault: Vault, stamp: Stamp, known: dict[int, Container]) -> None:
    engine = vault.engine
    rows = {row.segment_id: row for row in engine.head.segments}
    if not rows.keys() <= {one.file_id for one in known.values() if one.kind is ContainerKind.SEGMENT}:
        vault.rebuild_index()
        return
    numbers: dict[bytes, int] = {}
    for number, one in known.items():
        if one.kind is ContainerKind.SEGMENT and one.file_id in rows:
            engine.store.add_segment(number, rows[one.file_id], one)
        elif one.kind is ContainerKind.PART:
            engine.store.add_part(number, one.file_id)
        elif one.kind is ContainerKind.JOURNAL:
            numbers[one.file_id] = number
    past_stamp = stamp.journal_id not in {live.journal.header.journal_id for live in engine.live}
    with engine.index.writing() as txn:
        for live in engine.live:
            journal_id = live.journal.header.journal_id
            if journal_id in numbers:
                engine.store.renumber_journal(live.number, numbers[journal_id])
                live.number = numbers[journal_id]
            if past_stamp or journal_id == stamp.journal_id:
                after = 0 if past_stamp else stamp.group
                rebuild.index_journal(engine, engine.index, txn, live.number, live, after, engine.part_container)
                past_stamp = True
        engine.index.put_stamp(txn, rebuild.current_stamp(engine))
