"""The right edge of the audit tree: its last bundle of entries, and the last tile of hashes on each level.

It is what a tree of some size leaves to those that go on from it when all leaves before are gone: the peaks, the proof
of its last leaf, and what the tiles begin with that straddle its end (c2sp.org/tlog-tiles). It grows one entry after
the other, in memory that does not grow with the tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice, pairwise

from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY
from vaultfs_format.errors import Structure
from vaultfs_format.layout import Buffer, require
from vaultfs_format.leaves import unpacked
from vaultfs_format.levels import peaks_at
from vaultfs_format.merkle import CompactRange
from vaultfs_format.suite import DIGEST, Suite
from vaultfs_format.tlog.tiles import HEIGHT, WIDTH, Tile, TiledHashes

_BATCH = 1 << 12


class RightEdge:
    """The right edge of a tree of `size` leaves (a `HashReader` of what it has).

    Attributes
    ----------
    entries
        The last of them: from one to 256, none of a tree of size 0.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._nodes = merkle.audit_nodes(suite)
        self.size = 0
        self.entries: list[bytes] = []
        self._tiles: list[list[bytes]] = []

    def extend(self, entries: Iterable[bytes]) -> None:
        """Add entries."""
        waiting = iter(entries)
        while batch := list(islice(waiting, _BATCH)):
            for entry, leaf in zip(batch, merkle.audit_leaves(self._suite, batch), strict=True):
                if len(self.entries) == WIDTH:
                    self.entries.clear()
                self.entries.append(entry)
                self._push(0, leaf)
            self.size += len(batch)

    def _push(self, level: int, added: bytes) -> None:
        if level == len(self._tiles):
            self._tiles.append([])
        tile = self._tiles[level]
        if len(tile) == WIDTH:
            tile.clear()
        tile.append(added)
        if len(tile) == WIDTH:
            self._push(level + 1, self._root(tile))

    def _root(self, tile: Sequence[bytes]) -> bytes:
        """Return the root over a full tile."""
        tree = CompactRange(self._nodes)
        tree.extend(tile)
        return tree.peaks[0]

    def copy(self) -> RightEdge:
        """Return an independent copy."""
        other = RightEdge(self._suite)
        other.size, other.entries = self.size, [*self.entries]
        other._tiles = [[*tile] for tile in self._tiles]
        return other

    def tree(self) -> CompactRange:
        """Return the compact range of the tree."""
        return peaks_at(self._nodes, self, self.size)

    def read(self, level: int, index: int) -> bytes:
        """Return a hash that the edge has, or that follows from it.

        Raises
        ------
        IndexError
        """
        return TiledHashes(self._nodes, self.size, self._fetch).read(level, index)

    def _fetch(self, tile: Tile) -> bytes:
        level = tile.level or 0
        if tile.index != _last(self.size, level):
            raise IndexError("pruned")
        return b"".join(self._tiles[level])

    def encode(self) -> bytes:
        """Return the entries, and the hashes of the tiles from level 1 on: those of level 0 follow from the entries."""
        return b"".join([*self.entries, *(b"".join(tile) for tile in self._tiles[1:])])

    @classmethod
    def decode(cls, suite: Suite, size: int, data: Buffer) -> tuple[RightEdge, int]:
        """Parse the edge of a tree of `size` leaves that `data` begins with; return where it ends, too.

        Raises
        ------
        FieldInvalid
            It is cut, or a tile that is full has another root than the tile above it says.
        """
        found, view, at = cls(suite), memoryview(data), _width(size, 0) * ENTRY.size
        found.size = size
        ends = [at, *(at := at + _width(size, level) * DIGEST for level in range(1, _levels(size)))]
        require(ends[-1] <= len(view), Structure.LOG_BASE, 2)
        found.entries = [bytes(view[start : start + ENTRY.size]) for start in range(0, ends[0], ENTRY.size)]
        hashes = (list(unpacked(bytes(view[start:end]))) for start, end in pairwise(ends))
        found._tiles = [merkle.audit_leaves(suite, found.entries), *hashes]
        for tile, above in pairwise(found._tiles):
            require(len(tile) < WIDTH or found._root(tile) == above[-1], Structure.LOG_BASE, 3)
        return found, ends[-1]


def _levels(size: int) -> int:
    """Return how many levels of tiles a tree has."""
    return -(-size.bit_length() // HEIGHT)


def _last(size: int, level: int) -> int:
    """Return the index of the last tile of a level, which may be full."""
    return ((size >> HEIGHT * level) - 1) // WIDTH


def _width(size: int, level: int) -> int:
    """Return how many hashes the last tile of a level has: from one to 256."""
    return (size >> HEIGHT * level) - WIDTH * _last(size, level)
