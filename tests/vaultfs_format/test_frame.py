"""Frames: a key opens one frame, whole, and nothing in its header is believed before it is bounded."""

from __future__ import annotations

import random
from typing import Any

import pytest
import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as replaced
from vaultfs_format import limits
from vaultfs_format.compression import DICTIONARY, Codec
from vaultfs_format.entries import Entry, EntryBlock, PartRow, Role
from vaultfs_format.errors import (
    BadMagic,
    CommitmentMismatch,
    DecompressionFailed,
    DecryptionFailed,
    FieldInvalid,
    LimitExceeded,
    Structure,
    Truncated,
    UnsupportedFeature,
    VaultError,
)
from vaultfs_format.frame import (
    HEADER,
    MAGIC,
    ROLES_OF,
    FrameClass,
    FrameHeader,
    SealedFrame,
    open_body,
    open_body_in,
    open_entries,
    seal_blob,
    seal_frame,
)
from vaultfs_format.pixels import Rows
from vaultfs_format.suite import DEFAULT

from tests.vaultfs_format.examples import BLOB_FRAME, FRAMES, RECORD_FRAME, STATE_FRAME, SUBJECT, frame, record

KEY, ID = bytes(range(32)), bytes(range(16))


def keys_of(key: bytes, frame_id: bytes) -> tuple[bytes, bytes, bytes]:
    """Return body key, entries key and commitment as the specification derives them."""
    label = b"vaultfs/0/frame"
    derived = blake3(bytes([len(label)]) + label + frame_id, key=key).digest(length=96)
    return derived[:32], derived[32:64], derived[64:]


def opened(sealed: SealedFrame) -> tuple[EntryBlock, bytes]:
    """Return a frame's entries and body."""
    return (
        open_entries(DEFAULT, sealed.header, sealed.key, sealed.entries),
        open_body(DEFAULT, sealed.header, sealed.key, sealed.body),
    )


def test_a_frame_is_as_the_specification_seals_it() -> None:
    block = EntryBlock(SUBJECT, 0, [record(1, 0, 5)])
    sealed = seal_frame(DEFAULT, FrameClass.RECORD, block.encode(), len(block.entries), b"short", frame_id=ID, key=KEY)
    body_key, entries_key, commitment = keys_of(KEY, ID)
    header = sealed.header.encode()
    sizes = b"".join(n.to_bytes(4, "little") for n in (0, 1, 5, 21, 104, sealed.header.entries_sealed))
    assert header == b"VFRM" + bytes([0, 1, 0, 0]) + sizes + ID + commitment
    assert sealed.body == AESGCM(body_key).encrypt(bytes(12), b"short", header)
    packed = AESGCM(entries_key).decrypt(bytes(12), sealed.entries, header)
    assert len(packed) + 16 == sealed.header.entries_sealed


@given(
    st.sampled_from([FrameClass.RECORD, FrameClass.CONTROL, FrameClass.AUDIT]),
    st.lists(st.binary(max_size=80), min_size=1, max_size=5),
)
def test_what_is_sealed_is_opened(frame_class: FrameClass, pieces: list[bytes]) -> None:
    entries, at = [], 0
    for number, piece in enumerate(pieces, 1):
        match frame_class:
            case FrameClass.RECORD:
                entries.append(record(number, at, len(piece)))
            case FrameClass.CONTROL:
                entries.append(Entry(Role.STATE, version=number, offset=at, length=len(piece)))
            case _:
                entries.append(Entry(Role.EVENTS, offset=at, length=len(piece)))
        at += len(piece)
    subject = SUBJECT if frame_class is FrameClass.RECORD else bytes(16)
    block, body = EntryBlock(subject, 0, entries, []), b"".join(pieces)
    sealed = seal_frame(DEFAULT, frame_class, block.encode(), len(block.entries), body, frame_id=ID, key=KEY)
    header = FrameHeader.decode(b"before" + sealed.header.encode() + b"after", 6)
    assert header == sealed.header
    assert header.encode() == sealed.header.encode()
    assert opened(sealed) == (block, body)


def test_an_empty_record_is_a_frame_with_an_empty_body() -> None:
    sealed = frame([record(1, 0, 0)], b"")
    assert (sealed.header.body_plain, sealed.header.body_sealed, len(sealed.body)) == (0, 16, 16)
    assert opened(sealed)[1] == b""


def test_bodies_of_records_are_compressed_with_the_dictionary_and_others_without() -> None:
    text = b'{"resourceType":"Observation"}' * 9
    assert frame([record(1, 0, len(text))], text).header.parameter == DICTIONARY
    states = frame([Entry(Role.STATE, version=1, length=len(text))], text, FrameClass.CONTROL)
    assert (states.header.parameter, states.header.body_codec) == (0, Codec.ZSTD)


def test_a_key_opens_its_own_frame_only() -> None:
    for one in FRAMES:
        for other in FRAMES:
            if one is not other:
                with pytest.raises(CommitmentMismatch):
                    open_body(DEFAULT, one.header, other.key, one.body)
                with pytest.raises(CommitmentMismatch):
                    open_entries(DEFAULT, one.header, other.key, one.entries)


def test_two_keys_for_one_ciphertext_are_told_by_the_commitment() -> None:
    """AES-GCM does not commit to its key; the header does, before anything is opened."""
    other = seal_frame(
        DEFAULT, FrameClass.RECORD, EntryBlock(SUBJECT, 0, [record(1, 0, 44)]).encode(), 1, bytes(44),
        frame_id=RECORD_FRAME.header.frame_id, key=KEY,
    )  # fmt: skip
    mixed = RECORD_FRAME.header._replace(commitment=other.header.commitment)
    with pytest.raises(CommitmentMismatch):
        open_body(DEFAULT, mixed, RECORD_FRAME.key, RECORD_FRAME.body)
    with pytest.raises(DecryptionFailed):
        open_body(DEFAULT, mixed, KEY, RECORD_FRAME.body)


def test_entries_and_bodies_do_not_pass_for_each_other_or_for_those_of_another_frame() -> None:
    one, other = RECORD_FRAME, STATE_FRAME
    for sealed in (one.entries, other.body, other.entries):
        with pytest.raises(DecryptionFailed):
            open_body(DEFAULT, one.header, one.key, sealed)
    for sealed in (one.body, other.body, other.entries):
        with pytest.raises(DecryptionFailed):
            open_entries(DEFAULT, one.header, one.key, sealed)


@pytest.mark.parametrize("change", [{"frame_class": FrameClass.CONTROL}, {"entry_count": 3}, {"body_plain": 45}])
def test_every_field_of_the_header_is_bound(change: dict[str, Any]) -> None:
    header = RECORD_FRAME.header._replace(**change)
    with pytest.raises(DecryptionFailed):
        open_body(DEFAULT, header, RECORD_FRAME.key, RECORD_FRAME.body)
    with pytest.raises(DecryptionFailed):
        open_entries(DEFAULT, header, RECORD_FRAME.key, RECORD_FRAME.entries)


HEADER_FIELDS: dict[str, Any] = {
    "magic": MAGIC, "version": 0, "class": 1, "body_codec": 0, "entries_codec": 0, "parameter": 0, "entry_count": 1,
    "body_plain": 5, "body_sealed": 21, "entries_plain": 104, "entries_sealed": 120, "frame_id": ID,
    "commitment": bytes(32),
}  # fmt: skip


def header_with(**changes: Any) -> bytes:
    """Return the bytes of a header with other fields."""
    return HEADER.pack(*(HEADER_FIELDS | changes).values())


PIXELS: dict[str, Any] = {"class": 2, "body_codec": 3, "parameter": 64, "body_plain": 100, "body_sealed": 80}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"version": 1}, 1),
        ({"class": 0}, 2),
        ({"class": 6}, 2),
        ({"body_codec": 2}, 3),
        ({"class": 2, "body_codec": 5}, 3),
        ({"entries_codec": 2}, 3),
        ({"entries_codec": 255}, 3),
        ({"parameter": 1}, 4),
        (PIXELS | {"parameter": 0}, 4),
        (PIXELS | {"parameter": limits.MIN_ROW - 1}, 4),
        (PIXELS | {"parameter": 101}, 4),
        (PIXELS | {"body_sealed": 116}, 6),
        ({"entry_count": 0}, 5),
        ({"entry_count": limits.MAX_ENTRIES + 1}, 5),
        ({"body_sealed": 22}, 6),
        ({"body_sealed": 0}, 6),
        ({"body_codec": 1}, 6),
        ({"body_codec": 1, "body_sealed": 16}, 6),
        ({"body_codec": 1, "body_plain": 0, "body_sealed": 16}, 6),
        ({"entries_sealed": 2**32 - 1}, 6),
        ({"entries_codec": 1, "entries_sealed": 15}, 6),
        ({"entry_count": 2}, 7),
        ({"entries_plain": 105, "entries_sealed": 121}, 7),
        ({"entries_plain": 104 + 16, "entries_sealed": 120 + 16}, 7),
        ({"entries_plain": 0, "entries_sealed": 16}, 7),
    ],
)
def test_a_broken_rule_is_named(changes: dict[str, int], rule: int) -> None:
    FrameHeader.decode(header_with())
    FrameHeader.decode(header_with(**PIXELS))
    with pytest.raises(FieldInvalid) as refused:
        FrameHeader.decode(header_with(**changes))
    assert refused.value.facts == {"structure": Structure.FRAME, "rule": rule}


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (header_with(body_plain=limits.MAX_BODY + 1), LimitExceeded),
        (header_with(body_plain=2**32 - 1, body_sealed=2**32 - 1, body_codec=1), LimitExceeded),
        (header_with(entries_plain=limits.MAX_ENTRIES_PLAIN + 1), LimitExceeded),
        (header_with(magic=b"VFRN"), BadMagic),
        (header_with()[:-1], Truncated),
    ],
)
def test_sizes_over_the_limits_and_other_bytes_are_refused(data: bytes, error: type[VaultError]) -> None:
    with pytest.raises(error):
        FrameHeader.decode(data)


def forged(body: bytes, entries: bytes, **changes: Any) -> SealedFrame:
    """Return a frame of a header as it is said, sealed as if a writer with its key had made it."""
    body_key, entries_key, commitment = keys_of(KEY, ID)
    header = FrameHeader.decode(header_with(commitment=commitment, **changes))
    bound = header.encode()
    return SealedFrame(
        header.frame_class,
        header.body_plain,
        header.body_sealed,
        bound,
        AESGCM(body_key).encrypt(bytes(12), body, bound),
        AESGCM(entries_key).encrypt(bytes(12), entries, bound),
        KEY,
    )


def test_a_dictionary_that_is_not_there_is_unsupported_once_the_header_is_authentic() -> None:
    newer = forged(b"abcd", bytes(104), body_codec=1, body_sealed=20, parameter=77)
    with pytest.raises(UnsupportedFeature):
        open_body(DEFAULT, newer.header, KEY, newer.body)
    with pytest.raises(DecryptionFailed):
        open_body(DEFAULT, newer.header._replace(parameter=78), KEY, newer.body)


def test_a_body_that_does_not_expand_to_its_size_is_refused() -> None:
    wrong = forged(b"abcd", bytes(104), body_codec=1, body_sealed=20)
    with pytest.raises(DecompressionFailed):
        open_body(DEFAULT, wrong.header, KEY, wrong.body)


BLOCK = EntryBlock(SUBJECT, 0, [record(1, 0, 5)])
PART = Entry(Role.PART, length=5, token=ID)
ROWS = [PartRow(ID, 7), PartRow(ID, limits.MAX_BODY)]


def resealed(block: EntryBlock, body: bytes, frame_class: FrameClass, **changes: Any) -> SealedFrame:
    """Return a frame that a writer without scruples has sealed."""
    sizes = {"body_plain": len(body), "body_sealed": len(body) + 16, "class": frame_class}
    plain = block.encode()
    sizes |= {"entries_plain": len(plain), "entries_sealed": len(plain) + 16, "entry_count": len(block.entries)}
    return forged(body, plain, **(sizes | changes))


@pytest.mark.parametrize(
    ("block", "body", "frame_class", "rule"),
    [
        (EntryBlock(SUBJECT, 0, [Entry(Role.STATE, version=1)]), b"", FrameClass.RECORD, 8),
        (BLOCK, b"short", FrameClass.CONTROL, 8),
        (BLOCK, b"short", FrameClass.TERMINOLOGY, 8),
        (EntryBlock(bytes(16), 0, [Entry(Role.SUBJECT, length=32)]), bytes(32), FrameClass.BLOB, 8),
        (EntryBlock(SUBJECT, 0, [record(1, 0, 5)] * 2), b"short", FrameClass.BLOB, 9),
        (EntryBlock(SUBJECT, 0, [PART._replace(length=6)]), b"short", FrameClass.BLOB, 10),
        (EntryBlock(SUBJECT, 0, [PART._replace(length=0)]), b"", FrameClass.BLOB, 10),
        (EntryBlock(SUBJECT, 0, [PART], ROWS), b"short", FrameClass.BLOB, 10),
        (EntryBlock(SUBJECT, 0, [record(1, 1, 4)]), b"short", FrameClass.BLOB, 11),
        (EntryBlock(SUBJECT, 0, [record(1, 0, 4)]), b"short", FrameClass.BLOB, 11),
        (EntryBlock(SUBJECT, 0, [record(1, 0, 0)]), b"", FrameClass.BLOB, 11),
        (EntryBlock(SUBJECT, 0, [record(1, 0, limits.MAX_BODY + 5)], ROWS), b"short", FrameClass.BLOB, 11),
        (EntryBlock(SUBJECT, 0, [record(1, 0, 5)], ROWS), b"short", FrameClass.RECORD, 12),
        (EntryBlock(SUBJECT, 0, [record(1, 0, 6)]), b"short", FrameClass.RECORD, 13),
        (EntryBlock(SUBJECT, 0, [record(1, 5, 0), record(2, 6, 0)]), b"short", FrameClass.RECORD, 13),
        (EntryBlock(SUBJECT, 0, [record(1, 0, 2, before=2, after=2)]), b"short", FrameClass.RECORD, 13),
        (EntryBlock(SUBJECT, 0, [Entry(Role.STATE, version=1)]), b"", FrameClass.CONTROL, 14),
        (EntryBlock(SUBJECT, 0, [Entry(Role.EVENTS)]), b"", FrameClass.AUDIT, 14),
    ],
)
def test_entries_that_do_not_fit_their_frame_are_refused(
    block: EntryBlock, body: bytes, frame_class: FrameClass, rule: int
) -> None:
    sealed = resealed(block, body, frame_class)
    with pytest.raises(FieldInvalid) as refused:
        open_entries(DEFAULT, sealed.header, KEY, sealed.entries)
    assert refused.value.facts == {"structure": Structure.ENTRIES, "rule": rule}


def test_a_blob_is_no_larger_than_a_record_may_be_with_what_stands_around_it() -> None:
    parts = [PartRow(bytes(16), limits.MAX_BODY)] * (limits.MAX_RECORD // limits.MAX_BODY)
    largest = EntryBlock(SUBJECT, 0, [record(1, 0, limits.MAX_RECORD - 1, before=1)], parts)
    sealed = resealed(largest, b"", FrameClass.BLOB)
    assert open_entries(DEFAULT, sealed.header, KEY, sealed.entries) == largest
    sealed = resealed(EntryBlock(SUBJECT, 0, [record(1, 0, limits.MAX_RECORD, before=1)], parts), b"x", FrameClass.BLOB)
    with pytest.raises(FieldInvalid) as refused:
        open_entries(DEFAULT, sealed.header, KEY, sealed.entries)
    assert refused.value.facts == {"structure": Structure.ENTRIES, "rule": 11}


def test_a_count_of_entries_that_is_not_the_blocks_is_refused() -> None:
    plain = EntryBlock(SUBJECT, 0, [record(1, 0, 5)], [PartRow(ID, 1)] * 18).encode()
    sealed = forged(b"short", plain, entry_count=6, entries_plain=len(plain), entries_sealed=len(plain) + 16)
    with pytest.raises(FieldInvalid) as refused:
        open_entries(DEFAULT, sealed.header, KEY, sealed.entries)
    assert refused.value.facts["rule"] == 2


def test_blobs_are_parts_and_a_last_frame_that_lists_them() -> None:
    whole = limits.MAX_BODY + 7
    for tail in (b"short", b""):
        last = resealed(EntryBlock(SUBJECT, 0, [record(1, 0, whole + len(tail))], ROWS), tail, FrameClass.BLOB)
        assert opened(last)[0].parts == ROWS
    part = resealed(EntryBlock(SUBJECT, 0, [PART]), b"short", FrameClass.BLOB)
    assert opened(part)[0].entries == [PART]
    assert opened(BLOB_FRAME)[0].parts == []


IMAGE = b"".join(bytes([row, 0, row + column, 1]) for row in range(100) for column in range(20))
"""100 rows of 40 samples, each near to the one above."""


def sealed_blob(body: bytes, rows: Rows | None) -> SealedFrame:
    """Return a frame of class blob that holds a part, its sealed body with it."""
    block = EntryBlock(SUBJECT, 0, [Entry(Role.PART, length=len(body), token=ID)])
    room = memoryview(bytearray(len(body) + 100))
    sealed, stored = seal_blob(DEFAULT, block, body, room, frame_id=ID, key=KEY, rows=rows)
    assert sealed.body == b""
    return replaced(sealed, body=bytes(stored))


def test_pixels_are_sealed_as_the_specification_filters_them() -> None:
    sealed = sealed_blob(IMAGE, Rows(80, 2))
    assert (sealed.header.body_codec, sealed.header.parameter) == (Codec.PIXELS_16, 80)
    assert opened(sealed)[1] == IMAGE
    body_key, _, _ = keys_of(KEY, ID)
    packed = AESGCM(body_key).decrypt(bytes(12), sealed.body, sealed.header.encode())
    differences = bytes((b - (IMAGE[at - 80] if at >= 80 else 0)) % 256 for at, b in enumerate(IMAGE))
    assert zstandard.ZstdDecompressor().decompress(packed) == differences[0::2] + differences[1::2]


@pytest.mark.parametrize(
    ("body", "rows", "codec"),
    [
        (IMAGE, None, Codec.ZSTD),
        (IMAGE, Rows(80, 3), Codec.ZSTD),
        (IMAGE, Rows(63, 2), Codec.ZSTD),
        (IMAGE, Rows(len(IMAGE) + 1, 2), Codec.ZSTD),
        (random.Random(1).randbytes(9000), Rows(100, 2), Codec.STORED),
        (b"", None, Codec.STORED),
    ],
)
def test_a_blob_takes_the_form_that_pays(body: bytes, rows: Rows | None, codec: Codec) -> None:
    sealed = (
        sealed_blob(body, rows)
        if body
        else resealed(EntryBlock(SUBJECT, 0, [record(1, 0, limits.MAX_BODY + 7)], ROWS), b"", FrameClass.BLOB)
    )
    assert sealed.header.body_codec is codec
    assert opened(sealed)[1] == body


@pytest.mark.parametrize("rows", [None, Rows(80, 2)])
def test_a_body_is_opened_in_a_room(rows: Rows | None) -> None:
    sealed = sealed_blob(IMAGE, rows)
    room = memoryview(bytearray(len(IMAGE)))
    assert open_body_in(DEFAULT, sealed.header, KEY, sealed.body, room) == IMAGE
    with pytest.raises(DecryptionFailed):
        open_body_in(DEFAULT, sealed.header, KEY, sealed.body[:-1] + b"?", room)
    for short in (b"", sealed.body[:15], sealed.body[:-1]):
        with pytest.raises(DecryptionFailed):
            open_body_in(DEFAULT, sealed.header, KEY, short, room)


def test_a_stored_body_is_a_view_of_the_room() -> None:
    noise = random.Random(2).randbytes(1000)
    sealed = sealed_blob(noise, None)
    room = bytearray(1000)
    found = open_body_in(DEFAULT, sealed.header, KEY, sealed.body, memoryview(room))
    assert found == noise == bytes(room)
    with pytest.raises(DecryptionFailed):
        open_body_in(DEFAULT, sealed.header, KEY, sealed.body[:-1] + bytes([sealed.body[-1] ^ 1]), memoryview(room))
    assert not any(room)


def test_every_role_has_a_class() -> None:
    assert set().union(*ROLES_OF.values()) == set(Role)


def test_no_repr_shows_a_key() -> None:
    for shown in (repr(RECORD_FRAME), str(RECORD_FRAME)):
        assert repr(RECORD_FRAME.key)[2:-1] not in shown


def test_no_repr_shows_the_key_of_a_sealed_frame() -> None:
    sealed = seal_frame(DEFAULT, FrameClass.RECORD, b"entries", 1, b"body", frame_id=bytes(16), key=KEY)
    for shown in (repr(sealed), str(sealed), f"{sealed}"):
        assert repr(KEY)[2:-1] not in shown
        assert KEY.hex() not in shown
