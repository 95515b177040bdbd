"""FHIR AuditEvents: valid by R4, by the profiles of BALP that they state, and by a program of others."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from hypothesis import given, settings
from vaultfs_format.events.base import EventType, Outcome
from vaultfs_format.events.codec import CLASSES
from vaultfs_format.events.keys import SubjectDisposed
from vaultfs_format.events.records import AccessDenied, RecordPut, RecordsSearched, StateSet
from vaultfs_format.registry import builtin_kinds
from vaultfs_format.schemes import ML_DSA_44
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.note import Note, NoteSignature

from tests.vaultfs.audit.exporting.events import AT, EXAMPLES, LATER, LOGGED, OPENED, ORIGIN, SESSION, logged
from tests.vaultfs.audit.exporting.resources import (
    OBSERVATION,
    READ,
    WRITER,
    done,
    of_type,
    problems,
    profile_of,
    written,
)
from vaultfs.access.policy import Action
from vaultfs.audit.exporting import auditcodes
from vaultfs.audit.exporting.auditentities import uuid_of
from vaultfs.audit.exporting.auditevent import MAX_WORD, AuditEvents, Deployment, bundle, decode
from vaultfs.audit.exporting.logged import Logged
from vaultfs.audit.exporting.purposes import PURPOSES
from vaultfs.audit.exporting.shown import ShownLeaf
from vaultfs.errors import ArgumentInvalid


def test_every_type_has_a_row_that_says_where_it_is_from() -> None:
    assert set(auditcodes.TABLE) == set(EventType)
    for kind, row in auditcodes.TABLE.items():
        assert re.fullmatch(r"BALP|REST|PS3\.15 [A-Z][\w ]+(, ISO)?", row.source), kind
        assert row.action in set("CRUDE")
        assert row.failed in {"4", "8"}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.name)
def test_every_class_is_valid_by_the_rules_and_by_a_program_of_others(kind: EventType) -> None:
    for outcome in Outcome:
        event = EXAMPLES[kind]
        if "outcome" in event.__struct_fields__:
            event = msgspec.structs.replace(event, outcome=outcome)
        for session in (OPENED, None):
            resource = written(logged(event, session))
            assert problems(resource) == []
    AuditEvent.model_validate(resource)


@given(LOGGED)
@settings(max_examples=100)
def test_any_event_is_valid_and_the_same_every_time(one: Logged) -> None:
    message = WRITER.event(one)
    assert message.isascii()
    assert b"\n" not in message
    assert AuditEvents(Deployment("emr", "archive.example.org", "north")).event(one) == message
    assert problems(json.loads(message)) == []
    assert decode(message) == ShownLeaf(one.origin, one.index, one.leaf)


@pytest.mark.long
@given(LOGGED)
@settings(max_examples=5000)
def test_any_event_is_valid(one: Logged) -> None:
    resource = written(one)
    assert problems(resource) == []
    AuditEvent.model_validate(resource)


def test_what_the_patterns_are_for_follows_them() -> None:
    found = {kind: profile for kind in CLASSES if (profile := profile_of(done(kind)))}
    assert found == {
        EventType.RECORD_PUT: "PatientUpdate",
        EventType.RECORD_DELETED: "PatientDelete",
        EventType.RECORD_UNDELETED: "PatientUpdate",
        EventType.RECORD_READ: "PatientRead",
        EventType.RECORDS_READ: "PatientRead",
        EventType.RECORDS_SEARCHED: "PatientQuery",
        EventType.SUBJECT_CREATED: "PatientCreate",
        EventType.SUBJECT_SEARCHED: "PatientQuery",
        EventType.IDENTIFIER_ASSERTED: "PatientUpdate",
        EventType.SUBJECTS_LINKED: "PatientUpdate",
        EventType.SUBJECTS_UNLINKED: "PatientUpdate",
        EventType.IDENTIFIERS_LISTED: "PatientRead",
        EventType.SUBJECTS_LISTED: "Query",
        EventType.STATE_SET: "Update",
        EventType.STATE_READ: "Read",
    }


@pytest.mark.parametrize("kind", [EventType.SUBJECT_EXPORTED, EventType.SUBJECT_DISCLOSED])
def test_nobody_passes_for_the_recipient_of_a_disclosure(kind: EventType) -> None:
    """The log has it sealed: neither the host's application nor who acts is the one."""
    resource = written(logged(EXAMPLES[kind]))
    assert problems(resource) == []
    assert profile_of(resource) is None
    roles = [one["type"]["coding"][0]["code"] for one in resource["agent"]]
    assert "110153" in roles
    assert not {"110152", "IRCP"} & set(roles)


def test_what_was_not_done_or_is_not_known_follows_no_pattern() -> None:
    assert profile_of(written(logged(READ))) == "PatientRead"
    for change in ({"outcome": Outcome.FAILED}, {"outcome": Outcome.DENIED}, {"record": None, "kind": 0}):
        assert profile_of(written(logged(msgspec.structs.replace(READ, **change)))) is None
    for nobody in (None, bytes(16)):
        resource = written(logged(msgspec.structs.replace(READ, subject=nobody)))
        assert profile_of(resource) == "Read"
        assert "1" not in {one["type"]["code"] for one in resource["entity"]}


@pytest.mark.parametrize(
    ("event", "profile", "subtype", "action"),
    [
        (RecordPut(AT, SESSION, b"p" * 16, 5, b"r" * 16, 1, Outcome.DONE), "PatientCreate", "create", "C"),
        (StateSet(AT, SESSION, b"t" * 16, 1), "Create", "create", "C"),
        (RecordsSearched(AT, SESSION, b"p" * 16, 0, 1, Outcome.DONE), "PatientQuery", "search-system", "E"),
        (RecordsSearched(AT, SESSION, None, 5, 1, Outcome.DONE), "Query", "search-type", "E"),
        *(
            (AccessDenied(AT, SESSION, b"p" * 16, OBSERVATION, action), None, subtype, letter)
            for action, subtype, letter in [
                (Action.READ, "read", "R"),
                (Action.SEARCH, "search-type", "E"),
                (Action.WRITE, "update", "U"),
                (Action.DELETE, "delete", "D"),
                (Action.EXPORT, "disclose", "R"),
                (Action.ADMINISTER, "110132", "E"),
                (60_000, "110132", "E"),
            ]
        ),
    ],
)  # fmt: skip
def test_some_events_are_coded_by_what_was_done_in_them(
    event: Any, profile: str | None, subtype: str, action: str
) -> None:
    resource = written(logged(event))
    assert problems(resource) == []
    assert (profile_of(resource), resource["subtype"][0]["code"], resource["action"]) == (profile, subtype, action)


def test_outcomes_are_those_of_responses_and_of_a_vault_in_trouble() -> None:
    repaired = EXAMPLES[EventType.SEGMENT_REPAIRED]
    expected = [
        (READ, "0"),
        (msgspec.structs.replace(READ, outcome=Outcome.FAILED), "4"),
        (EXAMPLES[EventType.ACCESS_DENIED], "4"),
        (msgspec.structs.replace(repaired, outcome=Outcome.FAILED), "8"),
        (msgspec.structs.replace(repaired, outcome=Outcome.DONE), "0"),
    ]
    assert [written(logged(event))["outcome"] for event, _ in expected] == [outcome for _, outcome in expected]


def test_the_acting_person_is_the_requestor_with_roles_and_purpose() -> None:
    person, application, vault = written(logged(READ))["agent"]
    assert person["who"] == {"identifier": {"value": "dr-who"}}
    assert person["role"] == [{"text": "auditor"}, {"text": "physician"}]
    treat = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}]}
    assert person["purposeOfUse"] == written(logged(READ))["purposeOfEvent"] == [treat]
    assert application["who"] == {"identifier": {"value": "emr"}}
    assert vault["who"]["identifier"]["value"] == "urn:uuid:01234567-89ab-cdef-0123-456789abcdef"
    assert [one["requestor"] for one in (person, application, vault)] == [True, False, False]
    assert application["network"] == vault["network"] == {"address": "archive.example.org", "type": "1"}


def test_the_vault_asks_for_what_it_does_by_itself_and_nobody_where_it_is_not_known() -> None:
    own = written(logged(SubjectDisposed(AT, bytes(16), b"p" * 16), None))["agent"]
    assert [one["requestor"] for one in own] == [False, True]
    unknown = written(logged(READ, None))
    assert [one["requestor"] for one in unknown["agent"]] == [False, False]
    assert "purposeOfEvent" not in unknown


def test_a_session_is_opened_by_whom_it_is_of() -> None:
    for session in (None, OPENED):
        resource = written(logged(OPENED, session))
        assert resource["agent"][0]["who"] == {"identifier": {"value": "dr-who"}}
        details = {one["type"]: one["valueString"] for one in of_type(resource, "AuditEvent")["detail"]}
        assert details["care_setting"] == "AMB"
        assert not details.keys() & {"principal", "roles", "purpose", "signature"}


def test_a_purpose_that_is_no_code_is_text_and_roles_may_be_none() -> None:
    session = msgspec.structs.replace(OPENED, purpose="reading tea leaves", roles=())
    resource = written(logged(READ, session))
    assert resource["purposeOfEvent"] == [{"text": "reading tea leaves"}]
    assert "role" not in resource["agent"][0]
    assert {"TREAT", "HPAYMT", "HOPERAT", "BTG", "ETREAT", "HRESCH"} <= PURPOSES


def test_an_entity_makes_the_receiver_a_witness() -> None:
    entry = of_type(written(logged(READ, index=12)), "AuditEvent")
    assert entry["what"]["identifier"] == {"system": "urn:uuid:01234567-89ab-cdef-0123-456789abcdef", "value": "12"}
    details = {one["type"]: one["valueString"] for one in entry["detail"]}
    assert details["leaf"] == bytes(range(32)).hex()
    assert (details["type"], details["number"], details["session"]) == ("RECORD_READ", "23", SESSION.hex())
    assert (details["strict"], details["version"], details["kind_name"]) == ("true", "3", "Observation")


def test_patient_and_record_are_named_by_what_the_vault_has_given_them() -> None:
    resource = written(logged(READ))
    system = "urn:uuid:01234567-89ab-cdef-0123-456789abcdef"
    patient = {"type": "Patient", "identifier": {"system": system, "value": (b"p" * 16).hex()}}
    assert of_type(resource, "1")["what"] == patient
    record = {"type": "Observation", "identifier": {"system": system, "value": (b"r" * 16).hex()}}
    assert of_type(resource, "2")["what"] == record
    message = msgspec.structs.replace(READ, kind=builtin_kinds()["hl7v2.ADT"])
    assert "type" not in of_type(written(logged(message)), "2")["what"]


def test_records_that_were_read_together_are_named_by_their_kind() -> None:
    for kind, what in (
        (OBSERVATION, {"type": "Observation", "display": "Observation"}),
        (builtin_kinds()["hl7v2.ADT"], {"display": "hl7v2.ADT"}),
        (40_000, {"display": "40000"}),
    ):
        event = msgspec.structs.replace(EXAMPLES[EventType.RECORDS_READ], kind=kind, outcome=Outcome.DONE)
        assert of_type(written(logged(event)), "2")["what"] == what


def test_a_search_is_what_the_log_has_of_it() -> None:
    patient = f"?subject:identifier=urn:uuid:01234567-89ab-cdef-0123-456789abcdef|{(b'p' * 16).hex()}"
    for event, query in (
        (RecordsSearched(AT, SESSION, b"p" * 16, OBSERVATION, 1, Outcome.DONE), f"Observation{patient}"),
        (RecordsSearched(AT, SESSION, b"p" * 16, 0, 1, Outcome.DONE), patient),
        (RecordsSearched(AT, SESSION, None, 0, 1, Outcome.DONE), "?"),
        (EXAMPLES[EventType.SUBJECT_SEARCHED], "Patient?identifier"),
        (EXAMPLES[EventType.SUBJECTS_LISTED], "Patient"),
    ):
        found = of_type(written(logged(event)), "2")
        assert base64.b64decode(found["query"]).decode() == query


def test_an_event_of_a_later_version_says_that_something_was_done() -> None:
    resource = written(logged(LATER))
    assert problems(resource) == []
    assert resource["type"]["code"] == "110100"
    assert not resource.keys() & {"subtype", "action", "outcome", "meta"}
    details = {one["type"]: one["valueString"] for one in of_type(resource, "AuditEvent")["detail"]}
    assert (details["number"], details["raw"]) == ("60000", LATER.raw.hex())


def test_a_time_that_no_date_can_state_is_said_to_be_unknown() -> None:
    resource = written(logged(SubjectDisposed(1 << 62, bytes(16), b"p" * 16)))
    assert problems(resource) == []
    assert "recorded" not in resource
    assert resource["_recorded"]["extension"][0]["valueCode"] == "unknown"


def test_what_a_string_cannot_hold_is_shown_to_be_missing() -> None:
    session = msgspec.structs.replace(OPENED, principal="a\x00b\u2028c\ud800", roles=("\ufffe",), purpose="\u00a0")
    resource = written(logged(READ, session))
    assert problems(resource) == []
    assert resource["agent"][0]["who"]["identifier"]["value"] == "a\ufffdb\ufffdc\ufffd"


def test_the_same_event_has_the_same_id_and_another_has_another() -> None:
    ids = [
        written(logged(READ, index=index, origin=origin))["id"]
        for index, origin in [(7, ORIGIN), (7, ORIGIN), (8, ORIGIN), (7, "example.com/log"), (7, "vaultfs/short")]
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    assert uuid_of("example.com/log") == uuid_of("example.com/log")


def test_another_event_in_the_same_place_has_another_id() -> None:
    """A vault that was put back goes on with the same indexes: what it sends overwrites no evidence."""
    before = logged(READ)
    assert written(before)["id"] != written(replace(before, leaf=bytes(32)))["id"]
    notes = [Note(Checkpoint(ORIGIN, 15, root).encode(), ()) for root in (bytes(32), b"r" * 32)]
    assert len({json.loads(WRITER.checkpoint(ORIGIN, 15, note))["id"] for note in notes}) == 2


def test_a_checkpoint_is_recorded_when_the_log_has_signed_it() -> None:
    text = Checkpoint(ORIGIN, 15, bytes(32)).encode()
    seconds = 1_700_000_000
    own = NoteSignature(ORIGIN, b"abcd", seconds.to_bytes(8, "big") + bytes(ML_DSA_44.signature_size))
    plain, witness = NoteSignature(ORIGIN, b"efgh", bytes(64)), NoteSignature("witness", own.key_id, own.blob)
    for signatures, recorded in (((plain, own), "2023-11-14T22:13:20.000000Z"), ((plain, witness), None)):
        note = Note(text, signatures)
        resource = json.loads(WRITER.checkpoint(ORIGIN, 15, note))
        assert problems(resource) == []
        AuditEvent.model_validate(resource)
        assert resource.get("recorded") == recorded
        details = {one["type"]: one["valueString"] for one in of_type(resource, "AuditEvent")["detail"]}
        assert details["size"] == "15"
        assert Note.decode(base64.b64decode(details["note"])) == note
    assert [one["requestor"] for one in resource["agent"]] == [False, True]


def test_a_bundle_puts_each_resource_at_its_id() -> None:
    messages = [WRITER.event(logged(READ, index=index)) for index in range(3)]
    found = json.loads(bundle(messages))
    assert (found["resourceType"], found["type"]) == ("Bundle", "transaction")
    for entry, message in zip(found["entry"], messages, strict=True):
        resource = json.loads(message)
        assert entry == {"resource": resource, "request": {"method": "PUT", "url": f"AuditEvent/{resource['id']}"}}


@pytest.mark.parametrize(
    "messages", [[], [b"junk"], [b"\xff"], [b"{}"], [b'{"resourceType":"Patient","id":"1"}'], [b"[" * 100_000]]
)
def test_a_bundle_is_of_audit_events(messages: list[bytes]) -> None:
    with pytest.raises(ArgumentInvalid) as told:
        bundle([*([WRITER.event(logged(READ))] if messages else []), *messages])
    assert told.value.__context__ is None


@pytest.mark.parametrize("address", ["10.0.0.1", "2001:db8::1", "archive.example.org"])
def test_a_machine_has_a_name_or_an_ip_address(address: str) -> None:
    resource = written(logged(READ), AuditEvents(Deployment("emr", address)))
    assert problems(resource) == []
    named = address == "archive.example.org"
    assert resource["agent"][1]["network"] == {"address": address, "type": "1" if named else "2"}
    assert "site" not in resource["source"]


@pytest.mark.parametrize("word", ["", " ", "a\x00", "a" * (MAX_WORD + 1), "\ud800"], ids=repr)
def test_a_deployment_is_told_in_words_that_fit(word: str) -> None:
    for words in ((word, "host"), ("emr", word), ("emr", "host", word)):
        with pytest.raises(ArgumentInvalid):
            Deployment(*words)
