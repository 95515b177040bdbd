"""The heads of subjects, kept in the index and counted on when a vault settles: see `vaultfs_format.subjectheads`.

They follow from the log, and the index is a hint: what it lacks is counted from the files when it is needed next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import lmdb
from vaultfs_format import merkle
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.subjectheads import (
    BUCKETS,
    SubjectHead,
    bucket_leaf,
    bucket_of,
    first_key,
    folded,
    root,
    row_key,
)
from vaultfs_format.suite import DIGEST, Suite

from vaultfs.audit.events import Event, subject_of
from vaultfs.engine.engine import Engine, View
from vaultfs.engine.index import Index
from vaultfs.engine.leaves import Leaf, leaves
from vaultfs.errors import CommitmentMismatch, Structure
from vaultfs.model import NOBODY


class Tally:
    """Counts events by subject; what is counted goes into heads at each leaf that states them.

    Parameters
    ----------
    known
        Returns the head of a subject before, by what it is found by.
    """

    def __init__(self, suite: Suite, known: Mapping[bytes, SubjectHead]) -> None:
        self._suite = suite
        self._known = known
        self._pending: dict[bytes, list[bytes]] = {}
        self.heads: dict[bytes, SubjectHead] = {}
        """Heads that are other ones now, by what the subject is found by."""

    def take(self, subject: bytes, leaf: bytes) -> None:
        """Count an event about a subject, by the hash of its leaf."""
        found = self._pending.get(subject)
        if found is None:
            self._pending[subject] = [leaf]
        else:
            found.append(leaf)

    def on(self, known: Mapping[bytes, SubjectHead]) -> Tally:
        """Return the same over other heads before."""
        other = Tally(self._suite, known)
        other._pending = self._pending
        return other

    def fold(self) -> None:
        """Take what was counted into the heads."""
        for subject, hashes in self._pending.items():
            key = row_key(self._suite, subject)
            before = self.heads.get(key) or self._known.get(key, SubjectHead())
            self.heads[key] = folded(self._suite, before, hashes)
        self._pending.clear()


class _Known(Mapping[bytes, SubjectHead]):
    """Heads that the index has."""

    def __init__(self, index: Index, txn: lmdb.Transaction) -> None:
        self._index = index
        self._txn = txn

    def __getitem__(self, key: bytes) -> SubjectHead:
        found = self._index.subject_head(self._txn, key)
        if found is None:
            raise KeyError
        return SubjectHead.decode(found)

    def __iter__(self) -> Iterator[bytes]:
        return (row[:DIGEST] for row in self._index.subject_heads(self._txn, b""))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class Counted:
    """Heads of subjects as they are after a settling.

    Parameters
    ----------
    entry
        The leaf that states them.
    heads
        Those that are other ones than the index has.
    buckets
        The hashes of all buckets.
    """

    entry: AuditEntry
    heads: Mapping[bytes, SubjectHead]
    buckets: bytes

    def write(self, index: Index, txn: lmdb.Transaction) -> None:
        """Let the index know them."""
        rows = ((key, head.encode()) for key, head in sorted(self.heads.items()))
        index.put_subject_heads(txn, rows, self.buckets, self.entry.number + 1)


def count(engine: Engine, first: int, found: Iterable[tuple[bytes, Event]], size: int) -> Counted:
    """Count the events of the journals that are settled, and those before them that the index does not know.

    Parameters
    ----------
    first
        Index of the first leaf of the journals.
    found
        Their events, each with the hash of its leaf.
    size
        Leaves of the tree with those of the journals: the index of the leaf that states the heads.
    """
    index, suite = engine.index, engine.suite
    with index.reading() as txn:
        through, buckets = index.counted(txn)
        tally = Tally(suite, _Known(index, txn))
        for leaf in leaves(engine, engine.head, (), through) if through < first else ():
            if through <= leaf.index < first:
                _take_leaf(tally, suite, leaf)
        for hashed, event in found:
            _take(tally, event, hashed)
        tally.fold()
        hashes = _advanced(index, txn, suite, tally.heads, buckets)
    entry = AuditEntry(LeafKind.SUBJECTS, size, root(suite, hashes))
    return Counted(entry, tally.heads, b"".join(hashes))


def recount(engine: View, index: Index) -> None:
    """Count everything that is settled into an index that has no heads yet, and check what the log states of them.

    Raises
    ------
    CommitmentMismatch
        The log states other heads than those that its events give.
    """
    suite = engine.suite
    tally = Tally(suite, {})
    for leaf in leaves(engine, engine.head, ()):
        if leaf.entry.kind is not LeafKind.SUBJECTS:
            _take_leaf(tally, suite, leaf)
            continue
        with index.writing() as txn:
            tally = tally.on(_Known(index, txn))
            tally.fold()
            hashes = _advanced(index, txn, suite, tally.heads, index.counted(txn)[1])
            entry = AuditEntry(LeafKind.SUBJECTS, leaf.index, root(suite, hashes))
            if entry != leaf.entry:
                raise CommitmentMismatch(structure=Structure.AUDIT_ENTRY, leaf=leaf.index)
            Counted(entry, tally.heads, b"".join(hashes)).write(index, txn)
        tally = Tally(suite, {})


def _take_leaf(tally: Tally, suite: Suite, leaf: Leaf) -> None:
    if leaf.entry.kind is LeafKind.SUBJECTS:
        tally.fold()
    elif leaf.event is not None:
        _take(tally, leaf.event, merkle.audit_leaf(suite, leaf.entry.encode()))


def _take(tally: Tally, event: Event, leaf: bytes) -> None:
    subject = subject_of(event)
    if subject and subject != NOBODY:
        tally.take(subject, leaf)


def _advanced(
    index: Index, txn: lmdb.Transaction, suite: Suite, heads: Mapping[bytes, SubjectHead], buckets: bytes
) -> list[bytes]:
    """Return the hashes of all buckets, with new heads."""
    hashes = [buckets[at : at + DIGEST] for at in range(0, len(buckets), DIGEST)] or _empty(suite)
    for bucket, changed in _by_bucket(heads).items():
        hashes[bucket] = bucket_leaf(suite, _rows(index, txn, bucket, changed))
    return hashes


def _empty(suite: Suite) -> list[bytes]:
    return [bucket_leaf(suite, ())] * BUCKETS


def _by_bucket(heads: Mapping[bytes, SubjectHead]) -> dict[int, dict[bytes, SubjectHead]]:
    found: dict[int, dict[bytes, SubjectHead]] = {}
    for key, head in heads.items():
        found.setdefault(bucket_of(key), {})[key] = head
    return found


def _rows(index: Index, txn: lmdb.Transaction, bucket: int, heads: Mapping[bytes, SubjectHead]) -> list[bytes]:
    """Return the rows of a bucket, with new heads in the place of those that the index has."""
    rows = {row[:DIGEST]: row for row in bucket_rows(index, txn, bucket)}
    rows.update((key, key + head.encode()) for key, head in heads.items())
    return [rows[key] for key in sorted(rows)]


def bucket_rows(index: Index, txn: lmdb.Transaction, bucket: int) -> Iterator[bytes]:
    """Yield the rows of a bucket that the index has, in ascending order."""
    for row in index.subject_heads(txn, first_key(bucket)):
        if bucket_of(row) != bucket:
            return
        yield row
