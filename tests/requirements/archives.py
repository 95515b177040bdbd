"""The archives that are measured, and how."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import vaultfs
from tests.vaultfs.support import session
from vaultfs.testing.synthetic import records

RECIPIENT = vaultfs.Passphrase(b"correct horse battery staple")
"""At its default cost, which counts wherever a vault is opened."""

BATCH = 1_000


class Stored(NamedTuple):
    """What went into a vault as one record."""

    subject: vaultfs.Identifier
    kind: str
    data: bytes


@dataclass(frozen=True)
class Archive:
    """A closed, settled vault and what went into it."""

    path: Path
    stored: dict[vaultfs.RecordId, Stored]
    seconds: float


def archived(path: Path, subjects: int, per_subject: int) -> Archive:
    """Return an archive of invented records, each commit of `BATCH` records durable."""
    rows = list(records(11, subjects, per_subject))
    stored: dict[vaultfs.RecordId, Stored] = {}
    begun = time.perf_counter()
    vault = vaultfs.create(path, recipients=[RECIPIENT], policy=vaultfs.PermitAll())
    with session(vault) as s:
        for first in range(0, len(rows), BATCH):
            with s.transaction() as txn:
                for system, value, kind, date, data in rows[first : first + BATCH]:
                    whom = vaultfs.Identifier(system, value)
                    stored[txn.put(data, kind=kind, subject=whom, date=date)] = Stored(whom, kind, data)
    vault.settle()
    vault.close()
    return Archive(path, stored, time.perf_counter() - begun)


def opened(archive: Archive) -> vaultfs.Vault:
    """Open an archive afresh."""
    return vaultfs.open(archive.path, unlock=RECIPIENT, policy=vaultfs.PermitAll())


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return how long `work` takes by `clock`."""
    with untraced():
        begun = clock()
        work()
        return clock() - begun


@contextmanager
def untraced() -> Iterator[None]:
    """Let nobody count lines meanwhile: a measurement of coverage would be what is measured."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)
