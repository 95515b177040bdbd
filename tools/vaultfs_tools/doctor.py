"""``vaultfs-doctor``: whether this machine has what vaults need, and a vault lies where it should. Takes no key."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from vaultfs_format.suite import FIPS, SUITES

from vaultfs_tools import cli
from vaultfs_tools.diagnosing import answers, place, provider
from vaultfs_tools.diagnosing.facts import Fact, exit_code

PROG = "vaultfs-doctor"
EPILOG = """\
Exit codes: 0 all is well; 1 somebody should see to something; 8 something does not work that is needed, or, with
--fips, approved mode is off; 16 wrong usage; 130 interrupted.
"""
_WIDTH = 7


def _parser() -> cli.Parser:
    parser = cli.Parser(PROG, "Say whether this machine has what vaults need; without any key.", epilog=EPILOG)
    parser.add_argument("vault", type=Path, nargs="?", metavar="VAULT", help="a vault, to look at its place")
    parser.add_argument("--epoch-store", type=Path, metavar="DIR", help="its epoch store; by default VAULT.epoch")
    parser.add_argument(
        "--fips", action="store_true", help="fail unless approved mode is on, and suite fips works in it"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return cli.run(_run, _parser(), argv)


def _run(args: argparse.Namespace) -> int:
    if args.vault is not None and not args.vault.is_dir():
        from vaultfs.errors import VaultMissing

        raise VaultMissing
    found = list(_facts(args))
    code = exit_code(found)
    report = {
        "approved_mode": provider.approved_mode(),
        "facts": [{"name": one.name, "state": one.state.value, "said": one.said} for one in found],
        "exit": code,
    }
    cli.emit(args, report, (f"{one.state.value:<{_WIDTH}}  {one.name}: {one.said}" for one in found))
    return code


def _facts(args: argparse.Namespace) -> Iterator[Fact]:
    # The provider first: a FIPS module serves one OpenSSL of a process, and what is looked at later imports hashlib.
    yield from provider.facts(needed=args.fips)
    suites = {number: answers.asked(suite) for number, suite in SUITES.items()}
    for number, found in suites.items():
        yield found.fact(needed=args.fips and number == FIPS.id)
    from vaultfs_tools.diagnosing import machine

    yield from machine.facts()
    if args.vault is not None:
        from vaultfs.engine.opening.unlocking import default_store

        vault = args.vault.absolute()
        yield from place.facts(vault, args.epoch_store or default_store(vault), suites)
