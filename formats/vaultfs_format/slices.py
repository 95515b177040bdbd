"""The slices of a segment: their hashes, the roots over these, and the parity that gives lost ones back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vaultfs_format import erasure, merkle
from vaultfs_format.geometry import Zone
from vaultfs_format.layout import Buffer
from vaultfs_format.segment import SegmentHead, parity_offset
from vaultfs_format.suite import Suite


def tree_root(suite: Suite, leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    tree = merkle.CompactRange(merkle.slice_nodes(suite))
    tree.extend(leaves)
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


class Protector(Slicer):
    """Makes the parity, too. The slices of one zone are held in memory at a time.

    Attributes
    ----------
    parity_leaves
        Leaf hashes of the parity, once all bytes have been taken in.
    """

    def __init__(self, head: SegmentHead) -> None:
        super().__init__(head)
        self._zones = iter(head.geometry.zones)
        self._zone = next(self._zones)
        self._held: list[Buffer] = []
        self._made: list[Parity] = []
        self.parity_leaves: list[bytes] = []

    def made(self) -> list[Parity]:
        """Return the parity that is complete and was not returned before."""
        made, self._made = self._made, []
        return made

    def _slice(self, data: Buffer) -> None:
        super()._slice(data)
        self._held.append(bytes(data))
        if len(self._held) == self._zone.slices:
            self._close_zone()

    def _close_zone(self) -> None:
        head, zone = self._head, self._zone
        slices = parity_of(zone, self._held, self._size)
        first = head.geometry.slices + zone.first_parity
        for number, data in enumerate(slices, first):
            self.parity_leaves.append(merkle.slice_leaf(head.suite, head.segment_id, number, data))
        offset = parity_offset(head.covered) + zone.first_parity * self._size
        self._made.append(Parity(offset, b"".join(slices)))
        self._held = []
        self._zone = next(self._zones, zone)


def parity_of(zone: Zone, slices: Sequence[Buffer], size: int) -> list[bytes]:
    """Return the parity slices of a zone in the order of the file.

    Parameters
    ----------
    slices
        All data slices of the zone, of `size` bytes each but the last.
    """
    made: dict[int, bytes] = {}
    for stripe in range(zone.stripes):
        data = [slices[number - zone.first] for number in zone.data(stripe)]
        parity = erasure.encode(zone.data_pieces, zone.parity_pieces, data, size)
        made.update(zip(zone.parity(stripe), parity, strict=True))
    return [made[number] for number in sorted(made)]
