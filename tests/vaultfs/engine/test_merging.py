"""A site that settles a little every day keeps few files, and loses nothing when merging is interrupted."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import pytest
from vaultfs_format import merkle
from vaultfs_format.audit import AuditEntry
from vaultfs_format.frame import FrameClass
from vaultfs_format.suite import DEFAULT
from vaultfs_format.tlog.note import Note
from vaultfs_tools import fsck

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, answers, crashed, get, index_content, put, session
from vaultfs.audit import view as views
from vaultfs.audit.log import read_leaves
from vaultfs.audit.view import LogView
from vaultfs.engine.engine import Engine
from vaultfs.engine.opening.starting import MAX_LIVE_JOURNALS
from vaultfs.engine.reading.compare import index_differences
from vaultfs.engine.settling import carrying
from vaultfs.engine.settling.compaction import FAN
from vaultfs.errors import VaultDamaged, VaultError
from vaultfs.storage.health import Concern
from vaultfs.testing.vfs import FaultyVfs, Operation, When

DAYS = 200


def _day(vault: vaultfs.Vault, number: int) -> None:
    """Store what a small site gets in a day, and settle."""
    when = date(2020, 1, 1) + timedelta(days=number)
    with session(vault) as s, s.transaction() as txn:
        for patient in range(3):
            name = vaultfs.Identifier("urn:oid:2.999", str((number + patient) % 17))
            txn.put(os.urandom(400), kind="Observation", subject=name, date=when)
        txn.put(b"undated %d" % number, kind="Observation", subject=MRN)
        txn.set_state("feed", b"last", b"%d" % number)
        if number % 5 == 0:
            txn.put(os.urandom(90_000), kind="Binary", subject=MRN, date=when)
    vault.settle()


def _segments(vault: vaultfs.Vault) -> list[Path]:
    return sorted(vault.path.rglob("*.vseg"))


def test_a_daily_feed_keeps_few_segments_and_changes_no_answer(opened: Open) -> None:
    vault = opened(vfs=FaultyVfs(durable=False))
    for number in range(DAYS):
        _day(vault, number)
    assert len(_segments(vault)) == len(vault.engine.head.segments) < 80
    names = [vaultfs.Identifier("urn:oid:2.999", str(number)) for number in range(17)]
    said = answers(vault, [MRN, *names])
    assert sum(map(len, said.values())) >= 4 * DAYS
    assert [leaf.index for leaf in read_leaves(vault)] == list(range(vault.engine.leaves))
    before = index_content(vault)
    vault.rebuild_index()
    assert index_content(vault) == before
    vault = opened(fresh=True)
    assert answers(vault, [MRN, *names]) == said
    vault.close()
    shutil.rmtree(vault.path / "index")
    vault = opened()
    assert answers(vault, [MRN, *names]) == said
    vault.close()
    assert fsck.main([str(vault.path)]) == 0


@pytest.mark.parametrize("stride", [17, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_a_merging_that_is_cut_short_anywhere_is_finished_or_forgotten(
    opened: Open, tmp_path: Path, stride: int
) -> None:
    vfs = FaultyVfs(durable=False)
    vault = opened(vfs=vfs)
    for number in range(7):
        _day(vault, number)
    said = answers(vault)
    start = crashed(vault.path, tmp_path / "start")
    calls = vfs.changes()
    _day(vault, 7)
    steps = vfs.changes() - calls
    assert len(vault.engine.head.segments) < 8 * 3
    merged = 0
    for step in range(0, steps, stride):
        copy = tmp_path / f"copy{step}" / "v"
        shutil.copytree(start, copy)
        shutil.copytree(start.with_name(start.name + ".epoch"), copy.with_name("v.epoch"))
        broken = FaultyVfs(durable=False)
        again = opened(copy, vfs=broken)
        broken.fail(*set(Operation) - {Operation.OPEN, Operation.READ}, error=errno.EIO, number=step + 1, lasting=True)
        with suppress(VaultError):
            _day(again, 7)
        broken.heal()
        again.close()
        assert fsck.main([str(copy)]) in (0, 1)
        again = opened(copy)
        found = answers(again)
        assert said.items() <= found.items() or all(
            {str(one) for one in rows} <= {str(one) for one in found[subject]} for subject, rows in said.items()
        )
        named = {row.segment_id.hex() for row in again.engine.head.segments}
        assert {path.stem for path in _segments(again)} == named
        merged += again.engine.head.generation > vault.engine.head.generation - 1
        again.close()
        assert fsck.main([str(copy)]) == 0
        shutil.rmtree(copy.parent)
    assert merged


@pytest.mark.parametrize("when", list(When))
def test_a_source_that_could_not_be_removed_is_removed_when_the_vault_is_opened(opened: Open, when: When) -> None:
    vfs = FaultyVfs(durable=False)
    vault = opened(vfs=vfs)
    for number in range(7):
        _day(vault, number)
    said = answers(vault)
    with session(vault) as s, s.transaction() as txn:
        txn.put(b"one more", kind="Observation", subject=None)
    vfs.fail(Operation.UNLINK, error=errno.EIO, number=3, lasting=True, when=when)
    with pytest.raises(VaultError):
        _day(vault, 8)
    vfs.heal()
    vault = opened(fresh=True)
    assert {path.stem for path in _segments(vault)} == {row.segment_id.hex() for row in vault.engine.head.segments}
    assert said.keys() <= answers(vault).keys()


def _put_across(vault: vaultfs.Vault, number: int) -> dict[vaultfs.RecordId, bytes]:
    """Store large records whose commits come in another order than their bodies, often after a void; settle."""
    one, two, three = (vaultfs.Identifier("urn:oid:2.999", f"{number} {letter}") for letter in "abc")
    data = [os.urandom(length) for length in (70_000, 80_000, 90_000)]
    with session(vault) as s:
        lost, late, early = s.transaction(), s.transaction(), s.transaction()
        if number % 3:
            lost.put(os.urandom(100_000), kind="Binary", subject=one)
        first = late.put(data[0], kind="Binary", subject=two)
        second = early.put(data[1], kind="Binary", subject=three)
        early.commit()
        lost.rollback()
        third = late.put(data[2], kind="Binary", subject=two)
        late.commit()
    vault.settle()
    return dict(zip((first, second, third), data, strict=True))


def _blobs(vault: vaultfs.Vault) -> int:
    return sum(row.frame_class is FrameClass.BLOB for row in vault.engine.head.segments)


@pytest.mark.parametrize("before", [0, FAN])
def test_large_records_are_read_after_merging_though_their_commits_came_in_another_order(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """So do those of segments as SEG-26 lets others write them, in any order and with gaps: nobody merges these."""
    vault = opened(vfs=FaultyVfs(durable=False))
    with monkeypatch.context() as patch:
        patch.setattr(carrying, "MERGE_LIMIT", 0)
        data = [_put_across(vault, number) for number in range(before)]
    assert _blobs(vault) == before
    data += [_put_across(vault, number) for number in range(before, before + FAN + 1)]
    assert _blobs(vault) == before + 2
    for record, expected in [item for part in data for item in part.items()]:
        assert get(vault, record) == expected
    assert index_differences(vault.engine, tmp_path / "other") == {}
    assert before or vault.space().bodies < 1.1 * sum(len(one) for part in data for one in part.values())


@pytest.mark.parametrize("frame_class", ["RECORD", "AUDIT"])
def test_a_segment_that_is_lost_stays_out_of_merging_and_keeps_nobody_from_the_vault(
    opened: Open, frame_class: str
) -> None:
    """All others are merged, the vault settles and opens, and what is lost is told by its health."""
    vault = opened()

    def store(days: int) -> None:
        for _ in range(days):
            put(vault, os.urandom(400), subject=None)
            vault.settle()

    store(FAN - 1)
    gone = next(row for row in vault.engine.head.segments if row.frame_class.name == frame_class)
    path = vault.engine.layout.segment(gone)
    vault.close()
    path.unlink()
    vault = opened()
    store(FAN + 1)
    assert vault.condition is vaultfs.Condition.OPEN
    named = [row for row in vault.engine.head.segments if row.frame_class.name == frame_class]
    assert gone in named
    assert len(named) <= FAN + 1
    assert Concern.DAMAGED in vault.maintenance.health().concerns
    assert [one.segment_id for one in vault.maintenance.run(0).repaired] == [gone.segment_id]
    assert Concern.LOST in vault.maintenance.health().concerns
    for _ in range(MAX_LIVE_JOURNALS + 2):
        vault = opened(fresh=True)
        put(vault, subject=None)
    assert len(vault.engine.live) <= MAX_LIVE_JOURNALS


def test_what_a_crash_has_left_of_merged_segments_goes_though_another_is_missing(opened: Open) -> None:
    """Mirrors and unfinished files beside them go, too. What is missing is read from its mirror, and keeps it."""
    vault = opened()
    vault.maintenance.mirror_segments(on=True)
    kept = [put(vault, os.urandom(20_000), subject=None, date=date(1980, 1, 1)) for _ in range(20)]
    vault.settle()
    (large,) = [row for row in vault.engine.head.segments if row.frame_class.name == "RECORD"]
    for _ in range(FAN - 1):
        put(vault, os.urandom(400), subject=None)
        vault.settle()
    layout = vault.engine.layout
    rows = [row for row in vault.engine.head.segments if row.frame_class.name == "RECORD" and row != large]
    sources = [path for row in rows for path in (layout.segment(row), layout.copy_of(layout.segment(row)))]
    before = {path: path.read_bytes() for path in sources}
    put(vault, os.urandom(400), subject=None)
    vault.settle()
    assert set(rows).isdisjoint(vault.engine.head.segments)
    vault.close()
    litter = {path: data for number, (path, data) in enumerate(before.items()) if number % 3 != 1}
    litter |= {path.with_suffix(".tmp"): b"unfinished" for path in sources[:4]}
    for path, data in litter.items():
        path.write_bytes(data)
    data = layout.segment(large).read_bytes()
    layout.segment(large).unlink()
    vault = opened()
    assert [path for path in litter if path.exists()] == []
    assert layout.copy_of(layout.segment(large)).read_bytes() == data
    assert all(len(get(vault, record)) == 20_000 for record in kept)


@pytest.mark.parametrize("data", [b"", bytes(4096), None])
def test_a_stranger_among_segments_and_mirrors_is_left_for_fsck(opened: Open, data: bytes | None) -> None:
    vault = opened()
    put(vault, os.urandom(400), subject=None)
    vault.settle()
    other = opened(vault.path.with_name("other"))
    put(other, os.urandom(400), subject=None)
    other.settle()
    path = next(iter(_segments(other)))
    strangers = [vault.path / top / path.relative_to(other.path) for top in ("", "copies")]
    vault.close()
    for stranger in strangers:
        stranger.parent.mkdir(parents=True, exist_ok=True)
        stranger.write_bytes(path.read_bytes() if data is None else data)
    opened(vault.path)
    assert all(stranger.exists() for stranger in strangers)


def _merge(vault: vaultfs.Vault) -> None:
    """Settle until all audit segments that there are now are merged into others."""
    before = {row for row in vault.engine.head.segments if row.frame_class is FrameClass.AUDIT}
    while before & set(vault.engine.head.segments):
        for _ in range(FAN):
            put(vault)
            vault.settle()


@pytest.fixture
def unmerged(opened: Open) -> vaultfs.Vault:
    """Return a vault with several small audit segments, which the next merging takes in."""
    vault = opened()
    for _ in range(FAN - 3):
        put(vault)
        vault.settle()
    return vault


@pytest.mark.parametrize("live", [False, True], ids=["settled", "with a journal"])
@pytest.mark.parametrize("first", [0, 9])
def test_a_log_that_is_merged_while_it_is_read_is_read_to_where_it_ended(
    unmerged: vaultfs.Vault, live: bool, first: int
) -> None:
    if live:
        put(unmerged)
    expected = list(read_leaves(unmerged))
    known = merkle.CompactRange(merkle.audit_nodes(DEFAULT))
    known.extend(merkle.audit_leaves(DEFAULT, [leaf.entry.encode() for leaf in expected[:first]]))
    reading = read_leaves(unmerged, known)
    found = [next(reading)]
    _merge(unmerged)
    assert [*found, *reading] == expected[first:]


def test_a_log_that_is_merged_and_damaged_is_told(unmerged: vaultfs.Vault) -> None:
    reading = read_leaves(unmerged)
    next(reading)
    _merge(unmerged)
    for path in _segments(unmerged):
        if "audit" in path.parts:
            path.unlink()
    with pytest.raises(VaultError):
        list(reading)


@pytest.mark.parametrize("times", [1, 3])
def test_a_log_that_is_merged_while_it_is_looked_at_is_shown(
    unmerged: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """In the end nobody else settles: another thread would wait."""
    sign, merged = views.signed_head, [unmerged] * times

    def signing(engine: Engine) -> Note:
        note = sign(engine)
        if merged:
            _merge(merged.pop())
        return note

    monkeypatch.setattr(views, "signed_head", signing)
    view = LogView(unmerged)
    assert not merged
    assert (view.size, view.root) == (unmerged.engine.head.tree_size, unmerged.engine.head.tree_root)


def test_a_log_that_was_looked_at_is_proved_when_it_is_merged(unmerged: vaultfs.Vault) -> None:
    view = LogView(unmerged)
    expected = list(view.leaves())
    _merge(unmerged)
    for first in range(0, view.size, 5):
        assert list(view.leaves(first)) == expected[first:]
        assert view.prove(first).verify(view.keys).size == view.size
    assert [leaf.index for leaf in expected] == list(range(view.size - 1))
    assert view.leaf(view.size - 1).entry == AuditEntry.decode(view.entry(view.size - 1))


def test_what_is_lost_of_a_log_that_was_looked_at_is_told(unmerged: vaultfs.Vault) -> None:
    view = LogView(unmerged)
    for path in _segments(unmerged):
        if "audit" in path.parts:
            path.unlink()
    with pytest.raises(VaultDamaged) as told:
        view.leaf(7)
    assert told.value.facts == {"leaf": 7}
    with pytest.raises(VaultDamaged):
        list(view.leaves(7))
