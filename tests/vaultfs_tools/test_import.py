"""vaultfs-import: what it takes, says and returns."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.events.session import SessionOpened
from vaultfs_tools import cli, import_

from tests.vaultfs.migrate.support import MRN, message, ndjson, observation, patient
from tests.vaultfs.support import PASSPHRASE, create, events_of, reopen
from vaultfs import Identifier, Principal
from vaultfs.migrate.importer import Importer

GOOD = ndjson(patient("1", (MRN, "1")), observation("o", "Patient/1"))
SECRET = b"correct horse battery staple"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_bytes(SECRET + b"\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "legacy"
    path.mkdir()
    (path / "good.ndjson").write_text(GOOD)
    return path


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """Return an empty vault whose passphrase is cheap to test."""
    path = tmp_path / "vault"
    create(path, recipients=[PASSPHRASE]).close()
    return path


@pytest.fixture
def run(secret: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command with the passphrase file; returns code, output and errors."""

    def call(*words: object, passphrase: bool = True) -> tuple[int, str, str]:
        given = [f"--passphrase-file={secret}"] if passphrase else []
        code = import_.main([*map(str, words), *given])
        output, errors = capsys.readouterr()
        return code, output, errors

    return call


def test_create_tells_where_the_epoch_secret_is(run: Run, source: Path, tmp_path: Path) -> None:
    code, output, errors = run(tmp_path / "new", source, "--create")
    assert (code, errors) == (0, "")
    assert str(tmp_path / "new.epoch") in output
    assert (tmp_path / "new.epoch").is_dir()
    assert "Observation" in output
    code, output, _ = run(tmp_path / "new", source, "--create")
    assert code == 0
    assert "Created" not in output
    assert "1 unchanged" in output


def test_create_tells_it_in_json_too_and_takes_another_place(run: Run, source: Path, tmp_path: Path) -> None:
    store = tmp_path / "elsewhere"
    code, output, _ = run(tmp_path / "new", source, "--create", f"--epoch-store={store}", "--json")
    shown = json.loads(output)
    assert code == 0
    assert (shown["created"], shown["epoch_stores"]) == (True, [str(store)])
    assert not (tmp_path / "new.epoch").exists()
    code, output, _ = run(tmp_path / "new", source, f"--epoch-store={store}", "--json")
    assert (code, json.loads(output)["created"]) == (0, False)
    assert run(tmp_path / "new", source)[0] == cli.Exit.FAILED


def test_options_may_stand_anywhere(run: Run, source: Path, tmp_path: Path) -> None:
    code, output, errors = run("--purpose", "HSYSADMIN", tmp_path / "new", "--create", source)
    assert (code, errors) == (0, "")
    assert "Observation" in output


def test_create_alone_makes_an_empty_vault(run: Run, tmp_path: Path) -> None:
    assert run(tmp_path / "new", "--create")[0] == 0
    assert run(tmp_path / "new", "--create")[0] == 0


def test_create_yields_to_one_who_was_faster(
    run: Run, source: Path, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exists = Path.exists
    looked: list[Path] = []

    def late(path: Path) -> bool:
        if path == vault and not looked:
            looked.append(path)
            return False
        return exists(path)

    monkeypatch.setattr(Path, "exists", late)
    code, output, errors = run(vault, source, "--create")
    assert (code, errors) == (0, "")
    assert "Created" not in output


def test_json_has_every_number(run: Run, source: Path, vault: Path) -> None:
    (source / "bad.bin").write_bytes(b"\x00")
    code, output, errors = run(vault, source, "--json")
    shown: dict[str, Any] = json.loads(output)
    assert (code, errors, output.count("\n")) == (2, "", 1)
    assert shown["outcomes"] == {"stored": 2, "version": 0, "unchanged": 0, "quarantined": 1}
    assert shown["sources"] == {"imported": 2}
    assert shown["reasons"] == {"VFS-5001": 1}
    assert shown["verification"]["sources_equal"] == 2
    assert len(shown["vault"]) == 32
    assert {"bytes_in", "bytes_stored", "ratio", "records_per_second", "megabytes_per_second"} <= shown.keys()


def test_exit_codes_tell_what_came_of_it(run: Run, source: Path, vault: Path) -> None:
    assert run(vault, source)[0] == 0
    (source / "bad.bin").write_bytes(b"\x00")
    assert run(vault, source)[0] == 2
    assert run(vault, source)[0] == 2, "it is still there"
    (source / "link").symlink_to("nowhere")
    assert run(vault, source)[0] == 3


def test_a_difference_found_by_verification_is_damage(
    run: Run, source: Path, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Importer, "_digest_of", lambda self, state: b"other")
    code, output, _ = run(vault, source)
    assert code == cli.Exit.DAMAGED
    assert "1 DIFFER" in output
    monkeypatch.undo()
    assert run(vault, source, "--no-verify")[0] == 0


def test_who_and_why_are_in_the_audit_log(run: Run, source: Path, vault: Path) -> None:
    assert run(vault, source, "--as=dr-who", "--purpose=TREAT")[0] == 0
    with reopen(vault) as opened:
        details = events_of(opened, SessionOpened)
    assert [(one.principal, one.purpose) for one in details] == [("dr-who", "TREAT")]


@pytest.mark.parametrize("words", [[], ["SOURCE", "--redrive"]])
def test_there_must_be_one_thing_to_do(run: Run, source: Path, vault: Path, words: list[str]) -> None:
    code, output, errors = run(vault, *(source if word == "SOURCE" else word for word in words))
    assert (code, output) == (cli.Exit.FAILED, "")
    assert "VFS-2001" in errors


def test_a_missing_source_is_told_before_anything_is_done(run: Run, source: Path, tmp_path: Path) -> None:
    code, _, errors = run(tmp_path / "new", source, tmp_path / "MISSING", "--create")
    assert code == cli.Exit.FAILED
    assert "VFS-5011" in errors
    assert "MISSING" not in errors
    assert not (tmp_path / "new").exists()


def test_a_missing_vault_is_told(run: Run, source: Path, tmp_path: Path) -> None:
    code, _, errors = run(tmp_path / "nowhere", source)
    assert (code, "VFS-2202" in errors) == (cli.Exit.FAILED, True)


def test_a_wrong_passphrase_fails(run: Run, source: Path, vault: Path, secret: Path) -> None:
    secret.write_bytes(b"not the passphrase at all")
    code, output, errors = run(vault, source)
    assert (code, output) == (cli.Exit.FAILED, "")
    assert "VFS-" in errors


def test_a_vault_that_is_being_written_to_fails_or_is_waited_for(run: Run, source: Path, vault: Path) -> None:
    with reopen(vault):
        code, _, errors = run(vault, source, "--wait=0.1")
    assert (code, "VFS-2203" in errors) == (cli.Exit.FAILED, True)
    assert run(vault, source, "--wait=5")[0] == 0


def test_the_passphrase_may_come_from_a_descriptor(run: Run, source: Path, vault: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, SECRET + b"\n")
    os.close(writing)
    assert run(vault, source, f"--passphrase-fd={reading}", passphrase=False)[0] == 0


def test_without_a_passphrase_nothing_is_done(
    run: Run, source: Path, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run(vault, source, passphrase=False)[0] == cli.Exit.FAILED


@pytest.mark.parametrize(
    ("name", "text"),
    [("map.toml", f'EAST = "{MRN}"\n"" = "{MRN}"\n'), ("map.json", json.dumps({"EAST": MRN, "": MRN}))],
)
def test_authorities_and_namespace_decide_who_is_who(
    run: Run, source: Path, vault: Path, tmp_path: Path, name: str, text: str
) -> None:
    table = tmp_path / name
    table.write_text(text)
    (source / "a.hl7").write_text(message("1^^^EAST") + message("1", control="2") + message("7^^^WEST", control="3"))
    assert run(vault, source, f"--authorities={table}", "--namespace=https://west.example")[0] == 0
    with reopen(vault) as opened, opened.session(Principal("x"), "TREAT") as session:
        assert len(session.find(subject=Identifier(MRN, "1"), kind="hl7v2.ORU")) == 2
        assert len(session.find(subject=Identifier("https://west.example:WEST", "7"))) >= 1


@pytest.mark.parametrize("text", ["a = 1\n", "[[", '{"a": 1}', '["a"]', "{", b"\xff".decode("latin-1") + "="])
def test_a_table_of_authorities_that_is_none_is_refused(
    run: Run, source: Path, vault: Path, tmp_path: Path, text: str
) -> None:
    table = tmp_path / "map"
    table.write_bytes(text.encode("latin-1"))
    code, _, errors = run(vault, source, f"--authorities={table}")
    assert (code, "VFS-2001" in errors) == (cli.Exit.FAILED, True)
    assert run(vault, source, f"--authorities={tmp_path / 'none'}")[0] == cli.Exit.FAILED


def test_redrive_tells_what_stays(run: Run, source: Path, vault: Path) -> None:
    (source / "bad.bin").write_bytes(b"\x00")
    run(vault, source)
    code, output, _ = run(vault, "--redrive", "--json")
    assert code == 2
    assert json.loads(output)["outcomes"]["quarantined"] == 1


def test_the_bar_is_on_a_terminal_only(source: Path, vault: Path, secret: Path) -> None:
    (source / "large.ndjson").write_text(ndjson(*(observation(str(n), None, "x" * 1000) for n in range(8000))))
    command = [sys.executable, "-c", "import sys; from vaultfs_tools.import_ import main; sys.exit(main())"]
    command += [str(vault), str(source), f"--passphrase-file={secret}"]
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=slave, text=True)
    output, _ = process.communicate()
    os.close(slave)
    drawn = os.read(master, 100_000).decode()
    os.close(master)
    assert process.returncode == 0
    assert "%" in drawn
    assert "%" not in output
    quiet = subprocess.run(command, capture_output=True, text=True, check=True)
    assert quiet.stderr == ""
