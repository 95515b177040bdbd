"""Restarts, kills and clocks that jump: the log is whole, has one opening for each, and raises no alarm."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from vaultfs_format.events.vault import VaultOpened

import vaultfs
from tests.vaultfs.audit.test_report import ALWAYS, START, Clock
from tests.vaultfs.support import create, event_types, events_of, get, put, reopen
from vaultfs.audit.log import read_leaves
from vaultfs.audit.report import report
from vaultfs.audit.tallying import Table
from vaultfs.audit.verifying import check_log, verify

YEAR = 365 * 24 * 3_600_000_000
SECOND = 1_000_000


def killed(path: Path, number: int) -> None:
    """Open the vault in another process, which is killed when it has written."""
    child = os.fork()
    if child == 0:
        try:
            vault = reopen(path)
            put(vault, b"%d" % number)
            if number % 4 == 0:
                vault.settle()
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("restarts", [8, pytest.param(50, marks=pytest.mark.long)])
def test_restarts_leave_an_opening_each_and_a_whole_log(tmp_path: Path, restarts: int) -> None:
    path, kills = tmp_path / "v", 0
    with create(path) as vault:
        record = put(vault, b"first")
    for number in range(restarts - 1):
        if number % 2:
            killed(path, number)
            kills += 1
        else:
            with reopen(path) as vault:
                assert get(vault, record) == b"first"
    with reopen(path) as vault:
        found = verify(vault)
        types = event_types(vault)
        assert len(events_of(vault, VaultOpened)) == 1 + restarts
        assert types.count(vaultfs.EventType.VAULT_CLOSED) == restarts - kills
        assert types.count(vaultfs.EventType.RECORD_PUT) == 1 + kills
        assert vaultfs.EventType.ROLLBACK_ACCEPTED not in types
        assert (found.findings, found.healed) == ((), ())
        assert [leaf.index for leaf in read_leaves(vault)] == list(range(found.leaves))


@pytest.mark.parametrize("settling", [False, True])
def test_a_clock_that_jumps_by_years_disorders_nothing(tmp_path: Path, settling: bool) -> None:
    clock, jumps = Clock(), [YEAR, -2 * YEAR, 3 * YEAR, -YEAR, -2 * SECOND, SECOND // 2, -SECOND // 2]
    with create(tmp_path / "v", options=vaultfs.Options(clock=clock)) as vault:
        for number, jump in enumerate(jumps):
            put(vault, b"%d" % number)
            clock.now += jump
            if settling:
                vault.settle()
        put(vault)
        verify(vault)
    clock.now -= YEAR
    with reopen(tmp_path / "v", options=vaultfs.Options(clock=clock)) as vault:
        assert check_log(vault).findings == ()
        assert [leaf.index for leaf in read_leaves(vault)] == list(range(vault.engine.leaves))
        puts = [event.at for event in events_of(vault, vaultfs.Event) if event.type == vaultfs.EventType.RECORD_PUT]
        assert puts != sorted(puts)
        found = report(vault, 0, ALWAYS)
        back = {row.key: row.count for row in found.table(Table.CLOCK_STEPS)}
        assert list(back.values()) == [2 * YEAR // SECOND - 1, YEAR // SECOND - 1, 1, YEAR // SECOND - 1]
        assert found.clock_steps >= 5
        assert all(int(key) < found.leaves for key in back)
        before = report(vault, 0, START)
        assert sum(row.count for row in before.table(Table.ACCESS_BY_PURPOSE)) > 0
