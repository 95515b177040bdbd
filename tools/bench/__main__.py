"""Benchmarks: ``python -m bench [ROW ...] [--runs N] [--write]``, from a checkout.

Prints a table with the machine it was measured on; each row runs in a process of its own, `--runs` times, and the
median is shown with the least and the most. ``--write`` puts the table into RESULTS.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from bench.machine import description
from bench.rows import ROWS

RESULTS = Path(__file__).with_name("RESULTS.md")
_PROGRAM = """
import json, sys
from dataclasses import asdict
from bench.rows import ROWS
print(json.dumps([asdict(figure) for figure in ROWS[sys.argv[1]]()]))
"""


def measured(row: str) -> list[dict[str, object]]:
    """Return the figures of one run of a row, in a fresh process."""
    command = [sys.executable, "-c", _PROGRAM, row]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def table(rows: list[str], runs: int) -> str:
    """Return the table of `rows`, the median of `runs` runs each."""
    lines = ["| what | median | least to most | unit | budget |", "|---|---:|---:|---|---|"]
    for row in rows:
        repeated = [measured(row) for _ in range(runs)]
        for figures in zip(*repeated, strict=True):
            values = [float(str(figure["value"])) for figure in figures]
            first = figures[0]
            spread = f"{_number(min(values))} to {_number(max(values))}"
            middle = _number(statistics.median(values))
            lines.append(f"| {first['name']} | {middle} | {spread} | {first['unit']} | {first['budget']} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3f}"


def main() -> int:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    args = parser.parse_args()
    text = f"Machine: {description()}.\n\n{table(args.rows or list(ROWS), args.runs)}\n"
    print(text)
    if args.write:
        intro = "# Results\n\nMade by `python -m bench --write`; budgets are those of the design.\n\n"
        RESULTS.write_text(intro + text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
