"""vaultfs-fsck: check a vault, and heal what can be healed without keys; with what opens it, check what is sealed too.

Without keys only the format's code is used, and nothing is written but copies that are healed. With keys the
engine is loaded: it opens the vault, which recovers it and is audited, opens every frame, and compares the index.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vaultfs_format.errors import BadMagic, VaultError

from vaultfs_tools import cli, opening, reports, unlocking
from vaultfs_tools.keyless import Finding, Report, Severity, VaultFiles, check, check_file, heal
from vaultfs_tools.keyless.errors import FileMissing, LeftOut, NotRegular
from vaultfs_tools.keyless.files import HEAD, INDEX, LOCK, device_errors
from vaultfs_tools.keyless.pairs import missing_everywhere

if TYPE_CHECKING:
    import vaultfs
    from vaultfs.keys import Unlocker

PROG = "vaultfs-fsck"
EPILOG = """\
Exit codes, added up: 0 clean; 1 damage was corrected; 4 damage was left; 8 the check could not be done (no vault, a
writer is at work, wrong passphrase, a format that this program does not know); 16 wrong usage; 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.Parser(PROG, "Check a vault and heal its damaged copies.", epilog=EPILOG)
    parser.add_argument("vault", metavar="VAULT", type=Path, help="the vault's directory, or one file of a vault")
    parser.add_argument("-n", "--check-only", action="store_true", help="write nothing: report what could be healed")
    reports.add_signer_option(parser)
    parser.add_argument("--rebuild-index", action="store_true", help="make the index anew if it differs; needs keys")
    opening.add_keys(parser)
    parser.set_defaults(wait=0.0)  # nobody is waited for

    def body(args: Namespace) -> int:
        keyed = args.rebuild_index or unlocking.is_given(args)
        if args.check_only and keyed:
            parser.error("--check-only cannot go with keys: opening a vault writes to it")
        return _fsck(args, unlocking.unlocker(args) if keyed else None)

    return cli.run(body, parser, argv)


def _fsck(args: Namespace, unlock: Unlocker | None) -> int:
    if args.vault.is_file():
        return _fsck_file(args)
    files = VaultFiles(args.vault)
    if not args.vault.is_dir() or missing_everywhere(files):
        from vaultfs.errors import VaultMissing

        raise VaultMissing
    began = time.monotonic()
    with _writers_kept_out(files) as keep_all_out, cli.Progress(files.total()) as progress:
        report = check(files, progress.advance, args.signer)
        if not args.check_only and _healable(report):
            keep_all_out()
            heal(files, report)
    seconds = time.monotonic() - began
    failure: VaultError | None = None
    if unlock is not None:
        if report.count(Severity.ERROR) or report.count(Severity.UNSUPPORTED):
            report.add(LeftOut(), HEAD)
        else:
            with cli.Progress(files.total()) as progress:
                failure = _check_with_keys(args, unlock, report, progress.advance)
    code = reports.exit_code(report) | (cli.Exit.FAILED if failure is not None else 0)
    cli.emit(args, _as_json(report, code, seconds), _as_text(report, seconds))
    if failure is not None:
        cli.show_error(PROG, failure, as_json=args.json)
    return code


def _fsck_file(args: Namespace) -> int:
    """Check a file by itself, and heal it: what is not in a vault, nobody else is writing to."""
    files, name = VaultFiles(args.vault.parent), args.vault.name
    began = time.monotonic()
    with cli.Progress(files.size(name)) as progress:
        try:
            report = check_file(files, name, progress.advance)
        except BadMagic:
            from vaultfs.errors import VaultMissing

            raise VaultMissing from None
        if not args.check_only and _healable(report):
            heal(files, report)
    code, seconds = reports.exit_code(report), time.monotonic() - began
    cli.emit(args, _as_json(report, code, seconds), _as_text(report, seconds))
    return code


def _healable(report: Report) -> bool:
    """Return whether there is something to heal, and nothing that a newer program knows better how to heal."""
    return any(finding.remedy for finding in report.findings) and not report.count(Severity.UNSUPPORTED)


@contextmanager
def _writers_kept_out(files: VaultFiles) -> Iterator[Callable[[], None]]:
    """Share the writer's lock, where the vault has one, so that no write in progress is taken for damage.

    Yields
    ------
    Callable
        Keeps other checks out as well, before something is healed.

    Raises
    ------
    WriterBusy
    NotRegular
        Something took the place of the lock: nobody can be kept out.
    """
    try:
        with device_errors():
            # Not blocking: a FIFO in the place of the lock would hang before it can be refused.
            descriptor = os.open(files.root / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileMissing:
        yield lambda: None
        return
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotRegular
        _lock(descriptor, fcntl.LOCK_SH)
        yield lambda: _lock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        from vaultfs.errors import WriterBusy

        raise WriterBusy from None


# With keys: through the engine. ------------------------------------------------------------------------------------


def _check_with_keys(
    args: Namespace, unlock: Unlocker, report: Report, advance: Callable[[int], None]
) -> VaultError | None:
    """Add what only the keys can tell; return the error that kept the check from being done."""
    from vaultfs.engine.indexing import indexfiles
    from vaultfs.engine.reading import compare
    from vaultfs.errors import IndexDamaged

    place = args.vault / INDEX

    try:
        try:
            vault = opening.opened(args, unlock)
        except IndexDamaged as error:
            _add_index(report, error, corrected=args.rebuild_index)
            if not args.rebuild_index:
                return None
            indexfiles.discard(place)
            vault = opening.opened(args, unlock)
        with vault:
            spared = []
            for found in compare.frame_errors(vault.engine, advance):
                name = str(found.path.relative_to(vault.path))
                if found.spared:
                    spared.append(Finding(Severity.CORRECTED, found.error, name))
                else:
                    report.add(found.error, name)
            if spared and not report.count(Severity.ERROR):
                vault.settle()
                report.findings += spared
            if not report.count(Severity.ERROR):
                _check_log_and_index(vault, report, rebuild=args.rebuild_index)
                report.opened = True
    except VaultError as error:
        if cli.exit_code(error) is not cli.Exit.DAMAGED:
            return error
        report.add(error, HEAD)
    return None


def _check_log_and_index(vault: vaultfs.Vault, report: Report, *, rebuild: bool) -> None:
    from vaultfs.engine.reading import compare
    from vaultfs.errors import IndexDamaged

    heads = compare.counted_heads(vault.engine)
    if isinstance(heads, compare.FrameError):
        report.add(heads.error, str(heads.path.relative_to(vault.path)))
        return
    found: VaultError | None = None
    try:
        rows = sum(compare.index_differences(vault.engine, vault.path / INDEX, heads).values())
        if rows:
            found = IndexDamaged(rows=rows)
    except IndexDamaged as error:
        found = error
    if found is not None:
        if rebuild:
            vault.rebuild_index()
        _add_index(report, found, corrected=rebuild)


def _add_index(report: Report, error: VaultError, *, corrected: bool) -> None:
    report.findings.append(Finding(Severity.CORRECTED if corrected else Severity.ERROR, error, INDEX))


# Showing. ----------------------------------------------------------------------------------------------------------


def _verdict(report: Report) -> str:
    if report.count(Severity.ERROR):
        return f"damaged; errors that are left: {report.count(Severity.ERROR)}"
    if report.count(Severity.UNSUPPORTED):
        return "not checked: parts of it were written by a newer program"
    return "consistent" if report.pinned else "consistent, signer not pinned"


def _as_text(report: Report, seconds: float) -> Iterator[str]:
    yield f"vault {report.vault_id.hex() or 'unknown'}: generation {report.generation}, epoch {report.epoch}"
    yield (
        f"{report.segments:,} segments, {report.journals:,} journals and {report.access_journals:,} access journals "
        f"with {report.groups:,} groups, {report.frames:,} frames, {report.entries:,} entries, "
        f"audit tree of {report.audit_leaves:,} leaves"
    )
    rate = cli.size_text(report.checked / max(seconds, 1e-9))
    yield f"{cli.size_text(report.checked)} checked in {seconds:.1f} s ({rate}/s)"
    if report.signer:
        yield f"signed by {report.signer.hex()}"
    if report.opened:
        yield "every frame was opened with its key, every event counted, and the index compared with the files"
    for finding in report.findings:
        yield reports.as_text(finding)
    if report.count(Severity.UNSUPPORTED) and any(finding.remedy for finding in report.findings):
        yield "nothing was healed: parts of the vault were written by a newer program, which knows what belongs there"
    if corrected := report.count(Severity.CORRECTED):
        yield f"corrected: {corrected}"
    if report.count(Severity.RECOVERY):
        yield "recovery needed: it happens when the vault is opened for writing"
    yield _verdict(report)


def _as_json(report: Report, code: int, seconds: float) -> dict[str, object]:
    shown = asdict(replace(report, findings=[]))
    return shown | {
        "suite": report.suite.name if report.vault_id else None,
        "findings": [reports.as_json(finding) for finding in report.findings],
        "verdict": _verdict(report),
        "signed": bool(report.signer),
        "seconds": round(seconds, 3),
        "exit": code,
    }
