"""Sources that others published: all come in and come back byte for byte; what is broken is in quarantine."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.vaultfs.interop.dicom import published
from tests.vaultfs.migrate.support import Archive, rows_of
from vaultfs.errors import Hl7NoHeader, NotAResource

# By SHA-256: the rule that a file breaks, and where.
BROKEN = {
    "2e2aef1c7e74958b104d57dab0e923eea7ac889f3be3b2bafb843e42526c6d89": (NotAResource.code, "a cloud event"),
    "2091410c331d8fbc13329583eb201294b66fc47b99322af2a38e5e6d1b673650": (Hl7NoHeader.code, "a batch without MSH"),
    "b72cde17c2d4a246bb515e7156373df73a32fd821f82ec050e8b78899bdb9879": (Hl7NoHeader.code, "segments without MSH"),
    "2297728e78d5725c85984c5708c7cefabdddb224db952435c1eb82300705d6bc": (Hl7NoHeader.code, "BHS inside a message"),
    "c8df03a506de9713d35d76b33962af5d0d527a4651ac98c63d093a418eea4dc0": (Hl7NoHeader.code, "segments without MSH"),
}


def test_every_sample_comes_in_and_comes_back(archive: Archive, samples: Path, tmp_path: Path) -> None:
    roots = [samples / "interop" / name for name in ("ccda", "hl7v2", "fhir", "fhir-to-hl7v2")]
    sources = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for root in roots
        for path in root.rglob("*")
        if path.is_file()
    }
    if len(sources) < 100:
        pytest.skip("sample data not present: ccda, hl7v2, fhir, fhir-to-hl7v2")
    report = archive.take(*roots)
    assert report.verified == len(sources)
    assert archive.exported(tmp_path / "out") == sources

    quarantined = {
        hashlib.sha256(sources[row["file"].split("/", 1)[1]]).hexdigest()
        for row in rows_of(tmp_path / "out")
        if row["kind"] == "vaultfs.quarantine"
    }
    present = {digest for digest in BROKEN if digest in {hashlib.sha256(one).hexdigest() for one in sources.values()}}
    assert quarantined == present
    assert sorted(report.reasons.elements()) == sorted(code for code, _ in (BROKEN[one] for one in present))


def test_a_second_import_of_the_samples_changes_nothing(archive: Archive, samples: Path) -> None:
    source = samples / "interop" / "fhir-to-hl7v2"
    if not source.is_dir():
        pytest.skip("sample data not present: fhir-to-hl7v2")
    first = archive.take(source)
    before = archive.records(own=True)
    second = archive.take(source)
    assert archive.records(own=True) == before
    assert second.outcome("unchanged") == first.outcome("stored")
    assert second.outcome("quarantined") == first.outcome("quarantined")


def test_every_published_image_comes_in_and_comes_back(archive: Archive, tmp_path: Path) -> None:
    sources = {f"{number:03d}": path.read_bytes() for number, path in enumerate(published.FILES)}
    for name, data in sources.items():
        archive.write(name, data)
    report = archive.take()
    assert report.verified == len(sources) > 150
    assert archive.exported(tmp_path / "out") == sources
    broken = [published.BROKEN[one] for one in map(published.digest_of, sources.values()) if one in published.BROKEN]
    assert sorted(report.reasons.elements()) == sorted(code for code, _ in broken)
    assert len(broken) == len(published.BROKEN)


SHIPPED = Path(__file__).parents[3] / "samples" / "legacy-export"


def test_the_shipped_sample_is_understood_and_its_patients_meet_across_formats(
    archive: Archive, tmp_path: Path
) -> None:
    report = archive.take(SHIPPED)
    assert (report.outcome("quarantined"), report.failed, report.candidates) == (0, 0, 0)
    sources = {path.relative_to(SHIPPED).as_posix(): path.read_bytes() for path in SHIPPED.rglob("*") if path.is_file()}
    assert report.verified == len(sources)
    assert archive.exported(tmp_path / "out") == sources
    media: dict[str, set[str]] = {}
    for record in archive.records():
        media.setdefault(record.info.subject.hex(), set()).add(record.info.media_type)
    together = [found - {"application/octet-stream"} for found in media.values()]
    fhir, hl7v2 = "application/fhir+json", "x-application/hl7-v2+er7"
    assert together.count({fhir, hl7v2, "application/dicom"}) == 1
    assert together.count({fhir, hl7v2, "application/hl7-cda+xml"}) == 1
    assert not any(found in ({"application/dicom"}, {"application/hl7-cda+xml"}) for found in together)
