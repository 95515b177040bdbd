"""The guides run as they are written, and print what they say."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vaultfs.testing

DOCS = Path(__file__).resolve().parents[1] / "docs" / "guides"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PRINTED = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)
GUIDES = sorted(path.name for path in DOCS.glob("*.md") if BLOCK.search(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_runs_as_it_is_written(name: str, tmp_path: Path) -> None:
    blocks = BLOCK.findall((DOCS / name).read_text(encoding="utf-8"))
    program = "\n".join(blocks)
    (tmp_path / "guide.py").write_text(program, encoding="utf-8")
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", tmp_path / "guide.py"],
        cwd=tmp_path / "empty",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == PRINTED.findall(program)
    assert blocks


def test_the_guide_to_testing_is_there() -> None:
    assert "testing.md" in GUIDES


def test_the_example_of_the_testing_room_runs() -> None:
    found = doctest.testmod(vaultfs.testing, optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert found.attempted > 5
    assert not found.failed
