"""The leaf hashes of a segment, and what to make of them where neither of the two places is right as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vaultfs_format.layout import Buffer
from vaultfs_format.searching import read_through
from vaultfs_format.slices import tree_root
from vaultfs_format.suite import DIGEST, Suite

if TYPE_CHECKING:
    from vaultfs_format.healing import SlicedFile


class Half(NamedTuple):
    """The slices of the covered bytes, or those of the parity, and the root over their leaf hashes."""

    numbers: range
    root: bytes

    @property
    def offset(self) -> int:
        """Where their hashes begin among all."""
        return DIGEST * self.numbers.start

    @property
    def length(self) -> int:
        """Bytes of their hashes."""
        return DIGEST * len(self.numbers)


class Leaves:
    """The leaf hash of every slice, side by side: as objects of their own they would take three times the memory.

    Attributes
    ----------
    unknown
        Numbers of the slices whose hash is not known.
    """

    def __init__(self, count: int) -> None:
        self._packed = bytearray(DIGEST * count)
        self.unknown: set[int] = set()

    def __getitem__(self, number: int) -> bytes | None:
        return None if number in self.unknown else bytes(self._packed[DIGEST * number : DIGEST * (number + 1)])

    def __setitem__(self, number: int, leaf: bytes) -> None:
        self._packed[DIGEST * number : DIGEST * (number + 1)] = leaf
        self.unknown.discard(number)

    def __bytes__(self) -> bytes:
        return bytes(self._packed)

    def put(self, half: Half, data: Buffer) -> None:
        """Take the hashes of a half; zeros where there are fewer."""
        self._packed[half.offset : half.offset + half.length] = bytes(data).ljust(half.length, b"\0")
        if self.unknown:
            self.unknown.difference_update(half.numbers)

    def packed(self, half: Half) -> bytes:
        """Return the hashes of a half, side by side."""
        return bytes(self._packed[half.offset : half.offset + half.length])

    def forget(self, numbers: Iterable[int]) -> None:
        """Let the hashes of slices be unknown."""
        self.unknown.update(numbers)

    def prove(self, half: Half, suite: Suite) -> bool:
        """Return whether the hashes of a half have its root."""
        return tree_root(suite, unpacked(self.packed(half))) == half.root


def unpacked(data: bytes) -> Iterator[bytes]:
    """Yield hashes that lie side by side."""
    return (data[at : at + DIGEST] for at in range(0, len(data), DIGEST))


def settled(file: SlicedFile, halves: Sequence[Half]) -> list[Half]:
    """Find out the leaf hashes of halves from their slices; return the halves that still do not have their roots.

    What the two places state differently counts only where the root proves it. It is taken from the slices first.
    Where these do not fit, it is taken from what the others of their stripes give: for those that have neither of the
    two hashes; or else for all in dispute, since a slice and a hash may have been changed alike. The parity is in any
    case what the covered bytes give.
    """
    doubts = [(half, found) for half in halves if (found := _disputed(file, half)) is not None]
    left = []
    for half, (neither, disputed) in doubts:
        known = file.leaves.packed(half)
        ways = [neither, disputed] if half is file.halves[0] else [neither, disputed, set(half.numbers)]
        if not any(file.rebuilds(half, unknown) for unknown in ways):
            file.leaves.put(half, known)
            file.leaves.forget(disputed)
            left.append(half)
    return left


def _disputed(file: SlicedFile, half: Half) -> tuple[set[int], set[int]] | None:
    """Take the hashes that both places have, and those that slices have where the places differ.

    Returns
    -------
    tuple or None
        The slices that have neither hash, and all whose hashes differ; None where the root proves what was taken.
    """
    leaves, suite = file.leaves, file.footer.head.suite
    one, other = (read_through(file.read, at + half.offset, half.length) for at in file.footer.leaves_offsets)
    neither, disputed = set(), set()
    leaves.put(half, one)
    for number, *stated in zip(half.numbers, unpacked(one), unpacked(other), strict=True):
        if stated[0] != stated[1]:
            disputed.add(number)
            leaves[number] = leaf = file.leaf_of(number, file.stored(number))
            if leaf not in stated:
                neither.add(number)
    if leaves.prove(half, suite):
        return None
    taken = leaves.packed(half)
    for number in half.numbers:
        leaves[number] = file.leaf_of(number, file.stored(number))
    if leaves.prove(half, suite):
        return None
    leaves.put(half, taken)
    return neither, disputed
