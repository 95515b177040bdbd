"""Whose record a DICOM file is."""

from __future__ import annotations

import pytest

from tests.vaultfs.interop.dicom.files import EXPLICIT, IMPLICIT, Element, describe, dicom, patient
from tests.vaultfs.interop.support import fhir_facts, hl7_facts
from vaultfs.errors import EncodingUnknown
from vaultfs.interop.authorities import US_SSN
from vaultfs.interop.pieces import SourceIdentifier


def named(*elements: Element, syntax: str = EXPLICIT) -> list[tuple[str, str, bool]]:
    found = describe(dicom(*elements, syntax=syntax)).identifiers
    return [(one.authority, one.value, one.strong) for one in found]


def issued(entity: str, kind: str = "ISO", code: str = "") -> Element:
    item: list[Element] = [(0x00400032, "UT", entity), (0x00400033, "CS", kind)]
    return (0x00100024, "SQ", [item + ([(0x00400035, "CS", code)] if code else [])])


def test_a_patient_id_without_an_issuer_states_no_authority() -> None:
    assert named(*patient("4711")) == [("", "4711", True)]


@pytest.mark.parametrize("padded", ["4711 ", " 4711", "4711\0", b"4711\0\0", "4711\r\n"])
def test_padding_is_not_part_of_an_id(padded: str | bytes) -> None:
    assert named(*patient(padded)) == [("", "4711", True)]


@pytest.mark.parametrize("empty", ["", "  ", "\0\0"])
def test_an_empty_id_names_nobody(empty: str) -> None:
    assert named(*patient(empty, "HOSP")) == []


def test_an_issuer_with_a_name_is_a_local_authority() -> None:
    assert named(*patient("4711", "HOSP:A")) == [("HOSP%3AA", "4711", True)]


@pytest.mark.parametrize(
    ("entity", "kind", "authority"),
    [
        ("1.2.3", "ISO", "urn:oid:1.2.3"),
        ("1.2.3", "", "urn:oid:1.2.3"),
        ("hospital.example", "DNS", "dns:hospital.example"),
        ("http://hospital.example/mrn", "URI", "http://hospital.example/mrn"),
        ("6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "UUID", "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("C=US", "X500", "HOSP"),
        ("", "", "HOSP"),
    ],
)
def test_a_universal_entity_is_the_authority_before_the_name(entity: str, kind: str, authority: str) -> None:
    assert named(*patient("4711", "HOSP"), issued(entity, kind)) == [(authority, "4711", True)]


def test_the_same_number_is_the_same_identifier_in_every_format() -> None:
    fhir = fhir_facts({"resourceType": "Patient", "identifier": [{"system": "urn:oid:1.2.3", "value": "4711"}]})
    hl7 = hl7_facts(b"MSH|^~\\&|A\rPID|1||4711^^^HOSP&1.2.3&ISO^MR\r")
    assert describe(dicom(*patient("4711", "HOSP"), issued("1.2.3"))).identifiers == fhir.identifiers == hl7.identifiers


def test_the_type_of_an_id_can_make_it_weak() -> None:
    assert named(*patient("4711"), issued("1.2.3", code="AN")) == [("urn:oid:1.2.3", "4711", False)]
    assert named(*patient("4711"), issued("2.16.840.1.113883.4.1")) == [(US_SSN, "4711", False)]


def test_of_several_values_of_a_patient_id_none_decides() -> None:
    assert named(*patient("4711\\4712 ")) == [("", "4711", False), ("", "4712", False)]


@pytest.mark.parametrize("value", ["47*", "4?11", "*", "0000", "-", "ANONYMOUS", "Anonymized ", "unknown", "n/a"])
def test_patterns_and_placeholders_decide_nothing(value: str) -> None:
    assert [strong for *_, strong in named(*patient(value, "HOSP"))] == [False]


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_other_ids_are_asserted_and_decide_where_they_have_an_issuer(syntax: str) -> None:
    others: Element = (
        0x00101002,
        "SQ",
        [[*patient("A1", "OTHER")], [*patient("A2"), issued("1.2.4")], [*patient("A3")], [(0x00100022, "CS", "TEXT")]],
    )
    assert named(*patient("4711"), others, (0x00101000, "LO", "B1\\B2\\"), syntax=syntax) == [
        ("", "4711", True),
        ("OTHER", "A1", True),
        ("urn:oid:1.2.4", "A2", True),
        ("", "A3", False),
        ("", "B1", False),
        ("", "B2", False),
    ]


def test_an_id_in_a_private_or_other_sequence_is_not_the_patients() -> None:
    elsewhere: list[Element] = [
        (0x00081120, "SQ", [[*patient("reference")]]),
        (0x00091001, "SQ", [[*patient("private")]]),
        (0x04000561, "SQ", [[(0x04000550, "SQ", [[*patient("of before it was changed")]])]]),
    ]
    assert named(*elsewhere, *patient("4711")) == [("", "4711", True)]


def test_a_directory_of_one_patient_is_that_patients_and_one_of_several_is_nobodys() -> None:
    def records(*ids: str) -> Element:
        return (0x00041220, "SQ", [[(0x00041430, "CS", "PATIENT"), *patient(one)] for one in ids])

    assert named(records("4711", "4711")) == [("", "4711", True)]
    assert named(records("4711", "4712")) == []
    assert named(records()) == []


# Character sets.


@pytest.mark.parametrize(
    ("stated", "value", "text"),
    [
        ("ISO_IR 100", "Ü1".encode("latin-1"), "Ü1"),
        ("ISO_IR 144", "Ж1".encode("iso8859-5"), "Ж1"),
        ("ISO_IR 192", "山1".encode(), "山1"),
        ("GB18030", "山1".encode("gb18030"), "山1"),
        ("GBK", b"\x81\x5c1", b"\x81\x5c1".decode("gbk")),
        ("ISO IR 100", "Ü1".encode("latin-1"), "Ü1"),
        ("iso_ir 100", "Ü1".encode("latin-1"), "Ü1"),
        ("\\ISO 2022 IR 87", b"A\x1b$B;3ED\x1b(B1", "A山田1"),
        ("ISO 2022 IR 6\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B1", "山田1"),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf\x1b$B;3\x1b(J1", "ﾔﾏ山1"),
        ("\\ISO 2022 IR 159", b"\x1b$(D0!\x1b(B1", b"\x1b$(D0!\x1b(B1".decode("iso2022_jp_2")),
        ("\\ISO 2022 IR 149", b"\x1b$)C\xb1\xe81", b"\xb1\xe8".decode("euc_kr") + "1"),
        ("\\ISO 2022 IR 58", b"\x1b$)A\xcd\xf51", b"\xcd\xf5".decode("gb2312") + "1"),
        ("ISO 2022 IR 100\\ISO 2022 IR 144", b"\xdc\x1b-L\xb61", "Ü" + b"\xb61".decode("iso8859_5")),
        ("", b"4711", "4711"),
        ("not a character set", b"4711", "4711"),
    ],
)
def test_ids_are_read_in_the_character_sets_of_the_file(stated: str, value: bytes, text: str) -> None:
    assert [one for _, one, _ in named((0x00080005, "CS", stated), *patient(value))] == [text]


@pytest.mark.parametrize(
    ("stated", "value"),
    [
        ("", b"\xdc1"),
        ("not a character set", b"\xdc1"),
        ("ISO_IR 192", b"\xdc1"),
        ("\\ISO 2022 IR 87", b"\x1b$Z;3"),
        ("\\ISO 2022 IR 87", b"\x1b$B\xff\xff"),
    ],
)
def test_an_id_that_cannot_be_read_is_not_guessed_at(stated: str, value: bytes) -> None:
    """Nor does the decoder's own error, which holds the bytes, hang on the one that is raised."""
    with pytest.raises(EncodingUnknown) as refused:
        named((0x00080005, "CS", stated), *patient(value))
    assert refused.value.__context__ is None


def test_names_that_cannot_be_read_hinder_nothing() -> None:
    assert named((0x00100010, "PN", b"\xdc\xff^\x1b$Z"), *patient("4711")) == [("", "4711", True)]


def test_an_identifier_is_not_in_a_repr() -> None:
    assert "4711" not in repr(describe(dicom(*patient("4711"))))
    assert "4711" not in repr(SourceIdentifier("", "4711"))
