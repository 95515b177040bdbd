"""Sources that others published: all come in and come back byte for byte; what is broken is in quarantine."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

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
    roots = [samples / "interop" / name for name in ("hl7v2", "fhir", "fhir-to-hl7v2")]
    sources = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for root in roots
        for path in root.rglob("*")
        if path.is_file()
    }
    if len(sources) < 100:
        pytest.skip("sample data not present: hl7v2, fhir, fhir-to-hl7v2")
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
