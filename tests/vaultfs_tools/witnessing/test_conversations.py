"""Conversations with a witness: what it answers, in each of the cases of c2sp.org/tlog-witness."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format.errors import FieldInvalid
from vaultfs_format.limits import MAX_NOTE
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import KeyType, VerifierKey, signed_by
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.refusals import WitnessRefused, signatures_in
from vaultfs_tools.witnessing import Keeper, WitnessedLog
from vaultfs_tools.witnessing.errors import WitnessDamaged
from vaultfs_tools.witnessing.log import MAX_DROPPED, MAX_SIGNERS, MAX_STATE

from tests.vaultfs_format.tlog import logs
from tests.vaultfs_tools.witnessing import forks
from tests.vaultfs_tools.witnessing.forks import SIZE, asked

NAME = "witness.example/one"
TIME = 1_800_000_000
OK = 200
UNKNOWN = logs.signer("other.example/log")
LATER = (logs.signer(logs.ORIGIN, seed=b"later"), logs.signer(logs.ORIGIN, KeyType.LATTICE_COSIGNATURE, b"later"))


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """Return a witness that knows the log."""
    found = Keeper.create(tmp_path / "witness", NAME, lambda: TIME)
    found.add_log(logs.log_keys())
    return found


def told(keeper: Keeper, data: bytes) -> tuple[int, int | None]:
    """Return the status of an answer, and the size that it states."""
    try:
        signatures_in(keeper.answer(data))
    except WitnessRefused as refusal:
        return refusal.status, refusal.facts.get("size")  # type: ignore[return-value] # a size is a number
    return OK, None


def bad_proof(old: int, new: int) -> bytes:
    request = forks.request(old, new)
    return replace(request, path=(bytes(32), *request.path[1:])).encode()


def signed_by_one(old: int, new: int, position: int) -> bytes:
    request = forks.request(old, new)
    return replace(request, note=replace(request.note, signatures=request.note.signatures[position:][:1])).encode()


def with_a_wrong_signature(old: int, new: int) -> bytes:
    request = forks.request(old, new)
    first, second = request.note.signatures
    wrong = replace(second, blob=second.blob[:-1] + bytes([second.blob[-1] ^ 1]))
    return replace(request, note=replace(request.note, signatures=(first, wrong))).encode()


def of_another_log(old: int, new: int) -> bytes:
    text = replace(forks.head(new), origin=UNKNOWN.key.name).encode()
    return replace(forks.request(old, new), note=Note(text, (UNKNOWN.signature(text, TIME),))).encode()


def with_strangers(old: int, new: int) -> bytes:
    request = forks.request(old, new)
    return replace(request, note=request.note.cosigned([UNKNOWN.signature(request.note.text, TIME)])).encode()


CONVERSATIONS: dict[str, list[tuple[bytes, tuple[int, int | None]]]] = {
    "it grows": [
        (asked(0, 7), (OK, None)),
        (asked(7, 9), (OK, None)),
        (asked(9, SIZE), (OK, None)),
    ],
    "the same again": [(asked(0, 7), (OK, None)), (asked(7, 7), (OK, None))],
    "nothing at all": [(asked(0, 0), (OK, None)), (asked(0, 7), (OK, None))],
    "another size was the last": [
        (asked(3, 7), (409, 0)),
        (asked(0, 7), (OK, None)),
        (asked(0, 9), (409, 7)),
        (asked(3, 9), (409, 7)),
        (asked(9, 9), (409, 7)),
        (asked(3, 3), (409, 7)),
        (asked(7, 9), (OK, None)),
    ],
    "another tree of the same size": [(asked(0, 7), (OK, None)), (asked(7, 7, fork=5), (409, 7))],
    "a fork": [(asked(0, 7), (OK, None)), (asked(7, 9, fork=5), (422, None)), (asked(7, 9, fork=8), (OK, None))],
    "a proof that is wrong": [
        (asked(0, 7), (OK, None)),
        (bad_proof(7, 9), (422, None)),
        (replace(forks.request(7, 9), path=()).encode(), (422, None)),
        (asked(7, 9), (OK, None)),
    ],
    "a proof where none is wanted": [(replace(forks.request(0, 7), path=(bytes(32),)).encode(), (422, None))],
    "a log that is not known": [(of_another_log(0, 7), (404, None))],
    "not each key has signed": [
        (signed_by_one(0, 7, 0), (403, None)),
        (signed_by_one(0, 7, 1), (403, None)),
        (with_a_wrong_signature(0, 7), (403, None)),
        (forks.request(0, 7, signers=LATER).encode(), (403, None)),
    ],
    "signatures of strangers": [(with_strangers(0, 7), (OK, None))],
    "signatures come first": [(asked(0, 7), (OK, None)), (signed_by_one(3, 9, 0), (403, None))],
    "no request": [
        (b"", (400, None)),
        (b"old 0\n\n", (400, None)),
        (asked(0, 7)[:-1], (400, None)),
        (asked(0, 7).replace(b"old 0", b"old 00"), (400, None)),
        (asked(0, 7).replace(b"old 0", b"old 8"), (400, None)),
        (asked(3, 7).replace(b"=\n", b"\n", 1), (400, None)),
        (b"old 0\n\n" + b"\xff" * 100, (400, None)),
        (asked(0, 7) + b"x" * MAX_NOTE * 2, (400, None)),
    ],
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_conversation(keeper: Keeper, name: str) -> None:
    for data, expected in CONVERSATIONS[name]:
        assert told(keeper, data) == expected


def test_what_is_given_out_are_cosignatures_of_the_checkpoint(keeper: Keeper) -> None:
    signatures = signatures_in(keeper.answer(asked(0, 7)))
    found = signed_by(Note(forks.signed(7).text, signatures), keeper.keys)
    assert [(one.key, one.time) for one in found] == [(key, TIME) for key in keeper.keys]
    assert {key.type for key in keeper.keys} == {KeyType.COSIGNATURE, KeyType.LATTICE_COSIGNATURE}
    assert {key.name for key in keeper.keys} == {NAME}


class TestSigners:
    def test_a_new_signer_of_the_log_counts_once_its_keys_were_added(self, keeper: Keeper) -> None:
        later = forks.request(7, 9, signers=LATER).encode()
        assert told(keeper, asked(0, 7)) == (OK, None)
        assert told(keeper, later) == (403, None)
        assert len(keeper.add_log(forks.public(LATER)).signers) == 2
        assert told(keeper, later) == (OK, None)

    def test_an_earlier_signer_counts_until_a_later_one_has_signed(self, keeper: Keeper) -> None:
        """Who comes by the keys of a signer that has handed over does nothing with them."""
        keeper.add_log(forks.public(LATER))
        assert told(keeper, asked(0, 7)) == (OK, None)
        assert told(keeper, forks.request(7, 9, signers=LATER).encode()) == (OK, None)
        assert told(keeper, asked(9, 12)) == (403, None)
        assert keeper.log(logs.ORIGIN).signers == (forks.public(LATER),)

    @pytest.mark.parametrize("keys", [slice(None), slice(None, None, -1), slice(1), slice(1, 2)])
    def test_a_signer_that_another_has_followed_is_not_added_again(
        self, keeper: Keeper, tmp_path: Path, keys: slice
    ) -> None:
        """It would count as the newest, and the one of today would be shut out with its next checkpoint."""
        keeper.add_log(forks.public(LATER))
        assert told(keeper, forks.request(0, 7, signers=LATER).encode()) == (OK, None)
        again = Keeper(tmp_path / "witness", lambda: TIME)
        with pytest.raises(FieldInvalid):
            again.add_log(logs.log_keys()[keys])
        assert told(again, asked(7, 9)) == (403, None)
        assert told(again, forks.request(7, 9, signers=LATER).encode()) == (OK, None)

    def test_a_signer_that_counts_may_be_added_in_any_order(self, keeper: Keeper) -> None:
        keeper.add_log(forks.public(LATER))
        told(keeper, forks.request(0, 7, signers=LATER).encode())
        assert keeper.add_log(forks.public(LATER)[::-1]).signers == (forks.public(LATER),)

    def test_what_is_known_of_signers_that_were_followed_is_bounded(self) -> None:
        log = WitnessedLog((logs.log_keys(), forks.public(LATER)), dropped=("0" * 64,) * MAX_DROPPED)
        after = log.judged(forks.request(0, 7, signers=LATER))
        assert len(after.dropped) == MAX_DROPPED
        assert after.dropped[-2:] != after.dropped[:2] == log.dropped[:2]
        assert len(after.encode()) < MAX_STATE
        assert WitnessedLog.decode(after.encode()) == after

    def test_a_new_signer_changes_nothing_of_what_was_cosigned(self, keeper: Keeper) -> None:
        assert told(keeper, asked(0, 9)) == (OK, None)
        keeper.add_log(forks.public(LATER))
        assert told(keeper, forks.request(0, 7, signers=LATER).encode()) == (409, 9)
        assert told(keeper, forks.request(9, 12, fork=8, signers=LATER).encode()) == (422, None)

    def test_keys_are_added_once(self, keeper: Keeper) -> None:
        assert keeper.add_log(logs.log_keys()) == keeper.add_log([*logs.log_keys(), *logs.log_keys()])
        assert len(keeper.log(logs.ORIGIN).signers) == 1

    @pytest.mark.parametrize(
        "keys",
        [
            [],
            [*logs.log_keys(), UNKNOWN.key],
            [logs.signer(logs.ORIGIN, KeyType.COSIGNATURE).key],
            [logs.signer(logs.ORIGIN, seed=bytes([seed])).key for seed in range(3)],
        ],
        ids=["none", "of two logs", "of a witness", "more than types"],
    )
    def test_other_keys_are_refused(self, keeper: Keeper, keys: list[VerifierKey]) -> None:
        with pytest.raises(FieldInvalid):
            keeper.add_log(keys)

    def test_signers_are_bounded(self) -> None:
        log = WitnessedLog(())
        for number in range(MAX_SIGNERS):
            log = log.with_signer([logs.signer(logs.ORIGIN, seed=b"%d" % number).key])
        assert WitnessedLog.decode(log.encode()) == log
        with pytest.raises(FieldInvalid):
            log.with_signer([logs.signer(logs.ORIGIN, seed=b"one more").key])


class TestState:
    def test_what_is_kept_is_parsed_as_it_was_written(self) -> None:
        log = WitnessedLog((logs.log_keys(), forks.public(LATER)))
        assert WitnessedLog.decode(log.encode()) == log
        assert b"dropped" not in log.encode()  # as it was written before any was
        after = log.judged(forks.request(0, 7))
        assert WitnessedLog.decode(after.encode()) == after
        assert (after.origin, after.head) == (logs.ORIGIN, forks.head(7))

    def test_nothing_of_strangers_is_kept(self) -> None:
        log = WitnessedLog((logs.log_keys(),)).judged(forks.request(0, 7))
        request = forks.request(7, 9)
        more = [logs.signer(f"s{n}.example").signature(request.note.text, TIME) for n in range(9)]
        again = replace(request, note=replace(request.note, signatures=(*more, *request.note.signatures * 2)))
        after = log.judged(again)
        assert after.last is not None
        assert after.last.signatures == request.note.signatures

    def test_whatever_is_changed_or_cut_off_it_is_damaged(self) -> None:
        """Above all it is never taken for a log of which nothing was cosigned."""
        data = WitnessedLog((forks.public(forks.first_signer()),)).judged(forks.request(0, 7)).encode()
        for at in range(len(data)):
            for harmed in (data[:at], data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]):
                with pytest.raises(WitnessDamaged):
                    WitnessedLog.decode(harmed)

    @pytest.mark.parametrize(
        "rest",
        [
            b"vaultfs-witness-log@v2\nsigner x\n\n",
            b"vaultfs-witness-log@v1\n\n",
            b"vaultfs-witness-log@v1\nlog x\n\n",
            b"vaultfs-witness-log@v1\nsigner x\n\n",
            b"vaultfs-witness-log@v1\nsigner " + forks.KEYS[0].encode() + b"\n",
            b"vaultfs-witness-log@v1\nsigner " + forks.KEYS[0].encode() + b"\n\nx",
            b"vaultfs-witness-log@v1\nsigner " + UNKNOWN.key.encode().encode() + b"\n\n" + forks.signed(7).encode(),
            b"vaultfs-witness-log@v1\nsigner \xff\n\n",
        ],
    )
    def test_another_form_is_damaged(self, rest: bytes) -> None:
        with pytest.raises(WitnessDamaged):
            WitnessedLog.decode(sha256(rest).hexdigest().encode() + b"\n" + rest)


# The law. ----------------------------------------------------------------------------------------------------------

ASKED = st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from([2, 5, 8, SIZE]), st.booleans())


@given(st.lists(ASKED, max_size=30))
def test_whatever_is_asked_for_two_inconsistent_checkpoints_are_never_cosigned(asked: list[Any]) -> None:
    """Each that is cosigned is the beginning of all that are cosigned later."""
    signers = forks.first_signer()
    log = WitnessedLog((forks.public(signers),))
    cosigned: list[tuple[int, int]] = []
    for old, new, fork, follow in asked:
        known = log.head.size if follow else old
        if known > new:
            continue
        try:
            log = log.judged(forks.request(known, new, fork, signers))
        except WitnessRefused:
            continue
        cosigned.append((new, fork))
        assert log.head == forks.head(new, fork)
    for (before, one), (after, other) in pairwise(cosigned):
        assert before <= after
        assert forks.leaves(one)[:before] == forks.leaves(other)[:before]


@given(st.integers(1, 12), st.integers(0, 12))
def test_a_log_that_goes_on_is_always_cosigned(step: int, start: int) -> None:
    """The control of the law: a witness that refuses everything would keep it, too."""
    signers = forks.first_signer()
    log = WitnessedLog((forks.public(signers),))
    sizes = range(start, SIZE + 1, step)
    for size in sizes:
        log = log.judged(forks.request(log.head.size, size, signers=signers))
    assert log.head == Checkpoint.decode(forks.signed(sizes[-1], signers=signers).text)
