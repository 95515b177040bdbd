"""Frame rows: every entry has a commit number, and rows fill what they are said to fill."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as replaced
from vaultfs_format import limits
from vaultfs_format.directory import HERE, PLACE, RUN, FrameRow, body_span, decode_rows, split_rows
from vaultfs_format.errors import FieldInvalid, LimitExceeded, Structure, Truncated

from tests.vaultfs_format.examples import FRAMES, RECORD_FRAME, rows_of
from tests.vaultfs_format.memory import peak_of

ROW, _ = FrameRow.decode(rows_of([RECORD_FRAME], 7, 4096)[0])
COMMIT = st.integers(1, limits.MAX_NUMBER)


def with_runs(*runs: tuple[int, int]) -> FrameRow:
    """Return the row, which has two entries, with other runs."""
    return replaced(ROW, runs=runs)


@given(COMMIT, COMMIT, st.integers(0, limits.MAX_NUMBER), st.integers(0, 65535), st.binary(max_size=9))
def test_what_is_written_is_read(one: int, other: int, offset: int, home: int, before: bytes) -> None:
    for runs in (((2, one),), ((1, one), (1, other))):
        written = replaced(ROW, runs=runs, body_offset=offset, home=home)
        data = written.encode()
        assert FrameRow.decode(before + data + b"more", len(before)) == (written, len(before) + len(data))
        assert written.size == len(data)


def test_a_row_is_place_header_runs_and_entries() -> None:
    place = bytes([0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0])
    run = bytes([2, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0])
    assert ROW.encode() == place + RECORD_FRAME.header.encode() + run + RECORD_FRAME.entries


def test_every_entry_has_the_commit_number_of_its_run() -> None:
    assert list(with_runs((2, 9)).commits()) == [9, 9]
    assert list(with_runs((1, 9), (1, 4)).commits()) == [9, 4]


@pytest.mark.parametrize(
    ("runs", "rule"),
    [
        ((), 1),
        (((1, 1), (1, 1), (1, 1)), 1),
        (((0, 1), (2, 1)), 2),
        (((2, 0),), 2),
        (((2, limits.MAX_NUMBER + 1),), 2),
        (((1, 1),), 3),
        (((2**32 - 1, 1),), 3),
        (((2, 1), (1, 2)), 3),
    ],
)
def test_a_broken_rule_is_named(runs: Sequence[tuple[int, int]], rule: int) -> None:
    with pytest.raises(FieldInvalid) as refused:
        FrameRow.decode(with_runs(*runs).encode())
    assert refused.value.facts == {"structure": Structure.DIRECTORY, "rule": rule}


def test_an_offset_beyond_any_file_is_refused() -> None:
    with pytest.raises(FieldInvalid) as refused:
        FrameRow.decode(replaced(ROW, body_offset=limits.MAX_NUMBER + 1).encode())
    assert refused.value.facts["rule"] == 4


def test_reserved_bytes_of_a_place_are_zero() -> None:
    data = bytearray(ROW.encode())
    data[PLACE.size - 1] = 1
    with pytest.raises(FieldInvalid):
        FrameRow.decode(data)


def test_a_row_that_is_cut_is_truncated() -> None:
    data = ROW.encode()
    for length in range(len(data)):
        with pytest.raises(Truncated):
            FrameRow.decode(data[:length])


def test_sizes_of_a_row_are_not_believed_without_the_bytes() -> None:
    header = RECORD_FRAME.header._replace(
        entry_count=limits.MAX_ENTRIES, entries_plain=limits.MAX_ENTRIES_PLAIN,
        entries_sealed=limits.MAX_ENTRIES_PLAIN - 1, entries_codec=RECORD_FRAME.header.body_codec,
    )  # fmt: skip
    data = PLACE.pack(4096, HERE, limits.MAX_ENTRIES) + header.encode() + RUN.pack(1, 1)
    with peak_of(100_000), pytest.raises(Truncated):
        FrameRow.decode(data)


def test_rows_fill_their_section() -> None:
    rows = rows_of(FRAMES, 3, 4096)
    data = b"".join(rows)
    assert [row.encode() for row in decode_rows(data, 3)] == rows
    assert decode_rows(b"", 0) == []
    with pytest.raises(FieldInvalid) as refused:
        decode_rows(data, 2)
    assert refused.value.facts == {"structure": Structure.DIRECTORY, "rule": 5}
    with pytest.raises(Truncated):
        decode_rows(data, 4)


@pytest.mark.parametrize("count", [1, limits.MAX_SEGMENT_FRAMES + 1, 2**32 - 1])
def test_more_rows_than_there_is_room_for_are_refused_at_once(count: int) -> None:
    with peak_of(100_000), pytest.raises(LimitExceeded):
        decode_rows(bytes(90), count)


def test_rows_are_split_without_being_parsed() -> None:
    rows = rows_of(FRAMES, 7, 4096)
    directory = b"".join(rows)
    assert list(split_rows(directory, len(rows))) == rows
    places = [(row.body_offset, row.header.body_sealed) for row in decode_rows(directory, len(rows))]
    assert [body_span(row) for row in rows] == places


@pytest.mark.parametrize("change", [-1, 1])
def test_another_number_of_rows_is_refused_when_they_are_split(change: int) -> None:
    rows = rows_of(FRAMES, 7, 4096)
    with pytest.raises(FieldInvalid) as refused:
        list(split_rows(b"".join(rows), len(rows) + change))
    assert refused.value.facts["rule"] == 5
