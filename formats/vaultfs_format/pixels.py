"""Packing the bodies of blobs: a reversible filter makes native pixels ready for zstd; what gains nothing is stored.

Each byte has the one a row above it subtracted (modulo 256), then the bytes of the samples are laid apart: all first
bytes, all second bytes and so on. Neighbouring rows are alike, so the differences are small; and of a sample the low
byte is noise while the high byte hardly changes. Both steps are exact for any bytes whatever, in either byte order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vaultfs_format import limits
from vaultfs_format.compression import Codec, compress
from vaultfs_format.layout import Buffer

SAMPLES = {1: Codec.PIXELS_8, 2: Codec.PIXELS_16, 4: Codec.PIXELS_32}
"""Bytes of a sample to the codec of its pixels."""

SAMPLE_OF = {codec: size for size, codec in SAMPLES.items()}

_TRIAL = 16 * limits.KIB
"""Bytes of each of the three pieces of a body on which is tried what packing gains."""

_BLOCK = 16 * limits.KIB
"""Bytes of rows whose differences are taken at once."""

_LEAST_GAIN = 32
"""What would become smaller by less than this part of it is stored: expanding it would cost more than reading it."""


class Rows(NamedTuple):
    """The shape of native pixels: bytes of a row and of a sample."""

    row: int
    sample: int

    def fit(self, length: int) -> bool:
        """Return whether a body of `length` bytes may be filtered with this shape."""
        return self.sample in SAMPLES and limits.MIN_ROW <= self.row <= length


def pack(plain: Buffer, rows: Rows | None) -> tuple[Codec, int, Buffer]:
    """Return codec, parameter and bytes of a blob's body in the form that a trial on pieces of it finds smallest.

    Parameters
    ----------
    rows
        The shape of the pixels that `plain` is said to be; a wrong one costs space, never bytes.
    """
    if rows is not None and not rows.fit(len(plain)):
        rows = None
    trial = _trial(plain, rows.row if rows else 1)
    simple = len(compress(trial)[1])
    flat = len(compress(flatten(trial, rows))[1]) if rows else simple
    if min(simple, flat) > len(trial) - len(trial) // _LEAST_GAIN:
        return Codec.STORED, 0, plain
    if rows and flat < simple:
        codec, packed = compress(flatten(plain, rows))
        if codec is Codec.ZSTD:
            return SAMPLES[rows.sample], rows.row, packed
    codec, packed = compress(plain)
    return codec, 0, packed


def _trial(plain: Buffer, row: int) -> Buffer:
    """Return three pieces of whole rows out of `plain`, joined; all of it where it is not much more."""
    piece = -(-_TRIAL // row) * row
    if 6 * piece >= len(plain):
        return plain
    starts = (part * len(plain) // 6 // row * row for part in (1, 3, 5))
    return b"".join([plain[start : start + piece] for start in starts])


def flatten(plain: Buffer, rows: Rows) -> bytes:
    """Return pixels as they are handed to zstd."""
    return _apart(b"".join(_differences(plain, rows.row))[: len(plain)], rows.sample)


def restore(flat: Buffer, rows: Rows) -> bytes:
    """Undo `flatten`."""
    return b"".join(_sums(_together(flat, rows.sample), rows.row))[: len(flat)]


# Rows are numbers of 8-bit lanes: a few rows stay in the processor's cache, and numbers are added at its speed. The
# highest bit of each lane is handled apart, so that no lane borrows from the next or carries into it.


def _lanes(length: int) -> tuple[int, int]:
    return int.from_bytes(b"\x80" * length, "little"), int.from_bytes(b"\x7f" * length, "little")


def _differences(plain: Buffer, row: int) -> Iterator[bytes]:
    block = max(1, _BLOCK // row) * row
    high, low = _lanes(block)
    last = 0
    for at in range(0, len(plain), block):
        this = int.from_bytes(plain[at : at + block], "little")
        above = this << 8 * row | last  # what it has beyond the block goes with `low` and `high`
        yield (((this | high) - (above & low)) ^ ((this ^ above ^ high) & high)).to_bytes(block, "little")
        last = this >> 8 * (block - row)


def _sums(flat: Buffer, row: int) -> Iterator[bytes]:
    high, low = _lanes(row)
    above = 0
    for at in range(0, len(flat), row):
        this = int.from_bytes(flat[at : at + row], "little")
        above = ((this & low) + (above & low)) ^ ((this ^ above) & high)
        yield above.to_bytes(row, "little")


def _apart(data: bytes, sample: int) -> bytes:
    return data if sample == 1 else b"".join([data[first::sample] for first in range(sample)])


def _together(data: Buffer, sample: int) -> Buffer:
    if sample == 1:
        return data
    whole = bytearray(len(data))
    at = 0
    for first in range(sample):
        count = len(range(first, len(data), sample))
        whole[first::sample] = data[at : at + count]
        at += count
    return whole
