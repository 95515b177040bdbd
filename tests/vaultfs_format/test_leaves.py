"""Leaf hashes: they count with the root, from whichever place, and give slices back where neither place is right."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest
from vaultfs_format import limits
from vaultfs_format.errors import SlicesLost
from vaultfs_format.healing import Damage, Lost, SlicedFile, examine, heal
from vaultfs_format.leaves import unpacked
from vaultfs_format.segment import SUPERBLOCK_SIZE, SegmentFooter
from vaultfs_format.slices import Protector, tree_root

from tests.vaultfs_format.examples import RECORD_FOOTER
from tests.vaultfs_format.harming import (
    MANY,
    MANY_FOOTER,
    SEVERAL,
    SEVERAL_FOOTER,
    SLICE,
    examined,
    flipped,
    healed,
    reading,
)
from tests.vaultfs_format.memory import peak_of


def forged(
    number: int, places: Iterable[int] | None = None, footer: SegmentFooter = SEVERAL_FOOTER, data: bytes = SEVERAL
) -> bytes:
    """Return a segment of which a slice was changed, and its hash with it: in both places, or at these."""
    file = SlicedFile(reading(data), footer)
    harmed = flipped(data, [8 * file.offset_of(number) + 3])
    leaf = file.leaf_of(number, bytes(harmed[file.offset_of(number) :][: file.length_of(number)]))
    for place in footer.leaves_offsets if places is None else places:
        harmed[place + 32 * number : place + 32 * number + 32] = leaf
    return bytes(harmed)


def in_doubt(data: bytes, number: int, footer: SegmentFooter = SEVERAL_FOOTER) -> bytes:
    """Return a segment of which a slice is damaged, and its hash in both places, at different bits."""
    one, other = footer.leaves_offsets
    at = SlicedFile(reading(data), footer).offset_of(number)
    return bytes(flipped(data, [8 * at + 1, 8 * (one + 32 * number), 8 * (other + 32 * number) + 1]))


class TestLeaves:
    A, B = SEVERAL_FOOTER.leaves_offsets

    def test_both_copies_may_be_damaged_where_they_differ(self) -> None:
        count = SEVERAL_FOOTER.leaves_length // 32
        positions = [8 * (self.A + 32 * number) for number in range(0, count, 2)]
        positions += [8 * (self.B + 32 * number) for number in range(1, count, 2)]
        harmed = flipped(SEVERAL, positions)
        assert examined(harmed) == Damage(leaves=(0, 1))
        assert healed(harmed) == SEVERAL

    def test_a_slice_may_be_damaged_with_one_copy_of_its_hash(self) -> None:
        """And the other copy elsewhere, so that neither is right as a whole."""
        harmed = flipped(SEVERAL, [8 * 3 * SLICE, 8 * (self.A + 3 * 32), 8 * (self.B + 9 * 32)])
        assert healed(harmed) == SEVERAL

    def test_a_hash_that_is_damaged_in_both_copies_is_that_of_its_slice(self) -> None:
        harmed = flipped(SEVERAL, [8 * (self.A + 4 * 32), 8 * (self.B + 4 * 32 + 1)])
        assert healed(harmed) == SEVERAL

    def test_both_copies_may_be_damaged_alike(self) -> None:
        harmed = flipped(SEVERAL, [8 * (self.A + 4 * 32), 8 * (self.B + 4 * 32)])
        assert examined(harmed) == Damage(leaves=(0, 1))
        assert healed(harmed) == SEVERAL

    def test_a_slice_may_be_damaged_with_both_copies_of_its_hash(self) -> None:
        """The root tells whether what was rebuilt is right, if nothing else is missing."""
        harmed = flipped(SEVERAL, [8 * 4 * SLICE, 8 * (self.A + 4 * 32), 8 * (self.B + 4 * 32 + 1)])
        assert healed(harmed) == SEVERAL
        assert SlicedFile(reading(harmed), SEVERAL_FOOTER).read_good(4 * SLICE, 1) == SEVERAL[4 * SLICE :][:1]
        harmed = flipped(bytes(harmed), [8 * number * SLICE for number in range(5, 11)])
        assert healed(harmed) == Lost((4, *range(5, 11)))

    def test_what_is_rebuilt_wrongly_is_not_given_out(self) -> None:
        """As when hashes were changed so that other slices seem good."""
        harmed = flipped(SEVERAL, [8 * 4 * SLICE, 8 * (self.A + 4 * 32), 8 * (self.B + 4 * 32 + 1), 8 * 6 * SLICE + 3])
        leaf = SlicedFile(reading(harmed), SEVERAL_FOOTER).leaf_of(6, bytes(harmed[6 * SLICE : 7 * SLICE]))
        for offset in (self.A, self.B):
            harmed[offset + 6 * 32 : offset + 7 * 32] = leaf
        assert healed(harmed) == Lost((4,))

    def test_a_slice_that_was_changed_with_a_copy_of_its_hash_is_found(self) -> None:
        harmed = flipped(SEVERAL, [8 * 6 * SLICE + 3])
        file = SlicedFile(reading(SEVERAL), SEVERAL_FOOTER)
        leaf = file.leaf_of(6, bytes(harmed[6 * SLICE : 7 * SLICE]))
        harmed[self.A + 6 * 32 : self.A + 7 * 32] = leaf
        harmed[self.B + 8 * 32] ^= 1
        assert healed(harmed) == SEVERAL

    def test_one_copy_may_be_gone(self) -> None:
        length = SEVERAL_FOOTER.leaves_length
        for offset in (self.A, self.B):
            assert healed(SEVERAL[:offset] + bytes(length) + SEVERAL[offset + length :]) == SEVERAL

    def test_a_forged_segment_with_right_hashes_has_another_root(self) -> None:
        """What the footer says is what counts: all hashes may be made to fit a change, and the root does not.

        Nothing tells which slice was changed: none is given out, and none counts as healed.
        """
        harmed = forged(6)
        assert examined(harmed) == Damage(roots=True)
        assert healed(harmed) == Lost(range(SEVERAL_FOOTER.geometry.slices))
        with pytest.raises(SlicesLost):
            SlicedFile(reading(harmed), SEVERAL_FOOTER).read_good(4 * SLICE, 1)

    def test_a_forged_slice_is_not_believed_whatever_else_is_in_doubt(self) -> None:
        """A hash that nothing gives back, of a slice or of the parity, keeps nobody from asking for the root."""
        slices = SEVERAL_FOOTER.geometry.slices
        for number in (3, 4, slices, slices + 1, slices + 3):
            harmed = in_doubt(forged(6), number)
            file = SlicedFile(reading(harmed), SEVERAL_FOOTER)
            with pytest.raises(SlicesLost):
                file.read_good(6 * SLICE, 1)
            assert isinstance(healed(harmed), Lost)

    def test_a_hash_in_one_place_alone_is_not_believed_without_the_root(self) -> None:
        """A slice was changed with one of its hashes, and in its half another slice is lost along with both."""
        lost = [*SEVERAL_FOOTER.geometry.zones[0].data(0)]
        harmed = forged(lost[0], places=(self.A,))
        for number in lost[1:]:
            harmed = in_doubt(harmed, number)
        file = SlicedFile(reading(harmed), SEVERAL_FOOTER)
        assert file.leaves[lost[0]] is None
        for proved in (True, False):
            with pytest.raises(SlicesLost):
                file.read_good(lost[0] * SLICE, 1, proved=proved)

    def test_slices_that_are_lost_take_others_along_only_where_the_root_is_asked_for(self) -> None:
        """Bytes that prove themselves are given out, healed, by hashes that both places have."""
        zone = MANY_FOOTER.geometry.zones[0]
        lost, other = zone.data(0)[: zone.parity_pieces + 1], zone.data(1)[2]
        harmed = bytes(flipped(MANY, [8 * other * SLICE]))
        for number in lost:
            harmed = in_doubt(harmed, number, MANY_FOOTER)
        file = SlicedFile(reading(harmed), MANY_FOOTER)
        with pytest.raises(SlicesLost):
            file.read_good(other * SLICE, SLICE)
        assert file.read_good(other * SLICE, SLICE, proved=False) == MANY[other * SLICE : (other + 1) * SLICE]

    def test_what_is_damaged_beside_a_slice_that_nothing_proves_is_healed(self) -> None:
        """Their stripe gives both back; a slice was forged, so that the root does not prove the one without a hash."""
        zone = MANY_FOOTER.geometry.zones[0]
        one, other, *_ = zone.data(0)
        harmed = forged(zone.data(1)[0], footer=MANY_FOOTER, data=MANY)
        harmed = bytes(flipped(in_doubt(harmed, one, MANY_FOOTER), [8 * other * SLICE]))
        file = SlicedFile(reading(harmed), MANY_FOOTER)
        assert file.read_good(other * SLICE, SLICE, proved=False) == MANY[other * SLICE : (other + 1) * SLICE]
        found = list(heal(file, examine(file, len(harmed))))
        assert found == [(other * SLICE, MANY[other * SLICE : (other + 1) * SLICE]), Lost((one,))]

    def test_parity_that_was_changed_with_its_hashes_is_made_anew(self) -> None:
        """It is what the covered bytes give; where of these too much is lost, nothing tells what it was."""
        number = SEVERAL_FOOTER.geometry.slices + 2
        harmed = forged(number)
        assert examined(harmed) == Damage((number,), (0, 1))
        assert healed(harmed) == SEVERAL
        zone = SEVERAL_FOOTER.geometry.zones[0]
        harmed = bytes(flipped(harmed, [8 * one * SLICE for one in zone.data(0)[: zone.parity_pieces + 1]]))
        found = examined(harmed)
        assert found.roots
        assert isinstance(healed(harmed), Lost)

    def test_each_half_is_taken_from_the_place_where_it_is_right(self) -> None:
        """The hashes of the covered bytes are damaged in one place, those of the parity in the other."""
        slices = SEVERAL_FOOTER.geometry.slices
        for one, other in ((self.A, self.B), (self.B, self.A)):
            harmed = flipped(SEVERAL, [8 * (one + 7), 8 * (other + 32 * slices + 7)])
            assert examined(harmed) == Damage(leaves=(0, 1))
            assert healed(harmed) == SEVERAL

    def test_a_sector_that_cannot_be_read_takes_no_other_hashes_along(self) -> None:
        """In both places, at different ones; and a slice is damaged, whose hash is needed."""
        broken = (self.A + 10, self.B + SEVERAL_FOOTER.leaves_length - 10)
        harmed = flipped(SEVERAL, [8 * 3 * SLICE])

        def read(offset: int, length: int) -> bytes:
            whole = length if len(harmed) > offset + length else max(0, len(harmed) - offset)
            return b"" if any(offset <= at < offset + whole for at in broken) else bytes(harmed[offset:][:length])

        assert SlicedFile(read, SEVERAL_FOOTER).read_good(3 * SLICE, SLICE) == SEVERAL[3 * SLICE :][:SLICE]


def large_segment(covered: int) -> tuple[bytearray, SegmentFooter]:
    """Return a segment of large slices, of bytes that are no frames."""
    head = replace(RECORD_FOOTER.head, covered=covered)
    protector = Protector(head)
    data = random.Random(1).randbytes(limits.MIB) * (covered // limits.MIB)
    protector.update(data)
    leaves = [*protector.finish()]
    footer = replace(
        RECORD_FOOTER,
        head=head,
        bodies_length=covered - SUPERBLOCK_SIZE - RECORD_FOOTER.directory_length,
        root=tree_root(head.suite, leaves),
        parity_root=tree_root(head.suite, protector.parity_leaves),
    )
    end = b"".join([*leaves, *protector.parity_leaves]) + footer.encode()
    return bytearray(data + end + b"".join(one.data for one in protector.made()) + end), footer


def test_what_was_rebuilt_is_kept_up_to_a_bound() -> None:
    """A reader that meets damage all over a large segment needs no more memory than one that meets a little."""
    whole, footer = large_segment(80 * limits.MIB)
    data, size = bytearray(whole), footer.geometry.slice_size
    for zone in footer.geometry.zones:
        for number in range(zone.first, zone.first + 2 * zone.stripes):
            data[number * size] ^= 1
    file = SlicedFile(reading(data), footer)
    with peak_of(10 * limits.MIB):
        for number in range(footer.geometry.slices):
            assert file.read_good(number * size, size) == whole[number * size : (number + 1) * size]
    assert file.healed == sum(2 * zone.stripes for zone in footer.geometry.zones)


def test_leaf_hashes_take_little_more_memory_than_in_the_file() -> None:
    """There are 18 of them for each MiB, and whoever states a long segment has not necessarily written one."""
    head = replace(RECORD_FOOTER.head, covered=4 * limits.GIB)
    stated = random.Random(1).randbytes(32 * (head.geometry.slices + head.geometry.parity_slices))
    border = 32 * head.geometry.slices
    root, parity_root = (tree_root(head.suite, unpacked(half)) for half in (stated[:border], stated[border:]))
    footer = replace(RECORD_FOOTER, head=head, root=root, parity_root=parity_root)
    at = footer.leaves_offset
    with peak_of(4 * footer.leaves_length):
        file = SlicedFile(lambda offset, length: stated[offset - at : offset - at + length], footer)
    assert file.proved
