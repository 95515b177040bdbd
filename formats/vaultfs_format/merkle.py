"""The Merkle tree shape of RFC 9162 section 2.1: roots over leaf hashes, the compact range that grows
one, proofs that a leaf is in one, and that one is the beginning of another.

Two trees use it: the audit tree (of SHA-256 in every suite, leaves and nodes exactly as in the RFC) and the slice tree
of a segment (the suite's digest, leaves bound to the segment and their position).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from vaultfs_format.layout import Buffer
from vaultfs_format.suite import Suite

Nodes = Callable[[Sequence[bytes]], list[bytes]]
"""Hashes an even number of neighbours, two at a time: a whole level at once, since there are millions of them."""


def audit_leaf(suite: Suite, entry: Buffer) -> bytes:
    """Return the hash of an audit leaf: SHA-256(0x00 || entry), RFC 9162 section 2.1.1."""
    return audit_leaves(suite, [entry])[0]


def audit_leaves(suite: Suite, entries: Iterable[Buffer]) -> list[bytes]:
    """Return the hashes of many audit leaves."""
    return suite.sha256_each([b"\x00" + entry for entry in entries])


def audit_nodes(suite: Suite) -> Nodes:
    """Return the inner-node hash of the audit tree: SHA-256(0x01 || left || right)."""
    each = suite.sha256_each
    return lambda level: each([b"\x01" + left + right for left, right in zip(level[::2], level[1::2], strict=True)])


AUDIT_EMPTY = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
"""The root of the audit tree of size 0: SHA-256 of nothing."""


def slice_leaf(suite: Suite, segment: bytes, index: int, data: Buffer) -> bytes:
    """Return the hash of slice `index` of a segment, bound to both."""
    hasher = suite.hasher()
    hasher.update(b"\x00" + segment + index.to_bytes(8, "little"))
    hasher.update(data)
    return hasher.digest()


def slice_nodes(suite: Suite) -> Nodes:
    """Return the inner-node hash of a slice tree."""
    digest = suite.digest
    return lambda level: [digest(b"\x01" + left + right) for left, right in zip(level[::2], level[1::2], strict=True)]


class CompactRange:
    """The peaks of a tree of `size` leaves: enough to append to it and to state its root, not to prove a leaf.

    Parameters
    ----------
    nodes
        The inner-node hash.
    size
        Number of leaves.
    peaks
        Roots of the perfect subtrees, largest first; one for each bit set in `size`.
    """

    __slots__ = ("_nodes", "peaks", "size")

    def __init__(self, nodes: Nodes, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise ValueError("a compact range has one peak for each bit of its size")
        self._nodes = nodes
        self.size = size
        self.peaks = list(peaks)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        self._push(leaf, 1)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in order: perfect subtrees at once, each level of one as a whole."""
        pending, at, nodes = list(leaves), 0, self._nodes
        while at < len(pending):
            fitting = 1 << (len(pending) - at).bit_length() - 1
            count = min(self.size & -self.size or fitting, fitting)
            level = pending[at : at + count]
            while len(level) > 1:
                level = nodes(level)
            self._push(level[0], count)
            at += count

    def _push(self, root: bytes, count: int) -> None:
        """Add a perfect subtree of `count` leaves, of which the tree has a whole number before it."""
        self.size += count
        while (self.size - count) & count:
            root = self._nodes([self.peaks.pop(), root])[0]
            count <<= 1
        self.peaks.append(root)

    def root(self, empty: bytes) -> bytes:
        """Return the root of the tree, `empty` for a tree of size 0."""
        if not self.peaks:
            return empty
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = self._nodes([peak, root])[0]
        return root

    def copy(self) -> CompactRange:
        """Return an independent copy."""
        return CompactRange(self._nodes, self.size, self.peaks)


def inclusion_path(nodes: Nodes, leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the inclusion proof of a leaf, from the leaf to the root (RFC 9162 section 2.1.3.1).

    Parameters
    ----------
    nodes
        The inner-node hash.
    leaves
        All leaf hashes of the tree.
    index
        Position of the leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError("no such leaf")
    path, level = [], leaves
    while len(level) > 1:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        even = len(level) & -2
        level = [*nodes(level[:even]), *level[even:]]
        index >>= 1
    return path


def included(nodes: Nodes, root: bytes, leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bool:
    """Return whether a tree of `size` leaves with this root has this leaf at `index` (RFC 9162 section 2.1.3.2).

    The path may come from anybody: one that is too long or too short proves nothing.
    """
    if not 0 <= index < size:
        return False
    last, steps = size - 1, iter(path)
    while last:
        if index & 1 or index < last:
            step = next(steps, None)
            if step is None:
                return False
            leaf = nodes([step, leaf] if index & 1 else [leaf, step])[0]
        index, last = index >> 1, last >> 1
    return leaf == root and next(steps, None) is None


def consistent(
    nodes: Nodes, empty: bytes, old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Return whether the `old` leaves of a tree with one root are the first of the `new` leaves of a tree with another.

    It is the check of RFC 9162 section 2.1.4.2, and what that leaves open: a tree of size 0 has the root `empty` and is
    the beginning of every tree, a tree is the beginning of itself, and of both the proof has no hash. The proof may
    come from anybody: one that is too long or too short proves nothing.
    """
    if old < 0 or any(len(one) != len(empty) for one in (old_root, new_root, *path)):
        return False
    if old == 0 or old >= new:
        whole = old_root == (empty if old == 0 else new_root) and (new > 0 or new_root == empty)
        return old <= new and whole and not path
    index, last = old - 1, new - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    steps = iter(path)
    first = next(steps, None) if index else old_root
    if first is None:
        return False
    left = right = first
    while last:
        if index & 1 or index < last:
            step = next(steps, None)
            if step is None:
                return False
            if index & 1:
                left = nodes([step, left])[0]
            right = nodes([step, right] if index & 1 else [right, step])[0]
        index, last = index >> 1, last >> 1
    return left == old_root and right == new_root and next(steps, None) is None
