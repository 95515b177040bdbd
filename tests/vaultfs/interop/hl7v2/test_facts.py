"""What a message is and when it happened."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vaultfs.interop.support import hl7_facts
from vaultfs.interop.pieces import Facts
from vaultfs.interop.timestamps import parse
from vaultfs.model import ClinicalDate, Precision


def message(kind: bytes, *segments: bytes, when: bytes = b"2009") -> Facts:
    return hl7_facts(b"\r".join([b"MSH|^~\\&|A|F|||" + when + b"||" + kind + b"|1", *segments]) + b"\r")


@pytest.mark.parametrize(
    ("stated", "kind"),
    [
        (b"ADT^A01^ADT_A01", "hl7v2.ADT"),
        (b"ORU^R01", "hl7v2.ORU"),
        (b"ACK", "hl7v2.ACK"),
        (b"adt^a01", "hl7v2.ADT"),
        (b"ADT_A01", "hl7v2.other"),
        (b"ZZZ^Z01", "hl7v2.other"),
        (b"batch", "hl7v2.other"),
        (b"", "hl7v2.other"),
        (b'""', "hl7v2.other"),
    ],
)
def test_the_kind_is_the_message_type_of_table_0076(stated: bytes, kind: str) -> None:
    assert message(stated).kind == kind


def test_facts_hold_the_media_type_and_no_references() -> None:
    facts = message(b"ADT^A01")
    assert facts.media_type == "x-application/hl7-v2+er7"
    assert facts.subject_references == facts.own_references == ()
    assert not facts.is_subject


def test_a_message_sent_again_has_the_same_logical_id() -> None:
    header = b"MSH|^~\\&|LAB|FAC|X|Y|20200101||ORU^R01|42|P|2.5\r"
    first = hl7_facts(header + b"OBX|1\r")
    again = hl7_facts(header + b"OBX|2\r")
    assert first.logical_id == again.logical_id == "LAB|FAC|20200101|42"


@pytest.mark.parametrize("change", [(b"LAB", b"ICU"), (b"FAC", b"GAC"), (b"20200101", b"20200102"), (b"|42|", b"|43|")])
def test_another_sender_time_or_control_id_is_another_message(change: tuple[bytes, bytes]) -> None:
    header = b"MSH|^~\\&|LAB|FAC|X|Y|20200101||ORU^R01|42|P|2.5\r"
    assert hl7_facts(header).logical_id != hl7_facts(header.replace(*change)).logical_id


@pytest.mark.parametrize("control", [b"", b" ", b"7" * 2000])
def test_without_a_usable_control_id_there_is_no_logical_id(control: bytes) -> None:
    assert hl7_facts(b"MSH|^~\\&|LAB|FAC|X|Y|20200101||ORU^R01|" + control + b"\r").logical_id is None
    assert hl7_facts(b"MSH|^~\\&|LAB\r").logical_id is None


@pytest.mark.parametrize(
    ("kind", "segments"),
    [
        (b"ORU^R01", [b"OBR|1||||||2001", b"OBX|1" + b"|" * 13 + b"2002"]),
        (b"ORU^R01", [b"OBR|1", b"OBX|1" + b"|" * 13 + b"2001"]),
        (b"ORU^R01", [b"OBR|1", b"OBR|2||||||2001"]),
        (b"ORU^R01", [b'OBR|1||||||""', b"OBR|2||||||2001"]),
        (b"OUL^R22", [b"OBR|1||||||2001"]),
        (b"ADT^A01", [b"EVN||2002||||2001"]),
        (b"ADT^A01", [b"EVN||2001", b"PV1" + b"|" * 44 + b"2002"]),
        (b"ADT^A01", [b"EVN|A01", b"PV1" + b"|" * 44 + b"2001^x"]),
        (b"ORM^O01", [b"ORC|NW||||||||2001", b"OBR|1||||||2002"]),
        (b"OMP^O09", [b"ORC|NW", b"TQ1|||||||2001"]),
        (b"RDE^O11", [b"ORC|NW", b"RXE|1^^^2001"]),
        (b"RDE^O11", [b"ORC|NW||||||^^^2001", b"RXE|1^^^2002"]),
        (b"RDS^O13", [b"ORC|RE||||||||2002", b"RXD|1|x|2001"]),
        (b"RAS^O17", [b"ORC|RE||||||||2002", b"RXA|0|1|2001"]),
        (b"VXU^V04", [b"RXA|0|1|2001"]),
        (b"MDM^T02", [b"TXA|1|CN|TX|2001"]),
        (b"SIU^S12", [b"SCH|1||||||||||^^^2001"]),
        (b"SIU^S12", [b"SCH|1", b"AIS|1||x|2001"]),
        (b"DFT^P03", [b"EVN||2002", b"FT1|1|||2001"]),
        (b"PPR^PC1", [b"PRB|AD|2001"]),
        (b"REF^I12", [b"RF1|||||||2001"]),
    ],
)
def test_the_date_is_when_it_happened_by_message_type(kind: bytes, segments: list[bytes]) -> None:
    date = message(kind, *segments).date
    assert date is not None
    assert date.when.year == 2001


@pytest.mark.parametrize("kind", [b"ADT^A01", b"ORU^R01", b"ZZZ", b"ACK", b""])
def test_the_header_dates_what_nothing_else_does(kind: bytes) -> None:
    date = message(kind).date
    assert date is not None
    assert date.when.year == 2009


def test_a_message_without_any_date_has_none() -> None:
    assert message(b"ADT^A01", when=b"").date is None
    assert message(b"ADT^A01", b"EVN||yesterday", when=b"now").date is None


@pytest.mark.parametrize(
    ("field", "when", "precision", "offset"),
    [
        (b"2020", datetime(2020, 1, 1), Precision.YEAR, None),
        (b"202002", datetime(2020, 2, 1), Precision.MONTH, None),
        (b"20200229", datetime(2020, 2, 29), Precision.DAY, None),
        (b"2020022923", datetime(2020, 2, 29), Precision.DAY, None),
        (b"202002292359", datetime(2020, 2, 29, 23, 59), Precision.MINUTE, None),
        (b"20200229235958", datetime(2020, 2, 29, 23, 59, 58), Precision.SECOND, None),
        (b"20200229235958.1", datetime(2020, 2, 29, 23, 59, 58, 100_000), Precision.MILLISECOND, None),
        (b"20200229235958.1239+0530", datetime(2020, 2, 29, 23, 59, 58, 123_000), Precision.MILLISECOND, 330),
        (b"202002292359-0800", datetime(2020, 2, 29, 23, 59), Precision.MINUTE, -480),
        (b"20200229+0000", datetime(2020, 2, 29), Precision.DAY, 0),
        (b"20161231235960", datetime(2016, 12, 31, 23, 59, 59), Precision.SECOND, None),
        (b" 20200229 ", datetime(2020, 2, 29), Precision.DAY, None),
    ],
)
def test_a_date_keeps_what_is_stated(field: bytes, when: datetime, precision: Precision, offset: int | None) -> None:
    assert parse(field) == ClinicalDate(when, precision, offset)


@pytest.mark.parametrize(
    "field",
    [
        b"",
        b'""',
        b"0000",
        b"00000000",
        b"20201301",
        b"20200230",
        b"2020023",
        b"2020-02-29",
        b"20200229240000",
        b"2020022925",
        b"20200229236000",
        b"20200229235961",
        b"20200229+1500",
        b"20200229+0060",
        b"20200229235958.",
        b"20200229 235958",
        b"\xff\xff\xff\xff",
    ],
)
def test_what_is_no_date_is_none(field: bytes) -> None:
    assert parse(field) is None


@given(st.binary(max_size=30) | st.from_regex(rb"\d{1,15}(\.\d{0,5})?([+-]\d{0,4})?", fullmatch=True))
def test_no_bytes_are_an_error(field: bytes) -> None:
    found = parse(field)
    assert found is None or 1 <= found.when.year <= 9999
