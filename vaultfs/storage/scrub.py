"""Scrubbing: every byte of every segment is looked at once in a period, in portions, and healed where it is damaged.

How far a round has come is control state of the vault, so that it goes on where it stopped, whoever runs the next
portion. What is written during a round was read back when it was written; its turn comes in the next one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
from vaultfs_format.events.vault import SegmentRepaired

from vaultfs.audit.events import NOBODYS_SESSION, Outcome, encoded
from vaultfs.audit.log import read_events
from vaultfs.engine.committing.control import control_intent
from vaultfs.engine.vault import Vault
from vaultfs.errors import FieldInvalid, FormatError, NotAuthentic, Structure, VaultDamaged
from vaultfs.storage.repair import Repaired, repair
from vaultfs.storage.tables import heal_table

NAMESPACE = "vaultfs.scrub"
KEY = b"round"
_MICROSECONDS = 1_000_000
PERIOD = 30 * 86_400
"""Seconds within which every byte is looked at, unless a host says otherwise."""


class Round(msgspec.Struct, frozen=True, array_like=True):
    """How far a round of scrubbing has come.

    Parameters
    ----------
    began, completed
        When the present round began and the last whole one began, in microseconds since 1970; 0: never.
    after
        Id of the last segment that was looked at; empty at the beginning of a round.
    lost
        Ids of segments of which something was lost when they were last looked at.
    """

    began: int = 0
    completed: int = 0
    after: bytes = b""
    lost: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"<Round began={self.began} completed={self.completed}>"


@dataclass(slots=True)
class Portion:
    """What a portion of scrubbing has done.

    Parameters
    ----------
    checked
        Bytes that were looked at.
    healed, lost
        Segments of which something was healed, and of which something is lost.
    tables
        Key tables of which a copy was healed.
    finished
        Whether the round is complete.
    """

    checked: int = 0
    segments: int = 0
    healed: list[Repaired] = field(default_factory=list)
    lost: list[Repaired] = field(default_factory=list)
    tables: int = 0
    finished: bool = False


class _Pace:
    """Keeps to a rate: whoever is ahead of it sleeps."""

    def __init__(self, rate: float | None, sleep: Callable[[float], None]) -> None:
        self._rate = rate
        self._sleep = sleep
        self._began = time.monotonic()
        self.bytes = 0

    def advance(self, count: int) -> None:
        self.bytes += count
        if self._rate is not None:
            ahead = self.bytes / self._rate - (time.monotonic() - self._began)
            if ahead > 0:
                self._sleep(ahead)


encode_round = msgspec.msgpack.Encoder().encode
"""Returns the value of the state that holds a round."""


_rounds = msgspec.msgpack.Decoder(Round)


def round_of(vault: Vault) -> Round:
    """Return how far scrubbing has come."""
    value = vault.steady(lambda: vault.states.read(NAMESPACE, KEY)).value
    return Round() if value is None else decode_round(value)


def overdue(vault: Vault, period: float = PERIOD) -> float:
    """Return by how many seconds a whole round is late, 0 if it is not.

    Of a vault that was never scrubbed whole, the time counts from when it was created, as its log says; where the
    beginning of the log is lost, from when its first round began, and without one it is as late as can be.

    Parameters
    ----------
    period
        Seconds within which every byte is to be looked at.
    """
    present = round_of(vault)
    since = present.completed or _created(vault) or present.began
    return max(0.0, (vault.engine.options.clock() - since) / _MICROSECONDS - period)


def _created(vault: Vault) -> int:
    """Return when the first event was logged, 0 if that cannot be read."""
    with suppress(VaultDamaged, NotAuthentic, FormatError):
        return next((event.at for _, event in read_events(vault)), 0)
    return 0


def decode_round(data: bytes) -> Round:
    """Return a round from the value of its state.

    Raises
    ------
    FieldInvalid
    """
    with suppress(msgspec.MsgspecError):
        return _rounds.decode(data)
    raise FieldInvalid(structure=Structure.ENTRIES)


def scrub(
    vault: Vault,
    *,
    seconds: float,
    rate: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Portion:
    """Go on with the round for some time, segment by segment; begin another where one was completed.

    Others may read, write and settle meanwhile; another scrubbing waits until this one is done.

    Parameters
    ----------
    seconds
        After which no further segment is begun. One is looked at in any case.
    rate
        Bytes a second that are not exceeded, so that others can use the disk.

    Raises
    ------
    StorageFull, StorageFailed, WriterPoisoned, Closed
        What was healed is healed; the segment at which it stopped comes again.
    """
    deadline = time.monotonic() + seconds
    with vault.engine.maintained():
        return _scrub(vault, deadline, _Pace(rate, sleep))


def _scrub(vault: Vault, deadline: float, pace: _Pace) -> Portion:
    engine, portion, present = vault.engine, Portion(), round_of(vault)
    if not present.began or not present.after:
        present = msgspec.structs.replace(present, began=engine.options.clock(), after=b"")
    while True:
        with engine.lock:
            rows = sorted(row for row in engine.head.segments if row.segment_id > present.after)
        if not rows:
            portion.finished = True
            keep(vault, msgspec.structs.replace(present, began=0, completed=present.began, after=b""), [])
            break
        row = rows[0]
        done = repair(engine, row, pace.advance)
        try:
            portion.tables += heal_table(engine, row)
        except VaultDamaged:
            done = Repaired(row.segment_id, done.healed, done.lost or (0,), done.records, complete=False)
        portion.segments += 1
        if done.healed:
            portion.healed.append(done)
        if done.lost:
            portion.lost.append(done)
        present = keep(vault, msgspec.structs.replace(present, after=row.segment_id), [done])
        if time.monotonic() >= deadline:
            break
    portion.checked = pace.bytes
    return portion


def keep(vault: Vault, present: Round, done: Sequence[Repaired]) -> Round:
    """Commit how far the round has come, together with what was found; return it with what is lost."""
    engine = vault.engine
    now = engine.options.clock()
    with engine.lock:
        named = {row.segment_id for row in engine.head.segments}
        gone = {one.segment_id for one in done if one.lost} & named
        found = [
            SegmentRepaired(
                now, NOBODYS_SESSION, one.segment_id, one.healed, len(one.lost),
                Outcome.FAILED if one.lost else Outcome.DONE,
            )
            for one in done
            if one.healed or one.segment_id in gone
        ]  # fmt: skip
        lost = {*present.lost} & named - {one.segment_id for one in done} | gone
        present = msgspec.structs.replace(present, lost=tuple(sorted(lost)))
        version = vault.steady(lambda: vault.states.read(NAMESPACE, KEY)).version
        events = encoded(engine.suite, *found)
        vault.commit(control_intent(engine, NAMESPACE, KEY, encode_round(present), version, events))
    return present
