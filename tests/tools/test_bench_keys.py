"""The rows of keys and of turns, at a size at which their figures mean nothing: that they run, and what they name."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.keys.envelopes import Own, measured_by

from tests.tools.test_bench import run

RECORDS = [bytes([number]) * 1_024 for number in range(3)]


def shown(row: str, folder: Path) -> dict[str, str]:
    """Run a row at a tiny size; return its lines by what they are about, with unit and budget."""
    page = run(row, "--patients", "20", "--samplings", "3", folder=folder)
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


def test_every_way_to_the_root_key_is_shown_with_its_budget(tmp_path: Path) -> None:
    found = shown("unlock", tmp_path)
    ways = {name: unit for name, unit in found.items() if name.endswith(", median")}
    assert len(ways) >= 5
    token = "unlock: stanza of a token, SoftHSM"
    assert ways.pop(f"{token}, median", "ms < 5") == "ms < 5"
    assert set(ways.values()) == {"ms < 1"}
    assert list(tmp_path.iterdir()) == []


def test_a_token_that_is_not_installed_is_left_out_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    page = run("unlock", "--samplings", "1", folder=tmp_path)
    assert "- unlock: stanza of a token, SoftHSM: program softhsm2-util is not installed" in page


def test_envelopes_are_shown_with_their_budgets_beside_every_library_or_its_absence(tmp_path: Path) -> None:
    found = shown("envelope", tmp_path)
    for act in ("seal", "open", "read"):
        assert [unit for name, unit in found.items() if f": {act} a record" in name and unit == "ms < 1"], act
    for library in ("AWS Encryption SDK", "Tink"):
        assert any(name.startswith(library) for name in found)
    assert list(tmp_path.iterdir()) == []


def test_libraries_that_are_not_installed_are_left_out_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent, place = tmp_path / "absent", tmp_path / "place"
    for folder in (absent, place):
        folder.mkdir()
    for module in ("aws_encryption_sdk", "tink"):
        (absent / f"{module}.py").write_text("raise ImportError\n", encoding="ascii")
    monkeypatch.setenv("PYTHONPATH", str(absent))
    page = run("envelope", "--samplings", "1", folder=place)
    assert "- AWS Encryption SDK: envelope: package aws-encryption-sdk is not installed" in page
    assert "- Tink: envelope: package tink is not installed" in page
    assert "| VaultFS: read a record" in page


def test_a_library_that_gives_other_bytes_back_is_not_measured() -> None:
    class Lossy(Own):
        def open(self, sealed: bytes) -> bytes:
            return super().open(sealed)[:-1]

    with pytest.raises(RuntimeError, match="other bytes"):
        measured_by(Lossy, RECORDS)


def test_no_two_envelopes_of_a_record_are_alike() -> None:
    kit = Own()
    assert kit.seal(RECORDS[0]) != kit.seal(RECORDS[0])
