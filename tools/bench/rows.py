"""The rows: each measures one thing, in a process of its own, and returns what it found.

A budget is what the design asks of the library on one core of a two-core machine. It is printed beside the number and
judged by people: a machine that is shared can be off by a third in a single run.
"""

from __future__ import annotations

import math
import random
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


def _blobs(name: str, datas: list[bytes], row: int, budget: str) -> list[Figure]:
    """Measure durable ingest of large records, each of a subject of its own, reading them whole and settling them.

    Parameters
    ----------
    row
        Bytes of a row of pixels with samples of 2 bytes; 0: no pixels.
    """
    import vaultfs

    size = sum(map(len, datas))
    with scratch() as place:
        recipient = vaultfs.Passphrase(b"only for measuring")
        vault = vaultfs.create(place / "vault", recipients=[recipient], policy=vaultfs.PermitAll())
        with vault.session(vaultfs.Principal("bench"), "TREAT") as session:
            clock, cpu = time.perf_counter(), time.process_time()
            ids = []
            for number, data in enumerate(datas):
                subject = vaultfs.Identifier("urn:bench", str(number))
                pixels = vaultfs.PixelData(0, len(data), row, 2) if row else None
                with session.transaction() as txn:
                    ids.append(txn.put(data, kind="Binary", subject=subject, pixels=pixels))
            put, put_cpu = time.perf_counter() - clock, time.process_time() - cpu
            clock, cpu = time.perf_counter(), time.process_time()
            for record_id in ids:
                session.get(record_id)
            got, got_cpu = time.perf_counter() - clock, time.process_time() - cpu
            vault.settle()
            ratio = size / vault.space().bodies
        vault.close()
    return [
        Figure(f"blobs in, {name}", size / 1e6 / put, "MB/s", budget),
        Figure(f"blobs in, {name}, of processor time", size / 1e6 / put_cpu, "MB/s", budget),
        Figure(f"blobs out, {name}", size / 1e6 / got, "MB/s", budget),
        Figure(f"blobs out, {name}, of processor time", size / 1e6 / got_cpu, "MB/s", budget),
        Figure(f"source by stored, {name}", ratio, "to 1"),
    ]


def blobs_incompressible() -> list[Figure]:
    """Large records that do not compress."""
    chance = random.Random(SEED)  # noqa: S311 - the same bytes in every run
    return _blobs("incompressible", [chance.randbytes(32 << 20) for _ in range(8)], 0, "≥ 400")


def blobs_pixels() -> list[Figure]:
    """Series of slices like those of computed tomography, and what zstd alone makes of them."""
    import zstandard

    slices = _slices(256)
    series = [b"".join(slices[first : first + 64]) for first in range(0, len(slices), 64)]
    alone = len(slices[0]) / len(zstandard.ZstdCompressor(level=1).compress(slices[0]))
    return [
        *_blobs("native pixels", series, 1024, "≥ 150"),
        Figure("source by zstd level 1 alone, native pixels", alone, "to 1"),
    ]


def _slices(count: int) -> list[bytes]:
    """Return images of 512 rows of 512 samples: a body with an organ in air, and in each the noise of a scanner."""
    chance = random.Random(SEED)  # noqa: S311
    noise = b"".join([round(abs(64 + chance.gauss(0, 12))).to_bytes(2, "little") for _ in range(4 * 512 * 512)])
    tissue = bytearray()
    for y in range(-256, 256):
        for x in range(-256, 256):
            inside = x * x + 1.4 * y * y < 45_000
            organ = 40 * math.sin(x / 25) * math.cos(y / 31) - 800 * ((x + 76) ** 2 + y * y < 2500)
            tissue += round(1040 + organ if inside else 24).to_bytes(2, "little")
    base = int.from_bytes(tissue, "little")  # samples are added all at once: no sum is too large for its 16 bits
    size = len(tissue)
    found = []
    for number in range(count):
        first = (number * (size + 998)) % (3 * size)  # images near to each other have no noise in common
        found.append((base + int.from_bytes(noise[first : first + size], "little")).to_bytes(size, "little"))
    return found


ROWS: dict[str, Callable[[], list[Figure]]] = {
    "ingest-10": ingest_10,
    "ingest-10-large": ingest_10_large,
    "ingest-100": ingest_100,
    "ingest-1": ingest_1,
    "reads": reads,
    "import-time": import_time,
    "main-job": main_job,
    "blobs-incompressible": blobs_incompressible,
    "blobs-pixels": blobs_pixels,
}
