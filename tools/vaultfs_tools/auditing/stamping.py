"""Time stamps (RFC 3161) over a file with a checkpoint: the request, and the check of what was answered."""

from __future__ import annotations

import argparse
from pathlib import Path

from vaultfs_format.limits import MAX_NOTE
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.note import Note

from vaultfs_tools import cli
from vaultfs_tools.auditing.offline import read
from vaultfs_tools.keyless.durable import write


def _add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, help="file with a checkpoint, as it is kept")


def add_request(parser: argparse.ArgumentParser) -> None:
    """Add the options of `timestamp`."""
    _add_checkpoint(parser)
    parser.add_argument(
        "--request", metavar="FILE", type=Path, required=True, help="file for the request, for example .tsq"
    )


def run_request(args: argparse.Namespace) -> int:
    """Write a request."""
    from vaultfs.audit.timestamp import make_request

    data, head = _checkpoint(args)
    write(args.request, make_request(data))
    cli.emit(args, {"size": head.size}, [f"{args.request}: a request over {head.size:,} leaves of {head.origin}"])
    return cli.Exit.DONE


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Add the options of `verify-timestamp`."""
    _add_checkpoint(parser)
    parser.add_argument("response", metavar="RESPONSE", type=Path, help="what the authority has answered")
    parser.add_argument("--ca", metavar="FILE", type=Path, required=True, help="certificates that are believed, in PEM")
    parser.add_argument("--request", metavar="FILE", type=Path, help="the request: then its nonce must be the same")


def run_verify(args: argparse.Namespace) -> int:
    """Check a time stamp; print what it says."""
    from vaultfs.audit import timestamp

    data, head = _checkpoint(args)
    response = read(args.response, timestamp.MAX_RESPONSE)
    authorities = read(args.ca, timestamp.MAX_AUTHORITIES)
    request = read(args.request, timestamp.MAX_REQUEST) if args.request else None
    found = timestamp.verify(data, response, authorities, request)
    time = found.time.isoformat()
    facts = {"origin": head.origin, "size": head.size, "time": time, "serial": found.serial}
    cli.emit(args, facts, [f"{time}: {head.size:,} leaves of {head.origin}"])
    return cli.Exit.DONE


def _checkpoint(args: argparse.Namespace) -> tuple[bytes, Checkpoint]:
    data = read(args.checkpoint, MAX_NOTE)
    return data, Checkpoint.decode(Note.decode(data).text)
