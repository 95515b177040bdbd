"""Scrubbing: every byte once a round, in portions that survive anything, and what is damaged is healed and recorded."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from vaultfs_format.events.vault import SegmentRepaired
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import OTHER, crashed, events_of, flipped, get, lost, put, reopen, session
from vaultfs.audit.events import Outcome
from vaultfs.engine.settling.compaction import FAN
from vaultfs.errors import FieldInvalid
from vaultfs.storage.scrub import KEY, NAMESPACE, Portion, Round, round_of, scrub


@pytest.fixture
def filled(opened: Open) -> tuple[vaultfs.Vault, list[vaultfs.RecordId]]:
    """Return a vault with several segments, and its records."""
    vault = opened()
    records = []
    for year in range(2000, 2004):
        records.append(put(vault, os.urandom(20_000), date=date(year, 1, 1)))
        records.append(put(vault, b"%d" % year * 30_000, subject=OTHER, kind="Binary"))
        vault.settle()
    return vault, records


def segments(vault: vaultfs.Vault) -> list[Path]:
    """Return the segments, in the order in which a round takes them."""
    return [vault.engine.layout.segment(row) for row in sorted(vault.engine.head.segments)]


def whole_round(vault: vaultfs.Vault) -> list[Portion]:
    """Scrub a segment at a time until a round is complete."""
    portions = [scrub(vault, seconds=0)]
    while not portions[-1].finished:
        portions.append(scrub(vault, seconds=0))
    return portions


def test_a_round_that_a_host_has_overwritten_is_told_by_a_code(opened: Open) -> None:
    vault = opened()
    with session(vault) as s, s.transaction() as txn:
        txn.set_state(NAMESPACE, KEY, b"what no round is")
    with pytest.raises(FieldInvalid) as told:
        scrub(vault, seconds=0)
    assert told.value.__context__ is None


def test_a_round_looks_at_every_byte_once(filled: tuple[vaultfs.Vault, list[vaultfs.RecordId]]) -> None:
    vault, _ = filled
    count = len(segments(vault))
    assert round_of(vault) == Round()
    portions = whole_round(vault)
    assert [portion.segments for portion in portions] == [1] * count + [0]
    footers = [SegmentFooter.decode(path.read_bytes()[-FOOTER_SIZE:]) for path in segments(vault)]
    # Leaf hashes and footers are read, too; they are not counted.
    assert sum(one.checked for one in portions) == sum(one.leaves_offset + one.parity_length for one in footers)
    assert round_of(vault).completed > 0
    everything = scrub(vault, seconds=60)
    assert (everything.finished, everything.segments) == (True, count)


def test_all_damage_is_healed_wherever_a_round_was_stopped(
    filled: tuple[vaultfs.Vault, list[vaultfs.RecordId]], tmp_path: Path
) -> None:
    vault, records = filled
    wanted = [get(vault, record) for record in records]
    before = {path: path.read_bytes() for path in segments(vault)}
    vault.close()
    for number, (path, data) in enumerate(before.items()):
        path.write_bytes(flipped(data, (4100, 5, -3, -1500)[number % 4]))
    healed = 0
    for turn in range(2 * len(before)):
        with reopen(vault.path) as again:
            portion = scrub(again, seconds=0)
            healed += len(portion.healed)
            if turn % 3 == 0:
                put(again, b"meanwhile")
            if portion.finished:
                break
    assert healed == len(before)
    assert {path: path.read_bytes() for path in before} == before
    with reopen(crashed(vault.path, tmp_path / "copy", index=False)) as again:
        assert [get(again, record) for record in records] == wanted


def test_what_was_healed_and_what_is_lost_is_recorded(filled: tuple[vaultfs.Vault, list[vaultfs.RecordId]]) -> None:
    vault, records = filled
    rows = [row for row in vault.engine.head.segments if row.frame_class.name == "RECORD"]
    row = max(rows, key=lambda row: row.length)
    path = vault.engine.layout.segment(row)
    whole = path.read_bytes()
    path.write_bytes(flipped(whole, 5000))
    (done,) = scrub(vault, seconds=60).healed
    assert path.read_bytes() == whole
    lost(path, 1)
    (gone,) = scrub(vault, seconds=60).lost
    assert gone.segment_id == done.segment_id == row.segment_id
    assert set(gone.records) <= set(records)
    assert gone.records
    assert [
        (event.segment, event.outcome, event.healed > 0, event.lost > 0) for event in events_of(vault, SegmentRepaired)
    ] == [
        (row.segment_id, Outcome.DONE, True, False),
        (row.segment_id, Outcome.FAILED, False, True),
    ]


def test_key_tables_get_their_copies_again(filled: tuple[vaultfs.Vault, list[vaultfs.RecordId]]) -> None:
    vault, _ = filled
    layout = vault.engine.layout
    before = {}
    for number, row in enumerate(vault.engine.head.segments):
        table = layout.key_table(row)
        place = table if number % 2 else layout.copy_of(table)
        before[place] = place.read_bytes()
        if number % 3:
            place.write_bytes(flipped(before[place], 130))
        else:
            place.unlink()
    assert scrub(vault, seconds=60).tables == len(before)
    assert {place: place.read_bytes() for place in before} == before
    row = vault.engine.head.segments[0]
    for place in (layout.key_table(row), layout.copy_of(layout.key_table(row))):
        place.unlink()
    (gone,) = scrub(vault, seconds=60).lost
    assert (gone.segment_id, gone.complete) == (row.segment_id, False)


def test_a_rate_is_kept(filled: tuple[vaultfs.Vault, list[vaultfs.RecordId]]) -> None:
    vault, _ = filled
    slept: list[float] = []
    portion = scrub(vault, seconds=60, rate=100_000, sleep=slept.append)
    assert portion.finished
    # Nothing was really slept, so that each pause makes up for all that was read before.
    assert max(slept) == pytest.approx(portion.checked / 100_000, rel=0.2)
    slept.clear()
    scrub(vault, seconds=60, sleep=slept.append)
    assert slept == []


def test_segments_that_are_merged_while_a_round_goes_on_are_not_lost(opened: Open) -> None:
    vault = opened()
    for _ in range(FAN - 1):
        put(vault, os.urandom(3000), subject=None)
        vault.settle()
    before = set(vault.engine.head.segments)

    def merge(_: float) -> None:
        if before <= set(vault.engine.head.segments):
            put(vault, os.urandom(3000), subject=None)
            vault.settle()

    portion = scrub(vault, seconds=60, rate=1, sleep=merge)
    assert before.isdisjoint(vault.engine.head.segments)
    assert (portion.finished, portion.lost, portion.tables) == (True, [], 0)
    assert events_of(vault, SegmentRepaired) == []
    assert vault.maintenance.health().lost == frozenset()


def test_an_empty_vault_has_nothing_to_scrub(opened: Open) -> None:
    assert scrub(opened(), seconds=60) == Portion(finished=True)


def test_nothing_of_a_round_is_shown(filled: tuple[vaultfs.Vault, list[vaultfs.RecordId]]) -> None:
    assert "after" not in repr(Round(1, 2, b"segment id 123456"))
