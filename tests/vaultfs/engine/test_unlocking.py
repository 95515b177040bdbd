"""What it takes to open a vault: a recipient and the epoch secret, both of this vault."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import (
    PASSPHRASE,
    create,
    flipped,
    reopen,
)
from vaultfs.errors import (
    EpochSecretMissing,
    NoRecipientMatches,
    NotAuthentic,
    VaultDamaged,
    VaultMissing,
)

MIB = 1024 * 1024


class TestUnlocking:
    def test_a_wrong_passphrase_opens_nothing(self, vault: vaultfs.Vault) -> None:
        vault.close()
        for wrong in (b"", b"wrong", PASSPHRASE.secret + b" ", PASSPHRASE.secret[:-1]):
            with pytest.raises(NoRecipientMatches):
                reopen(vault.path, unlock=vaultfs.Passphrase(wrong))

    def test_either_of_two_recipients_opens_it(self, tmp_path: Path) -> None:
        second = vaultfs.Passphrase(b"another passphrase", PASSPHRASE.cost)
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
        from dataclasses import replace

        from vaultfs_format.epoch import EpochSecret

        vault = opened()
        vault.close()
        (file,) = vault.path.with_name("v.epoch").rglob("secret.1")
        file.write_bytes(replace(EpochSecret.decode(file.read_bytes()), secret=bytes(32)).encode())
        with pytest.raises(NotAuthentic):
            reopen(vault.path)

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
