"""The committed report names no place of the machine that ran the tests."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.report import places, scrubbed

ROOT = Path(__file__).resolve().parents[2]

SUITE = """
import logging, os, platform, sys, tempfile, warnings
import pytest

def test_passes():
    print("printed", __file__)
    logging.warning("logged %s", __file__)

def test_fails(tmp_path):
    raise ValueError(__file__, sys.executable, pytest.__file__, os.__file__, str(tmp_path), platform.node(), "/a/b.c")

def test_warns():
    warnings.warn(f"from {__file__} and {tempfile.gettempdir()}/a")

@pytest.fixture
def broken():
    raise RuntimeError(os.path.join(os.path.expanduser("~"), "secret"))

def test_setup_fails(broken): ...

@pytest.mark.parametrize("path", ["/Patient/1"])
def test_parameter(path): ...

def test_skips():
    pytest.skip("no " + sys.prefix)
"""


def run_suite(folder: Path, plugin: str, suite: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on `suite` in `folder` as the project's own suite is run."""
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "test_tiny.py").write_text(suite, encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_ADDOPTS")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", plugin, "--json-report", "--json-report-file=report.json"],
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the report of a small suite that speaks of the machine wherever it can."""
    folder = tmp_path_factory.mktemp("suite")
    done = run_suite(folder, "tests.plugins.report", SUITE, JENKINS_URL="https://ci.example/job", BUILD_URL="/opt/ci/7")
    assert done.returncode == 1, done.stdout + done.stderr
    loaded: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return loaded


def strings(value: object) -> list[str]:
    """Return every string in `value`."""
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in strings(part)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def test_no_absolute_path_is_left(report: dict[str, Any]) -> None:
    free = [text for text in strings(report) if not text.startswith("test_tiny.py::test_parameter")]
    found = [text for text in free for place in places(ROOT) if place in text]
    assert not found
    assert not [text for text in free if text.startswith("/") or "'/" in text]


def test_no_host_name_is_left(report: dict[str, Any]) -> None:
    failure = next(test for test in report["tests"] if test["nodeid"].endswith("test_fails"))
    assert "<host>" in failure["call"]["crash"]["message"] or platform.node() in ("", "localhost")


def test_the_environment_is_a_version_only(report: dict[str, Any]) -> None:
    assert report["environment"] == {"Python": platform.python_version()}
    assert report["root"] == "."


def test_outcomes_and_durations_are_kept(report: dict[str, Any]) -> None:
    outcomes = {test["nodeid"].partition("::")[2]: test["outcome"] for test in report["tests"]}
    assert outcomes["test_passes"] == "passed"
    assert outcomes["test_fails"] == "failed"
    assert outcomes["test_setup_fails"] == "error"
    assert outcomes["test_skips"] == "skipped"
    assert report["summary"]["total"] == len(report["tests"]) == 6
    assert all(test["duration"] >= 0 for test in report["tests"])


def test_a_passed_test_costs_little(report: dict[str, Any]) -> None:
    assert "collectors" not in report
    passed = next(test for test in report["tests"] if test["nodeid"].endswith("test_passes"))
    assert set(passed) == {"nodeid", "outcome", "duration", "call"}


def test_a_failure_says_where_and_why(report: dict[str, Any]) -> None:
    failure = next(test for test in report["tests"] if test["nodeid"].endswith("test_fails"))
    assert failure["call"]["crash"]["path"] == "./test_tiny.py"
    assert "ValueError" in failure["call"]["longrepr"]


def test_parameters_that_look_like_paths_are_kept(report: dict[str, Any]) -> None:
    assert "test_tiny.py::test_parameter[/Patient/1]" in {test["nodeid"] for test in report["tests"]}


@pytest.mark.parametrize("text", ["http://host/a/b", "and/or", "application/fhir+json", "1/2/3", "a/b/c.py"])
def test_what_is_not_an_absolute_path_stays(text: str) -> None:
    assert scrubbed(text, {}, "") == text


def test_a_place_is_not_taken_for_its_neighbour() -> None:
    assert scrubbed("x /a/bc y", {"/a/b": "<b>"}, "") == "x <path>/bc y"
    assert scrubbed("x /a/b/c y", {"/a/b": "<b>"}, "") == "x <b>/c y"
