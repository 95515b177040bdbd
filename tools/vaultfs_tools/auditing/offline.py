"""Checking a proof file without a vault: with the public keys of its log, and the format alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from vaultfs_format.errors import NotSigned, Structure
from vaultfs_format.eventproof import EventProof
from vaultfs_format.limits import KIB, MAX_NOTE, MAX_POLICY
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import VerifierKey
from vaultfs_format.tlog.lines import bounded
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.policy import Policy

from vaultfs_tools import cli
from vaultfs_tools.auditing.showing import shown
from vaultfs_tools.reports import time_text

_MAX_PROOF = 2 * MAX_NOTE
_MAX_KEYS = 64 * KIB


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `verify-proof`."""
    parser.add_argument("proof", metavar="PROOF", type=Path, help="proof file, as `prove` writes it")
    parser.add_argument(
        "--keys",
        metavar="FILE",
        type=Path,
        help="verifier keys of the log, one a line, as `keys` prints them: noted when it was known whose they are",
    )
    parser.add_argument(
        "--policy",
        metavar="FILE",
        type=Path,
        help="policy (c2sp.org/tlog-policy): which logs are believed, and which witnesses must have cosigned",
    )


def run(args: argparse.Namespace) -> int:
    """Check a proof by the keys of its log, by a policy, or both; print what it proves."""
    proof = EventProof.decode(read(args.proof, _MAX_PROOF))
    if args.keys is None and args.policy is None:
        raise NotSigned  # nothing is believed without saying whom
    head = proof.verify_policy(policy_in(args.policy)) if args.policy else proof.verify(keys_in(args.keys))
    if args.policy and args.keys:
        proof.verify(keys_in(args.keys))
    event = None if proof.event is None else shown(proof.event)
    facts = {
        "origin": head.origin,
        "size": head.size,
        "index": proof.proof.index,
        "kind": proof.entry.kind.name.lower(),
    }
    lines = [f"proved: entry {proof.proof.index:,} of the {head.size:,} of {head.origin}"]
    if event is not None and proof.event is not None:
        lines.append(f"{event['type']} at {time_text(proof.event.at)}")
        lines += (f"  {name} {value}" for name, value in event.items() if name not in {"type", "at"})
    cli.emit(args, {**facts, "event": event}, lines)
    return cli.Exit.DONE


def keys_in(path: Path) -> list[VerifierKey]:
    """Return the verifier keys in a file.

    Raises
    ------
    FieldInvalid, LimitExceeded
    """
    text = read(path, _MAX_KEYS).decode("utf-8", "replace")
    return [VerifierKey.decode(line) for line in text.splitlines() if line.strip()]


def policy_in(path: Path) -> Policy:
    """Return the policy in a file.

    Raises
    ------
    FieldInvalid, LimitExceeded, UnsupportedFeature
    """
    return Policy.decode(read(path, MAX_POLICY))


def note_in(path: Path) -> Note:
    """Return the note in a file, of which nothing is believed before its signatures were checked.

    Raises
    ------
    FieldInvalid, LimitExceeded
    """
    return Note.decode(read(path, MAX_NOTE))


def checkpoint_in(path: Path) -> Checkpoint:
    """Return the checkpoint in a file; its signatures are not looked at: it is compared with the log itself.

    Raises
    ------
    FieldInvalid, LimitExceeded
    """
    return Checkpoint.decode(note_in(path).text)


def read(path: Path, most: int) -> bytes:
    """Return what is in a file that may be so large.

    Raises
    ------
    LimitExceeded
    """
    with path.open("rb") as file:
        data = file.read(most + 1)
    bounded(data, most, Structure.LOG_PROOF)
    return data
