"""Journals and open blob segments in two copies: what one of them lacks is found, and healed from the other."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
from vaultfs_format.journal import HEADER_SIZE
from vaultfs_tools.keyless import Severity, VaultFiles, heal

from tests.vaultfs_tools import vaults


def healed(vault: Path) -> list[str]:
    """Heal a vault; return the names of what was found, all of which must be corrected."""
    report = vaults.checked(vault)
    found = vaults.names(report.findings)
    heal(VaultFiles(vault), report)
    assert {finding.severity for finding in report.findings} <= {Severity.CORRECTED}
    return found


MAC = 32


def covered(journal: Path) -> list[int]:
    """Return the bytes of the groups of a journal that a digest covers; nothing calls a closing record durable."""
    offsets = vaults.groups_of(journal)[:-1]
    return [at for begin, end in pairwise(offsets) for at in range(begin, end - MAC)]


def test_flips_in_a_journal_are_healed_byte_for_byte(vault: Path) -> None:
    before = vaults.tree(vault)
    chance = random.Random(1)
    for journal in vaults.journals_of(vault):
        for at in (0, 20, 4031, 4032, 4095, *chance.sample(covered(journal), 20)):
            vaults.flip(journal, at)
            assert healed(vault), at
            assert vaults.tree(vault) == before, at


def test_flips_in_a_mirror_are_healed_byte_for_byte(vault: Path) -> None:
    before = vaults.tree(vault)
    chance = random.Random(2)
    for journal in vaults.journals_of(vault):
        for at in chance.sample(covered(journal), 10):
            vaults.flip(vaults.mirror_of(journal), at)
            assert healed(vault) == ["MirrorBehind"]
            assert vaults.tree(vault) == before


def test_a_flip_in_a_mac_is_told_and_left_to_the_keys(vault: Path) -> None:
    journal = vaults.journals_of(vault)[0]
    at = vaults.groups_of(journal)[1] - 5
    for damaged in (journal, vaults.mirror_of(journal)):
        vaults.flip(damaged, at)
        before = vaults.tree(vault)
        report = vaults.checked(vault)
        assert vaults.names(report.findings) == ["CopiesDiffer"]
        heal(VaultFiles(vault), report)
        assert vaults.tree(vault) == before
        vaults.flip(damaged, at)
    vaults.flip(journal, at)
    vaults.opened(vault).close()
    assert vaults.findings(vault) == []


def test_damage_to_both_copies_in_different_groups_is_healed_at_once(vault: Path) -> None:
    before = vaults.tree(vault)
    journal = vaults.journals_of(vault)[0]
    offsets = vaults.groups_of(journal)
    vaults.flip(journal, offsets[0] + 50)
    vaults.flip(vaults.mirror_of(journal), offsets[1] + 50)
    assert set(healed(vault)) == {"GroupsDamaged", "MirrorBehind"}
    assert vaults.tree(vault) == before


def test_files_that_are_lost_come_back(vault: Path) -> None:
    before = vaults.tree(vault)
    part = next((vault / "segments").rglob("*.part"))
    for path in (*vaults.journals_of(vault), part):
        for lost in (path, vaults.mirror_of(path)):
            lost.unlink()
            assert healed(vault), lost
            assert vaults.tree(vault) == before


def test_a_part_file_that_was_cut_off_is_made_longer(vault: Path) -> None:
    before = vaults.tree(vault)
    part = next((vault / "segments").rglob("*.part"))
    part.write_bytes(part.read_bytes()[:-5000])
    assert healed(vault) == ["Disagreement"]
    assert vaults.tree(vault) == before


def test_nothing_is_written_where_the_check_alone_is_asked_for(vault: Path) -> None:
    journal = vaults.journals_of(vault)[0]
    vaults.flip(journal, HEADER_SIZE + 50)
    harmed = vaults.tree(vault)
    found = vaults.findings(vault)
    assert [(f.severity, f.remedy is not None) for f in found] == [(Severity.ERROR, True)]
    assert vaults.tree(vault) == harmed


@pytest.mark.parametrize("both", [True, False])
def test_a_newer_journal_is_not_written_over_by_an_older_mirror(vault: Path, *, both: bool) -> None:
    journal = vaults.journals_of(vault)[-1]
    vaults.make_newer(journal)
    if both:
        vaults.make_newer(vaults.mirror_of(journal))
    before = vaults.tree(vault)
    report = vaults.checked(vault)
    heal(VaultFiles(vault), report)
    assert {f.severity for f in report.findings} == {Severity.UNSUPPORTED}
    assert vaults.tree(vault) == before


@pytest.mark.parametrize("lost", [True, False])
def test_a_mirror_of_another_journal_is_not_taken_for_one(vault: Path, *, lost: bool) -> None:
    first, second = vaults.journals_of(vault)
    vaults.mirror_of(first).write_bytes(second.read_bytes())
    if lost:
        first.unlink()
    else:
        vaults.flip(first, HEADER_SIZE + 50)
    before = vaults.tree(vault)
    report = vaults.checked(vault)
    heal(VaultFiles(vault), report)
    assert Severity.ERROR in {f.severity for f in report.findings}
    assert vaults.tree(vault) == before


def test_a_mirror_of_another_journal_is_made_anew_where_the_journal_is_good(vault: Path) -> None:
    before = vaults.tree(vault)
    first, second = vaults.journals_of(vault)
    vaults.mirror_of(first).write_bytes(second.read_bytes() + bytes(9_000))
    assert healed(vault) == ["MirrorBehind"]
    assert vaults.tree(vault) == before


def test_a_mirror_of_which_nothing_can_be_proved_is_remarked(vault: Path) -> None:
    (vault / "copies/journal" / ("ab" * 16 + ".vjrn")).write_bytes(bytes(HEADER_SIZE + 100))
    assert [(type(f.error).__name__, f.severity) for f in vaults.findings(vault)] == [("Leftover", Severity.REMARK)]


def test_a_mirror_of_a_settled_journal_is_remarked(vault: Path) -> None:
    stray = vault / "copies/journal" / ("ab" * 16 + ".vjrn")
    stray.write_bytes(vaults.journals_of(vault)[0].read_bytes())
    with vaults.opened(vault) as opened:
        opened.settle()
    report = vaults.checked(vault)
    assert {f.severity for f in report.findings} <= {Severity.REMARK}
