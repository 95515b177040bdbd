"""Audit entries: fixed, strict, and silent on what they commit to."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format.audit import (
    ENTRY,
    SALT,
    AuditEntry,
    LeafKind,
    check_entries,
    commitment,
    commitments,
    encode_events,
)
from vaultfs_format.errors import FieldInvalid, Truncated
from vaultfs_format.suite import DEFAULT

NUMBERS, COMMITMENTS = st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32)
ENTRIES = st.one_of(
    st.builds(AuditEntry, st.sampled_from([LeafKind.EVENT, LeafKind.SUBJECTS]), NUMBERS, COMMITMENTS),
    st.builds(AuditEntry, st.just(LeafKind.LIVESET), NUMBERS, COMMITMENTS, st.integers(1, 2**32 - 1)),
)


@given(st.lists(ENTRIES, max_size=4))
def test_what_is_written_is_read(entries: list[AuditEntry]) -> None:
    data = b"".join(entry.encode() for entry in entries)
    check_entries(memoryview(data))
    assert [AuditEntry.decode(data, at) for at in range(0, len(data), ENTRY.size)] == entries


@given(NUMBERS, st.lists(COMMITMENTS, max_size=4))
def test_events_of_a_commit_are_written_as_each_alone(number: int, commitments: list[bytes]) -> None:
    alone = [AuditEntry(LeafKind.EVENT, number, commitment).encode() for commitment in commitments]
    assert encode_events(number, commitments) == b"".join(alone)


@given(st.lists(ENTRIES, min_size=1, max_size=5), st.data())
def test_a_signer_stands_in_live_sets_alone(entries: list[AuditEntry], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(entries) - 1))
    signer = 0 if entries[at].kind is LeafKind.LIVESET else data.draw(st.integers(1, 2**32 - 1))
    entries[at] = replace(entries[at], signer=signer)
    whole = b"".join(entry.encode() for entry in entries)
    with pytest.raises(FieldInvalid) as one:
        AuditEntry.decode(whole, at * ENTRY.size)
    with pytest.raises(FieldInvalid) as all_of_them:
        check_entries(whole)
    assert one.value.facts == all_of_them.value.facts


def test_a_commitment_is_sha_256_over_salt_and_event() -> None:
    salt = bytes(range(SALT))
    assert commitment(DEFAULT, memoryview(salt + b"event")) == hashlib.sha256(salt + b"event").digest()


def test_commitments_made_together_are_those_of_each() -> None:
    salted = [bytes(SALT) + bytes([number]) for number in range(5)]
    assert commitments(DEFAULT, salted) == [commitment(DEFAULT, one) for one in salted]
    assert commitments(DEFAULT, []) == []


@pytest.mark.parametrize("kind", [0, 4, 255])
def test_another_kind_is_refused(kind: int) -> None:
    good = AuditEntry(LeafKind.EVENT, 1, bytes(32)).encode()
    for data in (bytes([kind]) + good[1:], good + bytes([kind]) + good[1:]):
        with pytest.raises(FieldInvalid) as refused:
            check_entries(data)
        assert refused.value.facts["rule"] == 1
        with pytest.raises(FieldInvalid):
            AuditEntry.decode(data, len(data) - ENTRY.size)


@pytest.mark.parametrize("at", range(1, 4))
def test_reserved_bytes_are_zero(at: int) -> None:
    data = bytearray(AuditEntry(LeafKind.LIVESET, 1, bytes(32)).encode() * 3)
    data[ENTRY.size + at] = 1
    with pytest.raises(FieldInvalid) as refused:
        check_entries(data)
    assert refused.value.facts["rule"] == 3
    with pytest.raises(FieldInvalid):
        AuditEntry.decode(data, ENTRY.size)


@pytest.mark.parametrize("length", [1, 47, 49])
def test_a_section_holds_whole_entries(length: int) -> None:
    with pytest.raises(FieldInvalid) as refused:
        check_entries(b"\1" + bytes(length - 1))
    assert refused.value.facts["rule"] == 2


def test_an_entry_that_is_cut_is_truncated() -> None:
    with pytest.raises(Truncated):
        AuditEntry.decode(bytes(47))
