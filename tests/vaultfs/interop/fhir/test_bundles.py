"""Which bytes of a FHIR source belong to which record."""

from __future__ import annotations

import json

import pytest

from tests.vaultfs.interop.support import facts_of, fhir_facts, pieces_of, run
from vaultfs.errors import (
    FieldMalformed,
    JsonMalformed,
    NotAResource,
    SourceError,
)
from vaultfs.interop.fhir import FhirAdapter
from vaultfs.kinds import FHIR

P1 = b'{"resourceType":"Patient","id":"1"}'
P2 = b'{"resourceType":"Patient","id":"2"}'
O1 = b'{"resourceType":"Observation","id":"9","subject":{"reference":"Patient/1"}}'


def bundle(*entries: bytes, kind: bytes = b"transaction") -> bytes:
    return b'{"resourceType":"Bundle","type":"' + kind + b'","entry":[' + b",".join(entries) + b"]}"


def datas(data: bytes) -> list[bytes]:
    return [piece.data for piece in pieces_of(FhirAdapter, data)]


def error_of(data: bytes, maximum: int = 1 << 26) -> type[SourceError]:
    outcome = run(FhirAdapter, data, maximum)
    assert outcome.error is not None
    return type(outcome.error)


@pytest.mark.parametrize(
    "kind", [b"transaction", b"batch", b"collection", b"document", b"message", b"history", b"searchset"]
)
def test_a_bundle_of_any_type_is_its_resources(kind: bytes) -> None:
    source = bundle(b'{"resource":%s}' % P1, b'{"resource":%s}' % O1, kind=kind)
    assert datas(source) == [P1, O1]


def test_gap_bytes_up_to_the_full_url_belong_to_the_record_and_others_to_the_one_before() -> None:
    first = b'{"fullUrl":"urn:uuid:a","resource":%s,"request":{"method":"POST"}}' % P1
    second = b'{"fullUrl":"urn:uuid:b","resource":%s}' % O1
    one, two = pieces_of(FhirAdapter, b" " + bundle(first, second) + b"\n")
    assert one.before.endswith(b'"entry":[{"fullUrl":"urn:uuid:a","resource":')
    assert one.after == b',"request":{"method":"POST"}},'
    assert two.before == b'{"fullUrl":"urn:uuid:b","resource":'
    assert two.after == b"}]}\n"


def test_the_keys_of_an_entry_may_come_in_any_order() -> None:
    entry = b'{"request":{"method":"PUT","url":"Patient/1"},"resource":%s,"fullUrl":"http://a/Patient/1"}' % P1
    one, two = pieces_of(FhirAdapter, bundle(entry, b'{"resource":%s}' % O1))
    assert one.before.endswith(b'[{"request":{"method":"PUT","url":"Patient/1"},"resource":')
    assert facts_of(one).own_references == ("http://a/Patient/1", "Patient/1")
    assert two.before == b'{"resource":'


def test_entries_without_a_resource_belong_to_the_record_before() -> None:
    gone = b'{"fullUrl":"urn:uuid:x","request":{"method":"DELETE"}}'
    one, two = pieces_of(
        FhirAdapter, bundle(gone, b'{"resource":%s}' % P1, gone, b'{"resource":null}', b'{"resource":%s}' % O1)
    )
    assert gone in one.before
    assert one.after == b"}," + gone + b',{"resource":null},'
    assert two.before == b'{"resource":'


@pytest.mark.parametrize(
    "source",
    [
        b'{"resourceType":"Bundle","type":"searchset","total":0}',
        b'{"resourceType":"Bundle","id":"b","type":"batch-response","timestamp":"2020-01-02T03:04:05Z","entry":[]}',
        bundle(b'{"response":{"status":"201"}}', b'{"response":{"status":"404"}}', kind=b"transaction-response"),
        b'{"resourceType":"Bundle","entry":null}',
        b" [ ] \n",
    ],
)
def test_a_source_without_a_record_is_kept_whole_as_a_bundle(source: bytes) -> None:
    (piece,) = pieces_of(FhirAdapter, source)
    assert piece.data == source
    facts = facts_of(piece)
    assert facts.kind == "Bundle"
    assert facts.media_type == "application/fhir+json"


def test_a_bundle_kept_whole_has_its_own_facts() -> None:
    (piece,) = pieces_of(FhirAdapter, b'{"id":"b","timestamp":"2020","entry":[],"resourceType":"Bundle"}')
    facts = facts_of(piece)
    assert facts.logical_id == "Bundle/b"
    assert facts.date is not None


def test_the_resource_type_may_come_last_as_sorted_keys_have_it() -> None:
    source = b'{"entry":[{"resource":{"id":"1","resourceType":"Patient"}}],"resourceType":"Bundle"}'
    assert datas(source) == [b'{"id":"1","resourceType":"Patient"}']


def test_entries_of_a_resource_that_is_no_bundle_are_its_own() -> None:
    for source in (
        b'{"resourceType":"List","entry":[{"item":{"reference":"Observation/1"}}]}',
        b'{"entry":[{"resource":{}},7],"resourceType":"List"}',
        b'{"resourceType":"List","entry":{"odd":1}}',
    ):
        (piece,) = pieces_of(FhirAdapter, source)
        assert piece.data == source
        assert facts_of(piece).kind == "List"


def test_a_bundle_in_a_bundle_is_taken_apart_so_that_each_patient_gets_his_own() -> None:
    inner = bundle(b'{"fullUrl":"urn:uuid:i","resource":%s}' % P1, b'{"resource":%s}' % P2)
    outer = bundle(b'{"resource":%s}' % O1, b'{"fullUrl":"urn:uuid:o","resource":%s}' % inner, b'{"resource":%s}' % P1)
    zero, one, two, three = pieces_of(FhirAdapter, outer)
    assert [zero.data, one.data, two.data, three.data] == [O1, P1, P2, P1]
    assert one.before.startswith(b'{"fullUrl":"urn:uuid:o","resource":{"resourceType":"Bundle"')
    assert two.after == b"}]}},"


def test_an_empty_bundle_in_a_bundle_is_a_record() -> None:
    inner = bundle()
    assert datas(bundle(b'{"resource":%s}' % P1, b'{"resource":%s}' % inner)) == [P1, inner]


def test_an_array_is_its_resources_and_bundles() -> None:
    source = b"[\n " + P1 + b" ,\n" + bundle(b'{"resource":%s}' % O1) + b"]"
    one, two = pieces_of(FhirAdapter, source)
    assert (one.data, two.data) == (P1, O1)
    assert one.before == b"[\n "
    assert one.after == b" ,\n"


@pytest.mark.parametrize("lead", [b"", b"\xef\xbb\xbf", b"\n\n  \t\r\n", b"\xef\xbb\xbf\n"])
def test_byte_order_mark_and_white_space_come_before_the_record(lead: bytes) -> None:
    (piece,) = pieces_of(FhirAdapter, lead + P1 + b" \n")
    assert (piece.before, piece.data, piece.after) == (lead, P1, b" \n")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (b'{"resourceType":"Patient","id":"1"', "the end is missing"),
        (bundle(b'{"resource":%s}' % P1)[:-1], "the bundle's end is missing"),
        (bundle(b'{"resource":%s}' % P1)[:-2], "the array's end is missing"),
        (bundle(b'{"resource":%s}' % P1) + b"x", "something follows"),
        (bundle(b'{"resource":%s}' % P1) + b"\x00", "padding follows"),
        (b"[" + P1 + b",]", "a comma too many"),
        (b"[" + P1 + P2 + b"]", "a comma too few"),
        (b"[" + P1, "the array ends early"),
        (b'{"resourceType":"Patient","a":[}]}', "brackets cross"),
        (b'{"resourceType":"Patient","a":nul}', "no literal"),
        (b'{"resourceType":"Patient","a":01}', "no number"),
        (b'{"resourceType":"Patient","a":"\x01"}', "a control character"),
        (b'{"resourceType":"Patient","a":"\xff"}', "no UTF-8"),
        (b'{"resourceType":"Patient","a":"\\ud800"}', "half a surrogate"),
        (b'{"resourceType":"Patient",a:1}', "a name without quotes"),
        (b'{"resourceType" "Patient"}', "no colon"),
        (b'{"resourceType":"Patient","a":}', "no value"),
        (b'{"resourceType":"Patient" "a":1}', "no comma"),
        (b'{"resourceType":"Patient","a":"', "an open string"),
        (b'{"resourceType":"Patient","a":tru', "an open literal"),
        (b"{'resourceType':'Patient'}", "single quotes"),
        (bundle(b'{"resource":%s,"request":{"method":PUT}}' % P1), "ill-formed beside a resource"),
        (bundle(b'{"request":{"method":PUT}}'), "ill-formed without a resource"),
        (bundle(b'{"resource":{"resourceType":"Patient",}}'), "an ill-formed resource"),
        (bundle(b'{"resource":nil}'), "an ill-formed value for a resource"),
        (bundle(b"nil"), "an ill-formed value for an entry"),
        (b'{"resourceType":"Bundle","total":1.,"entry":[]}', "ill-formed beside the entries"),
        (bundle(b'{"resource":%s,"resource":%s}' % (P1, P2)), "two resources"),
        (bundle(b'{"resource":%s,"resour\\u0063e":%s}' % (P1, P2)), "two resources, one in disguise"),
        (bundle(b'{"fullUrl":"urn:uuid:a","fullUrl":"urn:uuid:b","resource":%s}' % P1), "two urls"),
        (b'{"resourceType":"Bundle","entry":[],"entry":[{"resource":%s}]}' % P1, "two lists of entries"),
        (b'{"resourceType":"Bundle","resourceType":"List","entry":[]}', "two types"),
        (b"", "nothing"),
        (b" \n ", "only white space"),
        (b"\xef\xbb\xbf", "only a byte order mark"),
        (b"nil", "no value"),
    ],
)
def test_ill_formed_text_is_refused_whole_before_any_piece(source: bytes, why: str) -> None:
    outcome = run(FhirAdapter, source)
    assert isinstance(outcome.error, JsonMalformed), why
    assert outcome.pieces == ()


@pytest.mark.parametrize("entry", [b'"entry":{}', b'"entry":7', b'"entry":[7]', b'"entry":[null]', b'"entry":[[]]'])
def test_entries_that_are_no_list_of_objects_are_refused(entry: bytes) -> None:
    assert error_of(b'{"resourceType":"Bundle",' + entry + b"}") is FieldMalformed
    assert error_of(b"{" + entry + b',"resourceType":"Bundle"}') is FieldMalformed


@pytest.mark.parametrize(
    "value", [b"{}", b'{"resourceType":"Pasta"}', b'{"resourceType":7}', b'"Patient"', b"7", b"[]"]
)
def test_what_is_no_resource_is_a_problem_of_its_own(value: bytes) -> None:
    good, bad = pieces_of(FhirAdapter, bundle(b'{"resource":%s}' % P1, b'{"resource":%s}' % value))
    assert facts_of(good).kind == "Patient"
    assert bad.data == value
    assert isinstance(bad.problem, NotAResource)


@pytest.mark.parametrize("value", [b"{}", b'{"resourceType":"Pasta"}', b"7", b'"Patient"'])
def test_a_source_that_is_no_resource_is_one_problem(value: bytes) -> None:
    (piece,) = pieces_of(FhirAdapter, value)
    assert piece.data == value
    assert isinstance(piece.problem, NotAResource)


@pytest.mark.parametrize("kind", FHIR)
def test_every_resource_type_of_r4_is_a_kind(kind: str) -> None:
    assert fhir_facts({"resourceType": kind}).kind == kind


@pytest.mark.parametrize("name", ["ReferralRequest", "Sequence", "DeviceUsage", "SubscriptionStatus", "Ingredient"])
def test_types_of_other_releases_are_kept_as_basic(name: str) -> None:
    facts = fhir_facts({"resourceType": name, "id": "1"})
    assert facts.kind == "Basic"
    assert facts.logical_id == f"{name}/1"


def test_json_is_not_changed_by_the_round_through_pieces() -> None:
    """Decimals, escapes and white space stay as they are: the archive keeps what was sent."""
    text = b'{ "resourceType" : "Basic",\n "a" : 72.50, "b":1.0E-7, "c":"\\u00e9\\/" }'
    (piece,) = pieces_of(FhirAdapter, text)
    assert piece.data == text
    assert json.loads(piece.data)["a"] == 72.5
