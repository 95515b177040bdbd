"""Fuzzing: ``python -m fuzz [TARGET ...] --seconds N``, from a checkout; see docs/guides/fuzzing.md.

Runs atheris on each target, one after the other, in a process of its own, and prints a line for each. What breaks a
contract is kept below the directory of findings, under the name of its target; the exit status is 1 then.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.runs import Caps, fuzz

if TYPE_CHECKING:
    from fuzz.target import Target

_INSTRUMENTED = ("vaultfs_format", "vaultfs", "vaultfs_tools")
_TAIL = 4000
"""Characters of a log that are shown where a contract was broken."""


def _instrumented() -> dict[str, Target]:
    """Return the targets, with everything that they run instrumented for coverage while it is imported."""
    import atheris

    with redirect_stderr(io.StringIO()), atheris.instrument_imports(include=list(_INSTRUMENTED)):
        from fuzz.catalogue import TARGETS
    return TARGETS


def _chosen(command: argparse.ArgumentParser, names: Sequence[str], targets: dict[str, Target]) -> list[Target]:
    unknown = sorted(set(names) - set(targets))
    if unknown:
        command.error(f"no such target: {', '.join(unknown)}")
    return [targets[name] for name in names or targets]


def _run(targets: Sequence[Target], args: argparse.Namespace) -> int:
    caps = Caps(args.seconds, args.runs, args.case_seconds, args.rss, args.seed)
    broken = 0
    with nullcontext(args.corpus) if args.corpus else tempfile.TemporaryDirectory() as corpus:
        for target in targets:
            outcome = fuzz(target, caps, Path(corpus) / target.name, args.findings / target.name)
            print(outcome.line(), flush=True)
            if not outcome.good:
                broken += 1
                print(outcome.log[-_TAIL:], file=sys.stderr, flush=True)
    print(f"{len(targets)} targets, {broken} broken")
    return 1 if broken else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    usual = Caps()
    made = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    made.add_argument("targets", nargs="*", metavar="TARGET", help="all, if none is named")
    made.add_argument("--list", action="store_true", help="print the names of the targets")
    made.add_argument("--reproduce", type=Path, metavar="FILE", help="hand one file to one target, and nothing else")
    made.add_argument("--seconds", type=int, default=usual.seconds, help="time of each target")
    made.add_argument("--runs", type=int, metavar="N", help="inputs of each target, at most")
    made.add_argument("--case-seconds", type=int, default=usual.case_seconds, help="time of one input")
    made.add_argument("--rss", type=int, default=usual.memory, metavar="MB", help="resident memory of a process")
    made.add_argument("--corpus", type=Path, metavar="DIR", help="keep inputs here, for the next time")
    made.add_argument("--findings", type=Path, default=Path("fuzz-findings"), metavar="DIR")
    made.add_argument("--seed", type=int, default=usual.seed, help="of all chance; the same one leads the same way")
    return made


def main() -> int:
    """Fuzz, list the targets, or hand a file to one of them."""
    command = parser()
    args = command.parse_args()
    if args.list or args.reproduce:
        from fuzz.catalogue import TARGETS

        chosen = _chosen(command, args.targets, TARGETS)
        if args.list:
            print("\n".join(target.name for target in chosen))
        elif len(chosen) != 1:
            command.error("--reproduce takes one target")
        else:
            chosen[0](args.reproduce.read_bytes())
            print("the contract holds")
        return 0
    return _run(_chosen(command, args.targets, _instrumented()), args)


if __name__ == "__main__":
    sys.exit(main())
