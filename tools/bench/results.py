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


Runs = Sequence[Sequence[Outcome]]
"""What each run of a row found; every run finds the same things in the same order."""


def heading() -> str:
    """Return how the page begins: what it is, and the machine."""
    return f"{INTRO}\nMachine: {description()}.\n"


def section(row: str, runs: Runs) -> str:
    """Return the table of a row; nothing where all of it was left out."""
    lines = [f"\n## {row}\n", "| what | median | least to most | unit | budget |", "|---|---:|---:|---|---|"]
    figures = [[one for one in outcomes if isinstance(one, Figure)] for outcomes in zip(*runs, strict=True)]
    lines += [_line(one) for one in figures if one]
    return "\n".join(lines) + "\n" if any(figures) else ""


def ending(rows: Mapping[str, Runs]) -> str:
    """Return what was left out, and in what the peers differ where they were measured."""
    left_out = [one for runs in rows.values() for one in runs[0] if isinstance(one, LeftOut)]
    lines = ["\n## Left out\n", *(f"- {one.name}: {one.reason}" for one in left_out)] if left_out else []
    lines += _differences() if any(row.startswith("peers") for row in rows) else []
    return "\n".join([*lines, ""]) if lines else ""


def _line(figures: Sequence[Figure]) -> str:
    first, values = figures[0], [figure.value for figure in figures]
    spread = f"{_number(min(values))} to {_number(max(values))}"
    return f"| {first.name} | {_number(statistics.median(values))} | {spread} | {first.unit} | {first.budget} |"


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3f}"


def _differences() -> list[str]:
    names = [field.name for field in fields(Traits)]
    lines = ["\n## What the peers do and do not do\n", f"| peer | {' | '.join(names).replace('_', ' ')} |"]
    lines.append("|---" * (len(names) + 1) + "|")
    lines += [f"| {peer.name} | {' | '.join(getattr(peer.traits, name) for name in names)} |" for peer in PEERS]
    return lines
