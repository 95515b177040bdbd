"""What an open vault counts and times: numbers under fixed names, and nothing else."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, PASSPHRASE, get, put, session
from vaultfs.errors import AccessDenied, TransactionConflict
from vaultfs.metrics import Counter, Gauge, NoMetrics, Tally, Timing


@pytest.fixture
def tally() -> Tally:
    """Return an empty tally."""
    return Tally()


@pytest.fixture
def counted(opened: Open, tally: Tally) -> vaultfs.Vault:
    """Return a vault that tells `tally`."""
    return opened(options=vaultfs.Options(metrics=tally))


def test_operations_bytes_and_commits_are_counted(counted: vaultfs.Vault, tally: Tally) -> None:
    sizes = [10, 200, 100_000]
    records = [put(counted, os.urandom(size)) for size in sizes]
    for record in records:
        get(counted, record)
    with session(counted) as s:
        s.get_many([(record, None) for record in records])
        s.find(subject=MRN)
    assert tally.counts[Counter.RECORDS_PUT] == 3
    assert tally.counts[Counter.RECORDS_READ] == 6
    assert tally.counts[Counter.BYTES_READ] == 2 * sum(sizes)
    assert tally.counts[Counter.COMMITS] >= tally.counts[Counter.GROUPS] >= 3
    assert tally.counts[Counter.EVENTS] == counted.engine.leaves - 1
    assert tally.counts[Counter.BYTES_WRITTEN] < counted.engine.live[0].journal.end
    assert tally.observed[Timing.READ] == 3
    assert tally.observed[Timing.SEARCH] == 1
    assert tally.observed[Timing.SYNC] == tally.observed[Timing.INDEX] >= 3
    assert 0 < tally.slowest[Timing.SYNC] <= tally.seconds[Timing.SYNC] < tally.seconds[Timing.COMMIT] + 60


def test_the_caches_are_counted(counted: vaultfs.Vault, tally: Tally) -> None:
    record = put(counted)
    get(counted, record)
    before = tally.counts.copy()
    get(counted, record)
    assert tally.counts[Counter.ENTRY_HITS] > before[Counter.ENTRY_HITS]
    assert tally.counts[Counter.BODY_HITS] > before[Counter.BODY_HITS]
    assert tally.counts[Counter.ENTRY_MISSES] == before[Counter.ENTRY_MISSES] > 0


def test_settling_and_rebuilding_are_told(counted: vaultfs.Vault, tally: Tally) -> None:
    put(counted)
    assert tally.gauges[Gauge.JOURNAL_BYTES] > 4096
    written = counted.settle()
    assert tally.counts[Counter.SEGMENTS_WRITTEN] == written == tally.gauges[Gauge.SEGMENTS]
    assert tally.gauges[Gauge.JOURNAL_BYTES] == 0
    before = tally.counts[Counter.INDEX_REBUILDS]  # a new vault makes its index too
    counted.rebuild_index()
    assert tally.counts[Counter.INDEX_REBUILDS] == tally.observed[Timing.REBUILD] == before + 1
    assert tally.observed[Timing.SETTLE] == 1
    assert tally.gauges[Gauge.EPOCH_STORES] == 1


def test_a_turn_of_the_epoch_is_told_in_its_parts(counted: vaultfs.Vault, tally: Tally) -> None:
    put(counted)
    counted.keys.turn(PASSPHRASE)
    parts = {name for name in Timing if name.startswith("vaultfs.turn.") and name is not Timing.TURN}
    assert len(parts) == 5
    assert all(tally.observed[name] == 1 for name in (Timing.TURN, *parts))
    assert tally.seconds[Timing.TURN_ALIASES] <= tally.seconds[Timing.TURN_INDEX]
    apart = parts - {Timing.TURN_ALIASES}
    assert sum(tally.seconds[name] for name in apart) <= tally.seconds[Timing.TURN]


def test_conflicts_and_denials_are_counted(opened: Open, tally: Tally) -> None:
    vault = opened(options=vaultfs.Options(metrics=tally))
    with session(vault) as s:
        one, two = s.transaction(), s.transaction()
        for txn in (one, two):
            txn.set_state("ns", b"k", b"v")
        one.commit()
        with pytest.raises(TransactionConflict):
            two.commit()
    vault = opened(fresh=True, policy=None, options=vaultfs.Options(metrics=tally))
    with session(vault) as s, pytest.raises(AccessDenied):
        s.find(subject=MRN)
    assert (tally.counts[Counter.CONFLICTS], tally.counts[Counter.DENIALS]) == (1, 1)


def test_many_threads_lose_no_count(counted: vaultfs.Vault, tally: Tally) -> None:
    put(counted)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: put(counted), range(63)))
    assert tally.counts[Counter.RECORDS_PUT] == 64
    assert tally.gauges[Gauge.QUEUE] >= 1


def test_names_are_unique_and_numbers_are_all_that_is_told(counted: vaultfs.Vault, tally: Tally) -> None:
    put(counted, b"secret")
    names = [str(name) for kind in (Counter, Timing, Gauge) for name in kind]
    assert len(names) == len(set(names))
    assert all(name.startswith("vaultfs.") for name in names)
    told = [*tally.counts.values(), *tally.gauges.values(), *tally.seconds.values()]
    assert told
    assert all(isinstance(value, (int, float)) for value in told)


def test_a_vault_without_metrics_keeps_none() -> None:
    nothing = NoMetrics()
    nothing.add(Counter.COMMITS)
    nothing.observe(Timing.READ, 1.0)
    nothing.set(Gauge.QUEUE, 1)
    assert not vars(nothing)
