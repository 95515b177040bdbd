"""The report: its numbers add up, and none of them names a patient."""

from __future__ import annotations

import json
from pathlib import Path

from tests.vaultfs.migrate.support import MRN, Archive, bundle, message, ndjson, observation, patient
from vaultfs.errors import FormatUnknown
from vaultfs.migrate.report import Report
from vaultfs.testing.synthetic import sample


def test_the_numbers_add_up(archive: Archive) -> None:
    files = sample(patients=10)
    for name, data in files.items():
        archive.write(name, data)
    archive.write("broken.bin", b"\x00")
    report = archive.take()
    assert report.read == len(archive.records())
    assert report.sources == {"imported": len(files) + 1}
    assert report.bytes_in == sum(len(data) for data in files.values()) + 1
    assert report.verified == len(files) + 1
    assert report.stored == report.read - 1
    assert report.ratio > 3
    shown = report.as_json()
    assert sum(row["count"] for row in shown["records"]) == report.read  # type: ignore[attr-defined]
    assert shown["read"] == report.read
    assert shown["reasons"] == {f"VFS-{FormatUnknown.code}": 1}
    assert json.loads(json.dumps(shown)) == shown


def test_kinds_and_years_are_those_of_the_records(archive: Archive) -> None:
    archive.write("a.ndjson", ndjson(patient("1", (MRN, "1")), observation("1", "Patient/1"), observation("2", None)))
    archive.write("b.hl7", message("1"))
    report = archive.take()
    assert report.records == {
        ("Patient", 0, "stored"): 1,
        ("Observation", 2021, "stored"): 2,
        ("hl7v2.ORU", 2021, "stored"): 1,
    }


def test_a_resumed_import_counts_what_was_there_as_unchanged(archive: Archive) -> None:
    archive.write("a.ndjson", ndjson(*(observation(str(n), None) for n in range(10))))
    archive.take()
    archive.write("b.ndjson", ndjson(*(observation(str(n), None, "b") for n in range(7))))
    report = archive.take()
    assert (report.outcome("unchanged"), report.outcome("stored"), report.read) == (10, 7, 17)
    assert report.sources == {"unchanged": 1, "imported": 1}


def test_the_text_says_the_same(archive: Archive) -> None:
    archive.write("a.ndjson", ndjson(observation("1", None)) + "{oops\n")
    archive.write("b.json", patient())
    text = archive.take().as_text()
    assert "Observation                 stored        2021-2021" in text
    assert "Patient                     stored        undated" in text
    assert "sources      2 imported" in text
    assert "quarantine   VFS-5002: 1" in text
    assert "verification 2 sources read back byte for byte" in text
    assert "records/s" in text


def test_candidates_are_told(archive: Archive) -> None:
    both = ndjson(patient("3", (MRN, "1"), (MRN, "2")))
    archive.write("a.json", bundle(patient("1", (MRN, "1")), patient("2", (MRN, "2"))))
    archive.take()
    archive.write("b.ndjson", both)
    assert "1 pairs of patients to be compared by a person" in archive.take().as_text()


def test_an_empty_report_says_so() -> None:
    text = Report().as_text()
    assert "sources      none" in text
    assert "nothing to read back" in text
    assert Report().as_json()["ratio"] is None


def test_a_source_that_differs_is_told() -> None:
    assert "1 DIFFER" in Report(verified=2, differing=1).as_text()


def test_progress_goes_up_to_the_whole(archive: Archive, tmp_path: Path) -> None:
    archive.write("a.ndjson", ndjson(*(observation(str(n), None, "x" * 4000) for n in range(1000))))
    archive.write("b.bin", b"\x00" * 3_000_000)
    calls: list[tuple[int, int]] = []
    archive.take(progress=lambda done, total: calls.append((done, total)))
    total = sum(path.stat().st_size for path in archive.folder.iterdir())
    assert {one for _, one in calls} == {total}
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[-1] == (total, total)
    assert len(calls) > 5
    calls.clear()
    archive.take(progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (total, total)
    assert len(calls) > 5


def test_without_verification_nothing_is_read_back(archive: Archive) -> None:
    archive.write("a.ndjson", ndjson(observation("1", None)))
    report = archive.take(verify=False)
    assert report.verified == 0
    assert "nothing to read back" in report.as_text()
