"""What the rows of durability look at: bytes that do not compress, vaults of them, and the segments in these."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter

import vaultfs
from bench.figures import SEED, WHO, fresh_vault
from bench.material import Item

PIECE = 32 << 20
"""Bytes of a blob, but for the last one."""

LARGE = 8 * PIECE
"""Bytes of the segment that parity is made for and that is mended, where that many are asked for."""


def noise(size: int) -> Iterator[bytes]:
    """Yield `size` bytes that do not compress, the same ones every time, as many at once as a blob has."""
    chance = random.Random(SEED)
    for at in range(0, size, PIECE):
        yield chance.randbytes(min(PIECE, size - at))


def batches(size: int) -> Iterator[list[Item]]:
    """Yield noise as records of one subject each, one a batch: as little is in memory at a time."""
    for number, data in enumerate(noise(size)):
        yield [Item(vaultfs.Identifier("urn:bench", str(number)), "Binary", None, data)]


def large_segment(place: Path, size: int) -> Path:
    """Make a vault of noise at `place` and return its largest segment, which holds the bodies of all blobs."""
    with fresh_vault(place) as vault:
        with vault.session(WHO, "TREAT") as session:
            for batch in batches(size):
                with session.transaction() as txn:
                    txn.put(batch[0].data, kind=batch[0].kind, subject=batch[0].subject)
        vault.settle()
    return max(place.rglob("*.vseg"), key=lambda path: path.stat().st_size)


def footer_of(segment: Path) -> SegmentFooter:
    """Return the footer of a segment that is whole."""
    with segment.open("rb") as file:
        length = file.seek(-FOOTER_SIZE, os.SEEK_END) + FOOTER_SIZE
        return SegmentFooter.decode(file.read(FOOTER_SIZE), length)
