"""vaultfs-backup: its options, what it says, how it ends, and what it never says."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from vaultfs_tools import backup, cli
from vaultfs_tools.copying.proof import write_report

import vaultfs
from tests.vaultfs.support import lost
from tests.vaultfs_tools import vaults
from vaultfs.testing.canary import Canaries
from vaultfs.testing.watch import Watch

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command; returns code, output and errors."""

    def call(*words: object) -> tuple[int, str, str]:
        code = backup.main([*map(str, words)])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """Return the option that gives the passphrase."""
    path = tmp_path / "passphrase"
    path.write_bytes(vaults.SECRET + b"\n")
    path.chmod(0o600)
    return f"--passphrase-file={path}"


def test_the_command_needs_no_engine() -> None:
    program = "import sys, vaultfs_tools.backup; sys.exit(bool({'lmdb', 'vaultfs'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_copy_is_made_brought_up_to_date_and_told(run: Run, vault: Path, tmp_path: Path) -> None:
    code, output, errors = run("copy", vault, tmp_path / "copy", "--rate", "1000")
    assert (code, errors) == (0, "")
    assert "8 segments copied, 0 were there; " in output
    assert output.endswith("complete\n")
    code, output, _ = run("copy", vault, tmp_path / "copy", "--json", "--verify")
    shown = json.loads(output)
    assert (code, shown["exit"], shown["bytes"], shown["segments_kept"], shown["noted"]) == (0, 0, 0, 8, True)
    code, output, _ = run("copy", vault, tmp_path / "copy", "--signer", shown["signer"], "--json")
    assert json.loads(output)["pinned"] is True
    assert len(list((vault / "acts").iterdir())) == 3


def test_a_vault_that_cannot_be_written_to_is_copied(run: Run, vault: Path, tmp_path: Path) -> None:
    (vault / "acts").touch()
    code, output, _ = run("copy", vault, tmp_path / "copy")
    assert code == 0
    assert output.endswith("VAULT cannot be written to: the vault's audit log will not tell of this copy\n")


def test_damage_decides_how_it_ends(run: Run, vault: Path, tmp_path: Path) -> None:
    segment = max(vault.rglob("*.vseg"), key=lambda path: path.stat().st_size)
    vaults.flip(segment, 5000)
    code, output, _ = run("copy", vault, tmp_path / "one")
    assert (code, output.splitlines()[-1]) == (cli.Exit.ATTENTION, "complete")
    assert f"corrected: {segment.relative_to(vault)}: VFS-9107" in output
    lost(segment, 1)
    code, output, _ = run("copy", vault, tmp_path / "two")
    assert (code, "\nsomething is damaged or missing\n" in output) == (cli.Exit.DAMAGED, True)
    assert f"error: {segment.relative_to(vault)}: VFS-1108" in output


def test_a_copy_that_is_not_complete_is_claimed_nowhere(run: Run, vault: Path, tmp_path: Path) -> None:
    segment = max(vault.rglob("*.vseg"), key=lambda path: path.stat().st_size)
    lost(segment, 1)
    code, output, _ = run("copy", vault, tmp_path / "copy")
    assert code == cli.Exit.DAMAGED
    assert output.endswith("DEST is not complete: the vault's audit log will not tell of this copy\n")
    assert json.loads(run("copy", vault, tmp_path / "copy", "--json")[1])["noted"] is False
    assert not (vault / "acts").exists()


def test_a_copy_is_restored_with_a_bundle_and_says_what_it_needs(run: Run, vault: Path, tmp_path: Path) -> None:
    run("copy", vault, tmp_path / "copy")
    for _ in range(2):
        assert run("bundle", vault, tmp_path / "bundle")[0] == 0
    assert not list((tmp_path / "bundle").rglob("*.vseg"))
    code, output, _ = run("restore", tmp_path / "copy", tmp_path / "new", "--bundle", tmp_path / "bundle")
    assert code == 0
    assert "before it opens, the epoch store must be in place" in output
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert vaults.findings(tmp_path / "new") == []


def test_a_drill_is_run_signed_and_verified(run: Run, vault: Path, tmp_path: Path, secret: str) -> None:
    run("copy", vault, tmp_path / "copy")
    store = vault.with_name(vault.name + ".epoch")
    code, output, _ = run("drill", tmp_path / "copy", tmp_path / "keyed", secret, "--epoch-store", store, "--seed", 3)
    assert (code, "generation 3, seed 3\n" in output) == (0, True)
    assert "19 versions of records compared" in output
    assert output.endswith("all equal\nsigned\n")
    report = tmp_path / "keyed" / "report.json"
    code, output, _ = run("verify-report", report, "--vault", vault)
    assert (code, output.startswith("signed by "), ", which was not given\n" in output) == (0, True, True)
    assert output.endswith("the drill found all equal\n")
    report.write_bytes(report.read_bytes().replace(b'"seed": 3', b'"seed": 4'))
    assert run("verify-report", report, "--vault", vault)[0] == cli.Exit.DAMAGED
    code, output, _ = run("drill", tmp_path / "copy", tmp_path / "keyless")
    assert (code, output.endswith("all equal\nnot signed: that needs what opens the vault\n")) == (0, True)


def test_the_report_of_a_drill_that_found_differences_says_so(run: Run, vault: Path, tmp_path: Path) -> None:
    told = {"vault_id": vaults.head_of(vault).vault_id.hex(), "equal": False, "signer": 1}
    write_report(tmp_path / "report.json", told, vaults.signing_of(vault))
    code, output, _ = run("verify-report", tmp_path / "report.json", "--vault", vault)
    assert (code, output.splitlines()[-1]) == (cli.Exit.DAMAGED, "the drill did not find all equal")


def test_what_is_no_vault_is_not_copied(run: Run, tmp_path: Path) -> None:
    code, _, errors = run("copy", tmp_path / "nothing", tmp_path / "copy")
    assert (code, "VFS-9101" in errors) == (cli.Exit.FAILED, True)
    assert not (tmp_path / "copy").exists()


def test_wrong_usage_is_told(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copies = [["copy", str(vault), "x", *more] for more in (["--strange"], ["--rate", "0"], ["--rate=-1"])]
    for words in ([], ["strange"], ["copy"], *copies, ["restore", "x"], ["restore", "x", "y", "--rate", "0"]):
        with pytest.raises(SystemExit) as ended:
            backup.main(words)
        assert ended.value.code == cli.Exit.USAGE
    assert "strange" not in capsys.readouterr().err.replace("--strange", "")


def test_nothing_of_a_patient_is_told_or_named(tmp_path: Path, secret: str) -> None:
    planted = Canaries(7)
    who = vaultfs.Principal(planted.text("principal"))
    patient = vaultfs.Identifier(planted.text("system"), planted.text("value"))
    with vaultfs.create(
        tmp_path / "v", recipients=[vaults.unlocking()], policy=vaultfs.PermitAll()
    ) as vault, vault.session(who, planted.text("purpose")) as session:  # fmt: skip
        for number in range(2):
            with session.transaction() as txn:
                data = planted.data(f"data{number}", 90_000 if number else 300)
                txn.put(data, kind="Observation", subject=patient, date=planted.moment)
            if not number:
                vault.settle()
    watch, place = Watch(planted), tmp_path / "out"
    place.mkdir()
    with watch:
        for words in (
            ("copy", tmp_path / "v", place / "copy"),
            ("bundle", tmp_path / "v", place / "bundle"),
            ("restore", place / "copy", place / "new"),
            ("drill", place / "copy", place / "scratch", secret, "--epoch-store", tmp_path / "v.epoch"),
            ("verify-report", place / "scratch" / "report.json", "--vault", place / "bundle"),
        ):
            code, out, err = watch.command(backup.main, *words)
            assert code == 0, (out, err)
    assert watch.files(place) > 50
    watch.assert_silent()


def test_an_error_names_no_place(run: Run, vault: Path, tmp_path: Path) -> None:
    (tmp_path / "Jane Doe").write_bytes(b"")
    code, output, errors = run("copy", vault, tmp_path / "Jane Doe")
    assert (code, output) == (cli.Exit.FAILED, "")
    assert "Jane" not in errors
