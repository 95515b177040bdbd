"""vaultfs-keys: states, dates and periods of keys, another signer, and everything sealed anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.frame import FrameClass
from vaultfs_tools import fsck, keys

from tests.vaultfs.support import PASSPHRASE, create, events, put, reopen
from tests.vaultfs_tools.vaults import secret_file
from vaultfs.audit.events import EventType
from vaultfs.keys import KeyKind, KeyRef, KeyState, OnExpiry, Reason

Run = Callable[..., tuple[int, dict[str, Any]]]
DAY = 86_400_000_000
LATER = 1_924_905_600_000_000
"""The last day of 2030, in microseconds since 1970."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a vault with two settled records."""
    with create(tmp_path / "v") as vault:
        put(vault, b"one")
        put(vault, b"two")
        vault.settle()
    return tmp_path / "v"


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command, and returns its code and what it printed."""
    given = secret_file(tmp_path / "passphrase", PASSPHRASE.secret)

    def call(*words: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = keys.main([*map(str, words), "--passphrase-file", str(given), "--json"])
        output, errors = capsys.readouterr()
        return code, json.loads(output or errors)

    return call


def states(run: Run, path: Path, *words: object) -> dict[str, str]:
    """Return the states of keys that the command tells, by their names."""
    code, shown = run("state", path, *words)
    assert code == 0
    return {one["key"]: one["state"] for one in shown["keys"]}


class TestStates:
    def test_all_keys_in_force_are_told(self, run: Run, path: Path) -> None:
        found = states(run, path)
        assert list(found)[:2] == ["epoch:1", "signer:1"]
        assert len(found) == 3
        assert {*found.values()} == {"active"}

    def test_a_state_is_set_with_its_reason_and_set_back(self, run: Run, path: Path) -> None:
        assert states(run, path, "epoch", "suspended", "--reason", "hold") == {"epoch:1": "suspended"}
        with reopen(path) as vault:
            assert vault.lives.life(KeyRef.epoch(1)).reason is Reason.HOLD
        assert states(run, path, "epoch:1", "active") == {"epoch:1": "active"}

    @pytest.mark.parametrize("key", ["epoch", "signer"])
    def test_dates_are_set_and_the_others_stay(self, run: Run, path: Path, key: str) -> None:
        run("state", path, key, "--protect-until", "2030-12-31")
        code, shown = run("state", path, key, "--process-until", "2031-01-01T02:00+02:00")
        assert code == 0
        assert shown["keys"][0]["protect_until"] == LATER
        assert shown["keys"][0]["process_until"] == LATER + DAY
        code, shown = run("state", path, key, "--protect-until", "never")
        assert (shown["keys"][0]["protect_until"], shown["keys"][0]["process_until"]) == (0, LATER + DAY)

    def test_a_recipient_that_is_suspended_opens_the_vault_for_who_accepts_the_risk(self, run: Run, path: Path) -> None:
        (one,) = run("list", path)[1]["recipients"]
        states(run, path, one["id"], "suspended")
        assert run("state", path)[0] == 8
        assert states(run, path, one["id"], "active", "--accept-risk") == {one["id"]: "active"}
        assert states(run, path)[one["id"]] == "active"
        with reopen(path) as vault:
            assert EventType.KEY_RISK_ACCEPTED in [event.type for event in events(vault)]

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (("epoch:2",), 2101),
            (("signer:0",), 2101),
            (("epoch:x",), 2001),
            (("0123456789abcdef",), 2101),
            (("epoch", "--reason", "hold"), 2001),
            (("--protect-until", "2030-12-31"), 2001),
        ],
    )
    def test_what_there_is_not_is_refused(self, run: Run, path: Path, words: tuple[str, ...], code: int) -> None:
        before = states(run, path)
        status, shown = run("state", path, *words)
        assert status == 8
        assert shown["error"]["code"] == code
        assert states(run, path) == before

    def test_a_state_that_does_not_follow_is_refused(self, run: Run, path: Path) -> None:
        states(run, path, "signer", "deactivated")
        assert run("state", path, "signer", "active")[0] == 8
        assert states(run, path, "signer") == {"signer:1": "deactivated"}

    @pytest.mark.parametrize(
        "words",
        [
            ("--active-from", "tomorrow"),
            ("--process-until", "99999-01-01"),
            ("--protect-until", "9999-12-31T23:00-12:00"),
            ("--active-from", "0001-01-01T00:00+12:00"),
        ],
    )
    def test_what_is_no_date_is_wrong_usage(self, path: Path, words: tuple[str, ...]) -> None:
        with pytest.raises(SystemExit) as ended:
            keys.main(["state", str(path), "epoch", *words])
        assert ended.value.code == 16

    def test_a_date_that_nobody_can_write_is_told(
        self, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = secret_file(tmp_path / "given", PASSPHRASE.secret)
        beyond = 253_402_300_800_000_000
        with reopen(path) as vault:
            vault.lives.set_dates(KeyRef.epoch(1), protect_until=beyond)
        assert keys.main(["state", str(path), "epoch", f"--passphrase-file={given}"]) == 0
        assert f"protect until {beyond}" in capsys.readouterr().out


class TestPeriods:
    @pytest.mark.parametrize("kind", ["epoch", "signer"])
    def test_a_period_is_set_and_told(self, run: Run, path: Path, kind: str) -> None:
        assert run("period", path, kind)[1] == {"kind": kind, "microseconds": 0, "on_expiry": "halt"}
        assert run("period", path, kind, "--days", 730)[1]["microseconds"] == 730 * DAY
        code, shown = run("period", path, kind, "--on-expiry", "rotate")
        assert (code, shown) == (0, {"kind": kind, "microseconds": 730 * DAY, "on_expiry": "rotate"})
        with reopen(path) as vault:
            assert vault.lives.period(KeyKind[kind.upper()]).on_expiry is OnExpiry.ROTATE
        assert run("period", path, kind, "--no-end")[1]["microseconds"] == 0

    def test_it_is_shown_for_people(self, tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        given = str(secret_file(tmp_path / "given", PASSPHRASE.secret))
        for words in (("epoch", "--days", "30"), ("signer",)):
            assert keys.main(["period", str(path), *words, "--passphrase-file", given]) == 0
        assert keys.main(["state", str(path), "epoch", "--passphrase-file", given]) == 0
        shown = capsys.readouterr().out
        assert "epoch: 30 days, then halt" in shown
        assert "signer: no end" in shown
        assert "epoch:1: active, protect until " in shown

    @pytest.mark.parametrize("days", ["0", "-1", "x", "99999999999999999999"])
    def test_what_is_no_period_is_wrong_usage(self, path: Path, days: str) -> None:
        with pytest.raises(SystemExit) as ended:
            keys.main(["period", str(path), "epoch", "--days", days])
        assert ended.value.code == 16


class TestRenewal:
    def test_another_signer_signs_from_then_on(self, run: Run, path: Path) -> None:
        assert run("epoch", "turn", path, "--new-signer")[0] == 0
        assert [*states(run, path)][:2] == ["epoch:2", "signer:2"]
        assert states(run, path, "epoch:1") == {"epoch:1": "deactivated"}
        assert fsck.main([str(path)]) == 0

    def test_after_a_compromise_everything_is_sealed_anew_in_portions(self, run: Run, path: Path) -> None:
        states(run, path, "epoch", "compromised", "--reason", "key-compromise")
        run("epoch", "turn", path)
        code, shown = run("reencrypt", path, "--seconds", 0)
        assert code == 1
        assert shown["left"] > 0 == shown["segments"]
        code, shown = run("reencrypt", path)
        assert (code, shown["left"]) == (0, 0)
        assert shown["frames"] > 0 < shown["bytes"]
        assert states(run, path, "epoch:1") == {"epoch:1": KeyState.DESTROYED.name.lower()}

    def test_what_is_damaged_is_told(self, run: Run, path: Path) -> None:
        with reopen(path) as vault:
            row = next(row for row in vault.engine.head.segments if row.frame_class is FrameClass.RECORD)
            segment = vault.engine.layout.segment(row)
        data = segment.read_bytes()
        segment.write_bytes(bytes(len(data)))
        code, shown = run("reencrypt", path)
        assert code == 4
        assert shown["damaged"] == shown["left"] == 1
        segment.write_bytes(data)
        assert run("reencrypt", path)[0] == 0
