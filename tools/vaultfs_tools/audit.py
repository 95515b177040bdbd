"""``vaultfs-audit``: the audit log of a vault checked, proved to strangers, and asked about a subject."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vaultfs_tools import cli, unlocking
from vaultfs_tools.auditing import offline, pruning
from vaultfs_tools.auditing.showing import shown
from vaultfs_tools.reports import time_text

if TYPE_CHECKING:
    import vaultfs
    from vaultfs.audit.accounting import Accounting, Entry

PROG = "vaultfs-audit"
EPILOG = """\
Exit codes: 0 done, and the log is good; 4 it is not, or a proof does not hold; 8 nothing could be done; 16 wrong usage;
130 interrupted. `verify-proof` needs no vault, and loads nothing that writes one.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in _COMMANDS:
        about, add_options, body = _COMMANDS[words[0]]
        parser = cli.Parser(f"{PROG} {words[0]}", about, epilog=EPILOG)
        add_options(parser)
        return cli.run(body, parser, words[1:])
    parser = cli.Parser(PROG, "Check and show the audit log of a vault.", epilog="Each tells its options with --help.")
    parser.add_argument("command", metavar="COMMAND", help=", ".join(_COMMANDS))
    parser.parse_args(words)
    return parser.error(f"COMMAND is one of {', '.join(_COMMANDS)}")


def _add_vault(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("vault", type=Path, metavar="VAULT", help="the vault's directory")
    parser.add_argument("--epoch-store", type=Path, metavar="DIR", action="append", help="default: VAULT.epoch")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="wait for another writer")
    unlocking.add_options(parser)


def _opened(args: argparse.Namespace) -> vaultfs.Vault:
    import vaultfs

    stores = [vaultfs.DirectoryStore(one) for one in args.epoch_store or ()]
    return vaultfs.open(args.vault, unlock=unlocking.unlocker(args), epoch_stores=stores, wait=args.wait)


# Checking. ---------------------------------------------------------------------------------------------------------


def _add_verify(parser: argparse.ArgumentParser) -> None:
    _add_vault(parser)
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a checkpoint that was exported: the log must have grown from it; repeat it for several",
    )


def _run_verify(args: argparse.Namespace) -> int:
    from vaultfs.audit.verifying import verify
    from vaultfs.audit.view import LogView

    known = [offline.checkpoint_in(path) for path in args.checkpoint]
    with _opened(args) as vault:
        found = verify(vault)
        if known:
            view = LogView(vault)
            for one in known:
                view.check_grown_from(one)
    facts = {
        "leaves": found.leaves,
        "events": found.events,
        "subjects": found.subjects,
        "signers": found.signers,
        "first": found.first,
        "checkpoints": len(known),
    }
    text = f"{found.events:,} events in {found.leaves:,} leaves, {found.subjects:,} subjects, {found.signers:,} signers"
    text += f", pruned before leaf {found.first:,}" if found.first else ""
    cli.emit(args, facts, [f"good: {text}", *([f"grown from {len(known):,} checkpoints"] if known else [])])
    return cli.Exit.DONE


# Proofs for strangers. ---------------------------------------------------------------------------------------------


def _run_keys(args: argparse.Namespace) -> int:
    from vaultfs.audit.view import LogView

    with _opened(args) as vault:
        keys = [key.encode() for key in LogView(vault).keys]
    cli.emit(args, {"keys": keys}, keys)
    return cli.Exit.DONE


def _add_prove(parser: argparse.ArgumentParser) -> None:
    _add_vault(parser)
    parser.add_argument("index", metavar="INDEX", type=int, help="index of the entry in the log")
    parser.add_argument("out", metavar="FILE", type=Path, help="a new file, by custom FILE.tlog-proof")


def _run_prove(args: argparse.Namespace) -> int:
    from vaultfs.audit.view import prove
    from vaultfs_tools.custody.shares import create

    with _opened(args) as vault:
        proof = prove(vault, args.index)
    create(args.out, proof.encode())
    event = None if proof.event is None else shown(proof.event)
    cli.emit(args, {"index": args.index, "event": event}, [f"{args.out}: entry {args.index:,}, proved with its event"])
    return cli.Exit.DONE


def _add_export(parser: argparse.ArgumentParser) -> None:
    _add_vault(parser)
    parser.add_argument("out", metavar="DIR", type=Path, help="directory of the tiles; what is there stays")


def _run_export(args: argparse.Namespace) -> int:
    from vaultfs.audit.view import export

    with _opened(args) as vault:
        size, files = export(vault, args.out)
    cli.emit(args, {"entries": size, "files": files}, [f"{size:,} entries; {files:,} files written"])
    return cli.Exit.DONE


# Retention. --------------------------------------------------------------------------------------------------------


def _add_prune(parser: argparse.ArgumentParser) -> None:
    _add_vault(parser)
    pruning.add_options(parser)


# Accounting. -------------------------------------------------------------------------------------------------------


def _add_accounting(parser: argparse.ArgumentParser) -> None:
    _add_vault(parser)
    parser.add_argument("subject", metavar="SUBJECT", help="surrogate of the subject, 32 hexadecimal digits")
    parser.add_argument("--disclosures", action="store_true", help="only what left the vault (45 CFR 164.528)")
    parser.add_argument("--proof", metavar="FILE", type=Path, help="a new file: the proof that no event is missing")


def _run_accounting(args: argparse.Namespace) -> int:
    import vaultfs
    from vaultfs.audit.accounting import account
    from vaultfs_tools.custody.recipients import id_of
    from vaultfs_tools.custody.shares import create

    subject = vaultfs.SubjectId(id_of(args.subject))
    with _opened(args) as vault:
        found = account(vault, subject)
    if args.proof:
        create(args.proof, found.proof.encode())
    entries = list(_chosen(found, disclosures=args.disclosures))
    listed = [{"index": one.index, "event": shown(one.event), "session": _session(one)} for one in entries]
    lines = [f"{len(found.entries):,} events about the subject, of which {len(entries):,} are shown"]
    if found.first:
        lines.append(f"complete from entry {found.first:,} on, with all events since {pruning.since_text(found.since)}")
    facts = {"events": len(found.entries), "first": found.first, "since": found.since, "entries": listed}
    cli.emit(args, facts, [*lines, *map(_line, entries)])
    return cli.Exit.DONE


def _chosen(found: Accounting, *, disclosures: bool) -> Iterator[Entry]:
    from vaultfs_format.events.records import SubjectExported

    return (one for one in found.entries if not disclosures or isinstance(one.event, SubjectExported))


def _session(entry: Entry) -> dict[str, object] | None:
    return None if entry.session is None else shown(entry.session)


def _line(entry: Entry) -> str:
    who = "the vault" if entry.session is None else f"{entry.session.principal} for {entry.session.purpose}"
    return f"{entry.index} {time_text(entry.event.at)} {shown(entry.event)['type']} by {who}"


_Command = tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]
_COMMANDS: dict[str, _Command] = {
    "verify": ("Check the whole log: events, tree, signers, heads of subjects.", _add_verify, _run_verify),
    "keys": ("Print the keys that verify checkpoints and proofs of the log.", _add_vault, _run_keys),
    "prove": ("Write the proof of an entry, with its event.", _add_prove, _run_prove),
    "verify-proof": ("Check a proof without a vault.", offline.add_options, offline.run),
    "prune": (
        "Remove the oldest part of the log, once it was kept for long enough; without --remove, show what that is.",
        _add_prune,
        partial(pruning.run, _opened),
    ),
    "export": ("Write the log as tiles for programs of others.", _add_export, _run_export),
    "accounting": (
        "List the events about a subject, and prove that none is missing.",
        _add_accounting,
        _run_accounting,
    ),
}
