"""Tiles and bundles: one path for each, those that a tree has and no other, and the tree that they give back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import merkle
from vaultfs_format.errors import FieldInvalid, Structure, TrailingBytes, Truncated
from vaultfs_format.levels import HashLevels, HashReader, consistency_proof, inclusion_proof, root_at
from vaultfs_format.limits import MAX_LOG_ENTRY, MAX_NUMBER
from vaultfs_format.suite import DEFAULT
from vaultfs_format.tlog.tiles import (
    Tile,
    TiledHashes,
    decode_bundle,
    decode_tile,
    encode_bundle,
    encode_tile,
    tile_at,
    tiles_of,
)

from tests.vaultfs_format.tlog.logs import EMPTY, ENTRIES, LEAVES, NODES, levels, root_of

PATHS = {
    "tile/0/000": Tile(0, 0),
    "tile/0/999": Tile(0, 999),
    "tile/0/x001/000": Tile(0, 1000),
    "tile/3/x001/x234/067": Tile(3, 1234067),
    "tile/63/000.p/1": Tile(63, 0, 1),
    "tile/0/273.p/112": Tile(0, 273, 112),
    "tile/entries/000.p/255": Tile(None, 0, 255),
    "tile/entries/x001/x234/067.p/9": Tile(None, 1234067, 9),
}


@pytest.mark.parametrize("path", PATHS)
def test_paths_are_those_of_the_specification(path: str) -> None:
    assert PATHS[path].path == path
    assert Tile.parse(path) == PATHS[path]


@given(st.none() | st.integers(0, 63), st.integers(0, MAX_NUMBER), st.integers(1, 256))
def test_a_path_names_its_tile(level: int | None, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    """tile/0/0 tile/0/00 tile/0/0000 tile/0/1000 tile/0/x000/001 tile/0/001/000 tile/00/000 tile/64/000 tile/99/000
    tile/-1/000 tile/0/x01/000 tile/0/X001/000 tile/0/000.p/0 tile/0/000.p/256 tile/0/000.p/999 tile/0/000.p/01
    tile/0/000.p tile/0/000.p/ tile/0/000/ /tile/0/000 tile/Entries/000 tile//000 tile/0/../000 tile/0/000.p/1/2
    tile/0/\u0660\u0660\u0660 tile/100/000 tile/0/x009/x223/x372/x036/x854/x775/808""".split(),
)
def test_another_spelling_of_a_path_is_refused(path: str) -> None:
    for one in (path, path + "\n", "x" * 1000):
        with pytest.raises(FieldInvalid) as caught:
            Tile.parse(one)
        assert caught.value.facts == {"structure": Structure.TILE, "rule": 1}


def test_the_examples_of_the_specification() -> None:
    tiles = list(tiles_of(70_000))
    hashes = [tile for tile in tiles if tile.level is not None]
    partial = [tile for tile in hashes if tile.width < 256]
    assert partial == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert len(hashes) == 273 + 1 + 1 + 1 + 1
    assert [tile.path for tile in tiles_of(256)] == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
    assert list(tiles_of(0)) == []


def expected(size: int) -> set[Tile]:
    """Return the tiles of a tree, counted as the specification says: floor(s / 256^l) hashes at level l."""
    found = {Tile(None, at, min(256, size - at * 256)) for at in range(-(-size // 256))}
    for level in range(64):
        count = size // 256**level
        found |= {Tile(level, at, min(256, count - at * 256)) for at in range(-(-count // 256))}
    return found


@given(st.integers(0, 200_000), st.integers(0, 200_000), st.integers(0, 200_000))
def test_a_tree_has_the_tiles_that_its_size_says(one: int, other: int, third: int) -> None:
    minimum, before, size = sorted((one, other, third))
    whole = list(tiles_of(size))
    assert set(whole) == expected(size)
    assert len(whole) == len(set(whole))
    assert set(tiles_of(size, before)) == expected(size) - expected(before)
    assert set(tiles_of(size, minimum=minimum)) == {tile for tile in expected(size) if tile.end() > minimum}


def test_a_tree_has_no_other_tile() -> None:
    assert tile_at(300, 0, 1) == Tile(0, 1, 44)
    for level, index in ((0, 2), (0, -1), (1, 1), (2, 0), (None, 2)):
        with pytest.raises(IndexError):
            tile_at(300, level, index)


def served(size: int, hashes: HashReader) -> dict[str, bytes]:
    """Return the tiles of a tree by their paths."""
    return {tile.path: encode_tile(tile, hashes) for tile in tiles_of(size) if tile.level is not None}


def reading(size: int, files: dict[str, bytes]) -> tuple[TiledHashes, list[str]]:
    """Return the hashes that tiles give, and the paths that were fetched."""
    fetched: list[str] = []

    def fetch(tile: Tile) -> bytes:
        fetched.append(tile.path)
        return files[tile.path]

    return TiledHashes(NODES, size, fetch), fetched


@pytest.mark.parametrize("size", [1, 2, 7, 255, 256, 257, 300])
def test_tiles_give_the_tree_back(size: int) -> None:
    hashes, fetched = reading(size, served(size, levels()))
    for smaller in {1, size // 2, size - 1, size} - {0}:
        assert root_at(NODES, hashes, smaller, EMPTY) == root_of(LEAVES[:smaller])
        assert consistency_proof(NODES, hashes, smaller, size) == consistency_proof(NODES, levels(), smaller, size)
    for index in range(0, size, 13):
        assert inclusion_proof(NODES, hashes, index, size) == inclusion_proof(NODES, levels(), index, size)
    assert len(fetched) == len(set(fetched)), "a tile is fetched once"
    for level, index in ((0, size), (-1, 0), (0, -1), (9, 0)):
        with pytest.raises(IndexError):
            hashes.read(level, index)


def test_a_large_log_is_read_by_few_tiles_and_keeps_few() -> None:
    size = 70_000
    tree = HashLevels(NODES)
    tree.extend(merkle.audit_leaves(DEFAULT, (number.to_bytes(4, "big") for number in range(size))))
    files = served(size, tree)
    hashes, fetched = reading(size, files)
    for index in (0, 12_345, 69_999):
        assert inclusion_proof(NODES, hashes, index, size) == inclusion_proof(NODES, tree, index, size)
    assert len(fetched) <= 3 * 3
    for number in range(273):
        assert hashes.read(0, number * 256) == tree.read(0, number * 256)
    assert hashes.read(0, 0) == tree.read(0, 0)
    assert fetched.count("tile/0/000") == 2, "what was not asked for in a while is fetched again"


def test_a_tile_above_has_the_roots_of_full_tiles_below() -> None:
    assert encode_tile(Tile(1, 0, 1), levels()) == root_of(LEAVES[:256])


@pytest.mark.parametrize(
    ("length", "error"), [(31, Truncated), (0, Truncated), (33, TrailingBytes), (64, TrailingBytes)]
)
def test_a_tile_has_as_many_hashes_as_its_path_says(length: int, error: type[Exception]) -> None:
    assert decode_tile(Tile(0, 0, 1), bytes(32)) == [bytes(32)]
    with pytest.raises(error):
        decode_tile(Tile(0, 0, 1), bytes(length))
    hashes = TiledHashes(NODES, 1, lambda tile: bytes(length))
    with pytest.raises(error):
        hashes.read(0, 0)


# Bundles.


@given(st.lists(st.binary(max_size=70), min_size=1, max_size=256))
def test_a_bundle_gives_its_entries_back(entries: list[bytes]) -> None:
    data = encode_bundle(entries)
    assert decode_bundle(Tile(None, 0, len(entries)), data) == entries


def test_the_largest_entry_and_none_larger() -> None:
    data = encode_bundle([bytes(MAX_LOG_ENTRY)])
    assert decode_bundle(Tile(None, 0, 1), data) == [bytes(MAX_LOG_ENTRY)]
    for entries in ([bytes(MAX_LOG_ENTRY + 1)], [], [b""] * 257):
        with pytest.raises(FieldInvalid):
            encode_bundle(entries)


def damaged() -> dict[str, Callable[[bytes], bytes]]:
    return {
        "empty": lambda _: b"",
        "cut": lambda data: data[:-1],
        "cut to a length": lambda data: data[: -len(ENTRIES[0])],
        "cut in a length": lambda data: data[: -len(ENTRIES[0]) - 1],
        "more": lambda data: data + b"\0",
        "an entry more": lambda data: data + b"\0\0",
        "an entry less": lambda data: data[: -len(ENTRIES[0]) - 2],
        "far too long": lambda data: data + bytes(3 * (2 + MAX_LOG_ENTRY)),
    }


@pytest.mark.parametrize("name", damaged())
def test_a_bundle_holds_the_entries_that_its_path_says_and_nothing_else(name: str) -> None:
    with pytest.raises(FieldInvalid) as caught:
        decode_bundle(Tile(None, 0, 3), damaged()[name](encode_bundle(ENTRIES[:3])))
    assert caught.value.facts == {"structure": Structure.TILE, "rule": 2}
