"""The leaves of a log that is read while others settle: what a settling has merged is read from where it is now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vaultfs_format.head import Head
from vaultfs_format.limits import MAX_NUMBER

from vaultfs.audit.errors import LogPrunedBefore
from vaultfs.engine.engine import Engine, LiveJournal
from vaultfs.engine.files.mirrors import DAMAGE
from vaultfs.engine.log.leaves import Leaf, leaves
from vaultfs.errors import VaultDamaged, VaultMissing

MOVED = (*DAMAGE, VaultMissing, LogPrunedBefore)
"""What reading by a head may raise when the segments that it names were merged into others, or pruned."""


def leaves_between(engine: Engine, head: Head, journals: Sequence[LiveJournal], first: int, end: int) -> Iterator[Leaf]:
    """Yield the leaves of a head and of journals from one on, but for the head's own, which stands in no segment yet.

    No lock is held between two of them.

    Parameters
    ----------
    journals
        Those that follow the head: a head that has come since has their leaves in its segments.
    end
        Index behind the last leaf: of a head that has come since, nothing from there on is yielded.

    Raises
    ------
    CommitmentMismatch, VaultDamaged
        As `leaves` does; the latter for leaves that are missing, too.
    LogPrunedBefore
        The next leaf was pruned meanwhile.
    """
    index, stop = first, MAX_NUMBER  # of this head it is to be seen if there is more than there should be
    while True:
        try:
            for leaf in _once(engine, head, journals, index, stop):
                index = leaf.index + 1
                yield leaf
        except MOVED:
            if engine.head is head:
                raise
            head, journals, stop = engine.head, (), end
            if index < head.first_leaf:
                raise LogPrunedBefore(size=index, first=head.first_leaf) from None
        else:
            return


def _once(engine: Engine, head: Head, journals: Sequence[LiveJournal], first: int, end: int) -> Iterator[Leaf]:
    index = first
    for leaf in leaves(engine, head, journals, first):
        if index >= end:
            return
        if leaf.index > index:
            raise VaultDamaged(leaf=index)
        if leaf.index >= first:
            yield leaf
            index = leaf.index + 1
    if index < min(end, head.tree_size - 1):
        raise VaultDamaged(leaf=index)
