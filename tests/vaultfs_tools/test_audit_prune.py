"""vaultfs-audit prune: what is old goes, when that was shown, and what is left says from when on it is complete."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from vaultfs_tools import audit

import vaultfs
from tests.vaultfs.support import MRN, WHO, put, reopen
from tests.vaultfs_tools.vaults import Run, keys_file


def pruned(path: Path) -> tuple[vaultfs.SubjectId, int]:
    """Prune the log of a vault as far as can be; return the subject, and which leaf is the first then."""
    with reopen(path) as vault:
        with vault.session(WHO, "TREAT") as session:
            (subject,) = session.subjects(MRN)
        return subject, vault.maintenance.prune_log(datetime.now(UTC), minimum_age=timedelta(0)).first


class TestPrune:
    """What is old goes, when that was shown, and is asked for."""

    def test_it_is_shown_first_and_then_done(
        self, run_audit: Run, logged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        now = f"--before={datetime.now(UTC).isoformat()}"
        words = ["prune", logged, now, "--minimum-age=0"]
        code, shown = run_audit(*words)
        assert (code, shown["removed"]) == (0, False)
        assert shown["leaves"] > 0
        given = tmp_path / "passphrase"
        assert audit.main([*map(str, words), f"--passphrase-file={given}"]) == 0
        assert "would be removed: " in capsys.readouterr().out
        code, done = run_audit(*words, "--remove")
        assert (code, done) == (0, shown | {"removed": True})
        assert run_audit("verify", logged)[1]["first"] == done["first"]
        code, again = run_audit(*words, "--remove")
        assert (code, again["leaves"], again["first"]) == (0, 0, done["first"])
        assert audit.main([*map(str, words[:2]), "--before=1999-12-31", f"--passphrase-file={given}"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "nothing to remove"
        assert lines[1].startswith(f"kept from entry {done['first']:,} on, with all events since 20")

    def test_what_a_delivery_needs_stays(self, run_audit: Run, logged: Path, tmp_path: Path) -> None:
        run_audit("send", logged, "--to-directory", tmp_path / "out", "--name", "siem", "--cursors", tmp_path / "c")
        with reopen(logged) as vault:
            put(vault)
            vault.settle()
        words = ["prune", logged, f"--before={datetime.now(UTC).isoformat()}", "--minimum-age=0"]
        assert run_audit(*words, "--cursors", tmp_path / "c", "--remove")[1]["error"]["code"] == 2661
        assert run_audit(*words, "--cursors", tmp_path / "c", "--keep-from=1")[1]["error"]["code"] == 2661
        code, shown = run_audit(*words, "--cursors", tmp_path / "none", "--remove")
        assert (code, shown["error"]["code"]) == (8, 2614)
        run_audit("send", logged, "--to-directory", tmp_path / "out", "--name", "siem", "--cursors", tmp_path / "c")
        code, shown = run_audit(*words, "--cursors", tmp_path / "c", "--remove")
        assert (code, shown["removed"]) == (0, True)

    def test_an_accounting_of_disclosures_and_its_proof_say_so_too(
        self, run_audit: Run, logged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        subject, first = pruned(logged)
        keys, out, words = (
            keys_file(run_audit, logged, tmp_path),
            tmp_path / "proof",
            ["accounting", logged, bytes(subject).hex()],
        )
        code, shown = run_audit(*words, "--disclosures", "--proof", out)
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        assert (code, shown["disclosures"]) == (0, [])
        assert date.fromisoformat(shown["complete"]) in {tomorrow, tomorrow - timedelta(days=1)}
        code, shown = run_audit("verify-proof", out, "--keys", keys, unlock=False)
        assert (code, shown["first"], shown["events"]) == (0, first, [])
        assert audit.main(["verify-proof", str(out), "--keys", str(keys)]) == 0
        assert f"from its entry {first:,} on, the first that was kept, and before" in capsys.readouterr().out
        given = f"--passphrase-file={tmp_path / 'passphrase'}"
        assert audit.main([*map(str, words), "--disclosures", "--format", "markdown", given]) == 0
        output, errors = capsys.readouterr()
        assert "the log is not kept any more" in output
        assert f"complete from entry {first:,} on" in errors

    def test_an_accounting_says_from_when_on_it_is_complete(
        self, run_audit: Run, logged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        subject, first = pruned(logged)
        code, shown = run_audit("accounting", logged, bytes(subject).hex())
        assert (code, shown["first"]) == (0, first)
        given = f"--passphrase-file={tmp_path / 'passphrase'}"
        assert audit.main(["accounting", str(logged), bytes(subject).hex(), given]) == 0
        assert f"complete from entry {first:,} on, with all events since 20" in capsys.readouterr().out
        assert audit.main(["verify", str(logged), given]) == 0
        assert f"pruned before leaf {first:,}" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            ((), 2660),
            (("--minimum-age=0", "--keep-from=1"), 2661),
            (("--minimum-age=-1",), 2001),
        ],
    )
    def test_what_must_be_kept_is_kept(self, run_audit: Run, logged: Path, words: tuple[str, ...], code: int) -> None:
        before = f"--before={datetime.now(UTC).isoformat()}"
        assert run_audit("prune", logged, before, "--remove", *words)[1]["error"]["code"] == code
        assert run_audit("verify", logged)[1]["first"] == 0

    @pytest.mark.parametrize("date", ["yesterday", "2020-13-01", "0001-01-01T00:00+20:00"])
    def test_what_is_no_date_is_refused(self, logged: Path, date: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            audit.main(["prune", str(logged), f"--before={date}"])
        assert date not in capsys.readouterr().err
