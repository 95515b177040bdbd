"""The rows: each measures one thing, in a process of its own, and returns what it found.

A budget is what the design asks of the library on one core of a two-core machine. It is printed beside the number and
judged by people: a machine that is shared can be off by a third in a single run.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SEED = 20_260_101
REPEATS = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: what it is, its value and unit, and the budget where there is one."""

    name: str
    value: float
    unit: str
    budget: str = ""


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a directory on the file system of the working directory, removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="bench-", dir=Path.cwd()))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def _ingest(subjects: int, per_subject: int, batch: int, budget: str) -> list[Figure]:
    """Measure durable ingest, a policy decision and an audit entry a record, then settling, space and rebuilding."""
    import vaultfs
    from vaultfs.testing.synthetic import records

    prepared = [
        (vaultfs.Identifier(system, value), kind, date, data)
        for system, value, kind, date, data in records(SEED, subjects, per_subject)
    ]
    size = sum(len(data) for *_, data in prepared)
    label = f"{per_subject} a subject, batches of {batch:,}"
    with scratch() as place:
        recipient = vaultfs.Passphrase(b"only for measuring")
        vault = vaultfs.create(place / "vault", recipients=[recipient], policy=vaultfs.PermitAll())
        begun = time.perf_counter()
        with vault.session(vaultfs.Principal("bench"), "HSYSADMIN") as session:
            for first in range(0, len(prepared), batch):
                with session.transaction() as txn:
                    for subject, kind, date, data in prepared[first : first + batch]:
                        txn.put(data, kind=kind, subject=subject, date=date, media_type="application/fhir+json")
        burst = time.perf_counter() - begun
        vault.settle()
        settled = time.perf_counter() - begun
        space = vault.space()
        begun = time.perf_counter()
        vault.rebuild_index()
        rebuilt = time.perf_counter() - begun
        index = vault.space().index
        vault.close()
    count = len(prepared)
    stored = space.bodies + space.entries + space.framing + space.keys
    layers = (
        ("bodies", space.bodies),
        ("entries", space.entries),
        ("framing", space.framing),
        ("keys", space.keys),
        ("audit", space.audit),
        ("LMDB", index),
    )
    return [
        Figure(f"ingest, {label}", count / burst, "records/s", budget),
        Figure(f"ingest and settle, {label}", count / settled, "records/s"),
        Figure(f"rebuild of the index, {label}", count / rebuilt, "records/s"),
        Figure(f"mean record, {label}", size / count, "bytes"),
        Figure(f"source by record segments and keys, {label}", size / stored, "to 1"),
        *(Figure(f"space of {name}, {label}", value / count, "bytes/record") for name, value in layers),
    ]


def ingest_10() -> list[Figure]:
    """Ingest of ten records a subject."""
    return _ingest(5_000, 10, 1_000, "≥ 30,000")


def ingest_10_large() -> list[Figure]:
    """Ingest of ten records a subject in large batches."""
    return _ingest(5_000, 10, 10_000, "≥ 30,000")


def ingest_100() -> list[Figure]:
    """Ingest of a hundred records a subject."""
    return _ingest(500, 100, 1_000, "≥ 30,000")


def ingest_1() -> list[Figure]:
    """Ingest of one record a subject: every record makes a subject."""
    return _ingest(20_000, 1, 1_000, "")


def reads() -> list[Figure]:
    """Point reads, warm, with policy and buffered audit event."""
    import vaultfs
    from vaultfs.testing.synthetic import records

    with scratch() as place:
        recipient = vaultfs.Passphrase(b"only for measuring")
        vault = vaultfs.create(place / "vault", recipients=[recipient], policy=vaultfs.PermitAll())
        ids = []
        with vault.session(vaultfs.Principal("bench"), "TREAT") as session:
            with session.transaction() as txn:
                for system, value, kind, date, data in records(SEED, 500, 20):
                    ids.append(txn.put(data, kind=kind, subject=vaultfs.Identifier(system, value), date=date))
            vault.settle()
            times = []
            for record_id in ids[:200] + ids[::5]:
                begun = time.perf_counter()
                session.get(record_id)
                times.append(time.perf_counter() - begun)
        vault.close()
    times = sorted(times[200:])
    return [
        Figure("point read, median", 1000 * statistics.median(times), "ms", "≤ 0.25"),
        Figure("point read, 99th percentile", 1000 * times[len(times) * 99 // 100], "ms", "≤ 1"),
    ]


def import_time() -> list[Figure]:
    """Time of ``import vaultfs`` in a fresh interpreter, after one that compiled it."""
    program = "import time; t = time.perf_counter(); import vaultfs; print(time.perf_counter() - t)"
    taken = [float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(8)]  # noqa: S603
    return [Figure("import vaultfs", 1000 * statistics.median(taken[1:]), "ms", "≤ 100")]


def main_job() -> list[Figure]:
    """The import job on the shipped sample, verification and settling included in its own report."""
    import vaultfs
    from vaultfs.migrate.importer import Importer

    sample = Path(__file__).parents[2] / "samples" / "legacy-export"
    with scratch() as place:
        recipient = vaultfs.Passphrase(b"only for measuring")
        vault = vaultfs.create(place / "vault", recipients=[recipient], policy=vaultfs.PermitAll())
        with vault.session(vaultfs.Principal("bench"), "HSYSADMIN") as session:
            report = Importer(vault, session).run([sample])
        vault.close()
    return [
        Figure("main job on the sample", report.stored / report.seconds, "records/s"),
        Figure("main job on the sample, source", report.bytes_in / 1e6 / report.seconds, "MB/s"),
        Figure("main job on the sample, source by stored", report.ratio, "to 1"),
    ]


ROWS: dict[str, Callable[[], list[Figure]]] = {
    "ingest-10": ingest_10,
    "ingest-10-large": ingest_10_large,
    "ingest-100": ingest_100,
    "ingest-1": ingest_1,
    "reads": reads,
    "import-time": import_time,
    "main-job": main_job,
}
