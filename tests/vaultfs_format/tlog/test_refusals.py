"""What a witness answers, as a file and over HTTP: cosignatures, or one refusal that says why there are none."""

from __future__ import annotations

import pytest
from vaultfs_format.errors import FieldInvalid, LimitExceeded
from vaultfs_format.limits import MAX_NOTE
from vaultfs_format.tlog.keys import KeyType
from vaultfs_format.tlog.note import encode_signatures
from vaultfs_format.tlog.refusals import (
    LogInconsistent,
    LogNotTrusted,
    LogUnknown,
    RequestMalformed,
    SizeConflict,
    WitnessRefused,
    refusal_of,
    signatures_in,
)

from tests.vaultfs_format.tlog import logs

REFUSALS = [RequestMalformed(), LogNotTrusted(), LogUnknown(), SizeConflict(size=404), LogInconsistent()]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: str(one.status))
def test_a_refusal_is_the_same_from_a_file_and_over_http(refusal: WitnessRefused) -> None:
    answer = refusal.answer()
    with pytest.raises(WitnessRefused) as caught:
        signatures_in(answer)
    over_http = refusal_of(refusal.status, answer)
    assert over_http is not None
    assert type(caught.value) is type(over_http) is type(refusal)
    assert caught.value.facts == over_http.facts == refusal.facts


def test_statuses_are_those_of_the_protocol() -> None:
    assert [one.status for one in REFUSALS] == [400, 403, 404, 409, 422]
    assert SizeConflict(size=7).answer() == b"7\n"
    assert SizeConflict(size=7).size == 7
    assert SizeConflict().size == 0
    assert LogUnknown().answer() == b"404 Not Found\n"


def test_an_answer_may_have_cosignatures() -> None:
    note = logs.signed(7)
    signer = logs.signer("witness.example", KeyType.LATTICE_COSIGNATURE)
    line = signer.signature(note.text, logs.TIME)
    assert signatures_in(encode_signatures([line]).encode()) == (line,)


@pytest.mark.parametrize(
    "answer", [b"", b"404 not found\n", b"404 Not Found", b"403 Forbidden\n\n", b"200 OK\n", b"07\n"]
)
def test_what_is_no_answer_is_refused(answer: bytes) -> None:
    with pytest.raises((FieldInvalid, LimitExceeded)):
        signatures_in(answer)


def test_answers_are_bounded() -> None:
    for mark in (b"1", "\u2014".encode()):
        with pytest.raises(LimitExceeded):
            signatures_in(mark * (MAX_NOTE + 1))


@pytest.mark.parametrize("status", [200, 302, 401, 429, 500])
def test_other_statuses_of_http_are_no_refusals(status: int) -> None:
    assert refusal_of(status, b"7\n") is None


def test_a_conflict_states_a_size() -> None:
    with pytest.raises(FieldInvalid):
        refusal_of(409, b"another\n")
