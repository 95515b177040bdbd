"""Healing: what a segment has lost comes back byte for byte, up to a bound that is exact, and without a key."""

from __future__ import annotations

import random
import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaultfs_format.errors import SlicesLost, Unsupported
from vaultfs_format.healing import Damage, Lost, SlicedFile, examine, find_footer, heal
from vaultfs_format.searching import Read
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter

from tests.vaultfs_format.examples import AUDIT_SEGMENT, RECORD_FOOTER, RECORD_SEGMENT
from tests.vaultfs_format.harming import BURST, SEVERAL, SEVERAL_FOOTER, SLICE, examined, flipped, healed, reading


def test_a_whole_segment_is_not_damaged() -> None:
    for data in (RECORD_SEGMENT, AUDIT_SEGMENT, SEVERAL):
        assert not examined(data)
        assert healed(data) == data


@pytest.mark.parametrize("data", [RECORD_SEGMENT, AUDIT_SEGMENT])
def test_every_flipped_byte_is_found_and_healed(data: bytes) -> None:
    chance = random.Random(1)
    for at in range(len(data)):
        harmed = flipped(data, [8 * at + chance.randrange(8)])
        assert examined(harmed)
        assert healed(harmed) == data


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("data", [RECORD_SEGMENT, AUDIT_SEGMENT])
def test_every_flipped_bit_is_found_and_healed(data: bytes) -> None:
    for position in range(8 * len(data)):
        harmed = flipped(data, [position])
        assert examined(harmed)
        assert healed(harmed) == data


def test_a_file_that_was_cut_off_is_healed_up_to_the_bound() -> None:
    """Slice by slice, and never a byte that is wrong."""
    outcomes = set()
    for length in range(len(RECORD_SEGMENT)):
        found = healed(RECORD_SEGMENT[:length])
        assert found is None or isinstance(found, Lost) or found == RECORD_SEGMENT
        outcomes.add(type(found))
        if length >= RECORD_FOOTER.parity_offset:
            assert found == RECORD_SEGMENT
    assert outcomes == {bytes, type(None)}


def test_a_file_that_something_was_added_to_is_cut() -> None:
    for more in (b"\0", bytes(5000), RECORD_SEGMENT[-FOOTER_SIZE:]):
        assert examined(RECORD_SEGMENT + more).length
        assert healed(RECORD_SEGMENT + more) == RECORD_SEGMENT


@pytest.mark.parametrize("filling", [b"\0", b"\xff"])
def test_a_burst_up_to_the_bound_heals_wherever_it_is(filling: bytes) -> None:
    """(bound - 1) slices and a byte where all slices have their size, a slice less where the last one is met."""
    covered, end = SEVERAL_FOOTER.head.covered, len(SEVERAL)
    length = (BURST - 1) * SLICE + 1
    shorter = length - SLICE
    places = [(at, length) for at in [*range(0, covered - length, 531), SEVERAL_FOOTER.parity_offset, end - length]]
    places += [(at, shorter) for at in [*range(0, end - shorter, 531), end - shorter]]
    for at, count in places:
        assert healed(SEVERAL[:at] + filling * count + SEVERAL[at + count :]) == SEVERAL


def test_one_slice_more_is_reported_exactly() -> None:
    geometry = SEVERAL_FOOTER.geometry
    zone = geometry.zones[0]
    for first in range(geometry.slices - BURST - 1):
        lost = range(first, first + BURST + 1)
        harmed = bytearray(SEVERAL)
        for number in lost:
            harmed[number * SLICE + 7] ^= 1
        found = healed(harmed)
        stripe = [number for number in lost if zone.stripe_of(number) == zone.stripe_of(first)]
        assert found == Lost(tuple(stripe))
        file = SlicedFile(reading(harmed), SEVERAL_FOOTER)
        with pytest.raises(SlicesLost):
            file.read_good(first * SLICE, 1)
        others = [number for number in lost if number not in stripe]
        for number in others:
            assert file.read_good(number * SLICE, SLICE) == SEVERAL[number * SLICE : (number + 1) * SLICE]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_slices_up_to_the_bound_of_each_stripe_heal(data: st.DataObject) -> None:
    geometry = SEVERAL_FOOTER.geometry
    file = SlicedFile(reading(SEVERAL), SEVERAL_FOOTER)
    harmed = bytearray(SEVERAL)
    for zone in geometry.zones:
        for stripe in range(zone.stripes):
            slices = [*zone.data(stripe), *(geometry.slices + number for number in zone.parity(stripe))]
            for number in data.draw(st.sets(st.sampled_from(slices), max_size=zone.parity_pieces)):
                at = file.offset_of(number) + data.draw(st.integers(0, file.length_of(number) - 1))
                harmed[at] ^= data.draw(st.integers(1, 255))
    assert healed(harmed) == SEVERAL


def test_reads_are_healed_in_memory() -> None:
    harmed = flipped(SEVERAL, [8 * 5000, 8 * (5 * SLICE + 17), 8 * (SEVERAL_FOOTER.parity_offset + 5)])
    file = SlicedFile(reading(harmed), SEVERAL_FOOTER)
    covered = SEVERAL_FOOTER.head.covered
    for offset, length in ((0, covered), (4999, 3), (5 * SLICE, 1), (covered - 5, 100), (17, 0)):
        assert file.read_good(offset, length) == SEVERAL[:covered][offset : offset + length]


def newer(data: bytes | bytearray, at: int) -> bytes:
    """Return a file in which the prefix at an offset is one of a later version."""
    start = bytes(data[at : at + 8]) + b"\x09" + bytes(data[at + 9 : at + 12])
    return bytes(data[:at]) + start + zlib.crc32(start).to_bytes(4, "little") + bytes(data[at + 16 :])


class TestFooters:
    FIRST, LAST = SEVERAL_FOOTER.footer_offsets

    def test_each_stands_for_the_other(self) -> None:
        for at in (self.FIRST, self.LAST):
            harmed = SEVERAL[:at] + bytes(FOOTER_SIZE) + SEVERAL[at + FOOTER_SIZE :]
            assert examined(harmed).footers == (int(at == self.LAST),)
            assert healed(harmed) == SEVERAL

    def test_without_the_last_and_the_superblock_the_first_is_looked_for(self) -> None:
        harmed = flipped(SEVERAL[: self.LAST - 100], [8 * 20])
        assert find_footer(reading(harmed), len(harmed)) == SEVERAL_FOOTER
        assert healed(harmed) == SEVERAL

    def test_without_any_there_is_nothing_to_go_by(self) -> None:
        harmed = flipped(SEVERAL, [8 * (self.FIRST + 100), 8 * (self.LAST + 100)])
        assert find_footer(reading(harmed), len(harmed)) is None
        assert find_footer(reading(b""), 0) is None

    def test_a_footer_that_belongs_elsewhere_is_not_believed(self) -> None:
        """As when a segment lies in the body of a record."""
        other = RECORD_SEGMENT[-FOOTER_SIZE:]
        harmed = bytearray(SEVERAL)
        harmed[self.LAST :] = other
        harmed[3 * SLICE : 3 * SLICE + len(other)] = other
        harmed[0] ^= 1
        assert find_footer(reading(harmed), len(harmed)) == SEVERAL_FOOTER

    def test_a_footer_that_was_changed_gives_way_to_the_one_that_is_right(self) -> None:
        """Its digest fits it, and nobody without keys can tell; whoever knows the root says which it must be."""
        other = replace(SEVERAL_FOOTER, root=bytes(32)).encode()
        for at in (self.FIRST, self.LAST):
            harmed = SEVERAL[:at] + other + SEVERAL[at + FOOTER_SIZE :]
            for data in (harmed, flipped(harmed, [8 * 20])):
                found = find_footer(reading(data), len(data), lambda one: one.root == SEVERAL_FOOTER.root)
                assert found == SEVERAL_FOOTER
        assert find_footer(reading(SEVERAL), len(SEVERAL), lambda _: False) is None

    def test_a_footer_of_a_newer_kind_in_a_segment_of_this_one_is_damaged(self) -> None:
        """The superblock is looked at first, and says which kind the segment is of; a good footer says it as well."""
        both = newer(newer(SEVERAL, self.FIRST), self.LAST)
        assert find_footer(reading(both), len(both)) is None
        for damaged in ([], [8 * 20], [8 * 4]):
            for at in (self.FIRST, self.LAST):
                data = flipped(newer(SEVERAL, at), damaged)
                assert find_footer(reading(data), len(data)) == SEVERAL_FOOTER
                assert healed(data) == SEVERAL

    def test_footers_of_a_newer_kind_behind_a_damaged_superblock_are_not_damaged(self) -> None:
        both = flipped(newer(newer(SEVERAL, self.FIRST), self.LAST), [8 * 4])
        with pytest.raises(Unsupported):
            find_footer(reading(both), len(both))

    def test_a_superblock_of_a_newer_kind_does_not_hide_a_footer_of_this_one(self) -> None:
        for data in (newer(SEVERAL, 0), newer(SEVERAL, 0)[: self.LAST]):
            assert find_footer(reading(data), len(data)) == SEVERAL_FOOTER

    def test_a_newer_segment_is_not_damaged(self) -> None:
        data = newer(newer(newer(SEVERAL, 0), self.FIRST), self.LAST)
        with pytest.raises(Unsupported):
            find_footer(reading(data), len(data))


def test_a_part_file_leads_to_no_footer() -> None:
    head = SegmentFooter.decode(RECORD_SEGMENT[-FOOTER_SIZE:]).head
    data = replace(head, covered=0).encode() + bytes(100)
    assert find_footer(reading(data), len(data)) is None


def test_what_cannot_be_read_is_damaged_and_healed() -> None:
    """A device that reports errors for some of its blocks gives nothing for a read that meets one of them."""
    broken = {4096 * number for number in (2, 3, 9)}

    def read(offset: int, length: int) -> bytes:
        return (
            b""
            if any(offset < block + 4096 and block < offset + length for block in broken)
            else SEVERAL[offset : offset + length]
        )

    file = SlicedFile(read, SEVERAL_FOOTER)
    damage = examine(file, len(SEVERAL))
    assert damage.slices == (2, 3, 9)
    patches = {one.offset: one.data for one in heal(file, damage) if not isinstance(one, Lost)}
    assert patches == {block: SEVERAL[block : block + 4096] for block in broken}


def failing(*failures: int) -> Read:
    """Return what reads a segment, and fails the first, the second time ... that it is asked for its first slice."""
    asked = [0]

    def read(offset: int, length: int) -> bytes:
        if offset == 0:
            asked[0] += 1
        return b"" if offset == 0 and asked[0] in failures else RECORD_SEGMENT[offset : offset + length]

    return read


def test_a_device_that_fails_once_loses_nothing() -> None:
    """The slice reads as damaged first, and as good when its stripe is looked at."""
    file = SlicedFile(failing(1), RECORD_FOOTER)
    assert file.read_good(0, 100) == RECORD_SEGMENT[:100]


def test_a_device_that_fails_now_and_then_gives_no_wrong_bytes() -> None:
    file = SlicedFile(failing(1, 3), RECORD_FOOTER)
    with pytest.raises(SlicesLost):
        file.read_good(0, 100)


def test_nothing_of_no_slices_is_damaged() -> None:
    assert list(SlicedFile(reading(RECORD_SEGMENT), RECORD_FOOTER).damaged([])) == []


def test_slices_that_are_lost_with_their_hashes_are_lost_and_nothing_else_is_touched() -> None:
    """More of a stripe than its parity gives back, none of them with a leaf hash in either place."""
    zone, footer = SEVERAL_FOOTER.geometry.zones[0], SEVERAL_FOOTER
    gone = [*zone.data(0)][: zone.parity_pieces + 1]
    harmed = bytearray(SEVERAL)
    for number in gone:
        harmed[number * footer.geometry.slice_size + 5] ^= 1
        for place in footer.leaves_offsets:
            harmed[place + 32 * number : place + 32 * number + 32] = bytes(32)
    file = SlicedFile(reading(harmed), footer)
    patches = list(heal(file, examine(file, len(harmed))))
    assert [patch for patch in patches if isinstance(patch, Lost)] == [
        Lost(tuple(gone)), Lost(range(footer.geometry.slices))
    ]  # fmt: skip
    assert all(isinstance(patch, Lost) for patch in patches)


# A copy of the file. -----------------------------------------------------------------------------------------------


def with_copy(data: bytes | bytearray, copy: bytes | bytearray) -> SlicedFile:
    """Return a segment file that has a copy."""
    return SlicedFile(reading(data), SEVERAL_FOOTER, lambda: reading(copy))


def every_second(data: bytes, first: int) -> bytearray:
    """Return a segment of which every second slice is damaged: far more than parity gives back."""
    changed, size = bytearray(data), SEVERAL_FOOTER.geometry.slice_size
    for at in range(first * size + 7, len(data), 2 * size):
        changed[at] ^= 1
    return changed


def test_slices_that_are_good_in_a_copy_are_taken_from_it() -> None:
    for first in (0, 1):
        harmed, copy = every_second(SEVERAL, first), every_second(SEVERAL, 1 - first)
        file = with_copy(harmed, copy)
        assert file.read_good(0, SEVERAL_FOOTER.head.covered) == SEVERAL[: SEVERAL_FOOTER.head.covered]
        for patch in heal(file, examine(file, len(harmed))):
            assert not isinstance(patch, Lost)
            harmed[patch.offset : patch.offset + len(patch.data)] = patch.data
        assert harmed == SEVERAL


def test_leaf_hashes_that_are_damaged_in_both_places_are_taken_from_a_copy() -> None:
    harmed = bytearray(SEVERAL)
    for offset in SEVERAL_FOOTER.leaves_offsets:
        harmed[offset : offset + SEVERAL_FOOTER.leaves_length] = bytes(SEVERAL_FOOTER.leaves_length)
    harmed[5] ^= 1
    file = with_copy(harmed, SEVERAL)
    assert file.right(file.leaves)
    assert examine(file, len(harmed)) == Damage((0,), (0, 1))
    assert file.read_good(0, 100) == SEVERAL[:100]


def test_what_is_damaged_in_a_copy_as_well_is_rebuilt_or_lost() -> None:
    zone, size = SEVERAL_FOOTER.geometry.zones[0], SEVERAL_FOOTER.geometry.slice_size
    slices = [*zone.data(0)]
    for count, lost in ((zone.parity_pieces, False), (zone.parity_pieces + 1, True)):
        harmed = bytearray(SEVERAL)
        for number in slices[:count]:
            harmed[number * size] ^= 1
        file = with_copy(harmed, harmed)
        found = list(heal(file, examine(file, len(harmed))))
        assert any(isinstance(one, Lost) for one in found) is lost
