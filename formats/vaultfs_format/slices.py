"""The slices of a segment: their hashes, the roots over these, and the parity that gives lost ones back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from vaultfs_format import erasure, merkle
from vaultfs_format.geometry import Zone
from vaultfs_format.layout import Buffer
from vaultfs_format.segment import SegmentHead, parity_offset
from vaultfs_format.suite import Suite

_TOGETHER = 1 << 12
"""Leaf hashes that are taken into a tree at a time: a segment can have millions."""


def tree_root(suite: Suite, leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    tree, following = merkle.CompactRange(merkle.slice_nodes(suite)), iter(leaves)
    while some := [*islice(following, _TOGETHER)]:
        tree.extend(some)
    return tree.root(suite.digest(b""))


class Parity(NamedTuple):
    """Parity slices that follow each other, and where they go in the file."""

    offset: int
    data: bytes


class Slicer:
    """Cuts the covered bytes of a segment into slices as they pass by, and hashes them.

    Attributes
    ----------
    leaves
        Leaf hashes so far.
    """

    def __init__(self, head: SegmentHead) -> None:
        self._head = head
        self._size = head.geometry.slice_size
        self._pending = bytearray()
        self.leaves: list[bytes] = []

    def update(self, data: Buffer) -> None:
        """Take in the next bytes of the file."""
        size = self._size
        view = memoryview(data)
        if self._pending:
            missing = size - len(self._pending)
            self._pending += view[:missing]
            view = view[missing:]
            if len(self._pending) < size:
                return
            self._slice(bytes(self._pending))
            self._pending.clear()
        whole = len(view) // size * size
        for at in range(0, whole, size):
            self._slice(view[at : at + size])
        self._pending += view[whole:]

    def finish(self) -> Sequence[bytes]:
        """Return all leaf hashes."""
        if self._pending:
            self._slice(bytes(self._pending))
            self._pending.clear()
        return self.leaves

    def _slice(self, data: Buffer) -> None:
        head = self._head
        self.leaves.append(merkle.slice_leaf(head.suite, head.segment_id, len(self.leaves), data))


class ZoneParity:
    """Makes the parity of a zone while its slices pass by: what is held is as long as the parity.

    Parameters
    ----------
    size
        Bytes of a slice.
    """

    def __init__(self, zone: Zone, size: int) -> None:
        self._zone = zone
        self._stripes = [erasure.sums(zone.parity_pieces, size) for _ in range(zone.stripes)]
        self._taken = 0

    @property
    def complete(self) -> bool:
        """Whether all slices were added."""
        return self._taken == self._zone.slices

    def add(self, data: Buffer) -> None:
        """Add the next data slice; only the last one may be shorter than the others."""
        zone = self._zone
        piece, stripe = divmod(self._taken, zone.stripes)
        self._stripes[stripe].add(erasure.column(zone.data_pieces, zone.parity_pieces, piece), data)
        self._taken += 1

    def finish(self) -> list[bytes]:
        """Return the parity slices in the order of the file. Nothing is added after this."""
        made: dict[int, bytes] = {}
        for number, sums in enumerate(self._stripes):
            made.update(zip(self._zone.parity(number), sums.finish(), strict=True))
        return [made[number] for number in sorted(made)]


class Protector(Slicer):
    """Makes the parity, too, zone by zone.

    Attributes
    ----------
    parity_leaves
        Leaf hashes of the parity, once all bytes have been taken in.
    """

    def __init__(self, head: SegmentHead) -> None:
        super().__init__(head)
        self._zones = iter(head.geometry.zones)
        self._zone = next(self._zones)
        self._parity = ZoneParity(self._zone, self._size)
        self._made: list[Parity] = []
        self.parity_leaves: list[bytes] = []

    def made(self) -> list[Parity]:
        """Return the parity that is complete and was not returned before."""
        made, self._made = self._made, []
        return made

    def _slice(self, data: Buffer) -> None:
        super()._slice(data)
        self._parity.add(data)
        if self._parity.complete:
            self._close_zone()

    def _close_zone(self) -> None:
        head, zone = self._head, self._zone
        slices = self._parity.finish()
        first = head.geometry.slices + zone.first_parity
        for number, data in enumerate(slices, first):
            self.parity_leaves.append(merkle.slice_leaf(head.suite, head.segment_id, number, data))
        offset = parity_offset(head.covered) + zone.first_parity * self._size
        self._made.append(Parity(offset, b"".join(slices)))
        following = next(self._zones, None)
        if following is not None:
            self._zone, self._parity = following, ZoneParity(following, self._size)
