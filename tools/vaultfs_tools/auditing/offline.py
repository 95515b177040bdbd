"""Checking a proof file, or an exported log, without a vault: with the public keys of its log, and the format alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from vaultfs_format.errors import Structure
from vaultfs_format.eventproof import EventProof
from vaultfs_format.limits import KIB, MAX_NOTE
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import VerifierKey
from vaultfs_format.tlog.lines import bounded
from vaultfs_format.tlog.note import Note

from vaultfs_tools import cli
from vaultfs_tools.auditing.rebuilding import alone
from vaultfs_tools.auditing.showing import as_line, of_export, shown
from vaultfs_tools.keyless.files import VaultFiles
from vaultfs_tools.reports import time_text

_MAX_PROOF = 2 * MAX_NOTE
_MAX_KEYS = 64 * KIB


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `verify-proof`."""
    parser.add_argument("proof", metavar="PROOF", type=Path, help="proof file, as `prove` writes it")
    _add_keys(parser)


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `verify-export`."""
    parser.add_argument("directory", metavar="DIR", type=Path, help="directory of the tiles, as `export` writes it")
    _add_keys(parser)


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keys",
        metavar="FILE",
        type=Path,
        required=True,
        help="verifier keys of the log, one a line, as `keys` prints them: noted when it was known whose they are",
    )


def run(args: argparse.Namespace) -> int:
    """Check a proof; print what it proves."""
    proof = EventProof.decode(_read(args.proof, _MAX_PROOF))
    head = proof.verify(keys_in(args.keys))
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


def run_export(args: argparse.Namespace) -> int:
    """Check an exported log; print what was found."""
    done = alone(VaultFiles(args.directory), keys_in(args.keys))
    wrong = [of_export(one) for one in done.found]
    size = None if done.head is None else done.head.size
    facts = {"size": size, "files": done.files, "beyond": done.beyond, "foreign": done.foreign, "findings": wrong}
    text = f"{size or 0:,} entries in {done.files:,} files, {done.beyond:,} files beyond, {done.foreign:,} foreign"
    cli.emit(args, facts, [f"{'wrong' if wrong else 'good'}: {text}", *map(as_line, wrong)])
    return cli.Exit.DAMAGED if wrong else cli.Exit.DONE


def keys_in(path: Path) -> list[VerifierKey]:
    """Return the verifier keys in a file.

    Raises
    ------
    FieldInvalid, LimitExceeded
    """
    text = _read(path, _MAX_KEYS).decode("utf-8", "replace")
    return [VerifierKey.decode(line) for line in text.splitlines() if line.strip()]


def checkpoint_in(path: Path) -> Checkpoint:
    """Return the checkpoint in a file; its signatures are not looked at: it is compared with the log itself.

    Raises
    ------
    FieldInvalid, LimitExceeded
    """
    return Checkpoint.decode(Note.decode(_read(path, MAX_NOTE)).text)


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(most + 1)
    bounded(data, most, Structure.LOG_PROOF)
    return data
