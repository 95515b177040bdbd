"""The crash tests at full length: ``python -m crash COMMAND``, from a checkout; see docs/guides/crash-testing.md."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from crash.ledger import Broken
from crash.places import memory

if TYPE_CHECKING:
    from crash.injecting import Program
    from crash.powercut import Result


@contextmanager
def _place() -> Iterator[Path]:
    """Yield a new directory, in memory where the system has such; it stays if a promise is broken in it."""
    place = Path(tempfile.mkdtemp(prefix="vaultfs-crash-", dir=memory()))
    try:
        yield place
    except Broken:
        raise
    except BaseException:
        shutil.rmtree(place)
        raise
    shutil.rmtree(place)


def _simulate(args: argparse.Namespace) -> str:
    from crash.simulate import simulate

    with _place() as place:
        counts = simulate(place, args.images, jobs=args.jobs)
    return (
        f"{counts.images:,} different images of {counts.recordings:,} recordings, {counts.twice:,} of them of a second "
        f"cut; {counts.opened:,} vaults opened, all good"
    )


def _mutants(_: argparse.Namespace) -> str:
    from crash.mutants import MUTANTS, NO_MUTANT, hunt

    with _place() as place:
        if broken := hunt(NO_MUTANT, place):
            raise Broken(broken)
        for name, mutant in MUTANTS.items():
            if not (broken := hunt(mutant, place)):
                raise Broken(f"this mutant lives: {name}")
            print(f"{name}: {broken}", flush=True)
    return f"{len(MUTANTS)} mutants, all caught"


def _powercut(args: argparse.Namespace) -> str:
    from crash.powercut import run

    return _cut(args, run)


def _powercut_backup(args: argparse.Namespace) -> str:
    from crash.powercut_backup import run

    return _cut(args, run)


def _cut(args: argparse.Namespace, run: Callable[[str, int, int, str], Result]) -> str:
    from crash.powercut import own_mounts

    own_mounts()
    results = {}
    for kind in args.on:
        result = results[kind] = run(kind, args.rounds, args.seed, args.engine)
        if result.broken and args.engine == "sound":
            raise Broken(result.broken)
    return json.dumps({kind: asdict(result) for kind, result in results.items()})


def _flips(args: argparse.Namespace) -> str:
    from crash.flips import made, sweep

    with _place() as place:
        total = 0
        for one in sweep(made(place), args.every, args.first):
            print(f"{one.kind} of {one.bytes:,} bytes: {one.bits:,} bits flipped, all found, all healed", flush=True)
            total += one.bits
    return f"{total:,} bits"


def _inject(args: argparse.Namespace) -> str:
    from crash.injecting import LIMITS, Tally, counted, inject, injections, limited
    from crash.turning import Turning
    from crash.upkeep import PROGRAMS
    from crash.writing import Writing

    results = []
    programs: dict[str, Callable[[Path], Program]] = {"writer": Writing, "turn": Turning, **PROGRAMS}
    for name, make in programs.items():
        tally, short = Tally(), Tally()
        with _place() as place:
            program = make(place / "start")
            for injection in list(injections(counted(program, place / "run")))[:: args.every]:
                inject(program, place / "run", injection, tally)
            for limit in LIMITS[:: args.every]:
                limited(program, place / "run", limit, short)
        calls, limits = dict(tally.endings), dict(short.endings)
        results.append(f"{name}: {tally.injected} calls injected: {calls}; {short.injected} limits: {limits}")
    return "\n".join(results)


def main() -> int:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="python -m crash", description=__doc__)
    commands = parser.add_subparsers(required=True)
    simulate = commands.add_parser("simulate", help="simulated power cuts")
    simulate.add_argument("--images", type=int, default=20_000, help="different images to open, at least")
    simulate.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    simulate.set_defaults(run=_simulate)
    commands.add_parser("mutants", help="engines that the simulator must catch").set_defaults(run=_mutants)
    powercut = commands.add_parser("powercut", help="real power cuts on ext4 and XFS; needs root")
    of_backups = commands.add_parser("powercut-backup", help="the same, of the disk that backups are written to")
    for parsing in (powercut, of_backups):
        parsing.add_argument("--rounds", type=int, default=500, help="cuts on each file system")
        parsing.add_argument("--on", nargs="+", default=["ext4", "xfs"], choices=["ext4", "xfs"], help="file systems")
        parsing.add_argument("--seed", type=int, default=1)
    of_backups.add_argument("--engine", default="sound", choices=["sound", "careless"])
    of_backups.set_defaults(run=_powercut_backup)
    powercut.add_argument("--engine", default="sound", choices=["sound", "careless", "index-first"])
    powercut.set_defaults(run=_powercut)
    flipping = commands.add_parser("flips", help="every bit of the smallest file of each kind")
    flipping.add_argument("--every", type=int, default=1, help="one of so many bits")
    flipping.add_argument("--first", type=int, default=0, help="the bit to begin with")
    flipping.set_defaults(run=_flips)
    injecting = commands.add_parser("inject", help="failing system calls; needs strace")
    injecting.add_argument("--every", type=int, default=1, help="one of so many injections")
    injecting.set_defaults(run=_inject)
    args = parser.parse_args()
    began = time.monotonic()
    try:
        print(args.run(args))
    except Broken as broken:
        print(f"BROKEN: {broken}", file=sys.stderr)
        return 1
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
