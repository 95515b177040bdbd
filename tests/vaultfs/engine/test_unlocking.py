"""What it takes to open a vault: a recipient and the epoch secret, both of this vault."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.epoch import EpochSecret
from vaultfs_format.head import Head
from vaultfs_format.superblock import Superblock
from vaultfs_format.witness import Witnessed

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import PASSPHRASE, create, flipped, get, newer, put, read_only, reopen
from vaultfs.errors import (
    EpochSecretMissing,
    NoRecipientMatches,
    NotAuthentic,
    StorageFailed,
    UnsupportedVersion,
    VaultDamaged,
    VaultError,
    VaultMissing,
)
from vaultfs.keys.recipients import _AtAnyCost
from vaultfs.keys.stores import EpochStore

MIB = 1024 * 1024


class FailingStore:
    """An epoch store of a host that fails as it likes."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def put(self, secret: EpochSecret) -> None:
        raise self._error

    def get(self, vault_id: bytes, epoch: int) -> EpochSecret:
        raise self._error

    def epochs(self, vault_id: bytes) -> list[int]:
        raise self._error

    def destroy(self, vault_id: bytes, epoch: int) -> None:
        raise self._error

    def last(self, vault_id: bytes) -> Witnessed | None:
        raise self._error

    def see(self, witnessed: Witnessed) -> None:
        raise self._error


def spoil(store: EpochStore, secret: Path, harm: str) -> tuple[EpochStore, type[VaultError]]:
    """Harm a store; return it, or what takes its place, and what a vault that has no other is refused with."""
    if harm == "fails":
        return FailingStore(StorageFailed(errno=errno.EIO)), StorageFailed
    if harm == "fails to connect":
        return FailingStore(ConnectionError("https://user:secret@host")), StorageFailed
    data = secret.read_bytes()
    secret.unlink()
    if harm == "directory":
        secret.mkdir()
        return store, StorageFailed
    if harm == "newer":
        secret.write_bytes(newer(data))
        return store, UnsupportedVersion
    if harm == "wrong":
        secret.write_bytes(replace(EpochSecret.decode(data), secret=bytes(32)).encode())
        return store, NotAuthentic
    return store, EpochSecretMissing


class TestUnlocking:
    def test_a_wrong_passphrase_opens_nothing(self, vault: vaultfs.Vault) -> None:
        vault.close()
        for wrong in (b"", b"wrong", PASSPHRASE.secret + b" ", PASSPHRASE.secret[:-1]):
            with pytest.raises(NoRecipientMatches):
                reopen(vault.path, unlock=vaultfs.Passphrase(wrong))

    def test_either_of_two_recipients_opens_it(self, tmp_path: Path) -> None:
        second = _AtAnyCost(b"another passphrase", PASSPHRASE.cost)
        create(tmp_path / "v", recipients=[PASSPHRASE, second]).close()
        for one in (PASSPHRASE, second):
            reopen(tmp_path / "v", unlock=one).close()

    def test_without_the_epoch_secret_nothing_opens(self, opened: Open, tmp_path: Path) -> None:
        vault = opened()
        vault.close()
        store = vault.path.with_name("v.epoch")
        (secret,) = store.rglob("secret.1")
        whole = secret.read_bytes()
        for data in (None, b"", whole[:-1], whole + b"x", bytes(len(whole)), flipped(whole, 40)):
            secret.unlink(missing_ok=True)
            if data is not None:
                secret.write_bytes(data)
            with pytest.raises(EpochSecretMissing):
                reopen(vault.path)
        secret.write_bytes(whole)
        with pytest.raises(EpochSecretMissing):
            reopen(vault.path, epoch_stores=[vaultfs.DirectoryStore(tmp_path / "elsewhere")])
        stores = [vaultfs.DirectoryStore(tmp_path / "elsewhere"), vaultfs.DirectoryStore(store)]
        reopen(vault.path, epoch_stores=stores).close()

    def test_the_secret_of_another_vault_does_not_open_it(self, opened: Open, tmp_path: Path) -> None:
        vault, other = opened(), opened(tmp_path / "other")
        vault.close()
        other.close()
        (secret,) = (tmp_path / "v.epoch").rglob("secret.1")
        (foreign,) = (tmp_path / "other.epoch").rglob("secret.1")
        secret.write_bytes(foreign.read_bytes())
        with pytest.raises(EpochSecretMissing):
            reopen(vault.path)

    def test_a_secret_that_is_well_formed_and_wrong_is_not_authentic(self, opened: Open) -> None:
        vault = opened()
        vault.close()
        (file,) = vault.path.with_name("v.epoch").rglob("secret.1")
        file.write_bytes(replace(EpochSecret.decode(file.read_bytes()), secret=bytes(32)).encode())
        with pytest.raises(NotAuthentic):
            reopen(vault.path)

    @pytest.mark.parametrize("harm", ["directory", "newer", "wrong", "fails", "fails to connect", "removed"])
    def test_a_store_that_fails_does_not_keep_the_others_back(self, tmp_path: Path, harm: str) -> None:
        """Two stores are for the day when one is lost, in whatever way."""
        good, bad = vaultfs.DirectoryStore(tmp_path / "good"), vaultfs.DirectoryStore(tmp_path / "bad")
        with create(tmp_path / "v", epoch_stores=[bad, good]) as vault:
            record = put(vault)
        stores, alone = spoil(bad, next((tmp_path / "bad").rglob("secret.1")), harm)
        for act in (reopen, read_only):
            with act(tmp_path / "v", epoch_stores=[stores, good]) as opened:
                assert get(opened, record) == b"data"
        with reopen(tmp_path / "v", epoch_stores=[good, stores]) as vault:
            assert vault.maintenance.health().epoch_stores == 1
        with pytest.raises(alone) as refused:
            reopen(tmp_path / "v", epoch_stores=[stores])
        assert not isinstance(refused.value.__context__, ConnectionError), "its text may hold anything"

    @pytest.mark.parametrize("name", ["head", "copies/head"])
    @pytest.mark.parametrize("changes", [{"epoch": 7}, {"superblock_generation": 7}, {"signer": 7}])
    def test_a_forged_head_with_a_higher_generation_gives_way_to_the_vaults_own(
        self, opened: Open, name: str, changes: dict[str, Any]
    ) -> None:
        """Whoever can write one file of the vault cannot keep it from being opened."""
        vault = opened()
        record = put(vault)
        vault.close()
        own = (vault.path / name).read_bytes()
        forged = replace(Head.decode(own), generation=9, **changes)
        (vault.path / name).write_bytes(forged.encode(bytes(32)))
        if "superblock_generation" in changes:
            stranger = Superblock.decode((vault.path / "VAULT.1").read_bytes())
            other = _AtAnyCost(b"the forger's", PASSPHRASE.cost)
            stanza = other.stanza(stranger.suite, stranger.vault_id, bytes(32), bytes(32))
            data = replace(stranger, generation=7, stanzas=[stanza]).encode(bytes(32))
            (vault.path / "VAULT.7").write_bytes(data)
            forged = replace(forged, superblock_digest=stranger.suite.digest(data))
            (vault.path / name).write_bytes(forged.encode(bytes(32)))
        vault = opened(fresh=True)
        assert get(vault, record) == b"data"
        assert (vault.path / name).read_bytes() == own

    @pytest.mark.parametrize("name", ["head", "VAULT.1", "keyring.1"])
    def test_a_file_of_another_vault_is_refused(self, opened: Open, tmp_path: Path, name: str) -> None:
        vault, other = opened(), opened(tmp_path / "other")
        vault.close()
        other.close()
        for place in ("", "copies"):
            shutil.copy(other.path / name, vault.path / place / name)
        with pytest.raises((VaultDamaged, NotAuthentic, EpochSecretMissing)):
            reopen(vault.path)

    def test_a_place_without_a_vault_has_none(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        (tmp_path / "file").write_bytes(b"")
        for name in ("absent", "empty", "file", "absent/deeper"):
            with pytest.raises(VaultMissing) as caught:
                reopen(tmp_path / name)
            assert str(tmp_path) not in str(caught.value)
        assert sorted(os.listdir(tmp_path)) == ["empty", "file"]
        assert os.listdir(tmp_path / "empty") == []
