"""Turning the epoch: new keys take over, and with the old ones go the keys of what is disposed of.

Order, each step durable before the next: nothing is left in journals, because no key of a journal is carried over; the
new secret is in every store, and read back; the segments in which frames are disposed of have new key tables, without
the keys of these; the new keyring has the keys of all other tables; the head, which is the commit point; the index.
Before the head the old epoch is in force, and what is of the new one is litter; after it the reverse.

The old secret is destroyed, and with it all that opens an old copy of what was disposed of, once every copy of the
vault that is known was brought up to date since.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from functools import partial

from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY, encode_events
from vaultfs_format.directory import HERE, encode_row
from vaultfs_format.epoch import EpochSecret, epoch_root
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.journal import NO_JOURNAL
from vaultfs_format.keyring import Keyring, Turn
from vaultfs_format.keytable import DISPOSED, seal_table
from vaultfs_format.layout import Buffer
from vaultfs_format.secret import Secret
from vaultfs_format.signing import SigningKeys
from vaultfs_format.suite import DIGEST, KEY
from vaultfs_format.superblock import Superblock

from vaultfs.audit.events import Sealable
from vaultfs.engine.committing.grouping import audit_frames
from vaultfs.engine.custody.copies import after, known_copies
from vaultfs.engine.custody.erasing import Erased, erase, erased_slots, frames_of, rekey_aliases
from vaultfs.engine.engine import Engine
from vaultfs.engine.files.heads import read_keyring, stage_head, witness
from vaultfs.engine.files.pairs import keep_pair
from vaultfs.engine.indexing.index import Container, ContainerKind, Stamp
from vaultfs.engine.opening.seen import next_generation
from vaultfs.engine.reading.store import TableReader, load_table
from vaultfs.engine.settling.packing import NONE
from vaultfs.engine.settling.retired import Retired, put_away_tables, read_retired, write_retired
from vaultfs.engine.settling.segments import Placed, Written, take_back, write_segment
from vaultfs.errors import IndexDamaged, NotAuthentic
from vaultfs.keys.chain import KeyChain, turned_keyring
from vaultfs.keys.stores import asked, put_new
from vaultfs.metrics import Timing, timed

SignerKeys = tuple[int, bytes | bytearray]
"""Number and private keys of a signer."""


@dataclass(frozen=True, slots=True)
class Turned:
    """What a turn did.

    Parameters
    ----------
    epoch
        The epoch that is in force now.
    frames
        How many frames were disposed of.
    tables
        How many key tables were written anew for it.
    """

    epoch: int
    frames: int
    tables: int


@dataclass(frozen=True, slots=True, repr=False)
class Replacement:
    """Another VAULT, of the next generation.

    Parameters
    ----------
    superblock
        With other recipients, and a root key that those before do not know; or with one more signer.
    signer
        Number and private keys of the newest signer, if it is new.
    """

    superblock: Superblock
    signer: SignerKeys | None = None


def turn(
    engine: Engine,
    root_key: Buffer,
    subjects: Sequence[bytes],
    events: Sealable,
    replacement: Replacement | None = None,
) -> Turned:
    """Begin another epoch, without the keys of these subjects. Call under the lock, when no journal is live.

    Parameters
    ----------
    root_key
        That of VAULT; another one if VAULT is replaced.
    events
        What the log says of it, in the same commit.
    replacement
        Another VAULT, if there is to be one.

    Raises
    ------
    NotFound
        There is no such subject: nothing was begun.
    IndexDamaged
        The index does not have all frames of the segments: make it anew, and turn again.
    EpochSecretMissing
        A store does not give back what was put into it.
    VaultDamaged, FormatError, NotAuthentic
        A key table is damaged: what it holds would be lost; or a file is not what was written.
    StorageFull, StorageReadOnly, StorageFailed
        The old epoch is in force; the writer is poisoned if that is in doubt.
    """
    _check_complete(engine)
    with timed(engine.metrics, Timing.TURN_FRAMES):
        frames = frames_of(engine, subjects)
    secret = _new_secret(engine)
    top = epoch_root(engine.suite, root_key, secret.secret, engine.vault_id, secret.epoch)
    signer = replacement.signer if replacement else None
    with timed(engine.metrics, Timing.TURN_TABLES):
        tables = _Tables(engine, secret.epoch, top, erased_slots(frames))
    coming = copy(engine)
    with timed(engine.metrics, Timing.TURN_KEYRING):
        coming.chain, keyring_digest = _new_chain(engine, secret.epoch, top, tables, len(frames), signer)
    if signer is not None:
        coming.signing = SigningKeys(engine.suite, *signer)
    log = _log(coming, events)
    try:
        old = engine.head if replacement is None else _replaced(engine, replacement.superblock, root_key)
        old = replace(old, epoch=secret.epoch, keyring_digest=keyring_digest, signer=coming.signing.signer.number)
        coming.head = _next_head(engine, old, [*tables.rows, log.row], events)
        staged = stage_head(engine.vfs, engine.layout, coming.head, top, coming.signing, engine.metrics)
    except BaseException:  # once there is a later epoch nothing would tell it from a segment that was lost
        take_back(coming, engine.layout.segment(log.row).with_suffix(".tmp"))
        raise
    try:
        coming.head = staged.publish(engine.vfs, engine.layout, engine.metrics)
        _take_over(engine, coming, log.row, frames)
    except BaseException:
        engine.poison()
        raise
    engine.disposed.update(subjects)
    witness(engine.anchors, engine.head, engine.metrics)
    return Turned(secret.epoch, len(frames), tables.written)


def _log(coming: Engine, events: Sealable) -> Written:
    """Write a segment with events; it begins with the leaf of the head that is in force, which no journal repeats."""
    head, commit = coming.head, coming.last_commit + 1
    audit = head.live_set().encode() + encode_events(commit, events.commitments)
    frames = [
        Placed(encode_row(one.sealed.encoded, one.sealed.entries, 0, HERE, runs), one.sealed.body, one.sealed.key)
        for one, runs in audit_frames(coming.suite, [(commit, chunk) for chunk in events.chunks])
    ]
    return write_segment(coming, FrameClass.AUDIT, NONE, frames, audit, head.tree_size - 1)


def _check_complete(engine: Engine) -> None:
    """Refuse an index that lacks a frame: a key that is not found is not left out."""
    with engine.index.reading() as txn:
        known = engine.index.count_frames(txn)
    held = sum(row.frames for row in engine.head.segments if row.frame_class is not FrameClass.AUDIT)
    if known != held - engine.chain.turn.disposed:
        raise IndexDamaged


def _new_secret(engine: Engine) -> EpochSecret:
    """Put a new secret into every store, and read it back.

    Its epoch is beyond all that any store knows: a turn that was cut off, or a vault that was older, has left them.
    """
    known = [epoch for store in engine.stores for epoch in asked(partial(store.epochs, engine.vault_id))]
    secret = EpochSecret(engine.suite, engine.vault_id, 1 + max([engine.head.epoch, *known]), Secret(os.urandom(KEY)))
    put_new(engine.stores, secret)
    return secret


def _new_chain(
    engine: Engine,
    epoch: int,
    top: Buffer,
    tables: _Tables,
    disposed: int,
    signer: SignerKeys | None,
) -> tuple[KeyChain, bytes]:
    """Write the keyring of the new epoch, and read it back; return the keys that follow from it, and its digest."""
    ring = read_keyring(engine.vfs, engine.layout, engine.head)
    began = Turn(after(known_copies(engine), engine.options.clock()), engine.chain.turn.disposed + disposed)
    keyring = turned_keyring(ring, engine.chain.epoch_root, epoch, top, tables.kept, began, signer)
    data = keyring.encode()
    path = engine.layout.keyring(epoch)
    keep_pair(engine.vfs, engine.layout, path, data, engine.metrics)
    return KeyChain(engine.suite, epoch, top, Keyring.decode(data)), engine.suite.digest(data)


class _Tables:
    """The key tables of the new epoch, written as far as they change.

    Attributes
    ----------
    rows
        The segments, as the new head names them.
    kept
        Keys of the tables that stay as they are, by segment id, those that were put away included.
    written
        How many were written anew.
    """

    def __init__(self, engine: Engine, epoch: int, top: Buffer, erased: Mapping[bytes, set[int]]) -> None:
        self._engine = engine
        self._epoch = epoch
        self._top = top
        self.kept: dict[bytes, bytes] = {}
        self.written = 0
        self._gone: set[bytes] = set()
        """The keys that are left out."""
        self.rows = [self._row(row, erased.get(row.segment_id, set())) for row in engine.head.segments]
        for retired in put_away_tables(engine):
            self._put_away(retired)

    def _row(self, row: SegmentRow, slots: set[int]) -> SegmentRow:
        engine = self._engine
        table = load_table(engine.vfs, engine.layout, row)
        key = engine.chain.table_key(table)
        table.verify(key)
        if not slots:
            self.kept[row.segment_id] = key
            return row
        keys = list(TableReader(table, key).keys())
        self._gone.update(keys[slot] for slot in slots)
        left = [DISPOSED if slot in slots else key for slot, key in enumerate(keys)]
        made = self._sealed(row.segment_id, left)
        renewed = row._replace(table_epoch=self._epoch, table_digest=made[-DIGEST:])
        keep_pair(engine.vfs, engine.layout, engine.layout.key_table(renewed), made, engine.metrics)
        return renewed

    def _put_away(self, retired: Retired) -> None:
        """Carry over a table that was put away, without the keys that are left out; one that does not open is lost."""
        engine = self._engine
        table = read_retired(engine, retired)
        if table is None:
            return
        with suppress(NotAuthentic):
            key = engine.chain.table_key(table)
            keys = list(TableReader(table, key).keys())
            left = [DISPOSED if self._is_gone(one) else one for one in keys]
            if left == keys:
                self.kept[retired.segment_id] = key
            else:
                write_retired(engine, retired, self._epoch, self._sealed(retired.segment_id, left))

    def _is_gone(self, key: bytes) -> bool:
        """Return whether the frame of a key is disposed of, which may have been sealed anew since."""
        engine = self._engine
        return bool(self._gone) and not self._gone.isdisjoint(engine.renewal.may_be(engine.suite, key))

    def _sealed(self, segment_id: bytes, left: Sequence[bytes]) -> bytes:
        """Return a table of the new epoch."""
        engine = self._engine
        self.written += 1
        salt = os.urandom(32)
        return seal_table(engine.suite, engine.vault_id, segment_id, self._epoch, self._top, salt, left).encode()


def _replaced(engine: Engine, superblock: Superblock, root_key: Buffer) -> Head:
    """Write another VAULT, and read it back; return the head that is in force as it would name it."""
    data, generation = superblock.encode(root_key), superblock.generation
    keep_pair(engine.vfs, engine.layout, engine.layout.superblock(generation), data, engine.metrics)
    return replace(engine.head, superblock_generation=generation, superblock_digest=engine.suite.digest(data))


def _next_head(engine: Engine, old: Head, rows: Sequence[SegmentRow], events: Sealable) -> Head:
    commit = engine.last_commit + 1
    head = replace(
        old,
        generation=next_generation(old, engine.seen),
        last_commit=commit,
        segments=sorted(rows),
    )
    tree, entries = old.tree(), encode_events(commit, events.commitments)
    tree.extend(
        merkle.audit_leaves(engine.suite, [entries[at : at + ENTRY.size] for at in range(0, len(entries), ENTRY.size)])
    )
    tree.append(merkle.audit_leaf(engine.suite, head.live_set().encode()))
    return replace(head, tree_size=tree.size, peaks=tuple(tree.peaks))


def _take_over(engine: Engine, coming: Engine, log: SegmentRow, frames: Sequence[Erased]) -> None:
    head, number = coming.head, engine.take_container()
    with timed(engine.metrics, Timing.TURN_INDEX), engine.index.writing() as txn:
        with timed(engine.metrics, Timing.TURN_ALIASES):
            gone = {frame.facts.subject for frame in frames}
            rekey_aliases(engine.index, txn, engine.chain, coming.chain, gone)
        erase(coming, txn, frames)
        engine.index.put_container(txn, number, Container(ContainerKind.SEGMENT, log.segment_id))
        engine.index.put_stamp(txn, Stamp(engine.vault_id, head.generation, NO_JOURNAL, 0))
        engine.head, engine.chain, engine.signing = head, coming.chain, coming.signing
        engine.leaves = head.tree_size - 1
        engine.last_commit = head.last_commit
        engine.store.add_segment(number, log)
        engine.store.use(coming.chain, head.segments)
