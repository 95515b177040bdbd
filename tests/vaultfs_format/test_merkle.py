"""Roots are those of RFC 9162, against its recursive definition."""

from __future__ import annotations

import hashlib

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import merkle
from vaultfs_format.suite import DEFAULT


def mth(leaves: list[bytes], tag: str = "sha256") -> bytes:
    """Return the Merkle tree hash of leaf hashes, as section 2.1.1 of RFC 9162 defines it."""

    def digest(data: bytes) -> bytes:
        return blake3(data).digest() if tag == "blake3" else hashlib.sha256(data).digest()

    if not leaves:
        return digest(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return digest(b"\x01" + mth(leaves[:k], tag) + mth(leaves[k:], tag))


LEAVES = [merkle.audit_leaf(DEFAULT, bytes([number])) for number in range(70)]


@pytest.mark.parametrize("size", range(70))
def test_roots_are_those_of_the_recursive_definition(size: int) -> None:
    tree = merkle.CompactRange(merkle.audit_nodes(DEFAULT))
    tree.extend(LEAVES[:size])
    assert tree.root(merkle.AUDIT_EMPTY) == mth(LEAVES[:size])
    assert (tree.size, len(tree.peaks)) == (size, size.bit_count())


def test_leaves_are_hashed_together_as_each_alone() -> None:
    assert merkle.audit_leaves(DEFAULT, [bytes([number]) for number in range(70)]) == LEAVES
    assert merkle.audit_leaves(DEFAULT, []) == []


@given(st.integers(0, 60), st.integers(0, 60))
def test_a_tree_goes_on_from_its_peaks(size: int, more: int) -> None:
    tree = merkle.CompactRange(merkle.audit_nodes(DEFAULT))
    tree.extend(LEAVES[:size])
    again = merkle.CompactRange(merkle.audit_nodes(DEFAULT), tree.size, tree.peaks)
    copied = again.copy()
    again.extend((LEAVES * 2)[size : size + more])
    assert again.root(merkle.AUDIT_EMPTY) == mth((LEAVES * 2)[: size + more])
    assert copied.root(merkle.AUDIT_EMPTY) == tree.root(merkle.AUDIT_EMPTY)


def test_the_known_roots_of_certificate_transparency() -> None:
    """Test vectors of the certificate-transparency project for its reference inputs."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    tree = merkle.CompactRange(merkle.audit_nodes(DEFAULT))
    tree.extend(merkle.audit_leaves(DEFAULT, [bytes.fromhex(text) for text in inputs]))
    assert merkle.AUDIT_EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    expected = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert tree.root(merkle.AUDIT_EMPTY).hex() == expected


def test_peaks_must_fit_the_size() -> None:
    with pytest.raises(ValueError, match="peak"):
        merkle.CompactRange(merkle.audit_nodes(DEFAULT), 3, [bytes(32)])


@pytest.mark.parametrize("size", [0, 1, 2, 3, 9])
def test_slice_trees_bind_segment_and_position(size: int) -> None:
    leaves = []
    for index in range(size):
        leaf = merkle.slice_leaf(DEFAULT, b"g" * 16, index, b"slice")
        assert leaf == blake3(b"\x00" + b"g" * 16 + index.to_bytes(8, "little") + b"slice").digest()
        leaves.append(leaf)
    assert len(set(leaves)) == size
    tree = merkle.CompactRange(merkle.slice_nodes(DEFAULT))
    tree.extend(leaves)
    assert tree.root(DEFAULT.digest(b"")) == mth(leaves, "blake3")


def proof(leaves: list[bytes], index: int) -> list[bytes]:
    """Return PATH(m, D_n) as section 2.1.3.1 of RFC 9162 defines it."""
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if index < k:
        return [*proof(leaves[:k], index), mth(leaves[k:])]
    return [*proof(leaves[k:], index - k), mth(leaves[:k])]


@pytest.mark.parametrize("size", range(1, 35))
def test_a_proof_is_that_of_the_recursive_definition_and_proves_its_leaf_alone(size: int) -> None:
    leaves, root = LEAVES[:size], mth(LEAVES[:size])
    for index, leaf in enumerate(leaves):
        path = merkle.inclusion_path(merkle.audit_nodes(DEFAULT), leaves, index)
        assert path == proof(leaves, index)
        holds = [
            (at, claimed)
            for at in range(-1, size + 2)
            for claimed in (leaf, LEAVES[-1], LEAVES[-2])
            if merkle.included(merkle.audit_nodes(DEFAULT), root, claimed, at, size, path)
        ]
        assert holds == [(index, leaf)]


@given(st.integers(1, 40), st.data())
def test_a_path_that_was_changed_proves_nothing(size: int, data: st.DataObject) -> None:
    leaves = LEAVES[:size]
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_path(merkle.audit_nodes(DEFAULT), leaves, index)
    changed = data.draw(
        st.sampled_from(
            [
                [*path, LEAVES[0]],
                [LEAVES[-1], *path],
                *([path[:-1], path[1:], [*path[:-1], LEAVES[-1]]] if path else []),
            ]
        )
    )
    assert not merkle.included(merkle.audit_nodes(DEFAULT), mth(leaves), leaves[index], index, size, changed)


@pytest.mark.parametrize(("size", "index"), [(0, 0), (3, 3), (3, -1)])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(size: int, index: int) -> None:
    with pytest.raises(IndexError):
        merkle.inclusion_path(merkle.audit_nodes(DEFAULT), LEAVES[:size], index)
    assert not merkle.included(merkle.audit_nodes(DEFAULT), mth(LEAVES[:size]), LEAVES[0], index, size, [])
