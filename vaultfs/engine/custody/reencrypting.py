"""Re-encryption: everything that was sealed up to a moment is sealed anew, because keys of it may be known to somebody.

To *rewrap* is to seal the root key for one more recipient, to *re-key* to turn the epoch: neither changes the keys of
frames. This does. It goes on segment by segment, each step a head of its own. What is left to do is told by the files
themselves and by one control state, generation and epoch of the head with which it began: what was written before is
due, and once that is done nothing is under the keys of epochs before.
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
from vaultfs.engine.committing.control import control_intent
from vaultfs.engine.custody.epochs import may_be_kept
from vaultfs.engine.custody.lives import NAMESPACE
from vaultfs.engine.custody.renewal import Renewal
from vaultfs.engine.engine import Engine
from vaultfs.engine.reading.state import states_of
from vaultfs.engine.settling.compaction import UNREADABLE, open_signed
from vaultfs.engine.settling.retired import put_away_tables
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


def _compromised(vault: Vault) -> list[KeyRef]:
    """Return the epochs before this one whose keys were compromised, and are not destroyed yet."""
    engine, found = vault.engine, []
    for key, value in states_of(engine, NAMESPACE).items():
        if key[:1] == bytes([KeyKind.EPOCH]) and Life.decode(value).state is KeyState.COMPROMISED:
            ref = KeyRef(KeyKind.EPOCH, key[1:])
            if ref.number < engine.head.epoch:
                found.append(ref)
    return found


def _owed(vault: Vault) -> bool:
    """Return whether the keys of an earlier epoch were compromised, and its data is not sealed anew yet."""
    done = vault.engine.renewal
    return any(done.before or ref.number >= done.epoch for ref in _compromised(vault))


def close(vault: Vault) -> None:
    """Say of compromised keys that they are destroyed: nothing is under them, and no store has the secret any more."""
    engine = vault.engine
    with engine.lock:
        for ref in _compromised(vault):
            done = not engine.renewal.before and ref.number < engine.renewal.epoch
            if done and not may_be_kept(engine, ref.number):
                vault.lives.set_state(ref, KeyState.DESTROYED)


def is_due(vault: Vault) -> bool:
    """Return whether a re-encryption was begun, or should be."""
    return bool(vault.engine.renewal.before or _owed(vault))


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
        A key that is in force may not protect anything, at the beginning or by now: turn the epoch first.
    StorageFull, StorageFailed, VaultDamaged, WriterPoisoned
        What was done before counts.
    """
    engine, done = vault.engine, Reencrypted()
    until = None if seconds is None else time.monotonic() + seconds
    with engine.maintained():
        if engine.renewal.before:
            _go_on(vault, renew, until, done)
            if done.left or not _owed(vault):
                return done
        _begin(vault)
        _go_on(vault, renew, until, done)
    return done


def _go_on(vault: Vault, renew: Renew, until: float | None, done: Reencrypted) -> None:
    """Seal anew what is due, and end it when nothing is left."""
    engine = vault.engine
    due = list(_due(engine))
    while due and (until is None or time.monotonic() < until):
        chosen = _portion(due)
        _step(vault, renew, {row.segment_id for row in chosen}, done)
        del due[: len(chosen)]
    left = list(_due(engine))
    done.left, done.damaged = len(left), sum(row.segment_id in engine.store.damaged for row in left)
    if not left:
        with engine.lock:
            _commit(vault, replace(engine.renewal, before=0), ReencryptionEnded)
        close(vault)


def _begin(vault: Vault) -> None:
    """Settle, and say from where on what is written is new."""
    engine = vault.engine
    with engine.lock:
        vault.settle()
        before = engine.renewal.secrets if put_away_tables(engine) else ()
        renewal = Renewal(engine.head.generation, (*before, os.urandom(KEY)), engine.head.epoch)
        _commit(vault, renewal, ReencryptionBegun, protects=True)


def _commit(vault: Vault, renewal: Renewal, kind: Callable[..., Event], *about: int, protects: bool = False) -> None:
    """Commit how far it has come, with an event.

    Parameters
    ----------
    protects
        Whether data is to be sealed: the keys that are in force must permit it, as for what a host stores.
    """
    engine = vault.engine
    events = encoded(engine.suite, kind(engine.options.clock(), NOBODYS_SESSION, *about))
    version = vault.state(NAMESPACE, _BEGAN).version
    intent = control_intent(engine, NAMESPACE, _BEGAN, renewal.encode(), version, events)
    intent.protects = protects
    vault.commit(intent)
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
        _commit(vault, engine.renewal, SegmentsReencrypted, len(segment_ids), protects=True)
        wanted = [row for row in engine.head.segments if row.segment_id in segment_ids]
        renew(wanted)
        kept = {row.segment_id for row in engine.head.segments}
    for row in wanted:
        if row.segment_id not in kept:
            done.segments += 1
            done.frames += row.frames
            done.bytes += row.length
