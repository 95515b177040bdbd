"""What a row returns, and what every row needs: a place, a vault, peaks of memory, percentiles."""

from __future__ import annotations

import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from vaultfs_format.stanza import Argon2Cost

import vaultfs
from vaultfs.keys.recipients import _AtAnyCost

SEED = 20_260_101
WHO = vaultfs.Principal("bench")
QUICK = _AtAnyCost(b"only for measuring", Argon2Cost(64, 1, 1))
"""Costs nothing to stretch: how long a passphrase takes is chosen, not measured."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How a run was asked for.

    Parameters
    ----------
    samples
        Folder of the sample data that are too large for the repository.
    subjects
        Subjects of the rows of scale.
    megabytes
        Data of the rows of durability.
    disk
        Gigabytes that the row `scrub-disk` reads from the disk; 0: it is left out.
    records
        Records of the row `blast-radius`, and of that of healing reads.
    patients
        Patients of the rows of turns at ten records each.
    samplings
        How often what takes less than a second is measured.
    events
        Of the rows of the audit log.
    """

    samples: Path
    subjects: int
    megabytes: int = 1_000
    disk: int = 0
    records: int = 20_000
    patients: int = 100_000
    samplings: int = 500
    events: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: what it is, its value and unit, and the budget where there is one."""

    name: str
    value: float
    unit: str
    budget: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was not measured, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Toll:
    """What some damage did to the records of an archive.

    Parameters
    ----------
    unrepaired
        Records that came back as they were from the archive as it was left.
    whole, wrong, lost
        Records that came back, once it was repaired, as they were, with other bytes, and not at all.
    told
        Whether a step of repairing or reading said by its exit code, or by an error, that something was amiss.
    """

    archive: str
    damage: str
    unrepaired: int
    whole: int
    wrong: int
    lost: int
    told: bool


@dataclass(frozen=True, slots=True)
class Procedure:
    """Which version of an archive was damaged, and by which commands it was made, repaired and read."""

    archive: str
    version: str
    commands: Sequence[str]


Outcome = Figure | LeftOut | Toll | Procedure
Row = Callable[[Setting], Sequence[Outcome]]


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a directory on the file system of the working directory, removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="bench-", dir=Path.cwd()))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def fresh_vault(place: Path, **more: Any) -> Iterator[vaultfs.Vault]:
    """Yield a new vault that permits everything, and still asks its policy every time."""
    vault = vaultfs.create(place, recipients=[QUICK], policy=vaultfs.PermitAll(), **more)
    try:
        yield vault
    finally:
        vault.close()


@contextmanager
def reopened(place: Path, **more: Any) -> Iterator[vaultfs.Vault]:
    """Yield a vault that exists."""
    vault = vaultfs.open(place, unlock=QUICK, policy=vaultfs.PermitAll(), **more)
    try:
        yield vault
    finally:
        vault.close()


class Spent(NamedTuple):
    """Time that some work took: on the wall's clock, and of processors by this process alone, in seconds."""

    wall: float
    processor: float

    @classmethod
    def on(cls, work: Callable[[], object]) -> Spent:
        """Return what `work` takes."""
        wall, processor = time.perf_counter(), time.process_time()
        work()
        return cls(time.perf_counter() - wall, time.process_time() - processor)

    @classmethod
    def by_programs(cls, work: Callable[[], object]) -> Spent:
        """Return what `work` takes that programs do, which it starts and waits for."""
        wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        work()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return cls(time.perf_counter() - wall, processor)

    @classmethod
    def total(cls, parts: Iterable[Spent]) -> Spent:
        """Return what `parts` took together."""
        wall, processor = zip(*parts, strict=True)
        return cls(sum(wall), sum(processor))

    def speeds(self, name: str, size: int, budget: str = "") -> list[Outcome]:
        """Return how many megabytes a second `size` bytes are: as it was, and by processor time."""
        return [
            Figure(name, size / 1e6 / self.wall, "MB/s", budget),
            Figure(name, size / 1e6 / self.processor, "MB/s of processor time", budget),
        ]

    def rates(self, name: str, count: int, budget: str = "") -> list[Outcome]:
        """Return how many records a second that is: as it was, and had nobody else used the machine or the disk."""
        return [
            Figure(name, count / self.wall, "records/s", budget),
            Figure(name, count / self.processor, "records/s of processor time", budget),
        ]


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes, on the wall's clock."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def percentile(values: Iterable[float], percent: int) -> float:
    """Return the value that `percent` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]


class Memory:
    """The most memory of this process while a ``with`` block runs, in MiB; Linux only.

    Resident memory counts the pages of mapped files that happen to be in memory, those of the index among them, which
    the system takes back when it needs them. Private memory does not; the kernel keeps no peak of it, so that it is
    looked at twenty times a second.
    """

    def __init__(self) -> None:
        self.before = _status("VmRSS:")
        self.resident = self.private = 0.0
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        # proc(5): 5 in clear_refs resets the high-water mark.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._watch.start()
        return self

    def _look(self) -> None:
        while True:
            self.private = max(self.private, _status("RssAnon:"))
            if self._done.wait(0.05):
                return

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watch.join()
        self.resident = _status("VmHWM:")

    @property
    def peaks(self) -> tuple[float, float]:
        """The most resident memory, and the most private memory."""
        return self.resident, self.private


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
