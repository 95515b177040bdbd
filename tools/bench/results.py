"""The page of results: figures, tolls of damage, what was left out, and in what the peers differ."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import TypeVar

from bench.figures import Figure, LeftOut, Outcome, Procedure, Toll
from bench.machine import description
from bench.peers.peer import Traits
from bench.peers.rows import PEERS

INTRO = """\
# Results

Made by `python -m bench --write`; budgets are those of the design. How to read it: docs/guides/benchmarks.md.
"""

T = TypeVar("T")
Runs = Sequence[Sequence[Outcome]]
"""What each run of a row found; every run finds the same things in the same order."""


def heading() -> str:
    """Return how the page begins: what it is, and the machine."""
    return f"{INTRO}\nMachine: {description()}.\n"


def section(row: str, runs: Runs) -> str:
    """Return the tables of a row, and what of it was left out."""
    parts = [*_table(Figure, runs, _FIGURES, _line), *_table(Toll, runs, _TOLLS, _toll)]
    parts += [_steps(one) for one in runs[0] if isinstance(one, Procedure)]
    left_out = [f"- {one.name}: {one.reason}\n" for one in runs[0] if isinstance(one, LeftOut)]
    parts += ["Left out:\n\n" + "".join(left_out)] if left_out else []
    return f"\n## {row}\n\n" + "\n".join(parts)


def ending(rows: Iterable[str]) -> str:
    """Return in what the peers differ, where they were measured."""
    if not any(row.startswith("peers") for row in rows):
        return ""
    names = [field.name for field in fields(Traits)]
    lines = ["\n## What the peers do and do not do\n", f"| peer | {' | '.join(names).replace('_', ' ')} |"]
    lines.append("|---" * (len(names) + 1) + "|")
    lines += [f"| {peer.name} | {' | '.join(getattr(peer.traits, name) for name in names)} |" for peer in PEERS]
    return "\n".join([*lines, ""])


def renewed(page: str, sections: Iterable[str], order: Sequence[str]) -> str:
    """Return a page in which some rows have other sections, each with the machine on which it was measured apart.

    Parameters
    ----------
    order
        All rows, in the order of the page. What is no row stays behind them.
    """
    apart = f"Measured apart from the others. Machine: {description()}."
    found = _split(page)
    for text in sections:
        for name, body in _split(text).items():
            found[name] = body.replace("\n\n", f"\n\n{apart}\n\n", 1) if name in order else body
    rows = [name for name in order if name in found]
    return "".join(found[name] for name in ["", *rows, *(name for name in found if name and name not in order)])


def _split(page: str) -> dict[str, str]:
    """Return the sections of a page by their headings; what stands before the first of them has none."""
    parts = re.split(r"(?=^\n## )", page, flags=re.MULTILINE)
    return {part[4:].partition("\n")[0] if part.startswith("\n## ") else "": part for part in parts if part}


_FIGURES = "| what | median | least to most | unit | budget |\n|---|---:|---:|---|---|\n"
_TOLLS = """\
| damage | archive | whole, as it is | whole, repaired | wrong | lost | told |
|---|---|---:|---:|---:|---:|---|
"""


def _table(kind: type[T], runs: Runs, head: str, line: Callable[[Sequence[T]], str]) -> list[str]:
    """Return the table of the outcomes of a kind, if there are any: a line tells what all runs found of one thing."""
    found = [[one for one in outcomes if isinstance(one, kind)] for outcomes in zip(*runs, strict=True)]
    lines = [line(outcomes) for outcomes in found if outcomes]
    return [head + "".join(lines)] if lines else []


def _line(figures: Sequence[Figure]) -> str:
    first, values = figures[0], [figure.value for figure in figures]
    spread = f"{_number(min(values))} to {_number(max(values))}"
    return f"| {first.name} | {_number(statistics.median(values))} | {spread} | {first.unit} | {first.budget} |\n"


def _toll(tolls: Sequence[Toll]) -> str:
    counts = [_spread([getattr(one, name) for one in tolls]) for name in ("unrepaired", "whole", "wrong", "lost")]
    told = {"yes" if one.told else "no" for one in tolls}
    return f"| {tolls[0].damage} | {tolls[0].archive} | {' | '.join(counts)} | {' or '.join(sorted(told))} |\n"


def _spread(counts: Sequence[int]) -> str:
    least, most = min(counts), max(counts)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _steps(one: Procedure) -> str:
    return f"{one.archive} ({one.version}):\n\n```sh\n" + "\n".join(one.commands) + "\n```\n"


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3f}"
