"""Having the log cosigned by witnesses on other hosts: over a share or HTTPS, or by files that somebody carries."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vaultfs_format.limits import KIB, MAX_NOTE
from vaultfs_format.tlog.refusals import signatures_in
from vaultfs_format.tlog.witness import AddCheckpoint

from vaultfs_tools import cli
from vaultfs_tools.auditing import offline
from vaultfs_tools.keyless.durable import write
from vaultfs_tools.opening import add_vault, opened

if TYPE_CHECKING:
    from vaultfs.audit.witnesses import Witness

_MAX_REQUEST = MAX_NOTE + 8 * KIB


def _add_policy(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--policy", metavar="FILE", type=Path, required=True, help=f"policy: {what}")


def add_request(parser: argparse.ArgumentParser) -> None:
    """Add the options of `request`."""
    add_vault(parser)
    parser.add_argument("out", metavar="FILE", type=Path, help="file for the request")
    parser.add_argument(
        "--old", metavar="SIZE", type=int, default=0, help="what the witness has cosigned last, as its answer says"
    )


def run_request(args: argparse.Namespace) -> int:
    """Write a request; that the log is shown is recorded."""
    from vaultfs.audit.view import shown

    with opened(args) as vault:
        view = shown(vault, entries=0, events=0)
        request = view.request(args.old)
    write(args.out, request.encode())
    cli.emit(args, {"size": view.size, "old": args.old}, [f"{args.out}: the log of {view.size:,} leaves"])
    return cli.Exit.DONE


def add_join(parser: argparse.ArgumentParser) -> None:
    """Add the options of `join`."""
    parser.add_argument("request", metavar="REQUEST", type=Path, help="the request that was answered")
    parser.add_argument("responses", metavar="RESPONSE", type=Path, nargs="+", help="answers to it")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="file for the cosigned checkpoint")
    _add_policy(parser, "the keys of the log, and which witnesses must have cosigned")


def run_join(args: argparse.Namespace) -> int:
    """Put the cosignatures of answers to the checkpoint of their request. What an answer refuses is an error."""
    from vaultfs.audit.anchoring import join

    request = AddCheckpoint.decode(offline.read(args.request, _MAX_REQUEST))
    answers = [signatures_in(offline.read(path, MAX_NOTE)) for path in args.responses]
    note = join(request.note, answers, offline.policy_in(args.policy))
    write(args.out, note.encode())
    facts = {"size": request.head.size, "signatures": len(note.signatures)}
    cli.emit(args, facts, [f"{args.out}: {request.head.size:,} leaves, {len(note.signatures)} signatures"])
    return cli.Exit.DONE


def add_cosign(parser: argparse.ArgumentParser) -> None:
    """Add the options of `cosign`."""
    add_vault(parser)
    parser.add_argument("--url", metavar="URL", action="append", default=[], help="submission prefix of a witness")
    parser.add_argument(
        "--share",
        metavar=("OUTBOX", "INBOX"),
        type=Path,
        nargs=2,
        action="append",
        default=[],
        help="directories that a witness looks into and answers into",
    )
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=60.0, help="for each witness; default: 60")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="directory for the cosigned checkpoint")
    parser.add_argument("--out", metavar="FILE", type=Path, help="file for the cosigned checkpoint")
    _add_policy(parser, "which witnesses must have cosigned")


def run_cosign(args: argparse.Namespace) -> int:
    """Let witnesses cosign the log. If some of them do not, and the quorum has, that is told."""
    from vaultfs.audit.anchoring import CheckpointDirectory, cosign

    policy, witnesses = offline.policy_in(args.policy), _witnesses(args)
    with opened(args) as vault:
        done = cosign(vault, witnesses, policy, [CheckpointDirectory(args.keep)] if args.keep else [])
    if args.out:
        write(args.out, done.note.encode())
    refused = [{"witness": number, **cli.described(error)} for number, error in done.refused.items()]
    lines = [f"cosigned: {done.view.size:,} leaves, by {len(witnesses) - len(refused)} of {len(witnesses)} witnesses"]
    lines += [f"witness {number + 1}: {error.message()}" for number, error in done.refused.items()]
    cli.emit(args, {"size": done.view.size, "witnesses": len(witnesses), "refused": refused}, lines)
    return cli.Exit.ATTENTION if refused else cli.Exit.DONE


def _witnesses(args: argparse.Namespace) -> list[Witness]:
    from vaultfs.audit.httpwitness import HttpWitness
    from vaultfs.audit.witnesses import FileWitness

    servers: list[Witness] = [HttpWitness(url, args.timeout) for url in args.url]
    return [*servers, *(FileWitness(outbox, inbox, args.timeout) for outbox, inbox in args.share)]
