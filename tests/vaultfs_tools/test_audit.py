"""vaultfs-audit: the log checked, proved, shown and asked, and what is printed of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from vaultfs_tools import audit

import vaultfs
from tests.vaultfs.support import PASSPHRASE, WHO, create, put, reopen
from tests.vaultfs_tools.vaults import secret_file
from vaultfs.audit.events import EventType
from vaultfs.audit.log import read_leaves

Run = Callable[..., tuple[int, dict[str, Any]]]
MRN = vaultfs.Identifier("urn:example:mrn", "one")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a vault with a settled log."""
    with create(tmp_path / "v") as vault:
        record = put(vault, b"one", subject=MRN)
        with vault.session(WHO, "TREAT") as session:
            session.get(record)
        vault.keys.turn(PASSPHRASE, new_signer=True)
        vault.settle()
    return tmp_path / "v"


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command with the passphrase, and returns its code and what it printed."""
    given = secret_file(tmp_path / "passphrase", PASSPHRASE.secret)

    def call(*words: object, unlock: bool = True) -> tuple[int, dict[str, Any]]:
        more = [f"--passphrase-file={given}"] if unlock else []
        capsys.readouterr()
        code = audit.main([*map(str, words), *more, "--json"])
        output, errors = capsys.readouterr()
        return code, json.loads(output or errors)

    return call


def keys_file(run: Run, path: Path, tmp_path: Path) -> Path:
    """Return a file with the keys of the log."""
    code, shown = run("keys", path)
    assert code == 0
    file = tmp_path / "log.keys"
    file.write_text("\n".join(shown["keys"]) + "\n")
    return file


def index_of(path: Path, kind: EventType) -> int:
    """Return where in the log the first event of a type is."""
    with reopen(path) as vault:
        return next(leaf.index for leaf in read_leaves(vault) if leaf.event and leaf.event.type == kind)


class TestVerify:
    def test_a_good_log_is_counted(self, run: Run, path: Path) -> None:
        code, shown = run("verify", path)
        assert code == 0
        assert shown["events"] < shown["leaves"]
        assert (shown["subjects"], shown["signers"], shown["first"], shown["checkpoints"]) == (1, 2, 0, 0)

    def test_it_has_grown_from_what_was_exported(self, run: Run, path: Path, tmp_path: Path) -> None:
        assert run("export", path, tmp_path / "log")[0] == 0
        code, shown = run("verify", path, "--checkpoint", tmp_path / "log" / "checkpoint")
        assert (code, shown["checkpoints"]) == (0, 1)

    def test_the_log_of_another_vault_has_not(self, run: Run, path: Path, tmp_path: Path) -> None:
        create(tmp_path / "other").close()
        assert run("export", tmp_path / "other", tmp_path / "log")[0] == 0
        code, shown = run("verify", path, "--checkpoint", tmp_path / "log" / "checkpoint")
        assert (code, shown["error"]["code"]) == (8, 2216)

    def test_a_log_that_was_changed_is_found(self, run: Run, path: Path) -> None:
        for segment in (path / "segments").rglob("audit/**/*.vseg"):
            segment.write_bytes(bytes(segment.stat().st_size))
        code, shown = run("verify", path)
        assert code in {4, 8}
        assert shown["error"]["code"]


class TestProofs:
    def test_a_proof_is_checked_without_the_vault(self, run: Run, path: Path, tmp_path: Path) -> None:
        keys, out = keys_file(run, path, tmp_path), tmp_path / "put.tlog-proof"
        index = index_of(path, EventType.RECORD_PUT)
        code, shown = run("prove", path, index, out)
        assert (code, shown["event"]["type"]) == (0, "RECORD_PUT")
        code, shown = run("verify-proof", out, "--keys", keys, unlock=False)
        assert (code, shown["index"], shown["kind"]) == (0, index, "event")
        assert shown["event"]["type"] == "RECORD_PUT"
        assert shown["event"]["version"] == 1

    def test_a_live_set_is_proved_without_an_event(self, run: Run, path: Path, tmp_path: Path) -> None:
        keys, out = keys_file(run, path, tmp_path), tmp_path / "proof"
        code, shown = run("prove", path, 0, out)
        assert (code, shown["event"]) == (0, None)
        code, shown = run("verify-proof", out, "--keys", keys, unlock=False)
        assert (code, shown["event"], shown["kind"]) == (0, None, "liveset")

    def test_a_changed_proof_does_not_hold(self, run: Run, path: Path, tmp_path: Path) -> None:
        keys, out = keys_file(run, path, tmp_path), tmp_path / "proof"
        run("prove", path, 3, out)
        lines = out.read_bytes().split(b"\n")
        lines[2] = b"index 4"
        out.write_bytes(b"\n".join(lines))
        assert run("verify-proof", out, "--keys", keys, unlock=False)[0] == 4

    def test_keys_of_another_vault_do_not_hold(self, run: Run, path: Path, tmp_path: Path) -> None:
        create(tmp_path / "other").close()
        keys, out = keys_file(run, tmp_path / "other", tmp_path), tmp_path / "proof"
        run("prove", path, 3, out)
        assert run("verify-proof", out, "--keys", keys, unlock=False)[0] == 4

    def test_what_is_not_there_is_not_proved(self, run: Run, path: Path, tmp_path: Path) -> None:
        assert run("prove", path, 10**6, tmp_path / "proof")[1]["error"]["code"] == 2101
        assert not (tmp_path / "proof").exists()

    def test_no_file_is_written_over(self, run: Run, path: Path, tmp_path: Path) -> None:
        (tmp_path / "proof").write_text("mine")
        assert run("prove", path, 0, tmp_path / "proof")[0] == 8
        assert (tmp_path / "proof").read_text() == "mine"

    def test_a_file_that_is_too_large_is_not_read(self, run: Run, path: Path, tmp_path: Path) -> None:
        keys = keys_file(run, path, tmp_path)
        huge = tmp_path / "huge"
        with huge.open("wb") as file:
            file.truncate(1 << 30)
        code, shown = run("verify-proof", huge, "--keys", keys, unlock=False)
        assert (code, shown["error"]["code"]) == (4, 1105)

    def test_who_checks_a_proof_loads_no_engine(self) -> None:
        program = "import sys, vaultfs_tools.audit; sys.exit('vaultfs' in sys.modules or 'lmdb' in sys.modules)"
        subprocess.run([sys.executable, "-c", program], check=True)


class TestAccounting:
    def test_it_lists_who_did_what_and_why(self, run: Run, path: Path, tmp_path: Path) -> None:
        with reopen(path) as vault, vault.session(WHO, "TREAT") as session:
            subject = session.subjects(MRN)[0]
        code, shown = run("accounting", path, bytes(subject).hex(), "--proof", tmp_path / "proof.json")
        assert code == 0
        types = [one["event"]["type"] for one in shown["entries"]]
        assert {"SUBJECT_CREATED", "RECORD_PUT", "RECORD_READ", "SUBJECT_ACCOUNTED"} <= {*types}
        assert shown["events"] == len(types)
        (read,) = (one for one in shown["entries"] if one["event"]["type"] == "RECORD_READ")
        assert (read["session"]["principal"], read["session"]["purpose"]) == (WHO.id, "TREAT")
        assert (tmp_path / "proof.json").stat().st_mode & 0o077 == 0
        code, shown = run("accounting", path, bytes(subject).hex(), "--disclosures")
        assert (code, shown["entries"]) == (0, [])

    def test_it_is_shown_for_people(self, tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        given = str(secret_file(tmp_path / "given", PASSPHRASE.secret))
        with reopen(path) as vault, vault.session(WHO, "TREAT") as session:
            subject = bytes(session.subjects(MRN)[0]).hex()
        assert audit.main(["accounting", str(path), subject, "--passphrase-file", given]) == 0
        shown = capsys.readouterr().out
        assert f"RECORD_READ by {WHO.id} for TREAT" in shown
        assert "SUBJECT_ACCOUNTED by the vault" in shown

    def test_what_is_no_subject_is_refused(self, run: Run, path: Path) -> None:
        assert run("accounting", path, "xyz")[0] == 8


class TestCommand:
    def test_the_log_is_shown_as_tiles(self, run: Run, path: Path, tmp_path: Path) -> None:
        code, shown = run("export", path, tmp_path / "log")
        assert code == 0
        assert shown["files"] == sum(one.is_file() for one in (tmp_path / "log").rglob("*"))
        create(tmp_path / "other").close()
        assert run("export", tmp_path / "other", tmp_path / "log")[1]["error"]["code"] == 2216

    @pytest.mark.parametrize("words", [[], ["nothing"], ["verify"], ["--help-me"]])
    def test_what_is_not_understood_is_refused(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            audit.main(words)
        assert ended.value.code == 16
        assert capsys.readouterr().err


class TestPrune:
    """What is old goes, when that was shown, and is asked for."""

    def test_it_is_shown_first_and_then_done(
        self, run: Run, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        now = f"--before={datetime.now(UTC).isoformat()}"
        words = ["prune", path, now, "--minimum-age=0"]
        code, shown = run(*words)
        assert (code, shown["removed"]) == (0, False)
        assert shown["leaves"] > 0
        given = tmp_path / "passphrase"
        assert audit.main([*map(str, words), f"--passphrase-file={given}"]) == 0
        assert "would be removed: " in capsys.readouterr().out
        code, done = run(*words, "--remove")
        assert (code, done) == (0, shown | {"removed": True})
        assert run("verify", path)[1]["first"] == done["first"]
        code, again = run(*words, "--remove")
        assert (code, again["leaves"], again["first"]) == (0, 0, done["first"])
        assert audit.main([*map(str, words[:2]), "--before=1999-12-31", f"--passphrase-file={given}"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "nothing to remove"
        assert lines[1].startswith(f"kept from entry {done['first']:,} on, with all events since 20")

    def test_an_accounting_says_from_when_on_it_is_complete(
        self, run: Run, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with reopen(path) as vault:
            with vault.session(WHO, "TREAT") as session:
                (subject,) = session.subjects(MRN)
            first = vault.maintenance.prune_log(datetime.now(UTC), minimum_age=timedelta(0)).first
        code, shown = run("accounting", path, bytes(subject).hex())
        assert (code, shown["first"]) == (0, first)
        given = f"--passphrase-file={tmp_path / 'passphrase'}"
        assert audit.main(["accounting", str(path), bytes(subject).hex(), given]) == 0
        assert f"complete from entry {first:,} on, with all events since 20" in capsys.readouterr().out
        assert audit.main(["verify", str(path), given]) == 0
        assert f"pruned before leaf {first:,}" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            ((), 2660),
            (("--minimum-age=0", "--keep-from=1"), 2661),
            (("--minimum-age=-1",), 2001),
        ],
    )
    def test_what_must_be_kept_is_kept(self, run: Run, path: Path, words: tuple[str, ...], code: int) -> None:
        before = f"--before={datetime.now(UTC).isoformat()}"
        assert run("prune", path, before, "--remove", *words)[1]["error"]["code"] == code
        assert run("verify", path)[1]["first"] == 0

    @pytest.mark.parametrize("date", ["yesterday", "2020-13-01", "0001-01-01T00:00+20:00"])
    def test_what_is_no_date_is_refused(self, path: Path, date: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            audit.main(["prune", str(path), f"--before={date}"])
        assert date not in capsys.readouterr().err
