"""vaultfs-keys: what cannot be made is refused, and nothing is left."""

from __future__ import annotations

from pathlib import Path

import pytest
from vaultfs_tools import keys

from tests.vaultfs.support import PASSPHRASE, create
from tests.vaultfs_tools.vaults import secret_file
from vaultfs.keys import Escrow


@pytest.mark.parametrize("place", [".", "..", "/"])
def test_no_key_is_made_in_the_place_of_a_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert keys.main(["make", place]) == 8
    assert "VFS-9306" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("command", "groups"), [("reshare", []), ("reshare", ["--group", "1/1"]), ("split", ["--group", "1/1"])]
)
def test_no_group_cannot_be_enough_of_new_shares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, groups: list[str]
) -> None:
    create(tmp_path / "v", recipients=[PASSPHRASE, Escrow.draw([(2, 3)], iteration_exponent=0)]).close()
    given = secret_file(tmp_path / "passphrase", PASSPHRASE.secret)
    words = ["escrow", command, tmp_path / "v", tmp_path / "new", *groups, "--groups-needed", 0]
    assert keys.main([*map(str, words), "--passphrase-file", str(given)]) == 8
    assert "VFS-2001" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
