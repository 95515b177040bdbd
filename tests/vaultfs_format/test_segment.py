"""Segments: every byte under a leaf or a digest, and every length adding up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import example, given
from hypothesis import strategies as st
from vaultfs_format import limits
from vaultfs_format.errors import (
    DigestMismatch,
    FieldInvalid,
    LimitExceeded,
    Structure,
    TrailingBytes,
    Truncated,
    VaultError,
)
from vaultfs_format.frame import FrameClass
from vaultfs_format.segment import (
    FOOTER,
    FOOTER_SIZE,
    SUPERBLOCK,
    SUPERBLOCK_SIZE,
    SegmentFooter,
    SegmentHead,
    SliceHasher,
    slice_count,
    slice_size_for,
    tree_root,
    with_slice_size,
    years_valid,
)
from vaultfs_format.suite import DEFAULT

from tests.vaultfs_format.examples import (
    AUDIT_FOOTER,
    AUDIT_FRAME,
    AUDIT_SEGMENT,
    FRAMES,
    RECORD_FOOTER,
    RECORD_FRAME,
    RECORD_SEGMENT,
    check_segment,
    segment_bytes,
    with_digest,
)
from tests.vaultfs_format.test_merkle import mth

HEAD = RECORD_FOOTER.head
U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
YEARS = st.sampled_from([(0, 0), (1, 9999), (2001, 2001)])


@given(st.sampled_from(FrameClass), st.sampled_from([4096, 65536]), U32, U32, YEARS, U64)
def test_a_superblock_that_is_written_is_read(
    frame_class: FrameClass, slice_size: int, disposition: int, epoch: int, years: tuple[int, int], generation: int
) -> None:
    written = SegmentHead(
        DEFAULT, frame_class, slice_size, disposition, epoch, *years, generation, b"v" * 16, b"s" * 16
    )
    data = written.encode()
    assert len(data) == SUPERBLOCK_SIZE
    found = SegmentHead.decode(memoryview(data + b"bodies"))
    assert found == written
    assert found.encode() == data
    assert data[-32:] == blake3(data[:-32]).digest()


@given(
    st.sampled_from([FrameClass.RECORD, FrameClass.AUDIT]), st.integers(0, 1 << 40), st.integers(0, 1 << 30),
    st.integers(1, 9), U64, st.integers(1, limits.MAX_SEGMENT_FRAMES), st.integers(0, 99),
)  # fmt: skip
def test_a_footer_that_is_written_is_read(
    frame_class: FrameClass, bodies: int, directory: int, audit: int, first_leaf: int, frames: int, more: int
) -> None:
    audited = frame_class is FrameClass.AUDIT
    head = replace(HEAD, frame_class=frame_class)
    audit = 48 * audit if audited else 0
    leaves = 32 * slice_count(SUPERBLOCK_SIZE + bodies + directory + audit, head.slice_size)
    leaf = first_leaf if audited else 0
    written = SegmentFooter(head, bodies, directory, audit, leaves, leaf, frames, frames + more, b"r" * 32)
    data = written.encode()
    assert len(data) == FOOTER_SIZE
    found = SegmentFooter.decode(memoryview(data), written.length)
    assert found == written
    assert found.encode() == data


def test_sections_follow_each_other() -> None:
    footer = AUDIT_FOOTER
    assert footer.directory_offset == SUPERBLOCK_SIZE + len(AUDIT_FRAME.body)
    assert footer.audit_offset == footer.directory_offset + footer.directory_length
    assert footer.leaves_offset == footer.audit_offset + 96
    assert footer.length == footer.leaves_offset + footer.leaves_length + FOOTER_SIZE == len(AUDIT_SEGMENT)


def test_a_segment_is_hashed_as_the_specification_says() -> None:
    leaves = []
    covered = RECORD_SEGMENT[: RECORD_FOOTER.leaves_offset]
    for index, at in enumerate(range(0, len(covered), 4096)):
        data = b"\0" + b"g" * 16 + index.to_bytes(8, "little") + covered[at : at + 4096]
        leaves.append(blake3(data).digest())
    assert len(leaves) == 2
    assert RECORD_SEGMENT[len(covered) : -FOOTER_SIZE] == b"".join(leaves)
    assert RECORD_FOOTER.root == mth(leaves, "blake3")


@example([1000, 1000, 5000, 3000, 0, 9000])
@given(st.lists(st.integers(0, 9000), max_size=5))
def test_slices_do_not_depend_on_how_the_bytes_pass_by(sizes: list[int]) -> None:
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    whole, pieced = SliceHasher(HEAD), SliceHasher(HEAD)
    whole.update(b"".join(pieces))
    for piece in pieces:
        pieced.update(memoryview(piece))
    leaves = whole.finish()
    assert leaves == pieced.finish()
    assert len(leaves) == slice_count(sum(map(len, pieces)), 4096)


def test_slices_are_of_one_segment() -> None:
    other = SliceHasher(replace(HEAD, segment_id=b"h" * 16))
    other.update(RECORD_SEGMENT[: RECORD_FOOTER.leaves_offset])
    assert tree_root(DEFAULT, other.finish()) != RECORD_FOOTER.root


def test_exchanged_slices_are_found() -> None:
    frames = [FRAMES[0]] * 60
    data, footer = segment_bytes(FrameClass.RECORD, frames, (2001, 2001))
    keys = [one.key for one in frames]
    check_segment(data, footer, keys)
    swapped = data[:4096] + data[8192:12288] + data[4096:8192] + data[12288:]
    with pytest.raises(DigestMismatch):
        check_segment(swapped, footer, keys)


def test_the_slice_size_grows_with_the_segment() -> None:
    assert slice_size_for(limits.SMALL_SEGMENT - 1) == 4096
    assert slice_size_for(limits.SMALL_SEGMENT) == 65536
    assert with_slice_size(HEAD, limits.SMALL_SEGMENT) == replace(HEAD, slice_size=65536)
    assert [slice_count(length, 4096) for length in (0, 1, 4096, 4097)] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("first", "last", "valid"),
    [
        (0, 0, True),
        (1, 1, True),
        (1990, 2024, True),
        (9999, 9999, True),
        (0, 1, False),
        (1, 0, False),
        (2, 1, False),
        (9999, 10_000, False),
    ],
)
def test_years_are_a_range_or_none(first: int, last: int, valid: bool) -> None:
    assert years_valid(first, last) is valid


# Superblocks that are refused.

FIELDS: dict[str, Any] = dict(
    zip(
        ("prefix", "class", "slice_log2", "k", "m", "across_k", "across_m", "disposition", "epoch", "first", "last",
         "generation", "vault", "segment"),
        (RECORD_SEGMENT[:16], 1, 12, 0, 0, 0, 0, 0, 1, 2001, 2001, 6, b"v" * 16, b"g" * 16),
        strict=True,
    )
)  # fmt: skip


def superblock_with(**changes: Any) -> bytes:
    """Return a superblock with other fields, and a digest that fits."""
    fields = SUPERBLOCK.pack(*(FIELDS | changes).values())
    return with_digest(fields.ljust(SUPERBLOCK_SIZE, b"\0"))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"class": 0}, 2),
        ({"class": 6}, 2),
        ({"slice_log2": 0}, 3),
        ({"slice_log2": 13}, 3),
        ({"slice_log2": 255}, 3),
        ({"k": 16}, 4),
        ({"m": 2}, 4),
        ({"across_k": 1}, 4),
        ({"across_m": 1}, 4),
        ({"first": 0}, 5),
        ({"last": 2000}, 5),
        ({"last": 10_000}, 5),
    ],
)
def test_a_broken_rule_of_a_superblock_is_named(changes: dict[str, int], rule: int) -> None:
    SegmentHead.decode(superblock_with())
    with pytest.raises(FieldInvalid) as refused:
        SegmentHead.decode(superblock_with(**changes))
    assert refused.value.facts == {"structure": Structure.SEGMENT, "rule": rule}


@pytest.mark.parametrize("at", [SUPERBLOCK.size, SUPERBLOCK_SIZE - 33])
def test_a_superblock_is_zero_between_fields_and_digest(at: int) -> None:
    data = bytearray(superblock_with())
    data[at] = 1
    with pytest.raises(FieldInvalid) as refused:
        SegmentHead.decode(with_digest(bytes(data)))
    assert refused.value.facts["rule"] == 1


def test_a_superblock_that_is_cut_or_changed_is_refused() -> None:
    data = superblock_with()
    with pytest.raises(Truncated):
        SegmentHead.decode(data[:-1])
    with pytest.raises(DigestMismatch):
        SegmentHead.decode(data[:200] + b"\1" + data[201:])


# Footers that are refused.

FOOTER_DATA = RECORD_SEGMENT[-FOOTER_SIZE:]
LENGTH = len(RECORD_SEGMENT)


@pytest.mark.parametrize(
    ("footer", "rule"),
    [
        (replace(RECORD_FOOTER, leaves_length=96), 10),
        (replace(RECORD_FOOTER, leaves_length=65), 10),
        (replace(AUDIT_FOOTER, audit_length=95), 11),
        (replace(RECORD_FOOTER, audit_length=48), 12),
        (replace(RECORD_FOOTER, first_leaf=1), 12),
        (replace(AUDIT_FOOTER, audit_length=0), 12),
        (replace(RECORD_FOOTER, frames=0), 13),
        (replace(RECORD_FOOTER, frames=3), 13),
        (replace(RECORD_FOOTER, head=replace(HEAD, epoch=0)), 13),
        (replace(RECORD_FOOTER, head=replace(HEAD, first_year=0)), 5),
        (replace(RECORD_FOOTER, head=replace(HEAD, frame_class=9)), 2),  # type: ignore[arg-type]
    ],
)
def test_a_broken_rule_of_a_footer_is_named(footer: SegmentFooter, rule: int) -> None:
    with pytest.raises(FieldInvalid) as refused:
        SegmentFooter.decode(footer.encode(), footer.length)
    assert refused.value.facts == {"structure": Structure.SEGMENT, "rule": rule}


def footer_with(at: int, value: bytes) -> bytes:
    """Return the footer with other bytes at `at`, and a digest that fits."""
    data = bytearray(FOOTER_DATA)
    data[at : at + len(value)] = value
    return with_digest(bytes(data))


@pytest.mark.parametrize(
    ("at", "value", "rule"),
    [
        (FOOTER.size, b"\1", 6),
        (FOOTER_SIZE - 33, b"\1", 6),
        (FOOTER.size - 8, b"\1", 7),
        (FOOTER.size - 4, b"\1", 7),
        (56, b"\1", 8),
        (16, b"\0", 9),
        (24, bytes([0, 0, 0, 0, 0, 0, 0, 255]), 9),
        (24, b"\xff" * 8, 9),
    ],
)
def test_footers_that_do_not_add_up_are_refused(at: int, value: bytes, rule: int) -> None:
    with pytest.raises(FieldInvalid) as refused:
        SegmentFooter.decode(footer_with(at, value), LENGTH)
    assert refused.value.facts["rule"] == rule


def test_a_footer_is_of_a_file_of_its_length() -> None:
    SegmentFooter.decode(FOOTER_DATA, LENGTH)
    for length in (LENGTH - 1, LENGTH + 1, 0):
        with pytest.raises(FieldInvalid) as refused:
            SegmentFooter.decode(FOOTER_DATA, length)
        assert refused.value.facts["rule"] == 9


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (FOOTER_DATA[:-1], Truncated),
        (FOOTER_DATA + b"\0", TrailingBytes),
        (FOOTER_DATA[:300] + b"\1" + FOOTER_DATA[301:], DigestMismatch),
        (footer_with(72, (limits.MAX_SEGMENT_FRAMES + 1).to_bytes(4, "little")), LimitExceeded),
        (footer_with(FOOTER.size - 92, b"\x88"), VaultError),
    ],
)
def test_a_footer_that_is_not_one_is_refused(data: bytes, error: type[VaultError]) -> None:
    with pytest.raises(error):
        SegmentFooter.decode(data, LENGTH)


def test_a_segment_with_another_frames_key_is_refused() -> None:
    with pytest.raises(VaultError):
        check_segment(RECORD_SEGMENT, RECORD_FOOTER, [AUDIT_FRAME.key])
    check_segment(RECORD_SEGMENT, RECORD_FOOTER, [RECORD_FRAME.key])
