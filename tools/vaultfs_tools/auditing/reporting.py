"""What `vaultfs-audit report` does: a report on the log of a time, as JSON, as one long table, or for people."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from vaultfs_tools import cli
from vaultfs_tools.reports import time_text

if TYPE_CHECKING:
    import vaultfs
    from vaultfs.audit.report import Report, Row

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FORMULAS = frozenset("=+-@\t\r")
_MARKS = str.maketrans({one: f"\\{one}" for one in "\\`*_[]<>|#"} | dict.fromkeys("\r\n", " "))


def _time(text: str) -> int:
    """Return a date, or a date with a time, as microseconds; without an offset it is in UTC."""
    try:
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return (found - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("a date as 2026-11-30, or with a time as 2026-11-30T12:00:00Z") from None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `report`, beside those that open a vault."""
    about = "of the time that it is about, in UTC"
    parser.add_argument("--from", dest="since", metavar="DATE", type=_time, required=True, help=f"beginning {about}")
    parser.add_argument("--to", dest="until", metavar="DATE", type=_time, required=True, help=f"end {about}, excluded")
    parser.add_argument("--format", choices=sorted(_FORMS), default="markdown", help="default: markdown")
    parser.add_argument("--out", metavar="FILE", type=Path, help="a new file, which its owner alone may read")


def run(args: argparse.Namespace, opened: Callable[[argparse.Namespace], vaultfs.Vault]) -> int:
    """Make a report; print it, or write it to a file."""
    from vaultfs.audit.report import report
    from vaultfs_tools.custody.shares import create

    with opened(args) as vault:
        found = report(vault, args.since, args.until)
    text = _FORMS["json" if args.json and args.out is None else args.format](found)
    if args.out is None:
        sys.stdout.write(text)
    else:
        create(args.out, text.encode())
        facts = {"events": found.events, "leaves": found.leaves, "rows": len(found.rows)}
        cli.emit(args, facts, [f"{found.events:,} events in {len(found.rows):,} rows"])
    return cli.Exit.DONE


def _shown(at: int) -> str:
    return time_text(at, "microseconds")


def _when(at: int | None) -> str:
    return "" if at is None else _shown(at)


def _facts(report: Report) -> dict[str, object]:
    return {
        "vault": report.vault_id.hex(),
        "from": _shown(report.since),
        "to": _shown(report.until),
        "complete_from": _shown(report.complete),
        "leaves": report.leaves,
        "events": report.events,
        "clock_steps_back": report.clock_steps,
        "files_healed": report.healed,
    }


def as_json(report: Report) -> str:
    """Return a report as a JSON object: facts, and the rows of each table."""
    tables = {table.value: [_row(row) for row in rows] for table, rows in groupby(report.rows, lambda row: row.table)}
    return json.dumps(_facts(report) | {"tables": tables}, ensure_ascii=False) + "\n"


def _row(row: Row) -> dict[str, object]:
    first, last = (None if at is None else _shown(at) for at in (row.first, row.last))
    return {"key": row.key, "count": row.count, "first": first, "last": last}


def as_csv(report: Report) -> str:
    """Return a report as one long table (RFC 4180): section, key, count, first, last.

    A key that a spreadsheet would take for a formula has an apostrophe before it.
    """
    file = io.StringIO()
    out = csv.writer(file)
    out.writerow(["section", "key", "count", "first", "last"])
    out.writerows(["report", name, value, "", ""] for name, value in _facts(report).items())
    out.writerows(
        [row.table.value, _cell(row.key), row.count, _when(row.first), _when(row.last)] for row in report.rows
    )
    return file.getvalue()


def _cell(text: str) -> str:
    return f"'{text}" if text[:1] in _FORMULAS else text


def as_markdown(report: Report) -> str:
    """Return a report for people."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# Audit report of vault {report.vault_id.hex()}"
    yield ""
    yield from (f"- {name.replace('_', ' ')}: {value}" for name, value in _facts(report).items() if name != "vault")
    for table, rows in groupby(report.rows, lambda row: row.table):
        yield from ("", f"## {table.value.replace('_', ' ').capitalize()}", "", "| key | count | first | last |")
        yield "|---|---:|---|---|"
        for row in rows:
            key = cli.printable(row.key.translate(_MARKS))
            yield f"| {key} | {row.count:,} | {_when(row.first)} | {_when(row.last)} |"


_FORMS: dict[str, Callable[[Report], str]] = {"json": as_json, "csv": as_csv, "markdown": as_markdown}
