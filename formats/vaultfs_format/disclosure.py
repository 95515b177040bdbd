"""What the records of disclosures and suspensions say (SPEC section 16.8): to whom, what, and for what.

They are MessagePack arrays, each part in the shortest form, so that there is one spelling, and one digest, of each.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from vaultfs_format import limits, sha2
from vaultfs_format.errors import FieldInvalid, LimitExceeded, Structure
from vaultfs_format.layout import Buffer
from vaultfs_format.tlog.lines import bounded

Text = Annotated[str, Meta(min_length=1, max_length=limits.MAX_DISCLOSURE_TEXT)]
Salt = Annotated[bytes, Meta(min_length=16, max_length=16)]
Instant = Annotated[int, Meta(ge=0, le=limits.MAX_NUMBER)]

DISCLOSURE_KIND = "vaultfs.disclosure"
SUSPENSION_KIND = "vaultfs.suspension"


class Statement(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What 45 CFR 164.528(b)(2) wants of a disclosure, beside its date and ground, which the event has.

    Parameters
    ----------
    salt
        Random: the event has a digest of this, which nobody who guesses the rest can confirm.
    date
        When it was, where that is not the day of the event.
    """

    salt: Salt
    recipient: Text
    address: Text | None
    description: Text
    purpose: Text
    date: dt.date | None

    def __repr__(self) -> str:
        return "<Statement>"

    def encode(self) -> bytes:
        """Return the bytes of the record.

        Raises
        ------
        LimitExceeded
            A text is empty or too long, or no text.
        """
        return _encoded(self, Statement)

    @classmethod
    def decode(cls, data: Buffer) -> Statement:
        """Parse a whole record.

        Raises
        ------
        FieldInvalid, LimitExceeded
        """
        found = _decoded(data, cls)
        if found is None:
            raise FieldInvalid(structure=Structure.DISCLOSURE, rule=1)
        return found


class SuspensionStatement(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """That an agency has stated that accounting for disclosures to it would impede it (45 CFR 164.528(a)(2)).

    Parameters
    ----------
    stated, until
        Microseconds since 1970-01-01T00:00Z: when it said so, and how long it wants that.
    oral
        Whether it did so orally: that holds for 30 days.
    """

    recipient: Text
    stated: Instant
    until: Instant
    oral: bool

    def __repr__(self) -> str:
        return "<SuspensionStatement>"

    def fits(self) -> bool:
        """Return whether it ends after it begins, and one that was made orally within 30 days."""
        return self.stated < self.until and not (self.oral and self.until - self.stated > limits.MAX_ORAL_SUSPENSION)

    def encode(self) -> bytes:
        """Return the bytes of the record.

        Raises
        ------
        LimitExceeded
            The text is empty or too long, or the time is.
        """
        if not self.fits():
            raise LimitExceeded(structure=Structure.DISCLOSURE)
        return _encoded(self, SuspensionStatement)

    @classmethod
    def decode(cls, data: Buffer) -> SuspensionStatement:
        """Parse a whole record.

        Raises
        ------
        FieldInvalid, LimitExceeded
        """
        found = _decoded(data, cls)
        if found is None or not found.fits():
            raise FieldInvalid(structure=Structure.DISCLOSURE, rule=2)
        return found


def digest_of(statement: Buffer) -> bytes:
    """Return what the event of a disclosure has of its record."""
    return sha2.digest(statement)


_S = TypeVar("_S", Statement, SuspensionStatement)
_encode = msgspec.msgpack.Encoder().encode


def _encoded(statement: _S, kind: type[_S]) -> bytes:
    data = None
    with suppress(TypeError, UnicodeEncodeError, OverflowError):
        data = _encode(statement)
    if data is None or _decoded(data, kind) is None:  # here, where no error that holds data is its context
        raise LimitExceeded(structure=Structure.DISCLOSURE)
    return data


def _decoded(data: Buffer, kind: type[_S]) -> _S | None:
    """Return the statement that stands there; None where there is none, or in another form."""
    bounded(data, limits.MAX_DISCLOSURE, Structure.DISCLOSURE)
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = msgspec.msgpack.decode(data, type=kind)
        return found if _encode(found) == bytes(data) else None
    return None
