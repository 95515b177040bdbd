"""Proofs from stored hashes are those of RFC 9162, of a pruned tree as of the whole; what was changed is refused."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import merkle
from vaultfs_format.levels import HashLevels, consistency_proof, inclusion_proof, peaks_at, root_at
from vaultfs_format.suite import DEFAULT, FIPS

from tests.vaultfs_format.tlog.logs import EMPTY, LEAVES, NODES, levels, path_of, root_of, subproof_of

SIZES = range(71)
ROOTS = [root_of(LEAVES[:size]) for size in SIZES]


def pruned(minimum: int, leaves: Sequence[bytes] = LEAVES) -> HashLevels:
    """Return the hashes of leaves of which those before the minimum index are forgotten, but for the peaks."""
    before = merkle.CompactRange(NODES)
    before.extend(leaves[:minimum])
    found = HashLevels(NODES, before)
    found.extend(leaves[minimum:])
    return found


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    return merkle.consistent(NODES, EMPTY, old, old_root, new, new_root, path)


@pytest.mark.parametrize("size", SIZES)
def test_proofs_are_those_of_the_recursive_definition(size: int) -> None:
    assert root_at(NODES, levels(), size, EMPTY) == ROOTS[size]
    for index in range(size):
        path = inclusion_proof(NODES, levels(), index, size)
        assert path == path_of(index, LEAVES[:size]) == merkle.inclusion_path(NODES, LEAVES[:size], index)
        assert merkle.included(NODES, ROOTS[size], LEAVES[index], index, size, path)
    for old in range(size + 1):
        path = consistency_proof(NODES, levels(), old, size)
        assert path == (subproof_of(old, LEAVES[:size]) if old else [])
        assert consistent(old, ROOTS[old], size, ROOTS[size], path)


@given(st.integers(71, 300), st.data())
def test_proofs_in_larger_trees_are_those_of_the_recursive_definition(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    assert inclusion_proof(NODES, levels(), index, size) == path_of(index, LEAVES[:size])
    assert consistency_proof(NODES, levels(), old, size) == subproof_of(old, LEAVES[:size])


@pytest.mark.parametrize("minimum", SIZES)
def test_a_pruned_tree_gives_the_proofs_of_the_whole_one(minimum: int) -> None:
    tree = pruned(minimum, LEAVES[:70])
    assert (tree.minimum, tree.size) == (minimum, 70)
    for size in range(minimum, 71):
        assert root_at(NODES, tree, size, EMPTY) == ROOTS[size]
        assert peaks_at(NODES, tree, size).peaks == peaks_at(NODES, levels(), size).peaks
        for index in range(minimum, size):
            assert inclusion_proof(NODES, tree, index, size) == inclusion_proof(NODES, levels(), index, size)
        for old in range(minimum, size + 1):
            assert consistency_proof(NODES, tree, old, size) == consistency_proof(NODES, levels(), old, size)


@given(st.integers(0, 300), st.integers(0, 300), st.lists(st.integers(0, 300), max_size=4))
def test_pruning_again_and_growing_in_any_steps_comes_to_the_same(first: int, second: int, steps: list[int]) -> None:
    first, second = sorted((first, second))
    tree = HashLevels(NODES, peaks_at(NODES, pruned(first), second))
    edges = [second, *sorted(max(second, step) for step in steps), 300]
    for start, end in pairwise(edges):
        tree.extend(LEAVES[start:end])
    for index in range(second, 300, 17):
        assert inclusion_proof(NODES, tree, index, 300) == inclusion_proof(NODES, levels(), index, 300)
    assert consistency_proof(NODES, tree, second, 300) == consistency_proof(NODES, levels(), second, 300)


def test_what_is_pruned_or_not_there_is_not_read() -> None:
    tree = pruned(5)
    assert tree.read(2, 0) == root_of(LEAVES[:4])
    assert tree.read(0, 4) == LEAVES[4]
    assert tree.read(3, 0) == root_of(LEAVES[:8]), "it straddles the minimum index"
    for level, index in ((0, 3), (1, 1), (2, -1), (0, 300), (-1, 0), (9, 0)):
        with pytest.raises(IndexError):
            tree.read(level, index)
    with pytest.raises(IndexError):
        inclusion_proof(NODES, tree, 4, 4)
    with pytest.raises(IndexError):
        inclusion_proof(NODES, tree, 2, 9)
    with pytest.raises(IndexError):
        inclusion_proof(NODES, tree, -1, 9)
    for old, new in ((-1, 3), (4, 3)):
        with pytest.raises(IndexError):
            consistency_proof(NODES, tree, old, new)


class Counted:
    """The hashes of a tree, which counts how many are read."""

    def __init__(self, hashes: HashLevels) -> None:
        self._hashes = hashes
        self.reads = 0

    def read(self, level: int, index: int) -> bytes:
        self.reads += 1
        return self._hashes.read(level, index)


def test_a_proof_in_a_million_leaves_takes_as_many_reads_as_the_tree_is_high() -> None:
    size = 1_000_000
    tree = HashLevels(NODES)
    tree.extend(merkle.audit_leaves(DEFAULT, (number.to_bytes(8, "big") for number in range(size))))
    root, draw = root_at(NODES, tree, size, EMPTY), random.Random(1)
    for _ in range(200):
        index, old, counted = draw.randrange(size), draw.randrange(1, size), Counted(tree)
        path = inclusion_proof(NODES, counted, index, size)
        assert counted.reads <= 2 * size.bit_length()
        assert merkle.included(NODES, root, tree.read(0, index), index, size, path)
        counted.reads = 0
        path = consistency_proof(NODES, counted, old, size)
        assert counted.reads <= 2 * size.bit_length()
        assert consistent(old, root_at(NODES, tree, old, EMPTY), size, root, path)


# Size 0, and a size with itself.


def test_from_size_0_the_proof_is_empty_and_the_root_that_of_nothing() -> None:
    for new in (1, 2, 7):
        assert consistent(0, EMPTY, new, ROOTS[new], [])
        assert not consistent(0, ROOTS[1], new, ROOTS[new], [])
        assert not consistent(0, EMPTY, new, ROOTS[new], [LEAVES[0]])
        assert not consistent(0, bytes(32), new, ROOTS[new], [])
    assert consistent(0, EMPTY, 0, EMPTY, [])
    assert not consistent(0, EMPTY, 0, ROOTS[1], [])
    assert not consistent(0, ROOTS[1], 0, ROOTS[1], []), "a tree of size 0 has one root"


def test_from_a_size_to_itself_the_proof_is_empty_and_the_roots_are_equal() -> None:
    for size in (1, 2, 3, 8, 70):
        assert consistent(size, ROOTS[size], size, ROOTS[size], [])
        assert not consistent(size, ROOTS[size], size, ROOTS[size - 1], [])
        assert not consistent(size, ROOTS[size], size, ROOTS[size], [ROOTS[size]])


def test_a_tree_is_the_beginning_of_none_that_is_smaller() -> None:
    assert not consistent(2, ROOTS[2], 1, ROOTS[1], [])
    assert not consistent(-1, EMPTY, 1, ROOTS[1], [])
    assert not consistent(1, EMPTY, 0, EMPTY, [])


# Proofs that were changed.


def changed(path: Sequence[bytes]) -> list[list[bytes]]:
    """Return a proof with a bit flipped, a hash dropped, added, doubled, swapped or of another length."""
    found = [[*path[:at], extra, *path[at:]] for at in range(len(path) + 1) for extra in (bytes(32), EMPTY)]
    for at, one in enumerate(path):
        before, behind = list(path[:at]), list(path[at + 1 :])
        flipped = [one[:byte] + bytes([one[byte] ^ 1 << byte % 8]) + one[byte + 1 :] for byte in (0, 15, 31)]
        found += [[*before, other, *behind] for other in (*flipped, one[:-1], one + b"\0", b"")]
        found += [[*before, *behind], [*before, one, one, *behind]]
    if len(path) > 1:
        found.append([path[1], path[0], *path[2:]])
    return [one for one in found if one != list(path)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 33, 64, 70])
def test_an_inclusion_proof_that_was_changed_is_refused(size: int) -> None:
    root = ROOTS[size]
    for index in range(size):
        path = path_of(index, LEAVES[:size])
        leaf = LEAVES[index]
        for other in changed(path):
            assert not merkle.included(NODES, root, leaf, index, size, other)
        assert not merkle.included(NODES, root, LEAVES[index + 1], index, size, path)
        assert not merkle.included(NODES, ROOTS[size - 1], leaf, index, size, path)
        for at in (index - 1, index + 1, -1, size):
            assert not merkle.included(NODES, root, leaf, at, size, path)
        for other_size in (0, -1):
            assert not merkle.included(NODES, root, leaf, index, other_size, path)


@pytest.mark.parametrize("new", [2, 3, 7, 8, 9, 33, 64, 70])
def test_a_consistency_proof_that_was_changed_is_refused(new: int) -> None:
    for old in range(1, new):
        path = subproof_of(old, LEAVES[:new])
        for other in changed(path):
            assert not consistent(old, ROOTS[old], new, ROOTS[new], other)
        assert not consistent(old, ROOTS[old - 1], new, ROOTS[new], path)
        assert not consistent(old, ROOTS[old], new, ROOTS[new - 1], path)
        assert not consistent(old + 1, ROOTS[old], new, ROOTS[new], path)
        assert not consistent(old - 1, ROOTS[old], new, ROOTS[new], path)
        assert not consistent(new, ROOTS[new], old, ROOTS[old], path)
        assert not consistent(old, ROOTS[old][:-1], new, ROOTS[new], path)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 70))
def test_a_consistency_proof_of_other_sizes_says_nothing_false(old: int, new: int, claimed: int) -> None:
    """With the roots of the sizes that are claimed nothing false verifies."""
    old, new = sorted((old, new))
    path = consistency_proof(NODES, levels(), old, new)
    if claimed != old and claimed <= new:
        right = consistent(claimed, ROOTS[claimed], new, ROOTS[new], path)
        assert right == (path == consistency_proof(NODES, levels(), claimed, new))


def test_every_suite_makes_the_same_proofs() -> None:
    assert consistency_proof(merkle.audit_nodes(FIPS), levels(), 5, 70) == consistency_proof(NODES, levels(), 5, 70)
