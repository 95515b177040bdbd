"""What kind of record a DICOM file is, when what it shows happened, and where its pixels are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.vaultfs.interop.dicom.files import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    INSTANCE,
    JPEG,
    UNDEFINED,
    Element,
    Writer,
    describe,
    dicom,
    file,
    image,
    meta,
)
from vaultfs.model import PixelData, Precision

STORAGE = "1.2.840.10008.5.1.4.1.1."


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [
        (STORAGE + "2", "ImagingStudy"),
        (STORAGE + "66.4", "ImagingStudy"),
        (STORAGE + "88.11", "DiagnosticReport"),
        (STORAGE + "88.67", "DiagnosticReport"),
        (STORAGE + "88.59", "ImagingStudy"),
        (STORAGE + "88.590", "DiagnosticReport"),
        (STORAGE + "104.1", "DocumentReference"),
        (STORAGE + "104.2", "DocumentReference"),
        (STORAGE + "9.1.1", "Observation"),
        (STORAGE + "481.5", "ImagingStudy"),
        (STORAGE + "11.1", "ImagingStudy"),
        ("1.2.840.10008.5.1.4.39.1", "Basic"),
        ("1.2.840.10008.1.3.10", "Basic"),
        ("1.2.3.4", "ImagingStudy"),
        ("", "ImagingStudy"),
    ],
)
def test_the_sop_class_decides_the_kind(sop_class: str, kind: str) -> None:
    facts = describe(dicom(sop_class=sop_class))
    assert facts.kind == kind
    assert facts.media_type == "application/dicom"


def test_class_and_instance_of_the_file_meta_information_stand_in_for_missing_ones() -> None:
    facts = describe(bytes(128) + b"DICM" + meta() + Writer().elements([(0x00080060, "CS", "CT")]))
    assert facts.logical_id == INSTANCE
    assert facts.kind == "ImagingStudy"


@pytest.mark.parametrize("stated", ["", "not a uid", "1" * 65])
def test_an_impossible_instance_uid_is_no_logical_id(stated: str) -> None:
    facts = describe(file(Writer().elements([(0x00080018, "UI", stated)])))
    assert facts.logical_id == INSTANCE, "the one of the file meta information"


# Dates.

DAYS: list[Element] = [
    (0x00080012, "DA", "20010101"),
    (0x00080020, "DA", "20020202"),
    (0x00080021, "DA", "20030303"),
    (0x00080022, "DA", "20040404"),
    (0x00080023, "DA", "20050505"),
    (0x0008002A, "DT", "20060606"),
    (0x30080250, "DA", "20070707"),
]


@pytest.mark.parametrize(
    ("sop_class", "left_out", "year"),
    [
        (STORAGE + "2", (), 2006),
        (STORAGE + "2", (0x0008002A,), 2004),
        (STORAGE + "2", (0x0008002A, 0x00080022), 2002),
        (STORAGE + "2", (0x0008002A, 0x00080022, 0x00080020), 2003),
        (STORAGE + "2", (0x0008002A, 0x00080022, 0x00080020, 0x00080021), 2005),
        (STORAGE + "2", (0x0008002A, 0x00080022, 0x00080020, 0x00080021, 0x00080023), 2001),
        (STORAGE + "88.33", (), 2005),
        (STORAGE + "104.1", (), 2005),
        (STORAGE + "481.4", (), 2007),
        (STORAGE + "9.1.1", (), 2006),
    ],
)
def test_what_is_seen_is_dated_by_when_it_was_seen_and_what_is_written_by_when_it_was_written(
    sop_class: str, left_out: tuple[int, ...], year: int
) -> None:
    date = describe(dicom(*(one for one in DAYS if one[0] not in left_out), sop_class=sop_class)).date
    assert date is not None
    assert date.when.year == year


@pytest.mark.parametrize(
    ("day", "time", "zone", "when", "precision", "offset"),
    [
        ("20200229", "101112.345678", "+0530", datetime(2020, 2, 29, 10, 11, 12, 345_000), Precision.MILLISECOND, 330),
        ("20200229", "101112", "-0500 ", datetime(2020, 2, 29, 10, 11, 12), Precision.SECOND, -300),
        ("20200229", "1011", "", datetime(2020, 2, 29, 10, 11), Precision.MINUTE, None),
        ("20200229", "10", "+0100", datetime(2020, 2, 29), Precision.DAY, None),
        ("20200229", "", "+0100", datetime(2020, 2, 29), Precision.DAY, None),
        ("20200229", "nonsense", "+0100", datetime(2020, 2, 29), Precision.DAY, None),
        ("2020.02.29", "10:11:12", "", datetime(2020, 2, 29, 10, 11, 12), Precision.SECOND, None),
        ("20200229\0", "101112\0", "", datetime(2020, 2, 29, 10, 11, 12), Precision.SECOND, None),
        ("20200229", "101112", "nonsense", datetime(2020, 2, 29, 10, 11, 12), Precision.SECOND, None),
    ],
)
def test_date_time_and_zone_become_one_date(
    day: str, time: str, zone: str, when: datetime, precision: Precision, offset: int | None
) -> None:
    elements: list[Element] = [(0x00080020, "DA", day), (0x00080030, "TM", time), (0x00080201, "SH", zone)]
    date = describe(dicom(*elements)).date
    assert date is not None
    assert (date.when, date.precision, date.offset_minutes) == (when, precision, offset)


def test_a_date_time_with_an_offset_of_its_own_keeps_it() -> None:
    elements: list[Element] = [(0x0008002A, "DT", "20200229101112.5-0330"), (0x00080201, "SH", "+0100")]
    date = describe(dicom(*elements)).date
    assert date is not None
    assert date.offset_minutes == -210


@pytest.mark.parametrize("day", ["", "20200231", "2020", "yesterday", "00000000"])
def test_an_impossible_date_is_none_and_the_next_one_counts(day: str) -> None:
    assert describe(dicom((0x00080022, "DA", day))).date is None
    date = describe(dicom((0x00080022, "DA", day), (0x00080020, "DA", "20200229"))).date
    assert date is not None
    assert date.when == datetime(2020, 2, 29)


# Pixels.


def place(data: bytes) -> bytes:
    pixels = describe(data).pixels
    assert pixels is not None
    return data[pixels.offset : pixels.offset + pixels.length]


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_native_pixels_are_found(syntax: str) -> None:
    content = bytes(range(48))
    data = dicom(*image(4, 6, pixels=content), syntax=syntax)
    assert place(data) == content
    assert describe(data).pixels == PixelData(len(data) - 48, 48, row=12, sample=2)


@pytest.mark.parametrize(
    ("description", "length", "row", "sample"),
    [
        ({"bits": 8}, 24, 6, 1),
        ({"bits": 32}, 96, 24, 4),
        ({"bits": 8, "samples": 3}, 72, 18, 1),
        ({"bits": 8, "samples": 3, "planar": 0}, 72, 18, 1),
        ({"bits": 8, "samples": 3, "planar": 1}, 72, 6, 1),
        ({"frames": "10"}, 480, 12, 2),
        ({"frames": ""}, 48, 12, 2),
        ({"rows": 3, "columns": 3, "bits": 8}, 9, 3, 1),
    ],
    ids=["8 bits", "32 bits", "colour", "by pixel", "by plane", "frames", "no count of frames", "odd"],
)
def test_rows_and_samples_are_those_of_the_description(
    description: dict[str, int], length: int, row: int, sample: int
) -> None:
    pixels = describe(dicom(*image(**description))).pixels
    assert pixels is not None
    assert (pixels.length, pixels.row, pixels.sample) == (length, row, sample)


@pytest.mark.parametrize("syntax", [BIG, DEFLATED, JPEG, "1.2.840.113619.5.2"])
def test_pixels_of_another_order_or_compressed_ones_are_left_alone(syntax: str) -> None:
    encoding = IMPLICIT if syntax == "1.2.840.113619.5.2" else syntax
    listed: list[Element] = [(0x00080016, "UI", STORAGE + "2"), *sorted(image(), key=lambda one: one[0])]
    assert describe(file(Writer(encoding).elements(listed), syntax)).pixels is None


def test_encapsulated_pixels_are_passed_over_and_left_alone() -> None:
    *description, _ = image()
    mark = Writer().mark
    fragments = mark(0xFFFEE000) + mark(0xFFFEE000, 4) + b"abcd" + mark(0xFFFEE0DD)
    head = Writer().elements(sorted(description, key=lambda one: one[0])) + Writer().head(0x7FE00010, "OB", UNDEFINED)
    assert describe(file(head + fragments)).pixels is None


@pytest.mark.parametrize(
    "description",
    [
        {"pixels": bytes(46)},
        {"pixels": bytes(50)},
        {"bits": 12, "pixels": bytes(36)},
        {"bits": 1, "pixels": bytes(4)},
        {"rows": 0, "pixels": b""},
        {"frames": "2", "pixels": bytes(48)},
        {"frames": "x", "pixels": bytes(48)},
        {"frames": "0", "pixels": b""},
        {"samples": 3, "bits": 8, "pixels": bytes(48)},
    ],
    ids=["less", "more", "packed", "bits", "no rows", "frames", "no number", "no frames", "subsampled"],
)
def test_a_description_that_does_not_agree_with_the_pixels_is_not_believed(description: dict[str, Any]) -> None:
    given = {name: value for name, value in description.items() if name not in ("frames", "bits")}
    content = given.pop("pixels")
    elements = [
        (tag, vr, description.get({0x00280008: "frames", 0x00280100: "bits"}.get(tag, ""), value))
        for tag, vr, value in image(**given, pixels=content)
    ]
    assert describe(dicom(*elements)).pixels is None
