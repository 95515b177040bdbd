"""Access journals without keys: an unmerged one is as it should be, and damage in one is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from vaultfs_format.journal import HEADER_SIZE, JournalHeader, JournalKeys
from vaultfs_tools.keyless import Severity

import vaultfs
from tests.vaultfs_tools import vaults


@pytest.fixture
def log(vault: Path) -> Path:
    """Return an access journal of four reads that nobody has merged."""
    unlock = vaultfs.Passphrase(vaults.SECRET)
    with (
        vaultfs.open_reader(vault, unlock=unlock, policy=vaultfs.PermitAll()) as reader,
        reader.session(vaultfs.Principal("dr-who"), "TREAT") as s,
    ):
        for _ in range(4):
            list(s.all_subjects())
    return next((vault / "journal").glob("*.vacc"))


def found_in(vault: Path, log: Path) -> list[str]:
    """Return the names of what is found in an access journal."""
    found = [one for one in vaults.findings(vault) if one.file == f"journal/{log.name}"]
    return vaults.names(found)


def test_one_that_is_not_merged_is_fine(vault: Path, log: Path) -> None:
    report = vaults.checked(vault)
    assert report.findings == []
    assert report.access_journals == 1


def test_a_torn_end_is_fine(vault: Path, log: Path) -> None:
    """What follows the last good group is a read that was never released."""
    data = log.read_bytes()
    ends = vaults.groups_of(log)
    for cut in (ends[-1] - 1, ends[-2] + 40, ends[1]):
        log.write_bytes(data[:cut])
        assert found_in(vault, log) == []


def test_damage_before_durable_groups_is_found(vault: Path, log: Path) -> None:
    vaults.flip(log, vaults.groups_of(log)[1] + 100)
    assert "DurableLost" in found_in(vault, log)


@pytest.mark.parametrize("at", [20, 60, 400, 3000, HEADER_SIZE - 40])
def test_a_damaged_header_is_found(vault: Path, log: Path, at: int) -> None:
    vaults.flip(log, at)
    assert any(one.severity is Severity.ERROR for one in vaults.findings(vault) if one.file.endswith(".vacc"))


def test_one_that_was_never_used_is_told_apart(vault: Path, log: Path) -> None:
    log.write_bytes(log.read_bytes()[:100])
    assert found_in(vault, log) == ["JournalEmpty"]


def test_one_of_another_vault_or_under_another_name_is_found(vault: Path, log: Path) -> None:
    data = log.read_bytes()
    header = JournalHeader.decode(data[:HEADER_SIZE])
    fields = {name: getattr(header, name) for name in header.__slots__} | {"vault_id": bytes(16)}
    other = JournalHeader(**fields).encode(JournalKeys(bytes(32), bytes(32)))
    log.write_bytes(other)
    assert found_in(vault, log) == ["Disagreement"]
    log.write_bytes(data)
    log.rename(log.with_name("ab" * 16 + ".vacc"))
    assert found_in(vault, log.with_name("ab" * 16 + ".vacc")) == ["Disagreement"]


def test_a_journal_of_the_writer_is_none(vault: Path, log: Path) -> None:
    shutil.copy(vaults.journals_of(vault)[0], log)
    assert "Disagreement" in found_in(vault, log)


def test_one_without_a_head_is_checked_by_itself(vault: Path, log: Path) -> None:
    for place in ("head", "copies/head"):
        (vault / place).write_bytes(b"")
    assert vaults.checked(vault).access_journals == 1
