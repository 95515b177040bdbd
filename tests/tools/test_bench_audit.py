"""The rows of the audit log, at a size at which their figures mean nothing: that they run, and what they name."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.audit.logs import LOGS, Access, Own
from bench.audit.rows import WAYS, Way, measured_by

from tests.tools.test_bench import run

ACCESSES = [Access(b"s" * 16, b"p" * 16, bytes([number]) * 16) for number in range(3)]


def test_every_way_is_shown_with_its_budget_beside_every_log_or_its_absence(tmp_path: Path) -> None:
    page = run("audit-speed", "--events", "160", folder=tmp_path)
    for way in WAYS:
        own = [line for line in page.splitlines() if line.startswith("| VaultFS") and f"{way.name} |" in line]
        assert own[0].endswith(f"| events/s | {way.budget} |")
        for log in LOGS[1:]:
            absent = f"- {log.name}: events: package {log.name} is not installed"
            assert absent in page or any(
                line[2:].startswith(log.name) and way.name in line for line in page.splitlines()
            )
    assert "| ms | ≤ 10 |" in page
    assert list(tmp_path.iterdir()) == []


def test_checking_proving_and_opening_are_shown_with_their_budgets(tmp_path: Path) -> None:
    page = run("audit-log", "--events", "300", folder=tmp_path)
    assert "| s | ≤ 10 |" in page
    assert "| ms | ≤ 1 |" in page
    assert "log of 300 |" in page
    assert list(tmp_path.iterdir()) == []


def test_what_a_log_was_told_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = Own(tmp_path / "log")
    log.record(ACCESSES)
    assert log.vault.engine.leaves >= len(ACCESSES)
    log.close()


def test_a_log_that_fails_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Own):
        def record(self, accesses: object) -> None:
            raise RuntimeError("failed")

    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match="failed"):
        measured_by(Broken, [Way("", 2, 1, 1, "")], 4)
