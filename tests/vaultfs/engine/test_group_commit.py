"""Commits of many threads in one group: they share a sync, and each is told of its end."""

from __future__ import annotations

import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.engine.test_concurrency import SlowSync, at_once
from tests.vaultfs.support import MRN, WHO, event_types, get, put, session
from vaultfs.testing.vfs import Operation


def test_threads_that_commit_at_once_share_syncs(opened: Open) -> None:
    vfs = SlowSync()
    vault = opened(vfs=vfs)
    put(vault)
    before = vfs.calls[Operation.SYNC]

    def work() -> list[tuple[vaultfs.RecordId, bytes]]:
        done = []
        with session(vault) as s:
            for _ in range(25):
                data = os.urandom(100)
                with s.transaction() as txn:
                    done.append((txn.put(data, kind="Observation", subject=MRN), data))
        return done

    found = [pair for pairs in at_once(work, count=8) for pair in pairs]
    assert len({record for record, _ in found}) == 200
    assert vfs.calls[Operation.SYNC] - before < 120
    for record, data in found:
        assert get(vault, record) == data
    vault = opened(fresh=True)
    for record, data in found:
        assert get(vault, record) == data


def test_each_commit_has_a_number_of_its_own(opened: Open) -> None:
    vault = opened(vfs=SlowSync())

    def work() -> int:
        with session(vault) as s, s.transaction() as txn:
            txn.put(b"x", kind="Observation", subject=None)
        return txn.commit_number

    numbers = at_once(work, count=16)
    assert len(set(numbers)) == 16


def test_those_whose_commit_is_durable_need_not_wait_for_a_settling(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = opened(options=vaultfs.Options(settle_bytes=50_000))
    with session(vault) as s:
        transactions = [s.transaction() for _ in range(3)]
        for txn in transactions:
            txn.put(os.urandom(50_000), kind="Observation", subject=None)
        others_are_told, waited = threading.Event(), []
        monkeypatch.setattr(vault.committer, "_grown", lambda: waited.append(others_are_told.wait(30)))
        with ThreadPoolExecutor(3) as pool:
            with vault.engine.lock:
                done = [pool.submit(txn.commit) for txn in transactions]
                while len(vault.committer.queue) < 3:
                    time.sleep(0.001)
            while sum(one.done() for one in done) < 2:
                time.sleep(0.001)
            others_are_told.set()
        assert waited == [True]


class Asking:
    """Threads that each ask once, and are told when that is on record; at first each waits for eight others to come."""

    def __init__(self, vault: vaultfs.Vault, count: int) -> None:
        self._queue = vault.committer.queue
        sessions = [vault.session(WHO, "TREAT", strict=True) for _ in range(count)]
        self._threads = [threading.Thread(target=s.subjects, args=(MRN,), daemon=True) for s in sessions]

    def begin(self, patience: float) -> None:
        self._queue._crowd, self._queue._patience = 9, patience
        for thread in self._threads:
            thread.start()

    def all_told(self) -> bool:
        for thread in self._threads:
            thread.join(30)
        return not any(thread.is_alive() for thread in self._threads)


def test_all_are_told_where_fewer_come_than_were_expected(vault: vaultfs.Vault) -> None:
    put(vault)
    asking = Asking(vault, 4)
    asking.begin(0.05)
    assert asking.all_told()


def test_who_waits_for_others_may_be_told_by_who_has_the_lock(vault: vaultfs.Vault) -> None:
    put(vault)
    one, other = Asking(vault, 1), Asking(vault, 1)
    with vault.session(WHO, "TREAT", strict=True) as s, vault.engine.lock:
        one.begin(60)
        while vault.committer.queue._gathering is None:
            time.sleep(0.001)
        s.subjects(MRN)
    assert one.all_told()
    other.begin(0)
    assert other.all_told()


class Interrupting:
    """The lock at which a thread waits to be told; who first looks at it is interrupted."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._interrupts = 1
        self.acquire, self.release = lock.acquire, lock.release

    def locked(self) -> bool:
        self._interrupts -= 1
        if self._interrupts == 0:
            raise KeyboardInterrupt
        return self._lock.locked()


def test_an_interrupt_of_who_tells_leaves_nobody_untold(vault: vaultfs.Vault) -> None:
    put(vault)
    asking, queue = Asking(vault, 1), vault.committer.queue
    with vault.session(WHO, "TREAT", strict=True) as s:
        asking.begin(60)
        while queue._gathering is None:
            time.sleep(0.001)
        queue._gathering.told = Interrupting(queue._gathering.told)  # type: ignore[assignment]
        queue._crowd = 2
        with pytest.raises(KeyboardInterrupt):
            s.subjects(MRN)
    assert asking.all_told()


@pytest.mark.parametrize("calls", [300, pytest.param(20_000, marks=pytest.mark.long)])
def test_threads_that_come_and_go_are_all_told(vault: vaultfs.Vault, calls: int) -> None:
    """However many wait for each other, durably or not, whoever stays away, and whoever has the lock for longer."""
    put(vault)
    over = threading.Event()

    def ask(number: int) -> None:
        chance = random.Random(number)
        with vault.session(WHO, "TREAT", strict=number % 4 > 0) as s:
            for _ in range(calls):
                s.subjects(MRN)
                if chance.random() < 0.2:
                    time.sleep(chance.choice((0, 0.0001, 0.0003, 0.001)))

    def note_while_locked() -> None:
        with vault.session(WHO, "TREAT", strict=True) as s:
            while not over.wait(0.0005):
                with vault.engine.lock:
                    s.state("ns", b"none")

    threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(12)]
    noting = threading.Thread(target=note_while_locked, daemon=True)
    for thread in [noting, *threads]:
        thread.start()
    for thread in threads:
        thread.join(300)
        assert not thread.is_alive()
    over.set()
    noting.join(60)
    assert event_types(vault).count(vaultfs.EventType.SUBJECT_SEARCHED) == calls * len(threads)
