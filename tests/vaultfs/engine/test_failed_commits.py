"""Commits that fail: the writer is poisoned, all who wait are told, nobody is told too much."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vaultfs_tools import fsck

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, get, put, seen, session
from vaultfs.errors import (
    CommitUnknown,
    StorageFailed,
    StorageFull,
    StorageReadOnly,
    WriterPoisoned,
)
from vaultfs.testing.vfs import FaultyVfs, Operation, When

BIG = os.urandom(150_000)


class TestCommit:
    def test_a_failed_sync_leaves_the_commit_unknown(self, opened: Open) -> None:
        vfs = FaultyVfs()
        vault = opened(vfs=vfs)
        kept = put(vault)
        with session(vault) as s:
            txn = s.transaction()
            record = txn.put(b"x", kind="Observation", subject=MRN)
            vfs.fail(Operation.SYNC, error=errno.EIO)
            with pytest.raises(CommitUnknown):
                txn.commit()
            for call in (lambda: put(vault), lambda: s.get(kept), vault.settle, vault.rebuild_index):
                with pytest.raises(WriterPoisoned):
                    call()
        vault = opened(fresh=True)
        assert get(vault, kept) == b"data"
        assert seen(vault, record) in (None, b"x")

    def test_a_failed_append_is_not_acknowledged(self, opened: Open) -> None:
        for error, coded in ((errno.EIO, StorageFailed), (errno.EROFS, StorageReadOnly)):
            vfs = FaultyVfs()
            vault = opened(fresh=True, vfs=vfs)
            with session(vault) as s:
                txn = s.transaction()
                record = txn.put(b"x", kind="Observation", subject=None)
                vfs.fail(Operation.APPEND, error=error, when=When.HALF_DONE)
                with pytest.raises(coded) as caught:
                    txn.commit()
                assert caught.value.facts == {"errno": error}
                with pytest.raises(WriterPoisoned):
                    put(vault)
            assert seen(opened(fresh=True), record) is None

    def test_an_append_without_space_is_refused_and_may_be_repeated(self, opened: Open) -> None:
        vfs = FaultyVfs()
        vault = opened(fresh=True, vfs=vfs)
        with session(vault) as s:
            txn = s.transaction()
            record = txn.put(b"x", kind="Observation", subject=None)
            vfs.fail(Operation.APPEND, error=errno.ENOSPC, when=When.HALF_DONE)
            with pytest.raises(StorageFull):
                txn.commit()
        again = put(vault)
        vault = opened(fresh=True)
        assert seen(vault, record) is None
        assert get(vault, again) == b"data"

    def test_what_a_failed_sync_left_in_the_cache_is_not_served_before_it_is_written_again(
        self, opened: Open, tmp_path: Path
    ) -> None:
        """After an error the kernel calls its pages clean: a later sync of the same file proves nothing."""
        vfs = FaultyVfs()
        vault = opened(vfs=vfs)
        with session(vault) as s:
            txn = s.transaction()
            record = txn.put(b"x", kind="Observation", subject=None)
            vfs.fail(Operation.SYNC, error=errno.EIO)
            with pytest.raises(CommitUnknown):
                txn.commit()
        (old,) = vault.engine.live
        vault = opened(fresh=True)
        assert get(vault, record) == b"x"
        assert vault.engine.live[0].journal.last_group < old.journal.last_group
        assert vault.engine.live[1].journal.header.predecessor == old.journal.header.journal_id

    def test_all_who_wait_for_a_failed_group_are_told(self, opened: Open) -> None:
        vfs = FaultyVfs()
        vault = opened(vfs=vfs)
        transactions = [session(vault).transaction() for _ in range(6)]
        for txn in transactions:
            txn.put(b"x", kind="Observation", subject=None)
        found = _commit_together(vault, transactions, lambda: vfs.fail(Operation.SYNC, error=errno.EIO))
        assert [type(one) for one in found] == [CommitUnknown] * 6
        assert len({id(one) for one in found}) == 6

    def test_an_interrupt_within_an_append_poisons_the_writer_and_hangs_nobody(self, opened: Open) -> None:
        vfs = FaultyVfs()
        vault = opened(vfs=vfs)
        kept = put(vault)
        transactions = [session(vault).transaction() for _ in range(4)]
        ids = [txn.put(BIG, kind="Observation", subject=None) for txn in transactions]
        found = _commit_together(
            vault, transactions, lambda: vfs.fail(Operation.APPEND, error=KeyboardInterrupt(), when=When.ALL_DONE)
        )
        assert sorted(type(one).__name__ for one in found) == ["CommitUnknown"] * 3 + ["KeyboardInterrupt"]
        with pytest.raises(WriterPoisoned):
            put(vault)
        vault = opened(fresh=True)
        assert get(vault, kept) == b"data"
        assert {seen(vault, record) == BIG for record in ids} == {True}

    def test_an_interrupt_while_waiting_takes_the_commit_back(
        self, vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody commits later what its own thread believes to be abandoned."""
        with session(vault) as s:
            txn = s.transaction()
            record = txn.put(BIG, kind="Observation", subject=None)

            def interrupted(_: object) -> None:
                raise KeyboardInterrupt

            monkeypatch.setattr(vault.committer.queue, "_lead_or_wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                txn.commit()
            monkeypatch.undo()
            assert get(vault, put(vault, BIG[::-1], subject=None)) == BIG[::-1]
            assert seen(vault, record) is None

    def test_an_interrupt_of_the_next_in_turn_passes_the_turn_on(
        self, vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = vault.engine.lock

        class Interrupting:
            """A lock for which one thread does not wait to the end."""

            def acquire(self, blocking: bool = True) -> bool:
                if blocking and threading.current_thread().name == "interrupted":
                    while len(vault.committer.queue) < 2:
                        time.sleep(0.001)
                    raise KeyboardInterrupt
                return real.acquire(blocking)

            def release(self) -> None:
                real.release()

            def _is_owned(self) -> bool:
                return bool(real._is_owned())  # type: ignore[attr-defined] # as the engine asks

            def __enter__(self) -> bool:
                return self.acquire()

            def __exit__(self, *_: object) -> None:
                self.release()

        one, two = (session(vault).transaction() for _ in range(2))
        ids = [txn.put(BIG, kind="Observation", subject=None) for txn in (one, two)]
        found: list[BaseException | None] = []
        threads = [
            threading.Thread(target=_commit_into, args=(txn, found), name=name)
            for txn, name in ((one, "interrupted"), (two, "next"))
        ]
        monkeypatch.setattr(vault.engine, "lock", Interrupting())
        with real:
            threads[0].start()
            while vault.committer.queue._next is None:
                time.sleep(0.001)
            threads[1].start()
            threads[0].join(0.3)
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        monkeypatch.undo()
        assert sorted(str(type(one).__name__) for one in found) == ["KeyboardInterrupt", "NoneType"]
        assert [seen(vault, record) == BIG for record in ids] == [False, True]

    def test_an_interrupt_while_another_writes_the_commit_waits_for_the_outcome(
        self, vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with session(vault) as s:
            txn = s.transaction()
            record = txn.put(BIG, kind="Observation", subject=None)
            lead = vault.committer._lead

            def interrupted(_: object) -> None:
                with vault.engine.lock:
                    lead()
                raise KeyboardInterrupt

            monkeypatch.setattr(vault.committer.queue, "_lead_or_wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                txn.commit()
            monkeypatch.undo()
            assert get(vault, record) == BIG
            put(vault, BIG[::-1], subject=None)
            vault.settle()
            assert get(vault, record) == BIG

    def test_an_unexpected_error_in_the_committer_poisons_it(
        self, vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        txn = session(vault).transaction()
        txn.put(b"x", kind="Observation", subject=None)
        monkeypatch.setattr("vaultfs.engine.committing.committer.Batch.write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            txn.commit()
        with pytest.raises(WriterPoisoned):
            put(vault)

    @pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
    def test_a_commit_that_succeeded_is_reported_so_though_settling_after_it_failed(
        self, opened: Open, error: int
    ) -> None:
        vfs = FaultyVfs()
        vault = opened(vfs=vfs, options=vaultfs.Options(settle_bytes=30_000))
        records = [put(vault, os.urandom(3000), subject=None) for _ in range(7)]
        vfs.fail(Operation.MOVE, error=error)
        with contextlib.suppress(WriterPoisoned):
            while len(records) < 30:
                records.append(put(vault, os.urandom(3000), subject=None))
        assert vault.engine.poisoned == (error == errno.EIO)
        vault = opened(fresh=True)
        assert len(records) > 7
        for record in records:
            assert len(get(vault, record)) == 3000

    def test_a_failed_sync_of_buffered_events_lets_nothing_go_on_unaudited(self, opened: Open) -> None:
        vfs = FaultyVfs()
        vault = opened(vfs=vfs, options=vaultfs.Options(sync_bound=0.01))
        record = put(vault)
        vfs.fail(Operation.SYNC, error=errno.EIO)
        with session(vault) as s:
            deadline = time.monotonic() + 10
            while not vault.engine.poisoned and time.monotonic() < deadline:
                with contextlib.suppress(WriterPoisoned):
                    s.get(record)
                time.sleep(0.005)
            with pytest.raises(WriterPoisoned):
                s.get(record)

    def test_a_journal_that_could_not_be_begun_is_not_followed_by_a_second_one(self, opened: Open) -> None:
        """Two journals after the same one would be a branch, which no later opening can put right."""
        vfs = FaultyVfs()
        vault = opened(vfs=vfs)
        record = put(vault)
        vault.settle()
        vault.engine._next_number = vault.engine._last_number + 1
        vfs.fail(Operation.SYNC, error=errno.EIO)
        with pytest.raises(StorageFailed):
            put(vault, subject=None)
        with pytest.raises(WriterPoisoned):
            put(vault, subject=None)
        assert get(opened(fresh=True), record) == b"data"

    def test_a_failed_close_is_told_and_everything_is_let_go_of(self, opened: Open) -> None:
        vfs = FaultyVfs()
        vault = opened(vfs=vfs)
        record = put(vault)
        vfs.fail(Operation.SYNC, error=errno.EIO)
        with pytest.raises(StorageFailed):
            vault.close()
        vault.close()
        assert get(opened(), record) == b"data"


def _commit_into(txn: vaultfs.Transaction, found: list[BaseException | None]) -> None:
    """Commit a transaction and keep what it raises."""
    try:
        txn.commit()
    except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
        found.append(error)
    else:
        found.append(None)


def _commit_together(
    vault: vaultfs.Vault, transactions: list[vaultfs.Transaction], before: Callable[[], None]
) -> list[BaseException | None]:
    """Commit transactions in one group; return what each raises."""
    found: list[BaseException | None] = []
    with vault.engine.lock:
        threads = [threading.Thread(target=_commit_into, args=(txn, found)) for txn in transactions]
        for thread in threads:
            thread.start()
        while len(vault.committer.queue) < len(transactions):
            time.sleep(0.001)
        before()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return found


def test_an_index_that_cannot_be_written_poisons_and_the_commit_is_unknown(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lmdb

    vault = opened()

    class Full:
        def __getattr__(self, name: str) -> Any:
            raise lmdb.MapFullError("full")

    with session(vault) as s:
        txn = s.transaction()
        record = txn.put(b"x", kind="Observation", subject=None)
        monkeypatch.setattr(vault.engine.index._environment, "env", Full())
        with pytest.raises(CommitUnknown):
            txn.commit()
        monkeypatch.undo()
    assert get(opened(fresh=True), record) == b"x"


def test_an_interrupt_while_a_vault_is_closed_lets_go_of_it(opened: Open) -> None:
    """Whatever the rest of closing ends in: else nobody in this process could open the vault again."""
    kept, number, ended = [], 0, False
    while not ended:
        number += 1
        vfs = FaultyVfs()
        vault = opened(fresh=True, vfs=vfs)
        kept.append(put(vault, os.urandom(100_000)))
        vfs.fail(Operation.SYNC, error=KeyboardInterrupt(), number=number)
        try:
            vault.close()
            ended = True
        except KeyboardInterrupt:
            assert vault.condition is vaultfs.Condition.CLOSED
    vault = opened(fresh=True)
    assert all(len(get(vault, record)) == 100_000 for record in kept)
    assert number > 2


def test_settling_that_a_full_disk_stops_anywhere_leaves_nothing_that_a_check_complains_of(opened: Open) -> None:
    number, stopped = 0, True
    while stopped:
        number += 1
        vfs = FaultyVfs()
        vault = opened(fresh=True, vfs=vfs)
        put(vault, b"%d" % number)
        vfs.fail(Operation.SYNC_DIRECTORY, error=errno.ENOSPC, number=number)
        try:
            vault.settle()
            stopped = False
        except StorageFull:
            vfs.heal()
            if vault.condition is vaultfs.Condition.POISONED:  # whether the head is in force is in doubt
                vault = opened(fresh=True)
            else:
                assert vault.settle() > 0
        vault.close()
        assert fsck.main([str(vault.path), "--check-only"]) == 0
    assert number > 5
