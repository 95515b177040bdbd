"""An accounting of disclosures (45 CFR 164.528) as it is given to whom it is about: rows in JSON, CSV or Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from vaultfs_tools import cli

if TYPE_CHECKING:
    from vaultfs.audit.disclosures import Disclosures, Row

Shown = dict[str, object]

COLUMNS = {
    "date": "Date",
    "recipient": "Recipient",
    "address": "Address",
    "description": "Disclosed",
    "purpose": "Purpose",
    "basis": "Basis",
    "records": "Records",
    "disclosures": "Number",
    "last": "Last",
    "note": "Note",
    "index": "Index",
}
"""The names of the fields, and what stands above them for people."""

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run."""


def about(told: Disclosures) -> Shown:
    """Return whom the accounting is of, the period, and from which day of it on the log has all events."""
    days = {"since": told.since, "until": told.until, "complete": told.complete}
    period = {name: day.isoformat() for name, day in days.items()}
    return {"subject": told.proof.subject.hex(), **period}


def rows_of(told: Disclosures, *, summarise: bool) -> list[Shown]:
    """Return the rows, each with all columns; summarised, one stands for several."""
    if not summarise:
        return [_shown(row, 1, row.records, row.date.isoformat()) for row in told.rows]
    return [_shown(one.first, one.disclosures, one.records, one.last.isoformat()) for one in told.summarised()]


def _shown(row: Row, disclosures: int, records: int, last: str) -> Shown:
    basis = None if row.basis is None else row.basis.name.lower()
    return {
        "date": row.date.isoformat(),
        "recipient": row.recipient,
        "address": row.address,
        "description": row.description,
        "purpose": row.purpose,
        "basis": basis if row.basis is None or not row.basis.paragraph else f"{basis} (45 CFR {row.basis.paragraph})",
        "records": records,
        "disclosures": disclosures,
        "last": last,
        "note": _note(row),
        "index": row.index,
    }


def _note(row: Row) -> str | None:
    if row.basis is None:
        return "nothing was stated"
    if row.gone:
        return "what was stated went with the subject"
    return "need not be accounted for" if row.excepted else None


def line(row: Shown) -> str:
    """Return a row as a line for a terminal."""
    whom = row["recipient"] or row["note"]
    return f"{row['index']} {row['date']} {row['disclosures']} to {whom}: {row['description']} for {row['purpose']}"


def _json(told: Disclosures, rows: Sequence[Shown]) -> str:
    return json.dumps({**about(told), "disclosures": rows}, ensure_ascii=False, indent=2) + "\n"


def _csv(told: Disclosures, rows: Sequence[Shown]) -> str:
    """Return the table (RFC 4180), and above it, in rows of as many fields, what it is of: no row has to be there."""
    text = io.StringIO()
    writer = csv.writer(text)
    rest = [""] * (len(COLUMNS) - 2)
    writer.writerows([name, value, *rest] for name, value in [*about(told).items(), ("", "")])
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    """Return a value that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


def _markdown(told: Disclosures, rows: Sequence[Shown]) -> str:
    facts = about(told)
    lines = [
        "# Accounting of disclosures (45 CFR 164.528)",
        "",
        f"Of {facts['subject']}, from {facts['since']} to {facts['until']}.{_missing(told)}",
        "",
        _bar(COLUMNS.values()),
        _bar(["---"] * len(COLUMNS)),
        *(_bar(_plain(row[name]) for name in COLUMNS) for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _missing(told: Disclosures) -> str:
    whole = told.complete == told.since
    return "" if whole else f" Of what was before {told.complete.isoformat()} the log is not kept any more."


def _bar(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(value: object) -> str:
    """Return a value as a cell: on one line, and with nothing that Markdown or HTML would take for its own."""
    text = "" if value is None else cli.printable(" ".join(str(value).split()))
    return "".join(f"\\{one}" if one in "\\|`*_[]<>#" else one for one in text)


FORMATS: Mapping[str, Callable[[Disclosures, Sequence[Shown]], str]] = {
    "json": _json,
    "csv": _csv,
    "markdown": _markdown,
}
"""What prints rows in a form."""
