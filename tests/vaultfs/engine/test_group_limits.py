"""What the format limits in a group no writer goes beyond: else a vault would not open that has acknowledged it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import pytest
from vaultfs_format import limits
from vaultfs_format.events.records import RecordsRead

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import WHO, events_of, get, put, read_only, session
from vaultfs.engine.files import parts
from vaultfs.errors import TooLarge
from vaultfs.metrics import Counter, Tally

Patch = pytest.MonkeyPatch


def _name(number: int) -> vaultfs.Identifier:
    return vaultfs.Identifier("urn:oid:2.999", str(number))


@pytest.mark.parametrize(
    ("busy", "most", "days"),
    [(3, 5, 12), pytest.param(parts.MAX_BUSY, limits.MAX_GROUP_PARTS, 300, marks=pytest.mark.long)],
)
def test_a_transaction_may_be_open_through_any_number_of_settlings(
    opened: Open, monkeypatch: Patch, busy: int, most: int, days: int
) -> None:
    """It writes to a bounded number of files, however many days pass, and the vault opens with all that it has put."""
    monkeypatch.setattr(parts, "MAX_BUSY", busy)
    monkeypatch.setattr(limits, "MAX_GROUP_PARTS", most)
    vault = opened()
    data: dict[vaultfs.RecordId, bytes] = {}
    with session(vault) as s, s.transaction() as txn:
        for day in range(days):
            for _ in range(2):
                content = os.urandom(66_000 + day)
                data[txn.put(content, kind="Binary", subject=None)] = content
            content = os.urandom(70_000)
            data[put(vault, content, subject=None)] = content
            vault.settle()
            assert len(list(vault.path.glob("segments/**/*.part"))) <= busy + 1
    for _ in range(2):
        assert all(get(vault, record) == content for record, content in data.items())
        vault = opened(fresh=True)
        vault.settle()
    assert not list(vault.path.rglob("*.part"))


def test_a_transaction_with_more_files_than_a_group_names_is_refused(opened: Open, monkeypatch: Patch) -> None:
    monkeypatch.setattr(parts, "MAX_PART_FILE", 150_000)
    monkeypatch.setattr(limits, "MAX_GROUP_PARTS", 3)
    vault = opened()
    for count in (3, 4):
        contents = [os.urandom(100_000) for _ in range(count)]
        with session(vault) as s:
            txn = s.transaction()
            ids = [txn.put(content, kind="Binary", subject=None) for content in contents]
            if count == 4:
                with pytest.raises(TooLarge):
                    txn.commit()
                continue
            txn.commit()
        kept = dict(zip(ids, contents, strict=True))
    vault = opened(fresh=True)
    assert all(get(vault, record) == content for record, content in kept.items())
    vault.settle()
    assert not list(vault.path.rglob("*.part"))


@pytest.mark.parametrize(("limit", "most"), [("MAX_GROUP_AUDIT", 60), ("MAX_GROUP_FRAMES", 30)])
def test_a_transaction_of_more_than_a_group_holds_is_refused(
    opened: Open, monkeypatch: Patch, limit: str, most: int
) -> None:
    """Of records as of their events. One a patient, so that each has a frame of its own."""
    monkeypatch.setattr(limits, limit, most)
    vault = opened()
    with session(vault) as s:
        with pytest.raises(TooLarge), s.transaction() as txn:  # noqa: PT012 - its end is what raises
            for number in range(most):
                txn.put(b"%d" % number, kind="Observation", subject=_name(number))
        with s.transaction() as txn:
            ids = [txn.put(b"%d" % number, kind="Observation", subject=_name(number)) for number in range(most // 8)]
    vault = opened(fresh=True)
    assert [get(vault, record) for record in ids] == [b"%d" % number for number in range(most // 8)]


def _together(vault: vaultfs.Vault, acts: list[Callable[[], object]]) -> None:
    """Let threads commit while nobody can write, so that all of it waits for one group."""
    threads = [threading.Thread(target=act) for act in acts]
    with vault.engine.lock:
        for thread in threads:
            thread.start()
        time.sleep(0.5)
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("limit", ["MAX_GROUP_AUDIT", "MAX_GROUP_FRAMES", "MAX_GROUP_PARTS"])
def test_transactions_that_are_too_many_for_a_group_get_several(opened: Open, monkeypatch: Patch, limit: str) -> None:
    """Each has its share of a group; all that wait together have more."""
    monkeypatch.setattr(limits, limit, 16)
    monkeypatch.setattr(parts, "MAX_PART_FILE", 70_000)
    tally = Tally()
    vault = opened(options=vaultfs.Options(metrics=tally))
    sessions = [session(vault) for _ in range(20)]
    open_ones = [s.transaction() for s in sessions]
    data = {
        txn.put(content, kind="Binary", subject=None): content for txn in open_ones for content in [os.urandom(66_000)]
    }
    before = tally.counts[Counter.GROUPS]
    _together(vault, [txn.commit for txn in open_ones])
    assert 1 < tally.counts[Counter.GROUPS] - before < 20
    vault = opened(fresh=True)
    assert all(get(vault, record) == content for record, content in data.items())


@pytest.mark.parametrize("by", ["writer", "reader"])
def test_events_of_a_read_that_are_too_many_for_a_group_get_several(opened: Open, monkeypatch: Patch, by: str) -> None:
    vault = opened()
    ids = [put(vault, b"%d" % number, subject=_name(number)) for number in range(40)]
    monkeypatch.setattr(limits, "MAX_GROUP_AUDIT", 16)
    with read_only(vault.path) as reader, (vault if by == "writer" else reader).session(WHO, "TREAT", strict=True) as s:
        assert len(s.get_many([(record, None) for record in ids])) == 40
    vault = opened(fresh=True)
    vault.merge_access_logs()
    assert sum(event.records for event in events_of(vault, RecordsRead)) == 40


def test_events_of_a_reader_that_no_commit_can_take_are_left_where_they_are(opened: Open, monkeypatch: Patch) -> None:
    """Another program may have written so many in one group: the vault goes on, and a later version may take them."""
    vault = opened()
    ids = [put(vault, b"%d" % number, subject=_name(number)) for number in range(40)]
    with read_only(vault.path) as reader, reader.session(WHO, "TREAT", strict=True) as s:
        s.get_many([(record, None) for record in ids])
    with monkeypatch.context() as patch:
        patch.setattr(limits, "MAX_GROUP_AUDIT", 64)
        assert vault.merge_access_logs().kept == 1
        put(vault)
        assert events_of(vault, RecordsRead) == []
    merged = vault.merge_access_logs()
    assert (merged.kept, merged.removed) == (0, 1)
    assert len(events_of(vault, RecordsRead)) == 40
