"""The rows of durability, at a size at which their figures mean nothing: that they run, and name what they find."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.blobs import incompressible, pixels
from bench.durability import mending, parity, scrub
from bench.figures import Figure, LeftOut, Outcome, Row, Setting
from vaultfs_format import isal

from tests.tools.test_bench import run

FEW = Setting(Path("nowhere"), 0, megabytes=2, records=200)


def names(found: list[Outcome]) -> list[str]:
    """Return the names of what was measured, each once."""
    return list(dict.fromkeys(one.name for one in found if isinstance(one, Figure)))


def left_out(found: list[Outcome]) -> dict[str, str]:
    """Return what was left out, and why."""
    return {one.name: one.reason for one in found if isinstance(one, LeftOut)}


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty directory, on a machine without any of the programs that are compared with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")


@pytest.mark.parametrize(
    ("row", "budgets", "peers"),
    [
        ("scrub", ["≥ 1.5", "≤ 24 (required)"], ["restic", "borg", "par2"]),
        ("parity", ["≥ 1,000", "≥ 200", "12.5"], ["par2"]),
        ("mending", ["≥ 200"], ["par2"]),
        ("healing", [], []),
    ],
)
def test_a_row_shows_its_budgets_and_every_peer_that_it_was_measured_with_or_not(
    row: str, budgets: list[str], peers: list[str], tmp_path: Path
) -> None:
    page = run(row, "--megabytes", "2", "--records", "200", folder=tmp_path)
    lines = page.splitlines()
    assert f"## {row}" in lines
    assert all(any(line.endswith(f"| {budget} |") for line in lines) for budget in budgets)
    assert all(any(line.startswith((f"| {peer}: ", f"- {peer}: ")) for line in lines) for peer in peers)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("alone")
def test_peers_that_are_not_installed_are_left_out_by_name_and_what_is_ours_is_measured(tmp_path: Path) -> None:
    found = [*scrub.cached(FEW), *parity.rows(FEW), *mending.rows(FEW)]
    assert left_out(found) == {
        "restic: check, from the page cache": "program restic is not installed",
        "borg: check, from the page cache": "program borg is not installed",
        "par2: check, from the page cache": "program par2 is not installed",
        "par2: parity of a file": "program par2 is not installed",
        "par2: repair of the same damage": "program par2 is not installed",
    }
    ours = {
        "VaultFS: check, from the page cache",
        "VaultFS: hashes and parity of a file",
        "VaultFS: repair of a segment",
    }
    assert ours <= set(names(found))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("alone")
def test_the_disk_is_measured_only_where_it_is_asked_for() -> None:
    assert left_out(list(scrub.disk(FEW))) == {"check, from the disk": "asked for with --disk GB"}
    found = scrub.compared(1_000_000, "from the disk", cold=True)
    assert names(found)[0] == "VaultFS: check, source, from the disk"


@pytest.mark.usefixtures("alone")
def test_parity_in_python_alone_is_measured_where_the_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isal, "library", lambda: None)
    found = parity.rows(FEW)
    assert left_out(found)["parity of a zone, ISA-L"] == "package pyeclib is not installed"
    assert "parity of a zone, Python alone" in names(found)


@pytest.mark.usefixtures("alone")
def test_a_segment_that_was_not_mended_byte_for_byte_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mending, "mend_segment", lambda *_: False)
    with pytest.raises(RuntimeError, match="not what was there"):
        mending.rows(FEW)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("row", "label"), [(incompressible, "incompressible"), (pixels, "native pixels")])
def test_blobs_are_measured_with_their_settling_and_told_in_hours(row: Row, label: str) -> None:
    found = list(row(FEW))
    assert {f"blobs in and settled, {label}", f"1 TB in and settled at that rate, {label}"} <= set(names(found))
