"""Scale: many subjects, streamed, so that whatever grows in memory is the engine's.

Five records a subject, and a fifth as many subjects with one record each; `Setting.subjects` is the number of the
first, a million the full row. Settling, opening, searching and rebuilding run in processes of their own: what ingest
left in this one would hide what they need.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import vaultfs
from bench.figures import (
    SEED,
    WHO,
    Figure,
    Memory,
    Outcome,
    Setting,
    fresh_vault,
    percentile,
    reopened,
    scratch,
    seconds,
)
from bench.ingest import batches, put_batch
from bench.material import multiplied

P = ParamSpec("P")
T = TypeVar("T")
Peaks = tuple[float, float]
Whose = Sequence[vaultfs.Identifier | vaultfs.SubjectId]

_BATCH = 10_000
_SEARCHES = 2_000


def five(setting: Setting) -> list[Outcome]:
    """Return times, memory and index size at five records a subject."""
    return _measured(setting.subjects, 5, "≤ 200", "≥ 200,000")


def one(setting: Setting) -> list[Outcome]:
    """Return times, memory and index size at one record a subject, a fifth of the subjects."""
    return _measured(max(setting.subjects // 5, 1), 1, "≤ 400", "")


def _measured(subjects: int, per_subject: int, index_budget: str, rebuild_budget: str) -> list[Outcome]:
    count = subjects * per_subject
    label = f"{subjects:,} subjects, {per_subject} a subject"
    with scratch() as place:
        path = place / "vault"
        taken, whose, ingest = _filled(path, subjects, per_subject)
        settled, size, settling = apart(_settled, path)
        opened, opening = apart(_opened, path)
        searched, searching = apart(_searched, path, whose)
        rebuilt, rebuilt_size, rebuilding = apart(_rebuilt, path)
    phases = {
        "ingest, settling when the journal has grown": ingest.peaks,
        "the last settling": settling,
        "opening": opening,
        f"{_SEARCHES:,} searches": searching,
        "the rebuild": rebuilding,
    }
    found: list[Outcome] = [
        Figure(f"ingest and settle, {label}", count / (taken + settled), "records/s"),
        Figure(f"opening, {label}", 1000 * opened, "ms", "≤ 100"),
        Figure(f"search by subject, median, {label}", 1000 * percentile(searched, 50), "ms", "≤ 1"),
        Figure(f"search by subject, 99th percentile, {label}", 1000 * percentile(searched, 99), "ms"),
        Figure(f"rebuild of the index, {label}", count / rebuilt, "records/s", rebuild_budget),
        Figure(f"LMDB after settling, {label}", size / count, "bytes/record", index_budget),
        Figure(f"LMDB after a rebuild, {label}", rebuilt_size / count, "bytes/record", index_budget),
        Figure(f"resident memory before ingest, {label}", ingest.before, "MiB"),
    ]
    for phase, (resident, private) in phases.items():
        found += [
            Figure(f"peak resident memory of {phase}, {label}", resident, "MiB", "< 1,024"),
            Figure(f"peak private memory of {phase}, {label}", private, "MiB"),
        ]
    return found


def _filled(path: Path, subjects: int, per_subject: int) -> tuple[float, Whose, Memory]:
    """Make the vault; return the seconds that storing took, some of the subjects, and the memory."""
    choose = random.Random(SEED)
    items = batches(multiplied(subjects, per_subject), _BATCH)
    batch = next(items)
    whose: list[vaultfs.Identifier | vaultfs.SubjectId] = []
    taken = 0.0
    with Memory() as memory, fresh_vault(path) as vault, vault.session(WHO, "HSYSADMIN") as session:
        while batch:
            taken += seconds(partial(put_batch, session, batch))
            whose += [item.subject for item in choose.sample(batch, min(len(batch), 20))]
            batch = next(items, [])
    return taken, whose, memory


def apart(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Return what `work` returns, done in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments, **named).result()


def _settled(path: Path) -> tuple[float, int, Peaks]:
    """Settle what is left in the journal; return the seconds, and the size of the index."""
    with reopened(path) as vault, Memory() as memory:
        taken = seconds(vault.settle)
        size = vault.space().index
    return taken, size, memory.peaks


def _opened(path: Path) -> tuple[float, Peaks]:
    with Memory() as memory:
        begun = time.perf_counter()
        with reopened(path):
            taken = time.perf_counter() - begun
    return taken, memory.peaks


def _searched(path: Path, whose: Whose) -> tuple[list[float], Peaks]:
    choose = random.Random(SEED)
    with Memory() as memory, reopened(path) as vault, vault.session(WHO, "TREAT") as session:
        times = [seconds(partial(session.find, subject=choose.choice(whose))) for _ in range(_SEARCHES)]
    return times, memory.peaks


def _rebuilt(path: Path) -> tuple[float, int, Peaks]:
    with Memory() as memory, reopened(path) as vault:
        taken = seconds(vault.rebuild_index)
        size = vault.space().index
    return taken, size, memory.peaks
