"""Hold the branch coverage of a test run against the project's gates: `python tools/coverage_gate.py [coverage.json]`.

A gate that no file falls under fails: it has lost what it guards. Where a gate fails, its open lines are listed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Gate(NamedTuple):
    """Files whose paths begin with `prefix` are covered to at least `percent`."""

    name: str
    prefix: str
    percent: float


GATES = (
    Gate("everything", "", 95.0),
    Gate("keys", "vaultfs/keys/", 100.0),
    Gate("format codecs", "formats/vaultfs_format/", 100.0),
)


class Result(NamedTuple):
    """What was measured of a gate's files."""

    gate: Gate
    covered: int
    total: int
    files: int
    gaps: tuple[str, ...]

    @property
    def percent(self) -> float:
        return 100.0 * self.covered / self.total if self.total else 100.0

    @property
    def passed(self) -> bool:
        return self.files > 0 and self.covered * 100 >= self.gate.percent * self.total

    def row(self) -> str:
        """Return the result as a line of the table."""
        verdict = "ok" if self.passed else "FAILED" if self.files else "FAILED: no such files"
        name, least = self.gate.name, self.gate.percent
        return f"{name:<16}{self.files:>6}{self.total:>10}{self.percent:>10.2f}{least:>8.0f}  {verdict}"


def measure(gate: Gate, files: dict[str, Any]) -> Result:
    """Return how much of `files`, the ``files`` of a coverage report with branches, `gate` sees covered."""
    mine = {path: data for path, data in sorted(files.items()) if path.startswith(gate.prefix)}
    sums = [data["summary"] for data in mine.values()]
    covered = sum(one["covered_lines"] + one["covered_branches"] for one in sums)
    total = sum(one["num_statements"] + one["num_branches"] for one in sums)
    gaps = tuple(line for path, data in mine.items() for line in _gaps(path, data))
    return Result(gate, covered, total, len(mine), gaps)


def _gaps(path: str, data: dict[str, Any]) -> list[str]:
    lines = [f"{path}:{line}" for line in data["missing_lines"]]
    missed = set(data["missing_lines"])
    branches = [(start, end) for start, end in data["missing_branches"] if start not in missed]
    return lines + [f"{path}:{start} -> {'exit' if end < 0 else end}" for start, end in branches]


def main(arguments: list[str]) -> int:
    """Print the table; return 1 if a gate fails."""
    report = json.loads(Path(arguments[0] if arguments else "coverage.json").read_bytes())
    if not report["meta"]["branch_coverage"]:
        print("The coverage report has no branches.", file=sys.stderr)
        return 1
    results = [measure(gate, report["files"]) for gate in GATES]
    print(f"{'branch coverage':<16}{'files':>6}{'points':>10}{'percent':>10}{'gate':>8}")
    print("\n".join(result.row() for result in results))
    failed = [result for result in results if not result.passed]
    for gap in sorted({gap for result in failed for gap in result.gaps}):
        print("not covered:", gap)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
