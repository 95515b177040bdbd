"""``vaultfs-witness``: a witness of logs on another host, which cosigns what goes on from what it has seen."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from vaultfs_format.tlog.keys import VerifierKey
from vaultfs_format.tlog.refusals import LogInconsistent, LogUnknown, SizeConflict, WitnessRefused, signatures_in

from vaultfs_tools import cli
from vaultfs_tools.witnessing import share
from vaultfs_tools.witnessing.keeper import Keeper
from vaultfs_tools.witnessing.keys import policy_of

PROG = "vaultfs-witness"
EPILOG = """\
Exit codes: 0 done; 1 another size was cosigned last (409), which the response says: ask again from there; 4 the log
does not go on from what was cosigned last (422); 8 nothing was cosigned, for another reason (400, 403, 404); 16 wrong
usage; 130 interrupted. `answer` ends with 1 if anything was refused.
"""
_EXITS = {SizeConflict.status: cli.Exit.ATTENTION, LogInconsistent.status: cli.Exit.DAMAGED}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    words = cli.words(argv)
    if words and words[0] in _COMMANDS:
        about, add_options, body = _COMMANDS[words[0]]
        parser = cli.Parser(f"{PROG} {words[0]}", about, epilog=EPILOG)
        parser.add_argument("dir", metavar="DIR", type=Path, help="directory of the witness, on a host of its own")
        add_options(parser)
        return cli.run(body, parser, words[1:])
    parser = cli.Parser(PROG, "Witness logs: cosign what goes on.", epilog="Each tells its options with --help.")
    parser.add_argument("command", metavar="COMMAND", help=", ".join(_COMMANDS))
    parser.parse_args(words)
    return parser.error(f"COMMAND is one of {', '.join(_COMMANDS)}")


def _nothing(_: argparse.ArgumentParser) -> None:
    pass


# Its keys, and its logs. -------------------------------------------------------------------------------------------


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True, help="name of the witness, like witness.example.org/1")


def _run_init(args: argparse.Namespace) -> int:
    return _show_keys(args, Keeper.create(args.dir, args.name))


def _run_keys(args: argparse.Namespace) -> int:
    return _show_keys(args, Keeper(args.dir))


def _show_keys(args: argparse.Namespace, keeper: Keeper) -> int:
    policy = policy_of(keeper.keys).encode().decode()
    cli.emit(args, {"keys": [key.encode() for key in keeper.keys], "policy": policy}, policy.splitlines())
    return cli.Exit.DONE


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "keys", metavar="VKEY", nargs="+", help="all keys of a signer of the log, as `vaultfs-audit keys` prints them"
    )


def _run_add_log(args: argparse.Namespace) -> int:
    log = Keeper(args.dir).add_log([VerifierKey.decode(word) for word in args.keys])
    cli.emit(args, {"origin": log.origin, "signers": len(log.signers)}, [f"{log.origin}: {len(log.signers)} signers"])
    return cli.Exit.DONE


def _run_logs(args: argparse.Namespace) -> int:
    logs = [(log.origin, log.head.size, len(log.signers)) for log in Keeper(args.dir).logs()]
    names = ("origin", "size", "signers")
    lines = [f"{origin}: cosigned up to {size:,}, {signers} signers" for origin, size, signers in logs]
    cli.emit(args, {"logs": [dict(zip(names, log, strict=True)) for log in logs]}, lines)
    return cli.Exit.DONE


# Requests. ---------------------------------------------------------------------------------------------------------


def _add_cosign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("request", metavar="REQUEST", type=Path, help="file with a request")
    parser.add_argument("response", metavar="RESPONSE", type=Path, help="file for the answer, whatever it is")


def _run_cosign(args: argparse.Namespace) -> int:
    answered = share.answer(Keeper(args.dir), args.request, args.response)
    try:
        signatures = signatures_in(answered)
    except WitnessRefused as refusal:
        cli.show_error(f"{PROG} cosign", refusal, as_json=args.json)
        return _EXITS.get(refusal.status, cli.Exit.FAILED)
    cli.emit(args, {"status": 200, "signatures": len(signatures)}, [f"{args.response}: {len(signatures)} cosignatures"])
    return cli.Exit.DONE


def _add_answer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("outbox", metavar="OUTBOX", type=Path, help="directory that the host of the vault writes to")
    parser.add_argument(
        "inbox", metavar="INBOX", type=Path, help="directory that it may only read, of this outbox alone"
    )


def _run_answer(args: argparse.Namespace) -> int:
    refused, cosigned = 0, 0
    for answered in share.answer_all(Keeper(args.dir), args.outbox, args.inbox):
        try:
            signatures_in(answered)
        except WitnessRefused:
            refused += 1
        else:
            cosigned += 1
    cli.emit(args, {"cosigned": cosigned, "refused": refused}, [f"{cosigned:,} cosigned, {refused:,} refused"])
    return cli.Exit.ATTENTION if refused else cli.Exit.DONE


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("origin", metavar="ORIGIN", help="name of the log")
    parser.add_argument("out", metavar="FILE", type=Path, help="file for its last checkpoint, cosigned")


def _run_show(args: argparse.Namespace) -> int:
    note = Keeper(args.dir).checkpoint(args.origin)
    if note is None:
        raise LogUnknown
    share.publish(args.out, note.encode())
    cli.emit(args, {"signatures": len(note.signatures)}, [f"{args.out}: {len(note.signatures)} signatures"])
    return cli.Exit.DONE


_Command = tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]
_COMMANDS: dict[str, _Command] = {
    "init": ("Make a witness, with keys that never leave its directory.", _add_init, _run_init),
    "keys": ("Print the keys of the witness as a policy.", _nothing, _run_keys),
    "add-log": ("Take the keys of a log, or those of its new signer.", _add_keys, _run_add_log),
    "logs": ("List the logs and how far they were cosigned.", _nothing, _run_logs),
    "cosign": ("Answer a request.", _add_cosign, _run_cosign),
    "answer": ("Answer all requests in a directory.", _add_answer, _run_answer),
    "show": ("Write the last checkpoint of a log, cosigned.", _add_show, _run_show),
}
