"""Pruning the log: its oldest segments are removed, once all that they hold is older than it must be kept.

What is removed is read a last time: every event against its entry, the tree against the head, the heads of subjects
against the leaves that state them. What must be known of it stays as the base of the log. A log is cut only behind a
leaf that states heads, so that from the first leaf that is kept on, all events about a subject are provably there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY, LeafKind
from vaultfs_format.edge import RightEdge
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.logbase import LogBase

from vaultfs.audit.errors import LogStillNeeded, LogTooYoung
from vaultfs.engine.engine import Engine
from vaultfs.engine.log.leaves import Leaf, segment_leaves, segment_section, segments_of
from vaultfs.engine.log.logbase import Pruning, kept_since, read_base
from vaultfs.engine.log.subjectheads import Heads
from vaultfs.engine.vault import Vault
from vaultfs.errors import (
    ArgumentInvalid,
    CommitmentMismatch,
    Structure,
    VaultDamaged,
    VaultError,
)

MINIMUM_AGE = timedelta(days=6 * 365 + 2)
"""Six years (45 CFR 164.316(b)(2)(i)), with as many leap days as they can have."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed of the log, or would be.

    Parameters
    ----------
    first
        Index of the first leaf that is kept.
    leaves, segments, bytes
        How many were removed.
    since
        Every event of this time and later is kept, in microseconds since 1970; 0 where the log is whole.
    """

    first: int
    leaves: int = 0
    segments: int = 0
    bytes: int = 0
    since: int = 0


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where the log can be cut: the segments before it, and the latest event in them."""

    first: int
    rows: tuple[SegmentRow, ...]
    latest: int


def prune_log(
    vault: Vault,
    before: datetime,
    *,
    keep_from: int | None = None,
    minimum_age: timedelta = MINIMUM_AGE,
    dry_run: bool = False,
) -> Pruned:
    """Remove the oldest segments of the log, as far as all of their events came before a time; settle with it.

    Copies of the vault keep what they have until they are brought up to date.

    Parameters
    ----------
    before
        With a time zone.
    keep_from
        Index of the first leaf that somebody still needs: a delivery that has come so far, a hold, a witness that has
        last seen a log of so many leaves.
    minimum_age
        How long the log must be kept: `before` must lie as far back.
    dry_run
        Remove nothing, and record nothing: return what would be removed.

    Raises
    ------
    ArgumentInvalid
        The time has no zone, or the age is negative.
    LogTooYoung
        It must be kept for longer.
    LogStillNeeded
        What would be removed is needed, and so nothing was.
    CommitmentMismatch, VaultDamaged, FormatError, NotAuthentic
        The log is not the one that was written, and nothing of it was removed.
    StorageFull, StorageReadOnly, StorageFailed, WriterPoisoned, Closed
    """
    engine = vault.engine
    limit = _limit(engine, before, minimum_age)
    with engine.maintained():
        cut: _Cut | None
        try:
            cut, pruning = _prepared(engine, limit, keep_from, dry_run=dry_run)
        except LogStillNeeded:
            raise
        except VaultError:
            cut = None  # others write meanwhile, and may have replaced what was read: then it is read again
        with engine.lock:
            if cut is None or not set(cut.rows) <= set(engine.head.segments):
                cut, pruning = _prepared(engine, limit, keep_from, dry_run=dry_run)
            done = _pruned(engine, cut)
            if pruning is not None:
                vault.prune(pruning)
    return done


def _limit(engine: Engine, before: datetime, minimum_age: timedelta) -> int:
    """Return the time before which events may go, in microseconds since 1970."""
    if before.tzinfo is None or minimum_age < timedelta(0):
        raise ArgumentInvalid
    limit = (before - _EPOCH) // _MICROSECOND
    if limit > engine.options.clock() - minimum_age // _MICROSECOND:
        raise LogTooYoung(days=minimum_age.days)
    return limit


def _prepared(engine: Engine, limit: int, keep_from: int | None, *, dry_run: bool) -> tuple[_Cut, Pruning | None]:
    head = engine.head
    cut = _cut(engine, head, limit)
    if keep_from is not None and cut.first > keep_from and cut.rows:
        raise LogStillNeeded(first=cut.first, keep_from=keep_from)
    return cut, None if dry_run or not cut.rows else Pruning(frozenset(cut.rows), _base(engine, head, cut))


def _pruned(engine: Engine, cut: _Cut) -> Pruned:
    head = engine.head
    known = kept_since(engine, head)
    size = sum(row.length for row in cut.rows)
    since = max(known, cut.latest + 1) if cut.rows else known
    return Pruned(cut.first, cut.first - head.first_leaf, len(cut.rows), size, since)


def _cut(engine: Engine, head: Head, limit: int) -> _Cut:
    """Return how far the log can be cut: behind the last segment before all that is younger which ends with heads."""
    found = _Cut(head.first_leaf, (), 0)
    rows: list[SegmentRow] = []
    latest, end = 0, head.first_leaf
    for extent, row in segments_of(engine, head):
        if extent.start != end:
            raise VaultDamaged(leaf=end)
        last: Leaf | None = None
        for last in segment_leaves(engine, row):
            if last.event is not None:
                latest = max(latest, last.event.at)
            if latest >= limit:
                return found
        rows.append(row)
        end = extent.stop
        if last is not None and last.entry.kind is LeafKind.SUBJECTS:
            found = _Cut(end, tuple(rows), latest)
    return found


def _base(engine: Engine, head: Head, cut: _Cut) -> LogBase:
    """Return what must be known of the leaves before the cut, when all of the log was found to be what the head says.

    Raises
    ------
    CommitmentMismatch, VaultDamaged, FormatError, NotAuthentic
        It is not, and nothing of it may go.
    """
    old = read_base(engine, head) if head.first_leaf else None
    heads = Heads(engine.suite) if old is None else Heads.of_base(old)
    edge = RightEdge(engine.suite) if old is None else old.edge
    cut_edge = edge
    for extent, row in segments_of(engine, head):
        if extent.start != edge.size:
            raise VaultDamaged(leaf=edge.size)
        edge.extend(_each(segment_section(engine, row).entries))
        if row in cut.rows:
            _count(heads, segment_leaves(engine, row))
            cut_edge = edge.copy()
    edge.extend([head.live_set().encode()])
    if edge.tree().root(merkle.AUDIT_EMPTY) != head.tree_root:
        raise CommitmentMismatch(structure=Structure.HEAD)
    base = LogBase(engine.suite, max(old.since if old else 0, cut.latest + 1), cut_edge, heads.rows())
    base.check(cut.first, cut_edge.tree().peaks)
    return base


def _each(entries: bytes) -> Iterator[bytes]:
    return (entries[at : at + ENTRY.size] for at in range(0, len(entries), ENTRY.size))


def _count(heads: Heads, found: Iterator[Leaf]) -> None:
    for leaf in found:
        heads.take_leaf(leaf)
        if leaf.entry.kind is LeafKind.SUBJECTS and leaf.entry != heads.entry():
            raise CommitmentMismatch(structure=Structure.AUDIT_ENTRY, leaf=leaf.index)
