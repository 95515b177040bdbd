"""vaultfs-maintain: what it does in its time, what it says, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from vaultfs_tools import maintain

from tests.vaultfs.support import lost
from tests.vaultfs_tools import vaults


@pytest.fixture
def secret(tmp_path: Path) -> list[str]:
    path = tmp_path / "passphrase"
    path.write_bytes(vaults.SECRET + b"\n")
    path.chmod(0o600)
    return ["--passphrase-file", str(path)]


def segment(vault: Path, kind: str) -> Path:
    """Return a segment of a class."""
    return next(vault.rglob(f"{vaults.rows_of(vault)[kind].segment_id.hex()}.vseg"))


def test_a_vault_that_is_well_is_left_so(vault: Path, secret: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert maintain.main([str(vault), *secret]) == 0
    shown = capsys.readouterr().out
    assert "segments scrubbed, the round is complete\n" in shown
    assert maintain.main([str(vault), *secret]) == 0
    assert "scrubbing is not due\n" in capsys.readouterr().out
    assert vaults.findings(vault) == []


def test_damage_is_healed_and_told(vault: Path, secret: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    path = segment(vault, "RECORD")
    whole = path.read_bytes()
    vaults.flip(path, 4500)
    next((vault / "copies").rglob("*.vkey.1")).unlink()
    assert maintain.main([str(vault), *secret, "--json", "--rate", "1000", "--wait", "1"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["healed"] == [{"segment": path.stem, "slices": 1}]
    assert (said["tables_healed"], said["lost"], said["exit"]) == (1, [], 1)
    assert path.read_bytes() == whole
    vaults.flip(path, 4500)
    assert maintain.main([str(vault), *secret, "--period", "0"]) == 1 | 4  # no round can be in time
    shown = capsys.readouterr().out
    assert f"healed: segment {path.stem}, 1 slices\n" in shown
    assert "overdue: a round of scrubbing is 0.0 days late\n" in shown


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "1e309", "fast", "secret"])
def test_a_rate_at_which_nothing_can_be_read_is_wrong_usage(
    vault: Path, secret: list[str], rate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        maintain.main([str(vault), *secret, "--rate", rate])
    assert ended.value.code == 16
    assert "secret" not in capsys.readouterr().err


def test_concerns_are_told(vault: Path, secret: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert maintain.main([str(vault), *secret, "--copy-age", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["concerns"] == ["single_epoch_store", "copy_overdue"]
    with vaults.opened(vault) as opened:
        opened.maintenance.mirror_segments(on=True)
    assert maintain.main([str(vault), *secret, "--epoch-stores", "1"]) == 0
    shown = capsys.readouterr().out
    assert "mirrors of segments: " in shown
    assert "concern" not in shown


def test_a_copy_that_is_healed_is_told(vault: Path, secret: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    next((vault / "copies").rglob("*.vkey.1")).unlink()
    assert maintain.main([str(vault), *secret]) == 1
    assert "key tables healed from their copies: 1\n" in capsys.readouterr().out


def test_what_is_lost_is_told_to_the_record(vault: Path, secret: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    path = segment(vault, "BLOB")
    lost(path, 2)
    assert maintain.main([str(vault), *secret, "--json"]) == 4
    (said,) = json.loads(capsys.readouterr().out)["lost"]
    assert said["segment"] == path.stem
    assert said["complete"]
    assert len(said["records"]) == 1
    assert maintain.main([str(vault), *secret, "--period", "0"]) == 4
    shown = capsys.readouterr().out
    assert f"lost: segment {path.stem}, " in shown
    assert f"  record {said['records'][0]}\n" in shown
    path.write_bytes(b"something else")
    assert maintain.main([str(vault), *secret, "--period", "0"]) == 4
    assert "records affected: 0, and perhaps others\n" in capsys.readouterr().out


def test_what_cannot_be_done_is_told(vault: Path, secret: list[str], tmp_path: Path) -> None:
    with vaults.opened(vault):
        assert maintain.main([str(vault), *secret]) == 8
    assert maintain.main([str(tmp_path / "none"), *secret]) == 8
    (tmp_path / "passphrase").write_bytes(b"wrong")
    assert maintain.main([str(vault), *secret]) == 8


def test_a_step_that_failed_is_told(
    vault: Path, secret: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vaultfs.errors import StorageFull

    def full(_: object) -> None:
        raise StorageFull

    monkeypatch.setattr("vaultfs.engine.vault.Vault.settle", full)
    assert maintain.main([str(vault), *secret]) == 8
    assert "failed: settle: VFS-2205" in capsys.readouterr().out
    assert maintain.main([str(vault), *secret, "--json"]) == 8
    assert json.loads(capsys.readouterr().out)["failed"]["settle"]["code"] == 2205


def test_a_vault_elsewhere_has_its_epoch_store_named(vault: Path, secret: list[str], tmp_path: Path) -> None:
    store = vault.with_name(vault.name + ".epoch").rename(tmp_path / "store")
    assert maintain.main([str(vault), *secret]) == 8
    assert maintain.main([str(vault), *secret, "--epoch-store", str(store), "--seconds", "0"]) == 0
