"""Targets that break their contracts: ``python -m tests.tools.broken NAME FOLDER`` fuzzes one, and prints its outcome.

In a program of its own, since each run forks, and the tests' process may be large and have threads.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from fuzz.runs import Caps, fuzz
from fuzz.target import Target, must
from vaultfs_format.errors import DigestMismatch

_CAPS = Caps(seconds=20, executions=1000, case_seconds=2)
_HELD: list[bytes] = []


def _broken(data: bytes) -> None:
    must(data[:1] in (b"", b"a"), "an input begins with a")


def _refuse(_: bytes) -> None:
    raise DigestMismatch


def _hoard(_: bytes) -> None:
    _HELD.append(b"\x01" * (1 << 29))
    time.sleep(2)


def _deaf(_: bytes) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(60)


def _seeds() -> list[bytes]:
    return [b"abcd"]


TARGETS = {
    target.name: (target, caps)
    for target, caps in (
        (Target("broken", _broken, _seeds), _CAPS),
        (Target("refusing", _refuse, _seeds), _CAPS),
        (Target("refusing without leave", _refuse, _seeds, ()), _CAPS),
        (Target("slow", lambda _: time.sleep(60), _seeds), _CAPS),
        (Target("large", _hoard, _seeds), Caps(seconds=20, memory=400)),
        (Target("deaf", _deaf, _seeds), Caps(seconds=1, case_seconds=1, grace=1)),
    )
}

if __name__ == "__main__":
    chosen, limited = TARGETS[sys.argv[1]]
    outcome = fuzz(chosen, limited, Path(sys.argv[2]) / "corpus", Path(sys.argv[2]) / "findings")
    json.dump(asdict(outcome) | {"good": outcome.good, "line": outcome.line()}, sys.stdout, default=str)
