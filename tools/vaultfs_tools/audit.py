"""``vaultfs-audit``: the audit log of a vault checked, proved to strangers, and asked about a subject."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vaultfs_tools import cli
from vaultfs_tools.auditing import (
    accounts,
    offline,
    pruning,
    reconciling,
    reporting,
    sending,
    stamping,
    verifying,
    witnessed,
)
from vaultfs_tools.auditing.showing import shown
from vaultfs_tools.opening import add_vault, opened
from vaultfs_tools.reports import time_text

if TYPE_CHECKING:
    from vaultfs.audit.accounting import Accounting, Entry

PROG = "vaultfs-audit"
EPILOG = """\
Exit codes: 0 done, and the log is good; 1 a receiver lacks events, an export the first entries, or the proof of an
accounting covers not all entries of its log; 4 the log is not good, a proof does not hold, or a receiver has what the
log has not; 8 nothing could be done; 16 wrong usage; 130 interrupted. `verify-proof` and `verify-export` need no vault,
and load nothing that writes one; `drain` needs no vault and no key.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    words = cli.words(argv)
    if words and words[0] in _COMMANDS:
        about, add_options, body = _COMMANDS[words[0]]
        parser = cli.Parser(f"{PROG} {words[0]}", about, epilog=EPILOG)
        add_options(parser)
        return cli.run(body, parser, words[1:])
    parser = cli.Parser(PROG, "Check and show the audit log of a vault.", epilog="Each tells its options with --help.")
    parser.add_argument("command", metavar="COMMAND", help=", ".join(_COMMANDS))
    parser.parse_args(words)
    return parser.error(f"COMMAND is one of {', '.join(_COMMANDS)}")


# Checking and reporting. -------------------------------------------------------------------------------------------


def _add_verify(parser: argparse.ArgumentParser) -> None:
    add_vault(parser)
    verifying.add_options(parser)


def _run_verify(args: argparse.Namespace) -> int:
    return verifying.run(args, opened)


def _add_report(parser: argparse.ArgumentParser) -> None:
    add_vault(parser)
    reporting.add_options(parser)


def _run_report(args: argparse.Namespace) -> int:
    return reporting.run(args, opened)


# Proofs for strangers. ---------------------------------------------------------------------------------------------


def _run_keys(args: argparse.Namespace) -> int:
    from vaultfs.audit.view import LogView

    with opened(args) as vault:
        keys = [key.encode() for key in LogView(vault).keys]
    cli.emit(args, {"keys": keys}, keys)
    return cli.Exit.DONE


def _add_prove(parser: argparse.ArgumentParser) -> None:
    add_vault(parser)
    parser.add_argument("index", metavar="INDEX", type=int, help="index of the entry in the log")
    parser.add_argument("out", metavar="FILE", type=Path, help="a new file, by custom FILE.tlog-proof")
    parser.add_argument(
        "--checkpoint", metavar="FILE", type=Path, help="prove it by this checkpoint, which witnesses have cosigned"
    )


def _run_prove(args: argparse.Namespace) -> int:
    from vaultfs.audit.view import prove
    from vaultfs_tools.custody.shares import create

    under = offline.note_in(args.checkpoint) if args.checkpoint else None
    with opened(args) as vault:
        proof = prove(vault, args.index, under)
    create(args.out, proof.encode())
    event = None if proof.event is None else shown(proof.event)
    cli.emit(args, {"index": args.index, "event": event}, [f"{args.out}: entry {args.index:,}, proved with its event"])
    return cli.Exit.DONE


def _add_export(parser: argparse.ArgumentParser) -> None:
    add_vault(parser)
    parser.add_argument("out", metavar="DIR", type=Path, help="directory of the tiles; what is there stays")


def _run_export(args: argparse.Namespace) -> int:
    from vaultfs.audit.view import export

    with opened(args) as vault:
        size, files = export(vault, args.out)
    cli.emit(args, {"entries": size, "files": files}, [f"{size:,} entries; {files:,} files written"])
    return cli.Exit.DONE


# Retention. --------------------------------------------------------------------------------------------------------


def _add_prune(parser: argparse.ArgumentParser) -> None:
    add_vault(parser)
    pruning.add_options(parser)


# Accounting. -------------------------------------------------------------------------------------------------------


def _add_accounting(parser: argparse.ArgumentParser) -> None:
    add_vault(parser)
    parser.add_argument("subject", metavar="SUBJECT", help="surrogate of the subject, 32 hexadecimal digits")
    parser.add_argument("--proof", metavar="FILE", type=Path, help="a new file: the proof that no event is missing")
    group = parser.add_argument_group("disclosures (45 CFR 164.528), of which the proof then shows no other events")
    group.add_argument("--disclosures", action="store_true", help="only what the subject is to be told")
    group.add_argument("--since", metavar="DATE", type=_date, help="first day; default: six years before the last")
    group.add_argument("--until", metavar="DATE", type=_date, help="last day; default: today, in UTC")
    group.add_argument("--summarise", action="store_true", help="as one those to one address for one purpose")
    group.add_argument("--excepted", action="store_true", help="those, too, that need not be accounted for")
    group.add_argument("--format", choices=tuple(accounts.FORMATS), help="print what is given to the subject, so")
    parser.set_defaults(refuse=parser.error)


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a date is YYYY-MM-DD") from None


def _run_accounting(args: argparse.Namespace) -> int:
    import vaultfs
    from vaultfs.audit.accounting import account
    from vaultfs_tools.custody.recipients import id_of
    from vaultfs_tools.custody.shares import create

    if not args.disclosures and any((args.since, args.until, args.summarise, args.excepted, args.format)):
        args.refuse("--since, --until, --summarise, --excepted and --format go with --disclosures")
    subject = vaultfs.SubjectId(id_of(args.subject))
    with opened(args) as vault:
        found = account(vault, subject)
    if args.disclosures:
        return _run_disclosures(args, found)
    if args.proof:
        create(args.proof, found.proof.encode())
    listed = [{"index": one.index, "event": shown(one.event), "session": _session(one)} for one in found.entries]
    facts = {"events": len(found.entries), "first": found.first, "since": found.since, "entries": listed}
    lines = [f"{len(found.entries):,} events about the subject", *_complete(found)]
    cli.emit(args, facts, [*lines, *map(_line, found.entries)])
    return cli.Exit.DONE


def _run_disclosures(args: argparse.Namespace, found: Accounting) -> int:
    from vaultfs.audit.disclosures import disclosures
    from vaultfs_tools.custody.shares import create

    told = disclosures(found, args.since, args.until, excepted=args.excepted)
    if args.proof:
        create(args.proof, told.proof.encode())
    rows = accounts.rows_of(told, summarise=args.summarise)
    complete = _complete(found)
    keeper = f"for the keeper alone: {told.suspended:,} disclosures are left out, accounting for which is suspended"
    if args.format:
        print(accounts.FORMATS[args.format](told, rows), end="")
        for line in [*complete, *([keeper] if told.suspended else [])]:
            print(line, file=sys.stderr)
        return cli.Exit.DONE
    facts = {**accounts.about(told), "disclosures": rows, "suspended": told.suspended, "events": len(found.entries)}
    head = f"{len(rows):,} rows, from {told.since} to {told.until}"
    cli.emit(args, facts, [head, *complete, *map(accounts.line, rows), *([keeper] if told.suspended else [])])
    return cli.Exit.DONE


def _complete(found: Accounting) -> list[str]:
    """Return from when on it is complete, for people: nothing where that is the beginning."""
    since = pruning.since_text(found.since)
    return [f"complete from entry {found.first:,} on, with all events since {since}"] if found.first else []


def _session(entry: Entry) -> dict[str, object] | None:
    return None if entry.session is None else shown(entry.session)


def _line(entry: Entry) -> str:
    who = "the vault" if entry.session is None else f"{entry.session.principal} for {entry.session.purpose}"
    return f"{entry.index} {time_text(entry.event.at)} {shown(entry.event)['type']} by {who}"


# Receivers. --------------------------------------------------------------------------------------------------------


def _add_send(parser: argparse.ArgumentParser) -> None:
    add_vault(parser)
    sending.add_options(parser)


def _add_reconcile(parser: argparse.ArgumentParser) -> None:
    add_vault(parser)
    reconciling.add_options(parser)


_Command = tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]
_COMMANDS: dict[str, _Command] = {
    "verify": ("Check the whole log: events, tree, signers, heads of subjects.", _add_verify, _run_verify),
    "report": ("Report who acted, on whom and why, and what became of keys and copies.", _add_report, _run_report),
    "keys": ("Print the keys that verify checkpoints and proofs of the log.", add_vault, _run_keys),
    "prove": ("Write the proof of an entry, with its event.", _add_prove, _run_prove),
    "verify-proof": ("Check a proof without a vault.", offline.add_options, offline.run),
    "verify-export": ("Check an exported log without a vault.", offline.add_export_options, offline.run_export),
    "request": ("Write what witnesses are asked, to be carried to them.", witnessed.add_request, witnessed.run_request),
    "join": ("Put carried answers to the checkpoint.", witnessed.add_join, witnessed.run_join),
    "cosign": ("Let witnesses cosign the log, and keep what they cosign.", witnessed.add_cosign, witnessed.run_cosign),
    "timestamp": ("Write a request for a time stamp.", stamping.add_request, stamping.run_request),
    "verify-timestamp": ("Check a time stamp without a vault.", stamping.add_verify, stamping.run_verify),
    "prune": (
        "Remove the oldest part of the log, once it was kept for long enough; without --remove, show what that is.",
        _add_prune,
        partial(pruning.run, opened),
    ),
    "export": ("Write the log as tiles for programs of others.", _add_export, _run_export),
    "accounting": (
        "List the events about a subject, and prove that none is missing.",
        _add_accounting,
        _run_accounting,
    ),
    "send": (
        "Send the events since the last time, and a checkpoint, to a receiver.",
        _add_send,
        lambda args: sending.run(args, opened),
    ),
    "drain": (
        "Send what `send --to-directory` has written, without a key.",
        sending.add_drain_options,
        sending.run_drain,
    ),
    "reconcile": (
        "Compare what a receiver has kept with the log.",
        _add_reconcile,
        lambda args: reconciling.run(args, opened),
    ),
}
