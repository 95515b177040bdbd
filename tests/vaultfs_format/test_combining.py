"""Putting a file together from damaged copies."""

from __future__ import annotations

import random

import pytest
from vaultfs_format import combining
from vaultfs_format.combining import combine
from vaultfs_format.errors import DigestMismatch
from vaultfs_format.suite import DEFAULT

GOOD = random.Random(2).randbytes(3000)
LONG = random.Random(3).randbytes(200_000)


def _parse(data: bytes) -> int:
    """Take the two good files, and return their length."""
    if DEFAULT.digest(data) not in (DEFAULT.digest(GOOD), DEFAULT.digest(LONG)):
        raise DigestMismatch
    return len(data)


def _damaged(*places: int, length: int = 1, data: bytes = GOOD) -> bytes:
    damaged = bytearray(data)
    for at in places:
        damaged[at : at + length] = bytes(byte ^ 0x55 for byte in damaged[at : at + length])
    return bytes(damaged)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(_damaged(10), _damaged(2000), id="bytes far apart"),
        pytest.param(_damaged(10), _damaged(11), id="bytes side by side"),
        pytest.param(_damaged(0), _damaged(2999), id="the first and the last"),
        pytest.param(_damaged(0, length=1024), _damaged(1024, length=1024), id="sectors"),
        pytest.param(_damaged(5, 100, 700, 1500, 2900), _damaged(6, 101, 701, 1501), id="many bytes"),
        pytest.param(GOOD[:1500], _damaged(100, 1200), id="a copy that is cut"),
        pytest.param(_damaged(100, 1200), GOOD[:1500], id="the other that is cut"),
        pytest.param(_damaged(100, length=1300), _damaged(1500, length=1300), id="long stretches"),
    ],
)
def test_blocks_are_taken_from_either(one: bytes, other: bytes) -> None:
    assert combine([one, other], _parse) == (GOOD, len(GOOD))


def test_a_long_stretch_of_a_long_file_is_taken_as_a_whole() -> None:
    one, other = _damaged(1000, length=90_000, data=LONG), _damaged(120_000, 120_001, length=1, data=LONG)
    assert combine([one, other], _parse) == (LONG, len(LONG))


def test_any_two_of_several_copies_may_fit() -> None:
    assert combine([bytes(3000), _damaged(10), _damaged(10), _damaged(2000)], _parse) == (GOOD, len(GOOD))


def test_what_both_have_lost_is_lost() -> None:
    assert combine([_damaged(10, 500), _damaged(10, 900)], _parse) is None


@pytest.mark.parametrize("copies", [[], [_damaged(10)], [_damaged(10), _damaged(10)], [b"", _damaged(10)]])
def test_one_copy_gives_nothing(copies: list[bytes]) -> None:
    assert combine(copies, _parse) is None


class _Counted:
    """Finds nothing good, and counts what it was asked."""

    def __init__(self) -> None:
        self.judged = 0
        self.bytes = 0

    def __call__(self, data: bytes) -> None:
        self.judged += 1
        self.bytes += len(data)
        raise DigestMismatch


def test_the_search_is_bounded_by_the_blocks_that_differ() -> None:
    judge = _Counted()
    assert combine([_damaged(*range(0, 1500, 30)), _damaged(*range(1500, 3000, 30))], judge) is None
    assert judge.judged < len(combining.BLOCKS) << combining.MOST_SPANS


def test_the_search_is_bounded_by_the_bytes_that_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound over all copies: what is left of it after the first two is what the others have."""
    monkeypatch.setattr(combining, "MOST_WORK", 3_000_000)
    judge = _Counted()
    copies = [_damaged(*range(start, 3000, 300)) for start in range(0, 290, 10)]
    assert combine(copies, judge) is None
    assert 0 < judge.bytes <= 3_000_000


def test_files_too_large_to_compare_are_not_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combining, "MOST_WORK", combining.COMPARED)
    judge = _Counted()
    assert combine([_damaged(10, data=LONG), _damaged(2000, data=LONG)], judge) is None
    assert judge.judged == 0
