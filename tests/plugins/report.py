"""The JSON report says what was tested and how long it took, and nothing of the machine: it is committed.

What pytest-json-report writes is cut down to a line's worth a test, and every place of this machine (checkout, home,
interpreter, temporary folder, host name) gives way to a name in angle brackets, any other absolute path to ``<path>``.
"""

from __future__ import annotations

import platform
import re
import site
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import pytest

STAGES = ("setup", "call", "teardown")
OMITTED = ["collectors", "keywords", "log", "streams", "traceback"]

_ABSOLUTE = re.compile(r"(?<![\w<>./:-])/(?:[\w.+@~-]+/)+([\w.+@~-]*)")


def places(root: Path) -> dict[str, str]:
    """Return the absolute paths of this machine with what stands for them, the most specific first."""
    named = {str(root): ".", str(Path.home()): "<home>", tempfile.gettempdir(): "<tmp>"}
    named |= dict.fromkeys((sys.base_prefix, sys.prefix), "<python>")
    named |= dict.fromkeys((sysconfig.get_path("stdlib"), *site.getsitepackages()), "<packages>")
    named |= {str(Path(path).resolve()): name for path, name in named.items()}
    usable = (path for path in named if len(path) > 1)
    return {path: named[path] for path in sorted(usable, key=lambda path: (-len(path), path))}


def scrubbed(value: Any, known: dict[str, str], host: str, *, text: bool = True) -> Any:
    """Return `value` of a report with no trace of the machine.

    Parameters
    ----------
    value
        Anything that JSON can hold.
    known
        Absolute paths and what stands for them, in the order in which they are tried.
    host
        The machine's name.
    text
        Whether strings are free text. In an identifier only known paths are replaced: a test's parameters may look
        like paths, or like the name of the machine.
    """
    if isinstance(value, dict):
        names = {key: text and key != "nodeid" for key in value}
        return {key: scrubbed(item, known, host, text=names[key]) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [scrubbed(item, known, host, text=text) for item in value]
    if not isinstance(value, str):
        return value
    for path, name in known.items():
        value = re.sub(rf"{re.escape(path)}(?![\w.-])", name, value)
    if text:
        value = _ABSOLUTE.sub(r"<path>/\1", value)
        if host and host != "localhost":
            value = re.sub(rf"(?<![\w-]){re.escape(host)}(?![\w-])", "<host>", value)
    return value


def condensed(test: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a test's report that is worth keeping: its outcome, its duration, and what went wrong."""
    stages = {name: dict(test[name]) for name in STAGES if name in test}
    kept: dict[str, Any] = {"nodeid": test["nodeid"], "outcome": test["outcome"]}
    kept["duration"] = round(sum(stage["duration"] for stage in stages.values()), 4)
    for name, stage in stages.items():
        stage["duration"] = round(stage["duration"], 4)
        if name == "call" or stage["outcome"] != "passed":
            kept[name] = stage
    return kept | {name: test[name] for name in ("metadata", "user_properties") if name in test}


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Leave out of the report what would be dropped anyway."""
    if hasattr(config.option, "json_report_omit"):
        config.option.json_report_omit = OMITTED


@pytest.hookimpl(optionalhook=True)
def pytest_json_modifyreport(json_report: dict[str, Any]) -> None:
    """Condense and scrub the report before it is written."""
    root = Path(json_report["root"])
    json_report["environment"] = {"Python": platform.python_version()}
    if "tests" in json_report:
        # Processes that share the work end it in any order.
        tests = sorted(json_report["tests"], key=lambda test: str(test["nodeid"]))
        json_report["tests"] = [condensed(test) for test in tests]
    clean = scrubbed(dict(json_report), places(root), platform.node())
    json_report.clear()
    json_report.update(clean)
