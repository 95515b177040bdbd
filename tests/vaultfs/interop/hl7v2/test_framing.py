"""Which bytes of an HL7v2 source belong to which message."""

from __future__ import annotations

import tracemalloc

import pytest

from tests.vaultfs.interop.support import facts_of, flowing, joined, pieces_of, run
from vaultfs.errors import Hl7Malformed, Hl7NoHeader, PieceTooLarge, SourceError
from vaultfs.interop.hl7v2 import Hl7v2Adapter

M1 = b"MSH|^~\\&|A|F|||20200101||ADT^A01|1\rPID|1||7^^^H\r"
M2 = b"MSH|^~\\&|A|F|||20200102||ORU^R01|2\rPID|1||8^^^H\rOBX|1\r"
FHS = b"FHS|^~\\&|A\r"
BHS = b"BHS|^~\\&|A\r"
BTS = b"BTS|2\r"
FTS = b"FTS|1\r"


def parts(data: bytes) -> list[tuple[bytes, bytes, bytes]]:
    return [(piece.before, piece.data, piece.after) for piece in pieces_of(Hl7v2Adapter, data)]


def problems(data: bytes) -> list[type[SourceError] | None]:
    return [type(piece.problem) if piece.problem else None for piece in pieces_of(Hl7v2Adapter, data)]


def test_a_message_is_a_record_with_the_terminator_of_its_last_segment() -> None:
    assert parts(M1) == [(b"", M1, b"")]
    assert parts(M1[:-1]) == [(b"", M1[:-1], b"")]


def test_a_header_alone_is_a_message() -> None:
    for header in (b"MSH|^~\\&", b"MSH|^~\\&\r", b"MSH|^~\\&|\n", b"MSH|^~\\&#|A"):
        assert parts(header) == [(b"", header, b"")]
        assert problems(header) == [None]


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_segments_end_with_cr_lf_or_both(end: bytes) -> None:
    one, two = M1.replace(b"\r", end), M2.replace(b"\r", end)
    assert parts(one + two) == [(b"", one, b""), (b"", two, b"")]
    assert [len(facts_of(piece).identifiers) for piece in pieces_of(Hl7v2Adapter, one + two)] == [1, 1]


def test_terminators_may_be_mixed_and_blank_lines_belong_to_the_message_before() -> None:
    assert parts(M1 + b"\n\r\n" + M2.replace(b"\r", b"\n")) == [
        (b"", M1 + b"\n", b"\r\n"),
        (b"", M2.replace(b"\r", b"\n"), b""),
    ]


@pytest.mark.parametrize("lead", [b"", b"\xef\xbb\xbf", b"\r\n\n ", b"junk\rjunk\r", b"# export of 2020\n"])
def test_what_stands_before_the_first_message_goes_with_it(lead: bytes) -> None:
    assert parts(lead + M1) == [(lead, M1, b"")]


def test_a_batch_is_its_messages() -> None:
    assert parts(FHS + BHS + M1 + M2 + BTS + FTS) == [(FHS + BHS, M1, b""), (b"", M2, BTS + FTS)]


def test_a_file_of_several_batches_is_the_messages_of_all() -> None:
    source = FHS + BHS + M1 + BTS + BHS + M2 + BTS + FTS
    assert parts(source) == [(FHS + BHS, M1, BTS + BHS), (b"", M2, BTS + FTS)]


@pytest.mark.parametrize(
    "source", [FHS + FTS, FHS + BHS + BTS + FTS, BHS, BHS[:-1], b"\xef\xbb\xbf" + BHS + BTS, b"BTS|0", b"FTS"]
)
def test_a_batch_without_a_message_is_kept_whole(source: bytes) -> None:
    (piece,) = pieces_of(Hl7v2Adapter, source)
    assert piece.data == source
    assert facts_of(piece).kind == "hl7v2.batch"
    assert facts_of(piece).media_type == "x-application/hl7-v2+er7"


def test_mllp_framing_is_taken_off() -> None:
    source = b"\x0b" + M1 + b"\x1c\r\x0b" + M2 + b"\x1c\r"
    assert parts(source) == [(b"\x0b", M1, b"\x1c\r"), (b"\x0b", M2, b"\x1c\r")]


def test_mllp_framing_without_a_last_terminator_is_taken_off() -> None:
    assert parts(b"\x0b" + M1[:-1] + b"\x1c\r") == [(b"\x0b", M1[:-1], b"\x1c\r")]
    assert parts(M1 + b"\x1c") == [(b"", M1, b"\x1c")]
    assert parts(M1 + b"\x1c" + M2) == [(b"", M1, b"\x1c"), (b"", M2, b"")]


def test_padding_behind_the_last_segment_is_not_the_message() -> None:
    assert parts(M1 + b"\x1a") == [(b"", M1, b"\x1a")]
    assert parts(M1 + b"\x00" * 9) == [(b"", M1, b"\x00" * 9)]
    assert parts(M1[:-1] + b"  \r") == [(b"", M1[:-1] + b"  \r", b"")]


@pytest.mark.parametrize(
    "text",
    [
        b"second line of a report",
        b"MSH is a segment",
        b"MSHospital",
        b"BHS of the heart",
        b"BTSX",
        b"FHSA",
        b"",
        b"   indented",
        b"Ab|c",
        b"\xff\xfe",
    ],
)
def test_text_that_was_broken_over_lines_stays_in_its_message(text: bytes) -> None:
    message = M2[:-1] + b"|TX|first\r\n" + text + b"\r\nlast\r"
    assert parts(message + M1) == [(b"", message, b""), (b"", M1, b"")]


def test_segments_without_a_header_are_a_problem_and_the_messages_around_them_stand() -> None:
    lost = b"EVN|A04\rPID|1||9\r"
    assert parts(lost + M1) == [(b"", lost, b""), (b"", M1, b"")]
    assert problems(lost + M1) == [Hl7NoHeader, None]
    assert parts(FHS + BHS + lost + BTS) == [(FHS + BHS, lost, BTS)]
    assert problems(M1 + b"\x1c\r" + lost + b"\x0b" + M2) == [None, Hl7NoHeader, None]
    assert problems(M1 + BTS + lost) == [None, Hl7NoHeader]


def test_a_batch_header_inside_a_message_ends_it() -> None:
    """What follows may be another patient's, so it is not taken for the message's own."""
    first, rest = b"MSH|^~\\&|A|F|||20200101||ADT^A01|1\r", b"PID|1||7^^^H\rPV1|1\r"
    assert parts(FHS + BHS + first + BHS + rest + BTS) == [(FHS + BHS, first, BHS), (b"", rest, BTS)]
    assert problems(FHS + BHS + first + BHS + rest + BTS) == [None, Hl7NoHeader]


@pytest.mark.parametrize(
    "header",
    [
        b"MSH",
        b"MSH|",
        b"MSH||",
        b"MSH|^",
        b"MSH|^~",
        b"MSH|^~\\",
        b"MSH||A",
        b"MSH|^^\\&|A",
        b"MSH|^~\\^|A",
        b"MSH^^~\\&^A",
        b"MSH|A~\\&|A",
        b"MSH|^~\\7|A",
        b"MSHA^~\\&A",
        b"MSH7^~\\&7",
        b"MSH\x01^~\\&\x01",
        b"MSH|^~\\ |A",
        b"MSH|^~\\&#%|A",
        b"MSH|^\xff\\&|A",
        b"MSH\xff^~\\&\xffA",
    ],
)
@pytest.mark.parametrize("place", ["alone", "first", "between"])
def test_impossible_delimiters_are_a_problem_of_their_message(header: bytes, place: str) -> None:
    bad = header + b"\rPID|1||9^^^H\r"
    if place == "alone":
        assert problems(header) == [Hl7Malformed]
    elif place == "first":
        assert parts(bad + M1) == [(b"", bad, b""), (b"", M1, b"")]
        assert problems(bad + M1) == [Hl7Malformed, None]
    else:
        assert [data for _, data, _ in parts(M1 + bad + M2)] == [M1, bad, M2]
        assert problems(M1 + bad + M2) == [None, Hl7Malformed, None]


@pytest.mark.parametrize("source", [b"", b" ", b"\x00" * 100, b"hello\nworld\n", b"\xef\xbb\xbf", b"{}", b"MS"])
def test_a_source_without_a_segment_is_refused(source: bytes) -> None:
    outcome = run(Hl7v2Adapter, source)
    assert isinstance(outcome.error, Hl7Malformed)
    assert outcome.pieces == ()


def test_a_message_larger_than_the_maximum_is_refused_and_the_ones_before_stand() -> None:
    large = M2 + b"OBX|2|TX|" + b"x" * 1000 + b"\r"
    for chunk in (1, 64, 1 << 20):
        outcome = run(Hl7v2Adapter, M1 + large + M1, 400, chunk)
        assert isinstance(outcome.error, PieceTooLarge)
        assert len(outcome.pieces) == 0, "the first piece waits for the bytes that follow it"
        outcome = run(Hl7v2Adapter, M1 + M1 + large, 400, chunk)
        assert isinstance(outcome.error, PieceTooLarge)
        assert len(outcome.pieces) == 1


def test_memory_does_not_grow_with_the_source() -> None:
    message = M2 + b"OBX|2|TX|" + b"x" * 10_000 + b"\r"
    tracemalloc.start()
    try:
        adapter = Hl7v2Adapter(100_000, 16_384)
        count = sum(1 for _ in adapter.pieces(flowing(message for _ in range(2000))))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 2000
    assert peak < 1_200_000


def test_a_long_batch_joins_to_the_source() -> None:
    source = FHS + BHS + (M1 + M2) * 500 + BTS + FTS
    outcome = run(Hl7v2Adapter, source, 1 << 20, 100)
    assert len(outcome.pieces) == 1000
    assert joined(outcome.pieces) == source
