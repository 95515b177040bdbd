"""Entry blocks: one encoding for what they say, and no field that its role does not have."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import limits
from vaultfs_format.entries import (
    FIELDS_OF,
    FIRST_DATE,
    LAST_DATE,
    NO_OFFSET,
    NO_SUBJECT,
    PART_ROW,
    PROLOGUE,
    ROW,
    Entry,
    EntryBlock,
    PartRow,
    Role,
)
from vaultfs_format.errors import FieldInvalid, LimitExceeded, Structure, TrailingBytes, Truncated, VaultError

from tests.vaultfs_format.examples import SUBJECT, record
from tests.vaultfs_format.memory import peak_of

ID = st.binary(min_size=16, max_size=16)
U32 = st.integers(0, 2**32 - 1)
LEGAL: dict[str, st.SearchStrategy[Any]] = {
    "flags": st.integers(0, 1),
    "kind": st.integers(1, 65535),
    "media": st.integers(1, 65535),
    "incarnation": U32,
    "number": st.integers(1, 2**64 - 1),
    "version": st.integers(1, 2**32 - 1),
    "offset": U32,
    "length": st.integers(0, limits.MAX_RECORD),
    "before": U32,
    "after": U32,
    "token": ID,
}
DATES = st.one_of(
    st.just((0, NO_OFFSET, 0)),
    st.tuples(
        st.integers(1, 6), st.one_of(st.integers(-1439, 1439), st.just(NO_OFFSET)), st.integers(FIRST_DATE, LAST_DATE)
    ),
)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Return a legal entry of any role."""
    role = draw(st.sampled_from(Role))
    entry = Entry(role, **{name: draw(LEGAL[name]) for name in FIELDS_OF[role] if name in LEGAL})
    if "date" in FIELDS_OF[role]:
        precision, offset, date = draw(DATES)
        entry = entry._replace(precision=precision, offset_minutes=offset, date=date)
    return entry._replace(length=32) if role is Role.SUBJECT else entry


PARTS = st.builds(PartRow, ID, st.integers(1, limits.MAX_BODY))


@given(ID, st.lists(entries(), min_size=1, max_size=6), st.lists(PARTS, max_size=3))
def test_what_is_written_is_read(subject: bytes, rows: list[Entry], parts: list[PartRow]) -> None:
    written = EntryBlock(subject, 0, rows, parts)
    data = written.encode()
    found = EntryBlock.decode(memoryview(data))
    assert found == written
    assert found.encode() == data


def test_rows_are_72_bytes_in_the_order_of_their_fields() -> None:
    data = EntryBlock(
        SUBJECT, 7, [record(5, 1, 2, before=3, after=4, incarnation=6)], [PartRow(b"q" * 16, 0x10203)]
    ).encode()
    assert data[:32] == SUBJECT + bytes([7, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    row = bytes([1, 0, 4, 0, 2, 0, 3, 0, 60, 0, 0, 0, 6, 0, 0, 0]) + (10**12).to_bytes(8, "little")
    row += bytes([5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0])
    assert data[32:] == row + b"t" * 16 + b"q" * 16 + bytes([3, 2, 1, 0])
    assert PROLOGUE.size + ROW.size * limits.MAX_ENTRIES + PART_ROW.size * limits.MAX_PARTS == limits.MAX_ENTRIES_PLAIN


@given(st.integers(1, 2**32 - 1))
def test_a_disposition_class_is_none_that_this_version_knows(disposition: int) -> None:
    with pytest.raises(FieldInvalid) as refused:
        EntryBlock.decode(EntryBlock(SUBJECT, disposition, [record(1, 0, 1)]).encode())
    assert refused.value.facts == {"structure": Structure.ENTRIES, "rule": 16}


def refused_rule(*rows: Entry) -> object:
    """Return the number of the rule for which a block of `rows` is refused."""
    with pytest.raises(FieldInvalid) as refused:
        EntryBlock.decode(EntryBlock(SUBJECT, 0, rows).encode())
    assert refused.value.facts["structure"] is Structure.ENTRIES
    return refused.value.facts["rule"]


@pytest.mark.parametrize("role", [0, 12, 255])
def test_an_unknown_role_is_refused(role: int) -> None:
    assert refused_rule(Entry(role)) == 3


@pytest.mark.parametrize("at", [7, 10, 11])
def test_reserved_bytes_of_a_row_are_zero(at: int) -> None:
    data = bytearray(EntryBlock(SUBJECT, 0, [record(1, 0, 1)]).encode())
    data[PROLOGUE.size + at] = 1
    with pytest.raises(FieldInvalid) as refused:
        EntryBlock.decode(data)
    assert refused.value.facts["rule"] == 3


def legal(role: Role) -> Entry:
    """Return the plainest legal entry of a role."""
    positive = {name: 1 for name in ("kind", "media", "number", "version") if name in FIELDS_OF[role]}
    return Entry(role, length=32 if role is Role.SUBJECT else 0)._replace(**positive)  # type: ignore[arg-type]


OTHER: dict[str, Any] = {"token": b"x" * 16, "offset_minutes": 0}


@pytest.mark.parametrize("role", Role)
def test_a_field_that_a_role_does_not_have_means_nothing(role: Role) -> None:
    EntryBlock.decode(EntryBlock(SUBJECT, 0, [legal(role)]).encode())
    for name in Entry._fields[1:]:
        if name not in FIELDS_OF[role]:
            changed = legal(role)._replace(**{name: OTHER.get(name, 1)})
            assert refused_rule(legal(role), changed) == 4


@pytest.mark.parametrize("role", Role)
def test_kinds_numbers_and_versions_are_not_0_where_they_are_had(role: Role) -> None:
    for name in ("kind", "media", "number", "version"):
        if name in FIELDS_OF[role]:
            assert refused_rule(legal(role)._replace(**{name: 0})) == 5  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"precision": 7},
        {"precision": 0},
        {"precision": 0, "date": 0},
        {"precision": 0, "offset_minutes": NO_OFFSET},
        {"offset_minutes": 1440},
        {"offset_minutes": -1440},
        {"offset_minutes": NO_OFFSET + 1},
        {"date": FIRST_DATE - 1},
        {"date": LAST_DATE + 1},
        {"date": -(2**63)},
    ],
)
def test_a_date_is_whole_or_not_there(change: dict[str, int]) -> None:
    assert refused_rule(record(1, 0, 1, **change)) == 6


@pytest.mark.parametrize(
    "entry",
    [
        Entry(Role.ALIAS, flags=2),
        Entry(Role.ALIAS, flags=255),
        record(1, 0, limits.MAX_RECORD + 1),
        Entry(Role.SUBJECT, length=31),
        Entry(Role.SUBJECT, length=0),
    ],
)
def test_flags_and_lengths_are_bounded(entry: Entry) -> None:
    assert refused_rule(entry) == 7


def block(rows: int, parts: int, more: bytes = b"") -> bytes:
    """Return a prologue that states these counts, and `more`."""
    return PROLOGUE.pack(SUBJECT, 0, rows, parts) + more


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (block(0, 0), FieldInvalid),
        (block(limits.MAX_ENTRIES + 1, 0), LimitExceeded),
        (block(2**32 - 1, 0), LimitExceeded),
        (block(1, limits.MAX_PARTS + 1), LimitExceeded),
        (block(1, 2**32 - 1), LimitExceeded),
        (block(limits.MAX_ENTRIES, limits.MAX_PARTS), Truncated),
        (block(1, 0, bytes(71)), Truncated),
        (block(1, 0, bytes(73)), TrailingBytes),
        (block(1, 1, bytes(91)), Truncated),
        (block(1, 2, bytes(72 + 40))[:-1], Truncated),
        (b"", Truncated),
    ],
)
def test_counts_that_do_not_fit_are_refused_before_anything_is_allocated(data: bytes, error: type[VaultError]) -> None:
    with peak_of(100_000), pytest.raises(error):
        EntryBlock.decode(data)


@pytest.mark.parametrize("length", [0, limits.MAX_BODY + 1, 2**32 - 1])
def test_a_part_has_the_bytes_of_a_body(length: int) -> None:
    for sound in (1, limits.MAX_BODY):
        data = EntryBlock(SUBJECT, 0, [record(1, 0, 0)], [PartRow(b"q" * 16, sound)]).encode()
        assert EntryBlock.decode(data).parts == [PartRow(b"q" * 16, sound)]
    data = EntryBlock(SUBJECT, 0, [record(1, 0, 0)], [PartRow(b"q" * 16, length)]).encode()
    with pytest.raises(FieldInvalid) as refused:
        EntryBlock.decode(data)
    assert refused.value.facts["rule"] == 15


@given(st.binary(max_size=300))
def test_arbitrary_rows_are_refused_or_have_one_encoding(data: bytes) -> None:
    whole = block(len(data) // ROW.size, 0, data[: len(data) // ROW.size * ROW.size])
    with suppress(VaultError):
        assert EntryBlock.decode(whole).encode() == whole


def test_a_repr_holds_neither_date_nor_token() -> None:
    shown = repr(EntryBlock(NO_SUBJECT, 0, [record(1, 0, 1)], [PartRow(b"tttttttttttttttt", 1)]))
    assert "Entry(role=1, version=1)" in shown
    assert "1000000000000" not in shown
    assert "tttt" not in shown
