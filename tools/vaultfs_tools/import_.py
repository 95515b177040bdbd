"""``vaultfs-import``: sources of a legacy system into a vault.

Exit codes: 0 all was understood; 2 some was quarantined; 3 some source files could not be read, the others are in;
8 and above as for every command.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path

import vaultfs
from vaultfs.engine.opening.unlocking import default_store
from vaultfs.errors import ArgumentInvalid, SourceUnreadable, VaultExists
from vaultfs.keys.recipients import Recipient, Unlocker
from vaultfs.migrate.importer import Importer, ImportOptions
from vaultfs.migrate.redrive import redrive
from vaultfs.migrate.report import Report
from vaultfs_tools import cli, opening, unlocking

PROG = "vaultfs-import"
QUARANTINED = 2
INCOMPLETE = 3


def _parser() -> cli.Parser:
    parser = cli.Parser(
        PROG, "Import clinical data (FHIR R4 JSON and NDJSON, HL7v2, DICOM, C-CDA) into a vault, byte for byte."
    )
    opening.add_vault(parser)
    parser.add_argument("sources", type=Path, metavar="SOURCE", nargs="*", help="a file, or a folder and all below it")
    parser.add_argument(
        "--create", action="store_true", help="create the vault if it does not exist, for the passphrase or key"
    )
    parser.add_argument("--suite", choices=("default", "fips"), default="default", help="of the vault that is created")
    parser.add_argument("--namespace", metavar="URI", help="system of identifiers that state no authority")
    parser.add_argument("--authorities", type=Path, metavar="FILE", help="TOML or JSON table: authority = system")
    parser.add_argument("--no-verify", action="store_true", help="do not read the sources back")
    parser.add_argument("--redrive", action="store_true", help="try again what is in quarantine")
    cli.add_who_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return cli.run(_run, _parser(), argv)


def _run(args: argparse.Namespace) -> int:
    if (args.redrive and args.sources) or not (args.redrive or args.sources or args.create):
        raise ArgumentInvalid(sources=len(args.sources))
    unlock = unlocking.unlocker(args)
    authorities = _authorities(args.authorities)
    missing = [source for source in args.sources if not source.exists()]
    if missing:
        raise SourceUnreadable(sources=len(missing))
    vault, stores = _vault(args, unlock)
    del unlock  # and so it is wiped
    with vault, vault.session(vaultfs.Principal(args.who), args.purpose) as session:
        with cli.Progress() as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.advance(done - bar.done)

            options = ImportOptions(
                namespace=args.namespace, authorities=authorities, verify=not args.no_verify, progress=progress
            )
            if args.redrive:
                report = redrive(vault, session, options)
            else:
                report = Importer(vault, session, options).run(args.sources)
        shown = {"vault": vault.id, "created": bool(stores), "epoch_stores": stores}
        cli.emit(args, {**shown, **report.as_json()}, report.as_text().splitlines())
    return _code(report)


def _code(report: Report) -> int:
    if report.differing:
        return cli.Exit.DAMAGED
    if report.failed:
        return INCOMPLETE
    return QUARANTINED if report.outcome("quarantined") else cli.Exit.DONE


def _vault(args: argparse.Namespace, unlock: Unlocker) -> tuple[vaultfs.Vault, list[str]]:
    """Return the vault, and where its epoch secret is if it was made just now.

    Raises
    ------
    ArgumentInvalid
        A vault cannot be made for what opens it: shares are drawn for a vault that is there.
    """
    if args.create and not args.vault.exists():
        if not isinstance(unlock, Recipient):
            raise ArgumentInvalid
        try:
            vault = vaultfs.create(
                args.vault,
                recipients=[unlock],
                epoch_stores=opening.stores(args),
                policy=vaultfs.PermitAll(),
                suite=args.suite,
            )
        except VaultExists:
            pass
        else:
            stores = _stores(args)
            _announce(args, stores)
            return vault, stores
    return opening.opened(args, unlock, vaultfs.PermitAll()), []


def _stores(args: argparse.Namespace) -> list[str]:
    """Return the names of the epoch stores of a vault that is made."""
    named = [*map(str, args.epoch_store or ()), *(f"the token {label}" for _, label, _ in args.epoch_token)]
    return named or [str(default_store(args.vault))]


def _announce(args: argparse.Namespace, stores: list[str]) -> None:
    if args.json:
        return
    print(f"Created {args.vault}. Its epoch secret is in {', '.join(stores)}: keep that on another medium.")
    print(
        "Whoever has the vault, the epoch secret and the passphrase can read everything; without any one of them nobody"
    )
    print("can. A backup must not hold vault and epoch secret together, and renaming the vault does not move the epoch")
    print("secret.")
    print()


def _authorities(path: Path | None) -> dict[str, str]:
    """Read the table of authorities; its names and systems are strings."""
    if path is None:
        return {}
    try:
        text = path.read_text()
        table = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except ValueError:
        raise ArgumentInvalid from None
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise ArgumentInvalid
    return table
