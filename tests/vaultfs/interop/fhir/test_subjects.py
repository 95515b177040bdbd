"""Whose record a FHIR resource is."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.vaultfs.interop.support import fhir_facts, pieces_of
from vaultfs.errors import FieldMalformed
from vaultfs.interop.fhir import FhirAdapter
from vaultfs.interop.fhir.compartment import OPEN_ELEMENTS, SUBJECT_ELEMENTS
from vaultfs.interop.fhir.resources import KIND_OF
from vaultfs.interop.pieces import SourceIdentifier

Json = dict[str, Any]


def references(resource: Json) -> tuple[str, ...]:
    return fhir_facts(resource).subject_references


def is_refused(text: bytes) -> bool:
    (piece,) = pieces_of(FhirAdapter, text)
    return isinstance(piece.problem, FieldMalformed)


def observation(subject: object, **more: object) -> Json:
    return {"resourceType": "Observation", "subject": subject, **more}


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        ("Observation", "subject"),
        ("Encounter", "subject"),
        ("Condition", "patient"),  # DSTU2
        ("AllergyIntolerance", "patient"),
        ("Immunization", "patient"),
        ("Claim", "patient"),
        ("ExplanationOfBenefit", "patient"),
        ("Coverage", "beneficiary"),
        ("ResearchSubject", "individual"),
        ("ResearchSubject", "subject"),  # R5
        ("EnrollmentRequest", "candidate"),
        ("Task", "for"),
        ("Device", "patient"),
        ("RelatedPerson", "patient"),
        ("SupplyRequest", "deliverTo"),
        ("MedicationStatement", "subject"),
        ("DeviceUsage", "patient"),  # R5
        ("ReferralRequest", "subject"),  # STU3
    ],
)
def test_the_element_that_means_the_patient_is_read(kind: str, element: str) -> None:
    facts = fhir_facts({"resourceType": kind, element: {"reference": "Patient/1"}})
    assert facts.subject_references == ("Patient/1",)
    assert not facts.is_subject


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({"resourceType": "Appointment", "participant": [{"actor": {"reference": "Practitioner/1"}}]}, ()),
        (
            {
                "resourceType": "Appointment",
                "participant": [{"actor": {"reference": "Location/1"}}, {"actor": {"reference": "Patient/1"}}],
            },
            ("Patient/1",),
        ),
        ({"resourceType": "Provenance", "target": [{"reference": "Patient/1"}]}, ("Patient/1",)),
        ({"resourceType": "Schedule", "actor": [{"reference": "Patient/1"}]}, ("Patient/1",)),
        ({"resourceType": "Group", "member": [{"entity": {"reference": "Patient/1"}}]}, ("Patient/1",)),
        ({"resourceType": "Person", "link": [{"target": {"reference": "Patient/1"}}]}, ("Patient/1",)),
        (
            {
                "resourceType": "AuditEvent",
                "agent": [{"who": {"reference": "Patient/2"}}],
                "entity": [{"what": {"reference": "Patient/1"}}],
            },
            ("Patient/1",),
        ),
        ({"resourceType": "Account", "subject": [{"reference": "Patient/1"}]}, ("Patient/1",)),
        ({"resourceType": "Organization", "subject": {"reference": "Patient/1"}}, ()),
    ],
)
def test_elements_below_others_are_read(resource: Json, expected: tuple[str, ...]) -> None:
    assert references(resource) == expected


def test_the_table_names_known_types_only() -> None:
    assert set(SUBJECT_ELEMENTS) <= set(KIND_OF)
    assert {path for paths in SUBJECT_ELEMENTS.values() for path in paths} >= OPEN_ELEMENTS


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Patient/1", "Patient/1"),
        ("Patient/1/_history/2", "Patient/1"),
        ("http://a.example/fhir/Patient/1", "http://a.example/fhir/Patient/1"),
        ("https://a.example/fhir/Patient/1/_history/7", "https://a.example/fhir/Patient/1"),
        ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"),
        ("urn:oid:1.2.3", "urn:oid:1.2.3"),
    ],
)
def test_references_that_may_mean_a_patient_are_kept_without_version(written: str, kept: str) -> None:
    assert references(observation({"reference": written})) == (kept,)


@pytest.mark.parametrize(
    "written",
    [
        "Group/1",
        "Practitioner/1",
        "http://a.example/fhir/Group/1",
        "Patient/",
        "Patient",
        "Patient/1/Observation",
        "xPatient/1",
        "ftp://a/Patient/1",
        "#nobody",
        "#",
        "",
        "Patient?name=x",
        "Patient?identifier=7",
        "Patient?identifier=a|7,b|8",
        "Patient?identifier=a|7&active=true",
        "Patient?identifier=a|",
        "Patient?identifier=a|b|c",
        "Practitioner?identifier=a|7",
        "Patient/" + "1" * 2000,
    ],
)
def test_references_to_anything_else_are_not(written: str) -> None:
    facts = fhir_facts(observation({"reference": written}))
    assert facts.subject_references == ()
    assert facts.identifiers == ()


def test_the_type_of_a_reference_rules() -> None:
    assert references(observation({"reference": "urn:uuid:1", "type": "Group"})) == ()
    assert references(observation({"reference": "urn:uuid:1", "type": "Patient"})) == ("urn:uuid:1",)
    full = "http://hl7.org/fhir/StructureDefinition/Patient"
    assert references(observation({"reference": "urn:uuid:1", "type": full})) == ("urn:uuid:1",)


def test_where_anybody_may_stand_a_urn_means_a_patient_only_if_it_says_so() -> None:
    def target(**reference: str) -> Json:
        return {"resourceType": "Provenance", "target": [reference]}

    assert references(target(reference="urn:uuid:1")) == ()
    assert references(target(reference="urn:uuid:1", type="Patient")) == ("urn:uuid:1",)
    assert fhir_facts({"resourceType": "Provenance", "target": [{"identifier": {"value": "7"}}]}).identifiers == ()


def test_a_logical_reference_gives_the_identifier() -> None:
    number = {"system": "urn:oid:1.2.3", "value": "7"}
    expected = (SourceIdentifier("urn:oid:1.2.3", "7"),)
    assert fhir_facts(observation({"identifier": number})).identifiers == expected
    assert fhir_facts(observation({"identifier": number, "type": "Group"})).identifiers == ()
    both = fhir_facts(observation({"reference": "Patient/1", "identifier": number}))
    assert (both.subject_references, both.identifiers) == (("Patient/1",), expected)
    assert fhir_facts(observation({"reference": "Group/1", "identifier": number})).identifiers == ()


def test_a_conditional_reference_gives_the_identifier() -> None:
    facts = fhir_facts(observation({"reference": "Patient?identifier=http%3A%2F%2Fa.example%2Fmrn%7C7"}))
    assert facts.identifiers == (SourceIdentifier("http://a.example/mrn", "7"),)
    assert facts.subject_references == ()


def test_a_contained_patient_gives_its_identifiers() -> None:
    contained = [
        7,
        {"resourceType": "Group", "id": "p", "identifier": [{"value": "no"}]},
        {"resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:oid:1.2.3", "value": "7"}]},
    ]
    facts = fhir_facts(observation({"reference": "#p"}, contained=contained))
    assert facts.identifiers == (SourceIdentifier("urn:oid:1.2.3", "7"),)
    assert fhir_facts(observation({"reference": "#x"}, contained=contained)).identifiers == ()


@pytest.mark.parametrize("subject", ["Patient/1", 7, {"reference": 7}, {"display": "Jane"}, [], {}, None])
def test_a_subject_of_an_impossible_type_is_a_missing_fact(subject: object) -> None:
    facts = fhir_facts(observation(subject))
    assert facts.subject_references == ()


@pytest.mark.parametrize("subject", ["Patient/1", 7, {"reference": 7}, [{"reference": 7}]])
def test_a_lesser_element_is_not_taken_for_a_better_one_that_cannot_be_read(subject: object) -> None:
    resource = observation(subject, patient={"reference": "Patient/2"})
    assert is_refused(json.dumps(resource).encode())


def test_a_list_of_which_one_cannot_be_read_is_refused() -> None:
    account = {"resourceType": "Account", "subject": [{"reference": "Patient/1"}, "Patient/2"]}
    assert is_refused(json.dumps(account).encode())


def test_a_lesser_element_counts_where_the_better_one_names_no_patient() -> None:
    assert references(observation({"reference": "Group/1"}, patient={"reference": "Patient/2"})) == ("Patient/2",)


def test_a_better_element_hides_a_lesser_one() -> None:
    assert references(observation({"reference": "Patient/1"}, patient={"reference": "Patient/2"})) == ("Patient/1",)


def test_several_patients_are_nobody_and_the_same_one_twice_is_one() -> None:
    def account(*ids: str) -> Json:
        return {"resourceType": "Account", "subject": [{"reference": f"Patient/{one}"} for one in ids]}

    assert references(account("1", "2")) == ()
    assert references(account("1", "1")) == ("Patient/1",)


@pytest.mark.parametrize(
    "text",
    [
        b'{"resourceType":"Observation","subject":{"reference":"Patient/1"},"subject":{"reference":"Patient/2"}}',
        b'[{"resourceType":"Observation","resourceType":"Patient"}]',
        b'{"resourceType":"Patient","id":"1","id":"2"}',
        b'{"resourceType":"Patient","identifier":[],"identifier":[{"value":"7"}]}',
    ],
)
def test_a_name_that_decides_and_stands_there_twice_is_refused(text: bytes) -> None:
    assert is_refused(text)


def test_the_same_name_at_another_level_is_no_repetition() -> None:
    text = b'{"resourceType":"Observation","subject":{"reference":"Patient/1"},"x":{"subject":1,"resourceType":2}}'
    (piece,) = pieces_of(FhirAdapter, text)
    assert piece.facts is not None
    assert piece.facts.subject_references == ("Patient/1",)


def test_a_thousand_references_to_contained_resources_take_no_thousand_readings() -> None:
    """Time grows with the text, not with its square."""
    contained = [{"resourceType": "Patient", "id": str(one)} for one in range(3000)]
    members = [{"entity": {"reference": f"#{one}"}} for one in range(3000)]
    started = time.process_time()
    facts = fhir_facts({"resourceType": "Group", "contained": contained, "member": members})
    assert facts.subject_references == ()
    assert time.process_time() - started < 2
