"""Segments: every byte under a leaf or a digest, and every length adding up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import example, given
from hypothesis import strategies as st
from vaultfs_format import isal, limits
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
    years_valid,
)
from vaultfs_format.slices import Protector, Slicer, tree_root
from vaultfs_format.suite import DEFAULT
from vectors.world import with_digest

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
)
from tests.vaultfs_format.memory import peak_of
from tests.vaultfs_format.test_merkle import mth

HEAD = RECORD_FOOTER.head
U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
YEARS = st.sampled_from([(0, 0), (1, 9999), (2001, 2001)])


@given(st.sampled_from(FrameClass), U32, U32, YEARS, U64, st.just(0) | st.integers(4097, 1 << 42))
def test_a_superblock_that_is_written_is_read(
    frame_class: FrameClass, disposition: int, epoch: int, years: tuple[int, int], generation: int, covered: int
) -> None:
    written = SegmentHead(DEFAULT, frame_class, disposition, epoch, *years, generation, b"v" * 16, b"s" * 16, covered)
    data = written.encode()
    assert len(data) == SUPERBLOCK_SIZE
    found = SegmentHead.decode(memoryview(data + b"bodies"))
    assert found == written
    assert found.encode() == data
    assert data[-32:] == blake3(data[:-32]).digest()


@given(
    st.sampled_from([FrameClass.RECORD, FrameClass.AUDIT]), st.integers(0, 1 << 34), st.integers(1, 1 << 30),
    st.integers(1, 9), U64, st.integers(1, limits.MAX_SEGMENT_FRAMES), st.integers(0, 99),
)  # fmt: skip
def test_a_footer_that_is_written_is_read(
    frame_class: FrameClass, bodies: int, directory: int, audit: int, first_leaf: int, frames: int, more: int
) -> None:
    audited = frame_class is FrameClass.AUDIT
    audit = 48 * audit if audited else 0
    head = replace(HEAD, frame_class=frame_class, covered=SUPERBLOCK_SIZE + bodies + directory + audit)
    leaf = first_leaf if audited else 0
    written = SegmentFooter(
        head, bodies, directory, audit, leaf, frames, frames + more, b"r" * 32, b"p" * 32, 1, b"s" * 64
    )
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
    assert footer.footer_offsets[0] == footer.leaves_offset + footer.leaves_length
    assert footer.parity_offset == footer.footer_offsets[0] + FOOTER_SIZE
    assert footer.leaves_offsets == (footer.leaves_offset, footer.parity_offset + footer.parity_length)
    assert footer.footer_offsets[1] == footer.leaves_offsets[1] + footer.leaves_length
    assert footer.length == footer.footer_offsets[1] + FOOTER_SIZE == len(AUDIT_SEGMENT)


def test_a_segment_is_hashed_as_the_specification_says() -> None:
    leaves = []
    covered = RECORD_SEGMENT[: RECORD_FOOTER.leaves_offset]
    for index, at in enumerate(range(0, len(covered), 4096)):
        data = b"\0" + b"g" * 16 + index.to_bytes(8, "little") + covered[at : at + 4096]
        leaves.append(blake3(data).digest())
    assert len(leaves) == 2
    assert RECORD_FOOTER.root == mth(leaves, "blake3")
    parity = RECORD_SEGMENT[RECORD_FOOTER.parity_offset :][: RECORD_FOOTER.parity_length]
    hashes = [
        blake3(b"\0" + b"g" * 16 + (2 + number).to_bytes(8, "little") + parity[4096 * number :][:4096]).digest()
        for number in range(2)
    ]
    assert RECORD_FOOTER.parity_root == mth(hashes, "blake3")
    for offset in RECORD_FOOTER.leaves_offsets:
        assert RECORD_SEGMENT[offset:][:128] == b"".join(leaves + hashes)
        assert RECORD_SEGMENT[offset + 128 :][:FOOTER_SIZE] == RECORD_FOOTER.encode()


def slow_product(left: int, right: int) -> int:
    """Return the product of two elements of GF(2^8) with polynomial 0x11d, bit by bit."""
    total = 0
    for _ in range(8):
        total ^= left * (right & 1)
        left, right = left << 1 ^ (0x11D if left & 0x80 else 0), right >> 1
    return total


def slow_inverse(element: int) -> int:
    """Return the inverse of an element, found by trying all."""
    return next(other for other in range(1, 256) if slow_product(element, other) == 1)


@pytest.mark.parametrize("count", [1, 40, 120])
def test_the_parity_is_the_one_that_is_specified(count: int) -> None:
    """Made here by the text alone: slices are dealt out to stripes, 1/(i XOR j), parity goes on where the data stop."""
    data, footer = segment_bytes(FrameClass.RECORD, [FRAMES[0]] * count, (2001, 2001))
    covered = data[: footer.head.covered]
    slices = [covered[at : at + 4096].ljust(4096, b"\0") for at in range(0, len(covered), 4096)]
    stripes = -(-len(slices) // 16)
    k = -(-len(slices) // stripes)
    m = max(2, -(-k // 2))
    parity = data[footer.parity_offset :][: footer.parity_length]
    assert len(parity) == 4096 * stripes * m
    for position in range(stripes * m):
        stripe, row = (len(slices) + position) % stripes, position // stripes
        for byte in (0, 1, 100, 4095):
            total = 0
            for column, piece in enumerate(slices[stripe::stripes]):
                total ^= slow_product(slow_inverse(k + row ^ column), piece[byte])
            assert parity[4096 * position + byte] == total


@example([1000, 1000, 5000, 3000, 0, 9000])
@example([4095])  # whole slices
@given(st.lists(st.integers(0, 9000), max_size=5))
def test_slices_do_not_depend_on_how_the_bytes_pass_by(sizes: list[int]) -> None:
    pieces = [b"s" * 4097, *(bytes([number]) * size for number, size in enumerate(sizes))]
    head = replace(HEAD, covered=sum(map(len, pieces)))
    whole, pieced = Protector(head), Protector(head)
    whole.update(b"".join(pieces))
    made = []
    for piece in pieces:
        pieced.update(memoryview(piece))
        made += pieced.made()
    leaves = whole.finish()
    assert leaves == pieced.finish()
    assert len(leaves) == head.geometry.slices
    assert whole.parity_leaves == pieced.parity_leaves
    assert len(whole.parity_leaves) == head.geometry.parity_slices
    assert whole.made() == made + pieced.made()


def test_a_zone_is_not_held_in_memory_while_its_parity_is_made() -> None:
    """What is held are the 128 parity slices of a zone, twice while they are put together; its data would be 64 MiB."""
    isal.library()
    head = replace(HEAD, covered=limits.ZONE_SLICES * limits.SLICE_LARGE)
    protector, piece = Protector(head), bytes(limits.MIB)
    with peak_of(28 * limits.MIB):
        for _ in range(0, head.covered, len(piece)):
            protector.update(piece)
    assert [len(one.data) for one in protector.made()] == [8 * limits.MIB]


def test_slices_are_of_one_segment() -> None:
    other = Slicer(replace(HEAD, segment_id=b"h" * 16))
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
         "generation", "vault", "segment", "covered"),
        (RECORD_SEGMENT[:16], 1, 12, 2, 2, 0, 0, 0, 1, 2001, 2001, 6, b"v" * 16, b"g" * 16, HEAD.covered),
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
        ({"covered": 4096}, 3),
        ({"covered": 1}, 3),
        ({"covered": 0}, 4),
        ({"covered": 1 << 20}, 4),
        ({"slice_log2": 0}, 4),
        ({"slice_log2": 16}, 4),
        ({"slice_log2": 255}, 4),
        ({"k": 0}, 4),
        ({"k": 3}, 4),
        ({"m": 1}, 4),
        ({"across_k": 1}, 10),
        ({"across_m": 1}, 10),
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


def test_a_superblock_over_the_limit_is_refused_before_it_is_computed_for() -> None:
    with pytest.raises(LimitExceeded):
        SegmentHead.decode(superblock_with(covered=(1 << 42) + 1))


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
        (replace(RECORD_FOOTER, bodies_length=RECORD_FOOTER.bodies_length + 1), 9),
        (replace(RECORD_FOOTER, audit_length=48), 9),
        (replace(AUDIT_FOOTER, audit_length=95, directory_length=AUDIT_FOOTER.directory_length + 1), 11),
        (replace(RECORD_FOOTER, audit_length=48, directory_length=RECORD_FOOTER.directory_length - 48), 12),
        (replace(RECORD_FOOTER, first_leaf=1), 12),
        (replace(AUDIT_FOOTER, audit_length=0, directory_length=AUDIT_FOOTER.directory_length + 96), 12),
        (replace(RECORD_FOOTER, frames=0), 13),
        (replace(RECORD_FOOTER, frames=3), 13),
        (replace(RECORD_FOOTER, head=replace(HEAD, epoch=0)), 13),
        (replace(RECORD_FOOTER, head=replace(HEAD, first_year=0)), 5),
        (replace(RECORD_FOOTER, head=replace(HEAD, frame_class=9)), 2),  # type: ignore[arg-type]
    ],
)
def test_a_broken_rule_of_a_footer_is_named(footer: SegmentFooter, rule: int) -> None:
    with pytest.raises(FieldInvalid) as refused:
        SegmentFooter.decode(footer.encode())
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
        (FOOTER.size - 72, b"\0", 7),
        (48, b"\1", 8),
        (56, b"\1", 8),
        (16, b"\0", 8),
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
        assert refused.value.facts["rule"] == 8


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (FOOTER_DATA[:-1], Truncated),
        (FOOTER_DATA + b"\0", TrailingBytes),
        (FOOTER_DATA[:300] + b"\1" + FOOTER_DATA[301:], DigestMismatch),
        (footer_with(72, (limits.MAX_SEGMENT_FRAMES + 1).to_bytes(4, "little")), LimitExceeded),
        (footer_with(FOOTER.size - 72 - SUPERBLOCK.size, b"\x88"), VaultError),
    ],
)
def test_a_footer_that_is_not_one_is_refused(data: bytes, error: type[VaultError]) -> None:
    with pytest.raises(error):
        SegmentFooter.decode(data, LENGTH)


def test_a_segment_with_another_frames_key_is_refused() -> None:
    with pytest.raises(VaultError):
        check_segment(RECORD_SEGMENT, RECORD_FOOTER, [AUDIT_FRAME.key])
    check_segment(RECORD_SEGMENT, RECORD_FOOTER, [RECORD_FRAME.key])
