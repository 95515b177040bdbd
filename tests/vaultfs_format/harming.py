"""Segments, what harms them, and what is found of that."""

from __future__ import annotations

from collections.abc import Iterable

from vaultfs_format.frame import FrameClass
from vaultfs_format.healing import Damage, Lost, SlicedFile, examine, find_footer, heal
from vaultfs_format.searching import Read

from tests.vaultfs_format.examples import FRAMES, segment_bytes

SEVERAL, SEVERAL_FOOTER = segment_bytes(FrameClass.RECORD, [FRAMES[0]] * 120, (2001, 2001))
"""A segment of many slices."""

MANY, MANY_FOOTER = segment_bytes(FrameClass.RECORD, [FRAMES[0]] * 300, (2001, 2001))
"""A segment of two stripes."""

SLICE = SEVERAL_FOOTER.geometry.slice_size
BURST = SEVERAL_FOOTER.geometry.burst


def reading(data: bytes | bytearray) -> Read:
    """Return what reads these bytes as a file."""
    return lambda offset, length: bytes(data[offset : offset + length])


def examined(data: bytes | bytearray) -> Damage:
    """Return what of a segment is damaged."""
    footer = find_footer(reading(data), len(data))
    assert footer is not None
    return examine(SlicedFile(reading(data), footer), len(data))


def healed(data: bytes | bytearray) -> bytes | Lost | None:
    """Return a segment made whole, what of it is lost, or nothing where no footer is found."""
    footer = find_footer(reading(data), len(data))
    if footer is None:
        return None
    file = SlicedFile(reading(data), footer)
    whole = bytearray(data[: footer.length].ljust(footer.length, b"\0"))
    for patch in heal(file, examine(file, len(data))):
        if isinstance(patch, Lost):
            return patch
        whole[patch.offset : patch.offset + len(patch.data)] = patch.data
    return bytes(whole)


def flipped(data: bytes, positions: Iterable[int]) -> bytearray:
    """Return bytes with bits flipped."""
    changed = bytearray(data)
    for position in positions:
        changed[position // 8] ^= 1 << position % 8
    return changed
