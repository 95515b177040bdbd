"""The coverage gates fail when their files are not covered, and when they have lost their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import coverage_gate
import pytest


def entry(lines: int, *missing: int, branches: tuple[tuple[int, int], ...] = ()) -> dict[str, Any]:
    """Return what coverage reports of a file with four branches, of which `branches` were not taken."""
    summary = {"num_statements": lines, "covered_lines": lines - len(missing), "num_branches": 4}
    summary["covered_branches"] = 4 - len(branches)
    return {"summary": summary, "missing_lines": list(missing), "missing_branches": [list(one) for one in branches]}


def run(folder: Path, files: dict[str, Any], *, branch: bool = True) -> int:
    """Return the exit status of the gate for a report of `files`."""
    report = folder / "coverage.json"
    report.write_text(json.dumps({"meta": {"branch_coverage": branch}, "files": files}), encoding="utf-8")
    return coverage_gate.main([str(report)])


FULL = {"vaultfs/keys/a.py": entry(10), "formats/vaultfs_format/b.py": entry(10), "vaultfs/c.py": entry(200, 1, 2)}


def test_enough_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, FULL) == 0
    assert "FAILED" not in capsys.readouterr().out


@pytest.mark.parametrize("path", ["vaultfs/keys/a.py", "formats/vaultfs_format/b.py"])
def test_one_branch_short_fails_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str) -> None:
    assert run(tmp_path, FULL | {path: entry(10, branches=((3, -1),))}) == 1
    assert f"not covered: {path}:3 -> exit" in capsys.readouterr().out


def test_the_whole_is_gated_too(tmp_path: Path) -> None:
    assert run(tmp_path, FULL | {"vaultfs/c.py": entry(200, *range(20))}) == 1


def test_a_gate_without_files_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, {"vaultfs/c.py": entry(10)}) == 1
    assert "no such files" in capsys.readouterr().out


def test_a_report_without_branches_fails(tmp_path: Path) -> None:
    assert run(tmp_path, FULL, branch=False) == 1
