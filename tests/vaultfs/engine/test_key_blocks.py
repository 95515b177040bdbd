"""Keys of frames: a block of a table is opened once while it is remembered, and few are, however many are read."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from vaultfs_format import limits
from vaultfs_format.keytable import KeyTable

import vaultfs
from tests.vaultfs.support import PASSPHRASE, create, get, session
from vaultfs.engine.reading import store

FRAMES = 2 * limits.KEY_BLOCK + 1
"""Of so many subjects, with one record each: three blocks."""


@pytest.fixture
def opened_blocks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers of the blocks that are opened, as that happens."""
    numbers: list[int] = []
    whole = KeyTable.open_block

    def watched(self: KeyTable, table_key: bytes, number: int) -> list[bytes]:
        numbers.append(number)
        return whole(self, table_key, number)

    monkeypatch.setattr(KeyTable, "open_block", watched)
    return numbers


def filled(vault: vaultfs.Vault) -> dict[vaultfs.RecordId, bytes]:
    """Put a record of each subject into a vault, and settle it; return them in an order that is drawn."""
    data = [b"record %d" % number for number in range(FRAMES)]
    new = [vaultfs.NewRecord(one, "Binary", vaultfs.Identifier("urn:x", one.decode())) for one in data]
    with session(vault) as s, s.transaction() as txn:
        ids = txn.put_many(new)
    vault.settle()
    pairs = list(zip(ids, data, strict=True))
    random.Random(1).shuffle(pairs)
    return dict(pairs)


@pytest.mark.parametrize(("kept", "most"), [(store.KEY_BLOCKS, 3), (1, FRAMES)])
def test_as_many_blocks_are_remembered_as_there_is_room_for(
    kept: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened_blocks: list[int]
) -> None:
    monkeypatch.setattr(store, "KEY_BLOCKS", kept)
    with create(tmp_path / "v") as vault:
        data = filled(vault)
        opened_blocks.clear()
        assert {record: get(vault, record) for record in data} == data
        assert set(opened_blocks) == {0, 1, 2}
        assert (len(opened_blocks) == 3) is (kept > 1)
        assert len(opened_blocks) <= most


def test_no_key_of_an_earlier_epoch_is_remembered(tmp_path: Path, opened_blocks: list[int]) -> None:
    with create(tmp_path / "v") as vault:
        data = filled(vault)
        record = next(iter(data))
        get(vault, record)
        vault.keys.turn(PASSPHRASE)
        opened_blocks.clear()
        assert get(vault, record) == data[record]
        assert len(opened_blocks) == 1
