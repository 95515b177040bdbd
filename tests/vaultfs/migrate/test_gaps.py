"""The bytes between records, and names of files: whose they are, and what happens when records go."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vaultfs.migrate.support import MRN, Archive, bundle, files_of, message, ndjson, observation, patient, rows_of
from vaultfs import NOBODY, SubjectId

HOSPITAL = {"resourceType": "Organization", "id": "h", "name": "Hospital"}
SECRET = "urn:uuid:00000000-0000-4000-8000-5ec2e7000000"


def holders_of(archive: Archive, text: str) -> set[SubjectId]:
    """Return the subjects in whose records, or in the bytes around them, a text is."""
    sought = text.encode()
    return {
        one.info.subject
        for one in archive.records(own=True)
        if sought in one.before or sought in one.data or sought in one.after
    }


@pytest.mark.parametrize("window", [1, 1 << 20])
@pytest.mark.parametrize("order", [0, 1])
def test_gap_bytes_belong_to_the_patient_and_never_to_a_neighbour_that_is_nobodys(
    archive: Archive, window: int, order: int
) -> None:
    """Whatever stands before the first record and behind the last may name the patient."""
    people = [patient("1", (MRN, "1")), HOSPITAL]
    text = bundle(*(people if order else reversed(people)))
    text = {"id": "for-1-Doe", **text, "link": [{"url": "https://ehr.example/Patient?name=Doe"}]}
    archive.write("a.json", text)
    archive.take(window_bytes=window)
    person = archive.holder('"Patient"')
    assert archive.holder("Hospital") == NOBODY
    if window > 1:
        assert holders_of(archive, "for-1-Doe") == {person}
    assert holders_of(archive, "name=Doe") == {person}


def test_the_full_url_of_a_record_belongs_to_its_subject(archive: Archive) -> None:
    urls = ["https://ehr.example/Organization/h", SECRET, SECRET + "0"]
    archive.write("a.json", bundle(HOSPITAL, patient("1", (MRN, "1")), observation("o", SECRET), urls=urls))
    archive.take()
    assert holders_of(archive, SECRET) == {archive.holder('"Patient"')}


def test_a_gap_goes_to_the_patient_before_although_the_import_was_interrupted(archive: Archive) -> None:
    """Windows of one record each: the patient is remembered across all of them."""
    text = {**bundle(patient("1", (MRN, "1")), HOSPITAL, {**HOSPITAL, "id": "i"}), "link": [{"url": "?name=Doe"}]}
    archive.write("a.json", text)
    archive.take(window_bytes=1)
    assert holders_of(archive, "?name=Doe") == {archive.holder('"Patient"')}


def test_punctuation_between_records_that_are_nobodys_makes_no_records(archive: Archive) -> None:
    archive.write("a.ndjson", ndjson(patient("1", (MRN, "1")), *({**HOSPITAL, "id": str(n)} for n in range(50))))
    archive.take()
    gaps = [one for one in archive.records(own=True) if one.info.kind == "vaultfs.gap"]
    assert len(gaps) == 1, "the name of the file"


@pytest.mark.parametrize(
    "content",
    [
        bundle(HOSPITAL, patient("1", (MRN, "1"))),
        bundle(patient("1", (MRN, "1")), HOSPITAL),
    ],
)
def test_the_name_of_a_file_belongs_to_its_patient(archive: Archive, content: dict[str, object]) -> None:
    archive.write("Jane_Doe.json", content)
    archive.take(window_bytes=1)
    assert holders_of(archive, "Jane_Doe") == {archive.holder('"Patient"')}


def test_the_name_of_a_file_without_patients_belongs_to_nobody(archive: Archive, tmp_path: Path) -> None:
    archive.write("hospital.json", HOSPITAL)
    archive.write("unreadable.bin", b"\x00")
    archive.write("half.hl7", message("1^^^X", "lab") + "MSH|^\rPID|1\r")
    archive.take()
    assert holders_of(archive, "hospital.json") == holders_of(archive, "unreadable.bin") == {NOBODY}
    assert holders_of(archive, "half.hl7") == {archive.holder("lab")}


def test_a_deleted_record_makes_the_export_partial_and_is_listed(archive: Archive, tmp_path: Path) -> None:
    people = [patient("1", (MRN, "1")), observation("o", "Patient/1", "gone"), observation("p", "Patient/1", "stays")]
    path = archive.write("dir/a.ndjson", ndjson(*people))
    archive.write("b.bin", b"\x00streamed")
    archive.take()
    deleted = [archive.one(text).info.id for text in ("gone", "streamed")]
    with archive.session.transaction() as txn:
        for one in deleted:
            txn.delete(one)
    report = archive.export(tmp_path / "out")
    assert report.partial == 2
    lines = path.read_bytes().splitlines(keepends=True)
    assert files_of(tmp_path / "out") == {"dir/a.ndjson.partial": lines[0] + lines[2], "b.bin.partial": b""}
    rows = rows_of(tmp_path / "out")
    assert {row["id"] for row in rows if row.get("gone")} == {one.hex() for one in deleted}
    assert not any(row["id"] in {one.hex() for one in deleted} for row in rows if not row.get("gone"))
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")}
    assert {row["file"] for row in rows if "file" in row} <= written
