"""One copy of a journal or of an open blob segment is damaged or lost: nothing is missing, wherever the other lies."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from vaultfs_format.group import TRAILER, group_sizes
from vaultfs_format.journal import HEADER_SIZE

from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.rescuing.archive import Archive, check, overwrite, rescued

Harm = Callable[[Path], object]


def _mirrored(archive: Archive) -> list[Path]:
    """Return the journals and the open blob segments."""
    return [*vaults.journals_of(archive.path), *sorted((archive.path / "segments").rglob("*.part"))]


def _group(path: Path) -> None:
    """Damage a group in the middle of a journal."""
    if path.suffix == ".vjrn":
        offsets = vaults.groups_of(path)
        overwrite(path, offsets[len(offsets) // 2], random.Random(3).randbytes(300))


def _all_groups(path: Path) -> None:
    if path.suffix == ".vjrn":
        overwrite(path, HEADER_SIZE, bytes(path.stat().st_size - HEADER_SIZE))


def _header(path: Path) -> None:
    overwrite(path, 0, bytes(HEADER_SIZE))


def _salt(path: Path) -> None:
    if path.suffix == ".vjrn":
        vaults.flip(path, 60)


def _bodies(path: Path) -> None:
    if path.suffix == ".part":
        overwrite(path, HEADER_SIZE, bytes(path.stat().st_size - HEADER_SIZE))


def _everything(path: Path) -> None:
    overwrite(path, 0, random.Random(4).randbytes(path.stat().st_size))


def _end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


HARMS = (_group, _all_groups, _header, _salt, _bodies, _everything, _end, Path.unlink)


@pytest.fixture(params=["in place", "thrown together"])
def rescue(request: pytest.FixtureRequest, archive: Archive, tmp_path: Path) -> Callable[[], None]:
    """Return what checks that a rescue gives everything back, from the vault or from its files under any names."""

    def everything_comes_out() -> None:
        place = archive.path
        if request.param == "thrown together":
            place = tmp_path / "found"
            place.mkdir()
            for number, name in enumerate(vaults.tree(archive.path)):
                (archive.path / name).rename(place / f"#{number}")
        found = rescued(place, "--epoch-store", str(tmp_path / "clinic.vault.epoch"))
        assert (check(archive, found), found.missing) == (set(), [])

    return everything_comes_out


@pytest.mark.parametrize("mirror", [False, True], ids=["file", "mirror"])
@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__.strip("_"))
def test_damage_to_one_copy_loses_nothing(
    archive: Archive, rescue: Callable[[], None], harm: Harm, *, mirror: bool
) -> None:
    for path in _mirrored(archive):
        harm(vaults.mirror_of(path) if mirror else path)
    rescue()


def test_damage_to_both_copies_in_different_groups_and_bodies_loses_nothing(
    archive: Archive, rescue: Callable[[], None]
) -> None:
    for path in vaults.journals_of(archive.path):
        offsets = vaults.groups_of(path)
        for number, at in enumerate(offsets[:-1]):
            overwrite(vaults.both(path)[number % 2], at + 100, bytes(50))
    for path in (archive.path / "segments").rglob("*.part"):
        size = path.stat().st_size
        overwrite(path, HEADER_SIZE, bytes(1_000_000))
        overwrite(vaults.mirror_of(path), HEADER_SIZE + 1_100_000, bytes(size - HEADER_SIZE - 1_100_000))
    rescue()


def test_a_mirror_that_is_behind_is_no_loss(archive: Archive, rescue: Callable[[], None]) -> None:
    for path in _mirrored(archive):
        data = path.read_bytes()
        vaults.mirror_of(path).write_bytes(data[: len(data) // 2])
    rescue()


@pytest.mark.parametrize("section", ["keys", "directory"])
def test_damage_to_both_copies_in_different_sections_of_a_group_loses_nothing(
    archive: Archive, rescue: Callable[[], None], section: str
) -> None:
    """Neither copy proves the chain; the frames of one are all there, and nothing of the other is missed."""
    for path in vaults.journals_of(archive.path):
        data = path.read_bytes()
        for at in vaults.groups_of(path)[:-2]:
            sizes = group_sizes(data, at)
            place = {"keys": sizes.keys_offset + 5, "directory": sizes.directory_offset + 30}[section]
            vaults.flip(path, at + place)
            vaults.flip(vaults.mirror_of(path), at + sizes.total - TRAILER - 20)  # among the audit entries
    rescue()
