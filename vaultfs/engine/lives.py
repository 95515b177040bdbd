"""The lives of the keys of a vault: kept as control states, and asked before anything is committed.

What a process other than the writer may do is not decided here: whoever can open a vault can read it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from typing import NamedTuple

from vaultfs.audit.events import NOBODYS_SESSION, Event, EventType, encode_event, sealable
from vaultfs.engine.control import control_intent
from vaultfs.engine.engine import Engine
from vaultfs.engine.grouping import Intent
from vaultfs.engine.state import State
from vaultfs.keys.lifecycle import NEVER, Cryptoperiod, KeyState, Life, OnExpiry, Reason, Use

NAMESPACE = "vaultfs.keys"
_PERIOD = b"cryptoperiod"


class KeyKind(IntEnum):
    """What a key is for."""

    EPOCH = 1
    RECIPIENT = 2
    SIGNER = 3


class KeyRef(NamedTuple):
    """A key: the secret of an epoch or a signer, by its number as 4 bytes, or a recipient, by the id of its stanza."""

    kind: KeyKind
    id: bytes

    @classmethod
    def epoch(cls, number: int) -> KeyRef:
        """Return the key of an epoch."""
        return cls(KeyKind.EPOCH, number.to_bytes(4, "little"))

    @property
    def state_key(self) -> bytes:
        """The key of its control state."""
        return bytes([self.kind]) + self.id


class Lives:
    """The lives of the keys of an open vault.

    Parameters
    ----------
    read
        Returns a control state.
    commit
        Commits an intent.
    """

    def __init__(self, engine: Engine, read: Callable[[str, bytes], State], commit: Callable[[Intent], int]) -> None:
        self._engine = engine
        self._read = read
        self._commit = commit
        self._known: tuple[int, Life] | None = None
        """The present epoch, and its life; None where it must be read."""

    def period(self) -> Cryptoperiod:
        """Return for how long the key of an epoch protects."""
        value = self._read(NAMESPACE, _PERIOD).value
        return Cryptoperiod() if value is None else Cryptoperiod.decode(value)

    def set_period(self, period: Cryptoperiod) -> None:
        """Say for how long the key of an epoch protects, the present one included: from when its epoch began."""
        self._set(_PERIOD, period.encode(), Event(EventType.CRYPTOPERIOD_SET, self._now(), NOBODYS_SESSION))

    def life(self, ref: KeyRef) -> Life:
        """Return the life of a key; one of which nothing was ever said is active."""
        value = self._read(NAMESPACE, ref.state_key).value
        life = Life() if value is None else Life.decode(value)
        if ref == KeyRef.epoch(self._engine.head.epoch) and life.protect_until == NEVER:
            began, period = self._engine.chain.turn.time, self.period().microseconds
            return life if period == NEVER else replace(life, protect_until=max(began, life.active_from) + period)
        return life

    def set_state(self, ref: KeyRef, state: KeyState, reason: Reason = Reason.UNSPECIFIED) -> Life:
        """Set the state of a key.

        Raises
        ------
        TransitionInvalid
        """
        with self._engine.lock:
            moved = self.life(ref).moved(state, self._now(), reason)
            event = Event(EventType.KEY_STATE_SET, moved.changed, NOBODYS_SESSION, record=ref.state_key, version=state)
            self._set(ref.state_key, moved.encode(), event)
            return moved

    def check_protect(self) -> None:
        """Refuse to protect anything with a key that must not be used for that any more. Call under the lock.

        Raises
        ------
        KeyExpired, KeyNotUsable
        """
        epoch = self._engine.head.epoch
        if self._known is None or self._known[0] != epoch:
            self._known = epoch, self.life(KeyRef.epoch(epoch))
        self._known[1].check(Use.PROTECT, self._now())

    def rotates(self) -> bool:
        """Return whether a commit turns the epoch when its period is over."""
        return self.period().on_expiry is OnExpiry.ROTATE

    def _now(self) -> int:
        return self._engine.options.clock()

    def _set(self, key: bytes, value: bytes, event: Event) -> None:
        with self._engine.lock:
            version = self._read(NAMESPACE, key).version
            events = sealable(self._engine.suite, [encode_event(event)])
            self._commit(control_intent(self._engine, NAMESPACE, key, value, version, events))
            self._known = None
