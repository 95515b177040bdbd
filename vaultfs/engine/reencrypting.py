"""Re-encryption: everything that was sealed up to a moment is sealed anew, because keys of it may be known to somebody.

To *rewrap* is to seal the root key for one more recipient, to *re-key* to turn the epoch: neither changes the keys of
frames. This does. It goes on segment by segment, each step a head of its own. What is left to do is told by the files
themselves and by one control state, the generation of the head with which it began: what was written before is due.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vaultfs_format import limits
from vaultfs_format.events.keys import ReencryptionBegun, ReencryptionEnded, SegmentsReencrypted
from vaultfs_format.head import SegmentRow
from vaultfs_format.suite import KEY

from vaultfs.audit.events import NOBODYS_SESSION, Event, encoded
from vaultfs.engine.compaction import UNREADABLE, open_signed
from vaultfs.engine.control import control_intent
from vaultfs.engine.engine import Engine
from vaultfs.engine.lives import NAMESPACE
from vaultfs.engine.renewal import Renewal
from vaultfs.engine.retired import put_away_tables
from vaultfs.engine.state import states_of
from vaultfs.keys.lifecycle import KeyKind, KeyRef, KeyState, Life

if TYPE_CHECKING:
    from vaultfs.engine.vault import Vault

_BEGAN = b"re-encryption"
Renew = Callable[[Sequence[SegmentRow]], object]

_STEP = 64 * limits.MIB
"""Bytes of segments after which a step of re-encryption is made durable."""


@dataclass(slots=True)
class Reencrypted:
    """What a run of re-encryption has done.

    Parameters
    ----------
    segments, frames, bytes
        What was sealed anew, whole segments counted.
    left
        Segments that are due still.
    damaged
        Those of them that cannot be read, and wait for repair.
    """

    segments: int = 0
    frames: int = 0
    bytes: int = 0
    left: int = 0
    damaged: int = 0


def resume(vault: Vault) -> None:
    """Learn whether a re-encryption was begun and is not complete."""
    value = vault.state(NAMESPACE, _BEGAN).value
    if value is not None:
        vault.engine.renewal = Renewal.decode(value)


def owed(vault: Vault) -> list[KeyRef]:
    """Return the epochs before this one whose keys were compromised, and whose data is not sealed anew yet."""
    engine, found = vault.engine, []
    for key, value in states_of(engine, NAMESPACE).items():
        if key[:1] == bytes([KeyKind.EPOCH]) and Life.decode(value).state is KeyState.COMPROMISED:
            ref = KeyRef(KeyKind.EPOCH, key[1:])
            if int.from_bytes(ref.id, "little") < engine.head.epoch:
                found.append(ref)
    return found


def is_due(vault: Vault) -> bool:
    """Return whether a re-encryption was begun, or should be."""
    return bool(vault.engine.renewal.before or owed(vault))


def reencrypt(vault: Vault, renew: Renew, seconds: float | None = None) -> Reencrypted:
    """Seal everything anew that was sealed before this was begun, or go on with it.

    Parameters
    ----------
    renew
        Puts segments in force that hold what these hold, sealed anew. Called under the lock of the vault's engine.
    seconds
        After which no further step is begun; None: until nothing is left.

    Raises
    ------
    KeyExpired, KeyNotUsable
        The key of the present epoch may not protect anything: turn the epoch first.
    StorageFull, StorageFailed, VaultDamaged, WriterPoisoned
        What was done before counts.
    """
    engine, done = vault.engine, Reencrypted()
    until = None if seconds is None else time.monotonic() + seconds
    with engine.maintained():
        vault.lives.check_protect()
        if not engine.renewal.before:
            _begin(vault)
        due = list(_due(engine))
        while due and (until is None or time.monotonic() < until):
            chosen = _portion(due)
            _step(vault, renew, {row.segment_id for row in chosen}, done)
            del due[: len(chosen)]
        left = list(_due(engine))
        done.left, done.damaged = len(left), sum(row.segment_id in engine.store.damaged for row in left)
        if not left:
            _finish(vault)
    return done


def _begin(vault: Vault) -> None:
    """Settle, and say from where on what is written is new."""
    engine = vault.engine
    with engine.lock:
        vault.settle()
        before = engine.renewal.secrets if put_away_tables(engine) else ()
        renewal = Renewal(engine.head.generation, (*before, os.urandom(KEY)))
        _commit(vault, renewal, ReencryptionBegun)


def _finish(vault: Vault) -> None:
    """Say that it is complete, and of compromised keys that nothing is under them any more."""
    with vault.engine.lock:
        for ref in owed(vault):
            vault.lives.set_state(ref, KeyState.DESTROYED)
        _commit(vault, replace(vault.engine.renewal, before=0), ReencryptionEnded)


def _commit(vault: Vault, renewal: Renewal, kind: Callable[[int, bytes], Event]) -> None:
    engine = vault.engine
    events = encoded(engine.suite, kind(engine.options.clock(), NOBODYS_SESSION))
    version = vault.state(NAMESPACE, _BEGAN).version
    vault.commit(control_intent(engine, NAMESPACE, _BEGAN, renewal.encode(), version, events))
    engine.renewal = renewal


def _due(engine: Engine) -> Iterator[SegmentRow]:
    """Yield the segments that were written before it was begun, and those that nobody can tell it of."""
    with engine.lock:
        rows = list(engine.head.segments)
    for row in rows:
        try:
            with closing(open_signed(engine, row)) as segment:
                if segment.footer.head.generation >= engine.renewal.before:
                    continue
        except UNREADABLE:
            engine.store.note_damaged(row.segment_id)
        yield row


def _portion(due: list[SegmentRow]) -> list[SegmentRow]:
    """Return the first of the segments, up to the size of a step; one at least."""
    size, count = 0, 0
    for row in due:
        size += row.length
        if count and size > _STEP:
            break
        count += 1
    return due[:count]


def _step(vault: Vault, renew: Renew, segment_ids: set[bytes], done: Reencrypted) -> None:
    engine = vault.engine
    with engine.lock:
        wanted = [row for row in engine.head.segments if row.segment_id in segment_ids]
        vault.note(SegmentsReencrypted, len(wanted))
        renew(wanted)
        kept = {row.segment_id for row in engine.head.segments}
    for row in wanted:
        if row.segment_id not in kept:
            done.segments += 1
            done.frames += row.frames
            done.bytes += row.length
