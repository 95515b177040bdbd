"""The life of a key: its states, what it may be used for in each, and for how long.

Source: NIST SP 800-57 Part 1 Revision 5, sections 5.3 (cryptoperiods) and 7 (states and transitions). Pure: the clock
is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from typing import NamedTuple

import msgspec

from vaultfs.errors import ArgumentInvalid, FieldInvalid, KeyExpired, KeyNotUsable, Structure, TransitionInvalid

_Kept = tuple[int, int, int, int, int, int, int]

_NUMBER = 4

NEVER = 0
"""Of a date: it does not come."""

_LAST = (1 << 64) - 1
"""The last date, and the longest period, that can be kept."""


class KeyState(IntEnum):
    """What may be done with a key."""

    PRE_ACTIVE = 1
    ACTIVE = 2
    SUSPENDED = 3
    DEACTIVATED = 4
    COMPROMISED = 5
    DESTROYED = 6


class Use(Enum):
    """What a key is used for: to protect is to seal and to sign, to process is to open and to verify."""

    PROTECT = 1
    PROCESS = 2


class Reason(IntEnum):
    """Why the state of a key was changed."""

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5
    HOLD = 6
    PRIVILEGE_WITHDRAWN = 9


FOLLOWING: Mapping[KeyState, frozenset[KeyState]] = {
    KeyState.PRE_ACTIVE: frozenset({KeyState.ACTIVE, KeyState.COMPROMISED, KeyState.DESTROYED}),
    KeyState.ACTIVE: frozenset({KeyState.SUSPENDED, KeyState.DEACTIVATED, KeyState.COMPROMISED, KeyState.DESTROYED}),
    KeyState.SUSPENDED: frozenset({KeyState.ACTIVE, KeyState.DEACTIVATED, KeyState.COMPROMISED, KeyState.DESTROYED}),
    KeyState.DEACTIVATED: frozenset({KeyState.COMPROMISED, KeyState.DESTROYED}),
    KeyState.COMPROMISED: frozenset({KeyState.DESTROYED}),
    KeyState.DESTROYED: frozenset(),
}
"""The transitions of figure 3 that are a person's act; those of time are in `Life.at`."""

_USES: Mapping[KeyState, frozenset[Use]] = {
    KeyState.PRE_ACTIVE: frozenset(),
    KeyState.ACTIVE: frozenset({Use.PROTECT, Use.PROCESS}),
    KeyState.SUSPENDED: frozenset(),
    KeyState.DEACTIVATED: frozenset({Use.PROCESS}),
    KeyState.COMPROMISED: frozenset(),
    KeyState.DESTROYED: frozenset(),
}

_AT_RISK = frozenset({KeyState.ACTIVE, KeyState.SUSPENDED, KeyState.DEACTIVATED, KeyState.COMPROMISED})
"""States in which a key may be used to process by who accepts the risk (section 7.2 and the like)."""


@dataclass(frozen=True, slots=True)
class Life:
    """The state of a key, and its dates in microseconds since 1970; `NEVER` where there is none.

    Parameters
    ----------
    state
        As it was last set.
    active_from
        When a key that is pre-active becomes active.
    protect_until, process_until
        Ends of the originator-usage and of the recipient-usage period.
    changed
        When the state was set.
    recorded
        The state that the audit log knows: as it was set, or as a date made it since.
    """

    state: KeyState = KeyState.ACTIVE
    active_from: int = NEVER
    protect_until: int = NEVER
    process_until: int = NEVER
    changed: int = 0
    reason: Reason = Reason.UNSPECIFIED
    recorded: KeyState = KeyState.ACTIVE

    def __post_init__(self) -> None:
        ends = [end for end in (self.protect_until, self.process_until) if end != NEVER]
        if any(end < self.active_from for end in ends) or ends != sorted(ends) or min(self.active_from, *ends, 0) < 0:
            raise TransitionInvalid
        if max(self.active_from, *ends, 0) > _LAST:
            raise ArgumentInvalid(limit=_LAST)

    @property
    def unlimited(self) -> bool:
        """Whether the key may be used for everything, whatever the time is."""
        return self.state is KeyState.ACTIVE and self.protect_until == self.process_until == NEVER

    def at(self, now: int) -> KeyState:
        """Return the state at a time: it goes on by itself from pre-active to active, and from there to deactivated."""
        state = self.state
        if state is KeyState.PRE_ACTIVE and NEVER != self.active_from <= now:
            state = KeyState.ACTIVE
        if state is KeyState.ACTIVE and NEVER != self.protect_until <= now:
            state = KeyState.DEACTIVATED
        return state

    def limited(self, began: int, period: Cryptoperiod) -> Life:
        """Return the life of a key that ends with a period, at its last date at the latest; one that has a date stays.

        Parameters
        ----------
        began
            When the key came into use; 0 if that is not known.
        """
        if period.microseconds == NEVER or self.protect_until != NEVER:
            return self
        last = _LAST if self.process_until == NEVER else self.process_until
        until = max(began or period.since, self.active_from) + period.microseconds
        return replace(self, protect_until=min(until, last))

    def check(self, use: Use, now: int, *, risk_accepted: bool = False) -> None:
        """Refuse a use that the state or a date does not permit.

        Parameters
        ----------
        risk_accepted
            To open things, go on with a key that is suspended or compromised, or whose period for that is over.

        Raises
        ------
        KeyExpired
            A cryptoperiod is over.
        KeyNotUsable
            The state is one in which the key is not used so.
        """
        end = self.protect_until if use is Use.PROTECT else self.process_until
        state = self.at(now)
        if use is Use.PROCESS and risk_accepted and state in _AT_RISK:
            return
        if NEVER != end <= now and state in {KeyState.ACTIVE, KeyState.DEACTIVATED}:
            raise KeyExpired(use=use)
        if use not in _USES[state]:
            raise KeyNotUsable(use=use, state=state)

    def moved(self, state: KeyState, now: int, reason: Reason = Reason.UNSPECIFIED) -> Life:
        """Return the life of a key whose state is set.

        Raises
        ------
        TransitionInvalid
            That state does not follow the present one.
        """
        present = self.at(now)
        if state not in FOLLOWING[present]:
            raise TransitionInvalid(state=present, to=state)
        return replace(self, state=state, changed=now, reason=reason, recorded=state)

    def encode(self) -> bytes:
        """Return the value of the control state that keeps it."""
        dates = (self.active_from, self.protect_until, self.process_until, self.changed)
        return msgspec.msgpack.encode([self.state, *dates, self.reason, self.recorded])

    @classmethod
    def decode(cls, value: bytes) -> Life:
        """Parse what `encode` returned.

        Raises
        ------
        FieldInvalid
        """
        try:
            state, active, protect, process, changed, reason, recorded = msgspec.msgpack.decode(value, type=_Kept)
            return cls(KeyState(state), active, protect, process, changed, Reason(reason), KeyState(recorded))
        except (msgspec.MsgspecError, ValueError, TransitionInvalid):
            raise FieldInvalid(structure=Structure.ENTRIES) from None


class OnExpiry(IntEnum):
    """What a commit does when the period is over in which a key protects: turn to another one, or fail."""

    HALT = 0
    ROTATE = 1


@dataclass(frozen=True, slots=True)
class Cryptoperiod:
    """For how long a key protects.

    Parameters
    ----------
    microseconds
        From when the key came into use; `NEVER`: without an end.
    since
        When a period was set first, microseconds since 1970: from then it counts where it is not known since when a
        key is in use.
    """

    microseconds: int = NEVER
    on_expiry: OnExpiry = OnExpiry.HALT
    since: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.microseconds <= _LAST:
            raise ArgumentInvalid(limit=_LAST)

    def encode(self) -> bytes:
        """Return the value of the control state that keeps it."""
        return msgspec.msgpack.encode([self.microseconds, self.on_expiry, self.since])

    @classmethod
    def decode(cls, value: bytes) -> Cryptoperiod:
        """Parse what `encode` returned.

        Raises
        ------
        FieldInvalid
        """
        try:
            period, on_expiry, since = msgspec.msgpack.decode(value, type=tuple[int, int, int])
            return cls(period, OnExpiry(on_expiry), since)
        except (msgspec.MsgspecError, ValueError):
            raise FieldInvalid(structure=Structure.ENTRIES) from None


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
        """Return the key of an epoch. Raises `ArgumentInvalid` for what is no number of one."""
        return cls(KeyKind.EPOCH, _number(number))

    @classmethod
    def signer(cls, number: int) -> KeyRef:
        """Return the keys of a signer. Raises as `epoch` does."""
        return cls(KeyKind.SIGNER, _number(number))

    @classmethod
    def recipient(cls, stanza: str) -> KeyRef:
        """Return the key of a recipient, by the id that `RecipientInfo` has.

        Raises
        ------
        ArgumentInvalid
        """
        with suppress(ValueError):
            return cls(KeyKind.RECIPIENT, bytes.fromhex(stanza))
        raise ArgumentInvalid(length=len(stanza))

    @property
    def number(self) -> int:
        """The number of an epoch or of a signer."""
        return int.from_bytes(self.id, "little")

    @property
    def state_key(self) -> bytes:
        """The key of its control state."""
        return bytes([self.kind]) + self.id


def _number(number: int) -> bytes:
    with suppress(OverflowError):
        return number.to_bytes(_NUMBER, "little")
    raise ArgumentInvalid(number=number)
