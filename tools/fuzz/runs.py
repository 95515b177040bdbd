"""One run of atheris on one target, in a process of its own that is watched and, if it must be, ended.

atheris never returns, and dies with the case that broke the contract, ran too long or took too much memory. What it
says goes into a log; what the case was, into a file below the directory of findings.
"""

from __future__ import annotations

import faulthandler
import hashlib
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crash.places import memory

if TYPE_CHECKING:  # what is to be instrumented is imported after this module
    from fuzz.target import Target

_LOG = "log"
_FORK = multiprocessing.get_context("fork")
_EXECUTED = re.compile(r"^stat::number_of_executed_units: (\d+)", re.MULTILINE)
_KEPT = re.compile(r"Test unit written to (.+)$", re.MULTILINE)
_FEATURES = re.compile(r"^#\d+\s.*\bft: (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Caps:
    """What a run may take.

    Parameters
    ----------
    seconds
        Time of the run.
    executions
        Inputs, those of the corpus included; None: as many as the time allows.
    case_seconds
        Time of one input.
    memory
        Resident memory of the process, in MiB.
    seed
        Of all chance.
    grace
        Seconds beyond its time after which a process that has not ended is killed.
    """

    seconds: int = 60
    executions: int | None = None
    case_seconds: int = 10
    memory: int = 512
    seed: int = 1
    grace: int = 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Parameters
    ----------
    executions, features
        Inputs that were tried, and features of coverage that they reached.
    findings
        Files with the inputs that broke the contract.
    ended
        Exit status of the process: 0 where it came to its end.
    log
        What atheris and the target said.
    """

    target: str
    executions: int
    features: int
    findings: Sequence[Path] = field(default=())
    ended: int = 0
    log: str = field(default="", repr=False)

    @property
    def good(self) -> bool:
        """Whether the contract held."""
        return not self.findings and self.ended == 0

    def line(self) -> str:
        """Return the outcome in a line."""
        names = ", ".join(str(path) for path in self.findings) or ("none" if self.good else f"ended with {self.ended}")
        return f"{self.target:24}{self.executions:>12,} executions{self.features:>8,} features   findings: {names}"


def fuzz(target: Target, caps: Caps, corpus: Path, findings: Path) -> Outcome:
    """Run atheris on a target.

    Parameters
    ----------
    corpus
        Directory to which inputs that reach something new are added; the target's seeds are put there first.
    findings
        Directory for inputs that break the contract.
    """
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    _plant(target, corpus)
    with tempfile.TemporaryDirectory(prefix="vaultfs-fuzz-", dir=memory()) as made:
        scratch = Path(made)
        process = _FORK.Process(target=_run, args=(target, _flags(target, caps, corpus, findings, scratch), scratch))
        process.start()
        process.join(caps.seconds + caps.case_seconds + caps.grace)
        if process.is_alive():
            process.kill()
            process.join()
        said = (scratch / _LOG).read_text(encoding="utf-8", errors="replace")
    executed, features = _EXECUTED.findall(said), _FEATURES.findall(said)
    return Outcome(
        target.name,
        int(executed[-1]) if executed else 0,
        int(features[-1]) if features else 0,
        [Path(kept) for kept in _KEPT.findall(said)],
        process.exitcode or 0,
        said,
    )


def _plant(target: Target, corpus: Path) -> None:
    for seed in target.seeds():
        (corpus / hashlib.sha256(seed).hexdigest()[:32]).write_bytes(seed)


def _flags(target: Target, caps: Caps, corpus: Path, findings: Path, scratch: Path) -> list[str]:
    flags = [
        str(corpus),
        f"-max_len={target.longest}",
        f"-max_total_time={caps.seconds}",
        f"-timeout={caps.case_seconds}",
        f"-rss_limit_mb={caps.memory}",
        f"-seed={caps.seed}",
        f"-artifact_prefix={findings}{os.sep}",
        "-print_final_stats=1",
    ]
    if caps.executions is not None:
        flags.append(f"-runs={caps.executions}")
    if target.words:
        words = scratch / "words"
        words.write_text("".join(map(_word, target.words)), encoding="ascii")
        flags.append(f"-dict={words}")
    return flags


def _word(word: bytes) -> str:
    """Return a line of a dictionary as libFuzzer reads them."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'


def _run(target: Target, flags: Sequence[str], scratch: Path) -> None:
    """Be the process: everything that is said goes into the log, and nothing comes back from here."""
    import atheris

    from fuzz.mutator import Mutator

    # libFuzzer leaves signals alone that somebody handles already.
    faulthandler.disable()
    for number in (signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    tempfile.tempdir = str(scratch)
    log = (scratch / _LOG).open("w", encoding="utf-8")
    for descriptor in (1, 2):
        os.dup2(log.fileno(), descriptor)
    sys.stdout = sys.stderr = log

    def try_one(data: bytes) -> None:
        try:
            target(data)
        except BaseException:  # noqa: BLE001 - it is a finding, whatever it is
            traceback.print_exc(file=log)
            log.flush()
            os.abort()  # libFuzzer keeps the input; an exception would unwind into the program that forked

    def mutate(data: bytes, longest: int) -> bytes:
        return bytes(atheris.Mutate(data, longest))  # looked up each time: `Fuzz` puts the real one in its place

    atheris.Setup([sys.argv[0], *flags], try_one, custom_mutator=Mutator(mutate, target.forge))
    atheris.Fuzz()
