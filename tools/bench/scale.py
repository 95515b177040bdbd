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
    Outcome,
    Setting,
    forget_peak,
    fresh_vault,
    peak,
    percentile,
    reopened,
    resident,
    scratch,
    seconds,
)
from bench.ingest import batches, put_batch
from bench.material import multiplied

P = ParamSpec("P")
T = TypeVar("T")
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
        before, grown, whose, taken = _filled(path, subjects, per_subject)
        settled, settling, size = apart(_settled, path)
        opened, opening = apart(_opened, path)
        searched, searching = apart(_searched, path, whose)
        rebuilt, rebuilding, rebuilt_size = apart(_rebuilt, path)
    memory = {
        "ingest, settling when the journal has grown": grown,
        "the last settling": settling,
        "opening": opening,
        f"{_SEARCHES:,} searches": searching,
        "the rebuild": rebuilding,
    }
    return [
        Figure(f"ingest and settle, {label}", count / (taken + settled), "records/s"),
        Figure(f"opening, {label}", 1000 * opened, "ms", "≤ 100"),
        Figure(f"search by subject, median, {label}", 1000 * percentile(searched, 50), "ms", "≤ 1"),
        Figure(f"search by subject, 99th percentile, {label}", 1000 * percentile(searched, 99), "ms"),
        Figure(f"rebuild of the index, {label}", count / rebuilt, "records/s", rebuild_budget),
        Figure(f"LMDB after settling, {label}", size / count, "bytes/record", index_budget),
        Figure(f"LMDB after a rebuild, {label}", rebuilt_size / count, "bytes/record", index_budget),
        Figure(f"memory before ingest, {label}", before, "MiB"),
        *(Figure(f"peak memory of {phase}, {label}", value, "MiB", "< 1,024") for phase, value in memory.items()),
    ]


def _filled(path: Path, subjects: int, per_subject: int) -> tuple[float, float, Whose, float]:
    """Make the vault; return the memory before, the peak, some of the subjects, and the seconds that storing took."""
    choose = random.Random(SEED)  # noqa: S311 - whose records are searched
    items = batches(multiplied(subjects, per_subject), _BATCH)
    batch = next(items)
    before = resident()
    forget_peak()
    whose: list[vaultfs.Identifier | vaultfs.SubjectId] = []
    taken = 0.0
    with fresh_vault(path) as vault, vault.session(WHO, "HSYSADMIN") as session:
        while batch:
            taken += seconds(partial(put_batch, session, batch))
            whose += [item.subject for item in choose.sample(batch, min(len(batch), 20))]
            batch = next(items, [])
    return before, peak(), whose, taken


def apart(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Return what `work` returns, done in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments, **named).result()


def _settled(path: Path) -> tuple[float, float, int]:
    """Settle what is left in the journal; return the seconds, the peak of memory, and the size of the index."""
    with reopened(path) as vault:
        forget_peak()
        taken = seconds(vault.settle)
        return taken, peak(), vault.space().index


def _opened(path: Path) -> tuple[float, float]:
    forget_peak()
    begun = time.perf_counter()
    with reopened(path):
        return time.perf_counter() - begun, peak()


def _searched(path: Path, whose: Whose) -> tuple[list[float], float]:
    choose = random.Random(SEED)  # noqa: S311 - who is searched for
    forget_peak()
    with reopened(path) as vault, vault.session(WHO, "TREAT") as session:
        times = [seconds(partial(session.find, subject=choose.choice(whose))) for _ in range(_SEARCHES)]
        return times, peak()


def _rebuilt(path: Path) -> tuple[float, float, int]:
    forget_peak()
    with reopened(path) as vault:
        taken = seconds(vault.rebuild_index)
        return taken, peak(), vault.space().index
