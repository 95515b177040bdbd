"""Skips are counted by reason at the end of a run; under CI one that is not allowed fails the run.

A skipped test proves nothing: where everything is installed, as in CI, a skip is a hole that somebody must have meant.
"""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

ALLOWED = frozenset(
    {
        "file systems cannot be mounted here: it takes root and loop devices",
        "mount namespaces are not permitted",
        "no FIPS provider of OpenSSL is installed",
        "only the superuser repairs what belongs to others",
    }
)
"""Reasons that may skip a test in CI, to the letter: what the machine, not its set-up, cannot do."""

SAMPLES = "sample data not present: "
"""Begins the reasons of tests whose data are no part of the repository; allowed unless a folder is named for them."""


class Skips:
    """The skips of one run."""

    def __init__(self, *, strict: bool, samples: bool) -> None:
        self._strict = strict
        self._samples = samples
        self._tests: defaultdict[str, list[str]] = defaultdict(list)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            location = report.longrepr
            reason = location[2] if isinstance(location, tuple) else str(location)
            self._tests[reason.removeprefix("Skipped: ")].append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a skipped test."""
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a skipped module."""
        self._note(report)

    def _refused(self) -> list[str]:
        return sorted(filter(self._is_refused, self._tests)) if self._strict else []

    def _is_refused(self, reason: str) -> bool:
        return reason not in ALLOWED and (self._samples or not reason.startswith(SAMPLES))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Fail a run that is otherwise good; before the reports are written."""
        if self._refused() and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return (yield)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print a line for each reason, and the tests of the reasons that are refused."""
        if not self._tests:
            return
        terminalreporter.section("skipped, by reason")
        for reason, tests in sorted(self._tests.items()):
            terminalreporter.line(f"{len(tests):6d}  {reason}")
        for reason in self._refused():
            terminalreporter.line(f"ERROR: not allowed in CI: {reason}", red=True)
            for test in self._tests[reason]:
                terminalreporter.line(f"        {test}")


def pytest_configure(config: pytest.Config) -> None:
    """Count the skips of this run; in CI, strictly."""
    named = config.getoption("--samples", None) is not None
    config.pluginmanager.register(Skips(strict=os.environ.get("CI") == "true", samples=named))
