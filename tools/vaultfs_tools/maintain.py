"""``vaultfs-maintain``: a portion of what a vault needs, for cron and timers; run it as often as you like."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from vaultfs.storage.health import Health, Thresholds
from vaultfs.storage.maintenance import Maintained
from vaultfs.storage.repair import Repaired
from vaultfs.storage.scrub import PERIOD
from vaultfs_tools import cli, opening

PROG = "vaultfs-maintain"
DAY = 86_400
EPILOG = """\
Exit codes, added up: 0 all is well; 1 damage was healed; 4 something is lost, or scrubbing is late; 8 a step failed, or
nothing could be done (no vault, a writer is at work, wrong passphrase); 16 wrong usage; 130 interrupted.
"""


def _parser() -> cli.Parser:
    parser = cli.Parser(PROG, "Merge access logs, repair, settle and scrub a vault, for a limited time.", epilog=EPILOG)
    opening.add_vault(parser)
    parser.add_argument(
        "--seconds", type=float, default=60.0, metavar="N", help="begin nothing more after this time; default: 60"
    )
    parser.add_argument(
        "--period", type=float, default=PERIOD / DAY, metavar="DAYS", help="look at every byte within; default: 30"
    )
    parser.add_argument(
        "--copy-age", type=float, metavar="DAYS", help="say so where the newest copy of the vault is older than this"
    )
    parser.add_argument(
        "--epoch-stores", type=int, default=2, metavar="N", help="say so where fewer hold the secret; default: 2"
    )
    cli.add_rate_option(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return cli.run(_run, _parser(), argv)


def _run(args: argparse.Namespace) -> int:
    with opening.opened(args) as vault:
        done = vault.maintenance.run(args.seconds, period=args.period * DAY, rate=args.rate)
        copy_age = None if args.copy_age is None else args.copy_age * DAY
        state = vault.maintenance.health(Thresholds(args.period * DAY, copy_age, args.epoch_stores))
    code = exit_code(done)
    cli.emit(args, _as_json(done, state, code), _as_text(done, state))
    return code


def exit_code(done: Maintained) -> int:
    """Return the exit code for what was done."""
    healed = bool(_healed(done)) or bool(done.scrubbed and done.scrubbed.tables) or bool(done.copies) or done.rebuilt
    return (
        (cli.Exit.ATTENTION if healed else 0)
        | (cli.Exit.DAMAGED if done.lost or done.overdue else 0)
        | (cli.Exit.FAILED if done.failed else 0)
    )


def _healed(done: Maintained) -> list[Repaired]:
    found = [one for one in done.repaired if one.healed]
    return found + (done.scrubbed.healed if done.scrubbed else [])


def _as_text(done: Maintained, state: Health) -> Iterator[str]:
    yield f"{done.events:,} events of readers merged, {done.segments:,} segments settled"
    yield from _counted(done)
    if done.scrubbed is None:
        yield "scrubbing is not due"
    else:
        complete = ", the round is complete" if done.scrubbed.finished else ""
        size = cli.size_text(done.scrubbed.checked)
        yield f"{size} in {done.scrubbed.segments:,} segments scrubbed{complete}"
        if done.scrubbed.tables:
            yield f"key tables healed from their copies: {done.scrubbed.tables}"
    if done.rebuilt:
        yield "the index was made anew from the files"
    for one in _healed(done):
        yield f"healed: segment {one.segment_id.hex()}, {one.healed} slices"
    for one in done.lost:
        more = "" if one.complete else ", and perhaps others"
        where = f"segment {one.segment_id.hex()}, {len(one.lost)} slices"
        yield f"lost: {where}; records affected: {len(one.records)}{more}"
        for record in one.records:
            yield f"  record {bytes(record).hex()}"
    for step, error in done.failed.items():
        yield f"failed: {step.value}: {error.message()}"
    if done.overdue:
        yield f"overdue: a round of scrubbing is {done.overdue / DAY:.1f} days late"
    for concern in state.concerns:
        yield f"concern: {concern.value}"


def _counted(done: Maintained) -> Iterator[str]:
    counts = {
        "copies of head, VAULT or keyring healed": done.copies,
        "files for people written again": done.essentials,
        "mirrors of segments": done.mirrors,
        "segments sealed anew": done.reencrypted.segments if done.reencrypted else 0,
        "segments that wait for that": done.reencrypted.left if done.reencrypted else 0,
        "secrets of earlier epochs destroyed": done.secrets,
    }
    return (f"{what}: {count:,}" for what, count in counts.items() if count)


def _as_json(done: Maintained, state: Health, code: int) -> dict[str, object]:
    return {
        "copies_healed": done.copies,
        "essentials_written": done.essentials,
        "events_merged": done.events,
        "segments_settled": done.segments,
        "bytes_scrubbed": done.scrubbed.checked if done.scrubbed else 0,
        "round_complete": bool(done.scrubbed and done.scrubbed.finished),
        "tables_healed": done.scrubbed.tables if done.scrubbed else 0,
        "healed": [{"segment": one.segment_id.hex(), "slices": one.healed} for one in _healed(done)],
        "lost": [
            {
                "segment": one.segment_id.hex(),
                "slices": list(one.lost),
                "records": [bytes(record).hex() for record in one.records],
                "complete": one.complete,
            }
            for one in done.lost
        ],
        "failed": {step.name.lower(): cli.described(error) for step, error in done.failed.items()},
        "overdue_seconds": done.overdue,
        "index_rebuilt": done.rebuilt,
        "mirrors_made": done.mirrors,
        "segments_reencrypted": done.reencrypted.segments if done.reencrypted else 0,
        "secrets_destroyed": done.secrets,
        "concerns": [concern.name.lower() for concern in state.concerns],
        "exit": code,
    }
