"""Maintenance, fsck, backups and turns whose system calls fail or are the last: nothing is lost, the next ends it."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from crash.injecting import LIMITS, Outcome, Program, Tally, counted, inject, injections, limited
from crash.ledger import Broken
from crash.turning import Turning
from crash.upkeep import PROGRAMS as UPKEEP

PROGRAMS: dict[str, Callable[[Path], Program]] = {**UPKEEP, "turn": Turning}
STRACE = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture(scope="module", params=PROGRAMS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Return a program, with what it starts from."""
    return PROGRAMS[request.param](tmp_path_factory.mktemp("start") / "start")


@pytest.fixture(scope="module")
def calls(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """Return how often the program makes each call."""
    return counted(program, tmp_path_factory.mktemp("calls") / "run")


@STRACE
def test_calls_may_fail_or_be_the_last(program: Program, calls: Counter[str], in_memory: Path) -> None:
    """One of 31; the long test takes all."""
    tally = Tally()
    for injection in list(injections(calls))[::31]:
        inject(program, in_memory / "run", injection, tally)
    assert tally.injected > 7
    assert tally.endings["killed"] > 1
    assert tally.endings["done"] < tally.injected - tally.endings["killed"]


def test_files_that_may_not_grow_lose_nothing(program: Program, in_memory: Path) -> None:
    """One limit of 31; the long test takes all."""
    tally = Tally()
    for limit in LIMITS[::47]:
        limited(program, in_memory / "run", limit, tally)
    assert len(tally.endings) > 1


@STRACE
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_each_call_may_fail_or_be_the_last(program: Program, calls: Counter[str], in_memory: Path) -> None:
    tally = Tally()
    for injection in injections(calls):
        inject(program, in_memory / "run", injection, tally)
    for limit in LIMITS:
        limited(program, in_memory / "run", limit, tally)
    assert tally.injected > 300


def test_the_judge_misses_what_is_lost(program: Program, in_memory: Path) -> None:
    """The control: a segment and its like are gone from all that the program would leave."""
    place = in_memory / "run"
    shutil.copytree(program.start, place)
    assert program.play(place, Outcome()) == "done"
    for path in place.rglob("*.vseg"):
        path.unlink()
    with pytest.raises(Broken):
        program.judge(place, [])
