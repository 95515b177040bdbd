"""Benchmarks: ``python -m bench [ROW ...] [--runs N] [--write]``, from a checkout.

Prints tables with the machine they were measured on; each row runs in a process of its own, `--runs` times, and the
median is shown with the least and the most. Without a ROW, all but those of scale. ``--write`` puts the tables into
RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from bench import results
from bench.catalogue import LONG, ROWS
from bench.figures import Figure, LeftOut, Outcome, Setting

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("RESULTS.md")
_PROGRAM = """
import sys
from bench.__main__ import run_row
run_row(*sys.argv[1:])
"""


def run_row(row: str, samples: str, subjects: str) -> None:
    """Measure a row in this process and print what came of it, as JSON."""
    print(json.dumps([asdict(one) for one in ROWS[row](Setting(Path(samples), int(subjects)))]))


def measured(row: str, setting: Setting) -> list[Outcome]:
    """Return what one run of a row found, in a fresh process."""
    command = [sys.executable, "-c", _PROGRAM, row, str(setting.samples), str(setting.subjects)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    found = json.loads(done.stdout)
    return [LeftOut(**one) if "reason" in one else Figure(**one) for one in found]


def _parts(rows: Sequence[str], runs: int, setting: Setting) -> Iterator[str]:
    """Yield the parts of the page, each as soon as it has been measured."""
    found: dict[str, results.Runs] = {}
    yield results.heading()
    for row in rows:
        found[row] = [measured(row, setting) for _ in range(runs)]
        yield results.section(row, found[row])
    yield results.ending(found)


def main() -> int:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    parser.add_argument("--samples", type=Path, default=ROOT.parent / "shared" / "data", metavar="DIR")
    parser.add_argument("--subjects", type=int, default=1_000_000, metavar="N", help="of the rows of scale")
    args = parser.parse_args()
    unknown = sorted(set(args.rows) - set(ROWS))
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}")
    setting = Setting(args.samples, args.subjects)
    rows = args.rows or [row for row in ROWS if row not in LONG]
    page = ""
    for text in _parts(rows, args.runs, setting):
        page += text
        print(text, end="", flush=True)
    if args.write:
        RESULTS.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
