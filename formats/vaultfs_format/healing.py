"""Finding what of a segment is damaged, and making it whole again from its parity: byte for byte, without a key.

Every piece is checked against its leaf hash before it is used, and everything that was rebuilt before it is given out.
Slices are numbered as leaves are: those of the covered bytes, then those of the parity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from vaultfs_format import erasure, limits, merkle
from vaultfs_format.errors import FormatError, SlicesLost, Structure, Unsupported
from vaultfs_format.geometry import Geometry, Zone
from vaultfs_format.searching import Read, occurrences
from vaultfs_format.segment import (
    FOOTER_MAGIC,
    FOOTER_SIZE,
    SUPERBLOCK_SIZE,
    SegmentFooter,
    SegmentHead,
    footer_offsets,
)
from vaultfs_format.slices import tree_root
from vaultfs_format.suite import DIGEST

Advance = Callable[[int], None]


class Patch(NamedTuple):
    """Bytes that belong at an offset of the file."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """What of a segment is not as it must be.

    Parameters
    ----------
    slices
        Numbers of the slices, parity included, that are damaged.
    leaves, footers
        Which of the two copies, 0 or 1, are damaged.
    length
        Whether the file is longer or shorter than it must be.
    roots
        Whether the leaf hashes are not those of the footer, as far as they are known: nothing here tells which slices
        were changed.
    """

    slices: tuple[int, ...] = ()
    leaves: tuple[int, ...] = ()
    footers: tuple[int, ...] = ()
    length: bool = False
    roots: bool = False

    def __bool__(self) -> bool:
        return bool(self.slices or self.leaves or self.footers or self.length or self.roots)


class Lost(NamedTuple):
    """Slices of a stripe of which too many are damaged to rebuild any."""

    slices: tuple[int, ...]


def find_footer(read: Read, size: int) -> SegmentFooter | None:
    """Return the footer of a segment: the one at the end, the one that the superblock leads to, or any that is found.

    Raises
    ------
    Unsupported
        The segment is of a newer kind.
    """
    for at in _likely(read, size):
        footer = _footer_at(read, at)
        if footer is not None:
            return footer
    found = (_footer_at(read, at) for at in occurrences(read, FOOTER_MAGIC, 0, size))
    return next((footer for footer in found if footer is not None), None)


def _likely(read: Read, size: int) -> Iterator[int]:
    yield max(0, size - FOOTER_SIZE)
    try:
        covered = SegmentHead.decode(read(0, SUPERBLOCK_SIZE)).covered
    except Unsupported:
        raise
    except FormatError:
        return
    if covered:
        yield from footer_offsets(covered)


def _footer_at(read: Read, at: int) -> SegmentFooter | None:
    """Return the footer at an offset, if there is a good one that belongs there."""
    try:
        footer = SegmentFooter.decode(read(at, FOOTER_SIZE))
    except FormatError:
        return None
    return footer if at in footer.footer_offsets else None


class SlicedFile:
    """A segment file, read slice by slice.

    Parameters
    ----------
    footer
        Its footer, which says what everything must be.
    spare
        Opens a copy of the file, whose slices are taken where they are good and those of the file are not.

    Attributes
    ----------
    leaves
        The leaf hash of every slice; None where none of the two copies can be believed.
    """

    def __init__(self, read: Read, footer: SegmentFooter, spare: Callable[[], Read] | None = None) -> None:
        self.read = read
        self.footer = footer
        self._open_spare = spare
        self.geometry: Geometry = footer.geometry
        self.count = self.geometry.slices + self.geometry.parity_slices
        self._healed: dict[int, bytes] = {}
        self._copies = self._stored(read)
        right = next((copy for copy in self._copies if self.right(copy)), None)
        if right is None and self._spare is not None:
            right = next((copy for copy in self._stored(self._spare) if self.right(copy)), None)
        self.leaves: list[bytes | None] = list(right) if right is not None else self._merged()

    @cached_property
    def _spare(self) -> Read | None:
        return None if self._open_spare is None else self._open_spare()

    def _stored(self, read: Read) -> list[list[bytes]]:
        """Return the two copies of the leaf hashes that a file holds."""
        copies = [read(offset, self.footer.leaves_length) for offset in self.footer.leaves_offsets]
        return [[data[at : at + DIGEST] for at in range(0, DIGEST * self.count, DIGEST)] for data in copies]

    def _borrowed(self, number: int) -> bytes | None:
        """Return a slice of the copy, if there is one and the slice is good."""
        if self._spare is None:
            return None
        data = self._spare(self.offset_of(number), self.length_of(number))
        return data if self.good(number, data) else None

    def right(self, leaves: Sequence[bytes | None]) -> bool:
        """Return whether these are the leaf hashes over which the footer has the roots."""
        return all(self._has_root(half, root) for half, root in self._halves(leaves))

    def _halves(self, leaves: Sequence[bytes | None]) -> list[tuple[Sequence[bytes | None], bytes]]:
        """Return the leaf hashes of the covered bytes, and those of the parity, each with the root it must have."""
        slices = self.geometry.slices
        return [(leaves[:slices], self.footer.root), (leaves[slices:], self.footer.parity_root)]

    def _has_root(self, leaves: Sequence[bytes | None], root: bytes) -> bool:
        known = [leaf for leaf in leaves if leaf is not None]
        return len(known) == len(leaves) and tree_root(self.footer.head.suite, known) == root

    def _merged(self) -> list[bytes | None]:
        """Return leaf hashes where neither copy is right as a whole: of the covered bytes, and of the parity."""
        count = self.geometry.slices
        ranges = (range(count), range(count, self.count))
        merged: list[bytes | None] = []
        for numbers, root in zip(ranges, (self.footer.root, self.footer.parity_root), strict=True):
            merged += self._merged_half(numbers, root)
        return merged

    def _merged_half(self, numbers: range, root: bytes) -> list[bytes | None]:
        """Return the hashes that both copies have, and those that slices have where the root says that they fit.

        Where nothing fits, a slice and its hash may have been changed alike: then what one copy alone says counts only
        if its slice has it, and the other says nothing that could be.
        """
        stated = [(self._copies[0][number], self._copies[1][number]) for number in numbers]
        agreed = [one if one == other else None for one, other in stated]
        computed = [self.leaf_of(number, self.stored(number)) for number in numbers]
        found = [computed[at] if leaf is None else leaf for at, leaf in enumerate(agreed)]
        for leaves in (found, computed):
            if self._has_root(leaves, root):
                return list(leaves)
        believed = [one if one in both else None for one, both in zip(found, stated, strict=True)]
        return believed if None in believed else agreed

    def damaged_copies(self) -> tuple[int, ...]:
        """Return which copies of the leaf hashes differ from them."""
        return tuple(number for number, copy in enumerate(self._copies) if copy != self.leaves)

    def offset_of(self, number: int) -> int:
        """Return where a slice lies."""
        size = self.geometry.slice_size
        data = self.geometry.slices
        return number * size if number < data else self.footer.parity_offset + (number - data) * size

    def length_of(self, number: int) -> int:
        """Return the bytes of a slice."""
        return self.geometry.length_of(number) if number < self.geometry.slices else self.geometry.slice_size

    def stored(self, number: int) -> bytes:
        """Return a slice as it lies in the file."""
        return self.read(self.offset_of(number), self.length_of(number))

    def leaf_of(self, number: int, data: bytes | memoryview) -> bytes:
        """Return the leaf hash that a slice has with these bytes."""
        head = self.footer.head
        return merkle.slice_leaf(head.suite, head.segment_id, number, data)

    def good(self, number: int, data: bytes | memoryview) -> bool:
        """Return whether these are the bytes of a slice."""
        return len(data) == self.length_of(number) and self.leaf_of(number, data) == self.leaves[number]

    def damaged(self, numbers: Iterable[int], advance: Advance = lambda _: None) -> Iterator[int]:
        """Yield which of these slices, in their order, are damaged. Slices that follow each other are read together."""
        for run in _runs(numbers, max(1, limits.MIB // self.geometry.slice_size), self.geometry.slices):
            lengths = [self.length_of(number) for number in run]
            data = memoryview(self.read(self.offset_of(run[0]), sum(lengths)))
            short, at = len(data) < sum(lengths), 0
            for number, length in zip(run, lengths, strict=True):
                # Where not all could be read, what cannot is told from what can.
                if not self.good(number, self.stored(number) if short else data[at : at + length]):
                    yield number
                at += length
            advance(at)

    # Rebuilding.

    def read_good(self, offset: int, length: int) -> bytes:
        """Return bytes that slices cover, each of which is good or was rebuilt for it; nothing is written.

        Raises
        ------
        SlicesLost
        """
        size = self.geometry.slice_size
        first, end = offset // size, min(offset + length, self.footer.head.covered)
        data = b"".join([self._good(number) for number in range(first, -(-end // size))])
        return data[offset - first * size : end - first * size]

    def _good(self, number: int) -> bytes:
        stored = self.stored(number)
        if self.good(number, stored):
            return stored
        borrowed = self._borrowed(number)
        if borrowed is not None:
            return borrowed
        if number not in self._healed:
            for one in self.rebuilt([number]):
                if isinstance(one, Lost):
                    raise SlicesLost(structure=Structure.SEGMENT, slice=number, slices=len(one.slices))
                self._healed[one[0]] = one[1]
        if number in self._healed:
            return self._healed[number]
        stored = self.stored(number)  # it was good when its stripe was looked at: the device had failed once
        if not self.good(number, stored):
            raise SlicesLost(structure=Structure.SEGMENT, slice=number, slices=1)
        return stored

    def zone_of(self, number: int) -> tuple[Zone, int]:
        """Return the zone and the stripe of a slice."""
        data = self.geometry.slices
        if number < data:
            zone = self.geometry.zone_of(number)
            return zone, zone.stripe_of(number)
        zone = self.geometry.zone_of_parity(number - data)
        return zone, zone.stripe_of_parity(number - data)

    def rebuilt(self, numbers: Iterable[int], *, unproved: bool = False) -> Iterator[tuple[int, bytes] | Lost]:
        """Yield the bytes of damaged slices, and of the others that are damaged in their stripes; or what is lost.

        Parameters
        ----------
        unproved
            Whether slices are wanted whose leaf hash is not known: the caller has the roots to prove them with.
        """
        stripes = dict.fromkeys(self.zone_of(number) for number in numbers)
        for zone, stripe in stripes:
            yield from self._stripe(zone, stripe, unproved)

    def _stripe(self, zone: Zone, stripe: int, unproved: bool) -> Iterator[tuple[int, bytes] | Lost]:
        data = zone.data(stripe)
        slices = [*data, *(self.geometry.slices + number for number in zone.parity(stripe))]
        numbers = [*range(len(data)), *range(zone.data_pieces, zone.data_pieces + zone.parity_pieces)]
        present: list[tuple[int, bytes]] = [(number, b"") for number in range(len(data), zone.data_pieces)]
        missing: list[tuple[int, int]] = []
        for piece, number in zip(numbers, slices, strict=True):
            stored = self.stored(number)
            if self.good(number, stored):
                present.append((piece, stored))
            elif (borrowed := self._borrowed(number)) is not None:
                present.append((piece, borrowed))
                yield number, borrowed
            else:
                missing.append((piece, number))
        if not missing:
            return
        wanted = [piece for piece, _ in missing]
        lost = tuple(number for _, number in missing)
        if len(present) < zone.data_pieces:
            yield Lost(lost)
            return
        made = erasure.rebuild(zone.data_pieces, present, wanted, self.geometry.slice_size)
        made = [data[: self.length_of(number)] for data, number in zip(made, lost, strict=True)]
        if all(self._fits(number, data, unproved) for number, data in zip(lost, made, strict=True)):
            yield from zip(lost, made, strict=True)
        else:
            yield Lost(lost)

    def _fits(self, number: int, data: bytes, unproved: bool) -> bool:
        known = self.leaves[number]
        return unproved if known is None else self.leaf_of(number, data) == known


def examine(file: SlicedFile, size: int, advance: Advance = lambda _: None) -> Damage:
    """Look at every byte of a segment file of `size` bytes."""
    footer = file.footer
    slices = tuple(file.damaged(range(file.count), advance))
    encoded = footer.encode()
    footers = tuple(n for n, at in enumerate(footer.footer_offsets) if file.read(at, FOOTER_SIZE) != encoded)
    roots = None not in file.leaves and not file.right(file.leaves)
    return Damage(slices, file.damaged_copies(), footers, size != footer.length, roots)


def heal(file: SlicedFile, damage: Damage) -> Iterator[Patch | Lost]:
    """Yield what makes a segment file whole again; and what of it is lost, if anything is.

    The file must have its length first, filled with zeros if it is too short.
    """
    footer = file.footer
    leaves = list(file.leaves)
    unproved: list[Patch] = []
    for one in file.rebuilt(damage.slices, unproved=True):
        if isinstance(one, Lost):
            yield one
            continue
        number, data = one
        patch = Patch(file.offset_of(number), data)
        if leaves[number] is None:
            leaves[number] = file.leaf_of(number, data)
            unproved.append(patch)
        else:
            yield patch
    if None not in leaves and file.right(leaves):
        yield from unproved
        hashes = b"".join(leaf for leaf in leaves if leaf is not None)
        for copy in damage.leaves:
            yield Patch(footer.leaves_offsets[copy], hashes)
    elif unproved:
        yield Lost(tuple(number for number in damage.slices if file.leaves[number] is None))
    for copy in damage.footers:
        yield Patch(footer.footer_offsets[copy], footer.encode())


def _runs(numbers: Iterable[int], most: int, border: int) -> Iterator[list[int]]:
    """Yield numbers in runs that follow each other, at most so many, and none across the border."""
    run: list[int] = []
    for number in numbers:
        if run and (number != run[-1] + 1 or len(run) == most or number == border):
            yield run
            run = []
        run.append(number)
    if run:
        yield run
