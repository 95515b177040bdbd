"""A full disk: writes are refused and lose nothing, audited reads go on, and space makes the vault write again."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from vaultfs_tools import fsck

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, answers, event_types, get, put, session
from vaultfs import Condition
from vaultfs.audit.log import read_leaves
from vaultfs.engine.committing.reserve import RESERVE
from vaultfs.errors import StorageFull
from vaultfs.testing.quota import QuotaVfs

LOTS = 1 << 30


@pytest.fixture
def disk() -> QuotaVfs:
    """Return a disk with space."""
    return QuotaVfs(LOTS)


def _filled(opened: Open, disk: QuotaVfs) -> tuple[vaultfs.Vault, list[vaultfs.RecordId]]:
    vault = opened(vfs=disk)
    kept = [put(vault, b"%d" % number, date=date(2001, 1, 1 + number)) for number in range(5)]
    kept.append(put(vault, os.urandom(200_000)))
    return vault, kept


def _until_full(vault: vaultfs.Vault) -> list[vaultfs.RecordId]:
    """Write until there is no space: a journal that began in the reserve has some."""
    written = []
    with suppress(StorageFull):
        while True:
            written.append(put(vault, os.urandom(60_000)))
    return written


def test_reading_goes_on_audited_when_the_disk_is_full(opened: Open, disk: QuotaVfs) -> None:
    vault, kept = _filled(opened, disk)
    disk.left = 0
    for data in (b"small", os.urandom(100_000)):
        with pytest.raises(StorageFull):
            put(vault, data)
    with vault.session(vaultfs.Principal("dr-who"), "TREAT", strict=True) as s:
        assert [s.get(record).data for record in kept[:5]] == [b"%d" % number for number in range(5)]
        assert len(s.find(subject=MRN)) == 6
    assert vault.condition is Condition.FULL
    read = event_types(vault)
    assert read.count(vaultfs.EventType.RECORD_READ) == 5
    said = answers(vault)
    vault = opened(fresh=True, vfs=disk)
    assert answers(vault) == said
    assert event_types(vault)[: len(read)] == read


def test_a_write_that_found_no_space_is_absent_and_may_be_repeated(opened: Open, disk: QuotaVfs) -> None:
    vault, kept = _filled(opened, disk)
    disk.left = 300  # a group begins to be written
    with pytest.raises(StorageFull), session(vault) as s, s.transaction() as txn:
        txn.put(os.urandom(10_000), kind="Observation", subject=MRN)
    with session(vault) as s:
        assert {info.id for info in s.find(subject=MRN)} == set(kept)
    disk.left = LOTS
    again = put(vault, b"again")
    assert vault.condition is Condition.OPEN
    assert get(vault, again) == b"again"
    assert (vault.path / "journal" / "reserve").stat().st_size == RESERVE
    assert get(opened(fresh=True, vfs=disk), again) == b"again"


def test_the_vault_fills_and_empties_many_times(opened: Open, disk: QuotaVfs) -> None:
    vault, kept = _filled(opened, disk)
    for turn in range(6):
        disk.left = 200 * turn
        kept += _until_full(vault)
        assert get(vault, kept[0]) == b"0"
        disk.left = LOTS
        kept.append(put(vault, b"%d" % (100 + turn)))
        if turn == 3:
            vault.settle()
        if turn == 4:
            vault = opened(fresh=True, vfs=disk)
    with session(vault) as s:
        assert {info.id for info in s.find(subject=MRN)} == set(kept)
    assert [leaf.index for leaf in read_leaves(vault)] == list(range(vault.engine.leaves))
    vault.close()
    assert fsck.main([str(vault.path)]) == 0


def test_reading_ends_when_it_cannot_be_audited_any_more(opened: Open, disk: QuotaVfs) -> None:
    """The reserve ends too: then nothing is read, and what was read is in the log."""
    vault, kept = _filled(opened, disk)
    disk.left = released = 0
    with vault.session(vaultfs.Principal("dr-who"), "TREAT", strict=True) as s, suppress(StorageFull):
        while True:
            s.get_many([(record, None) for record in kept[:5]] * 50)
            released += 1
    assert released > 500
    assert vault.condition is Condition.FULL
    disk.left = LOTS
    put(vault)
    assert get(vault, kept[1]) == b"1"
    assert event_types(vault).count(vaultfs.EventType.RECORDS_READ) == released


def _segment_files(vault: vaultfs.Vault) -> set[Path]:
    files = {path for path in vault.path.rglob("*") if path.suffix in {".vseg", ".part", ".tmp"}}
    return files | set(vault.path.rglob("*.vkey.*"))


def test_a_settling_without_space_takes_itself_back(opened: Open, disk: QuotaVfs) -> None:
    vault, kept = _filled(opened, disk)
    said = answers(vault)
    vault.settle()
    for step in range(40):
        put(vault, os.urandom(3000), subject=None)
        put(vault, os.urandom(70_000 + step), subject=None)
        said = answers(vault)
        before = _segment_files(vault)
        disk.left = 6_000 * step
        try:
            vault.settle()
        except StorageFull:
            after = {
                path
                for path in vault.path.rglob("*")
                if path.suffix in {".vseg", ".part", ".tmp"} or ".vkey." in path.name
            }
            assert after == before
        assert answers(vault) == said
        disk.left = LOTS
    kept.append(put(vault, b"last"))
    vault.settle()
    assert get(vault, kept[-1]) == b"last"
    vault.close()
    assert fsck.main([str(vault.path)]) == 0


def test_a_vault_may_be_opened_and_read_on_a_full_disk(opened: Open, disk: QuotaVfs) -> None:
    vault, kept = _filled(opened, disk)
    vault.settle()
    vault.close()
    disk.left = 0
    vault = opened(fresh=True, vfs=disk)
    assert get(vault, kept[2]) == b"2"
    with pytest.raises(StorageFull):
        put(vault)
    vault.close()
    disk.left = LOTS
    vault = opened(fresh=True, vfs=disk)
    assert get(vault, put(vault)) == b"data"


def test_without_a_reserve_a_full_disk_is_told_when_the_vault_is_opened(opened: Open, disk: QuotaVfs) -> None:
    """Opening is an act that is audited: without space for that it fails, and nothing is lost."""
    vault, kept = _filled(opened, disk)
    vault.close()
    (vault.path / "journal" / "reserve").unlink()
    disk.left = 0
    with pytest.raises(StorageFull):
        opened(fresh=True, vfs=disk)
    disk.left = LOTS
    assert get(opened(fresh=True, vfs=disk), kept[3]) == b"3"
