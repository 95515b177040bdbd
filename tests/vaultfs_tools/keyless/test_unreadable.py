"""Sectors that the device does not give: what lies around them is kept, and nothing is replaced by zeros."""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from vaultfs_tools.keyless import Severity, VaultFiles, heal

from tests.vaultfs_tools import vaults

SECTOR = 512


class Device:
    """Stands in for a device some of whose sectors cannot be read, at the system call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._bad: dict[int, set[int]] = defaultdict(set)
        self._read = os.preadv
        monkeypatch.setattr(os, "preadv", self._preadv)

    def lose(self, path: Path, *offsets: int) -> None:
        """Let reads of the sectors fail in which these bytes of a file are."""
        self._bad[path.stat().st_ino] |= {at // SECTOR for at in offsets}

    def recover(self) -> None:
        """Let every read succeed from now on."""
        self._bad.clear()

    def _preadv(self, descriptor: int, buffers: list[memoryview], offset: int) -> int:
        end = offset + sum(map(len, buffers))
        sectors = range(offset // SECTOR, -(-end // SECTOR))
        if not self._bad[os.fstat(descriptor).st_ino].isdisjoint(sectors):
            raise OSError(errno.EIO, "I/O error")
        return self._read(descriptor, buffers, offset)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    """Return the device on which every file lies."""
    return Device(monkeypatch)


def healed(vault: Path) -> set[Severity]:
    """Check and heal a vault; return the severities of what was found."""
    report = vaults.checked(vault)
    assert "FileUnreadable" in vaults.names(report.findings)
    heal(VaultFiles(vault), report)
    return {finding.severity for finding in report.findings}


def long_groups(vault: Path) -> tuple[Path, list[int]]:
    """Return a live journal that another one follows, and where groups begin in it that fill several sectors each."""
    with vaults.opened(vault) as opened:
        for number in range(3):
            with opened.session(vaults.WHO, "TREAT") as session, session.transaction() as txn:
                txn.put(os.urandom(9_000 + number), kind="Binary", subject=vaults.PATIENT)
    with vaults.opened(vault) as opened:
        vaults.fill(opened, 2018)
    journal = vaults.journals_of(vault)[-2]
    offsets = vaults.groups_of(journal)
    return journal, [begin for begin, end in pairwise(offsets) if end - begin > 9_000]


def test_a_journal_and_its_mirror_that_miss_different_groups_are_healed(vault: Path, device: Device) -> None:
    journal, groups = long_groups(vault)
    before = vaults.tree(vault)
    device.lose(journal, groups[0] + 1000)
    device.lose(vaults.mirror_of(journal), groups[1] + 1000)
    assert healed(vault) == {Severity.CORRECTED}
    device.recover()
    assert vaults.tree(vault) == before


def test_a_journal_keeps_its_groups_where_only_its_own_sectors_are_lost(vault: Path, device: Device) -> None:
    for journal in vaults.journals_of(vault):
        before = vaults.tree(vault)
        device.lose(journal, 100, vaults.groups_of(journal)[1] + 10)
        assert healed(vault) == {Severity.CORRECTED}
        device.recover()
        assert vaults.tree(vault) == before


def test_a_group_is_put_together_from_the_sectors_of_both_copies(vault: Path, device: Device) -> None:
    """A group before it is damaged in the file alone, so that the file is written."""
    journal, groups = long_groups(vault)
    before = vaults.tree(vault)
    device.lose(journal, groups[0] + 1000, groups[1] + 1000)
    device.lose(vaults.mirror_of(journal), groups[1] + 5000)
    healed(vault)
    assert "DurableLost" not in vaults.names(vaults.findings(vault))
    device.recover()
    assert vaults.tree(vault) == before


def test_what_follows_the_good_groups_is_not_replaced_by_zeros(vault: Path, device: Device) -> None:
    """Neither copy gives a group: it may be read another day, or elsewhere."""
    journal, groups = long_groups(vault)
    before = vaults.tree(vault)
    device.lose(journal, groups[0] + 1000)
    for path in vaults.both(journal):
        device.lose(path, groups[1] + 1000)
    assert Severity.ERROR in healed(vault)
    device.recover()
    assert vaults.tree(vault) == before
    assert vaults.findings(vault) == []


@pytest.mark.parametrize("kind", ["RECORD", "BLOB", "CONTROL", "AUDIT"])
def test_a_segment_is_healed_wherever_one_of_its_sectors_is_lost(vault: Path, device: Device, kind: str) -> None:
    row = vaults.rows_of(vault)[kind]
    path = next(vault.rglob(f"{row.segment_id.hex()}.vseg"))
    before = vaults.tree(vault)
    size = path.stat().st_size
    for at in {0, 4096, size // 2, size - 1500, size - 1}:
        device.lose(path, at)
        assert healed(vault) == {Severity.CORRECTED}, at
        device.recover()
        assert vaults.tree(vault) == before


def test_a_segment_and_its_mirror_that_both_miss_sectors_are_healed_from_each_other(
    vault: Path, device: Device
) -> None:
    """In each of them more is lost than its own parity bears."""
    for path in (vault / "segments").rglob("*.vseg"):
        mirror = vaults.mirror_of(path)
        mirror.parent.mkdir(parents=True, exist_ok=True)
        mirror.write_bytes(path.read_bytes())
    before = vaults.tree(vault)
    path = next((vault / "segments").rglob(f"{vaults.rows_of(vault)['BLOB'].segment_id.hex()}.vseg"))
    slices = range(path.stat().st_size // 4096)
    device.lose(path, *(4096 * number for number in slices if number % 2))
    device.lose(vaults.mirror_of(path), *(4096 * number for number in slices if not number % 2))
    assert healed(vault) == {Severity.CORRECTED}
    device.recover()
    assert vaults.tree(vault) == before


@pytest.mark.parametrize("lost", ["file", "mirror"])
def test_a_part_file_is_not_made_of_a_copy_that_cannot_be_read(vault: Path, device: Device, lost: str) -> None:
    part = next((vault / "segments").rglob("*.part"))
    gone, left = vaults.both(part) if lost == "file" else vaults.both(part)[::-1]
    gone.unlink()
    before = vaults.tree(vault)
    device.lose(left, 50_000)
    heal(VaultFiles(vault), vaults.checked(vault))
    device.recover()
    assert vaults.tree(vault) == before


def test_a_part_file_that_was_cut_gets_what_it_does_not_give_from_its_mirror(vault: Path, device: Device) -> None:
    part = next((vault / "segments").rglob("*.part"))
    before = vaults.tree(vault)
    part.write_bytes(part.read_bytes()[:-5000])
    device.lose(part, 50_000)
    heal(VaultFiles(vault), vaults.checked(vault))
    device.recover()
    assert vaults.tree(vault) == before
