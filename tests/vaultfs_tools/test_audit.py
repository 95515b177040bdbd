"""vaultfs-audit: the log checked, proved, shown and asked, and what is printed of it."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from vaultfs_format.subjectproof import SubjectProof
from vaultfs_tools import audit

import vaultfs
from tests.vaultfs.support import MRN, OTHER, PASSPHRASE, WHO, create, put, reopen
from tests.vaultfs_tools.vaults import Run, keys_file, secret_file
from vaultfs.audit.events import EventType
from vaultfs.audit.log import read_leaves
from vaultfs.audit.view import LogView


@pytest.fixture
def path(logged: Path) -> Path:
    """Return a vault with a settled log."""
    return logged


@pytest.fixture
def run(run_audit: Run) -> Run:
    """Return a function that runs the command with the passphrase, and returns its code and what it printed."""
    return run_audit


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

    def test_a_log_that_was_put_back_is_a_finding_of_each_checkpoint(
        self, run: Run, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log, kept = tmp_path / "log", tmp_path / "kept\nby somebody"
        assert run("export", path, log)[0] == 0
        shutil.copytree(path, tmp_path / "old" / "v")
        shutil.copytree(tmp_path / "v.epoch", tmp_path / "old" / "v.epoch")
        kept.write_bytes((log / "checkpoint").read_bytes())
        with reopen(path) as vault:
            put(vault)
        assert run("export", path, log)[0] == 0
        words = ["verify", tmp_path / "old" / "v", "--exported", log]
        words += ["--checkpoint", log / "checkpoint", "--checkpoint", kept]
        code, shown = run(*words)
        assert (code, shown["checkpoints"], shown["exported"]) == (4, 1, 1)
        assert [(one["part"], one["file"], one["error"]["code"]) for one in shown["findings"]] == [
            ("checkpoint", str(log / "checkpoint"), 2216),
            ("exported", "checkpoint", 2216),
        ]
        given = secret_file(tmp_path / "given", PASSPHRASE.secret)
        assert audit.main([*map(str, words), f"--passphrase-file={given}"]) == 4
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("wrong: ")
        assert lines[1].startswith(f"checkpoint, {log / 'checkpoint'}: VFS-2216")
        assert lines[-2:] == ["grown from 1 checkpoints", "compared with 1 directories"]

    def test_a_log_that_was_changed_is_found(self, run: Run, path: Path) -> None:
        for segment in (path / "segments").rglob("audit/**/*.vseg"):
            segment.write_bytes(bytes(segment.stat().st_size))
        code, shown = run("verify", path, "--checkpoint", path / "none")
        assert code == 8
        code, shown = run("verify", path)
        assert code == 4
        assert all((path / one["file"]).is_file() for one in shown["findings"])
        assert {(one["part"], one["index"], one["error"]["code"]) for one in shown["findings"]} == {("file", 0, 2301)}


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
        assert (code, shown["disclosures"], shown["suspended"]) == (0, [], 0)

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


class TestDisclosures:
    """What the subject is given, and what only the keeper is told."""

    FORMULA = "=cmd|' /C calc'!A1 | *Registry*\n<b>"

    @pytest.fixture(scope="class")
    @classmethod
    def held(cls, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
        """Return a vault with disclosures of which one is suspended, and the subject."""
        path = tmp_path_factory.mktemp("disclosures") / "v"
        with create(path) as vault, vault.session(WHO, "TREAT") as session:
            for subject in (MRN, OTHER):
                put(vault, b"one", subject=subject)
            with session.transaction() as txn:
                for recipient, basis in (
                    (cls.FORMULA, vaultfs.Basis.PUBLIC_HEALTH),
                    (cls.FORMULA, vaultfs.Basis.PUBLIC_HEALTH),
                    ("Sheriff", vaultfs.Basis.LAW_ENFORCEMENT),
                    ("Payer", vaultfs.Basis.TREATMENT_PAYMENT_OPERATIONS),
                    ("Thief", vaultfs.Basis.NOT_PERMITTED),
                ):
                    txn.disclose(MRN, cls.stated(recipient, basis), 2)
                txn.suspend(MRN, vaultfs.Suspension(recipient="Sheriff", until=datetime(2100, 1, 1, tzinfo=UTC)))
            session.disclose(session.subjects(MRN)[0], 1)
            return path, bytes(session.subjects(MRN)[0]).hex()

    @staticmethod
    def stated(recipient: str, basis: vaultfs.Basis, day: date | None = None) -> vaultfs.Disclosure:
        return vaultfs.Disclosure(recipient=recipient, description="it", purpose="that", basis=basis, date=day)

    def test_rows_are_listed_and_summarised(self, run: Run, held: tuple[Path, str]) -> None:
        code, shown = run("accounting", *held, "--disclosures")
        assert (code, shown["subject"], shown["suspended"]) == (0, held[1], 1)
        rows = shown["disclosures"]
        assert [row["recipient"] for row in rows] == [self.FORMULA] * 2 + ["Thief", None]
        assert [row["basis"] for row in rows[1:]] == ["public_health (45 CFR 164.512(b))", "not_permitted", None]
        assert rows[-1]["note"] == "nothing was stated"
        code, shown = run("accounting", *held, "--disclosures", "--summarise", "--excepted")
        assert [(row["disclosures"], row["records"]) for row in shown["disclosures"]] == [
            (2, 4),
            (1, 2),
            (1, 2),
            (1, 1),
        ]
        assert shown["disclosures"][1]["note"] == "need not be accounted for"
        code, shown = run("accounting", *held, "--disclosures", "--until", "2020-01-01")
        assert (code, shown["disclosures"], shown["since"]) == (0, [], "2014-01-01")

    @pytest.mark.parametrize("form", ["json", "csv", "markdown", None])
    def test_what_is_given_does_not_tell_of_a_suspension(
        self, held: tuple[Path, str], tmp_path: Path, form: str | None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = secret_file(tmp_path / "given", PASSPHRASE.secret)
        words = ["accounting", *map(str, held), "--disclosures", "--passphrase-file", str(given)]
        assert audit.main([*words, *([] if form is None else ["--format", form])]) == 0
        output, errors = capsys.readouterr()
        assert "Sheriff" not in output + errors
        assert "1 disclosures are left out" in (output if form is None else errors)
        assert ("left out" in output) == (form is None)
        if form == "json":
            assert json.loads(output)["disclosures"][0]["recipient"] == self.FORMULA
        elif form == "csv":
            rows = list(csv.DictReader(output.splitlines(keepends=True)[5:]))
            assert [row["recipient"] for row in rows] == [f"'{self.FORMULA}"] * 2 + ["Thief", ""]
        elif form == "markdown":
            assert "\\*Registry\\* \\<b\\>" in output
            assert all(line.replace("\\|", "").count("|") == 12 for line in output.splitlines()[4:])

    @pytest.mark.parametrize(("period", "there"), [([], True), (["--until", "2020-01-01"], False)])
    def test_a_table_says_above_whom_and_which_time_it_is_of(
        self,
        run: Run,
        held: tuple[Path, str],
        tmp_path: Path,
        period: list[str],
        there: bool,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        given = secret_file(tmp_path / "given", PASSPHRASE.secret)
        words = ["accounting", *map(str, held), "--disclosures", *period]
        assert audit.main([*words, "--format=csv", f"--passphrase-file={given}"]) == 0
        rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
        assert {len(row) for row in rows} == {11}
        shown = run(*words)[1]
        names = ("subject", "since", "until", "complete")
        assert [row[:2] for row in rows[:4]] == [[name, shown[name]] for name in names]
        assert (rows[0][1], any(rows[4])) == (held[1], False)
        assert rows[5][:2] == ["date", "recipient"]
        assert (len(rows[6:]), bool(rows[6:])) == (len(shown["disclosures"]), there)

    def test_nothing_is_said_to_the_keeper_where_nothing_is_suspended(
        self, held: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = secret_file(tmp_path / "given", PASSPHRASE.secret)
        words = ["accounting", *map(str, held), "--disclosures", "--until", "2020-01-01"]
        for more in ([], ["--format", "csv"]):
            assert audit.main([*words, *more, "--passphrase-file", str(given)]) == 0
            output, errors = capsys.readouterr()
            assert "left out" not in output + errors

    def test_the_proof_is_checked_without_the_vault(self, run: Run, held: tuple[Path, str], tmp_path: Path) -> None:
        keys, told, whole = keys_file(run, held[0], tmp_path), tmp_path / "told.json", tmp_path / "whole.json"
        assert run("accounting", *held, "--proof", whole)[0] == 0
        assert run("accounting", *held, "--disclosures", "--proof", told)[0] == 0
        code, shown = run("verify-proof", whole, "--keys", keys, unlock=False)
        assert (code, shown["kind"], shown["subject"], shown["closed"]) == (0, "subject", held[1], 0)
        assert len(shown["events"]) == shown["total"]
        assert [one["recipient"] for one in shown["disclosures"]] == [None] * 5
        code, shown = run("verify-proof", told, "--keys", keys, unlock=False)
        assert [one["type"] for one in shown["events"]] == ["SUBJECT_DISCLOSED"] * 3 + ["SUBJECT_EXPORTED"]
        assert shown["closed"] == shown["total"] - 4
        assert [one["recipient"] for one in shown["disclosures"]] == [self.FORMULA] * 2 + ["Thief"]
        assert b"Sheriff" not in told.read_bytes()

    def test_a_proof_that_is_older_than_its_checkpoint_tells_what_it_does_not_cover(
        self, run: Run, held: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Every leaf of heads is in the tree of a later checkpoint, too, and what came since may be left out."""
        keys, out = keys_file(run, held[0], tmp_path), tmp_path / "proof.json"
        assert run("accounting", *held, "--proof", out)[0] == 0
        code, shown = run("verify-proof", out, "--keys", keys, unlock=False)
        assert (code, shown["uncovered"], shown["index"]) == (0, 0, shown["size"] - 2)
        old = SubjectProof.decode(out.read_bytes())
        with reopen(held[0]) as vault:
            put(vault, b"later", subject=MRN)
            vault.settle()
            view = LogView(vault)
            size, note = view.size, view.checkpoint().encode().decode()
            stated = replace(old.stated, path=tuple(view.inclusion(old.stated.index)))
        out.write_bytes(replace(old, checkpoint=note, stated=stated).encode())
        code, shown = run("verify-proof", out, "--keys", keys, unlock=False)
        assert (code, shown["uncovered"]) == (1, size - 2 - old.stated.index)
        assert shown["uncovered"] > 2
        assert audit.main(["verify-proof", str(out), "--keys", str(keys)]) == 1
        lines = capsys.readouterr().out.splitlines()
        assert f"before its entry {old.stated.index:,} of the {size:,} of the log, and no others" in lines
        assert f"not covered: {shown['uncovered']:,} later entries of the log; ask for a newer proof" in lines

    def test_a_proof_that_was_changed_does_not_hold(self, run: Run, held: tuple[Path, str], tmp_path: Path) -> None:
        keys, out = keys_file(run, held[0], tmp_path), tmp_path / "proof.json"
        run("accounting", *held, "--disclosures", "--proof", out)
        found = json.loads(out.read_bytes())
        for changes in ({"groups": found["groups"][1:]}, {"subject": "A" * 22 + "=="}, {"statements": ["AAAA"]}):
            out.write_text(json.dumps(found | changes))
            assert run("verify-proof", out, "--keys", keys, unlock=False)[0] == 4
        out.write_text("{")
        code, shown = run("verify-proof", out, "--keys", keys, unlock=False)
        assert (code, shown["error"]["code"]) == (4, 1104)
        with out.open("r+b") as file:
            file.truncate(1 << 30)
        code, shown = run("verify-proof", out, "--keys", keys, unlock=False)
        assert (code, shown["error"]["code"]) == (4, 1105)

    def test_it_is_shown_for_people(
        self, run: Run, held: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        keys, out = keys_file(run, held[0], tmp_path), tmp_path / "proof.json"
        day = datetime.now(UTC).date() - timedelta(days=9)
        with reopen(held[0]) as vault, vault.session(WHO, "TREAT") as session:
            with session.transaction() as txn:
                txn.disclose(OTHER, self.stated("Court", vaultfs.Basis.PROCEEDINGS, day), 1)
            other = bytes(session.subjects(OTHER)[0]).hex()
        run("accounting", held[0], other, "--disclosures", "--proof", out)
        assert audit.main(["verify-proof", str(out), "--keys", str(keys)]) == 0
        assert f"disclosed on {day} to Court for that" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "words", [["--since=2020-01-01"], ["--until=2020-01-01"], ["--summarise"], ["--excepted"], ["--format=csv"]]
    )
    def test_what_is_about_disclosures_goes_with_them(
        self, held: tuple[Path, str], words: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            audit.main(["accounting", *map(str, held), *words])
        assert ended.value.code == 16
        assert "go with --disclosures" in capsys.readouterr().err

    def test_a_day_is_a_day(self, held: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            audit.main(["accounting", *map(str, held), "--disclosures", "--since", "CanaryQ"])
        assert "CanaryQ" not in capsys.readouterr().err

    def test_who_checks_it_loads_no_engine(self, run: Run, held: tuple[Path, str], tmp_path: Path) -> None:
        keys, out = keys_file(run, held[0], tmp_path), tmp_path / "proof.json"
        run("accounting", *held, "--disclosures", "--proof", out)
        program = (
            "import sys, vaultfs_tools.audit as audit\n"
            f"assert audit.main(['verify-proof', {str(out)!r}, '--keys', {str(keys)!r}]) == 0\n"
            "sys.exit('vaultfs' in sys.modules or 'lmdb' in sys.modules)"
        )
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
