"""Heads of subjects: what is found step by step is what the specification writes down in one go."""

from __future__ import annotations

import hashlib
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.subjectheads import BUCKETS, ROW, advanced, bucket_leaves, bucket_of, root, row_keys
from vaultfs_format.suite import SUITES, Suite

from tests.vaultfs_format.textbook import Logged, heads_of, leaf_hash, root_of, rows_of

SUBJECTS = st.integers(0, 6).map(lambda number: bytes([number]) * 16)
ROUNDS = st.lists(st.lists(SUBJECTS, max_size=8), max_size=4)
STATED = Logged(AuditEntry(LeafKind.SUBJECTS, 0, bytes(32)))


def logged(rounds: list[list[bytes]]) -> list[Logged]:
    """Return a log with events about these subjects, and heads after each round."""
    log: list[Logged] = []
    for subjects in rounds:
        for subject in subjects:
            log.append(Logged(AuditEntry(LeafKind.EVENT, len(log), bytes(32)), subject))
        log.append(STATED)
    return log


@given(st.sampled_from(list(SUITES.values())), ROUNDS)
def test_rows_advanced_round_by_round_are_those_of_the_whole_log(suite: Suite, rounds: list[list[bytes]]) -> None:
    log, buckets = logged(rounds), [b""] * BUCKETS
    since: dict[bytes, list[bytes]] = {}
    for entry, subject in log:
        if entry.kind is LeafKind.EVENT:
            since.setdefault(subject, []).append(leaf_hash(entry))
            continue
        since.pop(bytes(16), None)
        found = sorted(zip(row_keys(suite, since), since.values(), strict=True))
        for bucket, each in groupby(found, lambda one: bucket_of(one[0])):
            buckets[bucket] = advanced(suite, buckets[bucket], each)
        since = {}
    heads = heads_of(log)
    assert b"".join(buckets) == b"".join(rows_of(heads))
    assert root(suite, bucket_leaves(suite, buckets)) == root_of(heads)


@given(
    st.sampled_from(list(SUITES.values())),
    st.lists(st.sets(st.integers(0, 40)), max_size=4),
)
def test_many_subjects_lie_in_one_bucket_in_order(suite: Suite, rounds: list[set[int]]) -> None:
    rows, counts = b"", dict[bytes, int]()
    for numbers in rounds:
        keys = sorted(number.to_bytes(32, "big") for number in numbers)
        rows = advanced(suite, rows, [(key, [key] * (1 + key[-1] % 3)) for key in keys])
        for key in keys:
            counts[key] = counts.get(key, 0) + 1 + key[-1] % 3
    each = [rows[at : at + ROW] for at in range(0, len(rows), ROW)]
    assert [(row[:32], int.from_bytes(row[32:40], "little")) for row in each] == sorted(counts.items())


def test_a_bucket_is_the_first_twelve_bits() -> None:
    assert bucket_of(b"\x00\x0f" + bytes(30)) == 0
    assert bucket_of(b"\x00\x10" + bytes(30)) == 1
    assert bucket_of(b"\xff\xff" + bytes(30)) == 4095


@pytest.mark.parametrize("suite", SUITES.values())
def test_a_subject_is_found_by_the_hash_of_its_surrogate(suite: Suite) -> None:
    assert row_keys(suite, [b"s" * 16]) == [hashlib.sha256(b"s" * 16).digest()]


def test_nothing_advanced_is_nothing_changed() -> None:
    suite = next(iter(SUITES.values()))
    rows = advanced(suite, b"", [(b"k" * 32, [b"l" * 32])])
    assert advanced(suite, rows, []) == rows
    assert advanced(suite, b"", []) == b""
