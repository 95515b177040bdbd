"""An upheaval: transactions that overlap and are given up, beside everything that is done to care for a vault."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import vaultfs
from tests.vaultfs.support import PASSPHRASE, get, reopen, session
from vaultfs.engine.reading.compare import frame_errors, index_differences
from vaultfs.errors import Deleted, NotFound, TransactionConflict

PATIENTS = [vaultfs.Identifier("urn:oid:2.999", str(number)) for number in range(12)]
LEAVING = [vaultfs.Identifier("urn:oid:2.999", f"leaving {number}") for number in range(200)]
"""Patients who are disposed of sooner or later: of their records nothing is expected."""

SIZES = (0, 1, 400, 400, 3000, 65_000, 66_000, 70_000, 150_000, 150_000, 1_200_000)

Put = tuple[vaultfs.RecordId, bytes, bool]
"""A record, its content, and whether it stays."""


@dataclass
class Upheaval:
    """A run over a vault.

    Parameters
    ----------
    seconds
        How long.
    """

    path: Path
    work: Path
    seconds: float
    seed: int = 1
    done: Counter[str] = field(default_factory=Counter)
    errors: list[BaseException] = field(default_factory=list)
    data: dict[vaultfs.RecordId, bytes | None] = field(default_factory=dict)
    """What was acknowledged and stays as it is: content by record, None for what is deleted."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._counted = 0

    def run(self) -> None:
        """Run to the end; what went wrong is in `errors`."""
        vault = reopen(self.path, options=vaultfs.Options(settle_bytes=3_000_000))
        acts = [self._write, self._write, self._write, self._read, self._stream, self._count, self._care]
        threads = [threading.Thread(target=self._until_stopped, args=(act, vault, n)) for n, act in enumerate(acts)]
        for thread in threads:
            thread.start()
        self._stop.wait(self.seconds)
        self._stop.set()
        for thread in threads:
            thread.join(300)
        self._check(vault)
        vault.close()
        with reopen(self.path) as again:
            self._check(again)

    def _until_stopped(self, act: Callable[[vaultfs.Vault, random.Random], None], vault: vaultfs.Vault, n: int) -> None:
        chance = random.Random(self.seed * 100 + n)
        while not self._stop.is_set():
            try:
                with suppress(TransactionConflict):
                    act(vault, chance)
            except BaseException as error:  # noqa: BLE001 - reported by the test
                self.errors.append(error)
                self._stop.set()

    def _write(self, vault: vaultfs.Vault, chance: random.Random) -> None:
        """Put in several transactions that are open together, and end them in another order."""
        with session(vault) as s:
            open_ones = [s.transaction() for _ in range(chance.choice([1, 1, 2, 3]))]
            puts: list[list[Put]] = [[] for _ in open_ones]
            for _ in range(chance.randrange(1, 6)):
                place = chance.randrange(len(open_ones))
                puts[place].append(self._put(open_ones[place], chance))
                time.sleep(chance.choice([0, 0, 0.2 * chance.random()]))
            for place in chance.sample(range(len(open_ones)), len(open_ones)):
                if chance.random() < 0.2:
                    open_ones[place].rollback()
                    continue
                with suppress(TransactionConflict):
                    open_ones[place].commit()
                    self.done["commits"] += 1
                    for record, content, stays in puts[place]:
                        if stays:
                            self._change(s, chance, record, content)

    def _put(self, txn: vaultfs.Transaction, chance: random.Random) -> Put:
        content = os.urandom(chance.choice(SIZES))
        stays = chance.random() > 0.1
        patient = chance.choice([None, None, *PATIENTS]) if stays else LEAVING[int(time.monotonic()) % len(LEAVING)]
        return txn.put(content, kind="Binary", subject=patient), content, stays

    def _change(self, s: vaultfs.Session, chance: random.Random, record: vaultfs.RecordId, content: bytes) -> None:
        """Replace or delete a record, or leave it as it is; from then on it stays."""
        expected: bytes | None = content
        lot = chance.random()
        with s.transaction() as txn:
            if lot < 0.15:
                txn.delete(record)
                expected = None
            elif lot < 0.3:
                expected = os.urandom(chance.choice(SIZES))
                txn.put(expected, kind="Binary", subject=s.info(record).subject, replaces=record)
        self.data[record] = expected

    def _read(self, vault: vaultfs.Vault, chance: random.Random) -> None:
        some = list(self.data)
        for record in chance.sample(some, min(len(some), 5)):
            assert self._seen(vault, record) == self.data[record]
        self.done["reads"] += 1
        time.sleep(0.01 * chance.random())

    @staticmethod
    def _seen(vault: vaultfs.Vault, record: vaultfs.RecordId) -> bytes | None:
        try:
            return get(vault, record)
        except Deleted:
            return None

    def _stream(self, vault: vaultfs.Vault, chance: random.Random) -> None:
        some = [(record, content) for record, content in list(self.data.items()) if content is not None]
        if some:
            record, content = max(some[-20:], key=lambda one: len(one[1]))
            with session(vault) as s, s.open(record) as file:
                pieces = []
                while piece := file.read(chance.choice([1000, 70_000, 500_000])):
                    pieces.append(piece)
                    time.sleep(0.05 * chance.random())
            assert b"".join(pieces) == content
        time.sleep(0.01)

    def _count(self, vault: vaultfs.Vault, chance: random.Random) -> None:
        with session(vault) as s, s.transaction() as txn:
            state = txn.state("tests", b"count")
            txn.guard("tests", b"count", state.version)
            txn.set_state("tests", b"count", b"%d" % (int(state.value or b"0") + 1))
        self._counted += 1
        time.sleep(0.02 * chance.random())

    def _care(self, vault: vaultfs.Vault, chance: random.Random) -> None:
        acts: dict[str, Callable[[], object]] = {
            "settle": vault.settle,
            "rebuild": vault.rebuild_index,
            "turn": lambda: vault.keys.turn(PASSPHRASE),
            "dispose": lambda: self._dispose(vault),
            "reencrypt": lambda: vault.keys.reencrypt(1),
            "maintain": lambda: vault.maintenance.run(0.5),
            "mirror": lambda: vault.maintenance.mirror_segments(on=chance.random() < 0.5),
        }
        (name,) = chance.choices(list(acts), [6, 1, 1, 1, 1, 1, 1])
        acts[name]()
        self.done[name] += 1
        time.sleep(0.3 * chance.random())

    @staticmethod
    def _dispose(vault: vaultfs.Vault) -> None:
        found: list[vaultfs.SubjectId] = []
        with session(vault) as s:
            for patient in LEAVING:
                with suppress(NotFound):
                    found += s.subjects(patient)
        vault.keys.turn(PASSPHRASE, found[:3])

    def _check(self, vault: vaultfs.Vault) -> None:
        for record, content in self.data.items():
            assert self._seen(vault, record) == content
        with session(vault) as s:
            assert int(s.state("tests", b"count").value or b"0") == self._counted
        assert index_differences(vault.engine, self.work) == {}
        assert list(frame_errors(vault.engine, lambda _: None)) == []
