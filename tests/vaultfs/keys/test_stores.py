"""A directory keeps epoch secrets, and gives out none but the one that is asked for."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from vaultfs_format.epoch import EpochSecret
from vaultfs_format.suite import DEFAULT

from vaultfs.errors import EpochSecretMissing, StorageFailed, StorageFull
from vaultfs.keys.stores import DirectoryStore
from vaultfs.testing.vfs import FaultyVfs, Operation

VAULT = os.urandom(16)
SECRET = EpochSecret(DEFAULT, VAULT, 1, os.urandom(32))


def test_what_is_kept_is_given_back(tmp_path: Path) -> None:
    for place in (tmp_path / "a", str(tmp_path / "b" / "deeper")):
        store = DirectoryStore(place)
        store.put(SECRET)
        store.put(SECRET)
        assert store.get(VAULT, 1) == SECRET


def test_what_is_not_kept_is_missing(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put(SECRET)
    for vault, epoch in ((VAULT, 2), (bytes(16), 1)):
        with pytest.raises(EpochSecretMissing) as caught:
            store.get(vault, epoch)
        assert caught.value.facts == {"epoch": epoch}


def test_what_is_damaged_or_of_another_vault_is_missing(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put(SECRET)
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    stranger = EpochSecret(DEFAULT, bytes(16), 1, bytes(32)).encode()
    later = EpochSecret(DEFAULT, VAULT, 2, bytes(32)).encode()
    for data in (b"", b"x", SECRET.encode()[:-1], SECRET.encode() + b"x", stranger, later):
        file.write_bytes(data)
        with pytest.raises(EpochSecretMissing):
            store.get(VAULT, 1)


def test_a_store_that_cannot_be_read_is_not_taken_for_one_that_lacks_the_secret(tmp_path: Path) -> None:
    vfs = FaultyVfs()
    store = DirectoryStore(tmp_path, vfs)
    store.put(SECRET)
    vfs.fail(Operation.READ, error=errno.EIO)
    with pytest.raises(StorageFailed):
        store.get(VAULT, 1)
    vfs.fail(Operation.APPEND, error=errno.ENOSPC)
    with pytest.raises(StorageFull):
        store.put(EpochSecret(DEFAULT, VAULT, 2, bytes(32)))
    assert store.get(VAULT, 1) == SECRET


def test_secrets_are_private_and_never_shown(tmp_path: Path) -> None:
    DirectoryStore(tmp_path / "s").put(SECRET)
    for path in [tmp_path / "s", *(tmp_path / "s").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0
    assert SECRET.secret.hex() not in repr(SECRET)
    assert repr(SECRET.secret) not in repr(SECRET)
