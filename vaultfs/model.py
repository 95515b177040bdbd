"""The values that hosts and rooms exchange: who a patient is, when something happened, who asks and why.

All are immutable. What names or dates a person (`Identifier`, `ClinicalDate`, `Principal`) is not shown in their repr.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from enum import IntEnum
from typing import BinaryIO, Self

import msgspec
from vaultfs_format import limits

from vaultfs.errors import ArgumentInvalid

MAX_IDENTIFIER_CHARS = limits.MAX_IDENTIFIER
"""Longest system or value of an identifier, in characters."""


def check_text(text: str, limit: int) -> None:
    """Refuse text that is empty, longer than `limit` characters, or holds half of a surrogate pair.

    Raises
    ------
    ArgumentInvalid
    """
    if not 0 < len(text) <= limit or not _encodable(text):
        raise ArgumentInvalid(length=len(text))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def decoded(data: bytes) -> str | None:
    """Return what bytes are as UTF-8; None where they are none, so that no error holds them."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


class RecordId(bytes):
    """Sixteen bytes that name a record for as long as the vault exists. Random to look at; holds no date."""

    __slots__ = ()

    def __new__(cls, value: bytes) -> Self:
        if len(value) != 16:
            raise ArgumentInvalid(length=len(value))
        return super().__new__(cls, value)

    def __repr__(self) -> str:
        return f"RecordId({self.hex()})"

    __str__ = __repr__


class SubjectId(bytes):
    """Sixteen random bytes that stand for a subject inside one vault."""

    __slots__ = ()

    def __new__(cls, value: bytes) -> Self:
        if len(value) != 16:
            raise ArgumentInvalid(length=len(value))
        return super().__new__(cls, value)

    def __repr__(self) -> str:
        return f"SubjectId({self.hex()})"

    __str__ = __repr__


NOBODY = SubjectId(bytes(16))
"""The subject of records that belong to no subject."""


class Identifier(msgspec.Struct, frozen=True, gc=False):
    """A business identifier: who assigned it, and the value. Never a bare number.

    Parameters
    ----------
    system
        URI of the assigning authority, as in FHIR ``Identifier.system``
        (for an HL7v2 HD with an ISO universal id: ``urn:oid:<id>``).
    value
        The identifier as assigned; compared exactly.
    """

    system: str
    value: str

    def __post_init__(self) -> None:
        for text in (self.system, self.value):
            check_text(text, MAX_IDENTIFIER_CHARS)

    def __repr__(self) -> str:
        return "Identifier()"


class Precision(IntEnum):
    """How much of a clinical date is known (FHIR R4 ``dateTime``; HL7v2 DTM)."""

    YEAR = 1
    MONTH = 2
    DAY = 3
    MINUTE = 4
    SECOND = 5
    MILLISECOND = 6


def _known(when: datetime, precision: Precision) -> datetime:
    """Return `when` with the parts beyond `precision` at their minimum."""
    match precision:
        case Precision.YEAR:
            return datetime(when.year, 1, 1)
        case Precision.MONTH:
            return datetime(when.year, when.month, 1)
        case Precision.DAY:
            return datetime(when.year, when.month, when.day)
        case Precision.MINUTE:
            return when.replace(second=0, microsecond=0)
        case Precision.SECOND:
            return when.replace(microsecond=0)
        case Precision.MILLISECOND:
            return when.replace(microsecond=when.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True)
class ClinicalDate:
    """A date as a record states it: wall-clock time, its precision, and the offset from UTC where one is stated.

    Parameters
    ----------
    when
        Naive wall-clock time; parts beyond `precision` are at their minimum.
    precision
        The last part that the source states.
    offset_minutes
        Minutes east of UTC, or None where the source states none.
    """

    when: datetime = field(repr=False)
    precision: Precision
    offset_minutes: int | None = None

    def __post_init__(self) -> None:
        if self.when.tzinfo is not None or self.when != _known(self.when, self.precision):
            raise ArgumentInvalid(precision=self.precision)
        if self.offset_minutes is not None and abs(self.offset_minutes) >= 24 * 60:
            raise ArgumentInvalid(offset=self.offset_minutes)

    @classmethod
    def of(cls, value: date | datetime | ClinicalDate) -> ClinicalDate:
        """Return `value` as a clinical date: a `date` is known to the day, a `datetime` to the millisecond."""
        if isinstance(value, ClinicalDate):
            return value
        if isinstance(value, datetime):
            offset = value.utcoffset()
            minutes = None if offset is None else round(offset.total_seconds() / 60)
            wall = _known(value.replace(tzinfo=None), Precision.MILLISECOND)
            return cls(wall, Precision.MILLISECOND, minutes)
        return cls(datetime(value.year, value.month, value.day), Precision.DAY)

    def instant(self) -> datetime:
        """Return the earliest instant meant, aware; a missing offset counts as UTC. Saturates at years 1 and 9999."""
        zone = timezone(timedelta(minutes=self.offset_minutes or 0))
        try:
            return self.when.replace(tzinfo=zone).astimezone(UTC)
        except OverflowError:
            return self.when.replace(tzinfo=UTC)


Date = date | datetime | ClinicalDate | None
"""A date as hosts give it: a `date` is known to the day, a `datetime` to the millisecond."""


@dataclass(frozen=True, slots=True)
class PixelData:
    """Where native pixels lie in a record's data, and how: what makes them small to store.

    Source: DICOM PS3.5, sections 8.1.1 and 8.2.

    Parameters
    ----------
    offset
        Of the first byte of pixels within the data.
    length
        Bytes of pixels, of all frames; without padding.
    row
        Bytes of one row: of all samples of its pixels, or of one where each sample has a plane of its own.
    sample
        Bytes of one sample: 1, 2 or 4, the least significant first.
    """

    offset: int
    length: int
    row: int
    sample: int


class NewRecord(msgspec.Struct, frozen=True, gc=False):
    """A record to be stored.

    Parameters
    ----------
    data
        The bytes, kept verbatim; a binary file is read to its end in constant memory.
    kind, media_type
        Names in the vault's registries.
    subject
        Whose record it is; an identifier that nobody has claimed creates a subject. None: nobody's.
    date
        The clinically relevant date.
    replaces
        The record that this is a new version of; it keeps its id.
    before, after
        Bytes stored with the record, in its shred unit, and returned beside it.
    pixels
        Where native pixels lie in `data`. It makes them smaller, and shared by records that differ elsewhere; where it
        is wrong it does no more than cost space.
    """

    data: bytes | BinaryIO
    kind: str
    subject: Identifier | SubjectId | None
    date: Date = None
    media_type: str = "application/octet-stream"
    replaces: RecordId | None = None
    before: bytes = b""
    after: bytes = b""
    pixels: PixelData | None = None

    def __repr__(self) -> str:
        return "<NewRecord>"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: the host's own, non-shared id of a person or service, with the roles that the host vouches for.

    Source: 45 CFR 164.312(a)(2)(i), unique user identification.
    """

    id: str = field(repr=False)
    roles: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        for text in (self.id, *self.roles):
            check_text(text, limits.MAX_PRINCIPAL)
        if len(self.roles) > limits.MAX_ROLES:
            raise ArgumentInvalid(roles=len(self.roles))
