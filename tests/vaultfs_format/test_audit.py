"""Audit entries: fixed, strict, and silent on what they commit to."""

from __future__ import annotations

import hashlib

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
    encode_entries,
)
from vaultfs_format.errors import FieldInvalid, Truncated
from vaultfs_format.suite import DEFAULT

ENTRIES = st.builds(
    AuditEntry, st.sampled_from(LeafKind), st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32)
)


@given(st.lists(ENTRIES, max_size=4))
def test_what_is_written_is_read(entries: list[AuditEntry]) -> None:
    data = b"".join(entry.encode() for entry in entries)
    check_entries(memoryview(data))
    assert [AuditEntry.decode(data, at) for at in range(0, len(data), ENTRY.size)] == entries


@given(st.sampled_from(LeafKind), st.integers(0, 2**64 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=4))
def test_entries_that_share_a_number_are_written_as_each_alone(
    kind: LeafKind, number: int, commitments: list[bytes]
) -> None:
    alone = [AuditEntry(kind, number, commitment).encode() for commitment in commitments]
    assert encode_entries(kind, number, commitments) == b"".join(alone)


def test_nothing_is_written_of_no_entries() -> None:
    assert encode_entries(LeafKind.EVENT, 1, []) == b""


def test_a_commitment_is_sha_256_over_salt_and_event() -> None:
    salt = bytes(range(SALT))
    assert commitment(DEFAULT, memoryview(salt + b"event")) == hashlib.sha256(salt + b"event").digest()


def test_commitments_made_together_are_those_of_each() -> None:
    salted = [bytes(SALT) + bytes([number]) for number in range(5)]
    assert commitments(DEFAULT, salted) == [commitment(DEFAULT, one) for one in salted]
    assert commitments(DEFAULT, []) == []


@pytest.mark.parametrize("kind", [0, 3, 255])
def test_another_kind_is_refused(kind: int) -> None:
    good = AuditEntry(LeafKind.EVENT, 1, bytes(32)).encode()
    for data in (bytes([kind]) + good[1:], good + bytes([kind]) + good[1:]):
        with pytest.raises(FieldInvalid) as refused:
            check_entries(data)
        assert refused.value.facts["rule"] == 1
        with pytest.raises(FieldInvalid):
            AuditEntry.decode(data, len(data) - ENTRY.size)


@pytest.mark.parametrize("at", range(1, 8))
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
