"""Settling and rebuilding go on under readers and writers, who see no gap, no error and no other bytes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.engine.test_concurrency import at_once
from tests.vaultfs.support import MRN, OTHER, get, put, session
from vaultfs.testing.vfs import FaultyVfs, Operation

ROOT = Path(__file__).parents[3]
MIB = 1024 * 1024


class TestSteadiness:
    @pytest.mark.parametrize("disturb", ["settle", "rebuild_index"])
    def test_readers_and_writers_are_not_disturbed(self, vault: vaultfs.Vault, disturb: str) -> None:
        """Frames move and the index is made anew while they are read: nobody sees a gap, an error or other bytes."""
        data = {put(vault, d): d for d in (os.urandom(300 if n % 3 else 150_000) for n in range(20))}
        big = os.urandom(9 * MIB)
        blob = put(vault, big, subject=OTHER)
        stop = threading.Event()

        def until_stopped(act: Callable[[], Any]) -> int:
            rounds = 0
            while not stop.is_set():
                act()
                rounds += 1
            return rounds

        def read() -> None:
            for record, expected in data.items():
                assert get(vault, record) == expected

        def stream() -> None:
            with session(vault) as s, s.open(blob) as file:
                assert file.read() == big

        def search() -> None:
            with session(vault) as s:
                found = {info.id for info in s.find(subject=MRN)}
                assert data.keys() <= found
                assert len(s.subjects(MRN)) == 1
                assert s.state("ns", b"none").version == 0

        def write() -> None:
            record = put(vault, b"new")
            put(vault, os.urandom(70_000), replaces=record)
            assert len(get(vault, record)) == 70_000

        def disturbing() -> None:
            deadline = time.monotonic() + 1.5
            while time.monotonic() < deadline:
                getattr(vault, disturb)()
                time.sleep(0.01)
            stop.set()

        found = at_once(disturbing, *(partial(until_stopped, act) for act in (read, stream, search, write)))
        stop.set()
        assert [one for one in found if isinstance(one, BaseException)] == []
        assert all(rounds > 0 for rounds in found[1:])

    def test_a_transaction_that_is_putting_a_blob_is_not_hurt_by_settling(self, opened: Open) -> None:
        """Neither its bodies nor those of others in the same file are lost, before and after reopening."""
        vault = opened()
        early, late = os.urandom(3 * MIB + 5), os.urandom(2 * MIB + 9)
        other = os.urandom(4 * MIB)
        with session(vault) as s:
            txn, lost = s.transaction(), s.transaction()
            first = txn.put(early, kind="Binary", subject=MRN)
            lost.put(os.urandom(2 * MIB), kind="Binary", subject=None)
            done = put(vault, other, subject=OTHER)
            assert vault.settle()
            assert get(vault, done) == other
            second = txn.put(late, kind="Binary", subject=MRN)
            assert vault.settle()
            lost.rollback()
            txn.commit()
            third = put(vault, early[::-1])
            expected = {first: early, second: late, third: early[::-1], done: other}
            for _ in range(2):
                for record, data in expected.items():
                    assert s.get(record).data == data
                vault.settle()
        vault = opened(fresh=True)
        vault.rebuild_index()
        for record, data in expected.items():
            assert get(vault, record) == data
        assert not list(vault.path.rglob("*.part"))
        assert vault.space().bodies < sum(map(len, expected.values())) + MIB

    def test_a_transaction_with_a_blob_may_roll_back_after_settling(self, vault: vaultfs.Vault) -> None:
        with session(vault) as s:
            txn = s.transaction()
            txn.put(os.urandom(2 * MIB), kind="Binary", subject=MRN)
            vault.settle()
            txn.rollback()
        assert len(get(vault, put(vault, bytes(2 * MIB)))) == 2 * MIB
        vault.settle()
        assert not list(vault.path.rglob("*.part"))

    def test_what_follows_an_abandoned_body_is_durable(self, opened: Open, tmp_path: Path) -> None:
        """A body that takes the place of an abandoned one, which another commit has synced, is synced itself."""
        vfs = FaultyVfs()
        vault = opened(vfs=vfs)
        with session(vault) as s:
            one, two = s.transaction(), s.transaction()
            one.put(os.urandom(100_000), kind="Binary", subject=None)
            two.put(os.urandom(100_000), kind="Binary", subject=None)
            one.commit()
            two.rollback()
            with s.transaction() as three:
                three.put(os.urandom(100_000), kind="Binary", subject=None)
                syncs = vfs.calls[Operation.SYNC]
            assert vfs.calls[Operation.SYNC] - syncs == 2

    def test_many_threads_draw_numbers_and_settle_without_deadlock(self, opened: Open) -> None:
        vault = opened(options=vaultfs.Options(settle_bytes=20_000))
        found = at_once(lambda: [put(vault, os.urandom(500), subject=None) for _ in range(30)], count=6)
        ids = [record for one in found for record in one]
        assert len(set(ids)) == 180
        with session(vault) as s:
            assert {info.id for info in s.find(subject=vaultfs.NOBODY)} == set(ids)
