"""The map of the law names what is there, and a paragraph that is called met is shown by tests that passed."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import compliance
import pytest

from tests.plugins.test_report import run_suite

ROWS = tomllib.loads(compliance.MAP.read_text(encoding="utf-8"))["paragraph"]
EVIDENCE = sorted({one for row in ROWS for one in row.get("evidence", ())})
AUDIT = "164.312(b)"
PASSES = "test_tiny.py::test_passes"
SUITE = """
import pytest

def test_passes(): ...
def test_passes_too(): ...

def test_fails():
    raise ValueError

def test_skips():
    pytest.skip("no peer")

@pytest.fixture
def broken():
    raise ValueError

def test_errs(broken): ...

@pytest.mark.xfail(reason="known", strict=True)
def test_known():
    raise ValueError

@pytest.mark.parametrize("n", range(2))
def test_all(n): ...

@pytest.mark.parametrize("n", range(3))
def test_most(n):
    if n == 1:
        pytest.skip("no peer")
    assert n != 2

class TestClass:
    def test_in_it(self): ...
"""

Run = Callable[..., int]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a real run."""
    folder = tmp_path_factory.mktemp("suite")
    done = run_suite(folder, "tests.plugins.report", SUITE)
    assert done.returncode == 1, done.stdout + done.stderr
    return folder / "report.json"


def write_map(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a map; strings and lists of strings are the same in JSON and TOML."""
    tables = ["\n".join(f"{name} = {json.dumps(value)}" for name, value in row.items()) for row in rows]
    path.write_text("".join(f"[[paragraph]]\n{table}\n" for table in tables), encoding="utf-8")
    return path


def changed(change: dict[str, Any], name: str = AUDIT) -> list[dict[str, Any]]:
    """Return the rows of the project with other values in one of them, all shown by a test that passes."""
    rows = [row | ({"tests": [PASSES]} if row.get("tests") else {}) for row in ROWS]
    return [row | (change if row["id"] == name else {}) for row in rows]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return what runs the command on a map of some rows."""

    def one(rows: list[dict[str, Any]], *words: object) -> int:
        return compliance.main(["--map", str(write_map(tmp_path / "map.toml", rows)), *map(str, words)])

    return one


class TestTheMap:
    def test_it_is_whole_and_the_page_is_made_of_it(self) -> None:
        assert compliance.main(["--check"]) == 0

    @pytest.mark.parametrize("name", EVIDENCE)
    def test_evidence_can_be_had(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        command, *words = name.split()
        if "." in command:
            assert callable(resolve_name(command))
            return
        (entry,) = entry_points(group="console_scripts", name=command)
        with pytest.raises(SystemExit) as ended:
            entry.load()([*(word for word in words if word.islower() and word[0] != "-"), "--help"])
        assert ended.value.code == 0
        told = capsys.readouterr().out
        assert [word for word in words if word[0] == "-" and word not in told] == []

    def test_what_is_planned_claims_nothing(self) -> None:
        planned = {row["id"] for row in ROWS if row["status"] == "planned"}
        page = compliance.PAGE.read_text(encoding="utf-8")
        for name in planned:
            section = page.partition(f"\n## {name} ")[2].partition("\n## ")[0]
            assert "**Planned.**" in section
            assert "Tests:" not in section


class TestAfterTheTests:
    @pytest.mark.parametrize(
        "test", [PASSES, "test_tiny.py::test_all", "test_tiny.py::test_all[1]", "test_tiny.py::TestClass"]
    )
    def test_what_passed_shows_a_paragraph(self, run: Run, report: Path, test: str) -> None:
        assert run(changed({"tests": [test]}), "--report", report) == 0

    @pytest.mark.parametrize("name", [AUDIT, "164.312(d)"])
    @pytest.mark.parametrize(
        ("test", "found"),
        [
            ("test_fails", ["test_fails: failed"]),
            ("test_skips", ["test_skips: skipped"]),
            ("test_errs", ["test_errs: error"]),
            ("test_known", ["test_known: xfailed"]),
            ("test_most", ["test_most[1]: skipped", "test_most[2]: failed"]),
            ("test_pass", ["test_pass: was not run"]),
            ("test_all[2]", ["test_all[2]: was not run"]),
            ("TestOther", ["TestOther: was not run"]),
        ],
    )
    def test_what_did_not_pass_shows_none(
        self, run: Run, report: Path, capsys: pytest.CaptureFixture[str], name: str, test: str, found: list[str]
    ) -> None:
        assert run(changed({"tests": [PASSES, f"test_tiny.py::{test}"]}, name), "--report", report) == 1
        assert capsys.readouterr().out.splitlines() == [f"{name}: test_tiny.py::{one}" for one in found]

    def test_a_file_is_all_tests_in_it(self, run: Run, report: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(changed({"tests": ["test_tiny.py"]}), "--report", report) == 1
        assert len(capsys.readouterr().out.splitlines()) == 6

    def test_a_claim_without_a_test_fails(self, run: Run, report: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(changed({"tests": []}), "--report", report) == 1
        assert capsys.readouterr().out == f"{AUDIT}: met, and names no tests\n"

    def test_the_program_ends_with_it(self, tmp_path: Path, report: Path) -> None:
        rows = write_map(tmp_path / "map.toml", changed({"tests": ["test_tiny.py::test_fails"]}))
        program = [sys.executable, compliance.__file__, "--map", str(rows), "--report", str(report)]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, f"{AUDIT}: test_tiny.py::test_fails: failed\n")


class TestAMapThatIsWrong:
    @pytest.mark.parametrize(
        ("change", "found"),
        [
            ({"more": "x"}, "unknown field"),
            ({"status": "done"}, "Invalid enum value"),
            ({"level": "optional"}, "Invalid enum value"),
            ({"tests": PASSES}, "Expected `array`"),
            ({"control": ""}, f"{AUDIT}: control is empty"),
            ({"evidence": []}, f"{AUDIT}: met, and names no evidence"),
            ({"status": "planned"}, f"{AUDIT}: planned, and names tests or evidence"),
            ({"status": "host", "left": ""}, f"{AUDIT}: the host's duty, and does not say which"),
            ({"spec": ["99"]}, f"{AUDIT}: SPEC.md has no section 99"),
            ({"code": ["vaultfs/nothing.py"]}, f"{AUDIT}: vaultfs/nothing.py is not there"),
            ({"tests": ["tests/test_nothing.py"]}, f"{AUDIT}: tests/test_nothing.py is not there"),
            ({"tests": ["tests/test_guides.py::test_a_guide"]}, "tests/test_guides.py::test_a_guide is not there"),
            ({"tests": ["tests/conftest.py::TestNo::samples"]}, "tests/conftest.py::TestNo::samples is not there"),
            ({"id": "164.312(z)"}, "164.312(z): not a paragraph that the map answers"),
            ({"id": "164.312(z)"}, f"{AUDIT}: no row"),
            ({"id": "164.312(d)"}, "164.312(d): 2 rows"),
        ],
    )
    def test_it_is_refused(
        self, run: Run, capsys: pytest.CaptureFixture[str], change: dict[str, Any], found: str
    ) -> None:
        assert run(changed(change), "--check") == 1
        assert found in capsys.readouterr().out

    def test_rows_that_change_places_are_refused(self, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
        assert run([ROWS[1], ROWS[0], *ROWS[2:]], "--check") == 1
        assert capsys.readouterr().out == "the rows are not in the order of the law\n"

    def test_what_is_no_toml_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "map.toml").write_text("[[paragraph", encoding="utf-8")
        assert compliance.main(["--map", str(tmp_path / "map.toml"), "--check"]) == 1


class TestThePage:
    def test_it_is_written_and_checked(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        page = tmp_path / "page.md"
        monkeypatch.setattr(compliance, "PAGE", page)
        assert compliance.main(["--check"]) == 1
        assert compliance.main([]) == 0
        assert compliance.main(["--check"]) == 0
        page.write_text(page.read_text(encoding="utf-8") + "more\n", encoding="utf-8")
        assert compliance.main(["--check"]) == 1
        assert capsys.readouterr().out.count("differs from docs/hipaa.toml") == 2

    def test_a_map_that_is_wrong_writes_none(self, monkeypatch: pytest.MonkeyPatch, run: Run, tmp_path: Path) -> None:
        monkeypatch.setattr(compliance, "PAGE", tmp_path / "page.md")
        assert run(changed({"control": ""})) == 1
        assert not (tmp_path / "page.md").exists()
