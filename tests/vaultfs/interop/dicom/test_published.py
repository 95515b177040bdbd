"""The files that pydicom ships for its own tests, read here and by pydicom, which shares no code with the adapter."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from pydicom.errors import InvalidDicomError

from tests.vaultfs.interop.dicom.published import BROKEN, FILES, digest_of
from vaultfs.interop.dicom import DicomAdapter
from vaultfs.interop.pieces import Facts
from vaultfs.interop.registry import recognise

NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")


def facts_of(data: bytes) -> Facts | None:
    """Return the facts of a file as the registry has it, None where it is quarantined."""
    adapter = recognise(data[: 64 * 1024])
    if not isinstance(adapter, DicomAdapter):
        return None
    (piece,) = adapter.pieces(io.BytesIO(data))
    assert piece.data == data
    return piece.facts


def read(path: Path) -> pydicom.Dataset | None:
    """Return what pydicom makes of a file, None where it is none of DICOM's."""
    try:
        return pydicom.dcmread(path, force=True, stop_before_pixels=True)
    except InvalidDicomError:
        return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_understood_or_known_to_break_a_rule(path: Path) -> None:
    data = path.read_bytes()
    assert (facts_of(data) is None) == (digest_of(data) in BROKEN)


def text(data_set: pydicom.Dataset, keyword: str) -> str:
    value = data_set.get(keyword)
    return "" if value is None else str(value).strip(" \0")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_patient_instance_and_day_are_those_that_pydicom_finds(path: Path) -> None:
    """A file without an acquisition date is dated by its study."""
    data = path.read_bytes()
    facts, found = facts_of(data), read(path)
    if facts is None:
        return
    assert found is not None
    own = text(found, "PatientID")
    assert [one.value for one in facts.identifiers][: bool(own)] == ([own] if own else [])
    assert (facts.logical_id or "") == (
        text(found, "SOPInstanceUID") or text(found.file_meta, "MediaStorageSOPInstanceUID")
    )
    if facts.kind == "ImagingStudy" and not text(found, "TreatmentDate") + text(found, "RTPlanDate"):
        stated = [text(found, name) for name in ("AcquisitionDateTime", "AcquisitionDate", "StudyDate", "SeriesDate")]
        day = next((one for one in stated if len(one) >= 8), "")
        if len(day) == 8 and day.isdigit():
            assert facts.date is not None
            assert facts.date.when.strftime("%Y%m%d") == day


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_pixels_lie_where_pydicom_finds_them(path: Path) -> None:
    data = path.read_bytes()
    facts = facts_of(data)
    pixels = facts.pixels if facts else None
    if pixels is None:
        return
    found = pydicom.dcmread(path, force=True)
    content = data[pixels.offset : pixels.offset + pixels.length]
    assert found.PixelData in (content, content + b"\0")
    assert str(found.file_meta.TransferSyntaxUID) in NATIVE
    assert (found.BitsAllocated, found.Rows) == (8 * pixels.sample, found.Rows)
    assert pixels.length % (pixels.row * found.Rows) == 0


def test_most_native_files_have_pixels_that_are_found() -> None:
    found = [facts_of(path.read_bytes()) for path in FILES]
    assert sum(one is not None and one.pixels is not None for one in found) > 50


def test_the_adapter_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Warnings are errors here, and no logger of the host is written to."""
    for path in FILES:
        facts_of(path.read_bytes())
    assert caplog.records == []
