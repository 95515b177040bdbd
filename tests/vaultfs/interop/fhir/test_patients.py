"""What a Patient says of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.vaultfs.interop.support import facts_of, fhir_facts, pieces_of
from vaultfs.interop.fhir import FhirAdapter
from vaultfs.interop.pieces import Facts, SourceIdentifier

V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"


def patient(**elements: Any) -> Facts:
    return fhir_facts({"resourceType": "Patient", **elements})


def identified(**identifier: Any) -> tuple[SourceIdentifier, ...]:
    return patient(identifier=[identifier]).identifiers


def test_a_patient_is_a_subject_with_identifiers() -> None:
    facts = patient(id="1", identifier=[{"system": "http://a.example/mrn", "value": " 007 "}], birthDate="1970-01-01")
    assert facts.is_subject
    assert facts.kind == "Patient"
    assert facts.identifiers == (SourceIdentifier("http://a.example/mrn", " 007 "),)
    assert facts.own_references == ("Patient/1",)
    assert facts.logical_id == "Patient/1"
    assert facts.subject_references == ()
    assert facts.date is None


@pytest.mark.parametrize("kind", ["RelatedPerson", "Person", "Practitioner", "Group"])
def test_other_persons_are_no_subjects_and_assert_no_identifiers(kind: str) -> None:
    facts = fhir_facts({"resourceType": kind, "id": "1", "identifier": [{"value": "7"}]})
    assert not facts.is_subject
    assert facts.identifiers == ()
    assert facts.own_references == ()


@pytest.mark.parametrize(
    ("full_url", "own"),
    [
        ("urn:uuid:ab", ("urn:uuid:ab", "Patient/1")),
        ("http://a.example/fhir/Patient/1", ("http://a.example/fhir/Patient/1", "Patient/1")),
        ("http://a.example/fhir/Patient/1/_history/3", ("http://a.example/fhir/Patient/1", "Patient/1")),
        ("Patient/1", ("Patient/1",)),
        ("", ("Patient/1",)),
        (7, ("Patient/1",)),
    ],
)
def test_others_refer_to_a_patient_by_full_url_or_id(full_url: object, own: tuple[str, ...]) -> None:
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"fullUrl": full_url, "resource": {"resourceType": "Patient", "id": "1"}}],
    }
    (piece,) = pieces_of(FhirAdapter, json.dumps(bundle).encode())
    assert facts_of(piece).own_references == own


@pytest.mark.parametrize("system", [V2_0203, "http://hl7.org/fhir/v2/0203", None])
def test_the_type_decides_how_strong_an_identifier_is(system: str | None) -> None:
    def typed(code: str) -> dict[str, Any]:
        return {"coding": [{"code": code} | ({"system": system} if system else {})]}

    assert identified(system="urn:oid:1.2.3", value="7", type=typed("MR"))[0].strong
    assert not identified(system="urn:oid:1.2.3", value="7", type=typed("DL"))[0].strong


def test_a_code_of_another_system_says_nothing() -> None:
    foreign = {"coding": [{"system": "http://a.example/types", "code": "SS"}]}
    assert identified(system="urn:oid:1.2.3", value="7", type=foreign)[0].strong


@pytest.mark.parametrize(
    ("use", "strong"), [("usual", True), ("official", True), ("secondary", True), ("old", False), ("temp", False)]
)
def test_identifiers_that_are_no_longer_or_not_yet_valid_are_weak(use: str, strong: bool) -> None:
    assert identified(system="urn:oid:1.2.3", value="7", use=use)[0].strong is strong


def test_a_missing_system_is_an_empty_authority() -> None:
    assert identified(value="7") == (SourceIdentifier("", "7"),)


@pytest.mark.parametrize(
    "identifier",
    [
        7,
        "7",
        None,
        [],
        {},
        {"value": 7},
        {"value": ""},
        {"value": "7", "system": 5},
        {"value": "7" * 2000},
        {"system": "a"},
    ],
)
def test_an_identifier_of_an_impossible_type_is_a_missing_fact(identifier: object) -> None:
    assert patient(identifier=identifier).identifiers == ()
    assert patient(identifier=[identifier, {"value": "8"}]).identifiers == (SourceIdentifier("", "8"),)


@pytest.mark.parametrize("odd", [7, "SS", {"coding": 7}, {"coding": [7, {"code": 7}]}, {"text": "SS"}, [], None])
def test_a_type_that_cannot_be_read_says_nothing(odd: object) -> None:
    assert identified(system="urn:oid:1.2.3", value="7", type=odd)[0].strong


def test_an_identifier_stated_twice_is_one() -> None:
    assert len(patient(identifier=[{"value": "7"}, {"value": "7"}]).identifiers) == 1


@pytest.mark.parametrize("own_id", [7, None, "", "x" * 2000, "x" * 1020])
def test_an_id_that_is_none_gives_no_reference(own_id: object) -> None:
    facts = patient(id=own_id)
    assert facts.logical_id is None
    assert facts.own_references == ()


def test_escapes_in_names_and_values_are_read() -> None:
    text = b'{"resource\\u0054ype":"Pati\\u0065nt","\\u0069d":"1"}'
    (piece,) = pieces_of(FhirAdapter, text)
    assert facts_of(piece).logical_id == "Patient/1"
