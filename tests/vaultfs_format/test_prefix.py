"""The file prefix tells newer from damaged, and every kind of file from the others."""

from __future__ import annotations

from zlib import crc32

import pytest
from vaultfs_format.errors import (
    BadMagic,
    DigestMismatch,
    FormatError,
    Structure,
    Truncated,
    Unsupported,
    UnsupportedFeature,
    UnsupportedSuite,
    UnsupportedVersion,
    VaultError,
)
from vaultfs_format.prefix import check_prefix, file_magic, prefix
from vaultfs_format.suite import DEFAULT

from tests.vaultfs_format.examples import EXAMPLES, Example

MAGIC = file_magic("H")
GOOD = prefix(MAGIC, DEFAULT)
FILES = [example for example in EXAMPLES if example.data.startswith(b"\x89VFS")]


def changed(data: bytes, at: int, value: bytes) -> bytes:
    """Return `data` with `value` put at `at` of its prefix, and the check of the prefix made to fit."""
    start = bytearray(data[:12])
    start[at : at + len(value)] = value
    return bytes(start) + crc32(start).to_bytes(4, "little") + data[16:]


def test_a_prefix_is_as_the_specification_writes_it() -> None:
    start = b"\x89VFS\r\n\x1aH\x00\x01\x00\x00"
    assert start + crc32(start).to_bytes(4, "little") == GOOD
    assert check_prefix(Structure.HEAD, MAGIC, GOOD + b"more") is DEFAULT


@pytest.mark.parametrize("length", range(16))
def test_a_short_prefix_is_truncated(length: int) -> None:
    with pytest.raises(Truncated):
        check_prefix(Structure.HEAD, MAGIC, GOOD[:length])


@pytest.mark.parametrize("bit", range(128))
def test_a_flipped_bit_is_damage_and_nothing_newer(bit: int) -> None:
    data = bytearray(GOOD)
    data[bit >> 3] ^= 1 << (bit & 7)
    with pytest.raises(BadMagic if bit < 64 else DigestMismatch):
        check_prefix(Structure.HEAD, MAGIC, data)


@pytest.mark.parametrize(
    ("at", "value", "error"),
    [
        (8, b"\x01", UnsupportedVersion),
        (8, b"\xff\xff\xff\xff", UnsupportedVersion),
        (9, b"\x00", UnsupportedSuite),
        (9, b"\x03", UnsupportedSuite),
        (10, b"\x01\x00", UnsupportedFeature),
        (10, b"\x00\x80", UnsupportedFeature),
    ],
)
@pytest.mark.parametrize("example", FILES, ids=lambda example: example.name)
def test_a_newer_file_is_unsupported_whatever_follows(
    example: Example, at: int, value: bytes, error: type[VaultError]
) -> None:
    """Nothing behind the prefix is looked at: another version may have another shape there, or end there."""
    for rest in (example.data, example.data[:16], example.data[:16] + b"\xff" * 9000):
        with pytest.raises(error):
            example.check(changed(rest, at, value))


@pytest.mark.parametrize("at", [8, 9, 10])
def test_what_is_not_known_names_the_structure(at: int) -> None:
    with pytest.raises(Unsupported) as caught:
        check_prefix(Structure.HEAD, MAGIC, changed(GOOD, at, b"\x07"))
    assert caught.value.facts["structure"] is Structure.HEAD


@pytest.mark.parametrize("example", FILES, ids=lambda example: example.name)
def test_every_kind_of_file_refuses_the_others(example: Example) -> None:
    for other in FILES:
        if other.data[:8] != example.data[:8]:
            with pytest.raises(FormatError):
                example.check(other.data)
