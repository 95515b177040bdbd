"""The set-up that the README's commands share: it happens once, and makes a passphrase that only its owner reads."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import run as program


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put the program to work in an empty checkout; return the commands that it starts, of which none runs."""
    venv = tmp_path / ".venv"
    places = {"ROOT": tmp_path, "VENV": venv, "PYTHON": venv / "bin" / "python", "STAMP": venv / "setup.json"}
    for name, path in (places | {"CONSTRAINTS": tmp_path / "constraints.txt"}).items():
        monkeypatch.setattr(program, name, path)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("one", encoding="utf-8")
    commands: list[str] = []

    def start(command: list[str | Path], **_: object) -> SimpleNamespace:
        commands.append(" ".join(map(str, command)))
        if "venv" in command:
            (venv / "bin").mkdir(parents=True, exist_ok=True)
            (venv / "bin" / "python").touch()
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", start)
    return commands


def installs(started: list[str]) -> list[str]:
    """Return the installations that were started, and forget them."""
    found = [line for line in started if "--editable" in line]
    started.clear()
    return found


def test_set_up_installs_once(started: list[str]) -> None:
    program.set_up(test=True)
    assert [line.endswith("[test]") for line in installs(started)] == [True]
    program.set_up(test=True)
    program.set_up(test=False)
    assert installs(started) == []


def test_the_tests_need_more_than_the_main_job(started: list[str]) -> None:
    program.set_up(test=False)
    assert [line.endswith("[test]") for line in installs(started)] == [False]
    program.set_up(test=True)
    assert [line.endswith("[test]") for line in installs(started)] == [True]


def test_the_main_job_installs_what_the_custody_of_its_vault_takes(started: list[str]) -> None:
    program.set_up(test=False)
    assert [line.endswith(".[escrow]") for line in installs(started)] == [True]


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
def test_a_changed_input_installs_again_and_keeps_the_tests(started: list[str], tmp_path: Path, changed: str) -> None:
    program.set_up(test=True)
    installs(started)
    (tmp_path / changed).write_text("two", encoding="utf-8")
    program.set_up(test=False)
    assert [line.endswith("[test]") for line in installs(started)] == [True]


def test_a_copied_environment_is_made_anew(started: list[str]) -> None:
    program.set_up(test=True)
    program.STAMP.write_text(json.dumps({"checkout": "elsewhere", "test": True}), encoding="utf-8")
    started.clear()
    program.set_up(test=True)
    assert any("-m venv --clear" in line for line in started)


def test_an_interrupted_set_up_is_done_again(started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    program.set_up(test=False)
    installs(started)
    monkeypatch.setattr(program, "install_pip", lambda: sys.exit(1))
    with pytest.raises(SystemExit):
        program.set_up(test=True)
    assert program.stamp() == {}


def test_only_the_owner_reads_the_passphrase(started: list[str], tmp_path: Path) -> None:
    path = tmp_path / "v.passphrase"
    program.make_passphrase(path, vault=tmp_path / "v")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text(encoding="ascii")) == 43


def test_a_passphrase_that_is_there_is_kept(started: list[str], tmp_path: Path) -> None:
    path = tmp_path / "v.passphrase"
    path.write_text("mine", encoding="ascii")
    program.make_passphrase(path, vault=tmp_path / "v")
    assert path.read_text(encoding="ascii") == "mine"


def test_a_vault_whose_passphrase_is_lost_gets_no_other(started: list[str], tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    with pytest.raises(SystemExit, match="passphrase"):
        program.make_passphrase(tmp_path / "v.passphrase", vault=tmp_path / "v")
    assert not (tmp_path / "v.passphrase").exists()


def test_the_main_job_imports_and_then_checks(started: list[str], tmp_path: Path) -> None:
    vault, source = str(tmp_path / "v"), str(tmp_path / "export")
    assert program.main(["main-job", vault, source]) == 0
    commands = [Path(line.split()[0]).name for line in started]
    assert commands[-2:] == ["vaultfs-import", "vaultfs-fsck"]
    assert f"{vault} {source} --create --passphrase-file {vault}.passphrase --as " in started[-2]


@pytest.mark.parametrize(
    ("imported", "checked", "status"),
    [(0, 0, 0), (2, 0, 2), (3, 0, 3), (2, 4, 4), (3, 1, 1), (4, None, 4), (8, None, 8)],
)
def test_the_main_job_checks_whatever_an_import_has_left_out(
    started: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imported: int, checked: int | None, status: int
) -> None:
    """2 is that something is in quarantine, 3 that a source could not be read: the others are in, and are checked."""
    ends, ran = {"vaultfs-import": imported, "vaultfs-fsck": checked}, []

    def ended(program_: str, *_: str, folder: Path) -> int | None:
        ran.append(program_)
        return ends[program_]

    monkeypatch.setattr(program, "run", ended)
    assert program.main(["main-job", str(tmp_path / "v"), str(tmp_path / "export")]) == status
    assert ran == ["vaultfs-import"] + ["vaultfs-fsck"] * (checked is not None)


@pytest.mark.parametrize("arguments", [[], ["help"], ["main-job", "v"], ["setup", "x"]])
def test_a_call_that_is_not_understood_shows_how(started: list[str], arguments: list[str]) -> None:
    assert program.main(arguments) == 2
    assert started == []
