"""What an event says, as plain values by name: bytes as hexadecimal digits, enumerations by their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import IntEnum
from types import MappingProxyType
from typing import cast

import msgspec
from msgspec import inspect as types
from vaultfs_format.events.base import Event, Outcome, UnknownEvent
from vaultfs_format.events.codec import CLASSES
from vaultfs_format.events.session import CareSetting, SessionOpened
from vaultfs_format.registry import builtin_kinds
from vaultfs_format.stanza import StanzaType

from vaultfs.access.policy import Action
from vaultfs.keys.lifecycle import KeyKind, KeyState, Reason

Fact = str | int | bool | None | tuple[str, ...] | dict[str, str]

COMMON = 2
"""Fields that every event has first: time and session."""


def _names(kind: type[IntEnum]) -> dict[int, str]:
    return {one.value: one.name for one in kind}


NAMES: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "kind": {number: name for name, number in builtin_kinds().items()},
        "action": _names(Action),
        "key_kind": _names(KeyKind),
        "state": _names(KeyState),
        "reason": _names(Reason),
        "stanza_type": _names(StanzaType),
    }
)
"""The names of what stands in events by its number. Kinds that a vault has registered for itself have none here."""


def is_code(kind: types.Type) -> bool:
    """Return whether a field is a number that has a name elsewhere."""
    return isinstance(kind, types.IntType) and kind.le == (1 << 16) - 1


def fields_of(found: type[Event]) -> Iterator[types.Field]:
    """Yield the fields that a class of events has beside those that are common to all, and the outcome."""
    described = cast(types.StructType, types.type_info(found))
    yield from (field for field in described.fields[COMMON:] if field.name != "outcome")


_FIELDS: Mapping[type[Event], tuple[tuple[str, str, Mapping[int, str] | None], ...]] = {
    found: tuple(
        (field.name, f"{field.name}_name", NAMES[field.name] if is_code(field.type) else None)
        for field in fields_of(found)
    )
    for found in CLASSES.values()
}
_TYPES: Mapping[type[Event], tuple[int, str]] = {found: (int(kind), kind.name) for kind, found in CLASSES.items()}
_OUTCOMES = tuple(one.name for one in Outcome)  # by their numbers, which begin with 0 and have no gap
_SETTINGS = tuple(one.name for one in CareSetting)


def facts_of(event: Event) -> dict[str, Fact]:
    """Return what an event says beside its time, session and outcome; of one that is not known, all its bytes.

    What stands there by its number has a second value with the name, None where there is none.
    """
    if isinstance(event, UnknownEvent):
        return {"raw": event.raw.hex()}
    told: dict[str, Fact] = {}
    for name, named, names in _FIELDS[type(event)]:
        value = getattr(event, name)
        kind = type(value)
        told[name] = value.hex() if kind is bytes else value if kind is int else plain(value)
        if names is not None:
            told[named] = names.get(value)
    return told


def plain(value: object) -> Fact:
    """Return a value of an event as JSON has it."""
    match value:
        case bytes():
            return value.hex()
        case IntEnum():
            return value.name
        case msgspec.Struct():
            return {name: str(plain(getattr(value, name))) for name in value.__struct_fields__}
        case None | bool() | int() | str() | tuple():
            return value
    raise TypeError


def type_of(event: Event) -> tuple[int, str | None]:
    """Return number and name of an event's type; one that a later version has added has no name."""
    return _TYPES.get(type(event)) or (event.type, None)


def outcome_of(event: Event) -> str | None:
    """Return how an event ended; None where that is not known."""
    outcome = event.outcome
    return None if outcome is None else _OUTCOMES[outcome]


def context_of(session: SessionOpened) -> dict[str, Fact]:
    """Return in which context a session was opened: who acts is not in it, nor what was signed."""
    encounter, order = session.encounter, session.order
    return {
        "strict": session.strict,
        "care_setting": _SETTINGS[session.care_setting],
        "encounter": None if encounter is None else encounter.hex(),
        "order": None if order is None else order.hex(),
    }


_EPOCH = datetime(1970, 1, 1)
_LAST = (datetime(9999, 12, 31, 23, 59, 59, 999_999) - _EPOCH) // timedelta(microseconds=1)


def time_text(at: int) -> str | None:
    """Return a time as RFC 3339 has it, in UTC, with microseconds; None after the year 9999, which it cannot write."""
    return f"{(_EPOCH + timedelta(microseconds=at)).isoformat('T', 'microseconds')}Z" if at <= _LAST else None
