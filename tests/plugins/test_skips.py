"""Skips are counted by reason, and in CI a skip that nobody allowed fails the run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.plugins.test_report import run_suite

if TYPE_CHECKING:
    from pathlib import Path

SUITE = """
import pytest

def test_passes(): ...

@pytest.mark.parametrize("n", range(3))
def test_peer(n):
    pytest.skip("no peer")

@pytest.mark.xfail(reason="known", strict=True)
def test_known():
    raise ValueError
"""
MODULE = 'import pytest\n\npytest.skip("no module", allow_module_level=True)\n'


def test_skips_are_counted_by_reason(tmp_path: Path) -> None:
    done = run_suite(tmp_path, "tests.plugins.skips", SUITE)
    assert done.returncode == 0
    assert "     3  no peer\n" in done.stdout
    assert "known" not in done.stdout.partition("skipped, by reason")[2]


def test_a_run_without_skips_prints_no_section(tmp_path: Path) -> None:
    done = run_suite(tmp_path, "tests.plugins.skips", "def test_passes(): ...\n", CI="true")
    assert done.returncode == 0
    assert "skipped, by reason" not in done.stdout


@pytest.mark.parametrize(
    ("suite", "reason", "test"),
    [(SUITE, "no peer", "test_tiny.py::test_peer[2]"), (MODULE, "no module", "test_tiny.py")],
)
def test_in_ci_a_skip_fails_the_run_and_is_named(tmp_path: Path, suite: str, reason: str, test: str) -> None:
    done = run_suite(tmp_path, "tests.plugins.skips", suite, CI="true")
    assert done.returncode == 1
    assert f"not allowed in CI: {reason}" in done.stdout
    assert test in done.stdout
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["exitcode"] == 1


def test_in_ci_an_allowed_skip_passes(tmp_path: Path) -> None:
    allowing = 'from tests.plugins import skips\n\nskips.ALLOWED = frozenset({"no peer"})\n'
    (tmp_path / "conftest.py").write_text(allowing, encoding="utf-8")
    assert run_suite(tmp_path, "tests.plugins.skips", SUITE, CI="true").returncode == 0


@pytest.mark.parametrize(("options", "refused"), [("", False), ("--samples=elsewhere", True)])
def test_in_ci_sample_data_may_be_absent_unless_their_folder_is_named(
    tmp_path: Path, options: str, *, refused: bool
) -> None:
    (tmp_path / "conftest.py").write_text('def pytest_addoption(parser):\n    parser.addoption("--samples")\n')
    suite = SUITE.replace("no peer", "sample data not present: ccda")
    done = run_suite(tmp_path, "tests.plugins.skips", suite, CI="true", PYTEST_ADDOPTS=options)
    assert done.returncode == refused
    assert ("not allowed in CI: sample data not present: ccda" in done.stdout) is refused
