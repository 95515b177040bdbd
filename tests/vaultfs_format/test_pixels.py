"""The filter for native pixels undoes itself for any bytes and any shape, and pays where it is used."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import limits
from vaultfs_format.compression import Codec, compress
from vaultfs_format.pixels import SAMPLE_OF, SAMPLES, Rows, flatten, pack, restore

NOISE = random.Random(3).randbytes(400_000)


def image(rows: int, columns: int, noise: int) -> bytes:
    """Return 16-bit samples of a smooth image with a little noise."""
    chance = random.Random(4)
    samples = (1000 + 3 * y + 2 * x + chance.randrange(noise) for y in range(rows) for x in range(columns))
    return b"".join(sample.to_bytes(2, "little") for sample in samples)


@given(st.binary(max_size=2000), st.integers(limits.MIN_ROW, 300), st.sampled_from(sorted(SAMPLES)))
def test_what_is_flattened_is_restored(plain: bytes, row: int, sample: int) -> None:
    shape = Rows(row, sample)
    flat = flatten(plain, shape)
    assert len(flat) == len(plain)
    assert restore(flat, shape) == plain
    assert flatten(memoryview(plain), shape) == flat


@given(st.binary(max_size=2000), st.integers(limits.MIN_ROW, 300), st.sampled_from(sorted(SAMPLES)))
def test_bytes_are_differences_laid_apart(plain: bytes, row: int, sample: int) -> None:
    expected = bytes((b - (plain[at - row] if at >= row else 0)) % 256 for at, b in enumerate(plain))
    assert flatten(plain, Rows(row, sample)) == b"".join(expected[first::sample] for first in range(sample))


@pytest.mark.parametrize("row", [64, 1000, 9000, 16_384, 50_000, 100_003])
@pytest.mark.parametrize("sample", sorted(SAMPLES))
def test_large_bodies_are_filtered_as_small_ones(row: int, sample: int) -> None:
    plain = NOISE[:100_003]
    expected = bytes((b - (plain[at - row] if at >= row else 0)) % 256 for at, b in enumerate(plain))
    flat = flatten(plain, Rows(row, sample))
    assert flat == b"".join(expected[first::sample] for first in range(sample))
    assert restore(flat, Rows(row, sample)) == plain


def test_pixels_are_much_smaller_with_the_filter_than_without() -> None:
    plain = image(400, 512, 16)
    codec, row, packed = pack(plain, Rows(1024, 2))
    assert (codec, row) == (Codec.PIXELS_16, 1024)
    assert 1.4 * len(packed) < len(compress(plain)[1])


@pytest.mark.parametrize("rows", [Rows(0, 2), Rows(-64, 2), Rows(63, 2), Rows(10**12, 1), Rows(100, 0), Rows(100, 3)])
def test_a_shape_that_cannot_be_is_not_used(rows: Rows) -> None:
    plain = image(100, 100, 3)
    assert pack(plain, rows) == pack(plain, None)


@pytest.mark.parametrize("rows", [None, Rows(1024, 2), Rows(100_001, 1)])
def test_noise_is_stored_as_it_is_without_being_packed(rows: Rows | None) -> None:
    codec, parameter, packed = pack(NOISE, rows)
    assert (codec, parameter) == (Codec.STORED, 0)
    assert packed is NOISE


@pytest.mark.parametrize("filtered", [False, True])
def test_what_gains_in_the_pieces_that_are_tried_alone_is_stored(filtered: bool) -> None:
    """The pieces have fewer values than noise has; among the noise of the whole that gains nothing."""
    shape = Rows(1024, 1)
    data = bytearray(NOISE[: 384 * 1024])
    for part in (1, 3, 5):
        start = part * 64 * 1024
        data[start : start + 16_384] = bytes(b % 200 for b in data[start : start + 16_384])
    assert compress(bytes(data[64 * 1024 : 80 * 1024]))[0] is Codec.ZSTD
    plain = restore(data, shape) if filtered else bytes(data)
    assert pack(plain, shape) == (Codec.STORED, 0, plain)


def test_a_filter_that_makes_it_worse_is_left_out() -> None:
    text = b"The liver is of normal size and echotexture. " * 3000
    assert pack(text, Rows(77, 2))[0] is Codec.ZSTD


def test_every_sample_has_a_codec() -> None:
    assert {SAMPLE_OF[codec]: codec for codec in SAMPLE_OF} == SAMPLES
    assert set(SAMPLE_OF) == set(Codec) - {Codec.STORED, Codec.ZSTD}
