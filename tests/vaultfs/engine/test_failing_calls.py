"""System calls that fail, fall short or are the last: errors are coded, nothing acknowledged is lost."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from crash.injecting import LIMITS, WAYS, Injection, Outcome, Tally, counted, inject, injections, judge, limited
from crash.ledger import Broken
from crash.writing import Writing

STRACE = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Writing:
    """Return a vault to start from, whose process died."""
    return Writing(tmp_path_factory.mktemp("base") / "v")


@pytest.fixture(scope="module")
def calls(start: Writing, tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """Return how often the program makes each call."""
    return counted(start, tmp_path_factory.mktemp("calls") / "run")


@STRACE
def test_the_program_makes_all_kinds_of_calls(calls: Counter[str]) -> None:
    """Those of LMDB, `pwrite64` for one, are among them."""
    assert {"pwrite64", "pwritev2", "ftruncate", "fdatasync", "fsync", "rename", "unlink", "mkdir"} <= set(calls)
    assert sum(calls.values()) > 100


@STRACE
@pytest.mark.parametrize("way", WAYS)
def test_calls_may_fail_or_be_the_last(start: Writing, calls: Counter[str], in_memory: Path, way: str) -> None:
    """One of eleven; the long test takes all."""
    tally = Tally()
    for injection in [one for one in injections(calls) if one.way == way][::19]:
        inject(start, in_memory / "run", injection, tally)
    assert tally.injected > 5
    assert tally.endings["done"] < tally.injected


@STRACE
def test_after_a_sync_that_failed_no_commit_succeeds(start: Writing, calls: Counter[str], in_memory: Path) -> None:
    """The next sync of the same file, or of LMDB's, would report success for pages that are lost."""
    tally = Tally()
    for number in range(1, calls["fdatasync"] + 1, 3):
        inject(start, in_memory / "run", Injection("fdatasync", number, "EIO"), tally)
    assert tally.endings["poisoned"] > 2
    # Of a file in the epoch store, which is an anchor: the next head is shown it; and of mirrors, as they are closed.
    assert tally.endings["done"] <= 3


def test_files_that_may_not_grow_lose_nothing(start: Writing, in_memory: Path) -> None:
    """Here writes are truly short, and end within a structure. One limit of nine; the long test takes all."""
    tally = Tally()
    for limit in LIMITS[::15]:
        limited(start, in_memory / "run", limit, tally)
    assert len(tally.endings) > 2


@STRACE
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_each_call_may_fail_or_be_the_last(start: Writing, calls: Counter[str], in_memory: Path) -> None:
    tally = Tally()
    for injection in injections(calls):
        inject(start, in_memory / "run", injection, tally)
    for limit in LIMITS:
        limited(start, in_memory / "run", limit, tally)
    assert tally.injected > 500


@pytest.mark.parametrize("how", ["broken: TypeError: x", ""])
def test_the_judge_takes_no_other_ending(start: Writing, in_memory: Path, how: str) -> None:
    """The control: an error that is not coded, and a program that died by itself."""
    with pytest.raises(Broken):
        judge(start, in_memory, how, [])


def test_the_judge_misses_what_was_acknowledged(start: Writing, in_memory: Path) -> None:
    """The control: a vault without what the ledger says."""
    shutil.copytree(start.start, in_memory / "run")
    outcome = Outcome()
    outcome.write(b'["begin", [["state", "b", "1"]]]\n["acknowledge", null]\n')
    outcome.end(b"done")
    how, lines = outcome.read()
    with pytest.raises(Broken):
        judge(start, in_memory / "run", how, lines)
