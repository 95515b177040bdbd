"""vaultfs-export: plain text only when it is asked for, privately, and on record."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from vaultfs_format.events.disclosures import SubjectDisclosed
from vaultfs_format.events.records import SubjectExported
from vaultfs_format.events.session import SessionOpened
from vaultfs_tools import cli, export

import vaultfs
from tests.vaultfs.migrate.support import MRN, files_of, ndjson, observation, patient, rows_of
from tests.vaultfs.support import create, events, reopen
from vaultfs.audit.accounting import account
from vaultfs.audit.disclosures import disclosures
from vaultfs.migrate.importer import Importer

GOOD = ndjson(patient("1", (MRN, "1"), name="CanaryQNameZ"), observation("o", "Patient/1"))

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """Return a vault with one source."""
    (tmp_path / "legacy").mkdir()
    (tmp_path / "legacy" / "CanaryQFileZ.ndjson").write_text(GOOD)
    with create(tmp_path / "vault") as made, made.session(vaultfs.Principal("importer"), "HSYSADMIN") as session:
        Importer(made, session).run([tmp_path / "legacy"])
    return tmp_path / "vault"


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command; returns code, output and errors."""
    secret = tmp_path / "passphrase"
    secret.write_bytes(b"correct horse battery staple")
    secret.chmod(0o600)

    def call(*words: object) -> tuple[int, str, str]:
        code = export.main([*map(str, words), f"--passphrase-file={secret}"])
        output, errors = capsys.readouterr()
        return code, output, errors

    return call


def test_the_bytes_come_back_privately_and_the_disclosure_is_on_record(run: Run, vault: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, output, errors = run(vault, out, "--plaintext", "--as=dr-who", "--purpose=PATRQT")
    assert (code, errors) == (0, "")
    assert "1 source files (0 partial), 2 records" in output
    assert "disclosures recorded for 1 patients" in output
    assert "Canary" not in output
    assert files_of(out) == {"CanaryQFileZ.ndjson": GOOD.encode()}
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert {row["kind"] for row in rows_of(out)} == {"Patient", "Observation"}
    assert all({"id", "kind", "sha256", "source"} <= row.keys() for row in rows_of(out))
    with reopen(vault) as opened:
        found = events(opened)
    (disclosure,) = [event for event in found if isinstance(event, SubjectExported)]
    (session,) = [e for e in found if isinstance(e, SessionOpened) and e.session == disclosure.session]
    assert (session.principal, session.purpose) == ("dr-who", "PATRQT")


def test_json_has_every_number(run: Run, vault: Path, tmp_path: Path) -> None:
    code, output, _ = run(vault, tmp_path / "out", "--plaintext", "--json")
    assert code == 0
    assert json.loads(output) == {
        "sources": 1,
        "partial": 0,
        "records": 2,
        "patients": 1,
        "bytes": len(GOOD),
    }


def test_without_plaintext_nothing_is_written(run: Run, vault: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as usage:
        run(vault, tmp_path / "out")
    assert usage.value.code == cli.Exit.USAGE
    assert not (tmp_path / "out").exists()


def test_a_directory_with_something_in_it_is_refused(run: Run, vault: Path, tmp_path: Path) -> None:
    code, _, errors = run(vault, tmp_path / "legacy", "--plaintext")
    assert (code, "VFS-5101" in errors) == (cli.Exit.FAILED, True)
    assert "Canary" not in errors


def test_a_place_that_cannot_be_written_to_is_told(run: Run, vault: Path, tmp_path: Path) -> None:
    code, _, errors = run(vault, tmp_path / "passphrase", "--plaintext")
    assert code == cli.Exit.FAILED
    assert "VFS-" in errors


def test_another_epoch_store_is_needed_where_it_was_moved(run: Run, vault: Path, tmp_path: Path) -> None:
    moved = (tmp_path / "vault.epoch").rename(tmp_path / "medium")
    assert run(vault, tmp_path / "out", "--plaintext")[0] == cli.Exit.FAILED
    assert run(vault, tmp_path / "out", "--plaintext", f"--epoch-store={moved}")[0] == 0


def test_a_busy_vault_is_waited_for_no_longer_than_said(run: Run, vault: Path, tmp_path: Path) -> None:
    with reopen(vault):
        code, _, errors = run(vault, tmp_path / "out", "--plaintext", "--wait=0.1")
    assert (code, "VFS-2203" in errors) == (cli.Exit.FAILED, True)


def test_to_whom_it_goes_is_stated_in_a_file(run: Run, vault: Path, tmp_path: Path) -> None:
    stated = {"recipient": "CanaryQToZ", "description": "all", "purpose": "registry", "basis": "public_health"}
    (tmp_path / "to.json").write_text(json.dumps(stated | {"address": "1 Main Street"}))
    code, output, errors = run(vault, tmp_path / "out", "--plaintext", "--disclosure", tmp_path / "to.json")
    assert (code, errors) == (0, "")
    assert "Canary" not in output
    with reopen(vault) as opened:
        assert [one for one in events(opened) if isinstance(one, SubjectExported)] == []
        (subject,) = (one.subject for one in events(opened) if isinstance(one, SubjectDisclosed))
        (row,) = disclosures(account(opened, vaultfs.SubjectId(subject))).rows
    assert (row.recipient, row.address, row.basis) == ("CanaryQToZ", "1 Main Street", vaultfs.Basis.PUBLIC_HEALTH)


@pytest.mark.parametrize(
    "content",
    ["", "CanaryQ", "[]", '{"recipient":"CanaryQ"}', '{"recipient":"a","description":"b","purpose":"c","basis":"x"}',
     '{"recipient":"","description":"b","purpose":"c","basis":"public_health"}', "{" * 10_000, " " * 100_000],
)  # fmt: skip
def test_what_states_nothing_is_refused_before_the_vault_is_opened(run: Run, tmp_path: Path, content: str) -> None:
    (tmp_path / "to.json").write_text(content)
    code, output, errors = run(
        tmp_path / "nowhere", tmp_path / "out", "--plaintext", "--disclosure", tmp_path / "to.json"
    )
    assert (code, output) == (8, "")
    assert "VFS-2652" in errors
    assert "Canary" not in errors
    assert not (tmp_path / "out").exists()
