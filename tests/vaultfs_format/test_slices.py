"""Slices and parity of a segment whose bytes pass by, in pieces of any size."""

from __future__ import annotations

import random

from vaultfs_format import erasure, limits
from vaultfs_format.frame import FrameClass
from vaultfs_format.segment import NO_YEAR, SegmentHead, parity_offset
from vaultfs_format.slices import Protector
from vaultfs_format.suite import DEFAULT

from tests.vaultfs_format.examples import VAULT_ID


def test_parity_of_several_zones_is_that_of_each_zone() -> None:
    """A segment of one slice more than a zone holds, which makes two zones."""
    size = limits.SLICE_LARGE
    slices = [bytes([number % 251]) * size for number in range(limits.ZONE_SLICES + 1)]
    data = b"".join(slices)
    head = SegmentHead(DEFAULT, FrameClass.BLOB, 0, 1, NO_YEAR, NO_YEAR, 6, VAULT_ID, b"g" * 16, len(data))
    protector, at, draw = Protector(head), 0, random.Random(1)
    made: dict[int, bytes] = {}
    while at < len(data):
        piece = draw.randrange(1, 3 * size)
        protector.update(data[at : at + piece])
        at += piece
        made |= {one.offset: one.data for one in protector.made()}
    leaves = protector.finish()
    made |= {one.offset: one.data for one in protector.made()}
    assert len(leaves) == len(slices)
    zones = list(head.geometry.zones)
    assert len(zones) == len(made) == 2
    for zone in zones:
        parity = made[parity_offset(head.covered) + zone.first_parity * size]
        for stripe in range(zone.stripes):
            held = [slices[number] for number in zone.data(stripe)]
            encoded = erasure.encode(zone.data_pieces, zone.parity_pieces, held, size)
            for number, expected in zip(zone.parity(stripe), encoded, strict=True):
                start = (number - zone.first_parity) * size
                assert parity[start : start + size] == expected
