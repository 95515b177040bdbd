"""Checking a proof file, or an exported log, without a vault: with the public keys of its log, and the format alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import cast

from vaultfs_format.disclosure import Statement
from vaultfs_format.errors import NotSigned, Structure
from vaultfs_format.eventproof import EventProof
from vaultfs_format.events.disclosures import SubjectDisclosed
from vaultfs_format.limits import KIB, MAX_NOTE, MAX_POLICY, MAX_SUBJECT_PROOF
from vaultfs_format.subjectproof import SubjectProof
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import VerifierKey
from vaultfs_format.tlog.lines import bounded
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.policy import Policy

from vaultfs_tools import cli
from vaultfs_tools.auditing.rebuilding import alone
from vaultfs_tools.auditing.showing import as_line, of_export, shown
from vaultfs_tools.keyless.files import VaultFiles
from vaultfs_tools.reports import time_text

_MAX_PROOF = 2 * MAX_NOTE
_MAX_KEYS = 64 * KIB


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `verify-proof`."""
    parser.add_argument("proof", metavar="PROOF", type=Path, help="as `prove` writes it, or `accounting --proof`")
    _add_keys(parser)
    parser.add_argument(
        "--policy",
        metavar="FILE",
        type=Path,
        help="policy (c2sp.org/tlog-policy): which logs are believed, and which witnesses must have cosigned",
    )


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `verify-export`."""
    parser.add_argument("directory", metavar="DIR", type=Path, help="directory of the tiles, as `export` writes it")
    _add_keys(parser, required=True)
    parser.add_argument(
        "--first",
        metavar="INDEX",
        type=int,
        help="first entry of a log that was pruned, as `verify` says it: all from there on must be there",
    )


def _add_keys(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    parser.add_argument(
        "--keys",
        metavar="FILE",
        type=Path,
        required=required,
        help="verifier keys of the log, one a line, as `keys` prints them: noted when it was known whose they are",
    )


def run(args: argparse.Namespace) -> int:
    """Check a proof by the keys of its log, by a policy, or both; print what it proves."""
    if args.keys is None and args.policy is None:
        raise NotSigned  # nothing is believed without saying whom
    with args.proof.open("rb") as file:
        of_subject = file.read(1) == b"{"
    if of_subject:
        return _run_subject(args)
    proof = EventProof.decode(read(args.proof, _MAX_PROOF))
    head = _verified(proof, args)
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


def _verified(proof: EventProof | SubjectProof, args: argparse.Namespace) -> Checkpoint:
    """Return the checkpoint of a proof that holds by the keys, by the policy, or by both, as they were given."""
    if args.keys is None:
        return proof.verify_policy(policy_in(args.policy))
    head = proof.verify(keys_in(args.keys))
    return head if args.policy is None else proof.verify_policy(policy_in(args.policy))


def _run_subject(args: argparse.Namespace) -> int:
    """Check the proof of an accounting; print what it proves, and what is stated of disclosures."""
    proof = SubjectProof.decode(read(args.proof, MAX_SUBJECT_PROOF, Structure.SUBJECT_PROOF))
    head = _verified(proof, args)
    events = [shown(event) for event in proof.about()]
    stated = [_stated(event, statement) for event, statement in proof.disclosed()]
    uncovered = max(0, head.size - 2 - proof.stated.index)  # the last entry is about nobody: the live set
    facts = {
        "origin": head.origin,
        "size": head.size,
        "index": proof.stated.index,
        "kind": "subject",
        "subject": proof.subject.hex(),
        "first": proof.first,
        "total": proof.total,
        "closed": proof.total - len(events),
        "uncovered": uncovered,
        "events": events,
        "disclosures": stated,
    }
    after = f"from its entry {proof.first:,} on, the first that was kept, and " if proof.first else ""
    lines = [
        f"proved: {facts['total']:,} events about {facts['subject']} in the log {head.origin}",
        f"{after}before its entry {proof.stated.index:,} of the {head.size:,} of the log, and no others",
        *([f"not covered: {uncovered:,} later entries of the log; ask for a newer proof"] if uncovered else []),
        f"{len(events):,} are shown, {facts['closed']:,} are closed",
        *(f"{event['type']} at {time_text(cast('int', event['at']))}" for event in events),
        *(f"disclosed on {one['date']} to {one['recipient']} for {one['purpose']}" for one in stated),
    ]
    cli.emit(args, facts, lines)
    return cli.Exit.ATTENTION if uncovered else cli.Exit.DONE


def _stated(event: SubjectDisclosed, statement: Statement | None) -> dict[str, object]:
    day = time_text(event.at).partition("T")[0]
    facts: dict[str, object] = {"record": event.record.hex(), "basis": event.basis.name.lower(), "date": day}
    names = ("recipient", "address", "description", "purpose")
    facts |= {name: None if statement is None else getattr(statement, name) for name in names}
    if statement is not None and statement.date is not None:
        facts["date"] = statement.date.isoformat()
    return facts


def run_export(args: argparse.Namespace) -> int:
    """Check an exported log; print what was found."""
    done = alone(VaultFiles(args.directory), keys_in(args.keys), args.first)
    wrong = [of_export(one) for one in done.found]
    size = None if done.head is None else done.head.size
    counts = {"files": done.files, "beyond": done.beyond, "foreign": done.foreign}
    facts = {"size": size, "first": done.first, **counts, "findings": wrong}
    text = f"{size or 0:,} entries in {done.files:,} files, {done.beyond:,} files beyond, {done.foreign:,} foreign"
    lines = [f"{'wrong' if wrong else 'good'}: {text}"]
    if done.first:
        lines.append(f"it begins at entry {done.first:,}: those before were pruned, or taken away")
    cli.emit(args, facts, [*lines, *map(as_line, wrong)])
    if wrong:
        return cli.Exit.DAMAGED
    return cli.Exit.ATTENTION if done.first and args.first is None else cli.Exit.DONE


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


def read(path: Path, most: int, structure: Structure = Structure.LOG_PROOF) -> bytes:
    """Return what is in a file that may be so large.

    Raises
    ------
    LimitExceeded
    """
    with path.open("rb") as file:
        data = file.read(most + 1)
    bounded(data, most, structure)
    return data
