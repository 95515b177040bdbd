"""What `vaultfs-audit verify` does: the log of a vault checked, and what was exported of it held against it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vaultfs_format.errors import FileId, VaultError
from vaultfs_format.tlog.checkpoint import Checkpoint

from vaultfs_tools import cli
from vaultfs_tools.auditing import exported, offline
from vaultfs_tools.auditing.exported import Examined, Wrong
from vaultfs_tools.auditing.showing import as_line, of_export
from vaultfs_tools.keyless.files import JOURNALS, VaultFiles, segment_name

if TYPE_CHECKING:
    import vaultfs
    from vaultfs.audit.findings import Finding, Verified
    from vaultfs.audit.view import LogView


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `verify`, beside those that open a vault."""
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a checkpoint that was exported: the log must have grown from it; repeat it for several",
    )
    parser.add_argument(
        "--exported",
        metavar="DIR",
        type=Path,
        action="append",
        default=[],
        help="a directory that `export` has written: it must be what the log says; repeat it for several",
    )


def run(args: argparse.Namespace, opened: Callable[[argparse.Namespace], vaultfs.Vault]) -> int:
    """Check the log; print what was found."""
    from vaultfs.audit.verifying import check_log
    from vaultfs.audit.view import LogView

    known = [(path, offline.checkpoint_in(path)) for path in args.checkpoint]
    strange: list[Wrong] = []
    examined: list[Examined] = []
    with opened(args) as vault:
        found = check_log(vault)
        names = {FileId.of(row.segment_id): segment_name(row) for row in vault.engine.head.segments}
        if not found.findings and (known or args.exported):  # nothing can be held against a log that is not whole
            view = LogView(vault)
            strange = [Wrong(error, str(path)) for path, head in known if (error := _strange(view, head))]
            examined = [_against(view, path) for path in args.exported]
    wrong: list[dict[str, object]] = [_finding(one, names) for one in found.findings]
    wrong += [of_export(one, "checkpoint") for one in strange]
    wrong += [of_export(one) for each in examined for one in each.found]
    healed: list[dict[str, object]] = [{"file": _name(one.file, names), "slices": one.slices} for one in found.healed]
    grown = 0 if found.findings else len(known) - len(strange)
    facts = _counts(found, grown, len(examined)) | {"findings": wrong, "healed": healed}
    cli.emit(args, facts, _text(found, grown, wrong, healed, len(examined)))
    return cli.Exit.DAMAGED if wrong else cli.Exit.DONE


def _strange(view: LogView, head: Checkpoint) -> VaultError | None:
    """Return why the log has not grown from a checkpoint that somebody kept of it, or cannot tell.

    Raises
    ------
    LogDiverged
        It is of another log: that is no finding about this one.
    """
    error = _not_grown(view, head)
    if error is not None and head.origin != view.origin:
        raise error
    return error


def _not_grown(view: LogView, head: Checkpoint) -> VaultError | None:
    from vaultfs.audit.errors import LogPrunedBefore
    from vaultfs.errors import LogDiverged

    try:
        view.check_grown_from(head)
    except (LogDiverged, LogPrunedBefore) as error:
        return error
    return None


def _against(view: LogView, path: Path) -> Examined:
    done = exported.against_log(VaultFiles(path), view.content, view.size, view.minimum)
    if done.head is not None and (error := _not_grown(view, done.head)):
        done.note(error, exported.CHECKPOINT)
    return done.sort()


def _counts(found: Verified, grown: int, directories: int) -> dict[str, object]:
    return {
        "leaves": found.leaves,
        "events": found.events,
        "subjects": found.subjects,
        "signers": found.signers,
        "first": found.first,
        "checkpoints": grown,
        "exported": directories,
    }


def _text(
    found: Verified,
    grown: int,
    wrong: Sequence[dict[str, object]],
    healed: Sequence[dict[str, object]],
    directories: int,
) -> list[str]:
    text = f"{found.events:,} events in {found.leaves:,} leaves, {found.subjects:,} subjects, {found.signers:,} signers"
    text += f", pruned before leaf {found.first:,}" if found.first else ""
    lines = [f"{'wrong' if wrong else 'good'}: {text}"]
    lines += map(as_line, wrong)
    lines += [f"damaged, and nothing of it lost: {one['file']}; vaultfs-fsck mends it" for one in healed]
    if grown:
        lines.append(f"grown from {grown:,} checkpoints")
    if directories:
        lines.append(f"compared with {directories:,} directories")
    return lines


def _name(file: FileId | None, names: dict[FileId, str]) -> str | None:
    """Return the name of a file relative to the vault."""
    return None if file is None else names.get(file, f"{JOURNALS}/{file}.vjrn")


def _finding(one: Finding, names: dict[FileId, str]) -> dict[str, object]:
    """Return a finding as an object for JSON."""
    place: dict[str, object] = {
        "part": one.part.value,
        "index": one.index,
        "file": _name(one.file, names),
        "offset": one.offset,
    }
    return place | {"error": cli.described(one.error)}
