"""How many events a second become durable, and how long each waits; how long checking, proving and opening take."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from vaultfs_format.events.base import Outcome as Ended
from vaultfs_format.events.records import RecordRead

from bench.audit.logs import LOGS, Access, Log, Own
from bench.figures import SEED, Figure, LeftOut, Outcome, Setting, Spent, percentile, reopened, scratch, seconds
from bench.peers.peer import Missing
from bench.scale import apart
from vaultfs.audit.verifying import verify
from vaultfs.audit.view import LogView

PRODUCERS = 8
WINDOW = 1_000
_SUBJECTS = 10_000
_PROOFS = 1_000
_TAIL = 1_000


class Way(NamedTuple):
    """How events come: from how many threads, how many of each in flight at a time, and for how many in all."""

    name: str
    producers: int
    window: int
    share: int
    budget: str


WAYS = (
    Way("one producer, waiting for each", 1, 1, 200, ""),
    Way("8 producers, waiting for each", PRODUCERS, 1, 20, "≥ 10,000"),
    Way("8 producers, 1,000 in flight each", PRODUCERS, WINDOW, 1, "≥ 100,000"),
)
_LATENCY = "≤ 10"


class Taken(NamedTuple):
    """What a log took for the events that came in one way.

    Parameters
    ----------
    waits
        Seconds that each call took.
    """

    spent: Spent
    events: int
    waits: list[float]

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.spent.wall


def speeds(setting: Setting) -> list[Outcome]:
    """Return how fast each log that is installed takes events, in each way."""
    found: list[Outcome] = []
    own: list[Taken] = []
    for kind in LOGS:
        measured = apart(measured_by, kind, WAYS, setting.events if kind is LOGS[0] else setting.events // 10)
        if isinstance(measured, str):
            found.append(LeftOut(f"{kind.name}: events", f"{measured} is not installed"))
            continue
        label, taken = measured
        own = own or taken
        for way, one, first in zip(WAYS, taken, own, strict=True):
            name = f"{label}: {way.name}"
            if one is first:
                found += _figures(name, way, one)
            else:
                found += [
                    Figure(name, one.rate, "events/s"),
                    Figure(name, first.rate / one.rate, "times slower than VaultFS"),
                ]
    return found


def _figures(name: str, way: Way, taken: Taken) -> list[Outcome]:
    budget = _LATENCY if way.producers > 1 and way.window == 1 else ""
    return [
        Figure(name, taken.rate, "events/s", way.budget),
        Figure(name, taken.events / taken.spent.processor, "events/s of processor time"),
        Figure(f"{name}, wait, median", 1000 * percentile(taken.waits, 50), "ms"),
        Figure(f"{name}, wait, 99th percentile", 1000 * percentile(taken.waits, 99), "ms", budget),
    ]


def measured_by(kind: type[Log], ways: Sequence[Way], events: int) -> tuple[str, list[Taken]] | str:
    """Return name and version of a log, and what it took in each way; or what is missing."""
    found = []
    for way in ways:
        with scratch() as place:
            try:
                log = kind(place / "log")
            except Missing as missing:
                return str(missing)
            try:
                found.append(_taken(log, way, max(events // way.share // way.producers // way.window, 1)))
            finally:
                log.close()
    return f"{kind.name} {log.version()}", found


def _taken(log: Log, way: Way, calls: int) -> Taken:
    waits: list[list[float]] = [[] for _ in range(way.producers)]
    given = [_accesses(number) for number in range(way.producers)]
    with ThreadPoolExecutor(way.producers) as pool:

        def all_at_once() -> None:
            for one in [
                pool.submit(_produce, log, way.window, calls, accesses, into)
                for accesses, into in zip(given, waits, strict=True)
            ]:
                one.result()

        spent = Spent.on(all_at_once)
    return Taken(spent, way.producers * calls * way.window, [wait for one in waits for wait in one])


def _produce(log: Log, window: int, calls: int, given: Iterator[Access], waits: list[float]) -> None:
    """Write events, and note how long each call took."""
    for _ in range(calls):
        accesses = [next(given) for _ in range(window)]
        begun = time.perf_counter()
        log.record(accesses)
        waits.append(time.perf_counter() - begun)


def _accesses(number: int) -> Iterator[Access]:
    """Return what yields accesses of one session, to records of many patients; these are made at once."""
    chance = random.Random(SEED + number)
    session = chance.randbytes(16)
    subjects = [chance.randbytes(16) for _ in range(_SUBJECTS)]
    return (Access(session, chance.choice(subjects), chance.randbytes(16)) for _ in repeat(None))


def whole(setting: Setting) -> list[Outcome]:
    """Return how long it takes to check a log, to prove an entry of it, and to open it after its writer was killed."""
    with scratch() as place:
        path, count = place / "vault", setting.events
        apart(_written, path, count)
        found = apart(_checked, path, count)
        taken = apart(_reopened, path)
        shorter = place / "shorter"
        apart(_written, shorter, max(count // 10, 1))
        least = apart(_reopened, shorter)
    name = f"opening after a kill, {_TAIL:,} events not settled, log of"
    return [
        *found,
        Figure(f"{name} {count:,}", 1000 * taken, "ms"),
        Figure(f"{name} {count:,}", taken / least, "times one of a tenth"),
    ]


def _written(path: Path, count: int) -> None:
    """Write a log of so many events, and settle it."""
    log = Own(path)
    given = _accesses(0)
    for at in range(0, count, 10_000):
        log.record([next(given) for _ in range(min(10_000, count - at))])
    log.vault.settle()
    log.close()


def _checked(path: Path, count: int) -> list[Outcome]:
    chance = random.Random(SEED)
    with reopened(path) as vault:
        spent = Spent.on(partial(verify, vault))
        vault.settle()
        views: list[LogView] = []
        making = seconds(lambda: views.append(LogView(vault)))
        (view,) = views
        indices = [chance.randrange(count) for _ in range(_PROOFS)]
        times = [seconds(partial(view.inclusion, index)) for index in indices]
    return [
        Figure(f"verify, {count:,} events", spent.wall, "s", "≤ 10"),
        Figure(f"verify, {count:,} events", count / spent.wall, "events/s"),
        Figure(f"view of the log, {count:,} events", making, "s"),
        Figure(f"inclusion proof, {count:,} events, median", 1000 * percentile(times, 50), "ms", "≤ 1"),
        Figure(f"inclusion proof, {count:,} events, 99th percentile", 1000 * percentile(times, 99), "ms", "≤ 1"),
    ]


def _reopened(path: Path) -> float:
    """Leave a tail of events that nobody settled behind a process that dies; return how long opening takes at least."""
    found = []
    for _ in range(3):
        child = os.fork()
        if not child:
            _die(path)
        os.waitpid(child, 0)
        begun = time.perf_counter()
        with reopened(path):
            found.append(time.perf_counter() - begun)
    return min(found)


def _die(path: Path) -> None:
    """Write a tail, and end without closing. Never returns."""
    try:
        with reopened(path) as vault:
            given = _accesses(1)
            for _ in range(_TAIL):
                session, subject, record = next(given)
                event = RecordRead(vault.engine.options.clock(), session, subject, 1, record, 1, Ended.DONE)
                vault.record([event], durable=False)
            vault.committer.sync()
            os._exit(0)
    finally:
        os._exit(1)
