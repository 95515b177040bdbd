"""vaultfs-rescue: take out of a damaged vault what can still be proved with its keys, and list what is missing.

For vaults that `vaultfs.open` refuses and vaultfs-fsck does not heal. Nothing of the engine is used, but to
open it by shares or a token, and nothing is written to what is read.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from vaultfs_tools import cli, unlocking
from vaultfs_tools.rescuing.rescuer import Report, Rescuer
from vaultfs_tools.rescuing.writing import Output

PROG = "vaultfs-rescue"
EPILOG = """\
Exit codes, added up: 0 everything that is known of was rescued; 1 there are versions with more than one content; 4
something is missing, and listed; 8 nothing could be done (no good file VAULT, nothing that opens it, no epoch secret);
16 wrong usage; 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.Parser(
        PROG,
        "Take records, control states and audit events out of a damaged vault, in plain text, with lists.",
        epilog=EPILOG,
    )
    parser.add_argument("vault", metavar="VAULT", type=Path, help="any directory with files of the vault, in any order")
    parser.add_argument("out", metavar="OUT", type=Path, help="a new or empty directory; made private to you")
    parser.add_argument("--epoch-store", metavar="DIR", type=Path, help="epoch store; default: beside the vault")
    parser.add_argument("--epoch-secret", metavar="FILE", type=Path, help="file with an epoch secret")
    unlocking.add_options(parser)
    return cli.run(_rescue, parser, argv)


def _rescue(args: Namespace) -> int:
    default = args.vault.absolute().with_name(args.vault.absolute().name + ".epoch")
    named = [place for place in (args.epoch_store, args.epoch_secret) if place is not None]
    secrets = named or ([default] if default.is_dir() else [])
    report = Rescuer(args.vault, secrets, Output(args.out)).run(unlocking.opener(args))
    cli.emit(args, asdict(report), _as_text(report))
    return (cli.Exit.ATTENTION if report.diverged else 0) | (cli.Exit.DAMAGED if report.missing else 0)


def _as_text(report: Report) -> Iterator[str]:
    yield f"vault {report.vault_id.hex()}: {report.records:,} versions of records, {cli.size_text(report.bytes)}"
    yield f"{report.states:,} versions of control states, {report.events:,} audit events"
    if not report.head:
        yield "no head is left: nothing tells whether there were more segments"
    if not report.record_ids:
        yield "no keyring is left: records are named by incarnation and number"
    if report.diverged:
        yield f"diverged: {report.diverged:,}; all contents are there, marked in manifest.jsonl and states.jsonl"
    for what, count in sorted(report.missing.items()):
        yield f"missing: {count:,} {what}"
    yield "missing.jsonl says what is missing" if report.missing else "nothing that is known of is missing"
