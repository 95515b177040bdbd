"""The geometry of a segment: it follows from the length, and a burst up to its bound leaves every stripe enough."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, pairwise

import pytest
from vaultfs_format import limits
from vaultfs_format.geometry import Geometry, geometry_of

from tests.vaultfs_format.memory import peak_of

LENGTHS = [
    *(4097 + 4096 * number for number in range(255)),
    *(65536 * number + 9 for number in range(16, 200)),
    limits.SMALL_SEGMENT - 1,
    limits.SMALL_SEGMENT,
    65536 * 1024,
    65536 * 1024 + 1,
    65536 * 3100 + 5,
]


def stripes_of(geometry: Geometry) -> list[tuple[int, int]]:
    """Return zone and stripe of every slice in the order of the file, those of data first."""
    found: dict[int, tuple[int, int]] = {}
    for number, zone in enumerate(geometry.zones):
        for stripe in range(zone.stripes):
            for one in zone.data(stripe):
                assert (zone.stripe_of(one), geometry.zone_of(one)) == (stripe, zone)
                found[one] = number, stripe
            for one in zone.parity(stripe):
                assert (zone.stripe_of_parity(one), geometry.zone_of_parity(one)) == (stripe, zone)
                found[geometry.slices + one] = number, stripe
            assert len(zone.parity(stripe)) == zone.parity_pieces
            assert 0 < len(zone.data(stripe)) <= zone.data_pieces
    assert sorted(found) == list(range(geometry.slices + geometry.parity_slices))
    return [found[number] for number in sorted(found)]


@pytest.mark.parametrize("lengths", [LENGTHS[at::8] for at in range(8)])
def test_a_burst_up_to_the_bound_leaves_every_stripe_enough(lengths: list[int]) -> None:
    for covered in lengths:
        geometry = Geometry(covered)
        stripes = stripes_of(geometry)
        lost: Counter[tuple[int, int]] = Counter()
        for at, one in enumerate(stripes):
            lost[one] += 1
            if at >= geometry.burst:
                lost[stripes[at - geometry.burst]] -= 1
            assert lost[one] <= geometry.zones[one[0]].parity_pieces


@pytest.mark.parametrize(
    ("covered", "slice_size", "slices", "zones", "shape", "parity", "burst"),
    [
        (4097, 4096, 2, 1, (2, 2), 2, 2),
        (20_000, 4096, 5, 1, (5, 3), 3, 3),
        (100_000, 4096, 25, 1, (13, 7), 14, 14),
        (1_048_575, 4096, 256, 1, (16, 8), 128, 128),
        (1_048_576, 65536, 16, 1, (16, 2), 2, 2),
        (67_108_864, 65536, 1024, 1, (16, 2), 128, 128),
        (67_108_865, 65536, 1025, 2, (16, 2), 130, 64),
        (1 << 32, 65536, 65536, 64, (16, 2), 8192, 128),
    ],
)
def test_the_shape_follows_from_the_length(
    covered: int, slice_size: int, slices: int, zones: int, shape: tuple[int, int], parity: int, burst: int
) -> None:
    geometry = geometry_of(covered)
    assert (geometry.slice_size, geometry.slices, len(geometry.zones)) == (slice_size, slices, zones)
    assert (geometry.data_pieces, geometry.parity_pieces) == shape
    assert (geometry.parity_slices, geometry.burst) == (parity, burst)


def test_large_segments_take_an_eighth_more() -> None:
    for mebibytes in (16, 64, 100, 1000, 4096):
        geometry = Geometry(mebibytes * limits.MIB)
        assert geometry.parity_slices * geometry.slice_size <= 0.127 * geometry.covered


def test_small_ones_have_at_least_half_as_many_parity_slices_as_data() -> None:
    for covered in LENGTHS[:255]:
        geometry = Geometry(covered)
        assert 2 * geometry.parity_slices >= geometry.slices


def test_the_last_slice_may_be_shorter() -> None:
    geometry = Geometry(10_000)
    assert [geometry.length_of(number) for number in range(geometry.slices)] == [4096, 4096, 1808]
    assert geometry_of(10_000) is geometry_of(10_000)


def test_the_geometry_of_the_largest_segment_takes_no_memory_that_grows_with_it() -> None:
    """Whoever reads a footer asks for it before anything tells that the file is as long as the footer says."""
    geometry_of(limits.MAX_COVERED)
    with peak_of(limits.MIB):
        for covered in range(limits.MAX_COVERED - 100, limits.MAX_COVERED):
            assert geometry_of(covered).parity_slices == 1 << 23


@pytest.mark.parametrize("slices", [1025, 2048, 2049, 3100, 10_000, 66_666])
def test_zones_are_those_of_the_specification(slices: int) -> None:
    zones = Geometry(65536 * slices).zones
    assert len(zones) == -(-slices // limits.ZONE_SLICES)
    bounds = [slices * number // len(zones) for number in range(len(zones) + 1)]
    assert [(zone.first, zone.first + zone.slices) for zone in zones] == list(pairwise(bounds))
    parity = accumulate((zone.parity_slices for zone in zones), initial=0)
    assert [zone.first_parity for zone in zones] == list(parity)[:-1]
    for beyond in (-1, len(zones)):
        with pytest.raises(IndexError):
            zones[beyond]
