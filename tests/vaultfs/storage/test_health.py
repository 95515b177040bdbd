"""The health of a vault: a concern is raised where it is one, and nowhere else."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.storage.test_maintenance import Clock
from tests.vaultfs.support import flipped, get, lost, put
from vaultfs.errors import Closed
from vaultfs.storage.health import DAY, Concern, Thresholds

QUIET = Thresholds(copy_age=None, epoch_stores=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault(opened: Open, clock: Clock) -> vaultfs.Vault:
    """Return a vault with segments that have been scrubbed."""
    vault = opened(options=vaultfs.Options(clock=clock))
    put(vault, os.urandom(60_000))
    vault.settle()
    vault.maintenance.run(60)
    return vault


def concerns(vault: vaultfs.Vault, thresholds: Thresholds = QUIET) -> set[Concern]:
    """Return the concerns of a vault; the alarm must have been given for the same ones."""
    alarms: list[Concern] = []
    found = vault.maintenance.health(thresholds, alarms.append)
    assert tuple(alarms) == found.concerns
    return set(found.concerns)


def largest(vault: vaultfs.Vault) -> Path:
    """Return the largest segment."""
    return vault.engine.layout.segment(max(vault.engine.head.segments, key=lambda row: row.length))


def test_a_vault_that_is_well_raises_no_concern(vault: vaultfs.Vault) -> None:
    found = vault.maintenance.health(QUIET)
    assert found.concerns == ()
    assert (found.lost, found.damaged, found.overdue, found.mirrors_missing) == (frozenset(), frozenset(), 0.0, 0)
    assert (found.epoch_stores, found.anchors, found.unseen, found.copies) == (1, 1, 0, {})


def test_one_epoch_store_and_no_copy_are_concerns_unless_a_host_says_otherwise(vault: vaultfs.Vault) -> None:
    assert concerns(vault, Thresholds()) == {Concern.SINGLE_EPOCH_STORE, Concern.COPY_OVERDUE}


def test_two_epoch_stores_are_enough(tmp_path: Path) -> None:
    stores = [vaultfs.DirectoryStore(tmp_path / name) for name in ("one", "two")]
    unlock = vaultfs.Passphrase(b"correct horse battery staple")
    with vaultfs.create(tmp_path / "v", recipients=[unlock], epoch_stores=stores) as vault:
        assert vault.maintenance.health().epoch_stores == 2
        (stored,) = (tmp_path / "two").rglob("secret.1")
        stored.unlink()
        assert concerns(vault, Thresholds(copy_age=None)) == {Concern.SINGLE_EPOCH_STORE}


def test_damage_is_a_concern_until_it_is_repaired(vault: vaultfs.Vault) -> None:
    record = put(vault, os.urandom(50_000))
    vault.settle()
    path = largest(vault)
    path.write_bytes(flipped(path.read_bytes(), 5000))
    get(vault, record)
    (row,) = [row for row in vault.engine.head.segments if vault.engine.layout.segment(row) == path]
    if row.segment_id in vault.maintenance.health(QUIET).damaged:
        assert concerns(vault) == {Concern.DAMAGED}
    vault.maintenance.run(60, period=0)
    assert concerns(vault) == set()


@pytest.mark.parametrize("how", ["missing", "directory", "beyond"])
def test_damage_to_anything_that_a_read_needs_is_a_concern(vault: vaultfs.Vault, opened: Open, how: str) -> None:
    """Also where the mirror serves the read, or what was damaged are the rows that tell where everything is."""
    options = vaultfs.Options(clock=Clock())
    vault.maintenance.mirror_segments(on=True)
    record = put(vault, os.urandom(50_000), date=date(1980, 1, 1))
    vault.settle()
    vault.maintenance.run(60)
    (row,) = [row for row in vault.engine.head.segments if row.first_year == 1980]
    path = vault.engine.layout.segment(row)
    whole = path.read_bytes()
    vault.close()
    at = SegmentFooter.decode(whole[-FOOTER_SIZE:]).directory_offset
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(flipped(whole, at + 3) if how == "directory" else whole[:at])
    vault = opened(fresh=True, options=options)
    assert len(get(vault, record)) == 50_000
    assert concerns(vault) == {Concern.DAMAGED}
    assert [one.segment_id for one in vault.maintenance.run(0).repaired] == [row.segment_id]
    assert path.read_bytes() == whole
    assert get(vault, record)
    assert concerns(vault) == set()


def test_what_is_lost_stays_a_concern_over_reopening_until_it_is_restored(opened: Open, vault: vaultfs.Vault) -> None:
    path = largest(vault)
    whole = path.read_bytes()
    lost(path, 2)
    (one,) = vault.maintenance.run(60, period=0).lost
    assert vault.maintenance.health(QUIET).lost == {one.segment_id}
    vault = opened(fresh=True, options=vaultfs.Options(clock=Clock()))
    assert concerns(vault) == {Concern.LOST}
    path.write_bytes(whole)
    vault.maintenance.run(60, period=0)
    assert concerns(vault) == set()


def test_scrubbing_that_is_late_is_a_concern(vault: vaultfs.Vault, clock: Clock) -> None:
    clock.seconds += 31 * DAY
    assert concerns(vault) == {Concern.SCRUB_OVERDUE}
    assert concerns(vault, Thresholds(copy_age=None, epoch_stores=1, scrub_period=40 * DAY)) == set()
    assert vault.maintenance.health(QUIET).overdue == DAY


def test_a_vault_that_was_never_scrubbed_is_late_from_when_it_was_created(opened: Open, clock: Clock) -> None:
    """As long as no whole round was completed, whether one was begun or not, and whoever has opened the vault."""
    options = vaultfs.Options(clock=clock)
    vault = opened(options=options)
    put(vault, os.urandom(60_000))
    vault.settle()
    clock.seconds += 29 * DAY
    vault = opened(fresh=True, options=options)
    assert concerns(vault) == set()
    clock.seconds += 3 * DAY
    assert concerns(vault) == {Concern.SCRUB_OVERDUE}
    assert vault.maintenance.run(0).overdue == 2 * DAY
    vault.maintenance.run(60)
    assert concerns(vault) == set()


def test_a_vault_that_was_never_scrubbed_is_late_if_the_beginning_of_its_log_is_lost(
    opened: Open, clock: Clock
) -> None:
    options = vaultfs.Options(clock=clock)
    vault = opened(options=options)
    vault.settle()
    (row,) = [row for row in vault.engine.head.segments if row.frame_class.name == "AUDIT"]
    vault.engine.layout.segment(row).unlink()
    assert concerns(opened(fresh=True, options=options)) == {Concern.SCRUB_OVERDUE}


def test_mirrors_that_are_missing_are_a_concern(vault: vaultfs.Vault) -> None:
    vault.maintenance.mirror_segments(on=True)
    assert vault.maintenance.health(QUIET).mirrors_missing == len(vault.engine.head.segments)
    assert concerns(vault) == {Concern.MIRRORS_MISSING}
    vault.maintenance.run(60)
    assert concerns(vault) == set()


def test_an_anchor_that_has_not_seen_the_newest_head_is_a_concern(opened: Open, tmp_path: Path) -> None:
    anchor = vaultfs.DirectoryAnchor(tmp_path / "anchor")
    opened().close()
    vault = opened(fresh=True, anchors=[anchor])
    put(vault)
    vault.settle()
    assert concerns(vault) == set()
    for path in (tmp_path / "anchor").rglob("*"):
        if path.is_file():
            path.unlink()
    assert vault.maintenance.health(QUIET).unseen == 1
    assert concerns(vault) == {Concern.UNSEEN}
    vault.maintenance.run(60)
    assert concerns(vault) == set()


def test_a_closed_vault_has_no_health(vault: vaultfs.Vault) -> None:
    vault.close()
    with pytest.raises(Closed):
        vault.maintenance.health()
