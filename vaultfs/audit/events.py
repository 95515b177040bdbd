"""Audit events: what happened, when, in which session, to which record of which subject, with which outcome."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from enum import IntEnum
from functools import lru_cache
from itertools import count
from typing import NamedTuple

import msgspec
from vaultfs_format import audit
from vaultfs_format.suite import Suite

from vaultfs.errors import FieldInvalid, Structure

_LENGTH = 4


NOBODYS_SESSION = bytes(16)
"""The session of acts of the vault itself."""


class EventType(IntEnum):
    """What happened."""

    VAULT_CREATED = 1
    VAULT_OPENED = 2
    VAULT_CLOSED = 3
    RECOVERED = 4
    SETTLED = 5
    ACCESS_MERGED = 6
    ROLLBACK_ACCEPTED = 7
    SEGMENT_REPAIRED = 8
    REPAIR_CLAIMED = 11
    COPY_CLAIMED = 12
    RESTORE_CLAIMED = 13
    MIRRORING_SET = 14
    RECIPIENT_ADDED = 15
    ESCROW_DRILLED = 16
    RECIPIENT_REMOVED = 17
    RECIPIENT_RENEWED = 18
    SESSION_OPENED = 10
    RECORD_PUT = 20
    RECORD_DELETED = 21
    RECORD_UNDELETED = 22
    RECORD_READ = 23
    RECORDS_SEARCHED = 24
    VERSIONS_LISTED = 25
    RECORDS_READ = 26
    SUBJECT_CREATED = 30
    SUBJECT_SEARCHED = 31
    IDENTIFIER_ASSERTED = 32
    SUBJECTS_LINKED = 33
    SUBJECTS_UNLINKED = 34
    STATE_SET = 40
    STATE_READ = 41
    SUBJECT_EXPORTED = 50
    SOURCE_COMPARED = 51
    ACCESS_DENIED = 60
    EPOCH_TURNING = 70
    SUBJECT_DISPOSED = 71
    EPOCH_TURNED = 72
    SECRETS_DESTROYED = 73
    COPY_KEYS_CONFIRMED = 74
    COPY_GIVEN_UP = 75
    KEY_STATE_SET = 76
    CRYPTOPERIOD_SET = 77
    SECRET_KEPT = 78
    KEY_STATE_PASSED = 79
    KEY_REFUSED = 80
    KEY_RISK_ACCEPTED = 81
    SIGNER_ADDED = 82
    REENCRYPTION_BEGUN = 83
    SEGMENTS_REENCRYPTED = 84
    REENCRYPTION_ENDED = 85


class Outcome(IntEnum):
    """How it ended."""

    DONE = 0
    DENIED = 1
    FAILED = 2


class Event(msgspec.Struct, frozen=True, array_like=True):
    """One event.

    Parameters
    ----------
    type
        `EventType`.
    at
        Microseconds since 1970-01-01T00:00Z.
    session
        Random id of the session; zero for acts of the vault itself.
    subject, record
        Surrogate of the subject and record id, empty where not concerned.
    version
        Version of the record or state; a count for searches and acts of the vault; of a created subject, how many
        identifiers it was created by (none or one); for a denial the action; of secrets of epochs the epoch.
    outcome
        `Outcome`.
    detail
        For `SESSION_OPENED`: principal and purpose, as msgpack. Else empty.
    """

    type: int
    at: int
    session: bytes
    subject: bytes = b""
    record: bytes = b""
    version: int = 0
    outcome: int = 0
    detail: bytes = b""

    def __repr__(self) -> str:
        return f"<Event {self.type} outcome {self.outcome}>"


class SessionDetail(msgspec.Struct, frozen=True, array_like=True):
    """Who opened a session, and why."""

    principal: str
    roles: tuple[str, ...]
    purpose: str

    def __repr__(self) -> str:
        return "<SessionDetail>"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Event)
_details = msgspec.msgpack.Decoder(SessionDetail)
encode_detail = _encoder.encode
encode_event: Callable[[Event], bytes] = _encoder.encode

_START = {kind: b"\x98" + encode_detail(int(kind)) for kind in EventType}
"""What an event begins with: an array of eight, its type."""

_ID = b"\xc4\x10"
"""What stands before sixteen bytes."""

_ENDING = encode_detail(Outcome.DONE) + encode_detail(b"")
_NO_RECORD = encode_detail(b"")
FIRST_VERSION = encode_detail(1) + _ENDING
"""What follows the record id in the event of a record's first version."""


def record_event_start(kind: EventType, at: int, session: bytes, subject: bytes) -> bytes:
    """Return what an encoded event, of a record, begins with: all that stands before the record id.

    ``record_event_start(...) + record_id + record_event_end(version)`` is the encoded event.
    """
    return b"".join((_START[kind], encode_detail(at), _ID, session, _ID, subject, _ID))


def subject_event(kind: EventType, at: int, session: bytes, subject: bytes, count: int) -> bytes:
    """Return the encoded event of an act that concerns a subject and no record."""
    start = (_START[kind], encode_detail(at), _ID, session, _ID, subject, _NO_RECORD)
    return b"".join((*start, encode_detail(count), _ENDING))


def record_event_end(version: int) -> bytes:
    """Return what an encoded event of a record ends with: all that stands after the record id."""
    return encode_detail(version) + _ENDING


def decode_detail(event: Event) -> SessionDetail:
    """Return the detail of a `SESSION_OPENED` event.

    Raises
    ------
    FieldInvalid
    """
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return _details.decode(event.detail)
    raise FieldInvalid(structure=Structure.AUDIT_ENTRY)  # here, where no error that holds the detail is its context


MAX_CHUNK = 512 * 1024
"""Bytes after which the events of a commit go on in another chunk, so that each fits a frame."""


class Sealable(NamedTuple):
    """Events on their way into a group: the bytes to seal, in chunks, and the commitment of each event."""

    chunks: list[bytes]
    commitments: list[bytes]


def sealable(suite: Suite, events: Sequence[bytes]) -> Sealable:
    """Return encoded events, each with a fresh salt, in chunks, and their commitments."""
    salts = os.urandom(audit.SALT * len(events))
    salted = [salts[at : at + audit.SALT] + data for at, data in zip(count(0, audit.SALT), events, strict=False)]
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
    return Sealable(chunks, audit.commitments(suite, salted))


@lru_cache(256)
def _length(length: int) -> bytes:
    return length.to_bytes(_LENGTH, "little")


def unsealed(suite: Suite, body: bytes) -> Iterator[tuple[Event, bytes]]:
    """Yield the events of an opened audit body with their commitments.

    Raises
    ------
    FieldInvalid
    """
    at = 0
    while at < len(body):
        length = int.from_bytes(body[at : at + _LENGTH], "little")
        start = at + _LENGTH + audit.SALT
        data = body[start : start + length]
        if len(data) != length:
            raise FieldInvalid(structure=Structure.AUDIT_ENTRY)
        try:
            event = _decoder.decode(data)
        except msgspec.MsgspecError:
            raise FieldInvalid(structure=Structure.AUDIT_ENTRY) from None
        yield event, audit.commitment(suite, body[at + _LENGTH : start + length])
        at = start + length


class _About(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an event begins with, up to its subject."""

    type: int
    at: int
    session: bytes
    subject: bytes

    def __repr__(self) -> str:
        return "<_About>"


_about = msgspec.msgpack.Decoder(_About)


def subjects_in(body: bytes) -> Iterator[bytes]:
    """Yield the subject of each event of an opened audit body, empty where there is none.

    Raises
    ------
    FieldInvalid
    """
    at, decode = 0, _about.decode
    while at < len(body):
        start = at + _LENGTH + audit.SALT
        at = start + int.from_bytes(body[at : at + _LENGTH], "little")
        try:
            yield decode(body[start:at]).subject
        except msgspec.MsgspecError:
            raise FieldInvalid(structure=Structure.AUDIT_ENTRY) from None
