"""Whom a reference means: the Patient of its own Bundle, of its file, of its source, or nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vaultfs.migrate.support import MRN, Archive, bundle, message, ndjson, observation, patient
from vaultfs import NOBODY, Identifier

PLAIN_MRN = MRN.removeprefix("urn:oid:")


def hl7(number: str, oid: str = PLAIN_MRN, kind: str = "") -> str:
    return f"{number}^^^&{oid}&ISO^{kind}"


def test_relative_references_of_two_bundles_in_one_folder_mean_two_patients(archive: Archive) -> None:
    for name in ("anna", "berta"):
        archive.write(f"{name}.json", bundle(patient("1", name=name), observation("o", "Patient/1", f"of {name}")))
    archive.take()
    assert archive.holder("of anna") == archive.one('"family": "anna"').info.subject
    assert archive.holder("of berta") == archive.one('"family": "berta"').info.subject
    assert archive.holder("of anna") != archive.holder("of berta")


def test_a_record_before_its_own_patient_is_not_taken_for_that_of_another_bundle(archive: Archive) -> None:
    archive.write("a.json", bundle(patient("1", (MRN, "1")), observation("o", "Patient/1", "first")))
    archive.write("b.json", bundle(observation("o", "Patient/1", "second"), patient("1", (MRN, "2"))))
    archive.take()
    assert archive.holder("first") != archive.holder("second")
    found = archive.session.find(subject=Identifier(MRN, "2"))
    assert {info.kind for info in found} >= {"Patient", "Observation"}


@pytest.mark.parametrize("together", [True, False])
def test_relative_references_of_bundles_inside_a_source_mean_the_bundles_own_patients(
    archive: Archive, together: bool
) -> None:
    names = {"Anna": "1", "Berta": "2"}
    bundles = [
        bundle(
            observation("o", "Patient/1", f"{name}'s early"),
            patient("1", (MRN, number)),
            observation("p", "Patient/1", f"{name}'s late"),
        )
        for name, number in names.items()
    ]
    archive.write("all.json", bundle(*bundles) if together else ndjson(*bundles))
    archive.take()
    for name, number in names.items():
        (own,) = archive.session.subjects(Identifier(MRN, number))
        assert archive.holder(f"{name}'s early") == archive.holder(f"{name}'s late") == own
    assert not archive.candidates()


@pytest.mark.parametrize("names", [("Patient.ndjson", "Observation.ndjson"), ("z.ndjson", "a.ndjson")])
def test_bulk_files_refer_to_patients_of_other_files(archive: Archive, names: tuple[str, str]) -> None:
    archive.write(names[0], ndjson(*(patient(str(n), (MRN, str(n)), name=f"P{n}.") for n in range(5))))
    archive.write(names[1], ndjson(*(observation(f"o{n}", f"Patient/{n}", f"V{n}.") for n in range(5))))
    archive.take()
    for n in range(5):
        assert archive.holder(f"P{n}.") == archive.holder(f"V{n}.")
        assert archive.identifiers(archive.holder(f"V{n}.")) == {Identifier(MRN, str(n))}


def test_full_urls_are_references_too(archive: Archive) -> None:
    urls = ["urn:uuid:0d5b0b32-8a25-4b8e-9d1c-5f5a2a8e8f01", ""]
    archive.write("a.json", bundle(patient(None, (MRN, "1")), observation("o", urls[0], "mine"), urls=urls))
    archive.take()
    assert archive.holder("mine") == archive.holder("Patient")


def test_a_patient_later_in_the_file_takes_over_what_referred_to_it(archive: Archive) -> None:
    archive.write("a.ndjson", ndjson(observation("o", "Patient/1", "mine"), patient("1", (MRN, "1"))))
    archive.take(window_bytes=1)
    assert archive.holder("mine") == archive.holder('"Patient"')
    assert archive.session.find(subject=Identifier(MRN, "1"))


def test_a_known_patient_later_in_the_file_is_linked_to_what_referred_to_it(archive: Archive) -> None:
    archive.write("a.hl7", message(hl7("1"), "lab"))
    archive.take()
    archive.write("b.ndjson", ndjson(observation("o", "Patient/1", "mine"), patient("1", (MRN, "1"))))
    archive.take(window_bytes=1)
    assert archive.holder("mine") != archive.holder("lab")
    assert archive.together(archive.holder("lab"), archive.holder("mine"))


@pytest.mark.parametrize("when", ["a later file", "a later run", "a later version"])
def test_what_waits_for_a_patient_of_another_file_is_linked_when_it_comes(archive: Archive, when: str) -> None:
    records = ndjson(observation("o", "Patient/1", "mine"), observation("p", "Patient/1", "too"))
    archive.write("a.ndjson", records)
    person = patient("1", (MRN, "1"), name="Late")
    if when == "a later file":
        # Too far down to be seen by who sorts the files.
        archive.write("b.ndjson", ndjson(*(observation(str(n), None) for n in range(2000)), person))
    archive.take()
    if when == "a later run":
        archive.write("b.ndjson", ndjson(person))
    elif when == "a later version":
        archive.write("a.ndjson", records + ndjson(person))
    archive.take()
    assert archive.holder("mine") == archive.holder("too") != archive.holder("Late")
    assert archive.together(archive.holder("Late"), archive.holder("mine"))
    assert not archive.candidates()


def test_a_reference_that_several_patients_have_means_nobody_outside_of_their_files(archive: Archive) -> None:
    archive.write("a.ndjson", ndjson(patient("1", (MRN, "1"), name="Anna")))
    archive.write("b.ndjson", ndjson(patient("1", (MRN, "2"), name="Berta")))
    archive.write("c.ndjson", ndjson(*(observation(str(n), "Patient/1", f"V{n}.") for n in range(3))))
    archive.take()
    unknown = archive.holder("V0.")
    assert {archive.holder(f"V{n}.") for n in range(3)} == {unknown}
    for name in ("Anna", "Berta"):
        assert not archive.together(archive.holder(name), unknown)


def test_no_patient_takes_what_waits_if_another_could(archive: Archive) -> None:
    archive.write("c.ndjson", ndjson(observation("o", "Patient/1", "waits")))
    archive.write("b/b.json", bundle(patient("1", (MRN, "2"), name="Berta"), observation("p", "Patient/1", "hers")))
    archive.write("a/a.json", bundle(patient("1", (MRN, "1"), name="Anna"), observation("q", "Patient/1", "mine")))
    archive.take()
    assert archive.holder("hers") == archive.holder("Berta")
    assert archive.holder("mine") == archive.holder("Anna")
    assert not archive.together(archive.holder("Berta"), archive.holder("waits"))
    assert not archive.together(archive.holder("Anna"), archive.holder("waits"))


def test_a_second_patient_with_a_reference_that_was_relied_on_is_put_before_a_person(archive: Archive) -> None:
    archive.write("a.ndjson", ndjson(patient("1", (MRN, "1"), name="Anna")))
    archive.write("b.ndjson", ndjson(observation("o", "Patient/1", "whose")))
    archive.take()
    assert archive.holder("whose") == archive.holder("Anna")
    archive.write("c.ndjson", ndjson(patient("1", (MRN, "2"), name="Berta")))
    archive.take()
    assert archive.candidates() == {frozenset((archive.holder("Anna"), archive.holder("Berta")))}


def test_a_link_that_was_made_by_a_reference_is_put_before_a_person_too(archive: Archive) -> None:
    archive.write("b.ndjson", ndjson(observation("o", "Patient/1", "whose")))
    archive.take()
    archive.write("c.ndjson", ndjson(patient("1", (MRN, "1"), name="Anna")))
    archive.take()
    archive.write("d.ndjson", ndjson(patient("1", (MRN, "2"), name="Berta")))
    archive.take()
    assert archive.together(archive.holder("Anna"), archive.holder("whose"))
    assert not archive.together(archive.holder("Berta"), archive.holder("whose"))
    assert archive.candidates() == {frozenset((archive.holder("Anna"), archive.holder("Berta")))}


def test_patients_without_identifiers_are_never_brought_together_by_references(archive: Archive) -> None:
    archive.write("w.ndjson", ndjson(observation("o", "Patient/1", "waits")))
    for name in ("Anna", "Berta", "Carla"):
        archive.write(f"{name}.json", patient("1", name=name))
    archive.take()
    holders = {archive.holder(name) for name in ("Anna", "Berta", "Carla")}
    assert len(holders) == 3
    assert not any(archive.together(one, other) for one in holders for other in holders if one != other)


def test_ambiguity_inside_a_file_keeps_records_apart(archive: Archive) -> None:
    """Bundles within a bundle may each have their Patient/1; outside of them it could be either."""
    inner = bundle(patient("1", (MRN, "1"), name="Anna"), observation("o", "Patient/1", "first"))
    other = bundle(patient("1", (MRN, "2"), name="Berta"), observation("p", "Patient/1", "second"))
    archive.write("a.json", bundle(inner, other, observation("q", "Patient/1", "third")))
    archive.take()
    assert archive.holder("first") == archive.holder("Anna")
    assert archive.holder("second") == archive.holder("Berta")
    assert archive.holder("third") not in {archive.holder("Anna"), archive.holder("Berta")}
    assert archive.holder("third") != NOBODY


def test_two_known_patients_with_one_reference_in_a_file_are_put_before_a_person(archive: Archive) -> None:
    archive.write("0.hl7", message(hl7("1"), "anna") + message(hl7("2"), "berta"))
    archive.take()
    archive.write("a.json", bundle(patient("1", (MRN, "1")), patient("1", (MRN, "2"))))
    archive.take()
    assert archive.candidates() == {frozenset((archive.holder("anna"), archive.holder("berta")))}


def test_another_source_has_references_of_its_own(archive: Archive, tmp_path: Path) -> None:
    north, south = tmp_path / "north.ndjson", tmp_path / "south.ndjson"
    north.write_text(ndjson(patient("1", (MRN, "1"), name="Anna")))
    south.write_text(ndjson(observation("o", "Patient/1", "whose")))
    archive.take(north, south)
    assert archive.holder("whose") != archive.holder("Anna")
    assert not archive.together(archive.holder("whose"), archive.holder("Anna"))
