"""Turning the epoch: what disposing of patients takes, where the time goes, and what of it grows with the vault.

Each turn runs in a process of its own that opens the vault for it, as the command does. Patients are drawn from all,
so that they lie in most segments. `Setting.patients` is how many the larger vault has at ten records each.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import vaultfs
from bench.figures import QUICK, SEED, WHO, Figure, Memory, Outcome, Setting, fresh_vault, reopened, scratch, seconds
from bench.ingest import batches, put_batch
from bench.material import multiplied
from bench.scale import apart
from vaultfs.metrics import Tally, Timing

_TENFOLD = 10
_BATCH = 10_000
_PARTS = {
    "settling before it": Timing.SETTLE,
    "finding what is disposed of": Timing.TURN_FRAMES,
    "key tables": Timing.TURN_TABLES,
    "keyring": Timing.TURN_KEYRING,
    "index": Timing.TURN_INDEX,
    "identifier tokens, of the index": Timing.TURN_ALIASES,
}


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn took: seconds, those of its parts by their names, and the memory of its process in MiB."""

    seconds: float
    parts: dict[str, float]
    before: float
    resident: float
    private: float


def ten(setting: Setting) -> list[Outcome]:
    """Return turns of vaults with ten records a patient."""
    return _compared(setting.patients, 10, setting.patients)


def one(setting: Setting) -> list[Outcome]:
    """Return turns of vaults with as many records of ten times as many patients: as many identifiers as records."""
    return _compared(10 * setting.patients, 1, setting.patients)


def _compared(subjects: int, per_subject: int, patients: int) -> list[Outcome]:
    """Return turns that dispose of nobody, of few and of many, in vaults of two sizes."""
    few, many = max(patients // 100, 1), max(patients // 10, 1)
    small = _turned(max(subjects // _TENFOLD, few), per_subject, [0, few])
    large = _turned(subjects, per_subject, [0, few, many])
    whole = f"{subjects * per_subject:,} records, {per_subject} a patient"
    tenth = f"a tenth of that, {per_subject} a patient"
    return [
        Figure(f"turn, nobody disposed of, {tenth}", small[0].seconds, "s"),
        Figure(f"turn, nobody disposed of, {whole}", large[0].seconds, "s"),
        Figure("turn, nobody disposed of, ten times the vault", large[0].seconds / small[0].seconds, "times as long"),
        *_told(f"{few:,} patients disposed of, {tenth}", small[1]),
        *_told(f"{few:,} patients disposed of, {whole}", large[1]),
        Figure(f"turn, {few:,} disposed of, ten times the vault", large[1].seconds / small[1].seconds, "times as long"),
        *_told(f"{many:,} patients disposed of, {whole}", large[2], "≤ 60"),
    ]


def _told(label: str, turn: Turn, budget: str = "") -> list[Outcome]:
    return [
        Figure(f"turn, {label}", turn.seconds, "s", budget),
        *(Figure(f"{name}, {label}", seconds, "s") for name, seconds in turn.parts.items()),
        Figure(f"resident memory before it, {label}", turn.before, "MiB"),
        Figure(f"peak resident memory, {label}", turn.resident, "MiB"),
        Figure(f"peak private memory, {label}", turn.private, "MiB"),
    ]


def _turned(subjects: int, per_subject: int, counts: Sequence[int]) -> list[Turn]:
    """Fill a vault, and turn it so often, each time disposing of so many more of its patients."""
    choose = random.Random(SEED)
    with scratch() as place:
        path = place / "vault"
        with fresh_vault(path) as vault, vault.session(WHO, "HSYSADMIN") as session:
            for batch in batches(multiplied(subjects, per_subject), _BATCH):
                put_batch(session, batch)
            vault.settle()
            known = [one for one in session.all_subjects() if one != vaultfs.NOBODY]
        gone = choose.sample(known, min(sum(counts), len(known)))
        del known
        return [apart(_turn, path, [gone.pop() for _ in range(min(count, len(gone)))]) for count in counts]


def _turn(path: Path, gone: Sequence[vaultfs.SubjectId]) -> Turn:
    tally = Tally()
    with reopened(path, options=vaultfs.Options(metrics=tally)) as vault, Memory() as memory:
        taken = seconds(partial(vault.keys.turn, QUICK, gone))
    parts = {name: tally.seconds.get(timing, 0.0) for name, timing in _PARTS.items()}
    return Turn(taken, parts, memory.before, memory.resident, memory.private)
