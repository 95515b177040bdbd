"""Tiles (c2sp.org/tlog-tiles): the hashes of a tree in files of 256, and its entries in bundles beside them.

A tile of level L has the hashes of level 8 * L of the tree; the last of a level may be partial. Full tiles and bundles
never change.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vaultfs_format.errors import FieldInvalid, Structure
from vaultfs_format.layout import Buffer, require, require_size
from vaultfs_format.leaves import unpacked
from vaultfs_format.levels import HashLevels, HashReader
from vaultfs_format.limits import MAX_LOG_ENTRY, MAX_NUMBER
from vaultfs_format.merkle import Nodes
from vaultfs_format.sealing import DIGEST

WIDTH = 256
"""Hashes of a full tile, and entries of a full bundle."""

HEIGHT = 8
"""Levels of the tree that a tile stands for."""

LEVELS = 64
"""Levels that a path may name."""

_PATH = re.compile(r"tile/(entries|0|[1-9]\d?)/((?:x\d{3}/)*)(\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)
_LENGTH = 2
_LONGEST_PATH = 64
_KEPT = 64


@dataclass(frozen=True, slots=True)
class Tile:
    """Where a tile or bundle stands.

    Parameters
    ----------
    level
        Level of the tile, or None for a bundle of entries.
    index
        Position in its level.
    width
        Hashes or entries that it has: fewer than 256 where it is partial.
    """

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The path below the prefix of the log."""
        digits = str(self.index)
        groups = digits.zfill(-(-len(digits) // 3) * 3)
        parts = [groups[at : at + 3] for at in range(0, len(groups), 3)]
        number = "/".join([*(f"x{one}" for one in parts[:-1]), parts[-1]])
        level = "entries" if self.level is None else self.level
        return f"tile/{level}/{number}" + (f".p/{self.width}" if self.width < WIDTH else "")

    @classmethod
    def parse(cls, path: str) -> Tile:
        """Return the tile that a path names: only the one spelling that `path` gives it."""
        match = _PATH.fullmatch(path) if len(path) <= _LONGEST_PATH else None
        if match is None:
            raise FieldInvalid(structure=Structure.TILE, rule=1)
        level, before, last, width = match.groups()
        index = int(re.sub("[x/]", "", before) + last)
        found = cls(None if level == "entries" else int(level), index, int(width or WIDTH))
        require(found.path == path and (found.level or 0) < LEVELS and index <= MAX_NUMBER, Structure.TILE, 1)
        return found

    def end(self) -> int:
        """Return the index behind the last leaf that it would cover, were it full."""
        return self.index + 1 << HEIGHT * ((self.level or 0) + 1)


def tile_at(size: int, level: int | None, index: int) -> Tile:
    """Return the tile or bundle that a tree of `size` leaves has at a position, with its width.

    Raises
    ------
    IndexError
        It has none there.
    """
    hashes = size >> HEIGHT * (level or 0)
    width = min(WIDTH, hashes - index * WIDTH)
    if index < 0 or width <= 0:
        raise IndexError("the tree has no such tile")
    return Tile(level, index, width)


def tiles_of(size: int, before: int = 0, minimum: int = 0) -> Iterator[Tile]:
    """Yield the tiles and bundles of a tree of `size` leaves, in an order in which they can be written.

    Parameters
    ----------
    size
        Leaves of the tree.
    before
        What a tree of so many leaves has already is left out.
    minimum
        What lies wholly before the minimum index is left out.
    """
    levels = range(max(1, -(-size.bit_length() // HEIGHT)))
    for level in (None, *levels):
        shift = HEIGHT * (level or 0)
        hashes, known = size >> shift, before >> shift
        if hashes > known:
            for index in range(max(known, minimum >> shift) // WIDTH, -(-hashes // WIDTH)):
                yield tile_at(size, level, index)


def encode_tile(tile: Tile, hashes: HashReader) -> bytes:
    """Return the bytes of a tile of hashes."""
    level, first = HEIGHT * (tile.level or 0), tile.index * WIDTH
    return b"".join(hashes.read(level, index) for index in range(first, first + tile.width))


def decode_tile(tile: Tile, data: Buffer) -> list[bytes]:
    """Return the hashes of a tile.

    Raises
    ------
    Truncated, TrailingBytes
    """
    require_size(data, tile.width * DIGEST, Structure.TILE)
    return list(unpacked(bytes(data)))


def encode_bundle(entries: Sequence[Buffer]) -> bytes:
    """Return the bytes of a bundle: each entry behind its length, which is big-endian."""
    require(0 < len(entries) <= WIDTH and all(len(one) <= MAX_LOG_ENTRY for one in entries), Structure.TILE, 2)
    return b"".join(piece for one in entries for piece in (len(one).to_bytes(_LENGTH, "big"), one))


def decode_bundle(tile: Tile, data: Buffer) -> list[bytes]:
    """Return the entries of a bundle, of which there are as many as its path says."""
    require(len(data) <= tile.width * (_LENGTH + MAX_LOG_ENTRY), Structure.TILE, 2)
    view, entries, at = memoryview(data), [], 0
    for _ in range(tile.width):
        start = at + _LENGTH
        at = start + int.from_bytes(view[at:start], "big")
        require(start <= len(view) and at <= len(view), Structure.TILE, 2)
        entries.append(bytes(view[start:at]))
    require(at == len(view), Structure.TILE, 2)
    return entries


class TiledHashes:
    """The hashes of a tree as its tiles give them (a `HashReader`).

    Nothing of them is authentic: what is made of them is, where it leads to a root that was signed.

    Parameters
    ----------
    nodes
        The inner-node hash.
    size
        Leaves of the tree whose tiles there are.
    fetch
        Returns the bytes of a tile: of a partial one that is no longer there, the beginning of the full one.
    """

    def __init__(self, nodes: Nodes, size: int, fetch: Callable[[Tile], Buffer]) -> None:
        self._nodes = nodes
        self._size = size
        self._fetch = fetch
        self._kept: OrderedDict[tuple[int, int], HashLevels] = OrderedDict()

    def read(self, level: int, index: int) -> bytes:
        """Return one hash.

        Raises
        ------
        IndexError, Truncated, TrailingBytes
            And what `fetch` raises.
        """
        if level < 0 or not 0 <= index < self._size >> level:
            raise IndexError("no such hash")
        outer, inner = divmod(level, HEIGHT)
        number, within = divmod(index, WIDTH >> inner)
        return self._tile(outer, number).read(inner, within)

    def _tile(self, level: int, number: int) -> HashLevels:
        kept = self._kept.pop((level, number), None)
        if kept is None:
            tile = tile_at(self._size, level, number)
            kept = HashLevels(self._nodes)
            kept.extend(decode_tile(tile, self._fetch(tile)))
        self._kept[level, number] = kept
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return kept
