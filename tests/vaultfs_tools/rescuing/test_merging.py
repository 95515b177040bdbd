"""Putting damaged copies of a small file together."""

from __future__ import annotations

import random

import pytest
from vaultfs_format.errors import DigestMismatch
from vaultfs_format.suite import DEFAULT
from vaultfs_tools.rescuing import merging
from vaultfs_tools.rescuing.merging import good_ones, together

GOOD = random.Random(2).randbytes(3000)


def _judge(data: bytes) -> bytes:
    if DEFAULT.digest(data) != DEFAULT.digest(GOOD):
        raise DigestMismatch
    return data


def _damaged(*places: int, length: int = 1) -> bytes:
    data = bytearray(GOOD)
    for at in places:
        data[at : at + length] = bytes(byte ^ 0x55 for byte in data[at : at + length])
    return bytes(data)


def test_good_copies_are_taken_as_they_are() -> None:
    assert good_ones([_damaged(1), GOOD, GOOD], _judge) == [GOOD]
    assert good_ones([], _judge) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(_damaged(10), _damaged(2000), id="bytes far apart"),
        pytest.param(_damaged(10), _damaged(11), id="bytes side by side"),
        pytest.param(_damaged(0, length=1024), _damaged(1024, length=1024), id="sectors"),
        pytest.param(_damaged(5, 100, 700, 1500, 2900), _damaged(6, 101, 701, 1501), id="many bytes"),
        pytest.param(GOOD[:1500], _damaged(100, 1200), id="a copy that is cut"),
    ],
)
def test_blocks_are_taken_from_either(one: bytes, other: bytes) -> None:
    assert together(one, other, _judge) == GOOD
    assert good_ones([bytes(3000), one, other], _judge) == [GOOD]


def test_what_both_have_lost_is_lost() -> None:
    assert together(_damaged(10, 500), _damaged(10, 900), _judge) is None
    assert good_ones([_damaged(10)], _judge) == []


def test_the_search_is_bounded() -> None:
    judged = 0

    def judge(_: bytes) -> bytes:
        nonlocal judged
        judged += 1
        raise DigestMismatch

    assert together(_damaged(*range(0, 1500, 30)), _damaged(*range(1500, 3000, 30)), judge) is None
    assert judged < len(merging.BLOCKS) << merging.MOST
