"""Whose record an HL7v2 message is."""

from __future__ import annotations

import pytest

from tests.vaultfs.interop.support import hl7_facts
from vaultfs.interop.authorities import US_SSN, of_designator
from vaultfs.interop.pieces import SourceIdentifier

HEADER = b"MSH|^~\\&|A|F|||20200101||ADT^A01|1\r"


def identifiers(*segments: bytes) -> tuple[SourceIdentifier, ...]:
    return hl7_facts(HEADER + b"\r".join(segments) + b"\r").identifiers


def pid(**fields: bytes) -> bytes:
    """Return a PID with the fields ``f3=...`` filled."""
    numbered = {int(name[1:]): value for name, value in fields.items()}
    return b"PID|" + b"|".join(numbered.get(number, b"") for number in range(1, max(numbered) + 1))


@pytest.mark.parametrize(
    ("namespace", "universal_id", "id_type", "expected"),
    [
        ("HOSP", "", "", "HOSP"),
        ("HOSP", "1.2.3", "ISO", "urn:oid:1.2.3"),
        ("HOSP", "1.2.3", "iso", "urn:oid:1.2.3"),
        ("", "1.2.3", "", "urn:oid:1.2.3"),
        ("", "urn:oid:1.2.3", "ISO", "urn:oid:1.2.3"),
        ("HOSP", "not an oid", "ISO", "HOSP"),
        ("", "not an oid", "ISO", "not an oid"),
        ("HOSP", "1.2.3", "HCD", "HOSP"),
        ("HOSP", "17", "L", "HOSP"),
        ("", "17", "L", "17"),
        ("", "6F9619FF-8B86", "UUID", "urn:uuid:6f9619ff-8b86"),
        ("", "6F9619FF-8B86", "GUID", "urn:uuid:6f9619ff-8b86"),
        ("", "http://a.example/mrn", "URI", "http://a.example/mrn"),
        ("", "http://a.example/mrn", "URL", "http://a.example/mrn"),
        ("", "http://a.example/mrn", "", "http://a.example/mrn"),
        ("", "A.Example", "DNS", "dns:a.example"),
        ("1.2.3", "", "", "urn:oid:1.2.3"),
        ("http://a.example/mrn", "", "", "http://a.example/mrn"),
        ("A:B", "", "", "A%3AB"),
        ("2.16.840.1.113883.4.1", "", "", US_SSN),
        ("SSA", "2.16.840.1.113883.4.1", "ISO", US_SSN),
        ("", "", "", ""),
    ],
)
def test_a_hierarchic_designator_becomes_an_authority(
    namespace: str, universal_id: str, id_type: str, expected: str
) -> None:
    assert of_designator(namespace, universal_id, id_type) == expected


def test_every_repetition_of_pid3_is_an_identifier() -> None:
    assert identifiers(pid(f3=b"7^5^M11^H&1.2.3&ISO^MR^FAC~8^^^X~9")) == (
        SourceIdentifier("urn:oid:1.2.3", "7"),
        SourceIdentifier("X", "8"),
        SourceIdentifier("", "9"),
    )


def test_the_assigning_facility_stands_in_for_a_missing_authority() -> None:
    assert identifiers(pid(f3=b"7^^^^MR^FAC&1.2.3&ISO")) == (SourceIdentifier("urn:oid:1.2.3", "7"),)


def test_the_type_decides_how_strong_an_identifier_is() -> None:
    found = identifiers(pid(f3=b"1^^^H^MR~2^^^H^SS~3^^^H^ss~4^^^H^DL~5^^^H^PI~6^^^H^AN~7^^^H"))
    assert [one.value for one in found if one.strong] == ["1", "5", "7"]


def test_other_fields_give_weak_identifiers() -> None:
    found = identifiers(
        pid(f2=b"2^^^E", f3=b"3^^^H", f4=b"4^^^A~5", f18=b"18^^^ACC", f19=b"999-12-3456", f20=b"D1^OH^20300101")
    )
    assert found == (
        SourceIdentifier("H", "3"),
        SourceIdentifier("E", "2", strong=False),
        SourceIdentifier("A", "4", strong=False),
        SourceIdentifier("", "5", strong=False),
        SourceIdentifier("ACC", "18", strong=False),
        SourceIdentifier(US_SSN, "999-12-3456", strong=False),
        SourceIdentifier("OH", "D1", strong=False),
    )


def test_pid2_counts_where_pid3_says_nothing() -> None:
    """Up to v2.2 the id of the patient stood there."""
    assert identifiers(pid(f2=b"2^^^E")) == (SourceIdentifier("E", "2"),)
    assert identifiers(pid(f2=b"2^^^E", f3=b"^^^H")) == (SourceIdentifier("E", "2"),)


@pytest.mark.parametrize("field", [b"", b'""', b"^^^H^MR", b"~~", b"   ^^^H", b"7" * 2000])
def test_a_patient_without_a_number_has_no_identifier(field: bytes) -> None:
    assert identifiers(pid(f3=field)) == ()


def test_a_message_without_a_patient_has_no_identifier() -> None:
    assert identifiers(b"MRG|9^^^H", b"NK1|1|x") == ()


def test_a_merged_identity_is_not_the_subject() -> None:
    assert identifiers(pid(f3=b"7^^^H"), b"MRG|9^^^H") == (SourceIdentifier("H", "7"),)


def test_several_segments_for_the_same_patient_are_one() -> None:
    assert identifiers(pid(f3=b"7^^^H"), b"OBR|1", pid(f3=b"7^^^H~8^^^X")) == (SourceIdentifier("H", "7"),)
    assert identifiers(pid(f3=b""), pid(f3=b"7^^^H")) == (SourceIdentifier("H", "7"),)
    assert identifiers(pid(f3=b"7^^^H"), pid(f3=b"")) == (SourceIdentifier("H", "7"),)


def test_segments_for_several_patients_name_nobody() -> None:
    """A swap of beds (A17) or the candidates of a query: a guess could show one patient's record as another's."""
    assert identifiers(pid(f3=b"7^^^H"), pid(f3=b"8^^^H")) == ()
    shared = b"1^^^INS^MB"
    assert identifiers(pid(f3=b"7^^^H~" + shared), pid(f3=b"8^^^H~" + shared)) == ()


def test_values_are_read_without_escapes_and_trailing_blanks() -> None:
    assert identifiers(pid(f3=b"A\\T\\7  ^^^H\\S\\1 ")) == (SourceIdentifier("H^1", "A&7"),)


def test_an_identifier_stated_twice_is_one() -> None:
    assert len(identifiers(pid(f3=b"7^^^H~7^^^H"))) == 1


def test_without_a_subcomponent_delimiter_the_component_is_the_name() -> None:
    facts = hl7_facts(b"MSH|^~\\|A\rPID|1||7^^^H&1.2.3&ISO\r")
    assert facts.identifiers == (SourceIdentifier("H&1.2.3&ISO", "7"),)
