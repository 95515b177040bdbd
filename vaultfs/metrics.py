"""The metrics seam: what an open vault counts and times, for whatever a host watches its systems with.

Names are closed enumerations and values are numbers, so that nothing of a record, a subject or a principal can get out
this way. Pass an object with the methods of `Metrics` as `Options.metrics`; `Tally` is one that keeps everything in
memory.
"""

from __future__ import annotations

import threading
import time
from collections import Counter as Tallies
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol


class Counter(StrEnum):
    """What is counted since the vault was opened."""

    RECORDS_PUT = "vaultfs.records.put"
    RECORDS_READ = "vaultfs.records.read"
    BYTES_READ = "vaultfs.bytes.read"
    COMMITS = "vaultfs.commits"
    CONFLICTS = "vaultfs.conflicts"
    EVENTS = "vaultfs.audit.events"
    GROUPS = "vaultfs.journal.groups"
    BYTES_WRITTEN = "vaultfs.journal.bytes"
    DENIALS = "vaultfs.denials"
    ENTRY_HITS = "vaultfs.cache.entries.hits"
    ENTRY_MISSES = "vaultfs.cache.entries.misses"
    BODY_HITS = "vaultfs.cache.bodies.hits"
    BODY_MISSES = "vaultfs.cache.bodies.misses"
    SEGMENTS_WRITTEN = "vaultfs.segments.written"
    RETRIES = "vaultfs.reads.retried"
    INDEX_REBUILDS = "vaultfs.index.rebuilds"
    ANCHORS_MISSED = "vaultfs.anchors.missed"
    HEALED_READS = "vaultfs.reads.healed"
    MIRRORS_MISSED = "vaultfs.mirrors.missed"
    COPIES_MISSED = "vaultfs.copies.missed"


class Timing(StrEnum):
    """What is timed, in seconds. Of a turn of the epoch: all of it without its settling, and its parts.

    The parts are finding what is disposed of, the key tables, the keyring, and the index, identifier tokens included.
    """

    COMMIT = "vaultfs.commit.seconds"
    NOTE = "vaultfs.audit.seconds"
    SYNC = "vaultfs.sync.seconds"
    INDEX = "vaultfs.index.seconds"
    READ = "vaultfs.read.seconds"
    SEARCH = "vaultfs.search.seconds"
    SETTLE = "vaultfs.settle.seconds"
    REBUILD = "vaultfs.rebuild.seconds"
    TURN = "vaultfs.turn.seconds"
    TURN_FRAMES = "vaultfs.turn.frames.seconds"
    TURN_TABLES = "vaultfs.turn.tables.seconds"
    TURN_KEYRING = "vaultfs.turn.keyring.seconds"
    TURN_INDEX = "vaultfs.turn.index.seconds"
    TURN_ALIASES = "vaultfs.turn.aliases.seconds"


class Gauge(StrEnum):
    """What has a value now."""

    QUEUE = "vaultfs.commit.queue"
    JOURNAL_BYTES = "vaultfs.journal.live.bytes"
    SEGMENTS = "vaultfs.segments"
    EPOCH_STORES = "vaultfs.epoch.stores"


class Metrics(Protocol):
    """Receives numbers, from any thread and often under a lock: it must be quick and must not call the vault."""

    def add(self, counter: Counter, amount: int = 1) -> None:
        """Count `amount` more."""
        ...

    def observe(self, timing: Timing, seconds: float) -> None:
        """Take note of how long something took."""
        ...

    def set(self, gauge: Gauge, value: float) -> None:
        """Take note of a value."""
        ...


class NoMetrics:
    """Keeps nothing: what a vault uses unless its host says otherwise."""

    def add(self, counter: Counter, amount: int = 1) -> None:
        """Do nothing."""

    def observe(self, timing: Timing, seconds: float) -> None:
        """Do nothing."""

    def set(self, gauge: Gauge, value: float) -> None:
        """Do nothing."""


class Tally:
    """Keeps sums in memory.

    Attributes
    ----------
    counts, gauges
        By name.
    seconds, observed, slowest
        For each timing the sum, the number of observations, and the largest.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: Tallies[Counter] = Tallies()
        self.gauges: dict[Gauge, float] = {}
        self.seconds: dict[Timing, float] = {}
        self.observed: Tallies[Timing] = Tallies()
        self.slowest: dict[Timing, float] = {}

    def add(self, counter: Counter, amount: int = 1) -> None:
        """Count `amount` more."""
        with self._lock:
            self.counts[counter] += amount

    def observe(self, timing: Timing, seconds: float) -> None:
        """Take note of how long something took."""
        with self._lock:
            self.seconds[timing] = self.seconds.get(timing, 0.0) + seconds
            self.observed[timing] += 1
            self.slowest[timing] = max(seconds, self.slowest.get(timing, 0.0))

    def set(self, gauge: Gauge, value: float) -> None:
        """Take note of a value."""
        with self._lock:
            self.gauges[gauge] = value


@contextmanager
def timed(metrics: Metrics, timing: Timing) -> Iterator[None]:
    """Tell `metrics` how long the block took, if it ended well."""
    begun = time.perf_counter()
    yield
    metrics.observe(timing, time.perf_counter() - begun)
