"""Many threads and many handles: one writer, serialisable transactions, steady readers."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, OTHER, PASSPHRASE, WHO, events, get, put, read_only, reopen, session
from vaultfs.errors import Closed, NotFound, TransactionConflict, VaultError, WriterBusy
from vaultfs.testing.vfs import FaultyVfs, Operation
from vaultfs.vfs import File

ROOT = Path(__file__).parents[3]
MIB = 1024 * 1024


def at_once(*acts: Callable[[], Any], count: int = 1) -> list[Any]:
    """Run every act `count` times, each in a thread of its own, started together; return what they return or raise."""
    ready = threading.Barrier(len(acts) * count)

    def run(act: Callable[[], Any]) -> Any:
        ready.wait()
        try:
            return act()
        except VaultError as error:
            return error

    with ThreadPoolExecutor(len(acts) * count) as pool:
        return [f.result(60) for f in [pool.submit(run, act) for act in acts for _ in range(count)]]


class SlowSync(FaultyVfs):
    """A disk whose sync takes a while."""

    def file(self, descriptor: int, path: Path) -> File:
        file = super().file(descriptor, path)
        sync = file.sync

        def slow() -> None:
            time.sleep(0.005)
            sync()

        file.sync = slow  # type: ignore[method-assign]
        return file


class SlowFor(FaultyVfs):
    """A disk on which the reads and writes of one thread take a while; `begun` is set when the first of them begins."""

    def __init__(self) -> None:
        super().__init__()
        self.thread: int | None = None
        self.begun = threading.Event()

    def call(self, kind: Operation, perform: Callable[[], Any], half: Callable[[], object] = lambda: None) -> Any:
        if self.thread == threading.get_ident() and kind in (Operation.READ, Operation.APPEND):
            self.begun.set()
            time.sleep(0.1)
        return super().call(kind, perform, half)


READS: dict[str, Callable[[vaultfs.Session, vaultfs.RecordId], object]] = {
    "get": lambda s, record: s.get(record),
    "find": lambda s, _: s.find(subject=MRN),
    "open": lambda s, record: s.open(record).read(),
    "absent state": lambda s, _: s.state("ns", b"absent"),
}
WRITES: dict[str, Callable[[vaultfs.Vault], object]] = {
    "put": put,
    "put a blob": lambda vault: put(vault, os.urandom(3 * MIB)),
    "settle": vaultfs.Vault.settle,
    "rebuild": vaultfs.Vault.rebuild_index,
    "space": vaultfs.Vault.space,
    "merge": vaultfs.Vault.merge_access_logs,
}


class TestOneWriter:
    def test_a_second_handle_of_the_process_is_refused_until_the_first_is_closed(self, opened: Open) -> None:
        vault = opened()
        with pytest.raises(WriterBusy):
            reopen(vault.path)
        begun = time.monotonic()
        with pytest.raises(WriterBusy):
            reopen(vault.path, wait=0.1)
        assert 0.1 <= time.monotonic() - begun < 5
        threading.Timer(0.1, vault.close).start()
        with reopen(vault.path, wait=30) as again:
            assert get(again, put(again)) == b"data"

    def test_another_process_is_refused(self, vault: vaultfs.Vault) -> None:
        code = (
            "import sys, pathlib; from tests.vaultfs.support import reopen; from vaultfs.errors import WriterBusy\n"
            "try: reopen(pathlib.Path(sys.argv[1]))\n"
            "except WriterBusy: print('busy')"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(vault.path)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stdout == "busy\n"

    def test_a_refused_handle_changes_nothing(self, vault: vaultfs.Vault) -> None:
        record = put(vault)
        with pytest.raises(WriterBusy):
            reopen(vault.path)
        assert get(vault, record) == b"data"
        assert get(vault, put(vault, b"more")) == b"more"


def _forked(vault: vaultfs.Vault, s: vaultfs.Session, txn: vaultfs.Transaction, file: Any, answer: Any) -> None:
    found = []
    for call in (
        lambda: put(vault),
        lambda: s.find(subject=MRN),
        s.transaction,
        txn.commit,
        lambda: txn.put(b"x", kind="Observation", subject=MRN),
        txn.rollback,
        lambda: file.readinto(bytearray(3)),
        vault.settle,
        vault.rebuild_index,
        vault.space,
        lambda: list(events(vault)),
        vault.close,
    ):
        try:
            call()
            found.append("done")
        except VaultError as error:
            found.append(type(error).__name__)
    answer.send(found)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_may_not_use_the_vault_and_does_not_keep_its_lock(opened: Open) -> None:
    vault = opened()
    record = put(vault, os.urandom(2 * MIB))
    s = session(vault)
    txn = s.transaction()
    blob = txn.put(os.urandom(2 * MIB), kind="Observation", subject=MRN)
    file = s.open(record).detach()
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    with vault.engine.lock:  # whatever another thread holds at the fork stays held in the child
        child = context.Process(target=_forked, args=(vault, s, txn, file, send))
        child.start()
    assert receive.poll(30)
    found = receive.recv()
    child.join(30)
    assert found == ["Forked"] * 3 + ["Forked"] * 2 + ["done"] + ["Forked"] * 6
    txn.commit()
    assert len(get(vault, record)) == len(get(vault, blob)) == 2 * MIB

    sleeping = context.Process(target=time.sleep, args=(60,))
    sleeping.start()
    try:
        vault.close()
        with reopen(vault.path) as again:
            assert get(again, record)
    finally:
        sleeping.kill()
        sleeping.join()


class TestClosing:
    def test_a_closed_vault_does_nothing_more(self, opened: Open) -> None:
        vault = opened()
        record = put(vault)
        s = session(vault)
        txn = s.transaction()
        txn.put(b"x", kind="Observation", subject=MRN)
        vault.close()
        vault.close()
        for call in (
            lambda: vault.session(WHO, "TREAT"),
            lambda: s.get(record),
            lambda: list(s.all_subjects()),
            s.transaction,
            txn.commit,
            txn.new_subject,
            vault.settle,
            vault.rebuild_index,
            vault.space,
            lambda: events(vault),
        ):
            with pytest.raises(Closed):
                call()
        txn.rollback()

    def test_a_closed_session_does_nothing_more(self, vault: vaultfs.Vault) -> None:
        record = put(vault)
        with session(vault) as s:
            txn = s.transaction()
        for call in (lambda: s.get(record), s.transaction, txn.new_subject, txn.commit):
            with pytest.raises(Closed):
                call()

    def test_closing_leaves_no_thread_and_no_open_file(self, opened: Open) -> None:
        def descriptors() -> int:
            return len(os.listdir("/proc/self/fd"))

        opened().close()
        before = descriptors()
        for _ in range(3):
            vault = opened()
            put(vault, os.urandom(2 * MIB))
            vault.settle()
            put(vault)
            vault.close()
        assert descriptors() == before
        assert [
            t.name for t in threading.enumerate() if isinstance(t, threading.Timer) and not t.finished.is_set()
        ] == []

    def test_readers_and_writers_meet_a_clean_end_when_the_vault_closes(self, opened: Open) -> None:
        vault = opened()
        records = [put(vault, os.urandom(200_000 if n % 2 else 200)) for n in range(10)]
        stop = threading.Event()

        def use(act: Callable[[], Any]) -> str:
            while not stop.is_set():
                try:
                    act()
                except Closed:
                    return "closed"
            return "stopped"

        threading.Timer(0.3, vault.close).start()
        found = at_once(
            lambda: use(lambda: get(vault, records[0])),
            lambda: use(lambda: get(vault, records[1])),
            lambda: use(lambda: put(vault)),
            lambda: use(lambda: put(vault, os.urandom(100_000))),
            lambda: use(lambda: session(vault).find(subject=MRN)),
            lambda: use(vault.settle),
        )
        stop.set()
        assert found == ["closed"] * 6

    @pytest.mark.parametrize("act", READS)
    @pytest.mark.parametrize("by", ["writer", "reader", "reader with an index of its own"])
    def test_a_read_that_meets_the_end_is_told_so(self, opened: Open, tmp_path: Path, act: str, by: str) -> None:
        """Not that the disk has failed, or that the vault is damaged."""
        vault, vfs = opened(), SlowFor()
        put(vault, subject=OTHER)
        vault.settle()
        record = put(vault, os.urandom(100_000))
        read: vaultfs.Vault | vaultfs.Reader
        if by == "writer":
            read = opened(fresh=True, vfs=vfs)
        else:
            vault.close()
            if by != "reader":
                shutil.rmtree(vault.path / "index")
            read = read_only(vault.path, vfs=vfs, index=None if by == "reader" else tmp_path)
        with read.session(WHO, "TREAT") as s:
            self.meet_the_end(read, vfs, lambda: READS[act](s, record))

    @pytest.mark.parametrize("act", WRITES)
    def test_a_write_that_meets_the_end_is_told_so(self, opened: Open, act: str) -> None:
        vfs = SlowFor()
        before = len(os.listdir("/proc/self/fd"))
        vault = opened(vfs=vfs)
        record = put(vault, b"kept")
        self.meet_the_end(vault, vfs, lambda: WRITES[act](vault))
        assert len(os.listdir("/proc/self/fd")) == before
        assert get(opened(), record) == b"kept"

    def meet_the_end(self, vault: vaultfs.Vault | vaultfs.Reader, vfs: SlowFor, act: Callable[[], object]) -> None:
        """Close a vault in the middle of what a thread goes on doing, which must end it, and by `Closed` alone."""

        def go_on() -> None:
            vfs.thread = threading.get_ident()
            while True:
                act()
                vfs.begun.set()  # where nothing has to be read any more

        with ThreadPoolExecutor(1) as pool:
            going_on = pool.submit(go_on)
            assert vfs.begun.wait(30)
            vault.close()
            assert type(going_on.exception(60)) is Closed

    def test_a_process_that_does_not_close_ends_all_the_same(self, tmp_path: Path) -> None:
        code = (
            "import sys, pathlib; from tests.vaultfs.support import create, put\n"
            "vault = create(pathlib.Path(sys.argv[1])); print(put(vault, b'kept').hex())"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "v")], cwd=ROOT, capture_output=True, text=True, check=True,
            timeout=60,
        )  # fmt: skip
        assert done.stderr == ""
        with reopen(tmp_path / "v") as vault:
            assert get(vault, vaultfs.RecordId(bytes.fromhex(done.stdout))) == b"kept"


class TestSerialisability:
    def test_of_two_transactions_on_one_state_one_is_in_conflict(self, vault: vaultfs.Vault) -> None:
        def increment() -> int:
            with session(vault) as s, s.transaction() as txn:
                now = txn.state("ns", b"k")
                time.sleep(0.01)
                return txn.set_state("ns", b"k", b"%d" % (now.version + 1))

        found = at_once(increment, count=2)
        assert sum(isinstance(one, TransactionConflict) for one in found) == 1
        with session(vault) as s:
            assert s.state("ns", b"k") == vaultfs.State(1, b"1")

    def test_an_update_is_never_lost(self, vault: vaultfs.Vault) -> None:
        def increment() -> None:
            for _ in range(10):
                while True:
                    try:
                        with session(vault) as s, s.transaction() as txn:
                            value = int(txn.state("ns", b"k").value or b"0")
                            txn.set_state("ns", b"k", b"%d" % (value + 1))
                        break
                    except TransactionConflict:
                        continue

        at_once(increment, count=4)
        with session(vault) as s:
            assert s.state("ns", b"k") == vaultfs.State(40, b"40")

    @pytest.mark.parametrize("first", ["replace", "delete", "undelete"])
    @pytest.mark.parametrize("second", ["replace", "delete", "undelete"])
    def test_of_two_changes_of_one_record_one_is_in_conflict(
        self, vault: vaultfs.Vault, first: str, second: str
    ) -> None:
        record = put(vault, b"one")

        def undelete(txn: vaultfs.Transaction) -> None:
            txn.delete(record)
            txn.undelete(record)

        acts: dict[str, Callable[[vaultfs.Transaction], Any]] = {
            "replace": lambda txn: txn.put(b"two", kind="Observation", subject=MRN, replaces=record),
            "delete": lambda txn: txn.delete(record),
            "undelete": undelete,
        }
        with session(vault) as s:
            one, two = s.transaction(), s.transaction()
            acts[first](one)
            acts[second](two)
            one.commit()
            with pytest.raises(TransactionConflict):
                two.commit()

    def test_a_deletion_is_not_undone_by_a_version_that_did_not_know_of_it(self, vault: vaultfs.Vault) -> None:
        record = put(vault, b"one")
        with session(vault) as s:
            late = s.transaction()
            late.put(b"two", kind="Observation", subject=MRN, replaces=record)
            with s.transaction() as txn:
                txn.delete(record)
            with pytest.raises(TransactionConflict):
                late.commit()

    def test_of_two_that_create_a_subject_for_one_identifier_one_is_in_conflict(self, vault: vaultfs.Vault) -> None:
        with session(vault) as s:
            one, two = s.transaction(), s.transaction()
            one.put(b"1", kind="Observation", subject=MRN)
            two.put(b"2", kind="Observation", subject=MRN)
            two.put(os.urandom(3 * MIB), kind="Binary", subject=MRN)
            one.commit()
            with pytest.raises(TransactionConflict):
                two.commit()
            assert len(s.subjects(MRN)) == 1
            assert len(list(s.all_subjects())) == 2

    def test_conflicts_within_one_group_are_seen_too(self, opened: Open) -> None:
        """Both wait for the same sync: the second is checked against the first, not against the index alone."""
        vault = opened(vfs=SlowSync())
        record = put(vault, subject=OTHER)
        with session(vault) as s:
            prepared: list[Callable[[vaultfs.Transaction], Any]] = [
                lambda txn: txn.put(b"1", kind="Observation", subject=MRN),
                lambda txn: txn.put(b"2", kind="Observation", subject=OTHER, replaces=record),
                lambda txn: txn.set_state("ns", b"k", b""),
            ]
            for prepare in prepared:
                transactions = [s.transaction() for _ in range(6)]
                for txn in transactions:
                    prepare(txn)
                with vault.engine.lock:
                    threads = [threading.Thread(target=_commit_quietly, args=(txn,)) for txn in transactions]
                    for thread in threads:
                        thread.start()
                    while len(vault.committer.queue) < 6:
                        time.sleep(0.001)
                for thread in threads:
                    thread.join(30)
                assert sum(bool(txn.commit_number) for txn in transactions) == 1


def _commit_quietly(txn: vaultfs.Transaction) -> None:
    with contextlib.suppress(TransactionConflict):
        txn.commit()


def test_commits_settle_the_journal_when_it_has_grown(opened: Open) -> None:
    vault = opened(options=vaultfs.Options(settle_bytes=50_000))
    ids = [put(vault, os.urandom(1000)) for _ in range(100)]
    assert vault.engine.head.generation > 2
    assert vault.engine.writer().journal.end < 60_000
    for record in ids:
        assert len(get(vault, record)) == 1000
    with pytest.raises(NotFound):
        get(vault, vaultfs.RecordId(bytes(16)))


def test_a_vault_shows_its_id_and_nothing_else(vault: vaultfs.Vault) -> None:
    assert repr(vault) == f"<Vault {vault.id.hex()}>"
    assert "correct" not in repr(PASSPHRASE)
