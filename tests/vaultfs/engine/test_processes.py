"""Forks, stops, kills, interrupts and exits: no process harms another, and what was acknowledged is there."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.events.records import RecordRead

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.engine.children import PRELUDE, READ_ON_REQUEST, ROOT, child
from tests.vaultfs.support import MRN, WHO, events_of, get, put, read_only, reopen, session
from vaultfs.engine.settling import upkeep
from vaultfs.errors import VaultError, WriterBusy

FORKING = "ignore:This process .* is multi-threaded:DeprecationWarning"


def reads(vault: vaultfs.Vault, record: vaultfs.RecordId) -> int:
    """Return how often the log says that a record was read."""
    return sum(event.record == record for event in events_of(vault, RecordRead))


def named(act: Callable[[], Any]) -> str:
    """Return the name of the error that `act` raises."""
    try:
        act()
    except VaultError as error:
        return type(error).__name__
    return "done"


class TestForks:
    @pytest.mark.filterwarnings(FORKING)
    def test_a_forked_child_may_not_use_a_reader(self, vault: vaultfs.Vault) -> None:
        record = put(vault, os.urandom(2_000_000))
        reader = read_only(vault.path)
        s = reader.session(WHO, "TREAT", strict=True)
        file = s.open(record).detach()

        def tried(answer: Any) -> None:
            acts: list[Callable[[], Any]] = [
                lambda: s.get(record), lambda: s.find(subject=MRN), s.transaction, lambda: list(s.all_subjects()),
                lambda: reader.session(WHO, "TREAT"), lambda: file.readinto(bytearray(9)), reader.close,
            ]  # fmt: skip
            answer.send([named(act) for act in acts])

        receive, send = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=tried, args=(send,))
        process.start()
        assert receive.poll(30)
        assert receive.recv() == ["Forked"] * 7
        process.join(30)
        assert len(s.get(record).data) == 2_000_000
        reader.close()
        assert vault.merge_access_logs().removed == 1
        assert reads(vault, record) == 2

    @pytest.mark.filterwarnings(FORKING)
    def test_a_child_reads_through_a_reader_of_its_own(self, vault: vaultfs.Vault) -> None:
        """The environment of the parent is neither used nor closed: either would cost a process its locks."""
        record = put(vault)
        reader = read_only(vault.path)

        def use(answer: Any) -> None:
            with read_only(vault.path) as own:
                answer.send([get(own, record), named(lambda: get(reader, record))])
                answer.recv()
                answer.send([get(own, record)])

        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=use, args=(there,))
        process.start()
        assert here.poll(30)
        assert here.recv() == [b"data", "Forked"]
        for _ in range(50):
            put(vault)
        vault.settle()
        assert get(reader, record) == b"data"
        here.send("go on")
        assert here.poll(30)
        assert here.recv() == [b"data"]
        process.join(30)
        assert process.exitcode == 0
        reader.close()
        vault.merge_access_logs()
        assert reads(vault, record) == 3

    @pytest.mark.filterwarnings(FORKING)
    def test_a_child_that_lives_on_keeps_no_lock(self, opened: Open) -> None:
        """Neither the writer's, nor that of a reader's log: who holds it would seem to be at work."""
        vault = opened()
        path, record = vault.path, put(vault)
        vault.close()
        program = """
vault = reopen(path); reader = read_only(path)
s = reader.session(WHO, "TREAT", strict=True); s.get(vaultfs.RecordId(bytes.fromhex(sys.argv[2])))
if os.fork() == 0:
    say(os.getpid())
    time.sleep(600)
hear()
"""
        with child(program, path, record.hex()) as one:
            grandchild = int(one.hear())
            one.process.kill()
            one.process.wait()
            try:
                vault = opened()
                assert reads(vault, record) == 1
                assert list((path / "journal").glob("*.vacc")) == []
            finally:
                os.kill(grandchild, signal.SIGKILL)

    @pytest.mark.parametrize(
        "end", ["sys.exit()", "os._exit(0)", "vault.close()", "del vault, reader, s; import gc; gc.collect()"]
    )
    def test_a_child_that_ends_writes_nothing_and_harms_nothing(self, tmp_path: Path, end: str) -> None:
        program = f"""
import warnings; warnings.simplefilter("ignore")
vault = create(path)
record = put(vault); reader = read_only(path)
s = reader.session(WHO, "TREAT"); s.get(record)
before = [(p.name, p.stat().st_size) for p in sorted((path / "journal").iterdir())]
environment = vault.engine.index._environment.env
held = environment.begin()
slots = environment.readers()
assert str(os.getpid()) in slots
child = os.fork()
if child == 0:
    try:
        {end}
    except VaultError as error:
        assert type(error).__name__ == "Forked"
    sys.exit()
_, status = os.waitpid(child, 0)
assert status == 0, status
assert environment.readers() == slots
held.abort()
assert before == [(p.name, p.stat().st_size) for p in sorted((path / "journal").iterdir())]
s.get(record); put(vault); get(vault, record)
try: reopen(path)
except VaultError as error: say(type(error).__name__)
reader.close(); vault.close()
vault = reopen(path)
say(sum(event.type == 23 for event in events(vault)))
vault.close()
"""
        with child(program, tmp_path / "v") as one:
            assert (one.hear(), one.hear()) == ("WriterBusy", "3")
            assert one.end() == ""

    def test_spawned_processes_read_and_write(self, vault: vaultfs.Vault) -> None:
        record = put(vault)
        with child(READ_ON_REQUEST, vault.path) as one, child(READ_ON_REQUEST, vault.path) as two:
            assert (one.hear(), two.hear()) == ("ready", "ready")
            assert one.ask(record) == two.ask(record) == b"data"


class TestExits:
    @pytest.mark.parametrize("kind", ["reader", "writer"])
    def test_what_is_buffered_is_durable_when_a_process_exits_without_closing(self, opened: Open, kind: str) -> None:
        vault = opened()
        record, path = put(vault), vault.path
        vault.close()
        program = """
from vaultfs.testing.vfs import FaultyVfs, Operation
vfs = FaultyVfs()
opening = read_only if sys.argv[3] == "reader" else reopen
vault = opening(path, vfs=vfs, options=vaultfs.Options(sync_bound=600))
s = vault.session(WHO, "TREAT"); s.get(vaultfs.RecordId(bytes.fromhex(sys.argv[2])))
import atexit
from vaultfs import processes
before = vfs.calls[Operation.SYNC]
atexit.unregister(processes._finish)
atexit.register(lambda: say(vfs.calls[Operation.SYNC] - before))
atexit.register(processes._finish)
"""
        with child(program, path, record.hex(), kind) as one:
            assert one.hear() == "1"
            assert one.end() == ""
            assert one.process.returncode == 0
        assert reads(opened(), record) == 1

    def test_a_thread_that_hangs_does_not_keep_a_process_from_exiting(self, vault: vaultfs.Vault) -> None:
        program = """
import threading
reader = read_only(path)
threading.Thread(target=lambda: reader._log._syncing.acquire(), daemon=True).start()
time.sleep(0.2)
say("ready")
"""
        with child(program, vault.path) as one:
            assert one.hear() == "ready"
            assert one.end() == ""


INTERRUPTIBLE = """
import signal
armed = False
def interrupt(*_):
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
"""
"""Once it is armed, a program is interrupted by the next alarm."""

INTERRUPTED = """
import itertools
options = vaultfs.Options(settle_bytes=40_000)
vault = reopen(path, options=options)
known = {}
def attempt(number):
    global armed
    try:
        armed = True
        with session(vault) as s, s.transaction() as txn:
            txn.put(b"%d" % number + os.urandom(300), kind="Observation", subject=None)
            txn.set_state("ns", b"%d" % number, b"")
    finally:
        armed = False
signal.setitimer(signal.ITIMER_REAL, 0.041, 0.053)
stop = time.monotonic() + float(sys.argv[2])
for number in itertools.count():
    if time.monotonic() > stop:
        break
    try:
        attempt(number)
    except KeyboardInterrupt:
        known[number] = "unknown"
    except VaultError as error:
        known[number] = type(error).__name__
        vault.close()
        vault = reopen(path, options=options)
    else:
        known[number] = "done"
signal.setitimer(signal.ITIMER_REAL, 0)
vault.close()
for number, what in known.items(): say(number, what)
say("end")
"""


INTERRUPTED_AMONG_OTHERS = """
import threading
from vaultfs_format.events.vault import VaultOpened
def attempt(record):
    global armed
    try:
        armed = True
        while True:
            record()
    except (KeyboardInterrupt, VaultError):
        pass
    finally:
        armed = False
vault = reopen(path)
stop, trials = time.monotonic() + float(sys.argv[2]), 0
while time.monotonic() < stop:
    def record(vault=vault):
        vault.record([VaultOpened(1, bytes(16))], durable=True)
    def produce(record=record):
        try:
            for _ in range(12): record()
        except VaultError:
            pass
    others = [threading.Thread(target=produce, daemon=True) for _ in range(6)]
    for one in others: one.start()
    signal.setitimer(signal.ITIMER_REAL, 0.0005 + trials % 23 * 0.0003)
    attempt(record)
    for one in others: one.join(20)
    if any(one.is_alive() for one in others):
        say("hangs")
        os._exit(1)
    if vault.engine.poisoned:
        vault.close()
        vault = reopen(path)
    trials += 1
say("trials" if trials > 20 else trials)
vault.close()
"""
"""Commits of one thread are interrupted while six others commit."""


class TestInterrupts:
    def test_an_interrupt_of_one_thread_hangs_no_other(self, opened: Open) -> None:
        vault = opened()
        path = vault.path
        vault.close()
        with child(INTERRUPTIBLE + INTERRUPTED_AMONG_OTHERS, path, 4, interrupted=True) as one:
            assert one.hear(60) == "trials"
            one.end()

    def test_an_interrupt_at_any_moment_leaves_a_commit_done_or_not(self, opened: Open) -> None:
        """After it the vault goes on, or says that it must be opened again; what was acknowledged is there."""
        vault = opened()
        path = vault.path
        vault.close()
        with child(INTERRUPTIBLE + INTERRUPTED, path, 6, interrupted=True) as one:
            known: dict[int, str] = {}
            while (line := one.hear()) != "end":
                number, what = line.split()
                known[int(number)] = what
            one.end()
            assert one.process.returncode == 0
        counted = list(known.values())
        assert counted.count("done") > 20
        assert set(counted) <= {"done", "unknown", "WriterPoisoned", "CommitUnknown"}
        assert len(set(counted)) > 1
        vault = opened()
        with session(vault) as s:
            there = {number for number in known if s.state("ns", b"%d" % number).version}
            assert len(s.find(subject=vaultfs.NOBODY)) == len(there)
        assert {number for number, what in known.items() if what == "done"} <= there
        assert not {number for number, what in known.items() if what == "WriterPoisoned"} & there

    def test_an_interrupted_read_of_a_reader_leaves_it_usable(self, vault: vaultfs.Vault) -> None:
        program = """
import signal
record = vaultfs.RecordId(bytes.fromhex(sys.argv[2]))
reader = read_only(path)
s = reader.session(WHO, "TREAT", strict=True)
armed = False
def interrupt(*_):
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.003, 0.0037)
done = interrupted = 0
stop = time.monotonic() + 3
def attempt():
    global armed
    try:
        armed = True
        s.get(record)
    finally:
        armed = False
while time.monotonic() < stop:
    try:
        attempt()
        done += 1
    except KeyboardInterrupt:
        interrupted += 1
signal.setitimer(signal.ITIMER_REAL, 0)
s.get(record); reader.close()
say(done + 1, interrupted)
"""
        record = put(vault)
        with child(program, vault.path, record.hex(), interrupted=True) as one:
            done, interrupted = map(int, one.hear().split())
            one.end()
            assert one.process.returncode == 0
        vault.merge_access_logs()
        assert done <= reads(vault, record) <= done + interrupted
        assert interrupted > 10


class TestStops:
    def test_a_stopped_reader_does_not_bloat_the_index(self, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stopped inside a read transaction it keeps every page from being used again; so the file is made anew."""
        monkeypatch.setattr(upkeep, "SMALL", 400_000)
        vault = opened(options=vaultfs.Options(index_growth=3.0))
        first = put(vault)
        program = """
reader = read_only(path)
with reader.engine.index.reading() as txn:
    say("reading")
    hear()
say(reader.session(WHO, "TREAT").get(vaultfs.RecordId(bytes.fromhex(hear()))).data.decode())
"""
        with child(program, vault.path) as stopped, child(READ_ON_REQUEST, vault.path) as other:
            assert (stopped.hear(), other.hear()) == ("reading", "ready")
            stopped.process.send_signal(signal.SIGSTOP)
            try:
                largest, files = 0, set()
                for number in range(1500):
                    last = put(vault, b"%d" % number, subject=None)
                    if number % 50 == 0:
                        data = vault.path / "index" / "data.mdb"
                        files.add(data.stat().st_ino)
                        largest = max(largest, data.stat().st_size)
                        assert other.ask(last) == b"%d" % number
                assert len(files) > 1
                assert largest < 4 * max(400_000, 3 * vault.engine.index.used())
            finally:
                stopped.process.send_signal(signal.SIGCONT)
            stopped.say()
            stopped.say(last.hex())
            assert stopped.hear() == "1499"
            assert other.ask(first) == b"data"
        assert get(vault, first) == b"data"
        vault.settle()
        assert get(vault, last) == b"1499"

    def test_slots_of_dead_readers_are_freed(self, opened: Open) -> None:
        vault = opened()
        program = 'reader = read_only(path)\nwith reader.engine.index.reading():\n    say("reading")\n    hear()\n'
        with child(program, vault.path) as one:
            assert one.hear() == "reading"
            one.process.kill()
            one.process.wait()
        environment = vault.engine.index._environment.env
        put(vault)
        vault.settle()
        assert environment.reader_check() == 0

    def test_nothing_but_lmdb_opens_its_lock(self, tmp_path: Path) -> None:
        """Whoever opens and closes that file in the same process drops LMDB's locks on it (POSIX fcntl locks)."""
        program = """
opened = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
vault = create(path)
record = put(vault); reader = read_only(path)
for move in (vault.settle, vault.rebuild_index, vault._upkeep.compact):
    move(); get(reader, record)
from vaultfs_tools.keyless import VaultFiles, check
vault.space(); check(VaultFiles(path)); reader.close(); vault.close(); reopen(path).close()
say(any("head" in one for one in opened), [one for one in opened if "lock.mdb" in one])
"""
        with child(program, tmp_path / "v") as one:
            assert one.hear() == "True []"


class TestReadOnlyMedia:
    """In a mount namespace of the test's own: a file system that nobody can write to, and one that is mounted so."""

    SCRIPT = """
import subprocess
where, kind = path / "medium", sys.argv[2]
def run(*words): subprocess.run(words, check=True)
run("mount", "-t", "tmpfs", "none", str(where))
vault = create(where / "v", epoch_stores=[vaultfs.DirectoryStore(path / "epoch")]); record = put(vault, b"kept")
if sys.argv[3] == "settled": vault.settle()
vault.close()
if kind == "frozen":
    run("mount", "-o", "remount,ro", str(where)); place = where / "v"
else:
    (path / "other").mkdir(); run("mount", "--bind", str(where), str(path / "other"))
    run("mount", "-o", "remount,bind,ro", str(path / "other")); place = path / "other" / "v"
stores = [vaultfs.DirectoryStore(path / "epoch")]
def attempt(**more):
    try:
        with read_only(place, epoch_stores=stores, **more) as reader: say(get(reader, record).decode())
    except VaultError as error: say(type(error).__name__)
attempt()
attempt(access_log=path / "logs")
attempt(access_log=path / "logs", index=path / "own")
if kind == "frozen":
    run("mount", "-o", "remount,rw", str(where))
vault = reopen(where / "v", epoch_stores=stores)
say(vault.merge_access_logs(path / "logs").removed)
say(sum(event.type == 23 and event.record == record for event in events(vault)))
"""

    @pytest.mark.parametrize("settled", ["settled", "journal"])
    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            ("frozen", ["AccessLogMissing", "kept", "kept", "2", "2"]),
            ("mounted", ["StorageReadOnly", "StorageReadOnly", "kept", "1", "1"]),
        ],
    )
    def test_reading_needs_a_place_for_the_log_and_an_index_that_can_be_trusted(
        self, tmp_path: Path, kind: str, expected: list[str], settled: str
    ) -> None:
        """A mount that is read-only says nothing of a writer elsewhere: without locks its pages would be torn."""
        trial = subprocess.run(
            ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
        )
        if trial.returncode:
            pytest.skip("mount namespaces are not permitted")
        (tmp_path / "medium").mkdir()
        done = subprocess.run(
            ["unshare", "-m", sys.executable, "-c", PRELUDE + self.SCRIPT, str(tmp_path), kind, settled],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stderr == ""
        assert done.stdout.split() == expected


def test_a_vault_is_written_by_one_handle_of_a_process(vault: vaultfs.Vault) -> None:
    with read_only(vault.path), pytest.raises(WriterBusy):
        reopen(vault.path)
