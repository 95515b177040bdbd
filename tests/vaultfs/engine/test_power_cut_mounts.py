"""Real power cuts on ext4 and XFS: what the page cache alone held is gone, what was acknowledged is there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = ("losetup", "mkfs.ext4", "mkfs.xfs", "mount", "umount", "unshare")
PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def missing() -> list[str]:
    """Return the programs that are not installed."""
    return [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]


def mountable() -> bool:
    """Return whether this process may have mounts of its own, and a loop device."""
    if os.geteuid() != 0 or missing():
        return False
    probe = ["unshare", "--mount", "losetup", "--find"]
    return not subprocess.run(probe, env=environment(), capture_output=True, check=False).returncode


def environment() -> dict[str, str]:
    """Return an environment in which the crash tests, and mkfs, are found."""
    places = os.pathsep.join(str(ROOT / name) for name in (".", "formats", "tools"))
    return os.environ | {"PYTHONPATH": places, "PATH": PATH}


pytestmark = [
    pytest.mark.skipif(bool(missing()), reason="mount, mkfs.ext4 or mkfs.xfs is not installed"),
    pytest.mark.skipif(not mountable(), reason="file systems cannot be mounted here: it takes root and loop devices"),
]


def command(*arguments: str) -> list[str]:
    """Return a command of the crash tests."""
    return [sys.executable, "-m", "crash", *arguments]


def powercut(kind: str, rounds: int, engine: str = "sound", seed: int = 1, of: str = "powercut") -> dict[str, Any]:
    """Cut the power a number of times, and return what came of it."""
    arguments = [of, "--on", kind, "--rounds", str(rounds), "--engine", engine, "--seed", str(seed)]
    done = subprocess.run(command(*arguments), env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)[kind]
    return found


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_fifty_power_cuts_lose_nothing_that_was_acknowledged(kind: str) -> None:
    found = powercut(kind, 50)
    assert found["rounds"] == 50
    assert found["acknowledged"] > 50
    assert found["broken"] == ""


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
@pytest.mark.parametrize("engine", ["careless", "index-first"])
def test_an_engine_that_breaks_the_rules_loses_data(kind: str, engine: str) -> None:
    """The controls: without syncs, or with the index durable before the journal, the same cuts do harm."""
    assert powercut(kind, 40, engine)["broken"] != ""


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_thirty_power_cuts_under_a_backup_leave_a_state_that_the_vault_was_in(kind: str) -> None:
    found = powercut(kind, 30, of="powercut-backup")
    assert found["rounds"] == 30
    assert 0 < found["acknowledged"] < 30
    assert found["broken"] == ""


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_backup_that_syncs_nothing_loses_data(kind: str) -> None:
    """The control."""
    assert powercut(kind, 30, "careless", of="powercut-backup")["broken"] != ""


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
@pytest.mark.parametrize("of", ["powercut", "powercut-backup"])
def test_five_hundred_power_cuts_lose_nothing_that_was_acknowledged(kind: str, of: str) -> None:
    assert powercut(kind, 500, seed=2, of=of)["broken"] == ""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_mounted_when_the_run_is_interrupted(end: signal.Signals) -> None:
    with subprocess.Popen(command("powercut", "--on", "ext4"), env=environment(), stderr=subprocess.DEVNULL) as run:
        deadline = time.monotonic() + 60
        while not loops(run.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert loops(run.pid), "it mounts something"
        run.send_signal(end)
    while loops(run.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not loops(run.pid)
    assert f"vaultfs-powercut-{run.pid}-" not in Path("/proc/mounts").read_text()


def loops(process: int) -> set[str]:
    """Return the files of a process that loop devices stand for."""
    backing = Path("/sys/block").glob("loop*/loop/backing_file")
    return {text for path in backing if f"vaultfs-powercut-{process}-" in (text := read(path))}


def read(path: Path) -> str:
    """Return what is in a file that may go at any time."""
    try:
        return path.read_text()
    except OSError:
        return ""
