"""Copies of a small file, however many of them there are."""

from __future__ import annotations

import random

from vaultfs_format.errors import DigestMismatch
from vaultfs_format.suite import DEFAULT
from vaultfs_tools.rescuing.merging import good_ones

GOOD = random.Random(2).randbytes(3000)


def _judge(data: bytes) -> bytes:
    if DEFAULT.digest(data) != DEFAULT.digest(GOOD):
        raise DigestMismatch
    return data


def _damaged(at: int) -> bytes:
    return GOOD[:at] + bytes([GOOD[at] ^ 1]) + GOOD[at + 1 :]


def test_good_copies_are_taken_as_they_are() -> None:
    assert good_ones([_damaged(1), GOOD, _damaged(2)], _judge) == [GOOD]
    assert good_ones([], _judge) == []


def test_any_two_of_several_may_give_a_good_one_together() -> None:
    assert good_ones([bytes(3000), _damaged(10), _damaged(2000)], _judge) == [GOOD]


def test_what_one_copy_alone_does_not_have_is_lost() -> None:
    assert good_ones([_damaged(10)], _judge) == []
