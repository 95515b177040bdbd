"""Turning the epoch: what disposing of patients takes, and what of it grows with the vault."""

from __future__ import annotations

from functools import partial
from itertools import islice

import vaultfs
from bench.figures import QUICK, WHO, Figure, Outcome, Setting, Spent, fresh_vault, scratch
from bench.ingest import batches, put_batch
from bench.material import multiplied

_SMALL, _LARGE, _RECORDS = 10_000, 100_000, 10
_FEW, _MANY = 1_000, 10_000
_BATCH = 10_000


def turns(_: Setting) -> list[Outcome]:
    """Return how long turns take that dispose of few and of many patients, in vaults of two sizes."""
    small, large = _turned(_SMALL, [0, _FEW]), _turned(_LARGE, [0, _FEW, _MANY])
    records = f"{_LARGE * _RECORDS:,} records"
    return [
        Figure(f"turn, {records}, nobody disposed of", large[0].wall, "s"),
        Figure(f"turn, {records}, {_FEW:,} patients disposed of", large[1].wall, "s"),
        Figure(f"turn, {records}, {_MANY:,} patients disposed of", large[2].wall, "s", "≤ 60"),
        Figure("turn, nobody disposed of, ten times the vault", large[0].wall / small[0].wall, "times as long"),
        Figure(f"turn, {_FEW:,} disposed of, ten times the vault", large[1].wall / small[1].wall, "times as long"),
    ]


def _turned(subjects: int, counts: list[int]) -> list[Spent]:
    """Fill a vault, and turn it so often, each time disposing of so many patients more."""
    with scratch() as place, fresh_vault(place / "vault") as vault:
        with vault.session(WHO, "HSYSADMIN") as session:
            for batch in batches(multiplied(subjects, _RECORDS), _BATCH):
                put_batch(session, batch)
            vault.settle()
            known = iter([one for one in session.all_subjects() if one != vaultfs.NOBODY])
        gone = [list(islice(known, count)) for count in counts]
        return [Spent.on(partial(vault.keys.turn, QUICK, some)) for some in gone]
