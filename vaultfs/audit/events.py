"""Audit events on their way into a commit and back: encoded, salted, in chunks, each with its commitment.

What they are is `vaultfs_format.events`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import NamedTuple

import msgspec
from vaultfs_format import audit
from vaultfs_format.events.base import NOBODYS_SESSION, Event, EventType, Outcome, UnknownEvent
from vaultfs_format.events.codec import CLASSES, ID, decode_event, encode_event, encode_part, event_start
from vaultfs_format.suite import Suite

from vaultfs.errors import FieldInvalid, Structure

__all__ = [
    "FIRST_VERSION",
    "NOBODYS_SESSION",
    "NOTHING",
    "Event",
    "EventType",
    "Outcome",
    "Sealable",
    "UnknownEvent",
    "decode_event",
    "encode_event",
    "encode_part",
    "encoded",
    "record_event_end",
    "record_event_start",
    "sealable",
    "sealable_each",
    "subject_created_event",
    "unsealed",
]

_LENGTH = 4

_DONE = encode_part(Outcome.DONE)
FIRST_VERSION = encode_part(1) + _DONE
"""What follows the record id in the event of a record's first version."""


def record_event_start(type: EventType, at: int, session: bytes, subject: bytes, kind: int) -> bytes:
    """Return what an encoded event, of a record, begins with: all that stands before the record id.

    ``record_event_start(...) + record_id + record_event_end(version)`` is the encoded event.
    """
    return b"".join((event_start(type, at, session), ID, subject, encode_part(kind), ID))


def record_event_end(version: int) -> bytes:
    """Return what an encoded event of a record ends with: all that stands after the record id."""
    return encode_part(version) + _DONE


def subject_created_event(at: int, session: bytes, subject: bytes, identifiers: int) -> bytes:
    """Return the encoded event of a subject's creation."""
    return b"".join((event_start(EventType.SUBJECT_CREATED, at, session), ID, subject, encode_part(identifiers)))


def encoded(suite: Suite, *events: Event) -> Sealable:
    """Return events as a commit takes them."""
    return sealable(suite, [encode_event(event) for event in events])


MAX_CHUNK = 512 * 1024
"""Bytes after which the events of a commit go on in another chunk, so that each fits a frame."""


class Sealable(NamedTuple):
    """Events on their way into a group: the bytes to seal, in chunks, and the commitment of each event."""

    chunks: list[bytes]
    commitments: list[bytes]

    def __repr__(self) -> str:
        return "<Sealable>"


NOTHING = Sealable([], [])


def sealable(suite: Suite, events: Sequence[bytes]) -> Sealable:
    """Return encoded events, each with a fresh salt, in chunks, and their commitments."""
    return sealable_each(suite, [events])[0]


def sealable_each(suite: Suite, many: Sequence[Sequence[bytes]]) -> list[Sealable]:
    """Return what `sealable` does, of the events of several commits: their salts are drawn at once."""
    events = [event for each in many for event in each]
    salts = os.urandom(audit.SALT * len(events)) if events else b""
    salted = [salts[at : at + audit.SALT] + data for at, data in zip(count(0, audit.SALT), events, strict=False)]
    commitments, found, at = audit.commitments(suite, salted), [], 0
    for each in many:
        end = at + len(each)
        found.append(Sealable(_chunks(salted[at:end]), commitments[at:end]) if each else NOTHING)
        at = end
    return found


def _chunks(salted: Sequence[bytes]) -> list[bytes]:
    chunks: list[bytes] = []
    pieces: list[bytes] = []
    size = 0
    for data in salted:
        pieces += (_length(len(data) - audit.SALT), data)
        size += _LENGTH + len(data)
        if size > MAX_CHUNK:
            chunks.append(b"".join(pieces))
            pieces, size = [], 0
    if pieces:
        chunks.append(b"".join(pieces))
    return chunks


@lru_cache(256)
def _length(length: int) -> bytes:
    return length.to_bytes(_LENGTH, "little")


def salted_in(body: bytes) -> Iterator[bytes]:
    """Yield the events of an opened audit body, each behind its salt.

    Raises
    ------
    FieldInvalid
    """
    at = 0
    while at < len(body):
        start = at + _LENGTH
        at = start + audit.SALT + int.from_bytes(body[at:start], "little")
        if at > len(body) or start + audit.SALT > len(body):
            raise FieldInvalid(structure=Structure.AUDIT_ENTRY)
        yield body[start:at]


def unsealed(suite: Suite, body: bytes) -> Iterator[tuple[Event, bytes]]:
    """Yield the events of an opened audit body with their commitments. Raises as `salted_in` does."""
    for salted in salted_in(body):
        yield decode_event(salted[audit.SALT :]), audit.commitment(suite, salted)


def subject_of(event: Event) -> bytes:
    """Return the surrogate of the subject that an event is about; nothing, or zeros, where it is about nobody."""
    return getattr(event, "subject", None) or b""


class _About(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an event begins with, up to its first field of its own."""

    type: int
    at: int
    session: bytes
    first: object = None

    def __repr__(self) -> str:
        return "<_About>"


_about = msgspec.msgpack.Decoder(_About)
_OF_SUBJECTS = frozenset(int(kind) for kind, found in CLASSES.items() if "subject" in found.__struct_fields__)
"""Types of events that are about a subject, which is then their first field."""


def subjects_in(body: bytes) -> Iterator[bytes]:
    """Yield the subject of each event of an opened audit body, empty where there is none.

    Raises
    ------
    FieldInvalid
    """
    decode, of_subjects = _about.decode, _OF_SUBJECTS
    for salted in salted_in(body):
        try:
            found = decode(salted[audit.SALT :])
        except msgspec.MsgspecError:
            raise FieldInvalid(structure=Structure.AUDIT_ENTRY) from None
        yield found.first if found.type in of_subjects and isinstance(found.first, bytes) else b""
