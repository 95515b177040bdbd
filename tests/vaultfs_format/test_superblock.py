"""VAULT: read strictly, and opened by its recipients only."""

from __future__ import annotations

from dataclasses import replace

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import limits
from vaultfs_format.errors import (
    DigestMismatch,
    FieldInvalid,
    LimitExceeded,
    MacMismatch,
    Structure,
    TrailingBytes,
    Truncated,
    VaultError,
)
from vaultfs_format.stanza import Stanza
from vaultfs_format.suite import SUITES, Suite
from vaultfs_format.superblock import HEADER, ITEM, PublicKey, Superblock
from vectors.world import with_digest

from tests.vaultfs_format.examples import ROOT_KEY, SUPERBLOCK, VAULT_ID
from tests.vaultfs_format.memory import peak_of

DATA = SUPERBLOCK.encode(ROOT_KEY)
BINARY = st.binary(max_size=40)


@given(
    st.sampled_from(list(SUITES.values())),
    st.integers(1, 2**64 - 1),
    st.lists(st.builds(Stanza, st.integers(3, 65535), BINARY), min_size=1, max_size=5),
    st.lists(st.builds(PublicKey, st.integers(1, 3), BINARY), max_size=5),
)
def test_what_is_written_is_read(suite: Suite, generation: int, stanzas: list[Stanza], keys: list[PublicKey]) -> None:
    written = Superblock(suite, VAULT_ID, generation, stanzas, keys)
    data = written.encode(ROOT_KEY)
    found = Superblock.decode(memoryview(data))
    found.verify(data, ROOT_KEY)
    assert found == written
    assert found.encode(ROOT_KEY) == data


def test_mac_and_digest_are_as_the_specification_writes_them() -> None:
    content = DATA[:-64]
    label = b"vaultfs/0/superblock-mac"
    mac = blake3(bytes([len(label)]) + label + content, key=ROOT_KEY).digest()
    assert content + mac + blake3(content + mac).digest() == DATA


def test_another_root_key_is_refused() -> None:
    with pytest.raises(MacMismatch):
        SUPERBLOCK.verify(DATA, bytes(32))


def test_a_wrong_digest_is_refused_before_the_items_are_read() -> None:
    with pytest.raises(DigestMismatch):
        Superblock.decode(DATA[:-1] + bytes([DATA[-1] ^ 1]))


def items(stanzas: int, keys: int, body: bytes, stated: int | None = None) -> bytes:
    """Return a VAULT file of `body` with a digest that fits."""
    prefix = DATA[:16]
    length = len(body) if stated is None else stated
    return with_digest(HEADER.pack(prefix, VAULT_ID, 1, stanzas, keys, length) + body + bytes(64))


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (with_digest(replace(SUPERBLOCK, generation=0).encode(ROOT_KEY)), 1),
        (items(0, 0, b""), 1),
        (items(1, 0, ITEM.pack(1, 2) + b"ab" + ITEM.pack(1, 0)), 2),
        (items(1, 1, ITEM.pack(1, 0) + ITEM.pack(4, 0)), 3),
        (items(1, 1, ITEM.pack(1, 0) + ITEM.pack(0, 0)), 3),
    ],
)
def test_a_broken_rule_is_named(data: bytes, rule: int) -> None:
    with pytest.raises(FieldInvalid) as refused:
        Superblock.decode(data)
    assert refused.value.facts == {"structure": Structure.SUPERBLOCK, "rule": rule}


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (items(33, 0, b""), LimitExceeded),
        (items(1, limits.MAX_PUBLIC_KEYS + 1, b""), LimitExceeded),
        (items(1, 0, b"", stated=2**32 - 1), LimitExceeded),
        (items(1, 0, ITEM.pack(1, limits.MAX_STANZA + 1) + bytes(limits.MAX_STANZA + 1)), LimitExceeded),
        (items(1, 1, ITEM.pack(1, 0) + ITEM.pack(1, limits.MAX_STANZA) + bytes(limits.MAX_STANZA)), LimitExceeded),
        (items(1, 0, ITEM.pack(1, 9) + b"ab"), Truncated),
        (items(2, 0, ITEM.pack(1, 0)), VaultError),
        (DATA + b"x", TrailingBytes),
        (DATA[:-1], Truncated),
        (DATA[:20], Truncated),
    ],
)
def test_lengths_that_do_not_fit_are_refused(data: bytes, error: type[VaultError]) -> None:
    with peak_of(100_000), pytest.raises(error):
        Superblock.decode(data)
