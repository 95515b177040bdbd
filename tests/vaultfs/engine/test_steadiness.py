"""Settling and rebuilding go on under readers and writers, who see no gap, no error and no other bytes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from vaultfs_tools import fsck

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.engine.test_concurrency import at_once
from tests.vaultfs.support import MRN, OTHER, PASSPHRASE, WHO, Opened, get, put, read_only, session
from vaultfs.engine.settling import litter
from vaultfs.errors import NotFound
from vaultfs.testing.vfs import FaultyVfs, Operation

ROOT = Path(__file__).parents[3]
MIB = 1024 * 1024


def _disposed(vault: vaultfs.Vault) -> None:
    """Dispose of a patient who is nobody's business otherwise."""
    with session(vault) as s:
        info = s.info(put(vault, os.urandom(200_000), subject=vaultfs.Identifier("urn:oid:2.999", "gone")))
    assert vault.keys.turn(PASSPHRASE, [info.subject]).frames


def _pruned(vault: vaultfs.Vault) -> None:
    """Remove all of the log that can go."""
    vault.settle()
    assert vault.maintenance.prune_log(datetime.now(UTC), minimum_age=timedelta(0)).leaves


ACTS: dict[str, Callable[[vaultfs.Vault], object]] = {
    "settling": lambda vault: vault.settle(),
    "turn": lambda vault: vault.keys.turn(PASSPHRASE),
    "new signer": lambda vault: vault.keys.turn(PASSPHRASE, new_signer=True),
    "rekeying": lambda vault: vault.keys.rekey(unlock=PASSPHRASE),
    "disposal": _disposed,
    "re-encryption": lambda vault: vault.keys.reencrypt(),
    "rebuilding": lambda vault: vault.rebuild_index(),
    "maintenance": lambda vault: vault.maintenance.run(0),
    "mirroring": lambda vault: vault.maintenance.mirror_segments(on=True),
    "pruning": _pruned,
}


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

    @pytest.mark.parametrize("act", ACTS)
    def test_a_transaction_may_be_open_while_the_vault_is_cared_for(self, opened: Open, act: str) -> None:
        """What it has put is there once it commits, before and after reopening, large and small, and so is the rest."""
        vault = opened()
        data = {put(vault, one): one for one in (os.urandom(300), os.urandom(100_000), os.urandom(2 * MIB))}
        early = [os.urandom(3 * MIB), os.urandom(70_000), b"small"]
        record, content = list(data.items())[-1]
        with session(vault) as s, s.open(record) as file:
            assert file.read(MIB) == content[:MIB]
            txn = s.transaction()
            ids = [txn.put(one, kind="Binary", subject=subject) for one in early for subject in (MRN, OTHER, None)]
            expected = [one for one in early for _ in range(3)]
            ACTS[act](vault)
            assert file.read() == content[MIB:]
            late = os.urandom(1 * MIB)
            data[txn.put(late, kind="Binary", subject=MRN)] = late
            txn.commit()
            data |= dict(zip(ids, expected, strict=True))
        for _ in range(2):
            for record, content in data.items():
                assert get(vault, record) == content
            vault.settle()
        vault = opened(fresh=True)
        vault.rebuild_index()
        for record, content in data.items():
            assert get(vault, record) == content
        assert not list(vault.path.rglob("*.part"))
        vault.close()
        assert fsck.main([str(vault.path)]) == 0

    def test_a_record_that_is_put_while_a_turn_ends_is_kept(
        self, vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its file is begun when the turn looks for what it has left, which no other test comes upon but by chance."""
        data, files, done = os.urandom(100_000), litter._files, list[vaultfs.RecordId]()
        with session(vault) as s, s.transaction() as txn:

            def listed(root: Path) -> list[Path]:
                if not done:
                    done.append(txn.put(data, kind="Binary", subject=None))
                return files(root)

            monkeypatch.setattr(litter, "_files", listed)
            vault.keys.turn(PASSPHRASE)
        assert get(vault, done[0]) == data

    @pytest.mark.parametrize("by", ["writer", "reader"])
    def test_a_record_that_is_disposed_of_while_it_is_read_is_not_found(self, vault: vaultfs.Vault, by: str) -> None:
        """And no index is made anew for it: nothing is damaged."""
        record = put(vault, os.urandom(9 * MIB), subject=OTHER)
        with read_only(vault.path) as reader:
            opened: Opened = vault if by == "writer" else reader
            with opened.session(WHO, "TREAT") as s, s.open(record) as file:
                file.read(MIB)
                subject = s.info(record).subject
                before = os.stat(vault.path / "index" / "data.mdb").st_ino
                vault.keys.turn(PASSPHRASE, [subject])
                with pytest.raises(NotFound):
                    file.read()
                with pytest.raises(NotFound):
                    s.get(record)
        assert os.stat(vault.path / "index" / "data.mdb").st_ino == before

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
