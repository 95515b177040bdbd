"""The event of a disclosure, and under which paragraph of 45 CFR part 164 it was made."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Annotated

from msgspec import Meta

from vaultfs_format.events.base import Count, Event, EventType, Id

Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]


class Basis(IntEnum):
    """On what ground something was disclosed. Numbers never change their meaning."""

    TREATMENT_PAYMENT_OPERATIONS = 1
    INDIVIDUAL = 2
    INCIDENT = 3
    AUTHORIZATION = 4
    DIRECTORY = 5
    NATIONAL_SECURITY = 6
    CUSTODY = 7
    LIMITED_DATA_SET = 8
    BEFORE_COMPLIANCE = 9
    REQUIRED_BY_LAW = 20
    PUBLIC_HEALTH = 21
    ABUSE = 22
    OVERSIGHT = 23
    PROCEEDINGS = 24
    LAW_ENFORCEMENT = 25
    DECEDENTS = 26
    ORGAN_DONATION = 27
    RESEARCH = 28
    SERIOUS_THREAT = 29
    MILITARY = 30
    PROTECTIVE_SERVICES = 31
    MEDICAL_SUITABILITY = 32
    PUBLIC_BENEFITS = 33
    WORKERS_COMPENSATION = 34
    COMPLIANCE = 35
    NOT_PERMITTED = 36
    OTHER = 37

    @property
    def excepted(self) -> bool:
        """Whether it need not be accounted for (45 CFR 164.528(a)(1))."""
        return self <= Basis.BEFORE_COMPLIANCE

    @property
    def suspendable(self) -> bool:
        """Whether its recipient may have accounting for it suspended (45 CFR 164.528(a)(2))."""
        return self in (Basis.OVERSIGHT, Basis.LAW_ENFORCEMENT)

    @property
    def paragraph(self) -> str:
        """Where the ground stands in 45 CFR part 164; empty where it stands nowhere."""
        return _PARAGRAPHS.get(self, "")


_PARAGRAPHS: Mapping[Basis, str] = MappingProxyType(
    {
        Basis.TREATMENT_PAYMENT_OPERATIONS: "164.506",
        Basis.INDIVIDUAL: "164.502(a)(1)(i)",
        Basis.INCIDENT: "164.502(a)(1)(iii)",
        Basis.AUTHORIZATION: "164.508",
        Basis.DIRECTORY: "164.510",
        Basis.NATIONAL_SECURITY: "164.512(k)(2)",
        Basis.CUSTODY: "164.512(k)(5)",
        Basis.LIMITED_DATA_SET: "164.514(e)",
        Basis.BEFORE_COMPLIANCE: "164.528(a)(1)(ix)",
        Basis.REQUIRED_BY_LAW: "164.512(a)",
        Basis.PUBLIC_HEALTH: "164.512(b)",
        Basis.ABUSE: "164.512(c)",
        Basis.OVERSIGHT: "164.512(d)",
        Basis.PROCEEDINGS: "164.512(e)",
        Basis.LAW_ENFORCEMENT: "164.512(f)",
        Basis.DECEDENTS: "164.512(g)",
        Basis.ORGAN_DONATION: "164.512(h)",
        Basis.RESEARCH: "164.512(i)",
        Basis.SERIOUS_THREAT: "164.512(j)",
        Basis.MILITARY: "164.512(k)(1)",
        Basis.PROTECTIVE_SERVICES: "164.512(k)(3)",
        Basis.MEDICAL_SUITABILITY: "164.512(k)(4)",
        Basis.PUBLIC_BENEFITS: "164.512(k)(6)",
        Basis.WORKERS_COMPENSATION: "164.512(l)",
        Basis.COMPLIANCE: "164.502(a)(2)(ii)",
    }
)


class SubjectDisclosed(Event, frozen=True, tag=EventType.SUBJECT_DISCLOSED.value):
    """Something about a subject was disclosed, or is about to be, to somebody who is named (45 CFR 164.528).

    Parameters
    ----------
    subject
        Surrogate of the subject.
    record
        Id of the record that says to whom, what and for what (section 16.8).
    statement
        SHA-256 of that record.
    records
        How many records of the subject were disclosed.
    basis
        On what ground (section 16.8).
    """

    subject: Id
    record: Id
    statement: Digest
    records: Count
    basis: Basis
