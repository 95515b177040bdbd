"""``vaultfs-export``: what was imported, back as files, with a manifest; a disclosure is recorded for every patient."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import vaultfs
from vaultfs.migrate.export import Exporter
from vaultfs_tools import cli, unlocking

PROG = "vaultfs-export"


def _parser() -> cli.Parser:
    parser = cli.Parser(PROG, "Write the stored source files back, byte for byte, in plain text, with manifest.jsonl.")
    parser.add_argument("vault", type=Path, metavar="VAULT", help="the vault's directory")
    parser.add_argument("directory", type=Path, metavar="DIR", help="a new or empty directory; made private to you")
    parser.add_argument(
        "--plaintext", action="store_true", required=True, help="say that patient data is to be written unencrypted"
    )
    parser.add_argument("--epoch-store", type=Path, metavar="DIR", help="epoch store; by default VAULT.epoch")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="wait for another writer")
    unlocking.add_options(parser)
    cli.add_who_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return cli.run(_run, _parser(), argv)


def _run(args: argparse.Namespace) -> int:
    unlock = unlocking.unlocker(args)
    stores = [vaultfs.DirectoryStore(args.epoch_store)] if args.epoch_store else []
    with (
        vaultfs.open(
            args.vault, unlock=unlock, epoch_stores=stores, policy=vaultfs.PermitAll(), wait=args.wait
        ) as vault,
        vault.session(vaultfs.Principal(args.who), args.purpose, strict=True) as session,
    ):
        del unlock  # and so it is wiped
        report = Exporter(session, args.directory).run()
    sources = f"{report.sources:,} source files ({report.partial:,} partial)"
    written = f"{report.records:,} records, {cli.size_text(report.bytes)}"
    text = [f"{sources}, {written}; disclosures recorded for {report.patients:,} patients"]
    cli.emit(args, asdict(report), text)
    return cli.Exit.DONE
