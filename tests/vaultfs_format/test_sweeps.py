"""Every single bit and every length of every structure: what is not as it was written is a typed error, and damage."""

from __future__ import annotations

from contextlib import suppress

import pytest
from vaultfs_format.errors import FormatError, NotAuthentic, Unsupported, VaultError
from vaultfs_format.group import decode_group, group_sizes
from vaultfs_format.journal import HEADER_SIZE, JournalHeader
from vaultfs_format.suite import DIGEST

from tests.vaultfs_format.examples import EXAMPLES, Example, journal_bytes

DAMAGE = (FormatError, NotAuthentic)


def undetected_flips(example: Example, *, step: int = 1, forged: bool = False) -> list[int]:
    """Return the bits whose flipping is not found, or is found to be something else than damage."""
    bad = []
    data = bytearray(example.data)
    for bit in range(0, 8 * len(data), step):
        data[bit >> 3] ^= 1 << (bit & 7)
        changed = bytes(data)
        if forged:
            assert example.forge is not None
            changed = example.forge(changed)
        try:
            if changed != example.data:
                example.check(changed)
                bad.append(bit)
        except DAMAGE:
            pass
        except VaultError:
            bad.append(bit)
        data[bit >> 3] ^= 1 << (bit & 7)
    return bad


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_is_legal(example: Example) -> None:
    example.check(example.data)


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_flipped_bit_is_damage(example: Example, step: int) -> None:
    """Of large examples every fifth; all of them in a long run."""
    assert undetected_flips(example, step=step if len(example.data) > 1000 else 1) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_truncation_is_damage(example: Example) -> None:
    for length in range(len(example.data)):
        with pytest.raises(DAMAGE):
            example.check(example.data[:length])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
@pytest.mark.parametrize("more", [b"\0", b"x" * 33])
def test_bytes_after_the_end_are_damage(example: Example, more: bytes) -> None:
    with pytest.raises(DAMAGE):
        example.check(example.data + more)


FORGEABLE = [example for example in EXAMPLES if example.forge]


@pytest.mark.parametrize("example", FORGEABLE, ids=lambda example: example.name)
def test_every_flipped_bit_under_a_forged_digest_is_refused_by_the_keys(example: Example) -> None:
    """The unkeyed digests and chain values, which anybody can make fit, are not what the refusal rests on."""
    assert undetected_flips(example, forged=True) == []


def keyless(data: bytes) -> None:
    """Check a journal as somebody without keys does: digest and chain."""
    header = JournalHeader.decode(data)
    chain, at, number = header.chain(data), HEADER_SIZE, 0
    while at < len(data):
        number += 1
        group = decode_group(header.suite, data, at, number, chain)
        chain, at = group.chain, at + group.size


def test_without_keys_a_journal_hides_flips_in_the_codes_of_its_groups_alone() -> None:
    """A group's MAC, its last 32 bytes, is the one thing that the next group's chain does not cover."""
    data, expected, at = journal_bytes(), set(), HEADER_SIZE
    while at < len(data):
        at += group_sizes(data, at).total
        expected |= set(range(at - DIGEST, at))
    hidden = set()
    for at in range(len(data)):
        with suppress(VaultError):
            keyless(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
            hidden.add(at)
    assert hidden == expected


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_no_cut_or_flip_at_the_beginning_is_called_unsupported(example: Example) -> None:
    for bit in range(8 * 16):
        data = bytearray(example.data)
        data[bit >> 3] ^= 1 << (bit & 7)
        with pytest.raises(VaultError) as refused:
            example.check(bytes(data))
        assert not isinstance(refused.value, Unsupported)
