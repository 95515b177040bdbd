"""Reading: a policy decision and an audit event every time; opening; rebuilding the index."""

from __future__ import annotations

import random
import time
from functools import partial
from pathlib import Path

import vaultfs
from bench.figures import (
    SEED,
    WHO,
    Figure,
    Outcome,
    Setting,
    Spent,
    fresh_vault,
    percentile,
    reopened,
    scratch,
    seconds,
)
from bench.ingest import batches, put_batch
from bench.material import invented

_SUBJECTS, _PER_SUBJECT = 5_000, 10
_READS, _MANY = 4_000, 1_000


def reads(_: Setting) -> list[Outcome]:
    """Return point reads, batch reads and searches of a settled vault, warm."""
    choose = random.Random(SEED)
    with scratch() as place:
        ids, whose = filled(place)
        picked = choose.sample(range(len(ids)), _READS)
        with reopened(place / "vault") as vault, vault.session(WHO, "TREAT") as session:
            session.get_many([(one, None) for one in ids])
            single = [seconds(partial(session.get, ids[nth])) for nth in picked]
            many = [(ids[nth], None) for nth in choose.sample(range(len(ids)), _MANY)]
            batch = min(seconds(partial(session.get_many, many)) for _ in range(3))
            found = [seconds(partial(session.find, subject=whose[nth])) for nth in picked]
        with reopened(place / "vault") as vault, vault.session(WHO, "TREAT", strict=True) as session:
            strict = [seconds(partial(session.get, ids[nth])) for nth in picked[:500]]
    return [
        Figure("point read, median", 1000 * percentile(single, 50), "ms", "≤ 0.25"),
        Figure("point read, 99th percentile", 1000 * percentile(single, 99), "ms", "≤ 1"),
        Figure("point read, audit event durable first, median", 1000 * percentile(strict, 50), "ms"),
        Figure(f"batch read of {_MANY:,} records all over", _MANY / batch, "records/s"),
        Figure("search by subject, median", 1000 * percentile(found, 50), "ms", "≤ 1"),
        Figure("search by subject, 99th percentile", 1000 * percentile(found, 99), "ms"),
    ]


def opening(_: Setting) -> list[Outcome]:
    """Return the time to open a settled vault, passphrase apart, and to rebuild its index at 10 and 1 a subject."""
    found: list[Outcome] = []
    for subjects, per_subject, budget in ((_SUBJECTS, _PER_SUBJECT, "≥ 200,000"), (20_000, 1, "")):
        label, count = f"{per_subject} a subject", subjects * per_subject
        with scratch() as place:
            filled(place, subjects, per_subject)
            opened = [_opening(place) for _ in range(5)]
            with reopened(place / "vault") as vault:
                rebuilt = Spent.on(vault.rebuild_index)
        found += [
            Figure(f"opening, {count:,} records", 1000 * percentile(opened, 50), "ms", "≤ 100"),
            *rebuilt.rates(f"rebuild of the index, {label}", count, budget),
        ]
    return found


def _opening(place: Path) -> float:
    begun = time.perf_counter()
    with reopened(place / "vault"):
        return time.perf_counter() - begun


def filled(
    place: Path, subjects: int = _SUBJECTS, per_subject: int = _PER_SUBJECT
) -> tuple[list[vaultfs.RecordId], list[vaultfs.Identifier | vaultfs.SubjectId]]:
    """Make a settled vault in `place`; return its records, grouped by subject, and whose each one is."""
    ids: list[vaultfs.RecordId] = []
    whose: list[vaultfs.Identifier | vaultfs.SubjectId] = []
    with fresh_vault(place / "vault") as vault, vault.session(WHO, "HSYSADMIN") as session:
        for batch in batches(invented(subjects, per_subject), 10_000):
            ids += put_batch(session, batch)
            whose += [item.subject for item in batch]
        vault.settle()
    return ids, whose
