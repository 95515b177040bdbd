"""`prune`: the oldest part of the log removed, once it was kept for as long as it must be."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from vaultfs_tools import cli
from vaultfs_tools.auditing import delivered
from vaultfs_tools.reports import time_text

if TYPE_CHECKING:
    import vaultfs
    from vaultfs.engine.log.pruning import Pruned

SIX_YEARS = 2192
"""Days: the least that HIPAA asks for."""

_SECOND = 1_000_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `prune`, but for those of the vault."""
    parser.add_argument(
        "--before",
        metavar="DATE",
        type=_date,
        required=True,
        help="remove what is older, as far as it fills segments: 2030-12-31 or 2030-12-31T18:00Z; UTC without a zone",
    )
    parser.add_argument(
        "--keep-from",
        metavar="INDEX",
        type=int,
        help="an entry that somebody still needs: fail rather than remove it",
    )
    parser.add_argument(
        "--cursors",
        metavar="DIR",
        type=Path,
        help="deliveries still need what they have not sent, by the lowest cursor here: fail rather than remove it",
    )
    parser.add_argument(
        "--minimum-age",
        metavar="DAYS",
        type=int,
        default=SIX_YEARS,
        help=f"how long the log must be kept; default: {SIX_YEARS}, six years",
    )
    parser.add_argument("--remove", action="store_true", help="do it; else show what would be removed")


def run(opened: Callable[[argparse.Namespace], vaultfs.Vault], args: argparse.Namespace) -> int:
    """Show what would be removed, or remove it."""
    with opened(args) as vault:
        found = vault.maintenance.prune_log(
            args.before,
            keep_from=_needed(vault, args),
            minimum_age=timedelta(days=args.minimum_age),
            dry_run=not args.remove,
        )
    facts = {
        "removed": bool(args.remove and found.leaves),
        "first": found.first,
        "leaves": found.leaves,
        "segments": found.segments,
        "bytes": found.bytes,
        "since": found.since,
    }
    cli.emit(args, facts, _lines(found, removed=args.remove))
    return cli.Exit.DONE


def _needed(vault: vaultfs.Vault, args: argparse.Namespace) -> int | None:
    """Return the first entry that somebody still needs."""
    sent = None if args.cursors is None else min(delivered.sizes(vault, args.cursors).values())
    return min((one for one in (args.keep_from, sent) if one is not None), default=None)


def _lines(found: Pruned, *, removed: bool) -> Iterator[str]:
    if found.leaves:
        size = f"{found.leaves:,} entries in {found.segments:,} segments, {cli.size_text(found.bytes)}"
        yield f"removed: {size}" if removed else f"would be removed: {size}; with --remove it is"
    else:
        yield "nothing to remove"
    if found.first:
        yield f"kept from entry {found.first:,} on, with all events since {since_text(found.since)}"


def since_text(since: int) -> str:
    """Return for people from when on every event is kept."""
    return time_text(since + _SECOND - 1)  # not a second too early


def _date(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("a date, as in 2030-12-31") from None
