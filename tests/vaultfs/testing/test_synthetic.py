"""Invented patients: the same on every machine, in the shapes of the standards, and recognisably nobody."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from vaultfs import kinds
from vaultfs.errors import ArgumentInvalid
from vaultfs.testing.synthetic import (
    Life,
    batch,
    fhir_bundle,
    hl7v2_messages,
    ndjson_files,
    patient,
    records,
    sample,
    write_sample,
)
from vaultfs.testing.synthetic.people import SHARED_MRN

SMALL_SAMPLE = "1a5106d75db392195a06ddd2d14208f84883e1ddffc8aab1c407aebbb63f1937"
RECORDS = "4bc54adf3fb89657896cc530b720e6656fcbf41a03af171f6e66e6e1243a6e1d"
SHIPPED = Path(__file__).parents[3] / "samples" / "legacy-export"


def _digest(parts: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _sample_digest(seed: int) -> str:
    files = sample(seed, patients=10)
    return _digest(part for name in sorted(files) for part in (name.encode(), files[name]))


def _records_digest(seed: int) -> str:
    stream = records(seed, subjects=20, per_subject=40)
    return _digest(part for system, value, kind, day, data in stream
                   for part in (f"{system} {value} {kind} {day.isoformat()}".encode(), data))  # fmt: skip


def test_a_seed_always_gives_the_same_bytes() -> None:
    """The digests were computed on other versions of Python and other platforms: none may differ."""
    assert _sample_digest(1) == SMALL_SAMPLE
    assert _records_digest(1) == RECORDS


def test_another_seed_gives_other_bytes() -> None:
    assert _sample_digest(2) != SMALL_SAMPLE
    assert _records_digest(2) != RECORDS


def test_the_shipped_sample_is_what_the_generator_makes() -> None:
    """Byte for byte, no file more and none less; regenerate with python -m vaultfs.testing.synthetic."""
    shipped = {p.relative_to(SHIPPED).as_posix(): p.read_bytes() for p in SHIPPED.rglob("*") if p.is_file()}
    made = sample()
    assert sorted(shipped) == sorted(made)
    assert [name for name in made if made[name] != shipped[name]] == []
    assert sum(map(len, made.values())) <= 4_000_000


def _resources(data: bytes) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in json.loads(data)["entry"]]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


@pytest.mark.parametrize("indent", [2, 4, None])
def test_every_reference_inside_a_bundle_resolves(indent: int | None) -> None:
    bundle = json.loads(fhir_bundle(patient(3, 7), indent))
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "transaction")
    targets = {entry["fullUrl"] for entry in bundle["entry"]}
    assert len(targets) == len(bundle["entry"])
    for entry in bundle["entry"]:
        resource = entry["resource"]
        assert entry["fullUrl"] == f"urn:uuid:{resource['id']}"
        assert resource["resourceType"] in kinds.FHIR
        assert {r for r in _references(resource) if not r.startswith("#")} <= targets


def test_the_layouts_of_a_bundle_say_the_same() -> None:
    life = patient(3, 7)
    assert json.loads(fhir_bundle(life, 2)) == json.loads(fhir_bundle(life, 4)) == json.loads(fhir_bundle(life, None))
    assert fhir_bundle(life, 2).startswith(b'{\n  "resourceType": "Bundle",\n  "type"')
    assert b"\n" not in fhir_bundle(life, None)


def test_every_reference_inside_a_bulk_export_resolves() -> None:
    files = ndjson_files(patient(4, number, visits=3) for number in range(4))
    found = {name: [json.loads(line) for line in data.splitlines()] for name, data in files.items()}
    targets = {f"{r['resourceType']}/{r['id']}" for lines in found.values() for r in lines}
    for name, lines in found.items():
        assert {resource["resourceType"] for resource in lines} == {name.partition(".")[0]}
        assert {r for resource in lines for r in _references(resource) if not r.startswith("#")} <= targets


def test_decimals_are_written_as_they_were_drawn() -> None:
    """A laboratory's 1.10 is not 1.1: trailing zeros are part of a value."""
    assert re.search(rb'"value":\d+\.\d*0,', fhir_bundle(patient(3, 7), None))


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_messages_have_a_header_and_end_every_segment_as_asked(end: bytes) -> None:
    lives = [patient(5, number) for number in range(6)]
    messages = [message for life in lives for message in hl7v2_messages(life, end)]
    types = set()
    for message in messages:
        assert message.startswith(b"MSH|^~\\&|")
        assert message.endswith(end)
        segments = message.removesuffix(end).split(end)
        assert not [s for s in segments if b"\r" in s or b"\n" in s]
        assert all(re.match(rb"[A-Z][A-Z0-9]{2}\|", segment) for segment in segments)
        header = segments[0].split(b"|")
        assert (header[11], header[17]) == (b"2.5.1", b"UNICODE UTF-8")
        assert len(header[9]) <= 20
        types.add(header[8].decode()[:7].replace("^", "_"))
    assert types == {"ADT_A01", "ADT_A03", "ADT_A04", "ADT_A08", "ORM_O01", "ORU_R01", "RDE_O11", "VXU_V04", "MDM_T02"}


def test_control_ids_are_unique() -> None:
    ids = [m.split(b"|")[9] for number in range(20) for m in hl7v2_messages(patient(5, number))]
    assert len(set(ids)) == len(ids)


def test_a_batch_counts_its_messages() -> None:
    life = patient(5, 1)
    messages = hl7v2_messages(life, b"\n")
    segments = batch(messages, life.person.hospital, life.visits[0].start, b"\n").splitlines()
    assert [s[:3] for s in (*segments[:3], *segments[-2:])] == [b"FHS", b"BHS", b"MSH", b"BTS", b"FTS"]
    assert segments[-2] == b"BTS|%d" % len(messages)


@pytest.fixture(scope="module")
def shipped() -> dict[str, bytes]:
    return sample()


def _fhir_patients(files: dict[str, bytes]) -> Iterator[dict[str, Any]]:
    for name, data in files.items():
        if name.startswith("fhir/"):
            yield from (r for r in _resources(data) if r["resourceType"] == "Patient")
        elif name == "bulk/Patient.000.ndjson":
            yield from map(json.loads, data.splitlines())


def _record_numbers(files: dict[str, bytes]) -> list[tuple[str, str]]:
    return [
        (identifier["system"], identifier["value"])
        for found in _fhir_patients(files)
        for identifier in found["identifier"]
        if identifier.get("type", {}).get("coding", [{}])[0].get("code") == "MR"
    ]


def _message_record_numbers(files: dict[str, bytes]) -> set[tuple[str, str]]:
    found = set()
    for name, data in files.items():
        if name.startswith("hl7v2/"):
            for pid in re.findall(
                rb"^PID\|1\|\|([^^]*)\^\^\^[^&]*&([0-9.]+)&ISO\^MR", data.replace(b"\r", b"\n"), re.MULTILINE
            ):
                found.add((f"urn:oid:{pid[1].decode()}", pid[0].decode()))
    return found


def test_two_hospitals_gave_the_same_record_number(shipped: dict[str, bytes]) -> None:
    shared = [system for system, value in _record_numbers(shipped) if value == SHARED_MRN]
    assert len(shared) == len(set(shared)) == 2


def test_some_patients_are_in_fhir_and_in_hl7v2_with_agreeing_identifiers(shipped: dict[str, bytes]) -> None:
    both = set(_record_numbers(shipped)) & _message_record_numbers(shipped)
    assert len(both) == 5


def test_the_sample_has_fifty_patients_and_the_variants_it_promises(shipped: dict[str, bytes]) -> None:
    numbers = _record_numbers(shipped)
    assert len(numbers) == len(set(numbers)) == 40
    assert len(set(numbers) | _message_record_numbers(shipped)) == 50
    messages = [data for name, data in shipped.items() if name.startswith("hl7v2/")]
    assert sum(data.startswith(b"\xef\xbb\xbfMSH") for data in messages) == 1
    assert sum(data.startswith(b"FHS|") for data in messages) == 1
    plain = [data for data in messages if b"\r\n" not in data]
    assert any(b"\r\n" in data for data in messages)
    assert any(b"\n" in data for data in plain)
    assert any(b"\r" in data for data in plain)
    assert any(data.startswith(b"MSH") and data.count(b"MSH|") > 1 for data in messages)


def test_some_records_of_the_sample_have_no_patient_and_some_no_date(shipped: dict[str, bytes]) -> None:
    staff = _resources(shipped["fhir/practitionerInformation.json"])
    assert {r["resourceType"] for r in staff} == {"Practitioner"}
    places = {r["resourceType"] for r in _resources(shipped["fhir/hospitalInformation.json"])}
    assert places == {"Organization", "Location"}
    everything = [r for name, data in shipped.items() if name.startswith("fhir/") for r in _resources(data)]
    everything += [json.loads(x) for name, d in shipped.items() if name.startswith("bulk/") for x in d.splitlines()]
    allergies = [r for r in everything if r["resourceType"] == "AllergyIntolerance"]
    assert 0 < sum("recordedDate" not in r for r in allergies) < len(allergies)


def test_file_names_hold_names_and_are_portable(shipped: dict[str, bytes]) -> None:
    assert all(re.fullmatch(r"[a-z0-9]+/[A-Za-z0-9_.-]+", name) for name in shipped)
    families = {found["name"][0]["family"] for found in _fhir_patients(shipped)}
    assert any(family in name for family in families for name in shipped)


def _lives() -> list[Life]:
    return [patient(6, number, visits=2) for number in range(60)]


def test_births_spread_over_a_century() -> None:
    years = {life.person.born.year for life in _lives()}
    assert min(years) < 1945
    assert max(years) > 2010
    assert all(1930 <= year <= 2024 for year in years)


def test_identifiers_lie_in_ranges_that_are_never_issued() -> None:
    """SSA never assigns areas 000 and 900-999; the IRS's numbers in 900-999 have no group below 50."""
    for life in _lives():
        numbers = {identity.type: identity.value for identity in life.person.identities}
        assert re.fullmatch(r"(000|9\d\d)-[0-4]\d-\d{4}", numbers["SS"])
        assert "-555-01" in life.person.phone
        for clinician in life.clinicians():
            digits = [int(d) for d in "80840" + clinician.npi][::-1]
            luhn = sum(digits[0::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])
            assert luhn % 10 != 0


def test_nothing_is_recorded_before_birth_or_after_death() -> None:
    for life in _lives():
        for visit in life.visits:
            assert visit.start.date() >= life.person.born
            assert life.person.died is None or visit.start.date() <= life.person.died.date()


@pytest.mark.parametrize(("subjects", "per_subject"), [(400, 1), (60, 40), (10, 700)])
def test_records_are_grouped_by_subject_and_a_kilobyte_and_a_third_on_average(subjects: int, per_subject: int) -> None:
    stream = list(records(8, subjects, per_subject))
    groups = [(who, len(list(of_one))) for who, of_one in groupby(stream, key=lambda record: record[:2])]
    assert groups == [(who, per_subject) for who, _ in groups]
    assert len({who for who, _ in groups}) == subjects
    mean = sum(len(record[4]) for record in stream) / len(stream)
    assert 1170 <= mean <= 1430


def test_records_refer_to_their_own_patient_and_state_their_kind() -> None:
    for _, of_one in groupby(records(9, 12, 60), key=lambda record: record[:2]):
        stream = list(of_one)
        assert stream[0][2] == "Patient"
        me = json.loads(stream[0][4])
        assert (stream[0][0], stream[0][1]) in {(i["system"], i["value"]) for i in me["identifier"]}
        for _, _, kind, day, data in stream:
            resource = json.loads(data)
            assert resource["resourceType"] == kind
            assert kind in kinds.FHIR
            assert {r for r in _references(resource) if r.startswith("Patient/")} <= {f"Patient/{me['id']}"}
            assert day.isoformat() >= me["birthDate"]


def test_ids_of_records_are_never_repeated() -> None:
    ids = [json.loads(record[4])["id"] for record in records(10, 20, 60)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("patients", [-1, 0, 3, 9])
def test_a_sample_of_too_few_patients_is_refused(patients: int, tmp_path: Path) -> None:
    with pytest.raises(ArgumentInvalid):
        sample(patients=patients)
    with pytest.raises(ArgumentInvalid):
        write_sample(tmp_path / "none", patients=patients)
    assert not (tmp_path / "none").exists()
