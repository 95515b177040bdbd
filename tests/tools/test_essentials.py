"""The page that every vault carries is made from the code, and stays a page."""

from __future__ import annotations

import hashlib
from pathlib import Path

import essentials
import pytest
import spec_tables

SPEC = spec_tables.SPEC.read_text(encoding="utf-8")


def made(monkeypatch: pytest.MonkeyPatch, template: str, tmp_path: Path) -> list[str]:
    """Return the pages of a template, by suite."""
    place = tmp_path / "template.txt"
    place.write_text(template, encoding="ascii")
    monkeypatch.setattr(essentials, "TEMPLATE", place)
    return list(essentials.pages(SPEC, spec_tables.layouts()).values())


def test_layouts_labels_and_limits_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    template = (
        "{layout: table key}; {label: FRAME} of {label prefix}\n\n  {limit: KEY_BLOCK}\n%fips\n  of {name}\n%end\n"
    )
    page = 'segment_id 16, key 32; "frame" of vaultfs/0/\n\n  256\n'
    assert made(monkeypatch, template, tmp_path) == [page, f"{page}  of fips\n"]


def test_the_page_states_the_digest_of_the_specification() -> None:
    digest = hashlib.sha256(spec_tables.SPEC.read_bytes()).hexdigest()
    for path in essentials.pages(SPEC, spec_tables.layouts()):
        assert digest in path.read_text(encoding="ascii").splitlines()


@pytest.mark.parametrize("template", ["{layout: no such}", "{label: NO_SUCH}", "{no such}"])
def test_a_template_that_names_what_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, template: str
) -> None:
    with pytest.raises((KeyError, AttributeError)):
        made(monkeypatch, template, tmp_path)


def test_a_page_that_nobody_would_read_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="characters"):
        made(monkeypatch, "word " * essentials.MOST, tmp_path)


def test_what_spec_tables_checks_is_the_page_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(essentials, "PACKAGE", tmp_path)
    (tmp_path / "readmes").mkdir()
    assert spec_tables.main(["--check"]) == 1
    assert "default.txt differs" in capsys.readouterr().out
    assert spec_tables.main([]) == 0
    assert spec_tables.main(["--check"]) == 0
    page = tmp_path / "readmes" / "fips.txt"
    page.write_text(page.read_text(encoding="ascii") + "more\n", encoding="ascii")
    assert spec_tables.main(["--check"]) == 1
