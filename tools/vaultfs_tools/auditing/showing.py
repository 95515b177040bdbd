"""Events and findings as they are printed: by the names of their fields, with nothing of them left out."""

from __future__ import annotations

from enum import Enum

import msgspec
from vaultfs_format.events.base import Event, EventType, UnknownEvent, number_of

from vaultfs_tools import cli
from vaultfs_tools.auditing.exported import Wrong


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


def of_export(one: Wrong, part: str = "exported") -> dict[str, object]:
    """Return what is wrong with an exported file as an object for JSON, of the same shape."""
    facts = one.error.facts
    place = {"part": part, "index": facts.get("leaf"), "file": one.file, "offset": facts.get("offset")}
    return place | {"error": cli.described(one.error)}


def as_line(one: dict[str, object]) -> str:
    """Return a finding as a line."""
    error = one["error"]
    message = error["message"] if isinstance(error, dict) else ""
    index = "" if one["index"] is None else f" from leaf {one['index']:,} on"
    offset = "" if one["offset"] is None else f" at {one['offset']}"
    file = "" if one["file"] is None else f", {one['file']}{offset}"
    return f"{one['part']}{index}{file}: {message}"
