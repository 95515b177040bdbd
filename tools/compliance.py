"""Hold docs/hipaa.toml against the tree and the tests, and write docs/compliance.md from it.

python tools/compliance.py                              write the page
python tools/compliance.py --check                      write nothing; fail where the page differs
python tools/compliance.py --report pytest_results.json fail where a test that the map names did not pass
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

ROOT = Path(__file__).resolve().parents[1]
MAP = ROOT / "docs" / "hipaa.toml"
PAGE = ROOT / "docs" / "compliance.md"

PARAGRAPHS = (
    "164.308(a)(1)(ii)(D)",
    "164.308(a)(7)(i)",
    *(f"164.308(a)(7)(ii)({letter})" for letter in "ABCDE"),
    *(f"164.310(d)(2)({number})" for number in ("i", "ii", "iii", "iv")),
    "164.312(a)(1)",
    *(f"164.312(a)(2)({number})" for number in ("i", "ii", "iii", "iv")),
    *("164.312(b)", "164.312(c)(1)", "164.312(c)(2)", "164.312(d)", "164.312(e)(1)"),
    *("164.312(e)(2)(i)", "164.312(e)(2)(ii)"),
    "164.316(b)(1)",
    *(f"164.316(b)(2)({number})" for number in ("i", "ii", "iii")),
    *("164.502(b)", "164.522(a)", "164.522(b)", "164.524", "164.526"),
    *("164.528(a)(1)", "164.528(a)(2)", "164.528(b)", "164.528(c)", "164.528(d)"),
)
"""Paragraphs of 45 CFR that the map answers, each in one row, in this order."""

STATUSES = {
    "met": "what it asks of a system is built, and shown by tests that passed",
    "host": "the duty is the host's; what VaultFS gives for it is told",
    "planned": "asks for a capability that is not built yet; nothing is claimed",
}

PREFACE = """\
# HIPAA, paragraph by paragraph

<!-- Made by tools/compliance.py from docs/hipaa.toml: change that, then run it. -->

What VaultFS gives for paragraphs of 45 CFR part 164, where, and which tests show it. **The rules meant are those in
force.** The changes to the Security Rule that were proposed in January 2025 (90 FR 898), which would end *addressable*,
are not final and not counted, and neither are those proposed for the Privacy Rule.

No program makes anybody compliant, and nobody certifies one: policies, contracts, training and risk analysis are duties
of people, and this page is not legal advice. It says what holds of this version, and CI fails where a test that is
named here did not pass.

- *Level*: a **standard** is to be met; a specification is **required**, or **addressable**: to be implemented, or to be
  replaced, with the reasons written down (164.306(d)). The Privacy Rule does not know that difference.
"""


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A paragraph of the law, and what there is for it.

    Parameters
    ----------
    asks
        What the paragraph asks for.
    control
        What VaultFS does, or that it does nothing yet.
    left
        What is left to the host; may be empty where the paragraph is met, or planned.
    spec
        Sections of SPEC.md.
    code
        Modules and packages, as paths.
    tests
        Tests as pytest names them. A prefix, a file or a test without its parameters, stands for all that begin so.
    evidence
        Commands, or functions, that show it of one's own vault.
    """

    id: str
    title: str
    level: Literal["standard", "required", "addressable"]
    asks: str
    status: Literal["met", "host", "planned"]
    control: str
    left: str = ""
    spec: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


class Map(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of docs/hipaa.toml."""

    paragraph: tuple[Row, ...]


def load(path: Path) -> tuple[Row, ...]:
    """Return the rows of a map.

    Raises
    ------
    msgspec.DecodeError
        It is no TOML, or has other fields or values than a map has.
    """
    return msgspec.toml.decode(path.read_bytes(), type=Map).paragraph


def contradictions(rows: Sequence[Row]) -> Iterator[str]:
    """Yield what is wrong in a map by itself."""
    counts = Counter(row.id for row in rows)
    yield from (f"{name}: no row" for name in PARAGRAPHS if name not in counts)
    yield from (f"{name}: not a paragraph that the map answers" for name in counts if name not in PARAGRAPHS)
    yield from (f"{name}: {count} rows" for name, count in counts.items() if count > 1)
    if not any(counts[name] != 1 for name in {*counts, *PARAGRAPHS}) and [row.id for row in rows] != list(PARAGRAPHS):
        yield "the rows are not in the order of the law"
    for row in rows:
        yield from (f"{row.id}: {problem}" for problem in _contradictions(row))


def _contradictions(row: Row) -> Iterator[str]:
    texts = {"title": row.title, "asks": row.asks, "control": row.control}
    yield from (f"{name} is empty" for name, text in texts.items() if not text.strip())
    if row.status == "met":
        lists = {"spec": row.spec, "code": row.code, "tests": row.tests, "evidence": row.evidence}
        yield from (f"met, and names no {name}" for name, values in lists.items() if not values)
    if row.status == "host" and not row.left:
        yield "the host's duty, and does not say which"
    if row.status == "planned" and (row.tests or row.evidence):
        yield "planned, and names tests or evidence"


def dangling(rows: Sequence[Row]) -> Iterator[str]:
    """Yield what the map names and the tree does not have."""
    sections = set(re.findall(r"^#{2,3} ([\d.]+?)\.? ", (ROOT / "SPEC.md").read_text(encoding="utf-8"), re.MULTILINE))
    for row in rows:
        yield from (f"{row.id}: SPEC.md has no section {one}" for one in row.spec if one not in sections)
        yield from (f"{row.id}: {one} is not there" for one in row.code if not (ROOT / one).exists())
        yield from (f"{row.id}: {one} is not there" for one in row.tests if not _written(one))


def _written(test: str) -> bool:
    path, *names = test.partition("[")[0].split("::")
    if not (ROOT / path).is_file():
        return False
    inside: ast.Module | ast.FunctionDef | ast.ClassDef = ast.parse((ROOT / path).read_bytes())
    for name in names:
        defined = {one.name: one for one in inside.body if isinstance(one, ast.FunctionDef | ast.ClassDef)}
        if name not in defined:
            return False
        inside = defined[name]
    return True


def unproved(rows: Sequence[Row], outcomes: Mapping[str, str]) -> Iterator[str]:
    """Yield the tests of a map that a run does not show to have passed.

    Parameters
    ----------
    outcomes
        What pytest reported of each test: ``passed``, ``failed``, ``skipped`` ...
    """
    for row in rows:
        for test in row.tests:
            found = {name: outcome for name, outcome in outcomes.items() if _is_of(name, test)}
            if not found:
                yield f"{row.id}: {test}: was not run"
            yield from (f"{row.id}: {name}: {outcome}" for name, outcome in found.items() if outcome != "passed")


def _is_of(name: str, test: str) -> bool:
    return name == test or name.startswith((f"{test}::", f"{test}["))


def outcomes_in(report: Path) -> dict[str, str]:
    """Return the outcome of every test in a report of pytest-json-report."""
    return {test["nodeid"]: test["outcome"] for test in json.loads(report.read_bytes())["tests"]}


def page(rows: Sequence[Row]) -> str:
    """Return the text of docs/compliance.md."""
    counts = Counter[str](row.status for row in rows)
    lines = [PREFACE.rstrip("\n")]
    lines += [f"- *{status}* ({counts[status]}): {about}." for status, about in STATUSES.items()]
    lines += ["", "| 45 CFR | | level | status |", "|---|---|---|---|"]
    lines += [f"| {row.id} | {row.title} | {row.level} | {row.status} |" for row in rows]
    for row in rows:
        lines += ["", f"## {row.id} {row.title}", "", f"{row.asks} ({row.level.capitalize()})", "", *_points(row)]
    return "\n".join(lines) + "\n"


def _points(row: Row) -> Iterator[str]:
    yield f"- **{row.status.capitalize()}.** {row.control}"
    if row.left:
        yield f"- Left to the host: {row.left}"
    if row.spec or row.code:
        named = [*(f"SPEC.md {section}" for section in row.spec), *(f"`{path}`" for path in row.code)]
        yield f"- Where: {', '.join(named)}"
    if row.evidence:
        yield f"- Evidence of one's own vault: {', '.join(f'`{one}`' for one in row.evidence)}"
    if row.tests:
        yield "- Tests:"
        yield from (f"  - `{test}`" for test in row.tests)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where docs/compliance.md differs")
    parser.add_argument("--report", type=Path, metavar="FILE", help="hold the map against the report of a test run")
    parser.add_argument("--map", type=Path, default=MAP, metavar="FILE", help="default: docs/hipaa.toml")
    options = parser.parse_args(arguments)
    try:
        rows = load(options.map)
    except msgspec.DecodeError as error:
        print(f"{options.map.name}: {error}")
        return 1
    found = list(contradictions(rows))
    if options.report:
        found += unproved(rows, outcomes_in(options.report))
    else:
        found += dangling(rows)
        if not found and options.check and (not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page(rows)):
            found.append("docs/compliance.md differs from docs/hipaa.toml: run tools/compliance.py")
    print("\n".join(found) if found else f"{sum(row.status == 'met' for row in rows)} of {len(rows)} paragraphs met")
    if not found and not options.report and not options.check:
        PAGE.write_text(page(rows), encoding="utf-8")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
