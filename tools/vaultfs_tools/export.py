"""``vaultfs-export``: what was imported, back as files, with a manifest; a disclosure is recorded for every patient."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import msgspec
from vaultfs_format.disclosure import Text
from vaultfs_format.errors import VaultError
from vaultfs_format.limits import MAX_DISCLOSURE

import vaultfs
from vaultfs.migrate.export import Exporter
from vaultfs_tools import cli, opening

PROG = "vaultfs-export"
EPILOG = f"""\
FILE of --disclosure is a JSON object with recipient, description, purpose, basis, and address where it is known. The
basis is one of: {", ".join(one.name.lower() for one in vaultfs.Basis)}.
"""


class DisclosureFileInvalid(VaultError):
    """The file that states a disclosure is no JSON object of what must be stated, and of nothing else."""

    code = 2652
    advice = "Write recipient, description, purpose and basis, each a text; see the end of vaultfs-export --help."


class _Stated(msgspec.Struct, forbid_unknown_fields=True):
    recipient: Text
    description: Text
    purpose: Text
    basis: str
    address: Text | None = None

    def __repr__(self) -> str:
        return "<_Stated>"


def _parser() -> cli.Parser:
    about = "Write the stored source files back, byte for byte, in plain text, with manifest.jsonl."
    parser = cli.Parser(PROG, about, epilog=EPILOG)
    opening.add_vault(parser)
    parser.add_argument("directory", type=Path, metavar="DIR", help="a new or empty directory; made private to you")
    parser.add_argument(
        "--plaintext", action="store_true", required=True, help="say that patient data is to be written unencrypted"
    )
    parser.add_argument(
        "--disclosure",
        type=Path,
        metavar="FILE",
        help="to whom this goes, and for what: for accountings",
    )
    cli.add_who_options(parser)
    return parser


def disclosure_in(path: Path) -> vaultfs.Disclosure:
    """Return what a file states of a disclosure.

    Raises
    ------
    DisclosureFileInvalid
    """
    with path.open("rb") as file:
        data = file.read(MAX_DISCLOSURE + 1)
    stated = None
    if len(data) <= MAX_DISCLOSURE:
        try:
            stated = msgspec.json.decode(data, type=_Stated)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            stated = None
    basis = None if stated is None else vaultfs.Basis.__members__.get(stated.basis.upper())
    if stated is None or basis is None:  # here, where no error that holds data is its context
        raise DisclosureFileInvalid(length=len(data))
    return vaultfs.Disclosure(
        recipient=stated.recipient,
        description=stated.description,
        purpose=stated.purpose,
        basis=basis,
        address=stated.address,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return cli.run(_run, _parser(), argv)


def _run(args: argparse.Namespace) -> int:
    disclosure = disclosure_in(args.disclosure) if args.disclosure else None
    with (
        opening.opened(args, policy=vaultfs.PermitAll()) as vault,
        vault.session(vaultfs.Principal(args.who), args.purpose, strict=True) as session,
    ):
        report = Exporter(session, args.directory, disclosure).run()
    sources = f"{report.sources:,} source files ({report.partial:,} partial)"
    written = f"{report.records:,} records, {cli.size_text(report.bytes)}"
    text = [f"{sources}, {written}; disclosures recorded for {report.patients:,} patients"]
    cli.emit(args, asdict(report), text)
    return cli.Exit.DONE
