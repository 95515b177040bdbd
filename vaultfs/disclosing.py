"""What is stated of a disclosure (45 CFR 164.528), and of an agency that wants accounting for those to it suspended."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from vaultfs_format.disclosure import Statement, SuspensionStatement
from vaultfs_format.errors import LimitExceeded
from vaultfs_format.events.disclosures import Basis

from vaultfs.errors import ArgumentInvalid, VaultError

__all__ = ["Basis", "Disclosure", "DisclosureInvalid", "Suspension", "SuspensionInvalid", "microseconds"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class DisclosureInvalid(VaultError, ValueError):
    """The statement of a disclosure lacks recipient, description or purpose, or one of them is too long."""

    code = 2650
    advice = "State all three: 45 CFR 164.528(b)(2) wants them. Each has 1 to 2,048 characters, and so has an address."


class SuspensionInvalid(VaultError, ValueError):
    """A suspension of accounting names nobody, ends before it begins, or is longer than an oral one may be."""

    code = 2651
    advice = "Ask the agency until when; an oral statement holds for 30 days, after which a written one is needed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """To whom something is disclosed, what, and for what.

    Source: 45 CFR 164.528(b)(2).

    Parameters
    ----------
    recipient, address
        Name of the entity or person, and its address where that is known.
    description
        What is disclosed, in brief.
    purpose
        For what, in brief, so that its ground can be understood; or a copy of the request.
    basis
        On what ground.
    date
        The day on which it was, where it is put on record later; no later than tomorrow, in UTC, where it is.

    Raises
    ------
    DisclosureInvalid
    """

    recipient: str = field(repr=False)
    description: str = field(repr=False)
    purpose: str = field(repr=False)
    basis: Basis
    address: str | None = field(default=None, repr=False)
    date: dt.date | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.basis, Basis):
            raise ArgumentInvalid
        self.statement(bytes(16))

    def statement(self, salt: bytes) -> bytes:
        """Return what is kept of it."""
        stated = Statement(salt, self.recipient, self.address, self.description, self.purpose, self.date)
        try:
            return stated.encode()
        except LimitExceeded:
            pass
        raise DisclosureInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """That an agency has stated that accounting for disclosures to it would impede its work.

    Source: 45 CFR 164.528(a)(2). It holds for disclosures to that recipient for oversight or law enforcement.

    Parameters
    ----------
    recipient
        Name of the agency, as it stands in the disclosures; case, blanks and compatible characters do not matter.
    until
        When it ends, with an offset from UTC.
    stated
        When the agency said so; by custom now.
    oral
        Whether it was said and not written: then it ends within 30 days.
    """

    recipient: str = field(repr=False)
    until: dt.datetime
    stated: dt.datetime | None = None
    oral: bool = False

    def statement(self, now: int) -> bytes:
        """Return what is kept of it; `now` in microseconds since 1970.

        Raises
        ------
        SuspensionInvalid
        ArgumentInvalid
            A time has no offset from UTC.
        """
        stated = now if self.stated is None else microseconds(self.stated)
        try:
            return SuspensionStatement(self.recipient, stated, microseconds(self.until), self.oral).encode()
        except LimitExceeded:
            pass
        raise SuspensionInvalid


def microseconds(when: dt.datetime) -> int:
    """Return an instant as events have it.

    Raises
    ------
    ArgumentInvalid
        It has no offset from UTC.
    """
    if when.tzinfo is None:
        raise ArgumentInvalid
    return (when - _EPOCH) // dt.timedelta(microseconds=1)
