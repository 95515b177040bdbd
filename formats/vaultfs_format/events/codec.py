"""Encoding and decoding of audit events: MessagePack arrays that begin with type, time and session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta

from vaultfs_format.errors import FieldInvalid, LimitExceeded, Structure
from vaultfs_format.events import disclosures, keys, records, session, vault  # each has its part of the classes
from vaultfs_format.events.base import Event, EventType, Id, Time, UnknownEvent, number_of
from vaultfs_format.layout import Buffer

_MODULES = (vault, session, records, disclosures, keys)


def _classes() -> Iterator[type[Event]]:
    for module in _MODULES:
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, Event) and number_of(found):
                yield found


CLASSES: Mapping[EventType, type[Event]] = MappingProxyType(
    {EventType(number_of(found)): found for found in sorted(_classes(), key=number_of)}
)
"""The class of each type of event, by ascending number."""


class _Beginning(msgspec.Struct, array_like=True):
    type: Annotated[int, Meta(ge=1, le=(1 << 16) - 1)]
    at: Time
    session: Id


def _plain(value: object) -> bytes:
    if isinstance(value, bytes):  # ids have classes of their own
        return bytes(value)
    raise TypeError


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_known: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(reduce(or_, CLASSES.values()))
_beginning = msgspec.msgpack.Decoder(_Beginning)

encode_part = _encoder.encode
"""Encodes a field, for who puts an event together from encoded pieces."""


def encode_event(event: Event) -> bytes:
    """Return the bytes of an event.

    Raises
    ------
    LimitExceeded
        A field is not within its bounds: nobody could read the event.
    """
    if isinstance(event, UnknownEvent):
        return event.raw
    data = _encoder.encode(event)
    try:
        _known.decode(data)
    except msgspec.MsgspecError:
        pass
    else:
        return data
    raise LimitExceeded(structure=Structure.AUDIT_ENTRY)  # here, where no error that holds data is its context


def decode_event(data: Buffer) -> Event:
    """Parse an event; of one of a type that is not known, no more than its beginning.

    Of a known type all fields must be there, each in its shortest form: what is encoded again is the same.

    Raises
    ------
    FieldInvalid
    """
    try:
        event = _known.decode(data)
        if _encoder.encode(event) == data:
            return event
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass  # logs have millions of them: `suppress` would be felt
    with suppress(msgspec.MsgspecError, RecursionError):
        found = _beginning.decode(data)
        if found.type not in CLASSES:
            return UnknownEvent(found.at, found.session, found.type, bytes(data))
    raise FieldInvalid(structure=Structure.AUDIT_ENTRY, rule=5)  # here, where no error that holds data is its context


def event_start(type: EventType, at: int, session_id: bytes) -> bytes:
    """Return what an encoded event begins with: all that is common to all."""
    return b"".join((_START[type], encode_part(at), ID, session_id))


ID = b"\xc4\x10"
"""What stands before sixteen bytes."""

_START: Mapping[EventType, bytes] = {
    kind: bytes([0x90 + 1 + len(found.__struct_fields__)]) + encode_part(kind.value) for kind, found in CLASSES.items()
}
"""What an event begins with: an array of so many, its type. None has more than fifteen."""
