"""NDJSON, and how it is told from a JSON text over several lines."""

from __future__ import annotations

import json

import pytest

from tests.vaultfs.interop.support import facts_of, pieces_of, run
from vaultfs.errors import FieldMalformed, JsonMalformed, JsonTooDeep, NotAResource
from vaultfs.interop.fhir import FhirAdapter

P1 = b'{"resourceType":"Patient","id":"1"}'
P2 = b'{"resourceType":"Patient","id":"2"}'


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b" \n \t\r\n", b"\n\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_each_line_is_a_record(ending: bytes, last: bool) -> None:
    source = P1 + ending + P2 + (ending if last else b"")
    one, two = pieces_of(FhirAdapter, source)
    assert (one.before, one.data, one.after) == (b"", P1, ending)
    assert (two.before, two.data, two.after) == (b"", P2, ending if last else b"")


def test_a_byte_order_mark_and_blank_lines_come_before_the_first_record() -> None:
    one, two = pieces_of(FhirAdapter, b"\xef\xbb\xbf\n \n" + P1 + b"\n" + P2)
    assert one.before == b"\xef\xbb\xbf\n \n"
    assert two.data == P2


def test_a_single_line_is_a_single_resource() -> None:
    for source in (P1, P1 + b"\n", P1 + b"\r\n\n"):
        (piece,) = pieces_of(FhirAdapter, source)
        assert piece.data == P1


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (P1[:-1], JsonMalformed),
        (P1 + b"}", JsonMalformed),
        (b"oops", JsonMalformed),
        (b'{"a":"\xff"}', JsonMalformed),
        (b"{}", NotAResource),
        (b"[]", NotAResource),
        (b"7", NotAResource),
        (b'{"resourceType":"Bundle","entry":7}', FieldMalformed),
        (b"[" * 1000, JsonTooDeep),
        (b"[]" * 1000, JsonMalformed),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_line_is_a_problem_and_the_others_stand(line: bytes, problem: type, place: int) -> None:
    lines = [P1, P2]
    lines.insert(place, line)
    pieces = pieces_of(FhirAdapter, b"\n".join(lines) + b"\n")
    assert [piece.data for piece in pieces] == lines
    bad = pieces.pop(place)
    assert type(bad.problem) is problem
    assert [facts_of(piece).kind for piece in pieces] == ["Patient", "Patient"]


def test_a_bundle_on_a_line_is_taken_apart() -> None:
    bundle = b'{"resourceType":"Bundle","entry":[{"resource":' + P1 + b'},{"resource":' + P2 + b"}]}"
    assert [piece.data for piece in pieces_of(FhirAdapter, P2 + b"\n" + bundle + b"\n" + P1)] == [P2, P1, P2, P1]


@pytest.mark.parametrize("indent", [0, 1, 4, "\t"])
def test_a_text_over_several_lines_is_one_text(indent: int | str) -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"resource": json.loads(P1)}, {"resource": json.loads(P2)}]}
    for text in (json.dumps(bundle, indent=indent), json.dumps([json.loads(P1), json.loads(P2)], indent=indent)):
        for ending in ("\n", "\r\n", "\n\n"):
            pieces = pieces_of(FhirAdapter, text.replace("\n", ending).encode())
            assert [facts_of(piece).logical_id for piece in pieces] == ["Patient/1", "Patient/2"]


@pytest.mark.parametrize(
    "text",
    [
        b'{"resourceType":"Bundle","entry":[\n{"resource":' + P1 + b"}]}",
        b'{"resourceType":"Bundle","entry":[{"resource":\n' + P1 + b"}]}",
        b'{"resourceType":"Bundle","entry":[{"resource":' + P2 + b"},\n" + b'{"resource":' + P1 + b"}]}",
        b"[" + P2 + b",\n" + P1 + b"]",
        b"[\n" + P1 + b"]",
    ],
)
def test_a_text_that_breaks_before_an_object_is_one_text(text: bytes) -> None:
    assert pieces_of(FhirAdapter, text)[-1].data == P1


@pytest.mark.parametrize(
    "text",
    [
        b'{"resourceType":"Bundle",\n"entry":[\n{"resource":' + P1 + b"}\n",
        b'{"resourceType":"Patient",\n"id":"1"',
        b'{\n"resourceType":"Patient",\n"id":"1\n"}',
        b"{\n" + b'"resourceType":"Patient"}' + b"\n" + P1,
    ],
)
def test_a_damaged_text_over_several_lines_is_refused_whole(text: bytes) -> None:
    outcome = run(FhirAdapter, text)
    assert isinstance(outcome.error, JsonMalformed)
    assert outcome.pieces == ()


def test_a_first_line_that_ends_inside_a_string_is_a_damaged_line() -> None:
    one, two = pieces_of(FhirAdapter, b'{"resourceType":"Patient","id":"\n' + P2)
    assert isinstance(one.problem, JsonMalformed)
    assert two.data == P2
