"""Whether the log of a head has grown from checkpoints that others have cosigned: by its clear entries, without keys.

Everything is read once, up to the root that the head states: else entries of one log could stand beside the head of
another.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.merkle import CompactRange
from vaultfs_format.tlog.checkpoint import Checkpoint

from vaultfs.audit.errors import LogPrunedBefore
from vaultfs.engine.files.paths import Layout
from vaultfs.engine.files.sealed import open_segment
from vaultfs.vfs import Vfs


def diverged(vfs: Vfs, layout: Layout, head: Head, checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """Return those of the checkpoints that are not the beginning of the log of a head.

    Raises
    ------
    LogPrunedBefore
        One ends before the first leaf that is kept: that cannot be told of it.
    VaultDamaged
        Entries cannot be read.
    """
    found, inside = [], []
    for one in checkpoints:
        if 0 < one.size < head.first_leaf:
            raise LogPrunedBefore(size=one.size, first=head.first_leaf)
        if one.size > head.tree_size:
            found.append(one)
        elif one.size == head.tree_size:
            found += [one] if one.root != head.tree_root else []
        else:
            inside.append(one)
    return found + _diverged_inside(vfs, layout, head, inside) if inside else found


def _diverged_inside(vfs: Vfs, layout: Layout, head: Head, checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """Return what `diverged` does, of checkpoints that are smaller than the log: all if it is not the head's."""
    tree = head.pruned_tree()
    roots = _roots(tree, _leaves(vfs, layout, head), sorted({one.size for one in checkpoints}))
    tree.append(merkle.audit_leaf(head.suite, head.live_set().encode()))
    if (tree.size, tree.root(merkle.AUDIT_EMPTY)) != (head.tree_size, head.tree_root):
        return checkpoints
    return [one for one in checkpoints if roots[one.size] != one.root]


def _roots(tree: CompactRange, batches: Iterable[list[bytes]], sizes: Sequence[int]) -> dict[int, bytes]:
    """Extend a tree by leaf hashes; return the roots that it has on the way, at sizes that ascend, and of size 0."""
    roots = {0: merkle.AUDIT_EMPTY, tree.size: tree.root(merkle.AUDIT_EMPTY)}
    for leaves in batches:
        start, done = tree.size, 0
        for size in sizes[bisect_right(sizes, start) : bisect_right(sizes, start + len(leaves))]:
            tree.extend(leaves[done : size - start])
            done = size - start
            roots[size] = tree.root(merkle.AUDIT_EMPTY)
        tree.extend(leaves[done:])
    return roots


def _leaves(vfs: Vfs, layout: Layout, head: Head) -> Iterator[list[bytes]]:
    """Yield the leaf hashes of each audit segment, in their order."""
    rows = [row for row in head.segments if row.frame_class is FrameClass.AUDIT]
    for _, row in sorted((_first(vfs, layout, row), row) for row in rows):
        with closing(open_segment(vfs, layout, row)) as segment:
            footer = segment.footer
            data = segment.read(footer.audit_offset, footer.audit_length)
        yield merkle.audit_leaves(head.suite, (data[at : at + ENTRY.size] for at in range(0, len(data), ENTRY.size)))


def _first(vfs: Vfs, layout: Layout, row: SegmentRow) -> int:
    with closing(open_segment(vfs, layout, row)) as segment:
        return segment.footer.first_leaf
