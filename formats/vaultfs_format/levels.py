"""The stored hashes of a tree, and the roots and proofs that are made from them in as many reads as a tree is high.

A hash has a level and an index: at level 0 stand the leaves, and hash i of level l is the root of the perfect subtree
over the leaves from i * 2^l to (i + 1) * 2^l. Subtrees at the right edge that are not perfect are put together from
those that are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol

from vaultfs_format.leaves import unpacked
from vaultfs_format.merkle import CompactRange, Nodes
from vaultfs_format.sealing import DIGEST

_BATCH = 1 << 16


class HashReader(Protocol):
    """Where the hashes of a tree are kept."""

    def read(self, level: int, index: int) -> bytes:
        """Return the root of the perfect subtree of 2^level leaves that begins at leaf index * 2^level.

        Raises
        ------
        IndexError
            It is not of this tree, or wholly before the minimum index and no peak of it.
        """
        ...


def root_at(nodes: Nodes, hashes: HashReader, size: int, empty: bytes) -> bytes:
    """Return the root that the tree had at `size` leaves; `empty` for none."""
    return _root(nodes, hashes, 0, size) if size else empty


def peaks_at(nodes: Nodes, hashes: HashReader, size: int) -> CompactRange:
    """Return the compact range of the first `size` leaves: what is kept of leaves that are pruned."""
    return CompactRange(nodes, size, [hashes.read(level, index) for level, index in _perfect(0, size)])


def inclusion_proof(nodes: Nodes, hashes: HashReader, index: int, size: int) -> list[bytes]:
    """Return the proof that leaf `index` is in the tree of `size` leaves (RFC 9162 section 2.1.3.1).

    Parameters
    ----------
    nodes
        The inner-node hash.
    hashes
        The hashes of a tree of `size` leaves or more.
    """
    if not 0 <= index < size:
        raise IndexError("no such leaf")
    return _path(nodes, hashes, 0, index, size)


def consistency_proof(nodes: Nodes, hashes: HashReader, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of `old` leaves is the beginning of that of `new` (RFC 9162 section 2.1.4.1).

    From size 0, and from a size to itself, it is empty.

    Parameters
    ----------
    nodes
        The inner-node hash.
    hashes
        The hashes of a tree of `new` leaves or more.
    """
    if not 0 <= old <= new:
        raise IndexError("a tree is the beginning of none that is smaller")
    if old in {0, new}:
        return []
    level = (old & -old).bit_length() - 1
    index = (old >> level) - 1
    first = [hashes.read(level, index)] if index else []
    return [*first, *_path(nodes, hashes, level, index, new)]


def _path(nodes: Nodes, hashes: HashReader, level: int, index: int, size: int) -> list[bytes]:
    """Return the hashes from a perfect subtree to the root of the tree of `size` leaves."""
    path = []
    last = size - 1 >> level
    while last:
        if index & 1:
            path.append(hashes.read(level, index - 1))
        elif index < last:
            start = index + 1 << level
            path.append(_root(nodes, hashes, start, min(size, start + (1 << level))))
        level, index, last = level + 1, index >> 1, last >> 1
    return path


def _root(nodes: Nodes, hashes: HashReader, start: int, end: int) -> bytes:
    """Return the root over leaves; `start` is a multiple of a power of two that is not less than their number."""
    *before, (level, index) = _perfect(start, end)
    root = hashes.read(level, index)
    for level, index in reversed(before):
        root = nodes([hashes.read(level, index), root])[0]
    return root


def _perfect(start: int, end: int) -> list[tuple[int, int]]:
    """Return level and index of the perfect subtrees that make up such leaves, the largest first."""
    found = []
    for level in reversed(range((end - start).bit_length())):
        if end - start >> level & 1:
            found.append((level, start >> level))
            start += 1 << level
    return found


class HashLevels:
    """All hashes of a tree in memory, by level; of a tree that is pruned, those from its minimum index on.

    What stands wholly before the minimum index is gone but for the peaks. They are enough: a proof about leaves and
    sizes from there on needs no other hash of what is before, and a subtree that straddles the minimum index is put
    together from them.

    Parameters
    ----------
    nodes
        The inner-node hash.
    before
        The compact range of the leaves before the minimum index; left out where there are none.
    """

    def __init__(self, nodes: Nodes, before: CompactRange | None = None) -> None:
        self._nodes = nodes
        self.minimum = before.size if before else 0
        self.size = self.minimum
        self._levels = [bytearray() for _ in range(self.minimum.bit_length())]
        peaks = iter(before.peaks if before else ())
        for level in reversed(range(len(self._levels))):
            if self.minimum >> level & 1:
                self._levels[level] += next(peaks)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes."""
        waiting = iter(leaves)
        while batch := list(islice(waiting, _BATCH)):
            self._extend(batch)

    def _extend(self, leaves: Sequence[bytes]) -> None:
        self.size += len(leaves)
        added, level = leaves, 0
        while added:
            if level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[level] += b"".join(added)
            level += 1
            first, end = self._end(level), self.size >> level
            below, base = self._levels[level - 1], self._base(level - 1)
            pairs = memoryview(below)[(2 * first - base) * DIGEST : (2 * end - base) * DIGEST].tobytes()
            added = self._nodes(list(unpacked(pairs)))

    def _base(self, level: int) -> int:
        """Return the index of the first hash that is kept of a level: a peak, or the first that ends behind them."""
        index = self.minimum >> level
        return index - (index & 1)

    def _end(self, level: int) -> int:
        """Return the index behind the last hash that is kept of a level."""
        kept = len(self._levels[level]) // DIGEST if level < len(self._levels) else 0
        return self._base(level) + kept

    def read(self, level: int, index: int) -> bytes:
        """Return one hash.

        Raises
        ------
        IndexError
        """
        if not 0 <= level < len(self._levels) or not self._base(level) <= index < self._end(level):
            raise IndexError("no such hash, or pruned")
        at = (index - self._base(level)) * DIGEST
        return bytes(self._levels[level][at : at + DIGEST])


class JoinedHashes:
    """The hashes of a tree of which the leaves before the minimum index are kept elsewhere, as far as they are.

    Parameters
    ----------
    before
        Of the tree of the leaves before the minimum index.
    hashes
        Of the tree from there on.
    """

    def __init__(self, before: HashReader, hashes: HashLevels) -> None:
        self._before = before
        self._hashes = hashes

    def read(self, level: int, index: int) -> bytes:
        """Return one hash.

        Raises
        ------
        IndexError
        """
        within = index + 1 << level <= self._hashes.minimum
        return (self._before if within else self._hashes).read(level, index)
