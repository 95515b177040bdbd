"""When a FHIR resource happened."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vaultfs.interop.support import fhir_facts
from vaultfs.interop.fhir import clinical_dates
from vaultfs.interop.fhir.dates import parse
from vaultfs.interop.fhir.resources import KIND_OF
from vaultfs.model import ClinicalDate, Precision


@pytest.mark.parametrize(
    ("text", "when", "precision", "offset"),
    [
        ("2020", datetime(2020, 1, 1), Precision.YEAR, None),
        ("2020-02", datetime(2020, 2, 1), Precision.MONTH, None),
        ("2020-02-29", datetime(2020, 2, 29), Precision.DAY, None),
        ("0001-01-01", datetime(1, 1, 1), Precision.DAY, None),
        ("9999-12-31", datetime(9999, 12, 31), Precision.DAY, None),
        ("2020-02-29T23:59:58Z", datetime(2020, 2, 29, 23, 59, 58), Precision.SECOND, 0),
        ("2020-02-29T23:59:58+05:30", datetime(2020, 2, 29, 23, 59, 58), Precision.SECOND, 330),
        ("2020-02-29T23:59:58-09:30", datetime(2020, 2, 29, 23, 59, 58), Precision.SECOND, -570),
        ("2020-02-29T23:59:58+14:00", datetime(2020, 2, 29, 23, 59, 58), Precision.SECOND, 840),
        ("2020-02-29T23:59:58.1Z", datetime(2020, 2, 29, 23, 59, 58, 100_000), Precision.MILLISECOND, 0),
        ("2020-02-29T23:59:58.123456789Z", datetime(2020, 2, 29, 23, 59, 58, 123_000), Precision.MILLISECOND, 0),
        ("2020-02-29T23:59Z", datetime(2020, 2, 29, 23, 59), Precision.MINUTE, 0),
        ("2020-02-29T23:59:58", datetime(2020, 2, 29, 23, 59, 58), Precision.SECOND, None),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59), Precision.SECOND, 0),
    ],
)
def test_a_date_keeps_what_is_stated(text: str, when: datetime, precision: Precision, offset: int | None) -> None:
    assert parse(text) == ClinicalDate(when, precision, offset)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0000",
        "20",
        "20200101",
        "2020-13",
        "2020-02-30",
        "2021-02-29",
        "2020-1-1",
        "2020-01-01T",
        "2020-01-01T24:00:00Z",
        "2020-01-01T10",
        "2020-01-01T10:60:00Z",
        "2020-01-01T10:00:61Z",
        "2020-01-01T10:00:00+15:00",
        "2020-01-01T10:00:00+10:60",
        "2020-01-01 10:00:00",
        "2020-01-01T10:00:00Z ",
        "10000-01-01",
        "-2020",
        "\uff12\uff10\uff12\uff10",
        "yesterday",
        None,
        2020,
        ["2020"],
    ],
)
def test_what_is_no_date_is_none(text: object) -> None:
    assert parse(text) is None


@given(st.text(max_size=40) | st.from_regex(r"\d{1,5}(-\d{1,2}){0,3}(T[\d:.]{0,12}[Z+-]?)?", fullmatch=True))
def test_no_text_is_an_error(text: str) -> None:
    found = parse(text)
    assert found is None or 1 <= found.when.year <= 9999


@given(st.datetimes())
def test_every_moment_can_be_stated(when: datetime) -> None:
    found = parse(when.isoformat(timespec="milliseconds") + "Z")
    assert found == ClinicalDate(when.replace(microsecond=when.microsecond // 1000 * 1000), Precision.MILLISECOND, 0)


def year_of(kind: str, **elements: Any) -> int | None:
    date = fhir_facts({"resourceType": kind, **elements}).date
    return date.when.year if date else None


@pytest.mark.parametrize(
    ("kind", "elements"),
    [
        ("Observation", {"effectiveDateTime": "2001", "issued": "2002"}),
        ("Observation", {"effectivePeriod": {"start": "2001"}, "issued": "2002"}),
        ("Observation", {"effectiveInstant": "2001", "issued": "2002"}),
        ("Observation", {"effectiveTiming": {"event": ["2001", "2003"]}}),
        ("Observation", {"issued": "2001"}),
        ("Observation", {"effectiveDateTime": "soon", "issued": "2001"}),
        ("Encounter", {"period": {"start": "2001", "end": "2002"}}),
        ("Encounter", {"actualPeriod": {"start": "2001"}}),
        ("Condition", {"onsetDateTime": "2001", "recordedDate": "2002"}),
        ("Condition", {"assertedDate": "2001"}),
        ("Procedure", {"performedPeriod": {"start": "2001"}}),
        ("Procedure", {"occurrenceDateTime": "2001"}),
        ("Immunization", {"occurrenceDateTime": "2001", "recorded": "2002"}),
        ("Immunization", {"date": "2001"}),
        ("MedicationRequest", {"authoredOn": "2001"}),
        ("ServiceRequest", {"authoredOn": "2001", "occurrenceDateTime": "2002"}),
        ("ServiceRequest", {"occurrenceDateTime": "2001"}),
        ("MedicationAdministration", {"effectivePeriod": {"start": "2001"}}),
        ("MedicationAdministration", {"occurenceDateTime": "2001"}),
        ("MedicationDispense", {"whenHandedOver": "2001", "whenPrepared": "2000"}),
        ("DocumentReference", {"context": {"period": {"start": "2001"}}, "date": "2002"}),
        ("Composition", {"date": "2001"}),
        ("Claim", {"billablePeriod": {"start": "2001"}, "created": "2002"}),
        ("ImagingStudy", {"started": "2001"}),
        ("Specimen", {"collection": {"collectedDateTime": "2001"}, "receivedTime": "2002"}),
        ("Appointment", {"requestedPeriod": [{"start": "2001"}], "created": "2000"}),
        ("Bundle", {"timestamp": "2001"}),
        ("Consent", {"dateTime": "2001"}),
        ("Task", {"authoredOn": "2001"}),
        ("AuditEvent", {"recorded": "2001"}),
        ("Library", {"date": "2001"}),
    ],
)
def test_the_date_is_when_it_happened_else_when_it_was_recorded(kind: str, elements: dict[str, Any]) -> None:
    assert year_of(kind, **elements) == 2001


@pytest.mark.parametrize("odd", [7, {}, [], {"start": 7}, {"start": {}}, "2020-99"])
def test_a_date_of_an_impossible_type_is_a_missing_fact(odd: object) -> None:
    assert year_of("Encounter", period=odd) is None
    assert year_of("Composition", date=odd) is None


def test_when_a_server_stored_something_is_no_clinical_date() -> None:
    assert year_of("Observation", meta={"lastUpdated": "2001-01-01T00:00:00Z"}) is None
    assert year_of("Patient", birthDate="2001-01-01") is None


def test_the_table_names_known_types_only() -> None:
    listed = {kind for _, kinds in clinical_dates._BY_ELEMENTS for kind in kinds.split()}
    assert listed <= set(KIND_OF)
