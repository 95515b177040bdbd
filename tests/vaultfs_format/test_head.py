"""The head: a statement over all files, whose tree and order are checked before it is believed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import limits, merkle
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.errors import (
    DigestMismatch,
    FieldInvalid,
    LimitExceeded,
    MacMismatch,
    Structure,
    TrailingBytes,
    Truncated,
    VaultError,
)
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import HEADER, JOURNAL_ROW, SEGMENT_ROW, Head, JournalRow, SegmentRow
from vaultfs_format.layout import Buffer
from vaultfs_format.suite import DEFAULT
from vectors.world import with_digest, with_tree

from tests.vaultfs_format.examples import EPOCH_ROOT, HEAD, SEGMENT_ROWS, VAULT_ID
from tests.vaultfs_format.memory import peak_of
from tests.vaultfs_format.test_merkle import mth

DATA = HEAD.encode(EPOCH_ROOT)
SIZE_AT, PEAKS_AT = HEADER.offset_of("tree_size"), HEADER.offset_of("peaks")
ROOT_AT, SIGNER_AT, COUNTS_AT = (HEADER.offset_of(field) for field in ("tree_root", "signer", "journals"))
ID = st.binary(min_size=16, max_size=16)
DIGEST = st.binary(min_size=32, max_size=32)
U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
POSITIVE = st.integers(1, 2**64 - 1)


@st.composite
def segment_rows(draw: st.DrawFn) -> list[SegmentRow]:
    """Return legal segment rows, sorted."""
    rows = []
    for segment_id in sorted(draw(st.sets(ID, max_size=4))):
        first, last = draw(st.sampled_from([(0, 0), (1, 1), (1999, 2024), (9999, 9999)]))
        frames = draw(st.integers(1, limits.MAX_SEGMENT_FRAMES))
        rows.append(
            SegmentRow(
                segment_id, draw(st.sampled_from(FrameClass)), draw(U32), first, last, draw(st.integers(1, 3)),
                draw(U64), frames, draw(st.integers(frames, 2**64 - 1)), draw(DIGEST), draw(DIGEST),
            )
        )  # fmt: skip
    return rows


@given(
    segment_rows(),
    st.sets(st.builds(JournalRow, ID, U64), max_size=3),
    st.lists(DIGEST, max_size=9),
    POSITIVE,
    U32,
    st.integers(0, limits.MAX_NUMBER),
    POSITIVE,
)
def test_what_is_written_is_read(
    rows: list[SegmentRow],
    journals: set[JournalRow],
    leaves: list[bytes],
    generation: int,
    incarnation: int,
    commit: int,
    number: int,
) -> None:
    live = sorted({row.journal_id: row for row in journals}.values())
    bare = replace(
        HEAD, segments=rows, journals=live, generation=generation, epoch=3, incarnation=incarnation,
        last_commit=commit, next_number=number,
    )  # fmt: skip
    written = with_tree(bare, leaves)
    data = written.encode(EPOCH_ROOT)
    found = Head.decode(memoryview(data))
    found.verify(data, EPOCH_ROOT)
    assert found == written
    assert found.encode(EPOCH_ROOT) == data


def test_a_head_says_what_was_pruned_of_the_log_and_its_live_set_covers_it() -> None:
    pruned = with_tree(replace(HEAD, first_leaf=3, pruned=(b"a" * 32, b"b" * 32)), [bytes(32)] * 5)
    found = Head.decode(pruned.encode(EPOCH_ROOT))
    assert found == pruned
    assert (found.pruned_tree().size, found.pruned_tree().peaks) == (3, [b"a" * 32, b"b" * 32])
    others = [replace(pruned, first_leaf=5), replace(pruned, pruned=(b"a" * 32, b"c" * 32)), with_tree(HEAD)]
    assert len({one.live_set() for one in [pruned, *others]}) == 4


def test_mac_and_digest_are_as_the_specification_writes_them() -> None:
    def derive(key: Buffer, label: bytes, context: bytes) -> bytes:
        return blake3(bytes([len(label)]) + label + context, key=key).digest()

    key = derive(EPOCH_ROOT, b"vaultfs/0/head-key", VAULT_ID + b"\1\0\0\0")
    mac = derive(key, b"vaultfs/0/head-mac", DATA[:-64])
    assert mac == DATA[-64:-32]
    assert blake3(DATA[:-32]).digest() == DATA[-32:]


def test_the_live_set_covers_all_but_the_tree_and_is_its_last_leaf() -> None:
    header = bytearray(DATA[: HEADER.size])
    header[SIZE_AT : SIZE_AT + 40], header[PEAKS_AT] = bytes(40), 0
    rows = DATA[HEADER.size : HEADER.size + JOURNAL_ROW.size + 2 * SEGMENT_ROW.size]
    expected = AuditEntry(LeafKind.LIVESET, 7, blake3(bytes(header) + rows).digest(), HEAD.signer)
    assert HEAD.live_set() == expected
    leaves = [bytes([number]) * 32 for number in range(6)]
    leaves.append(hashlib.sha256(b"\0" + expected.encode()).digest())
    assert HEAD.tree().root(merkle.AUDIT_EMPTY) == mth(leaves)


def test_the_live_set_does_not_depend_on_the_tree() -> None:
    assert with_tree(HEAD, [bytes(32)] * 5).live_set() == HEAD.live_set()
    assert replace(HEAD, last_commit=42).live_set() != HEAD.live_set()
    assert replace(HEAD, segments=SEGMENT_ROWS[:1]).live_set() != HEAD.live_set()


def test_another_epoch_root_is_refused() -> None:
    with pytest.raises(MacMismatch):
        HEAD.verify(DATA, bytes(32))


ROW = SEGMENT_ROWS[1]


def with_row(**changes: Any) -> Head:
    """Return the head with one changed segment row."""
    return with_tree(replace(HEAD, segments=[ROW._replace(**changes)]))


@pytest.mark.parametrize(
    ("head", "rule"),
    [
        (replace(HEAD, generation=0), 1),
        (replace(HEAD, epoch=0), 1),
        (replace(HEAD, superblock_generation=0), 1),
        (replace(HEAD, next_number=0), 1),
        (replace(HEAD, tree_size=0, peaks=[]), 3),
        (with_row(frame_class=6), 4),
        (with_row(frame_class=0), 4),
        (replace(HEAD, segments=SEGMENT_ROWS[::-1]), 5),
        (replace(HEAD, segments=[ROW, ROW]), 5),
        (replace(HEAD, journals=[JournalRow(b"j" * 16, 3)] * 2), 5),
        (replace(HEAD, journals=[JournalRow(b"j" * 16, 3), JournalRow(b"i" * 16, 3)]), 5),
        (with_row(frames=0), 7),
        (with_row(frames=41), 7),
        (with_row(frames=limits.MAX_SEGMENT_FRAMES + 1, entries=2**63), 7),
        (with_row(first_year=0), 7),
        (with_row(first_year=2005), 7),
        (with_row(last_year=10_000), 7),
        (with_row(table_epoch=0), 7),
        (with_row(table_epoch=2), 7),
        (replace(HEAD, first_leaf=2), 8),
        (replace(HEAD, pruned=[bytes(32)]), 8),
        (replace(HEAD, first_leaf=HEAD.tree_size, pruned=[bytes(32)] * HEAD.tree_size.bit_count()), 8),
    ],
)
def test_a_broken_rule_is_named(head: Head, rule: int) -> None:
    with pytest.raises(FieldInvalid) as refused:
        Head.decode(head.encode(EPOCH_ROOT))
    assert refused.value.facts == {"structure": Structure.HEAD, "rule": rule}


def changed(at: int, value: bytes) -> bytes:
    """Return the head with other bytes at `at` of its header, and a digest that fits."""
    data = bytearray(DATA)
    data[at : at + len(value)] = value
    return with_digest(bytes(data))


@pytest.mark.parametrize(
    ("at", "value", "rule"),
    [
        (SIGNER_AT, b"\0", 2),
        (SIZE_AT, b"\x08", 3),
        (SIZE_AT, b"\x0f", 3),
        (ROOT_AT, b"!", 6),
    ],
)
def test_a_tree_that_does_not_fit_is_refused(at: int, value: bytes, rule: int) -> None:
    with pytest.raises(FieldInvalid) as refused:
        Head.decode(changed(at, value))
    assert refused.value.facts["rule"] == rule


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (changed(COUNTS_AT, b"\xff\xff\xff\xff"), LimitExceeded),
        (changed(COUNTS_AT + 4, b"\xff\xff\xff\xff"), LimitExceeded),
        (changed(COUNTS_AT + 4, (1 << 22).to_bytes(4, "little")), Truncated),
        (changed(COUNTS_AT, (1 << 16).to_bytes(4, "little")), Truncated),
        (changed(PEAKS_AT, b"\xff"), LimitExceeded),
        (changed(PEAKS_AT, b"\x40"), Truncated),
        (changed(PEAKS_AT + 1, b"\xff"), LimitExceeded),
        (changed(PEAKS_AT + 1, b"\x40"), Truncated),
        (changed(COUNTS_AT, b"\0"), TrailingBytes),
        (changed(SIZE_AT, (limits.MAX_NUMBER + 1).to_bytes(8, "little")), LimitExceeded),
        (changed(HEADER.offset_of("last_commit"), (limits.MAX_NUMBER + 1).to_bytes(8, "little")), LimitExceeded),
        (DATA[:-1], Truncated),
        (DATA[: HEADER.size], Truncated),
        (DATA[:-1] + bytes([DATA[-1] ^ 1]), DigestMismatch),
    ],
)
def test_counts_that_do_not_fit_are_refused_before_anything_is_allocated(data: bytes, error: type[VaultError]) -> None:
    with peak_of(100_000), pytest.raises(error):
        Head.decode(data)


def test_the_first_head_of_a_vault_has_a_tree_of_its_live_set() -> None:
    first = with_tree(replace(HEAD, generation=1, segments=(), journals=()))
    found = Head.decode(first.encode(EPOCH_ROOT))
    assert (found.tree_size, found.peaks) == (1, [merkle.audit_leaf(DEFAULT, found.live_set().encode())])
    assert DEFAULT is found.suite
