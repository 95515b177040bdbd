"""Fixed layouts: packed, read strictly, printed as the tables of SPEC.md."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format.errors import FieldInvalid, Structure, TrailingBytes, Truncated
from vaultfs_format.layout import RESERVED, Field, Layout, all_zero, require, require_size

SAMPLE = Layout(
    Structure.HEAD,
    "sample",
    Field("kind", "B", "what it is"),
    Field(RESERVED, "3s"),
    Field("size", "I", "how much"),
    Field(RESERVED, "H"),
    Field("name", "4s", "of four bytes"),
)


@given(st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(min_size=4, max_size=4), st.binary(max_size=8))
def test_what_is_packed_is_unpacked(kind: int, size: int, name: bytes, before: bytes) -> None:
    data = before + SAMPLE.pack(kind, size, name)
    assert SAMPLE.unpack(data, len(before)) == (kind, size, name)
    assert SAMPLE.unpack(memoryview(data), len(before)) == (kind, size, name)


def test_fields_are_little_endian_and_without_gaps() -> None:
    assert SAMPLE.pack(1, 0x01020304, b"abcd") == b"\1\0\0\0\4\3\2\1\0\0abcd"
    assert SAMPLE.size == 14


@pytest.mark.parametrize(("at", "position"), [(1, 1), (2, 1), (3, 1), (8, 3), (9, 3)])
def test_a_reserved_byte_that_is_not_zero_is_refused(at: int, position: int) -> None:
    data = bytearray(SAMPLE.pack(1, 2, b"abcd"))
    data[at] = 1
    with pytest.raises(FieldInvalid) as refused:
        SAMPLE.unpack(data)
    assert refused.value.facts == {"structure": Structure.HEAD, "field": position}


@pytest.mark.parametrize("offset", [-1, 1, 14, 10**30])
def test_too_few_bytes_are_truncated(offset: int) -> None:
    with pytest.raises(Truncated) as refused:
        SAMPLE.unpack(bytes(14), offset)
    assert refused.value.facts["expected"] == 14


def test_the_table_lists_offsets_sizes_and_meanings() -> None:
    assert SAMPLE.table().splitlines() == [
        "| offset | size | field | meaning |",
        "|---|---|---|---|",
        "| 0 | 1 | kind | what it is |",
        "| 1 | 3 | reserved | zero |",
        "| 4 | 4 | size | how much |",
        "| 8 | 2 | reserved | zero |",
        "| 10 | 4 | name | of four bytes |",
        "| 14 | | | end |",
    ]


def test_a_broken_rule_is_named_by_structure_and_number() -> None:
    require(True, Structure.HEAD, 3)
    with pytest.raises(FieldInvalid) as refused:
        require(False, Structure.HEAD, 3)
    assert refused.value.facts == {"structure": Structure.HEAD, "rule": 3}


def test_a_size_must_be_exact() -> None:
    require_size(b"abc", 3, Structure.HEAD)
    with pytest.raises(Truncated):
        require_size(b"ab", 3, Structure.HEAD)
    with pytest.raises(TrailingBytes):
        require_size(b"abcd", 3, Structure.HEAD)


def test_all_zero_means_every_byte() -> None:
    assert all_zero(b"")
    assert all_zero(memoryview(bytes(100)))
    assert not all_zero(bytes(99) + b"\1")
