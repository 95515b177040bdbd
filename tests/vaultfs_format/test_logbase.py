"""The base of a log that was pruned, and the right edge of a tree that is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY, AuditEntry, LeafKind
from vaultfs_format.edge import RightEdge
from vaultfs_format.errors import CommitmentMismatch, FieldInvalid, LimitExceeded, Truncated
from vaultfs_format.levels import HashLevels, JoinedHashes, inclusion_proof, peaks_at, root_at
from vaultfs_format.limits import MAX_LOG_BASE_PART
from vaultfs_format.logbase import PART, BasePart, LogBase
from vaultfs_format.subjectheads import ROW
from vaultfs_format.suite import DEFAULT, FIPS, Suite
from vaultfs_format.tlog.tiles import encode_tile, tiles_of

from tests.vaultfs_format.textbook import Logged, heads_of, rows_of

NODES = merkle.audit_nodes(DEFAULT)
EVENTS = [AuditEntry(LeafKind.EVENT, 1, number.to_bytes(32, "big")) for number in range(66_600)]
ENTRIES = [one.encode() for one in EVENTS]
LEAVES = merkle.audit_leaves(DEFAULT, ENTRIES)
ALL = HashLevels(NODES)
ALL.extend(LEAVES)
SIZES = [1, 255, 256, 257, 1000, 65_536, 65_537, 66_000]


@cache
def _edge_of(size: int) -> RightEdge:
    edge = RightEdge(DEFAULT)
    edge.extend(ENTRIES[:size])
    return edge


def edge_of(size: int) -> RightEdge:
    return _edge_of(size).copy()


class TestEdge:
    @pytest.mark.parametrize("size", SIZES)
    def test_it_is_the_same_however_it_grew_and_is_read_back(self, size: int) -> None:
        edge = edge_of(size)
        data = edge.encode()
        back, end = RightEdge.decode(DEFAULT, size, data + b"more")
        assert end == len(data)
        assert back.encode() == data
        assert edge.copy().encode() == data
        parts = RightEdge(DEFAULT)
        for start in range(0, size, 7777):
            parts.extend(ENTRIES[start : min(size, start + 7777)])
        assert parts.encode() == data
        assert len(data) <= 256 * (ENTRY.size + 2 * 32)

    @pytest.mark.parametrize("size", SIZES)
    def test_its_tree_is_that_of_the_entries(self, size: int) -> None:
        assert edge_of(size).tree().peaks == peaks_at(NODES, ALL, size).peaks

    def test_of_nothing_is_nothing(self) -> None:
        assert (RightEdge(DEFAULT).encode(), RightEdge(DEFAULT).tree().peaks) == (b"", [])

    @pytest.mark.parametrize("size", SIZES)
    def test_a_copy_grows_by_itself(self, size: int) -> None:
        edge = edge_of(size)
        before = edge.encode()
        edge.copy().extend(ENTRIES[size : size + 300])
        assert edge.encode() == before

    @pytest.mark.parametrize("size", SIZES)
    def test_it_reads_back_and_goes_on(self, size: int) -> None:
        back, _ = RightEdge.decode(DEFAULT, size, edge_of(size).encode())
        back.extend(ENTRIES[size : size + 600])
        assert back.encode() == edge_of(min(len(ENTRIES), size + 600)).encode()

    @pytest.mark.parametrize("minimum", SIZES)
    def test_with_it_a_pruned_tree_gives_every_tile_from_the_minimum_index_on(self, minimum: int) -> None:
        """Those that straddle it, too, and the proof of the last entry before it."""
        later = HashLevels(NODES, peaks_at(NODES, ALL, minimum))
        size = min(len(ENTRIES), minimum + 900)
        later.extend(LEAVES[minimum:size])
        joined = JoinedHashes(edge_of(minimum), later)
        for tile in tiles_of(size, 0, minimum):
            if tile.level is not None:
                assert encode_tile(tile, joined) == encode_tile(tile, ALL)
        path = inclusion_proof(NODES, joined, minimum - 1, size)
        assert merkle.included(NODES, root_at(NODES, ALL, size, b""), LEAVES[minimum - 1], minimum - 1, size, path)

    def test_what_it_does_not_have_is_not_given(self) -> None:
        edge = edge_of(1000)
        for level, index in ((0, 0), (0, 767), (0, 1000), (-1, 0), (10, 0)):
            with pytest.raises(IndexError):
                edge.read(level, index)
        assert edge.read(8, 0) == ALL.read(8, 0)

    @pytest.mark.parametrize("size", [1, 256, 1000, 65_536])
    def test_a_cut_one_is_refused(self, size: int) -> None:
        with pytest.raises(FieldInvalid):
            RightEdge.decode(DEFAULT, size, edge_of(size).encode()[:-1])

    @pytest.mark.parametrize("size", [256, 65_536])
    def test_a_full_tile_with_another_root_than_the_one_above_says_is_refused(self, size: int) -> None:
        data = bytearray(edge_of(size).encode())
        data[10] ^= 1
        with pytest.raises(FieldInvalid):
            RightEdge.decode(DEFAULT, size, bytes(data))


SUBJECTS = [bytes([number]) * 16 for number in range(1, 40)]


def base(events: int, since: int = 5) -> LogBase:
    """Return the base of a log of so many events, and heads of subjects behind them."""
    log = [Logged(entry, SUBJECTS[number % 39]) for number, entry in enumerate(EVENTS[:events])]
    stated = AuditEntry(LeafKind.SUBJECTS, events, bytes(32))
    rows = b"".join(rows_of(heads_of([*log, Logged(stated, b"")])))
    edge = edge_of(events)
    found = LogBase(DEFAULT, since, edge, rows)
    edge.extend([replace(found.entry(), number=events).encode()])
    return LogBase(DEFAULT, since, edge, rows)


def parsed(one: LogBase) -> list[BasePart]:
    return [BasePart.decode(part) for part in one.encode()]


@settings(max_examples=15)
@given(st.integers(0, 600), st.integers(0, 2**63), st.sampled_from([DEFAULT, FIPS]))
def test_a_base_reads_back(events: int, since: int, suite: Suite) -> None:
    one = replace(base(events, since), suite=suite)
    back = LogBase.decode(DEFAULT, parsed(one))
    assert (back.since, back.rows, back.edge.encode()) == (since, one.rows, one.edge.encode())
    back.check(events + 1, one.edge.tree().peaks)
    assert back.encode() == one.encode()


def test_a_large_one_has_several_parts_in_any_order() -> None:
    rows = b"".join(number.to_bytes(32, "big") + bytes(ROW - 32) for number in range(20_000))
    one = LogBase(DEFAULT, 1, edge_of(300), rows)
    parts = one.encode()
    assert len(parts) == 3
    assert max(map(len, parts)) <= MAX_LOG_BASE_PART
    assert LogBase.decode(DEFAULT, reversed(parsed(one))).rows == rows
    assert b"".join(rows for _, rows in sorted(one.buckets().items())) == rows


WRONG: dict[str, Callable[[list[BasePart]], list[BasePart]]] = {
    "none": lambda _: [],
    "the first missing": lambda parts: parts[1:],
    "the last missing": lambda parts: parts[:-1],
    "one twice": lambda parts: [parts[0], *parts],
    "one twice and one missing": lambda parts: [parts[0], parts[0], *parts[2:]],
    "of another base": lambda parts: [replace(parts[0], first_leaf=301), *parts[1:]],
    "of another time": lambda parts: [replace(parts[0], since=2), *parts[1:]],
    "half a row": lambda parts: [*parts[:-1], replace(parts[-1], data=parts[-1].data[:-1])],
    "rows that do not ascend": lambda parts: [*parts[:-1], replace(parts[-1], data=parts[-1].data[:ROW] * 2)],
}


@pytest.mark.parametrize("wrong", WRONG)
def test_parts_that_are_no_base_are_refused(wrong: str) -> None:
    rows = b"".join(number.to_bytes(32, "big") + bytes(ROW - 32) for number in range(20_000))
    parts = parsed(LogBase(DEFAULT, 1, edge_of(300), rows))
    with pytest.raises(FieldInvalid):
        LogBase.decode(DEFAULT, WRONG[wrong](parts))


def test_what_is_no_part_is_refused() -> None:
    with pytest.raises(Truncated):
        BasePart.decode(bytes(PART.size - 1))
    for first, number, parts in ((0, 0, 1), (1 << 63, 0, 1), (1, 1, 1), (1, 0, 0)):
        with pytest.raises(FieldInvalid):
            BasePart.decode(PART.pack(first, 0, number, parts))
    with pytest.raises(LimitExceeded):
        BasePart.decode(PART.pack(1, 0, 0, 1) + bytes(MAX_LOG_BASE_PART))


@pytest.mark.parametrize("events", [0, 3, 255, 600])
def test_a_base_of_another_log_or_with_other_heads_is_not_believed(events: int) -> None:
    one = base(events)
    peaks = one.edge.tree().peaks
    one.check(events + 1, peaks)
    others = [
        (one, events + 2, peaks),
        (one, events + 1, [bytes(32)] * len(peaks)),
        (replace(one, rows=one.rows + b"\xff" * ROW), events + 1, peaks),
        (replace(one, edge=edge_of(events + 1)), events + 1, edge_of(events + 1).tree().peaks),
    ]
    for wrong, first, pruned in others:
        with pytest.raises(CommitmentMismatch):
            wrong.check(first, pruned)


def test_it_shows_nothing_in_its_repr() -> None:
    one = base(3)
    assert (repr(one), repr(parsed(one)[0])) == ("<LogBase>", "<BasePart>")
