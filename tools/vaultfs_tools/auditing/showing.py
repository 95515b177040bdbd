"""Events as they are printed: by the names of their fields, with nothing of them left out."""

from __future__ import annotations

from enum import Enum

import msgspec
from vaultfs_format.events.base import Event, EventType, UnknownEvent, number_of


def shown(event: Event) -> dict[str, object]:
    """Return an event as JSON takes it: ids in hexadecimal digits, enumerations by name."""
    if isinstance(event, UnknownEvent):
        return {"type": event.type, "at": event.at, "session": event.session.hex(), "raw": event.raw.hex()}
    fields = {name: _plain(getattr(event, name)) for name in event.__struct_fields__}
    return {"type": EventType(number_of(type(event))).name, **fields}


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return value
