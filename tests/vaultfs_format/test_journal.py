"""Journals: a group counts at its place in its own journal, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as replaced
from vaultfs_format import limits
from vaultfs_format.directory import FrameRow
from vaultfs_format.errors import (
    BadMagic,
    ChainBroken,
    DecryptionFailed,
    DigestMismatch,
    FieldInvalid,
    LimitExceeded,
    MacMismatch,
    Structure,
    Truncated,
    VaultError,
)
from vaultfs_format.frame import open_body, open_entries
from vaultfs_format.group import (
    GROUP,
    GROUP_MAGIC,
    GroupDraft,
    GroupKind,
    PartFile,
    bodies_offset,
    decode_group,
    group_sizes,
    open_group_keys,
    verify_group,
)
from vaultfs_format.journal import HEADER, HEADER_SIZE, NO_JOURNAL, JournalHeader, JournalRole
from vaultfs_format.layout import Buffer
from vaultfs_format.suite import DEFAULT

from tests.vaultfs_format.examples import (
    ACCESS,
    ACCESS_KEYS,
    AUDIT_LEAF,
    BLOB_FRAME,
    DRAFTS,
    EPOCH_ROOT,
    FRAMES,
    JOURNAL,
    JOURNAL_KEYS,
    LIVE_SET,
    RECORD_FRAME,
    VAULT_ID,
    check_group,
    check_journal,
    frame,
    group_bytes,
    journal_bytes,
    record,
    rows_of,
    with_chain,
)
from tests.vaultfs_format.memory import peak_of

HEADER_DATA = JOURNAL.encode(JOURNAL_KEYS)
ID = st.binary(min_size=16, max_size=16)
DIGEST = st.binary(min_size=32, max_size=32)
U64 = st.integers(0, 2**64 - 1)
CHAIN = bytes(32)


def derive(key: Buffer, label: bytes, data: bytes, length: int = 32) -> bytes:
    """Return what the specification calls D(key, label, data, length)."""
    return blake3(bytes([len(label)]) + label + data, key=key).digest(length=length)


# The header.


@given(ID.filter(any), st.integers(0, 9), U64, st.integers(1, 2**64 - 1), st.integers(0, 2**32 - 1), DIGEST)
def test_a_header_that_is_written_is_read(
    predecessor: bytes, group: int, leaf: int, first: int, incarnation: int, chain: bytes
) -> None:
    end = HEADER_SIZE + (500 if group else 0)
    for named in ((NO_JOURNAL, 0, 0, bytes(32)), (predecessor, group, end, chain)):
        written = JournalHeader(
            DEFAULT,
            JournalRole.WRITER,
            3,
            VAULT_ID,
            b"J" * 16,
            b"h" * 32,
            *named,
            5,
            incarnation,
            first,
            2**64 - 1,
            leaf,
        )
        keys = written.keys(EPOCH_ROOT)
        data = written.encode(keys)
        assert len(data) == HEADER_SIZE
        found = JournalHeader.decode(memoryview(data + b"groups"))
        found.verify(data, keys)
        assert found == written
        assert found.encode(keys) == data


@given(st.binary(min_size=1, max_size=limits.MAX_SEALED_KEY))
def test_a_readers_header_has_a_sealed_key(sealed: bytes) -> None:
    written = replace(ACCESS, sealed_key=sealed)
    assert JournalHeader.decode(written.encode(ACCESS_KEYS)) == written


def test_keys_digest_and_mac_are_as_the_specification_derives_them() -> None:
    keys = derive(EPOCH_ROOT, b"vaultfs/0/journal", b"J" * 16 + b"\1\0\0\0" + b"h" * 32, 64)
    assert (JOURNAL_KEYS.table, JOURNAL_KEYS.mac) == (keys[:32], keys[32:])
    content = HEADER_DATA[:4032]
    assert HEADER_DATA[4032:4064] == blake3(content).digest()
    assert HEADER_DATA[4064:] == derive(keys[32:], b"vaultfs/0/journal-header-mac", content)
    assert JOURNAL.chain(HEADER_DATA + b"groups") == blake3(HEADER_DATA).digest()


def test_keys_are_in_no_repr() -> None:
    assert repr(JOURNAL_KEYS) == "JournalKeys()"


def test_another_epoch_root_is_refused() -> None:
    with pytest.raises(MacMismatch):
        JOURNAL.verify(HEADER_DATA, JOURNAL.keys(bytes(32)))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"role": 0}, 1),
        ({"role": 3}, 1),
        ({"sealed_key": b"x"}, 2),
        ({"role": JournalRole.READER}, 2),
        ({"first_number": 0}, 4),
        ({"first_number": 1001}, 4),
        ({"epoch": 0}, 5),
        ({"generation": 0}, 5),
        ({"predecessor_group": 1}, 6),
        ({"predecessor_end": 4096}, 6),
        ({"predecessor_chain": b"x" * 32}, 6),
        ({"predecessor": b"x" * 16}, 7),
        ({"predecessor": b"x" * 16, "predecessor_end": 4097}, 7),
        ({"predecessor": b"x" * 16, "predecessor_end": 4096, "predecessor_group": 1}, 7),
    ],
)
def test_a_broken_rule_of_a_header_is_named(changes: dict[str, Any], rule: int) -> None:
    with pytest.raises(FieldInvalid) as refused:
        JournalHeader.decode(replace(JOURNAL, **changes).encode(JOURNAL_KEYS))
    assert refused.value.facts == {"structure": Structure.JOURNAL_HEADER, "rule": rule}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"role": JournalRole.WRITER}, 2),
        ({"sealed_key": b""}, 2),
        ({"epoch": 0}, 5),
        ({"first_number": 1}, 8),
        ({"last_number": 1}, 8),
        ({"first_leaf": 1}, 8),
        ({"predecessor": b"x" * 16, "predecessor_end": 4097}, 7),
        ({"predecessor_chain": b"x" * 32}, 6),
    ],
)
def test_a_broken_rule_of_a_readers_header_is_named(changes: dict[str, Any], rule: int) -> None:
    JournalHeader.decode(ACCESS.encode(ACCESS_KEYS))
    with pytest.raises(FieldInvalid) as refused:
        JournalHeader.decode(replace(ACCESS, **changes).encode(ACCESS_KEYS))
    assert refused.value.facts == {"structure": Structure.JOURNAL_HEADER, "rule": rule}


def header_with(at: int, value: bytes) -> bytes:
    """Return the header with other bytes at `at`, and a digest that fits."""
    content = bytearray(HEADER_DATA[:4032])
    content[at : at + len(value)] = value
    return bytes(content) + blake3(content).digest() + bytes(32)


@pytest.mark.parametrize("at", [HEADER.size, 3000, 4031])
def test_a_header_is_zero_between_fields_and_digest(at: int) -> None:
    with pytest.raises(FieldInvalid) as refused:
        JournalHeader.decode(header_with(at, b"\1"))
    assert refused.value.facts["rule"] == 3


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (header_with(HEADER.size - 8, b"\xff\xff\xff\xff"), LimitExceeded),
        (header_with(HEADER.size - 8, (limits.MAX_SEALED_KEY + 1).to_bytes(4, "little")), LimitExceeded),
        (HEADER_DATA[:-1], Truncated),
        (HEADER_DATA[:100] + b"!" + HEADER_DATA[101:], DigestMismatch),
    ],
)
def test_a_header_that_does_not_fit_is_refused(data: bytes, error: type[VaultError]) -> None:
    with pytest.raises(error):
        JournalHeader.decode(data)


# Groups.


def test_a_journal_is_read_from_header_to_closing_record() -> None:
    opened = check_journal(journal_bytes())
    assert isinstance(opened, list)
    assert len(opened) == len(FRAMES) + 1


def test_a_group_is_as_the_specification_writes_it() -> None:
    data = group_bytes(DRAFTS[0])
    group = decode_group(DEFAULT, data, 0, 1, CHAIN)
    content, chain, mac = data[:-64], data[-64:-32], data[-32:]
    place = b"J" * 16 + b"\1\0\0\0\0\0\0\0"
    assert chain == group.chain == blake3(CHAIN + content).digest()
    assert mac == derive(JOURNAL_KEYS.mac, b"vaultfs/0/journal-group-mac", place + chain)
    bound = place + b"1" * 16
    key = derive(JOURNAL_KEYS.table, b"vaultfs/0/journal-keys", bound)
    frame_keys = [frame.key for frame in FRAMES]
    assert group.sealed_keys == AESGCM(key).encrypt(bytes(12), b"".join(frame_keys), bound)
    assert group.open_keys(DEFAULT, b"J" * 16, JOURNAL_KEYS) == frame_keys
    assert group.audit == LIVE_SET.encode() + AUDIT_LEAF.encode()
    assert group.audit_entries() == [LIVE_SET, AUDIT_LEAF]
    bodies = b"".join(frame.body for frame in FRAMES)
    assert content[GROUP.size : GROUP.size + len(bodies)] == bodies
    assert (group.directory_offset, group.size) == (GROUP.size + len(bodies), len(data))


@st.composite
def drafts(draw: st.DrawFn) -> GroupDraft:
    """Return a legal first group."""
    first, commits = draw(st.integers(1, 2**62)), draw(st.integers(1, 9))
    frames = draw(st.lists(st.sampled_from(FRAMES), max_size=4))
    parts = draw(st.lists(st.builds(PartFile, ID, st.integers(0, 2**64 - 1)), max_size=3))
    rows, at = [], bodies_offset(len(parts))
    for one in frames:
        commit = first + draw(st.integers(0, commits - 1))
        rows.append(rows_of([one], commit, at)[0])
        at += len(one.body)
    return GroupDraft(
        GroupKind.COMMIT, 1, 0, first, commits, draw(ID), parts, rows, [one.body for one in frames],
        [one.key for one in frames], AUDIT_LEAF.encode() * draw(st.integers(0, 3)),
    )  # fmt: skip


@given(drafts(), st.binary(max_size=9))
def test_a_group_that_is_written_is_read(draft: GroupDraft, before: bytes) -> None:
    data = before + group_bytes(draft) + b"next"
    group = decode_group(DEFAULT, memoryview(data), len(before), 1, CHAIN)
    verify_group(DEFAULT, data, len(before), group, JOURNAL.journal_id, JOURNAL_KEYS)
    again = replace(
        draft,
        parts=group.parts,
        rows=[row.encode() for row in group.rows],
        frame_keys=group.open_keys(DEFAULT, JOURNAL.journal_id, JOURNAL_KEYS),
        audit=group.audit,
    )
    assert (group.first_commit, group.commits, group.salt) == (draft.first_commit, draft.commits, draft.salt)
    assert before + group_bytes(again) + b"next" == data


def test_a_group_without_frames_has_no_keys() -> None:
    draft = GroupDraft(GroupKind.COMMIT, 1, 0, 1, 1, bytes(16))
    group = decode_group(DEFAULT, group_bytes(draft), 0, 1, CHAIN)
    assert (group.sealed_keys, group.audit_entries()) == (b"", [])
    assert group.open_keys(DEFAULT, JOURNAL.journal_id, JOURNAL_KEYS) == []


def test_a_group_behind_another_is_refused() -> None:
    """The chain ties a group to everything before it; a keyless check sees it."""
    data = journal_bytes()
    first = len(group_bytes(DRAFTS[0]))
    head, one, rest = data[:HEADER_SIZE], data[HEADER_SIZE : HEADER_SIZE + first], data[HEADER_SIZE + first :]
    for swapped in (head + one + one + rest, head + rest, head + rest + one):
        with pytest.raises(ChainBroken):
            check_journal(swapped)


def test_a_group_of_another_journal_is_refused_even_where_its_chain_is_made_to_fit() -> None:
    other = replace(JOURNAL, journal_id=b"K" * 16)
    foreign = b"".join(DRAFTS[0].encode(DEFAULT, other.journal_id, other.keys(EPOCH_ROOT), CHAIN)[0])
    with pytest.raises(MacMismatch):
        check_group(foreign)
    same_keys = b"".join(DRAFTS[0].encode(DEFAULT, other.journal_id, JOURNAL_KEYS, CHAIN)[0])
    with pytest.raises(MacMismatch):
        check_group(same_keys)


def test_a_group_under_another_number_is_refused_even_where_its_chain_is_made_to_fit() -> None:
    data = bytearray(group_bytes(DRAFTS[0]))
    data[8] = 2
    with pytest.raises(FieldInvalid):
        decode_group(DEFAULT, with_chain(bytes(data)), 0, 1, CHAIN)
    with pytest.raises(MacMismatch):
        check_group(with_chain(bytes(data)), 2)


@pytest.mark.parametrize(("number", "salt"), [(2, b"1" * 16), (1, b"2" * 16)])
def test_sealed_keys_open_at_their_place_only(number: int, salt: bytes) -> None:
    group = decode_group(DEFAULT, group_bytes(DRAFTS[0]), 0, 1, CHAIN)
    with pytest.raises(DecryptionFailed):
        open_group_keys(DEFAULT, JOURNAL.journal_id, JOURNAL_KEYS, number, salt, group.sealed_keys)
    with pytest.raises(DecryptionFailed):
        open_group_keys(DEFAULT, b"K" * 16, JOURNAL_KEYS, 1, b"1" * 16, group.sealed_keys)


def test_entries_exchanged_between_frames_are_refused() -> None:
    """Two frames of one size, each in the other's row, in a group that a writer has signed: the headers are bound."""
    frames = [frame([record(number, 0, 1)], b"x", seed=number) for number in (11, 12)]
    one, other = frames
    exchanged = [replaced(one, entries=other.entries), replaced(other, entries=one.entries)]
    swapped = rows_of(exchanged, 1)
    bodies, keys = [one.body for one in frames], [one.key for one in frames]
    data = group_bytes(replace(DRAFTS[0], rows=swapped, bodies=bodies[::-1], frame_keys=keys))
    group = decode_group(DEFAULT, data, 0, 1, CHAIN)
    verify_group(DEFAULT, data, 0, group, JOURNAL.journal_id, JOURNAL_KEYS)
    for row, key in zip(group.rows, group.open_keys(DEFAULT, JOURNAL.journal_id, JOURNAL_KEYS), strict=True):
        with pytest.raises(DecryptionFailed):
            open_entries(DEFAULT, row.header, key, row.entries)
        with pytest.raises(DecryptionFailed):
            open_body(DEFAULT, row.header, key, data[row.body_offset : row.body_offset + row.header.body_sealed])


COMMIT = GroupDraft(GroupKind.COMMIT, 1, 0, 1, 1, bytes(16))
CLOSING = GroupDraft(GroupKind.CLOSING, 1, 0, 0, 0, bytes(16))
BLOB_ROW = FrameRow(BLOB_FRAME.header, 4900, 1, ((1, 1),), BLOB_FRAME.entries)
IN_PART = replace(COMMIT, parts=[PartFile(b"p" * 16, 5000)], rows=[BLOB_ROW.encode()], frame_keys=[BLOB_FRAME.key])
HERE = replace(COMMIT, rows=rows_of([RECORD_FRAME], 1), bodies=[RECORD_FRAME.body], frame_keys=[RECORD_FRAME.key])


def at_offset(offset: int, **changes: Any) -> GroupDraft:
    """Return the group whose body lies in a part file, at another offset there."""
    return replace(IN_PART, rows=[replaced(BLOB_ROW, body_offset=offset, **changes).encode()])


@pytest.mark.parametrize(
    ("draft", "rule"),
    [
        (replace(COMMIT, kind=0), 1),  # type: ignore[arg-type]
        (replace(COMMIT, kind=3), 1),  # type: ignore[arg-type]
        (replace(HERE, frame_keys=()), 2),
        (replace(HERE, frame_keys=[bytes(32)] * 2), 2),
        (replace(COMMIT, frame_keys=[bytes(32)]), 2),
        (replace(HERE, kind=GroupKind.CLOSING, first_commit=0, commits=0), 3),
        (replace(CLOSING, audit=AUDIT_LEAF.encode()), 3),
        (replace(CLOSING, parts=[PartFile(bytes(16), 4096)]), 3),
        (replace(CLOSING, bodies=[b"x"]), 3),
        (replace(COMMIT, number=2), 4),
        (replace(COMMIT, number=0), 4),
        (replace(COMMIT, last_durable=1), 5),
        (replace(CLOSING, last_durable=1), 5),
        (replace(COMMIT, commits=0), 6),
        (replace(COMMIT, first_commit=0), 6),
        (replace(COMMIT, first_commit=0, commits=0), 6),
        (replace(CLOSING, first_commit=1, commits=1), 6),
        (replace(CLOSING, first_commit=1), 6),
        (replace(HERE, rows=rows_of([RECORD_FRAME], 1, bodies_offset(0) + 1)), 7),
        (at_offset(4900, home=2), 8),
        (at_offset(4979 + 1), 9),
        (at_offset(4095), 9),
        (at_offset(0), 9),
        (replace(HERE, bodies=[RECORD_FRAME.body, b"x"]), 10),
        (replace(COMMIT, bodies=[b"x"]), 10),
        (replace(COMMIT, first_commit=limits.MAX_NUMBER, commits=2), 11),
        (replace(COMMIT, first_commit=2**64 - 1), 11),
        (replace(HERE, first_commit=2), 12),
        (replace(HERE, rows=rows_of([RECORD_FRAME], 2)), 12),
    ],
)
def test_a_broken_rule_of_a_group_is_named(draft: GroupDraft, rule: int) -> None:
    with pytest.raises(FieldInvalid) as refused:
        decode_group(DEFAULT, group_bytes(draft), 0, 1, CHAIN)
    assert refused.value.facts == {"structure": Structure.JOURNAL_GROUP, "rule": rule}


def test_the_borders_of_the_rules_are_legal() -> None:
    end = 5000 - BLOB_FRAME.header.body_sealed
    for draft in (COMMIT, CLOSING, HERE, IN_PART, at_offset(4096), at_offset(end)):
        check_group(group_bytes(draft))
    check_group(group_bytes(replace(COMMIT, first_commit=limits.MAX_NUMBER)))


def test_a_closing_record_says_that_all_before_it_is_durable() -> None:
    for last_durable, good in ((4, True), (3, False), (5, False)):
        data = group_bytes(replace(CLOSING, number=5, last_durable=last_durable))
        if good:
            assert decode_group(DEFAULT, data, 0, 5, CHAIN).kind is GroupKind.CLOSING
        else:
            with pytest.raises(FieldInvalid):
                decode_group(DEFAULT, data, 0, 5, CHAIN)


def test_audit_entries_are_checked_with_the_group() -> None:
    with pytest.raises(FieldInvalid) as refused:
        decode_group(DEFAULT, group_bytes(replace(COMMIT, audit=b"\4" + bytes(47))), 0, 1, CHAIN)
    assert refused.value.facts["structure"] is Structure.AUDIT_ENTRY


SIZES: dict[str, Any] = {
    "magic": GROUP_MAGIC, "version": 0, "kind": 1, "part_files": 0, "number": 1, "last_durable": 0, "first_commit": 1,
    "commits": 1, "frames": 0, "audit_entries": 0, "bodies_length": 0, "directory_length": 0, "keys_length": 0,
    "salt": bytes(16),
}  # fmt: skip


def sizes_with(**changes: Any) -> bytes:
    """Return a group header that states these sizes."""
    return GROUP.pack(*(SIZES | changes).values())


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (sizes_with(part_files=limits.MAX_GROUP_PARTS + 1), LimitExceeded),
        (sizes_with(frames=limits.MAX_GROUP_FRAMES + 1), LimitExceeded),
        (sizes_with(frames=2**32 - 1), LimitExceeded),
        (sizes_with(audit_entries=limits.MAX_GROUP_AUDIT + 1), LimitExceeded),
        (sizes_with(bodies_length=limits.MAX_GROUP + 1), LimitExceeded),
        (sizes_with(bodies_length=2**64 - 1), LimitExceeded),
        (sizes_with(directory_length=2**64 - 1), LimitExceeded),
        (sizes_with(keys_length=2**64 - 1, frames=1), LimitExceeded),
        (sizes_with(bodies_length=limits.MAX_GROUP - 10), LimitExceeded),
        (sizes_with(version=1), FieldInvalid),
        (sizes_with(magic=b"VGRQ"), BadMagic),
        (sizes_with()[:-1], Truncated),
        (b"", Truncated),
    ],
)
def test_sizes_of_a_group_are_refused_before_it_is_read(data: bytes, error: type[VaultError]) -> None:
    with peak_of(100_000), pytest.raises(error):
        group_sizes(data)
    with peak_of(100_000), pytest.raises(error):
        decode_group(DEFAULT, data, 0, 1, CHAIN)


def test_a_group_that_is_cut_is_truncated_without_reading_it() -> None:
    data = sizes_with(bodies_length=limits.MAX_GROUP - 1000)
    assert group_sizes(data).total == limits.MAX_GROUP - 1000 + GROUP.size + 64
    with peak_of(100_000), pytest.raises(Truncated):
        decode_group(DEFAULT, data, 0, 1, CHAIN)
