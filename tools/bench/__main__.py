"""Benchmarks: ``python -m bench [ROW ...] [--runs N] [--write]``, from a checkout.

Prints tables with the machine they were measured on; each row runs in a process of its own, `--runs` times, and the
median is shown with the least and the most. Without a ROW, all but those that take very long. ``--write`` puts the
tables into RESULTS.md; where rows are named, in the place of theirs alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from bench import results
from bench.catalogue import LONG, ROWS
from bench.figures import Outcome, Setting

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("RESULTS.md")
_KINDS = {kind.__name__: kind for kind in get_args(Outcome)}
_PROGRAM = """
import sys
from bench.__main__ import run_row
run_row(*sys.argv[1:])
"""


def run_row(row: str, setting: str) -> None:
    """Measure a row in this process and print what came of it, as JSON."""
    asked = json.loads(setting)
    asked["samples"] = Path(asked["samples"])
    print(json.dumps([[type(one).__name__, asdict(one)] for one in ROWS[row](Setting(**asked))]))


def measured(row: str, setting: Setting) -> list[Outcome]:
    """Return what one run of a row found, in a fresh process."""
    command = [sys.executable, "-c", _PROGRAM, row, json.dumps(asdict(setting), default=str)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [_KINDS[kind](**fields) for kind, fields in json.loads(done.stdout)]


def _sections(rows: Sequence[str], runs: int, setting: Setting) -> Iterator[str]:
    """Yield what is measured, each part as soon as it has been."""
    for row in rows:
        yield results.section(row, [measured(row, setting) for _ in range(runs)])
    yield results.ending(rows)


def main() -> int:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    parser.add_argument("--samples", type=Path, default=ROOT.parent / "shared" / "data", metavar="DIR")
    parser.add_argument("--subjects", type=int, default=1_000_000, metavar="N", help="of the rows of scale")
    parser.add_argument("--megabytes", type=int, default=1_000, metavar="N", help="of the rows of durability")
    parser.add_argument("--disk", type=int, default=0, metavar="GB", help="what the row scrub-disk reads")
    parser.add_argument("--records", type=int, default=20_000, metavar="N", help="of the rows blast-radius and healing")
    parser.add_argument("--patients", type=int, default=100_000, metavar="N", help="of the rows of turns")
    parser.add_argument("--samplings", type=int, default=500, metavar="N", help="of each operation of rows of keys")
    parser.add_argument("--events", type=int, default=1_000_000, metavar="N", help="of the rows of the audit log")
    args = parser.parse_args()
    unknown = sorted(set(args.rows) - set(ROWS))
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}")
    setting = Setting(**{name: value for name, value in vars(args).items() if name in Setting.__slots__})
    rows = args.rows or [row for row in ROWS if row not in LONG]
    heading, sections = results.heading(), []
    print(heading, end="")
    for text in _sections(rows, args.runs, setting):
        sections.append(text)
        print(text, end="", flush=True)
    if args.write:
        page = (
            results.renewed(RESULTS.read_text("utf-8"), sections, [*ROWS])
            if args.rows
            else "".join([heading, *sections])
        )
        RESULTS.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
