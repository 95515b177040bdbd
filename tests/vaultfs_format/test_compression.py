"""Compressed bytes come back whole or not at all, and a lying size costs nothing."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import limits
from vaultfs_format.compression import DICTIONARY, Codec, check_dictionary, compress, expand
from vaultfs_format.errors import DecompressionFailed, LimitExceeded, UnsupportedFeature, VaultError

from tests.vaultfs_format.memory import peak_of

LIMIT = limits.MAX_BODY
RECORD = b'{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org"}]}}'


def zstd(plain: bytes) -> bytes:
    """Return one zstd frame."""
    return zstandard.ZstdCompressor(level=1).compress(plain)


@given(st.binary(max_size=300), st.integers(1, 50), st.sampled_from([0, DICTIONARY]))
def test_what_is_compressed_expands_to_the_same_bytes(piece: bytes, times: int, dictionary: int) -> None:
    plain = piece * times
    codec, stored = compress(plain, dictionary)
    assert expand(codec, bytes(stored), len(plain), LIMIT, dictionary) == plain
    assert len(stored) < len(plain) if codec is Codec.ZSTD else stored == plain


def test_the_dictionary_shrinks_a_record() -> None:
    assert len(compress(RECORD, DICTIONARY)[1]) < len(compress(RECORD)[1])


def test_every_thread_has_its_own_contexts() -> None:
    results: list[bytes] = []

    def work() -> None:
        for _ in range(50):
            codec, stored = compress(RECORD * 20, DICTIONARY)
            results.append(bytes(expand(codec, bytes(stored), 20 * len(RECORD), LIMIT, DICTIONARY)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [RECORD * 20] * 200


def test_a_dictionary_that_is_not_there_is_unsupported() -> None:
    check_dictionary(0)
    check_dictionary(DICTIONARY)
    for number in (DICTIONARY + 1, 2**32 - 1):
        with pytest.raises(UnsupportedFeature):
            check_dictionary(number)


def test_a_size_over_the_limit_is_refused_before_anything_is_expanded() -> None:
    bomb = zstd(bytes(50 * limits.MIB))
    with peak_of(100_000), pytest.raises(LimitExceeded):
        expand(Codec.ZSTD, bomb, 50 * limits.MIB, LIMIT)
    with pytest.raises(LimitExceeded):
        expand(Codec.STORED, b"x", 1 << 62, LIMIT)


def test_a_bomb_that_states_another_size_is_refused_before_it_is_expanded() -> None:
    bomb = zstd(bytes(200 * limits.MIB))
    assert len(bomb) < 20_000
    with peak_of(100_000), pytest.raises(DecompressionFailed):
        expand(Codec.ZSTD, bomb, 1000, LIMIT)


def test_a_bomb_that_states_a_small_size_and_holds_more_is_refused() -> None:
    bomb = bytearray(zstd(bytes(limits.MIB)))
    at = bomb.index((limits.MIB).to_bytes(4, "little"))
    bomb[at : at + 4] = (2000).to_bytes(4, "little")
    with peak_of(400_000), pytest.raises(DecompressionFailed):
        expand(Codec.ZSTD, bytes(bomb), 2000, LIMIT)


@pytest.mark.parametrize(("log", "allowed"), [(20, True), (23, True), (24, False), (27, False), (41, False)])
def test_a_window_over_the_limit_is_refused(log: int, allowed: bool) -> None:
    """A zstd frame of one raw block, whose header asks for a window of its own (RFC 8878 section 3.1.1.1.2)."""
    plain = b"x" * 1000
    header = b"\x28\xb5\x2f\xfd" + b"\x80" + bytes([(log - 10) << 3]) + len(plain).to_bytes(4, "little")
    stored = header + (1 | len(plain) << 3).to_bytes(3, "little") + plain
    if allowed:
        assert expand(Codec.ZSTD, stored, len(plain), LIMIT) == plain
    else:
        with pytest.raises(DecompressionFailed):
            expand(Codec.ZSTD, stored, len(plain), LIMIT)


@pytest.mark.parametrize(
    "stored",
    [
        zstandard.ZstdCompressor(level=1, write_content_size=False).compress(RECORD),
        zstd(RECORD) + b"x",
        zstd(RECORD) + zstd(b""),
        zstd(RECORD)[:-1],
        zstd(RECORD)[:20],
        zstd(RECORD[:-1]),
        zstd(RECORD + b"x"),
        b"\x50\x2a\x4d\x18" + len(RECORD).to_bytes(4, "little") + RECORD,
        RECORD,
        b"",
    ],
    ids=["no size", "trailing", "two frames", "short", "header", "less", "more", "skippable", "not zstd", "empty"],
)
def test_what_is_not_exactly_one_frame_of_the_size_is_refused(stored: bytes) -> None:
    with pytest.raises(DecompressionFailed):
        expand(Codec.ZSTD, stored, len(RECORD), LIMIT)


def test_stored_bytes_must_have_the_size() -> None:
    assert expand(Codec.STORED, b"", 0, LIMIT) == b""
    for data in (b"abc", b"abcde"):
        with pytest.raises(DecompressionFailed):
            expand(Codec.STORED, data, 4, LIMIT)


@given(st.binary(max_size=200), st.integers(0, 4000), st.sampled_from([0, DICTIONARY]))
def test_arbitrary_bytes_fail_in_a_typed_way(stored: bytes, size: int, dictionary: int) -> None:
    with suppress(VaultError):
        assert len(expand(Codec.ZSTD, stored, size, LIMIT, dictionary)) == size


@given(st.integers(0, 8 * 60), st.sampled_from([0, DICTIONARY]))
def test_a_flipped_bit_expands_to_the_size_or_fails_in_a_typed_way(bit: int, dictionary: int) -> None:
    plain = RECORD * 3
    stored = bytearray(compress(plain, dictionary)[1])
    bit %= 8 * len(stored)
    stored[bit >> 3] ^= 1 << (bit & 7)
    with suppress(VaultError):
        assert len(expand(Codec.ZSTD, bytes(stored), len(plain), LIMIT, dictionary)) == len(plain)
