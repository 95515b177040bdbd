"""Finding what of a segment is damaged, and making it whole again from its parity: byte for byte, without a key.

Every piece is checked against its leaf hash before it is used, and everything that was rebuilt before it is given out.
Slices are numbered as leaves are: those of the covered bytes, then those of the parity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from vaultfs_format import erasure, limits, merkle
from vaultfs_format.errors import FormatError, SlicesLost, Structure, Unsupported
from vaultfs_format.geometry import Geometry, Zone
from vaultfs_format.leaves import Half, Leaves, settled
from vaultfs_format.prefix import PREFIX, check_prefix
from vaultfs_format.searching import Read, occurrences
from vaultfs_format.segment import (
    FOOTER_MAGIC,
    FOOTER_SIZE,
    MAGIC,
    SUPERBLOCK_SIZE,
    SegmentFooter,
    SegmentHead,
    footer_offsets,
)

Advance = Callable[[int], None]

_KEPT = 8 * limits.MIB
"""Bytes of rebuilt slices that are kept: as many as a zone can lose, since slices of one stripe lie far apart."""


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
        Whether leaf hashes that are all known are not those over which the footer has the root: nothing here tells
        which slices were changed.
    """

    slices: tuple[int, ...] = ()
    leaves: tuple[int, ...] = ()
    footers: tuple[int, ...] = ()
    length: bool = False
    roots: bool = False

    def __bool__(self) -> bool:
        return bool(self.slices or self.leaves or self.footers or self.length or self.roots)


class Lost(NamedTuple):
    """Slices that nothing gives back, or that nothing proves."""

    slices: Sequence[int]


Right = Callable[[SegmentFooter], bool]


def find_footer(read: Read, size: int, right: Right = lambda _: True) -> SegmentFooter | None:
    """Return the footer of a segment: the one at the end, the one that the superblock leads to, or any that is found.

    Parameters
    ----------
    right
        Judges footers: one that it refuses counts as damaged, and the next is looked at.

    Raises
    ------
    Unsupported
        There is none, and the segment is of a newer kind: by its superblock, or by a footer if that is damaged.
    """
    newer: Unsupported | None = None
    try:
        check_prefix(Structure.SEGMENT, MAGIC, read(0, PREFIX.size))
        damaged = False
    except FormatError:
        damaged = True
    except Unsupported as error:
        newer, damaged = error, False
    for at in chain(_likely(read, size), occurrences(read, FOOTER_MAGIC, 0, size)):
        try:
            footer = footer_at(read, at)
        except Unsupported as error:
            newer = error if damaged else newer
            continue
        if footer is not None and right(footer):
            return footer
    if newer is not None:
        raise newer
    return None


def _likely(read: Read, size: int) -> Iterator[int]:
    yield max(0, size - FOOTER_SIZE)
    try:
        covered = SegmentHead.decode(read(0, SUPERBLOCK_SIZE)).covered
    except (FormatError, Unsupported):
        return
    if covered:
        yield from footer_offsets(covered)


def footer_at(read: Read, at: int) -> SegmentFooter | None:
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
    halves
        The slices of the covered bytes, and those of the parity, each with the root that their leaf hashes must have.
    leaves
        The leaf hash of every slice; None where nothing tells which of two is right, or that either is.
    unproved
        Which halves do not have their roots: what their slices hold may have been changed along with their hashes.
    healed
        How often a slice was given out that is not good in the file.
    """

    def __init__(self, read: Read, footer: SegmentFooter, spare: Callable[[], Read] | None = None) -> None:
        self.read = read
        self.footer = footer
        self._open_spare = spare
        self.geometry: Geometry = footer.geometry
        self.count = self.geometry.slices + self.geometry.parity_slices
        self.healed = 0
        self._healed: dict[int, bytes] = {}
        self.leaves = Leaves(self.count)
        border = self.geometry.slices
        self.halves = (Half(range(border), footer.root), Half(range(border, self.count), footer.parity_root))
        self.unproved = [half for half in self.halves if not self._stored(half)]
        if self.unproved:
            self.unproved = settled(self, self.unproved)

    @cached_property
    def _spare(self) -> Read | None:
        return None if self._open_spare is None else self._open_spare()

    def _files(self) -> Iterator[Read]:
        """Yield what reads the file, and what reads its copy."""
        yield self.read
        if self._spare is not None:
            yield self._spare

    def _stored(self, half: Half) -> bool:
        """Take leaf hashes as they lie where they have the root; return whether there is such a place."""
        for read in self._files():
            for offset in self.footer.leaves_offsets:
                self.leaves.put(half, read(offset + half.offset, half.length))
                if self.leaves.prove(half, self.footer.head.suite):
                    return True
        return False

    def _borrowed(self, number: int) -> bytes | None:
        """Return a slice of the copy, if there is one and the slice is good."""
        if self._spare is None:
            return None
        data = self._spare(self.offset_of(number), self.length_of(number))
        return data if self.good(number, data) else None

    @property
    def proved(self) -> bool:
        """Whether the leaf hashes of the covered bytes have their root."""
        return self.halves[0] not in self.unproved

    def right(self, leaves: Leaves) -> bool:
        """Return whether these are the leaf hashes over which the footer has the roots."""
        return not leaves.unknown and all(leaves.prove(half, self.footer.head.suite) for half in self.halves)

    def rebuilds(self, half: Half, unknown: set[int]) -> bool:
        """Take the hashes of these slices from what their stripes give; return whether the root proves them."""
        self.leaves.forget(unknown)
        for one in self.rebuilt(sorted(unknown), unproved=True):
            if isinstance(one, Lost):
                return False
            if one[0] in unknown:
                self.leaves[one[0]] = self.leaf_of(*one)
        return self.leaves.prove(half, self.footer.head.suite)

    def damaged_copies(self) -> tuple[int, ...]:
        """Return which copies of the leaf hashes differ from them."""
        stated = None if self.leaves.unknown else bytes(self.leaves)
        places = enumerate(self.footer.leaves_offsets)
        return tuple(number for number, at in places if self.read(at, self.footer.leaves_length) != stated)

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

    def read_good(self, offset: int, length: int, *, proved: bool = True) -> bytes:
        """Return bytes that slices cover, each of which is good or was rebuilt for it; nothing is written.

        Parameters
        ----------
        proved
            False where the bytes prove themselves: then leaf hashes count without the root that both places state.

        Raises
        ------
        SlicesLost
            They are lost, or nothing proves them.
        """
        if proved and not self.proved:
            raise SlicesLost(structure=Structure.SEGMENT)
        size = self.geometry.slice_size
        first, end = offset // size, min(offset + length, self.footer.head.covered)
        data = b"".join([self._good(number) for number in range(first, -(-end // size))])
        return data[offset - first * size : end - first * size]

    def _good(self, number: int) -> bytes:
        stored = self.stored(number)
        if self.good(number, stored):
            return stored
        self.healed += 1
        borrowed = self._borrowed(number)
        if borrowed is not None:
            return borrowed
        if number not in self._healed:
            self._rebuild(number)
        if number in self._healed:
            return self._healed[number]
        stored = self.stored(number)  # it was good when its stripe was looked at: the device had failed once
        if not self.good(number, stored):
            raise SlicesLost(structure=Structure.SEGMENT, slice=number, slices=1)
        return stored

    def _rebuild(self, number: int) -> None:
        """Keep what is rebuilt of the stripe of a slice, and let the oldest go."""
        for one in self.rebuilt([number]):
            if not isinstance(one, Lost):
                self._healed[one[0]] = one[1]
                if len(self._healed) > _KEPT // self.geometry.slice_size:
                    del self._healed[next(iter(self._healed))]
            elif number in one.slices:
                raise SlicesLost(structure=Structure.SEGMENT, slice=number, slices=len(one.slices))

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
            Whether slices are given whose leaf hash is not known: the caller has the root to prove them with.
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
        lost = tuple(number for _, number in missing)
        if len(present) < zone.data_pieces:
            yield Lost(lost)
            return
        wanted = [piece for piece, _ in missing]
        made = erasure.rebuild(zone.data_pieces, present, wanted, self.geometry.slice_size)
        found = {number: data[: self.length_of(number)] for number, data in zip(lost, made, strict=True)}
        wrong = tuple(number for number, data in found.items() if not self._fits(number, data, unproved))
        yield from ((number, data) for number, data in found.items() if number not in wrong)
        if wrong:
            yield Lost(wrong)

    def _fits(self, number: int, data: bytes, unproved: bool) -> bool:
        return unproved if number in self.leaves.unknown else self.good(number, data)


def examine(file: SlicedFile, size: int, advance: Advance = lambda _: None) -> Damage:
    """Look at every byte of a segment file of `size` bytes."""
    footer = file.footer
    slices = tuple(file.damaged(range(file.count), advance))
    encoded = footer.encode()
    footers = tuple(n for n, at in enumerate(footer.footer_offsets) if file.read(at, FOOTER_SIZE) != encoded)
    roots = any(_known(file, half) for half in file.unproved)
    return Damage(slices, file.damaged_copies(), footers, size != footer.length, roots)


def _known(file: SlicedFile, half: Half) -> bool:
    """Return whether all leaf hashes of a half are known."""
    return not any(number in half.numbers for number in file.leaves.unknown)


def heal(file: SlicedFile, damage: Damage) -> Iterator[Patch | Lost]:
    """Yield what makes a segment file whole again; and what of it is lost, if anything is.

    The file must have its length first, filled with zeros if it is too short.
    """
    footer = file.footer
    for one in file.rebuilt(damage.slices):
        yield one if isinstance(one, Lost) else Patch(file.offset_of(one[0]), one[1])
    for half in file.unproved:
        if _known(file, half):
            yield Lost(half.numbers)
    if not file.unproved:
        hashes = bytes(file.leaves)
        for copy in damage.leaves:
            yield Patch(footer.leaves_offsets[copy], hashes)
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
