"""vaultfs-backup: copy a vault while it is written, without a key; restore it, and try out that this works.

Only the format's code is used; a drill with keys loads the engine, to open what it has restored.
"""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vaultfs_format.act import ActKind
from vaultfs_format.copymark import CopyKind

from vaultfs_tools import cli, reports, unlocking
from vaultfs_tools.copying.copier import Copied, Copier
from vaultfs_tools.copying.pace import Pace
from vaultfs_tools.copying.proof import REPORT, verified_report
from vaultfs_tools.copying.restoring import restore
from vaultfs_tools.copying.target import Target
from vaultfs_tools.copying.turn import Options, Source
from vaultfs_tools.keyless.acts import microseconds, note
from vaultfs_tools.keyless.files import VaultFiles

PROG = "vaultfs-backup"
EPILOG = """\
Exit codes, added up: 0 done; 1 done, and damage was healed on the way; 4 something is damaged or missing, and named; 8
nothing could be done; 16 wrong usage; 130 interrupted.
"""
OVERVIEW = """\
copy VAULT DEST; bundle VAULT OUT; restore COPY NEW; drill COPY SCRATCH; verify-report REPORT --vault VAULT. Each tells
its options with --help.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    words = cli.words(argv)
    if words and words[0] in _COMMANDS:
        return _COMMANDS[words[0]](words[1:])
    parser = cli.Parser(PROG, "Back a vault up, restore it, and try both out.", epilog=OVERVIEW)
    parser.add_argument("command", metavar="COMMAND", help=", ".join(_COMMANDS))
    parser.parse_args(words)
    return parser.error(f"COMMAND is one of {', '.join(_COMMANDS)}")


def _copy(argv: Sequence[str]) -> int:
    parser = cli.Parser(f"{PROG} copy", "Make a copy of a vault, or bring it up to date.", epilog=EPILOG)
    parser.add_argument("vault", metavar="VAULT", type=Path, help="the vault's directory; others may be writing to it")
    parser.add_argument("copy", metavar="DEST", type=Path, help="a new or empty directory, or a copy of this vault")
    parser.add_argument("--verify", action="store_true", help="look at every byte that the copy has already, too")
    _add_older_option(parser)
    cli.add_rate_option(parser)
    reports.add_signer_option(parser)
    return cli.run(lambda args: _run_copy(args, CopyKind.WHOLE), parser, argv)


def _bundle(argv: Sequence[str]) -> int:
    parser = cli.Parser(f"{PROG} bundle", "Copy what opens a vault: head, VAULT, keyring, key tables.", epilog=EPILOG)
    parser.add_argument("vault", metavar="VAULT", type=Path, help="the vault's directory; others may be writing to it")
    parser.add_argument("copy", metavar="OUT", type=Path, help="a new or empty directory, or a bundle of this vault")
    _add_older_option(parser)
    reports.add_signer_option(parser)
    parser.set_defaults(verify=True, rate=None)
    return cli.run(lambda args: _run_copy(args, CopyKind.KEYS), parser, argv)


def _restore(argv: Sequence[str]) -> int:
    parser = cli.Parser(f"{PROG} restore", "Make a vault of a copy.", epilog=EPILOG)
    parser.add_argument("copy", metavar="COPY", type=Path, help="a copy of a vault")
    parser.add_argument("new", metavar="NEW", type=Path, help="where the vault is to be; nothing may be there")
    parser.add_argument("--bundle", metavar="DIR", type=Path, help="a key bundle that is newer than the copy")
    cli.add_rate_option(parser)
    reports.add_signer_option(parser)
    return cli.run(_run_restore, parser, argv)


def _drill(argv: Sequence[str]) -> int:
    parser = cli.Parser(f"{PROG} drill", "Damage a copy of a copy, restore it, and compare.", epilog=EPILOG)
    parser.add_argument("copy", metavar="COPY", type=Path, help="a copy of a vault; nothing is written to it")
    parser.add_argument(
        "scratch", metavar="SCRATCH", type=Path, help="a new or empty directory; it needs three times the space"
    )
    parser.add_argument("--epoch-store", metavar="DIR", type=Path, help="epoch store; default: COPY.epoch")
    parser.add_argument("--seed", metavar="N", type=int, help="of the damage; default: random, and in the report")
    parser.add_argument("--damage", metavar="N", type=int, default=16, help="files that are damaged; default: 16")
    unlocking.add_options(parser)
    cli.add_who_options(parser)
    return cli.run(_run_drill, parser, argv)


def _verify_report(argv: Sequence[str]) -> int:
    about = "Check who has signed the report of a drill, and what it says; needs no key."
    parser = cli.Parser(f"{PROG} verify-report", about, epilog=EPILOG)
    parser.add_argument("report", metavar="REPORT", type=Path, help=f"the file {REPORT}, with its signature beside it")
    parser.add_argument("--vault", metavar="VAULT", type=Path, required=True, help="the vault, a copy, or a key bundle")
    reports.add_signer_option(parser)
    return cli.run(_run_verify_report, parser, argv)


_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "copy": _copy,
    "bundle": _bundle,
    "restore": _restore,
    "drill": _drill,
    "verify-report": _verify_report,
}


def _add_older_option(parser: cli.Parser) -> None:
    parser.add_argument(
        "--allow-older", action="store_true", help="copy an older vault over a newer copy, which is lost by that"
    )


# Running. ----------------------------------------------------------------------------------------------------------


@contextmanager
def _pace(args: Namespace, files: VaultFiles) -> Iterator[Pace]:
    with cli.Progress(files.total()) as progress:
        yield Pace(args.rate, progress.advance)


def _run_copy(args: Namespace, kind: CopyKind) -> int:
    source, began, state = Source.of_vault(args.vault), time.monotonic(), microseconds()
    options = Options(kind, args.verify, args.allow_older, args.signer)
    with _pace(args, source.files) as pace:
        done = Copier(source, Target(args.copy.absolute()), options, pace).run()
    shown: dict[str, object] = {}
    text = []
    if kind is CopyKind.WHOLE:
        shown["noted"] = done.complete and _noted(source.files, done, state)
        if not shown["noted"]:
            reason = "VAULT cannot be written to" if done.complete else "DEST is not complete"
            text.append(f"{reason}: the vault's audit log will not tell of this copy")
    return _show(args, done, time.monotonic() - began, shown, text)


def _noted(files: VaultFiles, done: Copied, state: int) -> bool:
    """Leave the act of a copy in the vault, with the time of its state: all that was there then is in it."""
    try:
        note(files, done.report.suite, done.report.vault_id, ActKind.COPIED, done.copy_id, done.bytes, state)
    except OSError:
        return False
    return True


def _run_restore(args: Namespace) -> int:
    began = time.monotonic()
    with _pace(args, VaultFiles(args.copy)) as pace:
        done = restore(args.copy, args.new, args.bundle, signer=args.signer, pace=pace)
    text = [
        "before it opens, the epoch store must be in place: by default NEW.epoch",
        "if an anchor has seen a newer state, it opens only with accept_older",
    ]
    return _show(args, done, time.monotonic() - began, {}, text)


def _run_drill(args: Namespace) -> int:
    from vaultfs_tools.copying.drill import Drill, Key

    key = None
    if unlocking.is_given(args):
        store = args.epoch_store or args.copy.absolute().with_name(args.copy.absolute().name + ".epoch")
        key = Key(unlocking.unlocker(args), store, args.who, args.purpose)
    seed = int.from_bytes(os.urandom(4), "little") if args.seed is None else args.seed
    report = Drill(args.copy, args.scratch, key, seed, args.damage).run()
    equal = bool(report["equal"])
    compared = f"{report['compared']:,} {'versions of records' if key else 'files'} compared"
    text = [
        f"vault {report['vault_id']}, generation {report['generation']}, seed {seed}",
        f"{compared}; damaged: {report['damage']}; healed: {report['healed']}",
        "all equal" if equal else "not all equal",
        "signed" if key else "not signed: that needs what opens the vault",
    ]
    cli.emit(args, report, text)
    return cli.Exit.DONE if equal else cli.Exit.DAMAGED


def _run_verify_report(args: Namespace) -> int:
    report, signer = verified_report(args.report, args.vault, args.signer)
    pinned = args.signer is not None
    equal = report.get("equal") is True
    shown = {"report": report, "fingerprint": signer.fingerprint, "pinned": pinned}
    text = [
        f"signed by {signer.fingerprint.hex()}" + ("" if pinned else ", which was not given"),
        "the drill found all equal" if equal else "the drill did not find all equal",
    ]
    cli.emit(args, shown, text)
    return cli.Exit.DONE if equal else cli.Exit.DAMAGED


# Showing. ----------------------------------------------------------------------------------------------------------


def _show(args: Namespace, done: Copied, seconds: float, more: dict[str, object], text: Sequence[str]) -> int:
    code = reports.exit_code(done.report)
    shown = {
        "vault_id": done.report.vault_id,
        "copy_id": done.copy_id,
        "generation": done.report.generation,
        "bytes": done.bytes,
        "segments_copied": done.segments,
        "segments_kept": done.kept,
        "turns": done.turns,
        "signer": done.report.signer,
        "pinned": done.report.pinned,
        "findings": [reports.as_json(finding) for finding in done.report.findings],
        "seconds": round(seconds, 3),
        "exit": code,
    }
    cli.emit(args, shown | more, [*_as_text(done, seconds), *text])
    return code


def _as_text(done: Copied, seconds: float) -> Iterator[str]:
    yield f"vault {done.report.vault_id.hex()}: generation {done.report.generation}"
    yield f"{done.segments:,} segments copied, {done.kept:,} were there; {cli.size_text(done.bytes)} in {seconds:.1f} s"
    if done.report.signer:
        yield f"signed by {done.report.signer.hex()}"
    for finding in done.report.findings:
        yield reports.as_text(finding)
    yield "complete" if done.complete else "something is damaged or missing"
