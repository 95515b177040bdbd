"""The benchmarks as a program: what is measured is shown with its budget, what cannot be is left out by name."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from bench.figures import Figure, LeftOut, Memory
from bench.material import Item, invented, multiplied
from bench.peers import rows
from bench.peers.files import Files
from bench.peers.vault import Vault


def run(*arguments: str, folder: Path) -> str:
    """Run the program in `folder` and return what it prints."""
    command = [sys.executable, "-m", "bench", *arguments, "--runs", "1"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def few() -> list[Item]:
    """Return twenty records of four patients."""
    return list(invented(4, 5))


def test_a_row_is_shown_with_its_budget_and_the_machine(tmp_path: Path) -> None:
    page = run("import-time", folder=tmp_path)
    assert "\nMachine: " in page
    assert [line for line in page.splitlines() if line.startswith("| import vaultfs |") and line.endswith("| ≤ 100 |")]


def test_a_row_whose_sample_data_are_absent_is_left_out_by_name(tmp_path: Path) -> None:
    page = run("ingest-synthea", "--samples", str(tmp_path / "nowhere"), folder=tmp_path)
    assert "- ingest, Synthea sample: sample data not present: --samples" in page


def test_a_row_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run("no-such-row", folder=tmp_path)
    assert "no such row: no-such-row" in failed.value.stderr


def test_peers_that_are_not_installed_are_left_out_by_name(
    few: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "sqlcipher3.dbapi2", None)
    found = rows.compared("few", few)
    assert [one.name for one in found if isinstance(one, LeftOut)] == ["SQLCipher, few", "restic, few", "borg, few"]
    measured = {one.name.partition(":")[0] for one in found if isinstance(one, Figure)}
    assert measured == {"VaultFS", "SQLite", "directory of files", "ZIP"}
    assert list(tmp_path.iterdir()) == []


def test_a_peer_that_gives_other_bytes_back_is_not_measured(
    few: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lossy(Files):
        def read(self, number: int) -> bytes:
            return super().read(number)[:-1]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rows, "PEERS", (Vault, Lossy))
    with pytest.raises(RuntimeError, match="other bytes"):
        rows.compared("few", few)


def test_a_multiplied_pool_is_of_as_many_patients_with_records_of_their_own() -> None:
    """Patients beyond the pool are others, and no two records are alike."""
    items = list(multiplied(4_100, 1))
    assert len({item.subject for item in items}) == 4_100
    assert len({item.data for item in items}) == 4_100


def test_the_peak_of_private_memory_is_seen_after_it_has_passed() -> None:
    with Memory() as memory:
        held = bytearray(96 * 1024 * 1024)
        held[::4096] = b"\x01" * len(held[::4096])
        while memory.private < 96:
            time.sleep(0.01)
        del held
    assert memory.resident >= memory.private >= 96
