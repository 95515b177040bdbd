"""SPEC.md says what the codecs do: its tables are theirs, and every rule that they enforce stands in it."""

from __future__ import annotations

import re
from pathlib import Path

import essentials
import pytest
import spec_tables
import vaultfs_format
from vaultfs_format.errors import Structure

TEXT = spec_tables.SPEC.read_text(encoding="utf-8")
SOURCE = Path(vaultfs_format.__file__).parent
RULE = re.compile(r"Structure\.([A-Z_]+), (?:rule=)?(\d+)\b|structure=Structure\.([A-Z_]+), rule=(\d+)")
STATED = re.compile(r"^\| ([A-Z]{3})-(\d+) \|", re.MULTILINE)


def enforced() -> set[tuple[str, int]]:
    """Return the rules that the codecs name when they refuse something."""
    found = set()
    for path in SOURCE.glob("*.py"):
        for match in RULE.finditer(path.read_text(encoding="utf-8")):
            structure, number = (match[1], match[2]) if match[1] else (match[3], match[4])
            found.add((spec_tables.RULES[Structure[structure]], int(number)))
    return found


def test_the_tables_are_those_of_the_codecs(capsys: pytest.CaptureFixture[str]) -> None:
    assert spec_tables.main(["--check"]) == 0, capsys.readouterr().out


def test_a_rule_has_one_id() -> None:
    stated = STATED.findall(TEXT)
    assert len(stated) == len(set(stated)) > 100


def test_the_rules_below_20_are_those_that_the_codecs_enforce() -> None:
    stated = {(letters, int(number)) for letters, number in STATED.findall(TEXT) if int(number) < 20}
    assert stated == enforced()


def test_every_rule_that_is_referred_to_exists() -> None:
    stated = {f"{letters}-{number}" for letters, number in STATED.findall(TEXT)}
    letters = "|".join({rule[:3] for rule in stated})
    mentioned = set(re.findall(rf"\b(?:{letters})-\d+\b", TEXT))
    assert mentioned <= stated


def test_every_structure_has_rules_of_its_own() -> None:
    assert set(spec_tables.RULES) == set(Structure)


def test_a_table_that_differs_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "SPEC.md"
    spec.write_text(TEXT.replace("| 4 | 1 | version |", "| 4 | 2 | version |"), encoding="utf-8")
    monkeypatch.setattr(spec_tables, "SPEC", spec)
    monkeypatch.setattr(essentials, "PACKAGE", tmp_path)  # pages state the digest of SPEC.md
    (tmp_path / "readmes").mkdir()
    assert spec_tables.main(["--check"]) == 1
    assert "differs" in capsys.readouterr().out
    assert spec_tables.main([]) == 0
    assert spec.read_text(encoding="utf-8") == TEXT
    assert spec_tables.main(["--check"]) == 0


def test_a_layout_without_a_table_is_found() -> None:
    with pytest.raises(ValueError, match="head: segment row"):
        spec_tables.renewed(TEXT.replace("<!-- table: head: segment row -->", ""))
