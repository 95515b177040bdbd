"""Small files of which both copies are damaged: they are put together, where they are damaged at different places."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest
from vaultfs_tools.keyless import Severity, VaultFiles, heal
from vaultfs_tools.keyless.findings import Combined

from tests.vaultfs_tools import vaults


def pairs(vault: Path) -> list[tuple[Path, Path]]:
    """Return all small files, each with its copy."""
    names = list(vaults.small_files(vault))
    return [(vault / name, vault / copy) for name, copy in zip(names[::2], names[1::2], strict=True)]


def flip_apart(vault: Path) -> None:
    """Change a byte of each copy of every small file, at different places."""
    chance = random.Random(5)
    for pair in pairs(vault):
        places = chance.sample(range(pair[0].stat().st_size), 2)
        for path, at in zip(pair, places, strict=True):
            vaults.flip(path, at, 1 << chance.randrange(8))


def test_a_byte_in_each_copy_of_every_small_file_is_healed_byte_for_byte(vault: Path) -> None:
    before, names = vaults.tree(vault), sorted(vaults.small_files(vault))
    flip_apart(vault)
    report = vaults.checked(vault)
    assert sorted(f.file for f in report.findings) == names
    assert {f.severity for f in report.findings} == {Severity.ERROR}
    heal(VaultFiles(vault), report)
    assert {f.severity for f in report.findings} == {Severity.CORRECTED}
    assert vaults.tree(vault) == before
    vaults.opened(vault).close()


def test_each_kind_of_small_file_is_healed_by_itself(vault: Path) -> None:
    before = vaults.tree(vault)
    for number, pair in enumerate(pairs(vault)):
        for place, path in enumerate(pair):
            vaults.flip(path, 20 + number + 30 * place)
        report = vaults.checked(vault)
        assert [f.file for f in report.findings] == [str(path.relative_to(vault)) for path in pair]
        heal(VaultFiles(vault), report)
        assert vaults.tree(vault) == before


def test_a_copy_that_is_cut_and_one_with_a_flip_give_the_file(vault: Path) -> None:
    before = vaults.tree(vault)
    for path, copy in pairs(vault):
        size = path.stat().st_size
        path.write_bytes(path.read_bytes()[: size // 2])
        vaults.flip(copy, 30)
    report = vaults.checked(vault)
    heal(VaultFiles(vault), report)
    assert {f.severity for f in report.findings} == {Severity.CORRECTED}
    assert vaults.tree(vault) == before


def test_a_byte_that_both_copies_have_lost_is_not_made_up(vault: Path) -> None:
    for pair in pairs(vault):
        for place, path in enumerate(pair):
            vaults.flip(path, 40)
            vaults.flip(path, 50 + place)
    before = vaults.tree(vault)
    report = vaults.checked(vault)
    heal(VaultFiles(vault), report)
    assert Severity.CORRECTED not in {f.severity for f in report.findings}
    assert vaults.tree(vault) == before


@pytest.mark.parametrize("name", ["head", "VAULT.1"])
def test_a_file_of_a_newer_program_is_not_put_together_with_an_older_copy(vault: Path, name: str) -> None:
    vaults.make_newer(vault / name)
    vaults.flip(vault / "copies" / name, 40)
    before = vaults.tree(vault)
    report = vaults.checked(vault)
    assert Severity.UNSUPPORTED in {f.severity for f in report.findings}
    heal(VaultFiles(vault), report)
    assert vaults.tree(vault) == before


def test_what_cannot_be_written_stays_an_error(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flip_apart(vault)
    before = vaults.tree(vault)
    report = vaults.checked(vault)

    def rename(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "rename", rename)
    heal(VaultFiles(vault), report)
    assert {f.severity for f in report.findings} == {Severity.ERROR}
    assert vaults.tree(vault) == before


def test_what_is_put_together_is_not_shown(vault: Path) -> None:
    """The files are sealed, and their bytes are in no message for all that."""
    flip_apart(vault)
    for finding in vaults.findings(vault):
        assert isinstance(finding.remedy, Combined)
        assert "data" not in repr(finding.remedy)
