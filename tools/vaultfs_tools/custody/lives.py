"""The lives of keys on the command line: their states, dates and periods, and sealing everything anew."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import vaultfs
from vaultfs.errors import ArgumentInvalid, NotFound
from vaultfs.keys import Cryptoperiod, KeyKind, KeyRef, KeyState, Life, OnExpiry, Reason
from vaultfs.keys.lifecycle import NEVER
from vaultfs_tools import cli
from vaultfs_tools.custody.opening import opened
from vaultfs_tools.opening import add_vault
from vaultfs_tools.reports import time_text

_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATES = ("active_from", "protect_until", "process_until")
_KINDS = {"epoch": KeyKind.EPOCH, "signer": KeyKind.SIGNER}
_STATES = {state.name.lower(): state for state in KeyState if state is not KeyState.PRE_ACTIVE}
_REASONS = {reason.name.lower().replace("_", "-"): reason for reason in Reason}


# States and dates. -------------------------------------------------------------------------------------------------


def add_state(parser: argparse.ArgumentParser) -> None:
    """Add the options of `state`."""
    add_vault(parser)
    parser.add_argument(
        "ref",
        metavar="KEY",
        nargs="?",
        help="epoch or signer, the present one, or with a number as in epoch:3; or the id of a recipient, as `list`"
        " shows it; default: tell of all that are in force",
    )
    parser.add_argument("state", metavar="STATE", nargs="?", choices=_STATES, help=", ".join(_STATES))
    parser.add_argument("--reason", choices=_REASONS, default="unspecified", help=", ".join(_REASONS))
    group = parser.add_argument_group("dates, as in 2030-12-31 or 2030-12-31T18:00Z, or never")
    group.add_argument(
        "--active-from",
        metavar="DATE",
        type=_date,
        help="since when it is in use; of a pre-active key, when it becomes active",
    )
    group.add_argument("--protect-until", metavar="DATE", type=_date, help="until when it seals and signs")
    group.add_argument("--process-until", metavar="DATE", type=_date, help="until when it opens and verifies")


def _date(text: str) -> int:
    """Return microseconds since 1970; UTC where no zone is given."""
    if text == "never":
        return NEVER
    try:
        found = datetime.fromisoformat(text)
        # Not the difference at once: it is there of a date, too, that UTC has not.
        return ((found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("a date, as in 2030-12-31, or never") from None


def run_state(args: argparse.Namespace) -> int:
    """Tell the states of keys, or set those of one: its state, then its dates."""
    dates = {name: value for name in _DATES if (value := getattr(args, name)) is not None}
    if (dates and args.ref is None) or (args.state is None and args.reason != "unspecified"):
        raise ArgumentInvalid
    vault, _ = opened(args)
    with vault:
        keys = dict(_in_force(vault) if args.ref is None else [_named(vault, args.ref)])
        for ref in keys.values():
            if args.state is not None:
                vault.lives.set_state(ref, _STATES[args.state], _REASONS[args.reason])
            if dates:
                life = vault.lives.life(ref)
                vault.lives.set_dates(ref, **{name: dates.get(name, getattr(life, name)) for name in _DATES})
        now = vault.engine.options.clock()
        lives = {name: vault.lives.life(ref) for name, ref in keys.items()}
    shown = [{"key": name, **_as_json(life, now)} for name, life in lives.items()]
    cli.emit(args, {"keys": shown}, (f"{name}: {_as_text(life, now)}" for name, life in lives.items()))
    return cli.Exit.DONE


def _in_force(vault: vaultfs.Vault) -> Iterator[tuple[str, KeyRef]]:
    yield _named(vault, "epoch")
    yield _named(vault, "signer")
    for one in vault.keys.recipients():
        yield one.id, KeyRef.recipient(one.id)


def _named(vault: vaultfs.Vault, text: str) -> tuple[str, KeyRef]:
    """Return the key that is named, with its whole name.

    Raises
    ------
    ArgumentInvalid
        It is not understood.
    NotFound
        The vault has no such recipient, or had no such signer. Epochs are refused by their lives.
    """
    name, _, number = text.partition(":")
    if name not in _KINDS:
        if all(one.id != text for one in vault.keys.recipients()):
            raise NotFound
        return text, KeyRef.recipient(text)
    engine = vault.engine
    newest = engine.head.epoch if name == "epoch" else engine.signing.signer.number
    if number and not (number.isdecimal() and number.isascii()):
        raise ArgumentInvalid
    chosen = int(number) if number else newest
    if not 0 < chosen <= newest:
        raise NotFound
    return f"{name}:{chosen}", KeyRef.epoch(chosen) if name == "epoch" else KeyRef.signer(chosen)


def _as_json(life: Life, now: int) -> dict[str, object]:
    dates = {name: getattr(life, name) for name in _DATES}
    return {"state": life.at(now).name.lower(), "reason": life.reason.name.lower(), "changed": life.changed, **dates}


def _as_text(life: Life, now: int) -> str:
    words = [life.at(now).name.lower()]
    words += [f"{name.replace('_', ' ')} {time_text(date)}" for name in _DATES if (date := getattr(life, name))]
    return ", ".join(words)


# Periods. ----------------------------------------------------------------------------------------------------------


def add_period(parser: argparse.ArgumentParser) -> None:
    """Add the options of `period`."""
    add_vault(parser)
    parser.add_argument("kind", metavar="KIND", choices=_KINDS, help="which keys: epoch or signer")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--days", metavar="N", type=_days, help="for how long each of them protects")
    length.add_argument("--no-end", action="store_const", const=NEVER, dest="days", help="for as long as the vault is")
    parser.add_argument(
        "--on-expiry",
        choices=[one.name.lower() for one in OnExpiry],
        help="what a commit does at the end: fail, or turn to another key if its host has given what unlocks",
    )


def _days(text: str) -> int:
    try:
        length = timedelta(days=int(text)) // _MICROSECOND
    except (ValueError, OverflowError):
        length = 0
    if length <= 0:
        raise argparse.ArgumentTypeError("a number of days")
    return length


def run_period(args: argparse.Namespace) -> int:
    """Tell for how long keys of a kind protect, or set it."""
    kind = _KINDS[args.kind]
    vault, _ = opened(args)
    with vault:
        if (args.days, args.on_expiry) != (None, None):
            old = vault.lives.period(kind)
            on_expiry = old.on_expiry if args.on_expiry is None else OnExpiry[args.on_expiry.upper()]
            vault.lives.set_period(Cryptoperiod(old.microseconds if args.days is None else args.days, on_expiry), kind)
        period = vault.lives.period(kind)
    days, then = period.microseconds * _MICROSECOND / _DAY, period.on_expiry.name.lower()
    text = f"{args.kind}: {days:g} days, then {then}" if days else f"{args.kind}: no end"
    cli.emit(args, {"kind": args.kind, "microseconds": period.microseconds, "on_expiry": then}, [text])
    return cli.Exit.DONE


# Re-encryption. ----------------------------------------------------------------------------------------------------


def add_reencryption(parser: argparse.ArgumentParser) -> None:
    """Add the options of `reencrypt`."""
    add_vault(parser)
    parser.add_argument("--seconds", metavar="N", type=float, help="begin nothing more after this; go on another time")


def run_reencryption(args: argparse.Namespace) -> int:
    """Seal everything anew, or go on with that."""
    vault, _ = opened(args)
    with vault:
        done = vault.keys.reencrypt(args.seconds)
    shown = {
        "segments": done.segments,
        "frames": done.frames,
        "bytes": done.bytes,
        "left": done.left,
        "damaged": done.damaged,
    }
    text = f"{done.segments:,} segments, {done.frames:,} frames sealed anew; {done.left:,} segments left"
    more = [f"of these damaged: {done.damaged:,}; repair them, and run this again"] if done.damaged else []
    cli.emit(args, shown, [text, *more])
    if done.damaged:
        return cli.Exit.DAMAGED
    return cli.Exit.ATTENTION if done.left else cli.Exit.DONE
