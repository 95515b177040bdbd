"""Whose record is this? Each rule of `vaultfs.migrate.identity`, and above all: nobody gets another's record."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vaultfs.migrate.support import MRN, OTHER, SSN, Archive, bundle, message, ndjson, observation, patient
from vaultfs import NOBODY, ClinicalDate, Identifier
from vaultfs.errors import ArgumentInvalid, NotFound, SubjectAmbiguous

PLAIN_MRN = MRN.removeprefix("urn:oid:")


def hl7(number: str, oid: str = PLAIN_MRN, kind: str = "") -> str:
    return f"{number}^^^&{oid}&ISO^{kind}"


# Identifiers.


def test_one_patient_in_fhir_and_hl7v2_with_agreeing_identifiers_is_one_subject(archive: Archive) -> None:
    archive.write("a.json", bundle(patient("1", (MRN, "77")), observation("o", "Patient/1", "fhir")))
    archive.write("b.hl7", message(hl7("77"), "lab"))
    archive.take()
    assert archive.holder("fhir") == archive.holder("lab") == archive.holder("Patient")
    found = archive.session.find(subject=Identifier(MRN, "77"))
    assert {info.kind for info in found} >= {"Patient", "Observation", "hl7v2.ORU"}
    assert not archive.candidates()


def test_two_hospitals_with_the_same_number_are_two(archive: Archive) -> None:
    archive.write("a.hl7", message(hl7("12345"), "first") + message(hl7("12345", "2.16.840.1.113883.19.6"), "second"))
    archive.take()
    assert archive.holder("first") != archive.holder("second")


def test_two_sources_without_authorities_with_the_same_number_are_two(archive: Archive, tmp_path: Path) -> None:
    a, b = tmp_path / "a.hl7", tmp_path / "b.hl7"
    a.write_text(message("12345", "first"))
    b.write_text(message("12345", "second"))
    archive.take(a, b)
    assert archive.holder("first") != archive.holder("second")


def test_one_source_without_authorities_has_one_patient_for_a_number(archive: Archive) -> None:
    archive.write("a.hl7", message("12345", "first"))
    archive.write("b.hl7", message("12345", "second"))
    archive.take()
    assert archive.holder("first") == archive.holder("second")


def test_the_namespace_is_the_system_of_identifiers_without_authority(archive: Archive, tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in ("a.hl7", "b.hl7", "c.hl7"))
    for path in (a, b, c):
        path.write_text(message("12345", path.name))
    archive.take(a, namespace="https://north.example/mrn")
    archive.take(b, namespace="https://north.example/mrn")
    archive.take(c, namespace="https://south.example/mrn")
    assert archive.holder("a.hl7") == archive.holder("b.hl7") != archive.holder("c.hl7")
    found = archive.session.find(subject=Identifier("https://north.example/mrn", "12345"))
    assert len([info for info in found if info.kind == "hl7v2.ORU"]) == 2


def test_local_names_of_authorities_are_kept_apart_by_the_source(archive: Archive, tmp_path: Path) -> None:
    a, b = tmp_path / "a.hl7", tmp_path / "b.hl7"
    a.write_text(message("12345^^^EAST", "first"))
    b.write_text(message("12345^^^EAST", "second"))
    archive.take(a, b)
    assert archive.holder("first") != archive.holder("second")


@pytest.mark.parametrize("system", [MRN, PLAIN_MRN, "URN:OID:" + PLAIN_MRN])
def test_the_authorities_map_makes_a_name_the_same_as_an_oid(archive: Archive, system: str) -> None:
    archive.write("a.json", patient("1", (MRN, "77"), name="Fhir"))
    archive.write("b.hl7", message("77^^^EAST", "east") + message("77^^^A:B", "colon") + message("77", "none"))
    archive.take(authorities={"EAST": system, "A:B": system, "": system})
    assert archive.holder("Fhir") == archive.holder("east") == archive.holder("colon") == archive.holder("none")


def test_an_authority_that_is_mapped_to_weak_numbers_becomes_weak(archive: Archive) -> None:
    archive.write("a.hl7", message("111^^^SOC", "first") + message("111^^^SOC", "second"))
    archive.take(authorities={"SOC": SSN})
    assert archive.holder("first") != archive.holder("second")
    assert len(archive.session.subjects(Identifier(SSN, "111"))) == 2


@pytest.mark.parametrize("options", [{"namespace": "x" * 600}, {"authorities": {"A": ""}}])
def test_a_system_that_no_identifier_can_have_is_refused(archive: Archive, options: dict[str, object]) -> None:
    archive.write("a.hl7", message("1"))
    with pytest.raises(ArgumentInvalid):
        archive.take(**options)
    assert not archive.records()


def test_a_value_too_long_for_an_identifier_is_no_identifier(archive: Archive) -> None:
    archive.write("a.hl7", message(f"{'9' * 1025}^^^EAST", "long"))
    archive.take()
    assert archive.holder("long") == NOBODY


def test_a_name_of_an_authority_too_long_for_a_system_makes_no_identifier(archive: Archive) -> None:
    archive.write("a.hl7", message(f"1^^^{'A' * 1020}", "long"))
    archive.take(namespace="https://hospital.example/mrn")
    assert archive.holder("long") == NOBODY


def test_identifiers_are_dated_assertions(archive: Archive) -> None:
    archive.write("a.hl7", message(hl7("77"), "lab"))
    archive.take()
    assert archive.one("lab").info.date is not None
    assert isinstance(archive.one("lab").info.date, ClinicalDate)
    assert archive.identifiers(archive.holder("lab")) == {Identifier(MRN, "77")}


@pytest.mark.parametrize(
    ("identifiers", "pid"),
    [
        ("", "|||||||||||||||111-22-3333"),
        ("900^^^INS^MB", ""),
        (hl7("900", kind="AN"), ""),
        ("", "900^^^INS"),
    ],
)
def test_weak_identifiers_alone_never_bring_two_records_together(archive: Archive, identifiers: str, pid: str) -> None:
    archive.write("a.hl7", message(identifiers, "first", pid=pid) + message(identifiers, "second", pid=pid))
    archive.take()
    assert archive.holder("first") != archive.holder("second")
    assert NOBODY not in (archive.holder("first"), archive.holder("second"))
    assert not archive.candidates()
    archive.write("c.hl7", message(f"{hl7('5')}~{identifiers}".rstrip("~"), "third", pid=pid, control="3"))
    archive.take()
    assert len({archive.holder(text) for text in ("first", "second", "third")}) == 3


def test_weak_identifiers_can_be_searched_for(archive: Archive) -> None:
    archive.write("a.hl7", message(hl7("5"), "first", pid="|||||||||||||||111-22-3333"))
    archive.write("b.hl7", message(hl7("6"), "second", pid="|||||||||||||||111-22-3333"))
    archive.take()
    assert archive.holder("first") != archive.holder("second")
    assert set(archive.session.subjects(Identifier(SSN, "111-22-3333"))) == {
        archive.holder("first"),
        archive.holder("second"),
    }
    with pytest.raises(SubjectAmbiguous):
        archive.session.find(subject=Identifier(SSN, "111-22-3333"))


def test_a_number_that_others_have_weakly_still_decides_for_whom_it_was_given_strongly(archive: Archive) -> None:
    """Subjects are in no order, so many are needed to see that none of them takes the record."""
    weakly = [message(f"{hl7(str(n))}~{hl7('77', kind='AN')}", f"weak{n}.", control=str(n)) for n in range(100, 120)]
    archive.write("a.hl7", message(hl7("77"), "mine") + "".join(weakly) + message(hl7("77"), "again"))
    archive.take()
    assert archive.holder("mine") == archive.holder("again")
    assert len({archive.holder(f"weak{n}.") for n in range(100, 120)}) == 20


def test_a_number_first_given_weakly_decides_for_nobody(archive: Archive) -> None:
    archive.write("a.hl7", message(f"{hl7('5')}~{hl7('77', kind='AN')}", "weak"))
    archive.take()
    archive.write("b.hl7", message(hl7("77"), "strong"))
    archive.take()
    assert archive.holder("weak") != archive.holder("strong")


def test_conflicting_identifiers_make_one_candidate_and_merge_nothing(archive: Archive) -> None:
    archive.write("a.hl7", message(hl7("1"), "first") + message(hl7("2"), "second"))
    archive.take()
    first, second = archive.holder("first"), archive.holder("second")
    both = f"{hl7('1')}~{hl7('2')}"
    archive.write("b.hl7", message(both, "b0") + message(both, "b1"))
    report = archive.take()
    archive.write("c.hl7", message(both, "c0"))
    assert archive.take().candidates == 0
    assert report.candidates == 1
    assert archive.candidates() == {frozenset((first, second))}
    assert {archive.holder(text) for text in ("b0", "b1", "c0")} == {first}, "the first that is stated"
    assert not archive.together(first, second)


def test_linked_subjects_are_no_candidates(archive: Archive) -> None:
    archive.write("a.hl7", message(hl7("1"), "first") + message(hl7("2"), "second"))
    archive.take()
    with archive.session.transaction() as txn:
        txn.link(archive.holder("first"), archive.holder("second"))
    archive.write("b.hl7", message(f"{hl7('1')}~{hl7('2')}", "b0"))
    assert archive.take().candidates == 0


def test_an_identifier_of_two_subjects_decides_nothing(archive: Archive) -> None:
    """The host may assert what the import never would: then what names it is kept apart, together."""
    with archive.session.transaction() as txn:
        one, other = txn.new_subject(), txn.new_subject()
        txn.identify(one, Identifier(MRN, "1"))
        txn.identify(other, Identifier(MRN, "1"))
    archive.write("a.hl7", message(hl7("1"), "first") + message(hl7("1"), "second"))
    archive.write("p.json", bundle(patient("1", (MRN, "1"), name="Third"), observation("o", "Patient/1", "fourth")))
    archive.take()
    apart = {archive.holder(text) for text in ("first", "second", "Third", "fourth")}
    assert len(apart) == 1
    assert apart.isdisjoint({one, other, NOBODY})
    (subject,) = apart
    assert archive.candidates() == {frozenset((subject, one)), frozenset((subject, other))}
    with archive.session.transaction() as txn:
        txn.link(one, other)
    archive.write("b.hl7", message(hl7("1"), "fifth"))
    archive.take()
    assert archive.holder("fifth") in (one, other)


def test_a_source_cannot_state_the_systems_of_the_import(archive: Archive) -> None:
    for system in ("urn:vaultfs:reference", "URN:vaultfs:awaited", "urn:vaultfs:weak"):
        archive.write(f"{system[-4:]}.json", patient(None, (system, "1"), name=f"N{system[-4:]}"))
    archive.take()
    for number in ("ence", "ited", "weak"):
        (identifier,) = archive.session.identifiers(archive.holder(f"N{number}"))
        assert identifier.system.startswith("urn:vaultfs:source:")


# References and identifiers.


def logical(number: str) -> dict[str, object]:
    return {"identifier": {"system": MRN, "value": number}}


def test_the_reference_in_its_own_file_outweighs_the_identifier(archive: Archive) -> None:
    archive.write("0.json", patient("9", (MRN, "2"), name="Berta"))
    archive.write(
        "a.json", bundle(patient("1", (MRN, "1"), name="Anna"), observation("o", "Patient/1", "whose", **logical("2")))
    )
    archive.take()
    assert archive.holder("whose") == archive.holder("Anna")
    assert archive.candidates() == {frozenset((archive.holder("Anna"), archive.holder("Berta")))}


def test_a_record_adds_no_number_that_contradicts_those_of_its_patient(archive: Archive) -> None:
    archive.write(
        "a.json",
        bundle(
            patient("1", (MRN, "1"), name="Anna"),
            observation("o", "Patient/1", "whose", **logical("2")),
            observation("p", "Patient/1", "more", identifier={"system": OTHER, "value": "A"}),
        ),
    )
    archive.take()
    assert archive.identifiers(archive.holder("Anna")) == {Identifier(MRN, "1"), Identifier(OTHER, "A")}
    with pytest.raises(NotFound):
        archive.session.find(subject=Identifier(MRN, "2"))


def test_the_identifier_outweighs_a_reference_to_another_file(archive: Archive) -> None:
    archive.write("a.ndjson", ndjson(patient("1", (MRN, "1"), name="Anna"), patient("2", (MRN, "2"), name="Berta")))
    archive.write(
        "b.ndjson",
        ndjson(
            observation("o", "Patient/1", "named", **logical("2")),
            observation("p", "Patient/2", "unknown", **logical("3")),
            observation("q", "Patient/2", "other", identifier={"system": OTHER, "value": "B"}),
        ),
    )
    archive.take()
    assert archive.holder("named") == archive.holder("Berta")
    assert archive.holder("unknown") not in (archive.holder("Anna"), archive.holder("Berta"))
    assert archive.holder("other") != archive.holder("Anna")


def test_an_identifier_beside_a_reference_tells_the_file_who_is_meant(archive: Archive) -> None:
    archive.write("a.hl7", message(hl7("1"), "lab"))
    archive.write(
        "b.ndjson",
        ndjson(observation("o", "Patient/1", "first", **logical("1")), observation("p", "Patient/1", "second")),
    )
    archive.write(
        "c.ndjson",
        ndjson(observation("o", "Patient/1", "third"), observation("p", "Patient/1", "fourth", **logical("1"))),
    )
    archive.write(
        "d.ndjson",
        ndjson(observation("o", "Patient/8", "fifth"), observation("p", "Patient/8", "sixth", **logical("8"))),
    )
    archive.take()
    assert archive.holder("lab") == archive.holder("first") == archive.holder("second") == archive.holder("fourth")
    assert archive.together(archive.holder("lab"), archive.holder("third"))
    assert archive.holder("fifth") == archive.holder("sixth")
    assert archive.identifiers(archive.holder("fifth")) == {Identifier(MRN, "8")}


def test_who_names_nobody_is_on_the_list_of_nobody(archive: Archive) -> None:
    archive.write("a.json", bundle({"resourceType": "Organization", "id": "1"}, observation("o", None, "nobodys")))
    archive.write("b.hl7", message("", "nameless"))
    archive.write("c.json", patient(name="Anonymous"))
    archive.take()
    for text in ("Organization", "nobodys", "nameless", "Anonymous"):
        assert archive.holder(text) == NOBODY


@pytest.mark.parametrize("length", [950, 1010, 1020])
def test_a_reference_that_no_vault_could_keep_leads_nowhere(archive: Archive, length: int) -> None:
    number = "x" * length
    archive.write("a.json", bundle(patient(number, (MRN, "1")), observation("o", f"Patient/{number}", "whose")))
    archive.take()
    assert archive.holder("whose") in (NOBODY, archive.holder('"Patient"'))
    assert (archive.holder("whose") == NOBODY) is (length > 950)


# Versions of the same source.


def test_a_corrected_number_makes_a_new_subject_and_a_candidate(archive: Archive) -> None:
    """The file may have been written anew for somebody else, who happens to be Patient/1 again."""
    archive.write("a.json", bundle(patient("1", (MRN, "1")), observation("o", "Patient/1", "old")))
    archive.take()
    before = archive.holder("old")
    archive.write("a.json", bundle(patient("1", (MRN, "2")), observation("p", "Patient/1", "new")))
    archive.take()
    assert archive.holder("old") == before
    assert archive.holder("new") == archive.holder('"Patient"') != before
    assert archive.candidates() == {frozenset((before, archive.holder("new")))}


@pytest.mark.parametrize(
    "after", [patient("1", (MRN, "1"), (OTHER, "9"), name="New"), patient("1", name="New"), patient("1", (MRN, "1"))]
)
def test_a_changed_patient_who_does_not_contradict_stays(archive: Archive, after: dict[str, object]) -> None:
    archive.write("a.json", bundle(patient("1", (MRN, "1")), observation("o", "Patient/1", "old")))
    archive.take()
    archive.write("a.json", bundle(after, observation("p", "Patient/1", "new"), observation("o", "Patient/1", "old")))
    archive.take()
    assert archive.holder("old") == archive.holder("new") == archive.holder('"Patient"')
    assert not archive.candidates()


def test_a_patient_without_identifiers_gets_some(archive: Archive) -> None:
    archive.write("a.json", bundle(patient("1"), observation("o", "Patient/1", "old")))
    archive.take()
    archive.write("a.json", bundle(patient("1", (MRN, "1")), observation("o", "Patient/1", "old")))
    archive.take()
    assert archive.holder("old") == archive.holder('"Patient"')
    assert archive.identifiers(archive.holder("old")) == {Identifier(MRN, "1")}


def test_a_new_version_that_names_nobody_stays_where_it_was(archive: Archive) -> None:
    archive.write("a.json", bundle(patient("1", (MRN, "1")), observation("o", "Patient/1", "old")))
    archive.write("b.json", bundle(patient(name="Nobody", active=True), observation("x", None, "nobodys")))
    archive.take()
    holder = archive.holder("old")
    archive.write("a.json", bundle(patient("1", (MRN, "1")), observation("o", None, "new")))
    archive.take()
    assert archive.holder("new") == holder


def test_a_new_record_finds_the_unchanged_patient_below_it(archive: Archive) -> None:
    """Also where another file has a Patient with the same reference."""
    archive.write("b.ndjson", ndjson(patient("1", (MRN, "2"), name="Berta")))
    person = patient("1", (MRN, "1"), name="Anna")
    archive.write("a.ndjson", ndjson(person, observation("o", "Patient/1", "old")))
    archive.take()
    more = observation("p", "Patient/1", "new"), person, observation("q", "Patient/1", "below")
    archive.write("a.ndjson", ndjson(*more))
    archive.take(window_bytes=1)
    anna = archive.holder("Anna")
    assert archive.together(anna, archive.holder("new"))
    assert archive.holder("below") == anna
    assert not archive.together(archive.holder("Berta"), archive.holder("new"))


def test_a_new_version_of_another_patients_record_moves_to_that_patient(archive: Archive) -> None:
    people = (patient("1", (MRN, "1"), name="Anna"), patient("2", (MRN, "2"), name="Berta"))
    archive.write("a.json", bundle(*people, observation("o", "Patient/1", "wrong")))
    archive.take()
    archive.write("a.json", bundle(*people, observation("o", "Patient/2", "right")))
    archive.take()
    record = archive.one("right")
    assert record.info.version == 2
    assert record.info.subject == archive.holder("Berta")
    found = archive.session.find(subject=archive.holder("Anna"), kind="Observation")
    assert not found
