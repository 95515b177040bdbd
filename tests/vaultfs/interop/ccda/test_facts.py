"""What a clinical document says of itself, and what is no such document."""

from __future__ import annotations

import io
from datetime import datetime

import pytest

from tests.vaultfs.interop.ccda.documents import document, record_target
from tests.vaultfs.interop.support import fhir_facts, hl7_facts
from vaultfs.interop.authorities import US_NPI, US_SSN
from vaultfs.interop.ccda import CcdaAdapter
from vaultfs.interop.pieces import Facts
from vaultfs.interop.registry import recognise
from vaultfs.model import Precision

UUID = "6BA7B810-9dad-11d1-80b4-00c04fd430c8"


def describe(data: bytes | str) -> Facts:
    raw = data.encode() if isinstance(data, str) else data
    assert isinstance(recognise(raw), CcdaAdapter)
    return CcdaAdapter().describe(io.BytesIO(raw), len(raw))


def named(*targets: str) -> list[tuple[str, str, bool]]:
    return [(one.authority, one.value, one.strong) for one in describe(document(*targets)).identifiers]


def test_a_document_is_a_document_reference_of_its_media_type() -> None:
    facts = describe(document())
    assert (facts.kind, facts.media_type) == ("DocumentReference", "application/hl7-cda+xml")
    assert not facts.is_subject


# Recognition.

ROOT = '<ClinicalDocument xmlns="urn:hl7-org:v3"/>'


@pytest.mark.parametrize(
    "data",
    [
        ROOT.encode(),
        b"\xef\xbb\xbf" + ROOT.encode(),
        b" \r\n\t" + ROOT.encode(),
        b"<?xml version='1.0'?>\n<?xml-stylesheet href='a.xsl'?><!-- <Bundle/> -->\n" + ROOT.encode(),
        b'<n:ClinicalDocument xmlns:n="urn:hl7-org:v3"></n:ClinicalDocument>',
        ("\ufeff<?xml version='1.0' encoding='UTF-16'?>" + ROOT).encode("utf-16-le"),
        ("\ufeff<?xml version='1.0' encoding='UTF-16'?>" + ROOT).encode("utf-16-be"),
        ("<?xml version='1.0' encoding='UTF-16'?>" + ROOT).encode("utf-16-le"),
        b"<?xml version='1.0' encoding='ISO-8859-1'?><!-- \xdc -->" + ROOT.encode(),
        b"<?xml version='1.0' encoding='windows-1252'?><!-- \x80 -->" + ROOT.encode(),
    ],
)
def test_a_document_is_recognised_in_every_encoding_and_behind_what_may_precede_it(data: bytes) -> None:
    assert describe(data).kind == "DocumentReference"


@pytest.mark.parametrize(
    "data",
    [
        b"<ClinicalDocument/>",
        b'<ClinicalDocument xmlns="urn:hl7-org:v2"/>',
        b'<Bundle xmlns="http://hl7.org/fhir"/>',
        b'<Wrapper><ClinicalDocument xmlns="urn:hl7-org:v3"/></Wrapper>',
        b'<!-- <ClinicalDocument xmlns="urn:hl7-org:v3"/> -->',
        b"<html>",
        b"<",
        b"<?xml version='1.0' encoding='no-such'?><ClinicalDocument xmlns='urn:hl7-org:v3'/>",
        b'text <ClinicalDocument xmlns="urn:hl7-org:v3"/>',
    ],
)
def test_any_other_xml_goes_to_nobody(data: bytes) -> None:
    assert recognise(data) is None


# Whose it is.


def test_root_and_extension_are_authority_and_value() -> None:
    assert named(record_target(("1.2.3", "4711"))) == [("urn:oid:1.2.3", "4711", True)]


def test_the_same_number_is_the_same_identifier_in_every_format() -> None:
    fhir = fhir_facts({"resourceType": "Patient", "identifier": [{"system": "urn:oid:1.2.3", "value": "4711"}]})
    hl7 = hl7_facts(b"MSH|^~\\&|A\rPID|1||4711^^^HOSP&1.2.3&ISO^MR\r")
    assert describe(document(record_target(("1.2.3", "4711")))).identifiers == fhir.identifiers == hl7.identifiers


def test_numbers_that_persons_share_or_mistype_are_weak() -> None:
    assert named(record_target(("2.16.840.1.113883.4.1", "999-12-3456"))) == [(US_SSN, "999-12-3456", False)]
    assert named(record_target(("2.16.840.1.113883.4.6", "1"))) == [(US_NPI, "1", False)]
    assert named(record_target(("2.16.840.1.113883.4.3.25", "S1"))) == [
        ("urn:oid:2.16.840.1.113883.4.3.25", "S1", False)
    ]


def test_a_root_alone_is_the_identifier_and_decides_only_where_it_is_a_uuid() -> None:
    """An OID alone may be the authority of a number that was left out, the same for all its patients."""
    assert named(record_target((UUID, None))) == [("urn:ietf:rfc:3986", f"urn:uuid:{UUID.lower()}", True)]
    assert named(record_target(("1.2.3", None))) == [("urn:ietf:rfc:3986", "urn:oid:1.2.3", False)]
    assert named(record_target(("1.2.3", " "))) == [("urn:ietf:rfc:3986", "urn:oid:1.2.3", False)]
    assert named(record_target((UUID, "7"))) == [(f"urn:uuid:{UUID.lower()}", "7", True)]
    assert named(record_target(("HOSP", None))) == []


def test_an_extension_alone_states_no_authority() -> None:
    assert named(record_target((None, "4711"))) == [("", "4711", True)]


def test_an_id_without_a_value_names_nobody() -> None:
    unknown = '<id nullFlavor="UNK" root="1.2.3" extension="7"/>'
    assert named(f"<recordTarget><patientRole>{unknown}</patientRole></recordTarget>") == []
    assert named("<recordTarget><patientRole><id/></patientRole></recordTarget>") == []
    assert named() == []


def test_several_record_targets_are_one_patient_only_if_they_share_a_number() -> None:
    one, same = record_target(("1.2.3", "1")), record_target(("1.2.3", "1"), ("1.2.4", "9"))
    assert named(one, same) == [("urn:oid:1.2.3", "1", True)]
    assert named(one, record_target(("1.2.3", "2"))) == []
    assert named(one, "<recordTarget><patientRole/></recordTarget>") == [("urn:oid:1.2.3", "1", True)]


def test_ids_of_others_than_the_patient_are_not_the_patients() -> None:
    others = (
        '<author><assignedAuthor><id root="1.2.9" extension="author"/></assignedAuthor></author>'
        "<recordTarget><patientRole><id root='1.2.3' extension='4711'/><patient><guardian>"
        '<id root="1.2.9" extension="guardian"/></guardian></patient><providerOrganization>'
        '<id root="1.2.9" extension="provider"/></providerOrganization></patientRole></recordTarget>'
        "<component><structuredBody><component><section><entry><observation><subject><relatedSubject>"
        "<recordTarget><patientRole><id root='1.2.9' extension='nested'/></patientRole></recordTarget>"
        "</relatedSubject></subject></observation></entry></section></component></structuredBody></component>"
    )
    assert named(others) == [("urn:oid:1.2.3", "4711", True)]


def test_elements_of_another_namespace_do_not_count() -> None:
    foreign = '<recordTarget xmlns="urn:x"><patientRole><id root="1.2.3" extension="1"/></patientRole></recordTarget>'
    assert named(foreign) == []


# When it was.

SERVICE = "<documentationOf><serviceEvent><effectiveTime>{}</effectiveTime></serviceEvent></documentationOf>"
ENCOUNTER = "<componentOf><encompassingEncounter>{}</encompassingEncounter></componentOf>"


@pytest.mark.parametrize(
    ("value", "when", "precision", "offset"),
    [
        ("20200229101112-0500", datetime(2020, 2, 29, 10, 11, 12), Precision.SECOND, -300),
        ("20200229101112.345+0000", datetime(2020, 2, 29, 10, 11, 12, 345_000), Precision.MILLISECOND, 0),
        ("202002291011", datetime(2020, 2, 29, 10, 11), Precision.MINUTE, None),
        ("20200229", datetime(2020, 2, 29), Precision.DAY, None),
        ("202002", datetime(2020, 2, 1), Precision.MONTH, None),
        ("2020", datetime(2020, 1, 1), Precision.YEAR, None),
    ],
)
def test_the_date_is_when_the_document_was_written(
    value: str, when: datetime, precision: Precision, offset: int | None
) -> None:
    care = SERVICE.format('<low value="2001"/><high value="2002"/>')
    date = describe(document(care + f'<effectiveTime value="{value}"/>')).date
    assert date is not None
    assert (date.when, date.precision, date.offset_minutes) == (when, precision, offset)


@pytest.mark.parametrize("unstated", ["", '<effectiveTime nullFlavor="NI"/>', '<effectiveTime value="soon"/>'])
@pytest.mark.parametrize(
    ("care", "year"),
    [
        (SERVICE.format('<low value="2001"/><high value="2002"/>'), 2002),
        (SERVICE.format('<low value="2001"/><high nullFlavor="NI"/>'), 2001),
        (SERVICE.format("").replace("<effectiveTime>", '<effectiveTime value="2003">'), 2003),
        (ENCOUNTER.format('<effectiveTime><low value="2004"/></effectiveTime>'), 2004),
        (ENCOUNTER.format('<effectiveTime value="2005"/>'), 2005),
        ("<component><effectiveTime value='2006'/></component>", None),
    ],
)
def test_without_such_a_date_that_of_the_care_counts(unstated: str, care: str, year: int | None) -> None:
    date = describe(document(unstated + care)).date
    assert (date.when.year if date else None) == year


# What a later version states too.


def test_the_set_names_a_document_in_all_its_versions_and_else_the_id_does() -> None:
    own, of_set = '<id root="1.2.3" extension="a"/>', f'<setId root="{UUID}"/><versionNumber value="2"/>'
    assert describe(document(own)).logical_id == "urn:oid:1.2.3|a"
    assert describe(document(own + of_set)).logical_id == f"{UUID}|"
    assert describe(document(own + '<setId nullFlavor="NI"/>')).logical_id == "urn:oid:1.2.3|a"
    assert describe(document()).logical_id is None
    assert describe(document(f'<id root="1.2.3" extension="{"x" * 2000}"/>')).logical_id is None


def test_a_later_version_has_the_logical_id_of_the_first() -> None:
    texts = [
        f'<id root="1.2.3" extension="{n}"/><setId root="1.2.4" extension="s"/><versionNumber value="{n}"/>'
        for n in (1, 2)
    ]
    one, other = (describe(document(text)) for text in texts)
    assert one.logical_id == other.logical_id == "urn:oid:1.2.4|s"
