"""Blast radius: damage is the same for every archive, and what it costs is counted by comparing every record."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from bench.blast import archives, rows
from bench.blast.archives import Back, OfBorg, OfRestic, Vault
from bench.blast.damage import DAMAGES, Damage
from bench.figures import LeftOut, Procedure, Setting, Toll

FEW = Setting(Path("nowhere"), 0, records=800)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_kind_of_damage_costs_a_vault_a_record(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ARCHIVES", (Vault,))
    found = rows.radius(FEW)
    assert [one for one in found if isinstance(one, Toll)] == [
        Toll("VaultFS", damage.name, 800, 800, 0, 0, told=damage.name != "none") for damage in DAMAGES
    ]
    assert [one.archive for one in found if isinstance(one, Procedure)] == ["VaultFS"]
    assert list(place.iterdir()) == []


def test_every_archive_that_is_installed_gives_everything_back_where_nothing_is_damaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rows, "DAMAGES", DAMAGES[:1])
    found = rows.radius(Setting(Path("nowhere"), 0, records=20))
    missing = {one.name.partition(",")[0] for one in found if isinstance(one, LeftOut)}
    assert [one for one in found if isinstance(one, Toll)] == [
        Toll(name, "none", 20, 20, 0, 0, told=False) for name in ("VaultFS", "restic", "borg") if name not in missing
    ]


def test_archives_that_are_not_installed_are_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(rows, "ARCHIVES", (OfRestic, OfBorg))
    assert rows.radius(FEW) == [
        LeftOut("restic, blast radius", "program restic is not installed"),
        LeftOut("borg, blast radius", "program borg is not installed"),
    ]


def test_records_that_come_back_otherwise_or_not_at_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(Vault):
        def read(self) -> tuple[Back, bool]:
            back, _ = super().read()
            return [None, None, b"{}", *back[3:]], False

    monkeypatch.setattr(rows, "ARCHIVES", (Forgetful,))
    monkeypatch.setattr(rows, "DAMAGES", DAMAGES[:1])
    found = rows.radius(Setting(Path("nowhere"), 0, records=20))
    assert found[0] == Toll("VaultFS", "none", 17, 17, 1, 2, told=True)


def test_a_vault_that_does_not_open_has_lost_all_its_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both copies of the head: more than any of the kinds of damage."""
    worse = Damage("both copies of the head", True, lambda files, _: _remove_both(files[0]))
    monkeypatch.setattr(rows, "ARCHIVES", (Vault,))
    monkeypatch.setattr(rows, "DAMAGES", (worse,))
    found = rows.radius(Setting(Path("nowhere"), 0, records=20))
    assert found[0] == Toll("VaultFS", worse.name, 0, 0, 0, 20, told=True)


def _remove_both(head: Path) -> None:
    head.unlink()
    (head.parent / "copies" / "head").unlink()


@pytest.mark.parametrize("damage", DAMAGES[1:], ids=lambda damage: damage.name)
def test_damage_changes_files_at_the_same_places_every_time(damage: Damage, place: Path) -> None:
    def damaged() -> list[bytes]:
        files = [place / "long", place / "short"]
        for path, size in zip(files, (300_000, 100), strict=True):
            path.write_bytes(b"\x55" * size)
        damage.act(files, random.Random(1))
        return [path.read_bytes() for path in files]

    first = damaged()
    assert first == damaged()
    assert first[0] != b"\x55" * 300_000


def test_the_commands_that_are_shown_are_those_that_are_run() -> None:
    for kind in (OfRestic, OfBorg):
        steps = [" ".join((kind.name, *step)) for step in (*kind.repairing, kind.restoring)]
        assert list(kind.commands)[-len(steps) :] == steps
    assert archives.Vault.commands[1].startswith("vaultfs-fsck ")
