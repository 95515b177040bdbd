"""Proof files and requests to witnesses: one spelling, and nothing that was changed is proved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import limits
from vaultfs_format.errors import (
    FieldInvalid,
    LimitExceeded,
    NotAuthentic,
    NotSigned,
    ProofInvalid,
    SignatureInvalid,
    Structure,
    Truncated,
    VaultError,
)
from vaultfs_format.levels import consistency_proof
from vaultfs_format.tlog.keys import KeyType, open_checkpoint, signed_by
from vaultfs_format.tlog.note import Note, NoteSignature, decode_signatures, encode_signatures
from vaultfs_format.tlog.policy import NONE, Policy, PolicyLog
from vaultfs_format.tlog.proof import LogProof
from vaultfs_format.tlog.witness import AddCheckpoint, decode_size, encode_size

from tests.vaultfs_format.tlog import logs
from tests.vaultfs_format.tlog.logs import EMPTY, ENTRIES, NODES, TIME


def facts_of(call: Callable[[], object]) -> dict[str, object]:
    """Return the facts with which something is refused."""
    with pytest.raises(FieldInvalid) as caught:
        call()
    return dict(caught.value.facts)


# Proof files.


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 300])
def test_an_entry_is_proved_by_a_file(size: int) -> None:
    for index in {0, size // 2, size - 1}:
        data = logs.proof(index, size).encode()
        found = LogProof.decode(data)
        assert found.encode() == data
        assert found.verify(ENTRIES[index], logs.log_keys()) == logs.head(size)
        for other in {0, size - 1, index + 1} - {index}:
            with pytest.raises(ProofInvalid):
                found.verify(ENTRIES[other % 300], logs.log_keys())


def test_the_text_of_a_proof() -> None:
    made = replace(logs.proof(2, 3), extra=b"extra").encode().decode()
    lines = made.split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra ZXh0cmE=", "index 2"]
    assert lines[4:8] == ["", logs.ORIGIN, "3", logs.head(3).encode().split("\n")[2]]


@given(st.integers(0, 6), st.binary(max_size=90))
def test_a_proof_is_parsed_as_it_was_written(index: int, extra: bytes) -> None:
    made = replace(logs.proof(index, 7), extra=extra)
    assert LogProof.decode(made.encode()) == made


PROOF = replace(logs.proof(2, 7), extra=b"extra").encode()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (b"proof@v1", b"proof@v2", 1),
        (b"c2sp", b"\xffc2sp", 1),
        (b"c2sp", b"\x01c2sp", 1),
        (b"c2sp.org/tlog-proof@v1\n", b"", 1),
        (b"extra ZXh0cmE=\n", b"extra \n", 2),
        (b"extra ZXh0cmE=", b"extra ZXh0cmF=", 2),
        (b"extra ZXh0cmE=", b"extra  ZXh0cmE=", 2),
        (b"extra ZXh0cmE=", b"extra", 3),
        (b"extra ZXh0cmE=\n", b"extra ZXh0cmE=\nextra ZXh0cmE=\n", 3),
        (b"index 2", b"index 02", 3),
        (b"index 2", b"index -2", 3),
        (b"index 2", b"index  2", 3),
        (b"index 2", b"Index 2", 3),
        (b"index 2\n", b"", 3),
        (b"index 2\n", b"index 2\nAAAA\n", 4),
        (b"index 2\n", b"index 2\nextra ZXh0cmE=\n", 4),
    ],
)
def test_a_proof_has_one_form(old: bytes, new: bytes, rule: int) -> None:
    assert PROOF.count(old) == 1
    refused = facts_of(lambda: LogProof.decode(PROOF.replace(old, new)))
    assert refused == {"structure": Structure.LOG_PROOF, "rule": rule}


def test_a_proof_ends_where_its_lines_say() -> None:
    start = b"c2sp.org/tlog-proof@v1\n"
    assert facts_of(lambda: LogProof.decode(start + b"\n" + PROOF)) == {"structure": Structure.LOG_PROOF, "rule": 1}
    assert facts_of(lambda: LogProof.decode(start + b"extra ZXh0cmE=\n\n" + PROOF))["rule"] == 3
    for data in (b"", start, PROOF.partition(b"\n\n")[0]):
        with pytest.raises(Truncated):
            LogProof.decode(data)
    assert facts_of(lambda: LogProof.decode(PROOF + b"\n"))["structure"] is Structure.NOTE


def test_what_a_proof_may_hold_is_bounded() -> None:
    line = b"A" * 43 + b"=\n"
    most = LogProof(0, (bytes(32),) * limits.MAX_TREE_PROOF, logs.signed(1), bytes(limits.MAX_PROOF_EXTRA))
    assert LogProof.decode(most.encode()) == most
    for made in (
        replace(most, path=(bytes(32),) * (limits.MAX_TREE_PROOF + 1)),
        replace(most, extra=bytes(limits.MAX_PROOF_EXTRA + 1)),
        replace(most, extra=bytes(2 * limits.MAX_NOTE)),
    ):
        with pytest.raises(LimitExceeded):
            LogProof.decode(made.encode())
    assert line in most.encode()


def test_whatever_is_changed_in_a_proof_it_is_refused_or_says_the_same() -> None:
    """Of what was changed only the extra data, which nothing authenticates, may differ in a proof that verifies."""
    whole = replace(logs.proof(2, 7), extra=b"extra")
    keys = logs.log_keys()
    data = whole.encode()
    start = data.index(b"\n\n") + 260
    for at in [*range(start), *range(start, len(data), 37)]:
        for bit in (0, 1, 5):
            other = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            try:
                found = LogProof.decode(other)
                found.verify(ENTRIES[2], keys)
            except VaultError:
                continue
            assert replace(found, extra=b"extra") == whole


def test_a_proof_whose_hashes_or_numbers_were_changed_is_refused() -> None:
    whole = logs.proof(2, 7)
    path = whole.path
    for other in (
        replace(whole, index=3),
        replace(whole, index=1),
        replace(whole, index=7),
        replace(whole, index=limits.MAX_NUMBER),
        replace(whole, path=path[1:]),
        replace(whole, path=path[:-1]),
        replace(whole, path=()),
        replace(whole, path=(*path, path[-1])),
        replace(whole, path=(path[1], path[0], *path[2:])),
        replace(whole, note=logs.signed(8)),
        replace(whole, note=logs.signed(2)),
    ):
        with pytest.raises(ProofInvalid):
            LogProof.decode(other.encode()).verify(ENTRIES[2], logs.log_keys())


def test_a_proof_counts_only_under_all_keys_of_the_log_or_under_a_policy() -> None:
    whole = logs.proof(2, 7)
    half = replace(whole, note=replace(whole.note, signatures=whole.note.signatures[:1]))
    with pytest.raises(NotSigned):
        half.verify(ENTRIES[2], logs.log_keys())
    assert half.verify(ENTRIES[2], logs.log_keys()[:1]) == logs.head(7)
    policy = Policy((PolicyLog(logs.log_keys()[0]),), (), (), NONE)
    assert half.verify_policy(ENTRIES[2], policy) == logs.head(7)
    with pytest.raises(ProofInvalid):
        half.verify_policy(ENTRIES[3], policy)
    with pytest.raises(NotSigned):
        replace(half, note=replace(half.note, signatures=whole.note.signatures[1:])).verify_policy(ENTRIES[2], policy)


# What a witness is asked, and what it answers.


def request(old: int, new: int) -> AddCheckpoint:
    return AddCheckpoint(old, tuple(consistency_proof(NODES, logs.levels(), old, new)), logs.signed(new))


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 1), (0, 7), (1, 7), (3, 7), (4, 7), (7, 7), (255, 300)])
def test_a_witness_takes_a_tree_that_goes_on_and_no_other(old: int, new: int) -> None:
    data = request(old, new).encode()
    found = AddCheckpoint.decode(data)
    assert found.encode() == data
    assert open_checkpoint(found.note, logs.log_keys()) == found.head == logs.head(new)
    found.check(logs.head(old).root)
    for root in (bytes(32), logs.head(old + 1).root, EMPTY if old else logs.head(1).root):
        with pytest.raises(ProofInvalid):
            found.check(root)
    with pytest.raises(ProofInvalid):
        replace(found, path=(*found.path, bytes(32))).check(logs.head(old).root)
    for at in range(len(found.path)):
        with pytest.raises(ProofInvalid):
            replace(found, path=(*found.path[:at], *found.path[at + 1 :])).check(logs.head(old).root)


REQUEST = request(3, 7).encode()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (b"old 3", b"old 03", 1),
        (b"old 3", b"old  3", 1),
        (b"old 3", b"old -3", 1),
        (b"old 3", b"old", 1),
        (b"old 3", b"Old 3", 1),
        (b"old 3\n", b"", 1),
        (b"old 3", b"\xff", 1),
        (b"old 3\n", b"old 3\nAAAA\n", 2),
        (b"old 3", b"old 8", 3),
    ],
)
def test_a_request_has_one_form(old: bytes, new: bytes, rule: int) -> None:
    refused = facts_of(lambda: AddCheckpoint.decode(REQUEST.replace(old, new)))
    assert refused == {"structure": Structure.LOG_WITNESS, "rule": rule}


def test_a_request_ends_where_its_lines_say_and_is_bounded() -> None:
    for data in (b"", b"old 3\n", REQUEST.partition(b"\n\n")[0]):
        with pytest.raises(Truncated):
            AddCheckpoint.decode(data)
    assert facts_of(lambda: AddCheckpoint.decode(b"\n\n" + REQUEST))["structure"] is Structure.LOG_WITNESS
    for many in (replace(request(3, 7), path=(bytes(32),) * 64).encode(), REQUEST + bytes(2 * limits.MAX_NOTE)):
        with pytest.raises(LimitExceeded):
            AddCheckpoint.decode(many)
    with pytest.raises(FieldInvalid):
        AddCheckpoint.decode(b"old 0\n\nno checkpoint\n\n" + REQUEST.rpartition(b"\n\n")[2])


@pytest.mark.parametrize("kind", [KeyType.COSIGNATURE, KeyType.LATTICE_COSIGNATURE])
def test_what_a_witness_answers_is_put_to_the_checkpoint(kind: KeyType) -> None:
    witness = logs.signer("witness.example/w1", kind)
    note = request(3, 7).note
    answer = encode_signatures([witness.signature(note.text, TIME)]).encode()
    cosigned = note.cosigned(decode_signatures(answer))
    found = signed_by(Note.decode(cosigned.encode()), [witness.key, *logs.log_keys()])
    assert {(one.key.name, one.time) for one in found} == {
        (logs.ORIGIN, None),
        (logs.ORIGIN, TIME),
        ("witness.example/w1", TIME),
    }
    other = note.cosigned([NoteSignature(witness.key.name, witness.key.key_id, bytes(72))])
    with pytest.raises(SignatureInvalid):
        signed_by(other, [witness.key])


@pytest.mark.parametrize("data", [b"", b"\n", b"no signature\n", b"old 3\n"])
def test_an_answer_without_signatures_is_none(data: bytes) -> None:
    assert facts_of(lambda: decode_signatures(data))["structure"] is Structure.NOTE


@given(st.integers(0, limits.MAX_NUMBER))
def test_the_size_that_a_witness_has_is_parsed_as_it_was_written(size: int) -> None:
    assert decode_size(encode_size(size)) == size


@pytest.mark.parametrize("data", [b"", b"\n", b"7", b"07\n", b"7\n\n", b"-7\n", b"\xff\n", b"9223372036854775808\n"])
def test_a_size_has_one_form(data: bytes) -> None:
    assert facts_of(lambda: decode_size(data)) == {"structure": Structure.LOG_WITNESS, "rule": 1}


def test_a_size_that_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(LimitExceeded):
        decode_size(b"1" * 1000)


def test_refusals_of_proofs_are_of_one_kind() -> None:
    assert issubclass(ProofInvalid, NotAuthentic)
    assert issubclass(NotSigned, NotAuthentic)
