"""Every command that opens a vault takes as many epoch stores as it has, in directories and tokens, and uses all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from vaultfs_tools import audit, export, fsck, import_, keys, maintain, opening

import vaultfs
from tests.vaultfs import softhsm
from tests.vaultfs_tools import vaults
from vaultfs.engine.opening.unlocking import default_store
from vaultfs.errors import EpochSecretMissing
from vaultfs.keys.stores import EpochStore

COMMANDS: dict[str, Callable[[Path, list[str]], int]] = {
    "import": lambda vault, more: import_.main([str(vault), "--redrive", *more]),
    "export": lambda vault, more: export.main([str(vault), f"{vault}.out", "--plaintext", *more]),
    "fsck": lambda vault, more: fsck.main([str(vault), *more]),
    "maintain": lambda vault, more: maintain.main([str(vault), "--seconds", "0", *more]),
    "keys": lambda vault, more: keys.main(["list", str(vault), *more]),
    "audit": lambda vault, more: audit.main(["verify", str(vault), *more]),
}


@pytest.fixture
def secret(tmp_path: Path) -> list[str]:
    return ["--passphrase-file", str(vaults.secret_file(tmp_path / "passphrase", vaults.SECRET))]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_secret_may_be_in_any_of_several_epoch_stores(
    command: str, vault: Path, secret: list[str], tmp_path: Path
) -> None:
    """Neither the first that is named nor the last counts alone."""
    default_store(vault).rename(tmp_path / "medium")
    stores = [word for name in ("one", "medium", "other") for word in ("--epoch-store", str(tmp_path / name))]
    assert COMMANDS[command](vault, secret) == 8
    assert COMMANDS[command](vault, [*secret, *stores]) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_the_secret_may_be_in_a_token(command: str, vault: Path, secret: list[str], tmp_path: Path) -> None:
    token = softhsm.new_token(key=False)
    words = [str(token.module), token.label, str(vaults.secret_file(tmp_path / "pin", softhsm.PIN))]
    assert keys.main(["keep", str(vault), "--in-token", *words, *secret]) == 0
    shutil.rmtree(default_store(vault))
    assert COMMANDS[command](vault, secret) == 8
    assert COMMANDS[command](vault, [*secret, "--epoch-token", *words]) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_who_is_suspended_goes_on_by_accepting_the_risk(command: str, vault: Path, secret: list[str]) -> None:
    with vaults.opened(vault) as opened:
        (one,) = opened.keys.recipients()
    assert keys.main(["state", str(vault), one.id, "suspended", *secret]) == 0
    assert COMMANDS[command](vault, secret) == 8
    assert COMMANDS[command](vault, [*secret, "--accept-risk"]) == 0


def test_two_stores_that_are_named_are_no_concern(
    vault: Path, secret: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stores = ["--epoch-store", str(default_store(vault)), "--epoch-store", str(tmp_path / "medium")]
    assert keys.main(["keep", str(vault), "--in-directory", str(tmp_path / "medium"), *secret]) == 0
    capsys.readouterr()
    assert maintain.main([str(vault), *secret, *stores, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["concerns"] == []


def test_a_vault_is_made_with_its_secret_in_every_store_that_is_named(
    secret: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = softhsm.new_token(key=False)
    words = [str(token.module), token.label, str(vaults.secret_file(tmp_path / "pin", softhsm.PIN))]
    stores = [tmp_path / "one", tmp_path / "two"]
    named = [word for store in stores for word in ("--epoch-store", str(store))]
    made = tmp_path / "made"
    assert import_.main([str(made), "--create", *secret, *named, "--epoch-token", *words]) == 0
    assert f"Its epoch secret is in {stores[0]}, {stores[1]}, the token {token.label}: keep" in capsys.readouterr().out
    made_in: list[EpochStore] = [*map(vaultfs.DirectoryStore, stores), opening.token_store(words)]
    for store in made_in:
        vaultfs.open(made, unlock=vaults.unlocking(), epoch_stores=[store]).close()
    with pytest.raises(EpochSecretMissing):
        vaultfs.open(made, unlock=vaults.unlocking())
