"""Sources that are deeper or larger than an adapter reads at once."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from tests.vaultfs.interop.support import facts_of, flowing, joined, pieces_of, run
from vaultfs.errors import JsonMalformed, JsonTooDeep, NotAResource, PieceTooLarge, SourceError
from vaultfs.interop.fhir import FhirAdapter

P1 = b'{"resourceType":"Patient","id":"1"}'


def bundle(*entries: bytes) -> bytes:
    return b'{"resourceType":"Bundle","entry":[' + b",".join(entries) + b"]}"


def error_of(data: bytes, maximum: int = 1 << 26) -> type[SourceError]:
    outcome = run(FhirAdapter, data, maximum)
    assert outcome.error is not None
    return type(outcome.error)


# Depth. ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [130, 10_000, 10_000_000])
@pytest.mark.parametrize(
    "form",
    [
        "array",
        "object",
        "element",
        "resource in a bundle",
        "closed",
    ],
)
def test_deep_nesting_is_refused_without_recursion_or_memory(levels: int, form: str) -> None:
    source = {
        "array": b"[" * levels,
        "object": b'{"a":' * min(levels, 5_000_000),
        "element": b'{"resourceType":"Patient","a":' + b"[" * levels,
        "resource in a bundle": bundle(b'{"resource":{"resourceType":"Patient","a":%s}}' % (b"[" * levels)),
        "closed": b'{"resourceType":"Patient","a":' + b"[" * levels + b"]" * levels + b"}",
    }[form]
    tracemalloc.start()
    try:
        assert error_of(source) is JsonTooDeep
        assert tracemalloc.get_traced_memory()[1] < 4 * len(source) + 5_000_000
    finally:
        tracemalloc.stop()


def test_nesting_up_to_the_limit_is_read() -> None:
    source = b'{"resourceType":"Basic","a":' + b"[" * 127 + b"]" * 127 + b"}"
    (piece,) = pieces_of(FhirAdapter, source)
    assert facts_of(piece).kind == "Basic"


def test_depth_is_counted_on_a_line_of_ndjson_too() -> None:
    deep = b'{"resourceType":"Basic","a":' + b"[" * 200 + b"]" * 200 + b"}"
    wide = b'{"resourceType":"Basic","a":[' + b",".join([b"[]"] * 200) + b"]}"
    one, two, three = pieces_of(FhirAdapter, b"\n".join([wide, deep, P1]))
    assert facts_of(one).kind == "Basic"
    assert isinstance(two.problem, JsonTooDeep)
    assert facts_of(three).kind == "Patient"


# Sources larger than a record may be. ------------------------------------------------------------------------------

SMALL = 400


def test_a_large_bundle_is_read_entry_by_entry() -> None:
    source = bundle(*[b'{"resource":%s}' % P1] * 100)
    outcome = run(FhirAdapter, source, SMALL, 64)
    assert outcome.error is None
    assert len(outcome.pieces) == 100
    assert joined(outcome.pieces) == source


def test_a_large_array_is_read_item_by_item() -> None:
    source = b"[" + b",".join([P1] * 100) + b"]"
    outcome = run(FhirAdapter, source, SMALL, 64)
    assert outcome.error is None
    assert len(outcome.pieces) == 100


def test_pieces_before_the_damage_of_a_large_source_stand() -> None:
    outcome = run(FhirAdapter, bundle(*[b'{"resource":%s}' % P1] * 100)[:-1], SMALL)
    assert isinstance(outcome.error, JsonMalformed)
    assert len(outcome.pieces) > 90


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b'{"resourceType":"Patient","a":"' + b"x" * 500 + b'"}', PieceTooLarge),
        (b'{"resourceType":"Patient","a":"' + b"x" * 5000 + b'"}', PieceTooLarge),
        (b'{"entry":[%s],"resourceType":"List"}' % (b'{"a":1},' * 100 + b"{}"), PieceTooLarge),
        (b'{"entry":[%s],"resourceType":"Pasta"}' % (b'{"a":1},' * 60 + b"{}"), NotAResource),
        (b'{"entry":[%s]}' % (b'{"a":1},' * 60 + b"{}"), NotAResource),
        (bundle(b'{"resource":{"resourceType":"Basic","a":"' + b"x" * SMALL + b'"}}'), PieceTooLarge),
        (bundle(*[b'{"response":{"status":"200"}}'] * 100), PieceTooLarge),
        (bundle(*[b'{"response":{"status":"200"}}'] * 15), PieceTooLarge),
        (bundle(b'{"resource":%s}' % P1, *[b'{"response":{"status":"200"}}'] * 100), PieceTooLarge),
        (b'"' + b"x" * 500 + b'"', JsonMalformed),
        (b"[" + b" " * 5000 + b"]", PieceTooLarge),
        (b" " * 5000, PieceTooLarge),
        (b"\n".join([b'{"resourceType":"Basic","a":"' + b"x" * SMALL + b'"}', P1]), PieceTooLarge),
        (b"\n".join([P1, b'{"resourceType":"Basic","a":"' + b"x" * SMALL + b'"}']), PieceTooLarge),
    ],
)
def test_what_does_not_fit_is_refused(source: bytes, expected: type[SourceError]) -> None:
    assert error_of(source, SMALL) is expected


def test_a_record_of_exactly_the_maximum_fits() -> None:
    record = b'{"resourceType":"Basic","a":"%s"}' % (b"x" * (SMALL - 31))
    assert len(record) == SMALL
    outcome = run(FhirAdapter, bundle(b'{"resource":%s}' % P1, b'{"resource":%s}' % record), SMALL, 16)
    assert outcome.error is None
    assert [piece.data for piece in outcome.pieces] == [P1, record]


@pytest.mark.parametrize("form", ["bundle", "array", "ndjson"])
def test_memory_does_not_grow_with_the_source(form: str) -> None:
    record = b'{"resourceType":"Basic","a":"%s"}' % (b"x" * 10_000)
    head, body, joint, tail = {
        "bundle": (b'{"resourceType":"Bundle","entry":[', b'{"resource":' + record + b"}", b",", b"]}"),
        "array": (b"[", record, b",", b"]"),
        "ndjson": (b"", record, b"\n", b""),
    }[form]

    def parts() -> Iterator[bytes]:
        yield head + body
        for _ in range(2000):
            yield joint + body
        yield tail

    maximum = 100_000
    tracemalloc.start()
    try:
        count = sum(1 for _ in FhirAdapter(maximum, 16_384).pieces(flowing(parts())))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 2001
    assert peak < 12 * maximum


def test_pieces_of_ndjson_come_before_the_source_has_been_read() -> None:
    def parts() -> Iterator[bytes]:
        yield (P1 + b"\n") * 100
        raise AssertionError("read too far")

    pieces = FhirAdapter(1 << 20, 1024).pieces(flowing(parts()))
    assert next(pieces).data == P1
