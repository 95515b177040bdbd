"""What all audit events share: their types, how they end, and the kinds of fields that they are made of."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

import msgspec
from msgspec import Meta

Time = Annotated[int, Meta(ge=0)]
"""Microseconds since 1970-01-01T00:00Z."""

Id = Annotated[bytes, Meta(min_length=16, max_length=16)]
"""An id, a surrogate or a token."""

Count = Annotated[int, Meta(ge=0)]

Number = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
"""The number of an epoch, a signer or a store."""

Code = Annotated[int, Meta(ge=0, le=(1 << 16) - 1)]
"""A member of an enumeration or a registry that is kept elsewhere, by its number."""

NOBODYS_SESSION = bytes(16)
"""The session of acts of the vault itself."""


class EventType(IntEnum):
    """What happened. A type keeps its number and its fields for good; what needs others is another type."""

    VAULT_CREATED = 1
    VAULT_OPENED = 2
    VAULT_CLOSED = 3
    RECOVERED = 4
    SETTLED = 5
    ACCESS_MERGED = 6
    ROLLBACK_ACCEPTED = 7
    SEGMENT_REPAIRED = 8
    READER_OPENED = 9
    SESSION_OPENED = 10
    REPAIR_CLAIMED = 11
    COPY_CLAIMED = 12
    RESTORE_CLAIMED = 13
    MIRRORING_SET = 14
    RECIPIENT_ADDED = 15
    ESCROW_DRILLED = 16
    RECIPIENT_REMOVED = 17
    RECIPIENT_RENEWED = 18
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
    IDENTIFIERS_LISTED = 35
    SUBJECTS_LISTED = 36
    SUBJECTS_COMPARED = 37
    STATE_SET = 40
    STATE_READ = 41
    SUBJECT_EXPORTED = 50
    SOURCE_COMPARED = 51
    SUBJECT_ACCOUNTED = 52
    LOG_EXPORTED = 53
    SUBJECT_DISCLOSED = 54
    LOG_PRUNED = 56
    LOG_REPORTED = 57
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
    UNLOCK_FAILED = 86


class Outcome(IntEnum):
    """How it ended."""

    DONE = 0
    DENIED = 1
    FAILED = 2


class Event(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """What every event begins with, after its type.

    Parameters
    ----------
    at
        Microseconds since 1970-01-01T00:00Z.
    session
        Random id of the session; zero for acts of the vault itself.
    """

    at: Time
    session: Id

    @property
    def type(self) -> int:
        """`EventType`, or a number that this version does not know."""
        return EventType(number_of(self.__class__))

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None where that is not known."""
        return Outcome.DONE

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def number_of(kind: type[Event]) -> int:
    """Return the number of a class of events; 0 of one that is what others have in common."""
    tag = kind.__struct_config__.tag
    return tag if isinstance(tag, int) else 0


class UnknownEvent(Event, frozen=True):
    """An event of a type that a later version has added.

    Parameters
    ----------
    number
        Of the type.
    raw
        All bytes of the event.
    """

    number: int
    raw: bytes

    @property
    def type(self) -> int:
        return self.number

    @property
    def outcome(self) -> Outcome | None:
        return None
