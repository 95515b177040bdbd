"""The epoch secret, and the epoch root that needs it and the root key."""

from __future__ import annotations

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format.epoch import EpochSecret, epoch_root
from vaultfs_format.errors import DigestMismatch, FieldInvalid, TrailingBytes, Truncated
from vaultfs_format.suite import DEFAULT

from tests.vaultfs_format.examples import EPOCH_ROOT, EPOCH_SECRET, ROOT_KEY, SECRET, VAULT_ID

DATA = EPOCH_SECRET.encode()
ID, KEY = st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32)


@given(ID, st.integers(1, 2**32 - 1), KEY)
def test_what_is_written_is_read(vault_id: bytes, epoch: int, secret: bytes) -> None:
    written = EpochSecret(DEFAULT, vault_id, epoch, secret)
    assert EpochSecret.decode(memoryview(written.encode())) == written


def test_the_root_is_derived_from_both_secrets_vault_and_epoch() -> None:
    label = b"vaultfs/0/epoch-root"
    context = VAULT_ID + b"\1\0\0\0" + SECRET
    assert blake3(bytes([len(label)]) + label + context, key=ROOT_KEY).digest() == EPOCH_ROOT
    others = [
        epoch_root(DEFAULT, bytes(32), SECRET, VAULT_ID, 1),
        epoch_root(DEFAULT, ROOT_KEY, bytes(32), VAULT_ID, 1),
        epoch_root(DEFAULT, ROOT_KEY, SECRET, bytes(16), 1),
        epoch_root(DEFAULT, ROOT_KEY, SECRET, VAULT_ID, 2),
    ]
    assert len({bytes(root) for root in (EPOCH_ROOT, *others)}) == 5


def test_the_secret_is_in_no_repr() -> None:
    assert repr(SECRET)[2:-1] not in repr(EPOCH_SECRET)
    assert SECRET.hex() not in repr(EPOCH_SECRET)


def test_epoch_0_does_not_exist() -> None:
    with pytest.raises(FieldInvalid):
        EpochSecret.decode(EpochSecret(DEFAULT, VAULT_ID, 0, SECRET).encode())


def test_size_and_digest_are_checked() -> None:
    with pytest.raises(Truncated):
        EpochSecret.decode(DATA[:-1])
    with pytest.raises(TrailingBytes):
        EpochSecret.decode(DATA + b"\0")
    with pytest.raises(DigestMismatch):
        EpochSecret.decode(DATA[:40] + bytes([DATA[40] ^ 1]) + DATA[41:])
