"""Sources that others published: all are understood, but for those that are broken."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from pathlib import Path

import pytest

from tests.vaultfs.interop.support import drain, facts_of, joined, run
from vaultfs.errors import Hl7NoHeader, NotAResource, SourceError
from vaultfs.interop.ccda import CcdaAdapter
from vaultfs.interop.fhir import FhirAdapter
from vaultfs.interop.hl7v2 import Hl7v2Adapter
from vaultfs.interop.registry import recognise

# By SHA-256: what is broken about a file, found by reading it.
BROKEN: dict[str, tuple[type[SourceError], str]] = {
    "2e2aef1c7e74958b104d57dab0e923eea7ac889f3be3b2bafb843e42526c6d89": (NotAResource, "a cloud event, not a message"),
    "2091410c331d8fbc13329583eb201294b66fc47b99322af2a38e5e6d1b673650": (Hl7NoHeader, "a batch, segments, no MSH"),
    "b72cde17c2d4a246bb515e7156373df73a32fd821f82ec050e8b78899bdb9879": (Hl7NoHeader, "a file, segments, no MSH"),
    "2297728e78d5725c85984c5708c7cefabdddb224db952435c1eb82300705d6bc": (Hl7NoHeader, "BHS inside a message"),
    "c8df03a506de9713d35d76b33962af5d0d527a4651ac98c63d093a418eea4dc0": (Hl7NoHeader, "a file, segments, no MSH"),
}


def sources(folder: Path) -> list[Path]:
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    if not found:
        pytest.skip(f"sample data not present: {folder.name}")
    return found


@pytest.mark.parametrize("folder", ["ccda", "hl7v2", "fhir", "fhir-to-hl7v2"])
def test_every_sample_is_understood_or_known_to_be_broken(samples: Path, folder: str) -> None:
    for path in sources(samples / "interop" / folder):
        data = path.read_bytes()
        adapter = recognise(data[: 64 * 1024])
        assert adapter is not None, path.name
        outcome = drain(adapter.pieces(io.BytesIO(data)))
        assert outcome.error is None, path.name
        assert joined(outcome.pieces) == data, path.name
        expected = BROKEN.get(hashlib.sha256(data).hexdigest())
        found = {type(piece.problem) for piece in outcome.pieces if piece.problem}
        assert found == ({expected[0]} if expected else set()), path.name


def test_every_patient_bundle_has_one_patient_whom_all_clinical_records_name(samples: Path) -> None:
    for path in sources(samples / "interop" / "fhir" / "synthea-r4"):
        facts = [facts_of(piece) for piece in run(FhirAdapter, path.read_bytes()).pieces]
        patients = [one for one in facts if one.is_subject]
        if not patients:
            continue
        (patient,) = patients
        assert sum(one.strong for one in patient.identifiers) == 2, "record number and the generator's own"
        foreign = {"Organization", "Practitioner", "Medication"}
        for one in facts:
            if one.kind not in foreign and not one.is_subject:
                assert set(one.subject_references) <= set(patient.own_references), path.name
                assert one.subject_references, f"{one.kind} in {path.name}"


def test_every_bulk_record_has_an_id_and_clinical_ones_a_date(samples: Path) -> None:
    for path in sources(samples / "interop" / "fhir" / "bulk10"):
        data = path.read_bytes()
        facts = [facts_of(piece) for piece in run(FhirAdapter, data).pieces]
        assert len(facts) == data.count(b"\n") + (not data.endswith(b"\n"))
        assert all(one.logical_id for one in facts)
        if facts[0].kind in ("Condition", "Encounter", "Immunization", "MedicationRequest", "AllergyIntolerance"):
            assert all(one.date and one.subject_references for one in facts), path.name


def test_most_message_types_come_with_kind_date_and_patient(samples: Path) -> None:
    kinds: Counter[str] = Counter()
    for path in sources(samples / "interop" / "hl7v2" / "ms-fhir-converter"):
        if path.suffix == ".hl7":
            for piece in run(Hl7v2Adapter, path.read_bytes()).pieces:
                facts = facts_of(piece)
                kinds[facts.kind] += 1
                assert facts.identifiers, path.name
                assert facts.date, path.name
                assert facts.logical_id, path.name
    assert kinds["hl7v2.other"] == 0
    assert len(kinds) > 10


def test_every_clinical_document_names_itself_and_its_patient(samples: Path) -> None:
    undated = {"Kinsights_Samples__kinsights-sample-timmy.xml"}
    for path in sources(samples / "interop" / "ccda"):
        if path.suffix == ".json":
            continue
        facts = [facts_of(piece) for piece in run(CcdaAdapter, path.read_bytes()).pieces]
        assert len(facts) == 1
        assert facts[0].identifiers, path.name
        assert facts[0].logical_id, path.name
        assert (facts[0].date is None) == (path.name in undated), path.name
