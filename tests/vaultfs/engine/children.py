"""Processes that read or write a vault while a test looks on: started anew, spoken to line by line."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import vaultfs

ROOT = Path(__file__).parents[3]

PRELUDE = """
import os, sys, time
from pathlib import Path
import vaultfs
from tests.vaultfs.support import MRN, WHO, create, delete, events, get, put, read_only, reopen, session
from vaultfs.errors import VaultError
path = Path(sys.argv[1])
def say(*words): print(*words, flush=True)
def hear(): return sys.stdin.readline().strip()
"""

READ_ON_REQUEST = """
reader = read_only(path)
s = reader.session(WHO, "TREAT", strict=True)
say("ready")
while line := hear():
    try:
        say(s.get(vaultfs.RecordId(bytes.fromhex(line))).data.hex())
    except VaultError as error:
        say(type(error).__name__)
reader.close()
say("closed")
"""
"""Reads records by their ids, strictly."""


class Child:
    """A process that runs a program. `say` and `hear` speak with it.

    Parameters
    ----------
    interrupted
        The program is interrupted at any moment: it is not measured, since the measuring could not go on after that.
    """

    def __init__(self, program: str, *arguments: object, interrupted: bool = False) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + program, *map(str, arguments)],
            cwd=ROOT,
            env=environment if interrupted else None,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def say(self, line: str = "") -> None:
        """Send a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, seconds: float = 60) -> str:
        """Return the next line, within a time."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], seconds)[0], "nothing is said"
        line = self.process.stdout.readline().decode().strip()
        if not line:
            assert self.process.stderr is not None
            raise AssertionError(self.process.stderr.read().decode())
        return line

    def ask(self, record: vaultfs.RecordId) -> bytes | str:
        """Let a child that reads on request read a record; return its bytes, or the name of the error."""
        self.say(record.hex())
        answer = self.hear()
        return bytes.fromhex(answer) if answer.islower() or answer.isdigit() else answer

    def end(self) -> str:
        """Let it come to its end; return what it has written to stderr."""
        _, errors = self.process.communicate(timeout=60)
        return errors.decode()


@contextmanager
def child(program: str, *arguments: object, interrupted: bool = False) -> Iterator[Child]:
    """Run a program in a process of its own; kill it in the end."""
    one = Child(program, *arguments, interrupted=interrupted)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.communicate()
