"""Whoever copies may be killed, and the disk may be full, at any moment: the copy is a state that the vault was in."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from vaultfs_tools.keyless import Severity
from vaultfs_tools.keyless.errors import CopyStale

from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.copying.support import copy, held_by, store_of

CHANGES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.truncate"})
"""What the interpreter tells of before it is done; files that are opened for writing are counted, too."""


def in_a_child(act: Callable[[], object], before: Callable[[], object]) -> int:
    """Do something in a forked process after something else; return how it ends, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            before()
            act()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_before(number: int) -> Callable[[], None]:
    """Return what has the process killed before it changes something in the file system for the n-th time."""

    def plant() -> None:
        left = number

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
            if event in CHANGES or writes:
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)

    return plant


def records(held: dict[Any, Any]) -> dict[Any, Any]:
    """Return the records in what a vault has answered."""
    return {key: value for key, value in held.items() if key[0] == "record"}


def grown(vault: Path) -> None:
    """Let a vault settle, and go on: nothing is changed or taken away."""
    with vaults.opened(vault) as opened:
        vaults.fill(opened, 2018, blob=True)
        opened.settle()
        vaults.fill(opened, 2020, blob=True)


def each(vault: Path, made: Path, tmp_path: Path, step: int) -> int:
    """Kill copying at every `step`-th moment, and judge what it leaves; return how many were judged."""
    old = records(held_by(made, store_of(vault), tmp_path / "x"))
    grown(vault)
    new = records(held_by(vault, store_of(vault), tmp_path / "x"))
    assert old.items() < new.items()
    number, judged = 1, 0
    while True:
        target = tmp_path / "run" / "copy"
        shutil.copytree(made, target)
        ended = in_a_child(partial(copy, vault, target), kill_before(number))
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        found = [one for one in vaults.findings(target) if not isinstance(one.error, CopyStale)]  # a head may be behind
        assert {one.severity for one in found} <= {Severity.REMARK, Severity.RECOVERY}, number
        held = records(held_by(target, store_of(vault), tmp_path / "x"))
        assert old.items() <= held.items() <= new.items(), number
        if judged % 3 == 0:
            copy(vault, target)
            assert records(held_by(target, store_of(vault), tmp_path / "x")) == new
            assert vaults.findings(target) == []
        shutil.rmtree(target.parent)
        number, judged = number + step, judged + 1
    return judged


def test_a_copy_that_was_killed_is_one_state_or_the_other(vault: Path, made: Path, tmp_path: Path) -> None:
    """One moment of eleven; the long test takes all."""
    assert each(vault, made, tmp_path, 11) > 5


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_copy_may_be_killed_at_every_moment(vault: Path, made: Path, tmp_path: Path) -> None:
    assert each(vault, made, tmp_path, 1) > 60


def test_a_first_copy_that_was_killed_is_completed(vault: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    for number in range(5, 100, 9):
        if in_a_child(lambda: copy(vault, target), kill_before(number)) == 0:
            break
    copy(vault, target)
    assert vaults.findings(target) == []
    assert not list(target.rglob("*.tmp"))


@pytest.mark.parametrize("limit", [0, 3000, 10_000, 50_000, 120_000])
def test_a_full_disk_leaves_the_old_state(vault: Path, made: Path, tmp_path: Path, limit: int) -> None:
    """Files that may not grow stand for the disk: writes fall short, and the next one fails."""
    expected = held_by(made, store_of(vault), tmp_path / "x")
    grown(vault)

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    assert in_a_child(lambda: copy(vault, made), limited) == 1
    assert held_by(made, store_of(vault), tmp_path / "x") == expected
    copy(vault, made)
    assert vaults.findings(made) == []
