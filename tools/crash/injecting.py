"""Failing system calls: programs under strace, which fails or kills them at the n-th call of each kind.

The calls of LMDB are among them. A program and its judge share a ledger in memory, so that telling needs no call.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from typing import Protocol

from crash.ledger import Broken

CALLS = (
    "write", "pwrite64", "pwritev", "pwritev2", "ftruncate", "fdatasync", "fsync", "rename", "unlink", "fallocate",
    "mkdir",
)  # fmt: skip
"""The system calls that change files."""
WAYS = {
    "EIO": "error=EIO",
    "ENOSPC": "error=ENOSPC",
    "short": "retval=0",
    "killed": "signal=SIGKILL",
}
"""What happens at a call. The shortest short write, of nothing, is the one that strace can make truthfully."""
WRITES = frozenset({"write", "pwrite64", "pwritev", "pwritev2"})
PATIENCE = 60.0
"""Seconds after which a program hangs."""
LIMITS = range(0, 700_000, 4096 + 512)
"""Lengths that files may not exceed, in bytes: from none at all to more than the program writes."""
ROOM = 1 << 20


@dataclass(frozen=True)
class Injection:
    """What happens to which call: the n-th, from 1 on, of one kind."""

    call: str
    number: int
    way: str

    def __str__(self) -> str:
        return f"{self.way} at {self.call} {self.number}"


class Outcome:
    """Memory that a program and its judge share: first how it ended, then its ledger."""

    def __init__(self) -> None:
        self._memory = mmap(-1, ROOM)
        self._at = 1

    def write(self, line: bytes) -> None:
        """Add a line to the ledger."""
        self._memory[self._at : self._at + len(line)] = line
        self._at += len(line)

    def end(self, how: bytes) -> None:
        """Tell how the program ended."""
        self.write(how + b"\n")
        self._memory[0] = 1

    def read(self) -> tuple[str, list[bytes]]:
        """Return how the program ended, "" where it did not, and its ledger."""
        lines = self._memory[1:].rstrip(b"\0").splitlines(keepends=True)
        return (lines[-1].decode().strip(), lines[:-1]) if self._memory[0] else ("", lines)


class Program(Protocol):
    """What is run with failing calls, and how its end is judged.

    Attributes
    ----------
    start
        The directory that each run gets a copy of.
    """

    start: Path

    def play(self, place: Path, outcome: Outcome, /) -> str:
        """Run in a copy of the start; return how it ended: a word, and more behind a colon."""
        ...

    def judge(self, place: Path, lines: Sequence[bytes], /) -> None:
        """Check what is left, whatever happened, by what was written to the outcome's ledger.

        Raises
        ------
        Broken
        """
        ...


def _forked(play: Callable[[], str], outcome: Outcome, go: int) -> int:
    """Start a process that waits for a byte, plays and ends; return its id."""
    child = os.fork()
    if child:
        return child
    try:
        os.read(go, 1)
        outcome.end(play().encode())
    except BaseException as error:  # noqa: BLE001 - a child of a fork must not go on in its parent's place
        outcome.end(f"broken: {type(error).__name__}: {error}".encode())
    finally:
        os._exit(0)


def _waited(child: int) -> bool:
    """Wait for a process; return whether it ended in time. One that did not is killed."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _traced(child: int) -> None:
    """Wait until a process is traced."""
    status = Path(f"/proc/{child}/status")
    while "TracerPid:\t0\n" in status.read_text(encoding="ascii"):
        time.sleep(0.001)


def _played(program: Program, place: Path, outcome: Outcome) -> Callable[[], str]:
    return lambda: program.play(place, outcome)


def _run(program: Program, place: Path, options: list[str]) -> tuple[str, list[bytes]]:
    """Run a program in a copy of its start under strace; return how it ended, "" if it was killed."""
    shutil.copytree(program.start, place)
    outcome, (waiting, go) = Outcome(), os.pipe()
    child = _forked(_played(program, place, outcome), outcome, waiting)
    command = ["strace", "-qq", *options, "-p", str(child)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as tracer:
        _traced(child)
        os.write(go, b"!")
        ended = _waited(child)
        tracer.wait()
    os.close(waiting)
    os.close(go)
    how, lines = outcome.read()
    return (how if ended else "broken: it hangs"), lines


def counted(program: Program, place: Path) -> Counter[str]:
    """Return how often a program makes each call."""
    log = place.with_name("calls")
    how, _ = _run(program, place, ["-e", f"trace={','.join(CALLS)}", "-o", str(log)])
    if how != "done":
        raise Broken(how)
    calls = Counter(line.partition("(")[0] for line in log.read_text().splitlines() if "(" in line)
    shutil.rmtree(place)
    return calls


def injections(calls: Counter[str]) -> Iterator[Injection]:
    """Yield every injection: each call once in every way."""
    for call in CALLS:
        for way in WAYS:
            if way != "short" or call in WRITES:
                yield from (Injection(call, number, way) for number in range(1, calls[call] + 1))


@dataclass
class Tally:
    """What came of injections.

    Parameters
    ----------
    endings
        How the programs ended, and how often.
    """

    injected: int = 0
    endings: Counter[str] = field(default_factory=Counter)


def inject(program: Program, place: Path, injection: Injection, tally: Tally) -> None:
    """Run a program with one injection, and check what it left.

    Raises
    ------
    Broken
    """
    options = [
        "-e", f"trace={injection.call}", "-e", f"inject={injection.call}:{WAYS[injection.way]}:when={injection.number}",
        "-o", "/dev/null",
    ]  # fmt: skip
    how, lines = _run(program, place, options)
    tally.injected += 1
    tally.endings[how.partition(":")[0] or "killed"] += 1
    try:
        judge(program, place, how, lines, killed=injection.way == "killed")
    except Broken as broken:
        raise Broken(f"{injection}: {broken}") from broken
    shutil.rmtree(place)


def judge(program: Program, place: Path, how: str, lines: list[bytes], *, killed: bool = False) -> None:
    """Check how a program ended, and what it left.

    Raises
    ------
    Broken
    """
    if how.startswith("broken") or (not how and not killed):
        raise Broken(how or "it died")
    program.judge(place, lines)


# Files that may not grow: writes that are truly short, and end in the middle of a structure.


def limited(program: Program, place: Path, limit: int, tally: Tally) -> None:
    """Run a program where no file may be longer than `limit` bytes, and check what it left.

    Raises
    ------
    Broken
    """
    shutil.copytree(program.start, place)
    outcome, (waiting, go) = Outcome(), os.pipe()

    def play() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return program.play(place, outcome)

    child = _forked(play, outcome, waiting)
    os.write(go, b"!")
    ended = _waited(child)
    os.close(waiting)
    os.close(go)
    how, lines = outcome.read()
    tally.injected += 1
    tally.endings[how.partition(":")[0]] += 1
    try:
        judge(program, place, how if ended else "broken: it hangs", lines)
    except Broken as broken:
        raise Broken(f"no file longer than {limit:,} bytes: {broken}") from broken
    shutil.rmtree(place)
