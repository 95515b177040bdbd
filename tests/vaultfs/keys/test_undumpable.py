"""Processes that keep their memory from core files and other processes: a host that asks for it, and the commands."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

DIES = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
ASKS = "from vaultfs.keys import undumpable; assert undumpable()"
UNLIMITED = (
    "import resource; resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)"
)
STATES = """
import ctypes, os, resource, sys
from pathlib import Path

import pytest
dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
print(dumpable, *resource.getrlimit(resource.RLIMIT_CORE), Path("/proc/self/mem").stat().st_uid)
"""


def run(*lines: str, place: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program, in a directory."""
    program = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(program, cwd=place, capture_output=True, text=True, check=False)


def test_a_host_that_asks_for_it_can_be_dumped_no_more() -> None:
    assert run(STATES).stdout.split()[0] == "1"
    done = run(ASKS, STATES)
    assert done.stdout.split() == ["0", "0", "0", "0"], done.stderr


def test_nothing_of_it_happens_unasked() -> None:
    assert run("import vaultfs, vaultfs.keys", STATES).stdout == run(STATES).stdout


def test_it_says_so_where_nothing_can_be_done() -> None:
    done = run("import sys; sys.platform = 'other'", "from vaultfs.keys import undumpable; print(undumpable())", STATES)
    assert done.stdout.split()[:2] == ["False", "1"], done.stderr


def test_no_core_is_written(tmp_path: Path) -> None:
    for name, lines in (("asked", (UNLIMITED, ASKS, DIES)), ("unasked", (UNLIMITED, DIES))):
        (tmp_path / name).mkdir()
        assert run(*lines, place=tmp_path / name).returncode == -signal.SIGSEGV
    assert os.listdir(tmp_path / "asked") == []
    writes_here = Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii")[0] not in "|/"
    if writes_here and resource.getrlimit(resource.RLIMIT_CORE)[1]:
        assert os.listdir(tmp_path / "unasked")


COMMANDS = ("audit", "backup", "doctor", "dump", "export", "fsck", "import_", "keys", "maintain", "rescue", "witness")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_undumpable_from_its_start(tmp_path: Path, command: str) -> None:
    ended = "try: command.main()\nexcept SystemExit: pass"
    given = f"import sys; from vaultfs_tools import {command} as command; sys.argv[1:] = ['nowhere', 'nobody']"
    assert run(given, ended, STATES, place=tmp_path).stdout.split()[-4:-2] == ["0", "0"]


def test_every_command_is_among_these() -> None:
    scripts = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]["scripts"]
    assert {place.removeprefix("vaultfs_tools.").removesuffix(":main") for place in scripts.values()} == set(COMMANDS)


def test_a_command_that_is_called_as_a_function_leaves_its_process_as_it_is(tmp_path: Path) -> None:
    command = "from vaultfs_tools import dump; dump.main(['nowhere'])"
    assert run(command, STATES, place=tmp_path).stdout.split()[0] == "1"
