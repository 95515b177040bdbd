"""One spelling for each authority, whichever format states it."""

from __future__ import annotations

import pytest

from tests.vaultfs.interop.support import fhir_facts, hl7_facts
from vaultfs.interop.authorities import WEAK_TYPES, canonical, identifier, is_oid, local
from vaultfs.model import MAX_IDENTIFIER_CHARS

_NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("2.16.840.1.113883.4.1", "http://hl7.org/fhir/sid/us-ssn"),
        ("urn:oid:2.16.840.1.113883.4.1", "http://hl7.org/fhir/sid/us-ssn"),
        ("URN:OID:1.2.3", "urn:oid:1.2.3"),
        (" 1.2.3 ", "urn:oid:1.2.3"),
        ("urn:uuid:AB", "urn:uuid:ab"),
        ("http://Hospital.example/MRN", "http://Hospital.example/MRN"),
        ("MRN", "MRN"),
        ("", ""),
        ("1.2", "1.2"),
        ("3.2.1", "3.2.1"),
        ("1.02.3", "1.02.3"),
    ],
)
def test_an_authority_has_one_spelling(stated: str, expected: str) -> None:
    assert canonical(stated) == expected
    assert canonical(canonical(stated)) == expected


def test_local_names_have_no_colon_and_stay_apart() -> None:
    assert local("A:B") == "A%3AB"
    assert local("A%3AB") == "A%253AB"
    assert local("AB") == "AB"


def test_oids_have_three_arcs_and_no_leading_zeros() -> None:
    assert is_oid("1.2.840.10008")
    assert not is_oid("1.2")
    assert not is_oid("1.2.03")
    assert not is_oid("urn:oid:1.2.3")


@pytest.mark.parametrize("code", ["SS", "DL", "PPN", "AN", "VN", "MB", "SN", "NIIP", "TAX", "MC", "MA", "MRT"])
def test_types_that_persons_share_or_mistype_are_weak(code: str) -> None:
    assert code in WEAK_TYPES
    found = identifier("urn:oid:1.2.3", "7", frozenset({code}))
    assert found is not None
    assert not found.strong


@pytest.mark.parametrize("code", ["MR", "PI", "PE", "PT", "PN", "NI", "NNDEU", "JHN", "SR", "U", "LOCAL"])
def test_types_that_name_one_person_are_strong(code: str) -> None:
    found = identifier("urn:oid:1.2.3", "7", frozenset({code}))
    assert found is not None
    assert found.strong


@pytest.mark.parametrize(
    "authority",
    [
        "http://hl7.org/fhir/sid/us-ssn",
        "http://hl7.org/fhir/sid/us-medicare",
        "http://hl7.org/fhir/sid/passport-USA",
        "urn:oid:2.16.840.1.113883.4.3.25",
        "urn:oid:2.16.840.1.113883.4.330.840",
    ],
)
def test_authorities_of_weak_numbers_make_them_weak_without_a_type(authority: str) -> None:
    found = identifier(authority, "7", _NONE)
    assert found is not None
    assert not found.strong


def test_an_identifier_that_says_nothing_or_too_much_is_none() -> None:
    assert identifier("urn:oid:1.2.3", "", _NONE) is None
    assert identifier("urn:oid:1.2.3", "7" * (MAX_IDENTIFIER_CHARS + 1), _NONE) is None
    assert identifier("x" * (MAX_IDENTIFIER_CHARS + 1), "7", _NONE) is None


def test_a_social_security_number_is_the_same_identifier_in_both_formats() -> None:
    fhir = fhir_facts(
        {
            "resourceType": "Patient",
            "identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "999-12-3456"}],
        }
    )
    by_oid = hl7_facts(b"MSH|^~\\&|A\rPID|1||999-12-3456^^^&2.16.840.1.113883.4.1&ISO^SS\r")
    by_field = hl7_facts(b"MSH|^~\\&|A\rPID" + b"|" * 19 + b"999-12-3456\r")
    assert fhir.identifiers == by_oid.identifiers == by_field.identifiers
