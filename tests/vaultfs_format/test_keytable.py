"""Key tables: one block opens alone, for one segment of one vault in one epoch."""

from __future__ import annotations

from dataclasses import replace

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from vaultfs_format.errors import (
    CommitmentMismatch,
    DecryptionFailed,
    DigestMismatch,
    FieldInvalid,
    LimitExceeded,
    Structure,
    TrailingBytes,
    Truncated,
    VaultError,
)
from vaultfs_format.keytable import HEADER, KeyTable, seal_table, sealed_size
from vaultfs_format.layout import Buffer
from vaultfs_format.suite import DEFAULT
from vectors.world import with_digest

from tests.vaultfs_format.examples import EPOCH_ROOT, KEY_TABLE, KEYS, VAULT_ID
from tests.vaultfs_format.memory import peak_of

DATA = KEY_TABLE.encode()
SEGMENT, SALT = b"g" * 16, b"z" * 32


def derive(key: Buffer, label: bytes, context: bytes) -> bytes:
    """Return what the specification calls D(key, label, context, 32)."""
    return blake3(bytes([len(label)]) + label + context, key=key).digest()


def test_a_table_is_as_the_specification_seals_it() -> None:
    key = derive(EPOCH_ROOT, b"vaultfs/0/key-table", VAULT_ID + SEGMENT + b"\1\0\0\0" + SALT)
    bound = SEGMENT + b"\0\0\0\0"
    block = AESGCM(derive(key, b"vaultfs/0/key-block", bound)).encrypt(bytes(12), b"".join(KEYS), bound)
    commitment = derive(key, b"vaultfs/0/key-table-commitment", SEGMENT)
    content = DATA[:16] + VAULT_ID + SEGMENT + b"\1\0\0\0" + b"\3\0\0\0" + SALT + commitment + block
    assert content + blake3(content).digest() == DATA


@pytest.mark.parametrize("count", [1, 255, 256, 257, 512, 600])
def test_what_is_written_is_read_block_by_block(count: int) -> None:
    keys = [number.to_bytes(32, "big") for number in range(count)]
    written = seal_table(DEFAULT, VAULT_ID, SEGMENT, 4, EPOCH_ROOT, SALT, keys)
    data = written.encode()
    found = KeyTable.decode(memoryview(data))
    assert found == written
    assert found.encode() == data
    assert len(data) == HEADER.size + sealed_size(count) + 32
    opened = [found.open_block(found.table_key(EPOCH_ROOT), number) for number in range(len(found.blocks))]
    assert [len(block) for block in opened[:-1]] == [256] * (len(opened) - 1)
    assert [key for block in opened for key in block] == keys


def test_another_key_is_told_by_the_commitment() -> None:
    with pytest.raises(CommitmentMismatch):
        KEY_TABLE.open_block(bytes(32), 0)
    with pytest.raises(CommitmentMismatch):
        KEY_TABLE.open_block(KEY_TABLE.table_key(bytes(32)), 0)


@pytest.mark.parametrize(
    "change", [{"vault_id": bytes(16)}, {"segment_id": bytes(16)}, {"epoch": 2}, {"salt": SALT[1:] + b"!"}]
)
def test_a_table_opens_for_its_own_vault_segment_epoch_and_salt_only(change: dict[str, bytes]) -> None:
    other = replace(KEY_TABLE, **change)  # type: ignore[arg-type]
    with pytest.raises(CommitmentMismatch):
        other.open_block(other.table_key(EPOCH_ROOT), 0)


def test_exchanged_blocks_are_refused() -> None:
    keys = [number.to_bytes(32, "big") for number in range(512)]
    table = seal_table(DEFAULT, VAULT_ID, SEGMENT, 1, EPOCH_ROOT, SALT, keys)
    exchanged = replace(table, blocks=table.blocks[::-1])
    for number in range(2):
        with pytest.raises(DecryptionFailed):
            exchanged.open_block(exchanged.table_key(EPOCH_ROOT), number)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (with_digest(replace(KEY_TABLE, key_count=0, blocks=()).encode()), FieldInvalid),
        (with_digest(replace(KEY_TABLE, epoch=0).encode()), FieldInvalid),
        (with_digest(replace(KEY_TABLE, key_count=4).encode()), Truncated),
        (with_digest(replace(KEY_TABLE, key_count=2).encode()), TrailingBytes),
        (with_digest(replace(KEY_TABLE, key_count=2**32 - 1).encode()), LimitExceeded),
        (with_digest(replace(KEY_TABLE, key_count=1 << 24).encode()), Truncated),
        (DATA[:-1] + bytes([DATA[-1] ^ 1]), DigestMismatch),
    ],
)
def test_counts_that_do_not_fit_are_refused(data: bytes, error: type[VaultError]) -> None:
    with peak_of(100_000), pytest.raises(error) as refused:
        KeyTable.decode(data)
    assert refused.value.facts["structure"] is Structure.KEY_TABLE
