"""Ingest: durable batches with a policy decision and an audit entry a record; settling; space.

A burst is what goes through the journal alone. Sustained is what a vault keeps up: every cycle ends with a settling,
and the first one, which finds an empty vault, does not count. Making the records is never measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice

import vaultfs
from bench.figures import WHO, Figure, LeftOut, Outcome, Setting, Spent, fresh_vault, scratch
from bench.material import MEDIA_TYPE, SYNTHEA, Item, again, invented, synthea

BUDGETS = {1_000: "≥ 50,000", 10_000: "≥ 70,000"}
BUDGET_OF_STRANGERS = "≥ 20,000"

_CYCLES = 4
_SAMPLE_LAPS = 6


def put_batch(session: vaultfs.Session, batch: Iterable[Item]) -> list[vaultfs.RecordId]:
    """Store records in one durable transaction: the loop that every row of ingest measures."""
    with session.transaction() as txn:
        return txn.put_many(
            [vaultfs.NewRecord(data, kind, subject, date, MEDIA_TYPE) for subject, kind, date, data in batch]
        )


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield `items` in lists of `size`, the last one shorter."""
    waiting = iter(items)
    while batch := list(islice(waiting, size)):
        yield batch


def burst(label: str, items: Sequence[Item], size: int, budget: str) -> list[Outcome]:
    """Measure ingest into a new vault up to the settling, and with it."""
    with scratch() as place, fresh_vault(place / "vault") as vault:
        with vault.session(WHO, "HSYSADMIN") as session:
            parts = [Spent.on(partial(put_batch, session, batch)) for batch in batches(items, size)]
        settling = Spent.on(vault.settle)
    label = f"{label}, batches of {size:,}"
    return [
        *Spent.total(parts).rates(f"ingest, {label}", len(items), budget),
        *Spent.total([*parts, settling]).rates(f"ingest and settle, {label}", len(items)),
    ]


def _of_generator(subjects: int, per_subject: int) -> list[Outcome]:
    items = list(invented(subjects, per_subject))
    found: list[Outcome] = []
    for size, budget in BUDGETS.items():
        limit = budget if per_subject > 1 else BUDGET_OF_STRANGERS
        found += burst(f"{per_subject} a subject", items, size, limit)
    return found


def ten(_: Setting) -> list[Outcome]:
    """Return bursts of ten records a subject."""
    return _of_generator(5_000, 10)


def hundred(_: Setting) -> list[Outcome]:
    """Return bursts of a hundred records a subject."""
    return _of_generator(500, 100)


def one(_: Setting) -> list[Outcome]:
    """Return bursts of one record a subject: every record makes a subject."""
    return _of_generator(20_000, 1)


def sample(setting: Setting) -> list[Outcome]:
    """Return bursts of the Synthea sample, several times over, each time as other people."""
    items = synthea(setting)
    if isinstance(items, LeftOut):
        return [LeftOut(f"ingest, {SYNTHEA}", items.reason)]
    many = [again(item, lap) for lap in range(_SAMPLE_LAPS) for item in items]
    return [figure for size, budget in BUDGETS.items() for figure in burst(SYNTHEA, many, size, budget)]


def sustained(_: Setting) -> list[Outcome]:
    """Return what a vault keeps up at ten records a subject and at one, batches of 10,000."""
    return [*_sustained(10, 50_000), *_sustained(1, 10_000)]


def _sustained(per_subject: int, cycle: int) -> list[Outcome]:
    items = batches(invented(_CYCLES * cycle // per_subject, per_subject), 10_000)
    cycles: list[Spent] = []
    with scratch() as place, fresh_vault(place / "vault") as vault, vault.session(WHO, "HSYSADMIN") as session:
        for _ in range(_CYCLES):
            parts = [Spent.on(partial(put_batch, session, batch)) for batch in islice(items, cycle // 10_000)]
            cycles.append(Spent.total([*parts, Spent.on(vault.settle)]))
    steady = cycles[1:]
    label = f"{per_subject} a subject, settling every {cycle:,}"
    return [
        *Spent.total(steady).rates(f"sustained ingest, {label}", cycle * len(steady)),
        Figure(f"last cycle by second, {label}", steady[-1].processor / steady[0].processor, "of its processor time"),
    ]


def space(setting: Setting) -> list[Outcome]:
    """Return what records occupy once they are settled: of the Synthea sample, and of the generator."""
    items = synthea(setting)
    found: list[Outcome] = (
        [LeftOut(f"space, {SYNTHEA}", items.reason)] if isinstance(items, LeftOut) else _space(SYNTHEA, items)
    )
    for subjects, per_subject in ((2_000, 10), (20_000, 1)):
        found += _space(f"{per_subject} a subject", list(invented(subjects, per_subject)))
    return found


def _space(label: str, items: Sequence[Item]) -> list[Outcome]:
    with scratch() as place, fresh_vault(place / "vault") as vault:
        with vault.session(WHO, "HSYSADMIN") as session:
            for batch in batches(items, 10_000):
                put_batch(session, batch)
        vault.settle()
        vault.rebuild_index()
        used = vault.space()
    count, source = len(items), sum(len(item.data) for item in items)
    stored = used.bodies + used.entries + used.framing + used.keys
    layers = (
        ("bodies", used.bodies),
        ("entries", used.entries),
        ("framing", used.framing),
        ("keys", used.keys),
        ("audit", used.audit),
        ("LMDB", used.index),
    )
    return [
        Figure(f"source by record segments and keys, {label}", source / stored, "to 1"),
        Figure(f"mean record, {label}", source / count, "bytes"),
        *(Figure(f"space of {name}, {label}", value / count, "bytes/record") for name, value in layers),
    ]
