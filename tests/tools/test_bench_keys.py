"""The rows of keys and of turns, at a size at which their figures mean nothing: that they run, and what they name."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.tools.test_bench import run


def shown(row: str, folder: Path) -> dict[str, str]:
    """Run a row at a tiny size; return its lines by what they are about, with unit and budget."""
    page = run(row, "--patients", "20", folder=folder)
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    return {line[0]: " ".join(line[3:]).rstrip(" |") for line in lines} | {
        line[2:].partition(": ")[0]: line.rpartition(": ")[2] for line in page.splitlines() if line.startswith("- ")
    }


@pytest.mark.parametrize(
    ("row", "size"), [("turn", "200 records, 10 a patient"), ("turn-1", "200 records, 1 a patient")]
)
def test_a_turn_is_shown_whole_in_parts_and_with_what_grows(row: str, size: str, tmp_path: Path) -> None:
    found = shown(row, tmp_path)
    assert found[f"turn, 2 patients disposed of, {size}"] == "s ≤ 60"
    assert found["turn, 1 disposed of, ten times the vault"] == "times as long"
    for part in ("key tables", "keyring", "index", "identifier tokens, of the index"):
        assert found[f"{part}, 1 patients disposed of, {size}"] == "s"
    assert found[f"peak private memory, 2 patients disposed of, {size}"] == "MiB"
    assert list(tmp_path.iterdir()) == []
