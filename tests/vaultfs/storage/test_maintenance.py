"""Maintenance: what is due and nothing else, whatever else fails, and a host can tell what is late."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from threading import Thread

import pytest
from vaultfs_format.events.vault import SegmentRepaired

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import WHO, events, events_of, flipped, get, lost, put, read_only
from vaultfs.audit.events import EventType
from vaultfs.errors import Closed, StorageFailed, WriterPoisoned
from vaultfs.storage.maintenance import Maintained, Step
from vaultfs.testing.vfs import FaultyVfs, Operation

DAY = 86_400
START = 1_700_000_000


class Clock:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.seconds = START

    def __call__(self) -> int:
        return self.seconds * 1_000_000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault(opened: Open, clock: Clock) -> vaultfs.Vault:
    """Return a vault with a few segments."""
    vault = opened(options=vaultfs.Options(clock=clock))
    for _ in range(3):
        put(vault, os.urandom(30_000), subject=None)
        vault.settle()
    return vault


def test_all_that_is_due_is_done_at_once(vault: vaultfs.Vault) -> None:
    record = put(vault, os.urandom(50_000))
    with read_only(vault.path) as reader, reader.session(WHO, "TREAT") as s:
        s.get(record)
    done = vault.maintenance.run(60)
    assert (done.failed, done.overdue, done.lost) == ({}, 0.0, [])
    assert done.segments > 0
    assert done.events > 0
    assert done.scrubbed is not None
    assert done.scrubbed.finished


def test_doing_it_again_does_little(vault: vaultfs.Vault) -> None:
    vault.maintenance.run(60)
    size = sum(path.stat().st_size for path in vault.path.rglob("*") if path.is_file())
    again = vault.maintenance.run(60)
    assert again.scrubbed is None
    assert not again.repaired
    after = sum(path.stat().st_size for path in vault.path.rglob("*") if path.is_file())
    assert after - size < 100_000


def test_a_round_is_begun_when_half_of_the_period_has_passed(vault: vaultfs.Vault, clock: Clock) -> None:
    maintenance = vault.maintenance
    assert maintenance.run(60, period=10 * DAY).scrubbed is not None
    for days, due in ((1, False), (3, False), (2, True), (1, False)):
        clock.seconds += days * DAY
        assert (maintenance.run(60, period=10 * DAY).scrubbed is not None) is due


def test_a_round_that_is_late_is_told(vault: vaultfs.Vault, clock: Clock) -> None:
    maintenance = vault.maintenance
    assert maintenance.overdue(10 * DAY) == 0
    maintenance.run(0, period=10 * DAY)
    clock.seconds += 12 * DAY
    assert maintenance.overdue(10 * DAY) == 2 * DAY
    for number in count():
        done = maintenance.run(0, period=10 * DAY)
        assert done.scrubbed is not None
        if done.scrubbed.finished:
            break
        assert number < 50
    clock.seconds += DAY
    assert maintenance.overdue(10 * DAY) == 3 * DAY  # the round that was completed began twelve days before
    while done.scrubbed is not None:
        done = maintenance.run(60, period=10 * DAY)
    assert maintenance.overdue(10 * DAY) == 0


def test_what_reads_have_met_is_repaired_first(vault: vaultfs.Vault) -> None:
    record = put(vault, os.urandom(50_000))
    vault.settle()
    vault.maintenance.run(60)
    row = max(vault.engine.head.segments, key=lambda row: row.length)
    path = vault.engine.layout.segment(row)
    whole = path.read_bytes()
    path.write_bytes(flipped(whole, 5000))
    get(vault, record)
    (done,) = vault.maintenance.run(0).repaired
    assert (done.segment_id, done.healed) == (row.segment_id, 1)
    assert path.read_bytes() == whole


def test_what_is_lost_is_told(vault: vaultfs.Vault) -> None:
    rows = [row for row in vault.engine.head.segments if row.frame_class.name == "RECORD"]
    lost(vault.engine.layout.segment(rows[0]), 2)
    done = vault.maintenance.run(60)
    assert [one.segment_id for one in done.lost] == [rows[0].segment_id]
    assert len([event for event in events(vault) if event.type == EventType.SEGMENT_REPAIRED]) == 1


@pytest.mark.parametrize("copy", ["", "copies/"])
def test_small_files_of_which_a_copy_is_damaged_or_gone_are_healed(vault: vaultfs.Vault, copy: str) -> None:
    """Not only when the vault is opened, which may be years ago."""
    places = [vault.path / copy / name for name in ("head", "VAULT.1", "keyring.1")]
    whole = [place.read_bytes() for place in places]
    places[0].write_bytes(flipped(whole[0], 300))
    places[1].write_bytes(whole[1][:100])
    places[2].unlink()
    assert vault.maintenance.run(60).copies == 3
    assert [place.read_bytes() for place in places] == whole
    assert vault.maintenance.run(60).copies == 0


def test_a_small_file_that_is_damaged_in_both_places_heals_or_is_told(vault: vaultfs.Vault) -> None:
    places = [vault.path / "VAULT.1", vault.path / "copies/VAULT.1"]
    (whole, _) = [place.read_bytes() for place in places]
    for number, place in enumerate(places):
        place.write_bytes(flipped(whole, 300 * (number + 1)))
    assert vault.maintenance.run(60).copies == 2
    assert [place.read_bytes() for place in places] == [whole, whole]
    for place in places:
        place.write_bytes(flipped(whole, 300))
    done = vault.maintenance.run(60)
    assert set(done.failed) == {Step.COPIES}
    assert done.scrubbed is None or done.scrubbed.finished


def test_a_step_that_fails_keeps_none_of_the_others_from_running(opened: Open, tmp_path: Path) -> None:
    vfs = FaultyVfs()
    vault = opened(vfs=vfs)
    record = put(vault, os.urandom(40_000), subject=None)
    vault.settle()
    row = max(vault.engine.head.segments, key=lambda row: row.length)
    path = vault.engine.layout.segment(row)
    path.write_bytes(flipped(path.read_bytes(), 5000))
    get(vault, record)
    vfs.fail(Operation.CREATE, error=28)
    done = vault.maintenance.run(60)
    assert set(done.failed) == {Step.REPAIR}
    assert done.scrubbed is not None
    assert done.scrubbed.healed


@pytest.mark.parametrize("number", [1, 2])
def test_a_repair_that_fails_keeps_no_other_from_being_made_and_recorded(opened: Open, number: int) -> None:
    vfs = FaultyVfs()
    vault = opened(vfs=vfs)
    records = []
    for _ in range(2):
        records.append(put(vault, os.urandom(40_000), subject=None))
        vault.settle()
    vault.maintenance.run(60)
    rows = [row for row in vault.engine.head.segments if row.frame_class.name == "RECORD"]
    for row in rows:
        path = vault.engine.layout.segment(row)
        path.write_bytes(flipped(path.read_bytes(), 5000))
    for record in records:
        get(vault, record)
    vfs.fail(Operation.CREATE, error=28, number=number)
    done = vault.maintenance.run(60)
    assert set(done.failed) == {Step.REPAIR}
    (repaired,) = done.repaired
    assert [event.segment for event in events_of(vault, SegmentRepaired)] == [repaired.segment_id]
    assert vault.maintenance.health().damaged == {row.segment_id for row in rows} - {repaired.segment_id}
    vfs.heal()
    assert len(vault.maintenance.run(60).repaired) == 1


def test_of_two_that_maintain_a_vault_at_once_the_second_waits(vault: vaultfs.Vault) -> None:
    """So it finds that the round was completed meanwhile, and the files of neither are in the other's way."""
    found: list[Maintained] = []
    second = Thread(target=lambda: found.append(vault.maintenance.run(60)))

    def begin(_: float) -> None:
        if second.ident is None:
            second.start()
            second.join(1)

    first = vault.maintenance.run(60, rate=1, sleep=begin)
    second.join(60)
    assert first.scrubbed is not None
    assert first.scrubbed.finished
    assert [(one.scrubbed, one.failed) for one in found] == [(None, {})]


def test_a_writer_that_has_failed_is_not_maintained(opened: Open) -> None:
    vfs = FaultyVfs()
    vault = opened(vfs=vfs)
    vfs.fail(Operation.SYNC, error=5)
    with pytest.raises((StorageFailed, WriterPoisoned, vaultfs.VaultError)):
        put(vault)
    with pytest.raises(WriterPoisoned):
        vault.maintenance.run(60)
    vault.close()
    with pytest.raises(Closed):
        vault.maintenance.run(60)
