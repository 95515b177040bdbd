"""Laws that hold for every input of every adapter."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vaultfs.interop.dicom.files import BIG, DEFLATED, EXPLICIT, IMPLICIT, TEXTS, dicom
from tests.vaultfs.interop.sources import (
    CCDA,
    CCDA_SCRAPS,
    DICOM,
    DICOM_SCRAPS,
    FHIR,
    FHIR_SCRAPS,
    HL7,
    HL7_SCRAPS,
)
from tests.vaultfs.interop.support import AdapterClass, drain, flowing, joined, mutations, run
from vaultfs.errors import SourceError
from vaultfs.interop.ccda import CcdaAdapter
from vaultfs.interop.dicom import DicomAdapter
from vaultfs.interop.fhir import FhirAdapter
from vaultfs.interop.hl7v2 import Hl7v2Adapter
from vaultfs.kinds import builtin_kinds, builtin_media_types

_SEEDS: list[tuple[AdapterClass, list[bytes], list[bytes]]] = [
    (CcdaAdapter, CCDA, CCDA_SCRAPS),
    (DicomAdapter, DICOM, DICOM_SCRAPS),
    (FhirAdapter, FHIR, FHIR_SCRAPS),
    (Hl7v2Adapter, HL7, HL7_SCRAPS),
]
_CASES = [(kind, data) for kind, seeds, _ in _SEEDS for data in seeds]

_NEAR = st.one_of([st.tuples(st.just(kind), mutations(seeds, scraps)) for kind, seeds, scraps in _SEEDS])
_NOISE = st.tuples(st.sampled_from([kind for kind, *_ in _SEEDS]), st.binary(max_size=200))
_CROSSED = st.sampled_from([(kind, data) for kind, *_ in _SEEDS for other, data in _CASES if other is not kind])
_ANY = _NEAR | _NOISE | _CROSSED

Case = tuple[AdapterClass, bytes]


@pytest.mark.parametrize(("kind", "data"), _CASES)
def test_every_seed_is_understood(kind: AdapterClass, data: bytes) -> None:
    outcome = run(kind, data)
    assert outcome.error is None
    assert joined(outcome.pieces) == data


@given(_ANY)
@settings(max_examples=1500, deadline=None)
def test_pieces_joined_are_the_source(case: Case) -> None:
    kind, data = case
    outcome = run(kind, data)
    if outcome.error is None:
        assert joined(outcome.pieces) == data
    else:
        assert data.startswith(joined(outcome.pieces))
    for piece in outcome.pieces:
        assert (piece.facts is None) != (piece.problem is None)


@given(_ANY, st.sampled_from([20, 90, 400]), st.sampled_from([1, 7, 64, 300]))
@settings(max_examples=1000, deadline=None)
def test_the_size_of_reads_changes_nothing(case: Case, maximum: int, chunk: int) -> None:
    """Also where records do not fit, so that the source is read entry by entry and may end early."""
    kind, data = case
    expected = run(kind, data, maximum).comparable()
    drips = (data[at : at + 3] for at in range(0, len(data), 3))
    assert run(kind, data, maximum, chunk).comparable() == expected
    assert drain(kind(maximum, chunk).pieces(flowing(drips))).comparable() == expected


@given(_ANY, st.sampled_from([20, 90, 400]))
@settings(max_examples=500, deadline=None)
def test_no_record_is_larger_than_the_maximum(case: Case, maximum: int) -> None:
    kind, data = case
    for piece in run(kind, data, maximum, 16).pieces:
        assert len(piece.data) <= maximum


@given(_ANY)
@settings(max_examples=500, deadline=None)
def test_reading_a_record_again_gives_the_same_facts(case: Case) -> None:
    """What is stored is the record alone, so its facts must not hang on what stood around it.

    But for the fullUrl of a Patient, and for the Bundle that a record's references are understood in.
    """
    kind, data = case
    for piece in run(kind, data).pieces:
        if piece.facts is None or piece.facts.is_subject or piece.facts.kind in ("Bundle", "hl7v2.batch"):
            continue
        (again,) = run(kind, piece.data).pieces
        assert again.facts is not None
        assert replace(again.facts, scope=piece.facts.scope) == piece.facts
        assert again.data == piece.data


@given(_ANY)
@settings(max_examples=500, deadline=None)
def test_kinds_and_media_types_are_those_of_the_vault(case: Case) -> None:
    kind, data = case
    for piece in run(kind, data).pieces:
        if piece.facts:
            assert piece.facts.kind in builtin_kinds()
            assert piece.facts.media_type in builtin_media_types()


# No secret of a source leaves it but in the pieces. ----------------------------------------------------------------

_CANARY = "Zq7canary"
_FHIR_CANARY = [
    data.replace(b"p1", b"Zq7canaryA")
    .replace(b"4711", b"Zq7canaryB")
    .replace(b"Brace", b"Zq7canaryC")
    .replace(b"2020-02-29", b"Zq7canaryD")
    .replace(b"mmol", b"Zq7canaryE")
    .replace(b"final", b"Zq7canaryF")
    for data in FHIR
]
_HL7_CANARY = [
    data.replace(b"4711", b"Zq7canaryA")
    .replace(b"4712", b"Zq7canaryB")
    .replace(b"Doe", b"Zq7canaryC")
    .replace(b"FAC", b"Zq7canaryD")
    .replace(b"M1", b"Zq7canaryE")
    .replace(b"second", b"MSH Zq7canaryF")
    for data in HL7
]
# The canary is as long as what it takes the place of, so that the lengths beside it stay true.
_TEXTS = [
    dicom(*((tag, vr, "Zq7canaryA") for tag, vr in TEXTS), syntax=syntax, undefined=undefined)
    for syntax, undefined in ((EXPLICIT, False), (EXPLICIT, True), (IMPLICIT, True), (BIG, False), (DEFLATED, False))
]
_DICOM_CANARY = [one.replace(b"Zq7canaryA", b"Zq7canary\xff") for one in _TEXTS] + _TEXTS
_CCDA_CANARY = [
    re.sub(rb"4711|4712|M1|Doe|20200229101112|1\.2\.3", b"Zq7canaryA", data) for data in CCDA if b"\0" not in data
]


@given(
    st.tuples(st.just(FhirAdapter), mutations(_FHIR_CANARY, FHIR_SCRAPS))
    | st.tuples(st.just(Hl7v2Adapter), mutations(_HL7_CANARY, HL7_SCRAPS))
    | st.tuples(st.just(DicomAdapter), mutations(_DICOM_CANARY, DICOM_SCRAPS))
    | st.tuples(st.just(CcdaAdapter), mutations(_CCDA_CANARY, CCDA_SCRAPS))
)
@settings(max_examples=800, deadline=None)
def test_no_text_of_a_source_shows_in_an_error_or_a_repr(case: Case) -> None:
    kind, data = case
    outcome = run(kind, data)
    shown: list[Any] = [outcome.pieces]
    errors: list[SourceError | None] = [outcome.error, *(piece.problem for piece in outcome.pieces)]
    for error in errors:
        if error is not None:
            assert error.__cause__ is None
            assert error.__context__ is None
            shown += [error, str(error), error.args, error.facts]
    assert _CANARY not in repr(shown)
    for problem in errors[1:]:
        assert problem is None or problem.__traceback__ is None, "frames of a kept error would hold the record"
