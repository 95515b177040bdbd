"""Sources that are one record: DICOM files and clinical documents, small ones in windows, large ones as streams."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.vaultfs.interop.ccda.documents import document, record_target
from tests.vaultfs.interop.dicom.files import dicom, image, patient
from tests.vaultfs.migrate.support import MRN, Archive, bundle, message, observation, rows_of
from tests.vaultfs.migrate.support import patient as person
from tests.vaultfs.migrate.test_again import Fails
from vaultfs import Identifier
from vaultfs.errors import (
    DicomMalformed,
    DicomTruncated,
    FormatUnknown,
    SourceChanged,
    StorageFull,
    XmlForbidden,
    XmlMalformed,
)
from vaultfs.migrate import sources
from vaultfs.migrate.wholes import STREAM_BYTES

OID = MRN.removeprefix("urn:oid:")
ISSUED = [(0x00100024, "SQ", [[(0x00400032, "UT", OID), (0x00400033, "CS", "ISO")]])]
LARGE = STREAM_BYTES + 1000


def scan(number: str, *more: tuple[int, str, object], size: int = 0, **image_: int) -> bytes:
    """Return an image of a patient; `size` makes the file at least so large."""
    rows = 8 if not size else size // 2048 + 1
    day = (0x00080020, "DA", "20210501")
    return dicom(*patient(number), *ISSUED, day, *more, *image(rows, 8 if not size else 1024, **image_))


def summary(number: str, *more: str, size: int = 0) -> str:
    text = "<component><nonXMLBody><text>" + "QUJD" * (size // 4) + "</text></nonXMLBody></component>"
    return document('<effectiveTime value="20210501"/>', record_target((OID, number)), *more, text)


def test_the_formats_of_one_patient_meet_in_one_subject(archive: Archive) -> None:
    archive.write("a.json", bundle(person("1", (MRN, "12345")), observation("1", "Patient/1")))
    archive.write("b.hl7", message(f"12345^^^&{OID}&ISO^MR"))
    archive.write("c.dcm", scan("12345"))
    archive.write("d.xml", summary("12345"))
    archive.write("e.dcm", scan("54321"))
    report = archive.take()
    assert report.outcome("stored") == 6
    assert not report.reasons
    (subject,) = archive.session.subjects(Identifier(MRN, "12345"))
    found = {info.kind for info in archive.session.find(subject=subject)}
    assert found == {"Patient", "Observation", "hl7v2.ORU", "ImagingStudy", "DocumentReference", "vaultfs.gap"}
    assert archive.candidates() == set()


def test_the_record_is_the_file(archive: Archive) -> None:
    written = {"c.dcm": scan("1"), "d.xml": summary("2").encode()}
    for name, data in written.items():
        archive.write(name, data)
    archive.take()
    found = {(one.info.kind, one.info.media_type): one for one in archive.records()}
    image_, text = found["ImagingStudy", "application/dicom"], found["DocumentReference", "application/hl7-cda+xml"]
    assert (image_.data, text.data) == tuple(written.values())
    assert image_.info.date is not None
    assert image_.info.date.when.year == 2021


@pytest.mark.parametrize("name", ["c.dcm", "d.xml"])
def test_a_large_one_is_streamed_in_and_out(archive: Archive, tmp_path: Path, name: str) -> None:
    data = scan("12345", size=LARGE) if name == "c.dcm" else summary("12345", size=LARGE).encode()
    assert len(data) > STREAM_BYTES
    archive.write("a.json", bundle(person("1", (MRN, "12345"))))
    archive.write(name, data)
    first = archive.take()
    assert first.verified == 2
    assert first.outcome("stored") == 2
    (subject,) = archive.session.subjects(Identifier(MRN, "12345"))
    (info,) = [
        one for one in archive.session.find(subject=subject) if one.kind != "Patient" and one.length == len(data)
    ]
    assert info.kind in ("ImagingStudy", "DocumentReference")
    assert archive.exported(tmp_path / "out")[name] == data
    assert len([row for row in rows_of(tmp_path / "out") if row["length"] == len(data)]) == 1

    again = archive.take()
    assert (again.outcome("unchanged"), again.outcome("stored"), again.outcome("quarantined")) == (2, 0, 0)
    assert again.sources == {"unchanged": 2}


def test_a_large_one_that_was_changed_is_a_new_version(archive: Archive, tmp_path: Path) -> None:
    archive.write("c.dcm", scan("12345", size=LARGE))
    archive.take()
    changed = scan("12345", (0x00104000, "LT", "a comment"), size=LARGE)
    archive.write("c.dcm", changed)
    report = archive.take()
    assert (report.outcome("version"), report.outcome("stored"), report.outcome("quarantined")) == (1, 0, 0)
    assert archive.exported(tmp_path / "out")["c.dcm"] == changed
    small = scan("12345", (0x00104000, "LT", "cut out"))
    archive.write("c.dcm", small)
    assert archive.take().outcome("version") == 1
    assert archive.exported(tmp_path / "small")["c.dcm"] == small
    archive.write("c.dcm", changed)
    assert archive.take().outcome("version") == 1
    assert archive.exported(tmp_path / "large")["c.dcm"] == changed
    assert len([one for one in archive.records() if one.info.kind == "ImagingStudy"]) == 1


def test_a_large_one_in_the_place_of_another_leaves_that_in_the_vault(archive: Archive) -> None:
    archive.write("c.dcm", scan("12345", size=LARGE))
    archive.take()
    archive.write("c.dcm", scan("54321", size=LARGE).replace(b"1.2.3.4.5.6", b"1.2.3.4.5.7"))
    assert archive.take().outcome("stored") == 1
    for number in ("12345", "54321"):
        (subject,) = archive.session.subjects(Identifier(MRN, number))
        assert [one.kind for one in archive.session.find(subject=subject) if one.length > STREAM_BYTES] == [
            "ImagingStudy"
        ]


@pytest.mark.parametrize("size", [0, LARGE])
def test_a_cut_one_is_in_quarantine_and_comes_back(archive: Archive, tmp_path: Path, size: int) -> None:
    data = scan("12345", size=size)[:-10]
    archive.write("c.dcm", data)
    report = archive.take()
    assert report.reasons == {DicomTruncated.code: 1}
    assert archive.exported(tmp_path / "out")["c.dcm"] == data
    again = archive.take()
    assert again.reasons == {DicomTruncated.code: 1}
    assert archive.redrive().outcome("quarantined") == 1


@pytest.mark.parametrize("name", ["c.dcm", "d.xml"])
def test_wherever_a_file_was_cut_it_comes_back_as_it_is(archive: Archive, tmp_path: Path, name: str) -> None:
    data = scan("12345", size=0) if name == "c.dcm" else summary("12345").encode()
    cut = {f"{length:04d}-{name}": data[:length] for length in range(len(data))}
    for path, part in cut.items():
        archive.write(path, part)
    report = archive.take()
    assert report.verified == len(cut)
    assert report.outcome("quarantined") + report.outcome("stored") == len(cut) - 1, "the first file is empty"
    coded = {FormatUnknown.code, DicomMalformed.code, DicomTruncated.code, XmlMalformed.code}
    assert set(report.reasons) <= coded
    assert archive.exported(tmp_path / "out") == cut


@pytest.mark.parametrize("size", [0, LARGE])
def test_a_document_with_a_document_type_is_in_quarantine_and_comes_back(
    archive: Archive, tmp_path: Path, size: int
) -> None:
    data = ("<!DOCTYPE ClinicalDocument>" + summary("12345", size=size)).encode()
    archive.write("d.xml", data)
    assert archive.take().reasons == {XmlForbidden.code: 1}
    assert archive.exported(tmp_path / "out")["d.xml"] == data


@pytest.mark.parametrize("size", [0, LARGE])
def test_what_an_adapter_has_learned_to_read_leaves_quarantine(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The vault was filled by a version that did not know the format."""
    data = scan("12345", size=size)
    archive.write("c.dcm", data)
    with monkeypatch.context() as before:
        before.setattr("vaultfs.migrate.reading.recognise", lambda head: None)
        assert archive.take().outcome("quarantined") == 1
    report = archive.redrive()
    assert (report.outcome("stored"), report.outcome("quarantined")) == (1, 0)
    (subject,) = archive.session.subjects(Identifier(MRN, "12345"))
    assert [one.kind for one in archive.session.find(subject=subject) if one.length == len(data)] == ["ImagingStudy"]
    assert archive.exported(tmp_path / "out")["c.dcm"] == data
    assert archive.redrive().read == 0


def test_a_large_one_that_changes_while_it_is_read_is_not_kept(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive.write("c.dcm", scan("12345", size=LARGE))

    class Changing(sources.Tail):
        def read(self, size: int = -1) -> bytes:
            if not self.length:
                os.utime(path, ns=(1, 1))
            return super().read(size)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("vaultfs.migrate.importer.Tail", Changing)
        report = archive.take()
    assert report.reasons == {SourceChanged.code: 1}
    assert report.failed == 1
    assert archive.records(own=True) == []
    assert archive.take().outcome("stored") == 1


def test_a_file_that_was_something_else_when_it_was_begun_is_read_anew(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint of lines, and then a large image in their place."""
    lines = "".join(f'{{"resourceType":"Basic","id":"{number}"}}\n' for number in range(10))
    archive.write("c.dcm", lines)
    with monkeypatch.context() as patched:
        Fails(patched, 3, StorageFull())
        with pytest.raises(StorageFull):
            archive.take(window_bytes=40)
    data = scan("12345", size=LARGE)
    archive.write("c.dcm", data)
    assert archive.take().outcome("stored") == 1
    assert archive.exported(tmp_path / "out")["c.dcm"] == data
