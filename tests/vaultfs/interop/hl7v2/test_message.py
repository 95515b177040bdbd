"""Asking a message for its parts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultfs.errors import ArgumentInvalid, Hl7Malformed
from vaultfs.interop.hl7v2 import Message, Span

TEXT = (
    b"MSH|^~\\&#|LAB|FAC||R|20200101||ORU^R01^ORU_R01|1|P|2.7\r"
    b'PID|1||7^5^M11^H&1.2.3&ISO^MR~8^^^X||Doe&van^Jane||""|F||\r\n'
    b"OBX|1|TX|c||first line\nsecond | line\r"
    b"OBX|2|NM|d||7.20\n"
    b"PV1\r"
    b"ZZ1|x"
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("MSH-1", "|"),
        ("MSH-2", "^~\\&#"),
        ("MSH-3", "LAB"),
        ("MSH-5", None),
        ("MSH-9.1", "ORU"),
        ("MSH-9.3", "ORU_R01"),
        ("MSH-9.4", None),
        ("MSH-12", "2.7"),
        ("MSH-13", None),
        ("PID-1", "1"),
        ("PID-3.1", "7"),
        ("PID-3[1].1", "7"),
        ("PID-3[2].1", "8"),
        ("PID-3[3].1", None),
        ("PID-3.4.1", "H"),
        ("PID-3.4.2", "1.2.3"),
        ("PID-3[2].4", "X"),
        ("PID-3[2].4.1", "X"),
        ("PID-3[2].4.2", None),
        ("PID-3", "7^5^M11^H&1.2.3&ISO^MR"),
        ("PID-5.1.2", "van"),
        ("PID-5.2.1", "Jane"),
        ("PID-7", ""),
        ("PID-8", "F"),
        ("PID-9", None),
        ("PID-10", None),
        ("PID-11", None),
        ("OBX-5", "first line\nsecond "),
        ("OBX[2]-5", "7.20"),
        ("OBX[3]-5", None),
        ("PV1-1", None),
        ("PV1-2", None),
        ("ZZ1-1", "x"),
        ("ZZ2-1", None),
    ],
)
def test_a_path_gives_text_nothing_or_null(path: str, expected: str | None) -> None:
    assert Message(TEXT)[path] == expected


def test_a_span_is_where_the_bytes_lie() -> None:
    message = Message(TEXT)
    for path in ("MSH-1", "MSH-2", "MSH-9.2", "PID-3[2].4", "PID-3.4.2", "OBX[2]-5", "ZZ1-1"):
        span = message.span(path)
        assert span is not None
        text = message[path]
        assert text is not None
        assert TEXT[span.offset : span.offset + span.length].decode() == text
    assert message.span("MSH-1") == Span(3, 1)
    assert message.span("PID-9") is None


def test_segments_and_whole_fields_can_be_asked_for() -> None:
    message = Message(TEXT)
    first, second = message.segments(b"OBX")
    assert message.value(first, 1) == b"1"
    assert message.value(second, 5) == b"7.20"
    assert message.value(second, 6) == b""
    assert message.value(message.segments(b"PID")[0], 3) == b"7^5^M11^H&1.2.3&ISO^MR~8^^^X"
    assert message.value(message.segments(b"MSH")[0], 9) == b"ORU^R01^ORU_R01"
    assert message.value(message.segments(b"MSH")[0], 30) == b""
    assert message.segments(b"NTE") == []


@pytest.mark.parametrize(
    "path", ["", "PID", "PID-", "PID-0", "PID-3[0]", "PID-3.0", "PID[0]-3", "pid-3", "PID-3.1.1.1", "PID-x", "-3"]
)
def test_what_is_no_path_is_an_argument_error_without_the_text(path: str) -> None:
    with pytest.raises(ArgumentInvalid) as caught:
        Message(TEXT).span(path)
    assert path == "" or path not in str(caught.value)


def test_any_punctuation_may_be_the_delimiters() -> None:
    message = Message(b"MSH$%*!@$LAB$$$$$$ORU%R01\rPID$1$$7%%%H@1.2.3@ISO*8\r")
    assert message["MSH-9.2"] == "R01"
    assert message["PID-3.4.2"] == "1.2.3"
    assert message["PID-3[2].1"] == "8"


def test_delimiters_that_are_left_out_split_nothing() -> None:
    message = Message(b"MSH|^|LAB|||||ORU^R01\rPID|1||7~8^&^\\F\\\r")
    assert message["PID-3.1"] == "7~8"
    assert message["PID-3.2"] == "&"
    assert message["PID-3.2.1"] == "&"
    assert message["PID-3.2.2"] is None
    assert message["PID-3[2].1"] is None
    assert message["PID-3.3"] == "\\F\\"


def test_a_doubled_escape_character_is_read_as_one() -> None:
    message = Message(b"MSH|^~\\\\&|LAB|||||ORU^R01\rPID|1||7^^^H&1.2.3&ISO\r")
    assert message.delimiters.subcomponent == b"&"
    assert message["PID-3.4.2"] == "1.2.3"


@pytest.mark.parametrize("data", [b"", b"PID|1", b"MSH", b"BHS|^~\\&|"])
def test_what_does_not_begin_with_a_header_is_no_message(data: bytes) -> None:
    with pytest.raises(Hl7Malformed):
        Message(data)


# Text. -------------------------------------------------------------------------------------------------------------


def field(raw: bytes, charset: bytes = b"") -> str | None:
    header = b"MSH|^~\\&#|" + b"|" * 15 + charset
    return Message(header + b"\rZZZ|" + raw)["ZZZ-1"]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (rb"a\F\b", "a|b"),
        (rb"a\S\b", "a^b"),
        (rb"a\T\b", "a&b"),
        (rb"a\R\b", "a~b"),
        (rb"a\E\b", "a\\b"),
        (rb"a\P\b", "a#b"),
        (rb"\E\F\E\ ", "\\F\\ "),
        (rb"a\X4142\b", "aABb"),
        (rb"a\X414\b", r"a\X414\b"),
        (rb"a\.br\b\H\c\N\ ", r"a\.br\b\H\c\N\ "),
        (rb"C:\temp", r"C:\temp"),
        (rb"\Zxyz\ ", r"\Zxyz\ "),
        (b"\\", "\\"),
    ],
)
def test_escapes_are_undone_once_and_others_stay(raw: bytes, text: str) -> None:
    assert field(raw) == text


def test_an_escape_for_a_delimiter_that_is_not_declared_stays() -> None:
    assert Message(b"MSH|^~\\&|\rZZZ|a\\P\\b")["ZZZ-1"] == "a\\P\\b"


@pytest.mark.parametrize(
    ("raw", "charset", "text"),
    [
        (b"D\xf6e", b"8859/1", "Döe"),
        (b"D\xf6e", b"8859/15", "Döe"),
        ("Döe".encode(), b"UNICODE UTF-8", "Döe"),
        ("Döe".encode(), b"", "Döe"),
        ("Döe".encode(), b"ASCII", "Döe"),
        (b"D\xf6e", b"ASCII", "Döe"),
        (b"D\xf6e", b"UNICODE UTF-8", "Döe"),
        (b"D\xf6e", b"no such set", "Döe"),
        (b"D\xf6e", b"\xff\xfe", "Döe"),
        ("Иван".encode("iso8859-5"), b"8859/5", "Иван"),
        ("Иван".encode("iso8859-5"), b" 8859/5 ~UNICODE UTF-8", "Иван"),
        ("山田".encode("iso2022-jp"), b"ISO IR87", "山田"),
        (b"D\\XF6\\e", b"8859/1", "Döe"),
    ],
)
def test_the_character_set_is_the_stated_one_if_it_holds(raw: bytes, charset: bytes, text: str) -> None:
    assert field(raw, charset) == text


@given(st.binary(max_size=60), st.binary(max_size=12))
def test_no_bytes_are_an_error(raw: bytes, charset: bytes) -> None:
    message = Message(b"MSH|^~\\&|" + b"|" * 15 + charset + b"\rPID|1|" + raw)
    for path in ("MSH-18", "PID-2", "PID-2[2].1", "PID-2.1.2", "PID-9"):
        text, span = message[path], message.span(path)
        assert (text is None) == (span is None)


@given(st.binary(max_size=80))
def test_segments_do_not_overlap_and_lie_in_order(raw: bytes) -> None:
    message = Message(b"MSH|^~\\&|" + raw)
    places = sorted(place for name in (b"MSH", b"PID", b"OBX") for place in message.segments(name))
    assert all(start < end for start, end in places)
    assert all(before[1] <= after[0] for before, after in pairwise(places))
