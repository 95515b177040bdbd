"""A soak: reader processes that are killed now and then, beside threads that write, read and care for the vault.

Every reader writes down, in a file of its own, each access before it asks and after it has got an answer; afterwards
those notes are compared with the vault's log, event by event.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from vaultfs_format.events.records import RecordRead

import vaultfs
from tests.vaultfs.engine.children import Child
from tests.vaultfs.support import MRN, PASSPHRASE, events, get, put, reopen, session
from vaultfs.engine.reading.compare import frame_errors, index_differences
from vaultfs.errors import Deleted

READER = """
import random
from tests.vaultfs.engine.soak import content
from vaultfs.errors import Deleted
board, notes = Path(sys.argv[2]), open(sys.argv[3], "ab", buffering=0)
strict, seed = sys.argv[4] == "strict", sys.argv[5]
chance = random.Random(seed)
reader = read_only(path, options=vaultfs.Options(sync_bound=0.2))
say("ready")
s = reader.session(WHO, "TREAT", strict=strict)
position, known, gone = 0, {}, set()
with open(board, "rb") as feed:
    while True:
        for line in feed.read().splitlines(keepends=True):
            if not line.endswith(b"\\n"):
                feed.seek(-len(line), 1)
                break
            what, number, name = line.split()
            record = vaultfs.RecordId(bytes.fromhex(name.decode()))
            if what == b"put": known[record] = int(number)
            else: gone.add(record)
        if not known:
            time.sleep(0.01)
            continue
        record = chance.choice(list(known)[-200:])
        was_gone = record in gone
        notes.write(b"ask " + record.hex().encode() + b"\\n")
        try:
            data = s.get(record).data
        except Deleted:
            notes.write(b"got " + record.hex().encode() + b"\\n")
            continue
        assert not was_gone, "a deleted record was returned"
        assert data == content(known[record]), "other bytes"
        notes.write(b"got " + record.hex().encode() + b"\\n")
"""
"""Reads what the board says is there; a record that was acknowledged before must be found, a deleted one must not."""


def content(number: int) -> bytes:
    """Return what record `number` holds: now and then a large one."""
    return hashlib.shake_256(b"%d" % number).digest(70_000 + number % 50 if number % 7 == 0 else 400 + number % 50)


Act = Callable[[vaultfs.Vault, random.Random], None]


@dataclass
class Soak:
    """A run over one vault.

    Parameters
    ----------
    seconds
        How long.
    """

    path: Path
    work: Path
    seconds: float
    readers: int = 4
    threads: int = 8
    seed: int = 1
    largest: int = 0
    kills: int = 0
    accesses: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    """What readers asked for, released or not."""
    got: Counter[str] = field(default_factory=Counter)
    """What was given out to strict readers."""
    loose: Counter[str] = field(default_factory=Counter)
    """What was given out to buffered ones."""
    local: Counter[str] = field(default_factory=Counter)
    """What threads of the writer's process read."""
    errors: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._number = 0
        self._alive: list[vaultfs.RecordId] = []
        self._board = self.work / "board"
        self._board.touch()

    def run(self) -> None:
        """Run to the end; what went wrong is in `errors`."""
        vault = reopen(self.path, options=vaultfs.Options(settle_bytes=2_000_000, sync_bound=0.2))
        put(vault)  # else the first of several threads to name the patient makes the others run again
        acts = [self._write, self._write, self._write, self._delete, self._read, self._read, self._read, self._disturb]
        threads = [threading.Thread(target=self._until_stopped, args=(act, vault, n)) for n, act in enumerate(acts)]
        for thread in threads[: self.threads]:
            thread.start()
        try:
            self._keep_readers(vault)
        finally:
            self._stop.set()
            for thread in threads[: self.threads]:
                thread.join(120)
            vault.close()

    def _until_stopped(self, act: Act, vault: vaultfs.Vault, number: int) -> None:
        chance = random.Random(self.seed * 100 + number)
        while not self._stop.is_set():
            try:
                act(vault, chance)
            except BaseException as error:  # noqa: BLE001 - reported by the test
                self.errors.append(error)
                self._stop.set()

    def _write(self, vault: vaultfs.Vault, chance: random.Random) -> None:
        with self._lock:
            number = self._number = self._number + 1
        with session(vault) as s:
            given_up = s.transaction()
            if number % 5 == 0:
                given_up.put(bytes(66_000), kind="Binary", subject=None)
            record = put(vault, content(number), subject=MRN if number % 2 else None)
            given_up.rollback()
        self._announce(b"put", number, record)
        with self._lock:
            self._alive.append(record)
        time.sleep(chance.random() * 0.05)

    def _announce(self, what: bytes, number: int, record: vaultfs.RecordId) -> None:
        with self._lock, self._board.open("ab", buffering=0) as board:
            board.write(b"%s %d %s\n" % (what, number, record.hex().encode()))

    def _delete(self, vault: vaultfs.Vault, chance: random.Random) -> None:
        time.sleep(0.1 * chance.random())
        with self._lock:
            record = self._alive.pop(chance.randrange(len(self._alive))) if len(self._alive) > 30 else None
        if record is not None:
            with session(vault) as s, s.transaction() as txn:
                txn.delete(record)
            self._announce(b"del", 0, record)

    def _read(self, vault: vaultfs.Vault, chance: random.Random) -> None:
        with self._lock:
            record = chance.choice(self._alive[-100:]) if self._alive else None
        if record is not None:
            with suppress(Deleted):
                get(vault, record)
            with self._lock:
                self.local[record.hex()] += 1
        time.sleep(0.02 * chance.random())

    def _disturb(self, vault: vaultfs.Vault, chance: random.Random) -> None:
        time.sleep(0.5 + chance.random())
        disturb: list[Callable[[], object]] = [
            vault.settle,
            vault.rebuild_index,
            vault.merge_access_logs,
            lambda: vault.keys.turn(PASSPHRASE),
            lambda: vault.keys.reencrypt(1),
            lambda: vault.maintenance.run(0.5),
        ]
        chance.choice(disturb)()
        self.largest = max(self.largest, os.stat(self.path / "index" / "data.mdb").st_size)

    def _keep_readers(self, vault: vaultfs.Vault) -> None:
        chance = random.Random(self.seed)
        deadline = time.monotonic() + self.seconds
        running: dict[int, Child] = {}
        started = 0
        try:
            while time.monotonic() < deadline and not self._stop.is_set():
                for place in range(self.readers):
                    if place not in running:
                        running[place] = self._started(place, started)
                        started += 1
                time.sleep(0.5 + chance.random())
                place = chance.choice(list(running))
                self._ended(running.pop(place))
        finally:
            for one in running.values():
                self._ended(one)

    def _started(self, place: int, number: int) -> Child:
        kind = "strict" if place % 2 else "buffered"
        notes = self.work / f"notes.{kind}.{number}"
        return Child(READER, self.path, self._board, notes, kind, f"{self.seed}.{number}")

    def _ended(self, one: Child) -> None:
        one.process.kill()
        _, said = one.process.communicate()
        self.kills += 1
        if said:
            self.errors.append(AssertionError(said.decode()))

    def check(self) -> None:
        """Compare what was read with the log.

        A reader that was killed had asked for one record more than it got: the event of that read may be there or not.
        """
        for notes in self.work.glob("notes.*"):
            counted = self.got if ".strict." in notes.name else self.loose
            for line in notes.read_text().splitlines():
                what, _, record = line.partition(" ")
                (self.asked if what == "ask" else counted)[record] += 1
        with reopen(self.path) as vault:
            logged: Counter[str] = Counter()
            for event in events(vault):
                if isinstance(event, RecordRead) and event.record:
                    logged[event.record.hex()] += 1
            for record in logged | self.asked:
                released = self.got[record] + self.loose[record] + self.local[record]
                assert released <= logged[record] <= self.asked[record] + self.local[record], (
                    "an access is not logged once"
                )
            self.accesses = sum(self.got.values()) + sum(self.loose.values())
            assert not list((self.path / "journal").glob("*.vacc"))
            assert index_differences(vault.engine, self.work / "other") == {}
            assert list(frame_errors(vault.engine, lambda _: None)) == []
            used = vault.engine.index.used()
            assert self.largest <= max(64_000_000, 8 * used), "the index has grown"
