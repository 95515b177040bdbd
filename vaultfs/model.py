"""The values that hosts and rooms exchange: who a patient is, when something happened, who asks and why.

All are immutable. What names or dates a person (`Identifier`, `ClinicalDate`, `Principal`) is not shown in their repr.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from enum import IntEnum
from typing import Self

from vaultfs.errors import ArgumentInvalid

MAX_IDENTIFIER_CHARS = 1024
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


@dataclass(frozen=True, slots=True)
class Identifier:
    """A business identifier: who assigned it, and the value. Never a bare number.

    Parameters
    ----------
    system
        URI of the assigning authority, as in FHIR ``Identifier.system``
        (for an HL7v2 HD with an ISO universal id: ``urn:oid:<id>``).
    value
        The identifier as assigned; compared exactly.
    """

    system: str = field(repr=False)
    value: str = field(repr=False)

    def __post_init__(self) -> None:
        for text in (self.system, self.value):
            check_text(text, MAX_IDENTIFIER_CHARS)


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


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: the host's own, non-shared id of a person or service, with the roles that the host vouches for.

    Source: 45 CFR 164.312(a)(2)(i), unique user identification.
    """

    id: str = field(repr=False)
    roles: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        for text in (self.id, *self.roles):
            check_text(text, MAX_IDENTIFIER_CHARS)


@dataclass(frozen=True, slots=True)
class PixelData:
    """Where native pixels lie in the bytes of a record, as in DICOM's Pixel Data (7FE0,0010), uncompressed.

    Parameters
    ----------
    offset
        Where the first byte of the pixels lies in the record.
    length
        Bytes of the pixels.
    row
        Bytes of one row: columns, samples a pixel (1 where colours lie in planes), bytes of a sample, multiplied.
    sample
        Bytes of one sample: 1, 2 or 4.

    Source: DICOM PS3.5 section 8 and PS3.3 section C.7.6.3.
    """

    offset: int
    length: int
    row: int
    sample: int
