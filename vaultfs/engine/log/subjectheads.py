"""The heads of subjects, kept in the index and counted on when a vault settles: see `vaultfs_format.subjectheads`.

They follow from the log, and the index is a hint: what it lacks is counted from the files, and what it has is believed
only so far as the newest leaf that states them says the same. So no leaf is ever wrong for the index's sake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby

import lmdb
from vaultfs_format import merkle
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.head import Head
from vaultfs_format.logbase import LogBase
from vaultfs_format.subjectheads import BUCKETS, ROW, advanced, bucket_leaves, bucket_of, root, row_keys
from vaultfs_format.suite import DIGEST, Suite

from vaultfs.audit.events import subject_of
from vaultfs.engine.engine import Engine, View
from vaultfs.engine.files.mirrors import DAMAGE
from vaultfs.engine.indexing.index import Index
from vaultfs.engine.log.leaves import Leaf, entry_at, leaves
from vaultfs.engine.log.logbase import read_base
from vaultfs.errors import CommitmentMismatch, IndexDamaged, Structure, VaultDamaged
from vaultfs.model import NOBODY

Found = tuple[bytes, bytes]
"""The subject of an event, and the hash of its leaf."""


class Heads:
    """The heads of all subjects, as they are up to some leaf of the log; without arguments, before its first.

    Where the log was pruned, its first is that which `of_base` goes on from.

    Parameters
    ----------
    through
        How many leaves are counted.
    stored
        Returns the rows of a bucket as they are then.
    hashes
        The hashes of all buckets as they are then, one after the other.

    Attributes
    ----------
    changed
        The rows of the buckets that are other ones now.
    anew
        Whether nothing was stored.
    """

    def __init__(
        self, suite: Suite, through: int = 0, stored: Callable[[int], bytes] | None = None, hashes: bytes = b""
    ) -> None:
        self._suite = suite
        self.through = through
        self._stored = stored or (lambda _: b"")
        self.anew = stored is None
        each = [hashes[at : at + DIGEST] for at in range(0, len(hashes), DIGEST)]
        self._hashes = each or bucket_leaves(suite, [b""]) * BUCKETS
        self._pending: dict[bytes, list[bytes]] = {}
        self.changed: dict[int, bytes] = {}

    @classmethod
    def of_base(cls, base: LogBase) -> Heads:
        """Return the heads as they are before the first leaf that is kept."""
        heads = cls(base.suite, base.first_leaf)
        heads.changed = dict(base.buckets())
        hashes = bucket_leaves(base.suite, heads.changed.values())
        for bucket, found in zip(heads.changed, hashes, strict=True):
            heads._hashes[bucket] = found
        return heads

    def take(self, found: Iterable[Found]) -> None:
        """Count events; those about nobody are not."""
        pending = self._pending
        for subject, leaf in found:
            if subject in pending:
                pending[subject].append(leaf)
            elif subject and subject != NOBODY:
                pending[subject] = [leaf]

    def take_leaf(self, leaf: Leaf) -> None:
        """Count the event of a leaf, if it has one; at one that states heads, make them of all that was counted."""
        if leaf.event is not None:
            self.take([(subject_of(leaf.event), merkle.audit_leaf(self._suite, leaf.entry.encode()))])
        elif leaf.entry.kind is LeafKind.SUBJECTS:
            self.fold(leaf.index)

    def fold(self, at: int) -> None:
        """Make heads of all that was counted, as the leaf at an index states them.

        Raises
        ------
        IndexDamaged
            The rows of a bucket do not have the hash that is known of them.
        """
        suite, pending = self._suite, self._pending
        counted = sorted(zip(row_keys(suite, pending), pending.values(), strict=True))
        for bucket, each in groupby(counted, lambda one: bucket_of(one[0])):
            rows = advanced(suite, self._rows(bucket), each)
            self.changed[bucket], self._hashes[bucket] = rows, bucket_leaves(suite, [rows])[0]
        self._pending, self.through = {}, at + 1

    def _rows(self, bucket: int) -> bytes:
        rows = self.changed.get(bucket)
        if rows is None:
            rows = self._stored(bucket)
            if bucket_leaves(self._suite, [rows]) != [self._hashes[bucket]]:
                raise IndexDamaged
        return rows

    @property
    def waiting(self) -> bool:
        """Whether events were counted of which no heads were made."""
        return bool(self._pending)

    def rows(self) -> bytes:
        """Return the rows of the buckets that are other ones now."""
        return b"".join([rows for _, rows in sorted(self.changed.items())])

    @property
    def subjects(self) -> int:
        """How many subjects have a head in the buckets that are other ones now."""
        return sum(len(rows) for rows in self.changed.values()) // ROW

    def bucket(self, number: int) -> tuple[bytes, list[bytes]]:
        """Return the rows of a bucket, and its inclusion proof in the tree of buckets.

        Raises
        ------
        IndexDamaged
        """
        rows = self._rows(number)
        return rows, merkle.inclusion_path(merkle.audit_nodes(self._suite), self._hashes, number)

    def entry(self) -> AuditEntry:
        """Return the leaf that states the heads."""
        return AuditEntry(LeafKind.SUBJECTS, self.through - 1, root(self._suite, self._hashes))

    def write(self, index: Index, txn: lmdb.Transaction) -> None:
        """Let an index know the heads."""
        index.put_subject_heads(txn, self.changed, b"".join(self._hashes), self.through, anew=self.anew)


def count(engine: Engine, first: int, found: Sequence[Found], size: int) -> Heads | None:
    """Return the heads with the events of the journals that are settled, and those before that the index does not know.

    None where a leaf that they need cannot be read: what is lost keeps nobody from settling, and the next leaf that
    states heads counts what was left out.

    Parameters
    ----------
    first
        Index of the first leaf of the journals.
    found
        Their events.
    size
        Leaves of the tree with those of the journals: the index of the leaf that states the heads.
    """
    with engine.index.reading() as txn, suppress(*DAMAGE):
        try:
            return _on(_known(engine, txn), engine, first, found, size)
        except IndexDamaged:
            return _on(first_heads(engine, engine.head), engine, first, found, size)
    return None


def first_heads(engine: View, head: Head) -> Heads:
    """Return the heads of subjects before the first leaf that the log of a head has.

    Raises
    ------
    CommitmentMismatch, VaultDamaged, FormatError, NotAuthentic
        The log was pruned, and its base cannot be read.
    """
    return Heads.of_base(read_base(engine, head)) if head.first_leaf else Heads(engine.suite)


def stated_bucket(engine: Engine, subject: bytes) -> tuple[bytes, list[bytes]]:
    """Return the rows of the bucket of a subject, as the newest leaf of heads states it, and its inclusion proof.

    Raises
    ------
    CommitmentMismatch, VaultDamaged, FormatError, NotAuthentic
        The index does not have it, and the log cannot be read.
    """
    number = bucket_of(row_keys(engine.suite, [subject])[0])
    with engine.index.reading() as txn:
        try:
            known = _known(engine, txn)
            return (recount(engine) if known.anew else known).bucket(number)
        except IndexDamaged:
            return recount(engine).bucket(number)


def _known(engine: Engine, txn: lmdb.Transaction) -> Heads:
    """Return the heads that the index has, which are those that the log states.

    Raises
    ------
    IndexDamaged
    """
    through, hashes = engine.index.counted(txn)
    if not through:
        return first_heads(engine, engine.head)
    heads = Heads(engine.suite, through, partial(engine.index.subject_heads, txn), hashes)
    if engine.stated is None or engine.stated.number != through - 1:
        engine.stated = entry_at(engine, engine.head, through - 1)
    if len(hashes) != BUCKETS * DIGEST or heads.entry() != engine.stated:
        raise IndexDamaged
    return heads


def _on(heads: Heads, engine: Engine, first: int, found: Sequence[Found], size: int) -> Heads:
    at = heads.through
    if at < first:
        for leaf in leaves(engine, engine.head, (), at):
            if leaf.index == at < first:
                heads.take_leaf(leaf)
                at += 1
    if at < first:
        raise VaultDamaged(leaf=at)
    heads.take(found)
    heads.fold(size)
    return heads


def recount(engine: View) -> Heads:
    """Return the heads that everything settled gives, as the newest leaf states them that does.

    Raises
    ------
    CommitmentMismatch
        The log states other heads than those that its events give, or an event is not the one that its leaf commits to.
    VaultDamaged, FormatError, NotAuthentic
        Leaves or events are missing, or cannot be read.
    """
    heads = first_heads(engine, engine.head)
    for leaf in leaves(engine, engine.head, ()):
        heads.take_leaf(leaf)
        if leaf.entry.kind is LeafKind.SUBJECTS and heads.entry() != leaf.entry:
            raise CommitmentMismatch(structure=Structure.AUDIT_ENTRY, leaf=leaf.index)
    return heads
