"""The page of results: figures, what was left out, and in what the peers differ."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import fields

from bench.figures import Figure, LeftOut, Outcome
from bench.machine import description
from bench.peers.peer import Traits
from bench.peers.rows import PEERS

INTRO = """\
# Results

Made by `python -m bench --write`; budgets are those of the design. How to read it: docs/guides/benchmarks.md.
"""


def page(rows: Mapping[str, Sequence[Sequence[Outcome]]]) -> str:
    """Return the page.

    Parameters
    ----------
    rows
        What each run of each row found; every run of a row finds the same things in the same order.
    """
    parts = [INTRO, f"Machine: {description()}.\n"]
    left_out: list[str] = []
    for row, runs in rows.items():
        lines = []
        for outcomes in zip(*runs, strict=True):
            figures = [one for one in outcomes if isinstance(one, Figure)]
            left_out += [f"- {one.name}: {one.reason}" for one in outcomes[:1] if isinstance(one, LeftOut)]
            if figures:
                lines.append(_line(figures))
        if lines:
            head = ["| what | median | least to most | unit | budget |", "|---|---:|---:|---|---|"]
            parts.append("\n".join([f"## {row}\n", *head, *lines]) + "\n")
    if left_out:
        parts.append("\n".join(["## Left out\n", *left_out]) + "\n")
    if any(row.startswith("peers") for row in rows):
        parts.append(_differences())
    return "\n".join(parts)


def _line(figures: Sequence[Figure]) -> str:
    first, values = figures[0], [figure.value for figure in figures]
    spread = f"{_number(min(values))} to {_number(max(values))}"
    return f"| {first.name} | {_number(statistics.median(values))} | {spread} | {first.unit} | {first.budget} |"


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3f}"


def _differences() -> str:
    names = [field.name for field in fields(Traits)]
    lines = [f"| peer | {' | '.join(name.replace('_', ' ') for name in names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {peer.name} | {' | '.join(getattr(peer.traits, name) for name in names)} |" for peer in PEERS]
    return "\n".join(["## What the peers do and do not do\n", *lines]) + "\n"
