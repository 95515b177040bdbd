"""Draws who there is: hospitals, clinicians, and the demographics and identifiers of patients.

Identifiers that a person shares or that are issued nationally lie in ranges that are never issued: social security
numbers of area 000 or of areas 900-999 with groups 01-49 (SSA; outside the IRS's ITIN groups), telephone numbers
555-01xx (NANP), NPIs with a wrong check digit.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache

from vaultfs.testing.synthetic import names
from vaultfs.testing.synthetic.codes import ETHNICITIES, LANGUAGES, MARITAL, RACES, SSN
from vaultfs.testing.synthetic.draw import Draw
from vaultfs.testing.synthetic.life import Address, Clinician, Hospital, Identity, Person

FIRST_BIRTH = date(1930, 1, 1)
LAST_BIRTH = date(2024, 6, 30)
LAST_DAY = date(2025, 6, 30)
"""Nothing is recorded after this day."""

SHARED_MRN = "12345"
"""The record number that two hospitals give to two different patients."""


def address(draw: Draw) -> Address:
    """Draw an address."""
    city, state, code, zip3 = draw.pick(names.TOWNS)
    line = f"{draw.between(1, 1999)} {draw.pick(names.STREETS)}"
    if draw.chance(30):
        line += f" Apt {draw.between(1, 99)}"
    latitude, longitude = draw.decimal(30_000_000, 48_000_000, 6), -draw.decimal(70_000_000, 123_000_000, 6)
    return Address(line, city, state, code, zip3 + draw.digits(2), latitude, longitude)


def phone(draw: Draw) -> str:
    """Draw a telephone number of the range that is kept for fiction."""
    return f"{draw.between(201, 989)}-555-01{draw.digits(2)}"


@cache
def hospitals(seed: int) -> tuple[Hospital, ...]:
    """Return the hospitals of the world that `seed` makes."""
    draw = Draw(seed, "hospitals")
    return tuple(
        Hospital(draw.uuid(), draw.uuid(), name, oid, phone(draw), address(draw)) for name, oid in names.HOSPITALS
    )


@cache
def clinicians(seed: int) -> tuple[Clinician, ...]:
    """Return the clinicians of the world that `seed` makes, four for each hospital."""
    draw = Draw(seed, "clinicians")
    places = [hospital for hospital in hospitals(seed) for _ in range(4)]
    return tuple(_clinician(draw, hospital, number) for number, hospital in enumerate(places))


def _clinician(draw: Draw, hospital: Hospital, number: int) -> Clinician:
    female = draw.chance(50)
    given = draw.pick(names.FEMALE if female else names.MALE)
    gender = "female" if female else "male"
    return Clinician(draw.uuid(), _npi(number), draw.pick(names.FAMILY), given, gender, hospital)


def _npi(number: int) -> str:
    """Return ten digits whose Luhn sum, with the prefix 80840, is not a multiple of ten (45 CFR 162.406)."""
    body = f"199900{number:03d}"
    total = 24 + sum(sum(divmod(2 * int(c), 10)) if i % 2 == 0 else int(c) for i, c in enumerate(body))
    return body + str((-total + 5) % 10)


def person(draw: Draw, number: int, hospital: Hospital) -> Person:
    """Draw the patient `number` of `hospital`."""
    female = draw.chance(52)
    born = draw.day(FIRST_BIRTH, LAST_BIRTH)
    home = address(draw)
    adult = LAST_DAY.year - born.year >= 18
    given = (draw.pick(names.FEMALE if female else names.MALE), draw.pick(names.FEMALE if female else names.MALE))
    return Person(
        id=draw.uuid(),
        family=draw.pick(names.FAMILY),
        given=given[: draw.between(1, 2)],
        prefix=("Ms." if female else "Mr.") if adult else "",
        female=female,
        born=born,
        died=_death(draw, born),
        race=draw.early(RACES),
        ethnicity=draw.early(ETHNICITIES),
        marital=draw.early(MARITAL) if adult else MARITAL[1],
        language=LANGUAGES[0] if draw.chance(85) else draw.pick(LANGUAGES),
        mother=f"{draw.pick(names.FEMALE)} {draw.pick(names.FAMILY)}",
        birth_place=address(draw),
        address=home,
        phone=phone(draw),
        identities=tuple(_identities(draw, number, hospital, adult)),
        hospital=hospital,
        offset=-60 * draw.between(5, 8),
    )


def _death(draw: Draw, born: date) -> datetime | None:
    last = min(born + timedelta(days=365 * draw.bell(60, 104)), LAST_DAY)
    return draw.time(last) if last < LAST_DAY else None


def _identities(draw: Draw, number: int, hospital: Hospital, adult: bool) -> list[Identity]:
    found = [Identity("MR", f"urn:oid:{hospital.oid}", f"MRN{number:04d}{draw.digits(4)}")]
    area = "000" if draw.chance(50) else str(draw.between(900, 999))
    found.append(Identity("SS", SSN, f"{area}-{draw.between(1, 49):02d}-{draw.digits(4)}"))
    if adult:
        # 2.16.840.1.113883.4.3 is HL7's arc for state driver's licences; its next arc is the FIPS code of the state.
        state = f"urn:oid:2.16.840.1.113883.4.3.{draw.pick((25, 39, 41, 48, 53))}"
        found.append(Identity("DL", state, f"S000{draw.digits(6)}"))
    if draw.chance(40):
        found.append(Identity("PPN", "http://hl7.org/fhir/sid/passport-USA", f"X000{draw.digits(5)}"))
    return found


def amount(draw: Draw) -> Decimal:
    """Draw a price in US dollars."""
    return draw.decimal(4_000, 180_000, 2)
