"""vaultfs-keys: what an operator does with recipients, epochs, escrow and copies, and what is printed."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from vaultfs_tools import backup, keys

import vaultfs
from tests.vaultfs.support import PASSPHRASE, WHO, create, get, put, reopen
from vaultfs.errors import NotFound

Run = Callable[..., tuple[int, dict[str, object]]]
PATIENT = vaultfs.Identifier("urn:example:mrn", "gone")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a vault with two patients."""
    with create(tmp_path / "v") as vault:
        put(vault, b"kept")
        put(vault, b"gone", subject=PATIENT)
    return tmp_path / "v"


def secret(path: Path, data: bytes) -> Path:
    """Write a file that its owner alone may read."""
    path.write_bytes(data + b"\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command with the passphrase, and returns its code and what it printed."""
    given = secret(tmp_path / "passphrase", PASSPHRASE.secret)

    def call(*words: object, unlock: bool = True) -> tuple[int, dict[str, object]]:
        more = ["--passphrase-file", str(given)] if unlock else []
        code = keys.main([*map(str, words), *more, "--json"])
        output, errors = capsys.readouterr()
        return code, json.loads(output or errors)

    return call


def test_a_key_pair_is_made_added_and_opens_the_vault(run: Run, path: Path, tmp_path: Path) -> None:
    private = tmp_path / "mine"
    assert run("make", private, unlock=False)[0] == 0
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    code, shown = run("add", path, "--to-key", f"{private}.pub")
    assert (code, len(shown["added"])) == (0, 1)  # type: ignore[arg-type]
    code, shown = run("list", path, "--key", private, unlock=False)
    assert code == 0
    assert [one["type"] for one in shown["recipients"]] == ["passphrase", "public key"]  # type: ignore[attr-defined]


def test_subjects_are_disposed_of_by_their_ids(run: Run, path: Path, tmp_path: Path) -> None:
    with reopen(path) as vault, vault.session(WHO, "TREAT") as session:
        (subject,) = session.subjects(PATIENT)
    gone = tmp_path / "gone"
    gone.write_text(subject.hex())
    code, shown = run("turn", path, "--dispose", gone)
    assert code == 0
    assert shown["frames_disposed"]
    assert run("status", path)[1]["epoch"] == 2
    with reopen(path) as vault, vault.session(WHO, "TREAT") as session, pytest.raises(NotFound):
        session.find(subject=PATIENT)


def test_a_copy_that_waits_is_told_confirmed_and_given_up(run: Run, path: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert backup.main(["copy", str(path), str(tmp_path / name)]) == 0
    code, shown = run("turn", path)
    assert (code, shown["secrets_pending"], shown["copies_waiting"]) == (1, 1, 2)
    code, shown = run("copies", path)
    one, two = (each["id"] for each in shown["copies"])  # type: ignore[attr-defined]
    assert run("copies", path, "--confirm", one)[0] == 1
    code, shown = run("copies", path, "--give-up", two)
    assert (code, shown["secrets_pending"], len(shown["copies"])) == (0, 0, 1)  # type: ignore[arg-type]
    assert run("copies", path, "--give-up", two)[0] == 8


def test_shares_are_drawn_into_files_and_tried_out(run: Run, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "shares"
    code, shown = run("split", path, out, "--group", "2/3")
    assert code == 0
    files = sorted(out.glob("group-1-share-*.txt"))
    assert len(files) == 3
    words = [one.read_text() for one in files]
    sheet = (out / "custody-sheet.txt").read_text()
    assert not any(word in sheet for text in words for word in text.split() if len(word) > 6)
    enough = secret(tmp_path / "enough", "".join(words[:2]).encode())
    few = secret(tmp_path / "few", words[0].encode())
    assert run("drill", path, "--try-shares", enough)[0] == 0
    assert run("drill", path, "--try-shares", few)[0] == 8
    assert run("list", path, "--shares", enough, unlock=False)[0] == 0
    assert isinstance(shown["added"], dict)


def test_what_is_not_understood_is_refused_before_anything_is_opened(
    run: Run, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("add", path)[0] == 8
    for words in ([], ["nonsense"], ["split", str(path), "x", "--group", "2-3"]):
        with pytest.raises(SystemExit) as ended:
            keys.main(words)
        assert ended.value.code == 16
    capsys.readouterr()
    with reopen(path) as vault:
        assert vault.engine.head.epoch == 1
        assert get(vault, put(vault)) == b"data"
