"""Taking out of the index what was disposed of, and giving it the keys of another epoch.

What is left equals an index that is made from the files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import lmdb

from vaultfs.engine.engine import Engine
from vaultfs.engine.indexing.batch import Batch
from vaultfs.engine.indexing.facts import FrameFacts, Holding, facts_of
from vaultfs.engine.indexing.index import HANDLE, SUBJECT_KEY, Index
from vaultfs.errors import IndexDamaged, NotFound
from vaultfs.keys.chain import KeyChain
from vaultfs.model import NOBODY

_ID = 16
_BLOCK = 16_384
"""Identifier tokens that have their keys changed at a time."""


class Erased(NamedTuple):
    """A frame that is disposed of.

    Parameters
    ----------
    segment_id, slot
        The segment that it lies in, and where its key is in the table of it.
    """

    handle: int
    facts: FrameFacts
    segment_id: bytes
    slot: int

    def __repr__(self) -> str:
        return "<Erased>"


def frames_of(engine: Engine, subjects: Iterable[bytes]) -> list[Erased]:
    """Return all frames of subjects, each confirmed by its sealed entries. Call when no journal is live.

    Raises
    ------
    NotFound
        There is no such subject.
    IndexDamaged
    """
    index = engine.index
    owners: dict[int, bytes] = {}
    with index.snapshot():
        with index.reading() as txn:
            for subject in subjects:
                handles = index.all_frames_of(txn, subject)
                if not handles and subject != NOBODY:
                    raise NotFound
                owners |= dict.fromkeys(handles, subject)
        # Handles follow the places of most frames: a segment is read from its beginning to its end.
        return [_confirmed(engine, handle, owners[handle]) for handle in sorted(owners)]


def _confirmed(engine: Engine, handle: int, subject: bytes) -> Erased:
    store = engine.store
    frame = store.load(handle, keep=False)
    if frame.block.subject != subject:
        raise IndexDamaged
    return Erased(handle, facts_of(frame.block), *store.table_slot(frame))


def erase(engine: Engine, txn: lmdb.Transaction, frames: Sequence[Erased]) -> None:
    """Drop all rows of frames, which are all frames of their subjects, but for those of identifiers."""
    index = engine.index
    tables = index.tables
    linked: set[tuple[bytes, bytes]] = set()
    for frame in frames:
        facts, where = frame.facts, HANDLE.pack(frame.handle)
        txn.delete(where, db=tables.frames)
        if facts.holding != Holding.NOTHING:
            txn.delete(SUBJECT_KEY.pack(facts.subject, facts.holding, frame.handle), db=tables.subjects)
        for key in filter(None, facts.keys):
            txn.delete(key[:_ID], db=tables.records)
        for content_id in facts.parts:
            txn.delete(content_id + where, db=tables.parts)
        linked.update((facts.subject, other) for other, _, _ in facts.links)
    for subject, other in linked:
        txn.delete(subject + other, db=tables.links)
        txn.delete(other + subject, db=tables.links)
    gone = {frame.handle for frame in frames}
    for other in {other for _, other in linked}:
        _link_again(engine, txn, other, gone)


def _link_again(engine: Engine, txn: lmdb.Transaction, subject: bytes, gone: set[int]) -> None:
    """Put back the links that frames of a subject state which are not gone."""
    index = engine.index
    batch = Batch(engine.chain.alias_keys)
    for handle in index.alias_frames(txn, subject):
        if handle not in gone:
            frame = engine.store.load(handle, keep=False)
            batch.add_links(facts_of(frame.block), frame.commits)
    batch.write(index, txn)


def rekey_aliases(
    index: Index, txn: lmdb.Transaction, old: KeyChain, new: KeyChain, gone: Collection[bytes] = ()
) -> None:
    """Give every identifier token the key that it has in another epoch, without knowing an identifier.

    Takes the rows as they were before `txn`, a block at a time: there may be more of them than memory holds.

    Parameters
    ----------
    gone
        Subjects whose rows are left out. Were they written and deleted, what is deleted would stay in the pages.
    """
    table = index.tables.aliases
    txn.drop(table, delete=False)
    with index.reading() as before:
        rows = iter(before.cursor(table))
        while block := list(islice(rows, _BLOCK)):
            keys = new.alias_keys([old.alias_tokens(b"".join([key[:_ID] for key, _ in block]))])
            pairs = zip(keys, block, strict=True)
            renewed = [(key + row[_ID:], value) for key, (row, value) in pairs if row[_ID:] not in gone]
            renewed.sort()  # rows that are put in order find most pages where the one before left them
            txn.cursor(table).putmulti(renewed)


def erased_slots(frames: Iterable[Erased]) -> dict[bytes, set[int]]:
    """Return where keys are to be left out of tables, by segment id."""
    slots: dict[bytes, set[int]] = {}
    for frame in frames:
        slots.setdefault(frame.segment_id, set()).add(frame.slot)
    return slots
