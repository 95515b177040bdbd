"""Comparing what a receiver has kept of the log with the log itself."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vaultfs_tools import cli
from vaultfs_tools.auditing import delivered

if TYPE_CHECKING:
    import vaultfs
    from vaultfs.audit.exporting.reconciling import Reconciled
    from vaultfs.audit.exporting.shown import Shown


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `reconcile`."""
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="what the receiver has kept, in lines")
    parser.add_argument(
        "--cursors", metavar="DIR", type=Path, help="miss only what was sent, by the cursor of the delivery here"
    )
    parser.add_argument("--name", help="name of the delivery to this receiver, where --cursors has several")
    parser.set_defaults(wrong=parser.error)


def run(args: argparse.Namespace, opened: Callable[[argparse.Namespace], vaultfs.Vault]) -> int:
    """Compare; print what is missing and what differs."""
    from vaultfs.audit.exporting.reconciling import reconcile

    if args.name is not None and args.cursors is None:
        args.wrong("--name goes with --cursors")
    with opened(args) as vault:
        found = reconcile(vault, _received(args.files), size=_size(vault, args))
    cli.emit(args, _facts(found), _lines(found))
    if not found.agrees:
        return cli.Exit.DAMAGED
    return cli.Exit.DONE if found.complete else cli.Exit.ATTENTION


def _size(vault: vaultfs.Vault, args: argparse.Namespace) -> int | None:
    """Return up to where the receiver was sent the log; None where all that is settled is to be there."""
    from vaultfs.audit.exporting.errors import CursorMissing

    if args.cursors is None:
        return None
    found = delivered.sizes(vault, args.cursors)
    if args.name is None and len(found) > 1:
        args.wrong("--cursors has several deliveries of this log: --name is needed")
    size = found.get(args.name) if args.name is not None else min(found.values())
    if size is None:
        raise CursorMissing
    return size


def _received(paths: Sequence[Path]) -> Iterator[Shown | None]:
    from vaultfs.audit.exporting.received import lines_of, shown_in

    for path in paths:
        with path.open("rb") as file:
            yield from shown_in(lines_of(file))


def _facts(found: Reconciled) -> dict[str, object]:
    counts = {name: getattr(found, name) for name in _COUNTS}
    ranges = {name: [[one.start, one.stop] for one in getattr(found, name)] for name in _RANGES}
    return counts | ranges


_COUNTS = (
    *("events", "received", "doubled", "beyond", "pruned", "foreign"),
    *("checkpoints", "diverged", "unsigned", "unread"),
)
_RANGES = ("there", "missing", "differing")


def _lines(found: Reconciled) -> Iterator[str]:
    yield f"{found.received:,} of {found.events:,} events are there, {found.doubled:,} of them more than once"
    for one in found.missing:
        yield f"missing: {_shown(one)}"
    for one in found.differing:
        yield f"differing: {_shown(one)}: the log or what was received was changed"
    if found.beyond:
        yield f"{found.beyond:,} leaves that the log does not have: it was put back to an older state"
    yield f"{found.checkpoints:,} signed checkpoints that the log has grown from"
    if found.diverged:
        yield f"{found.diverged:,} that it has signed and not grown from: it was changed or put back"
    others = f"{found.unsigned:,} checkpoints without its signature, {found.pruned:,} pruned"
    yield f"passed over: {others}, {found.foreign:,} of other logs, {found.unread:,} other lines"


def _shown(one: range) -> str:
    return f"{one.start:,}" if len(one) == 1 else f"{one.start:,} to {one.stop - 1:,}"
