"""Good bytes out of copies of a small file of which none is good: blocks are taken from either until the digest fits.

The search is bounded by the blocks in which two copies differ. Large blocks come first: media lose whole sectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import TypeVar

from vaultfs_format import limits
from vaultfs_format.errors import VaultError

T = TypeVar("T")
Span = tuple[int, int]

BLOCKS = (512, 64, 16, 1)
"""Bytes that are taken from one copy or the other, in the order in which they are tried."""

MOST = 12
"""Most blocks, or runs of blocks, in which two copies may differ: 4,096 ways to put them together."""

MOST_BYTES = 256 * limits.MIB
"""Most bytes that are judged for two copies and one size of block."""


def good_ones(copies: Sequence[bytes], judge: Callable[[bytes], T]) -> list[T]:
    """Return what `judge` makes of every good copy; where none is good, of what two of them give together.

    Parameters
    ----------
    judge
        Parses the bytes, or raises `VaultError`. It must refuse whatever is not wholly good.
    """
    different = list(dict.fromkeys(copies))
    found = [made for data in different for made in _judged(data, judge)]
    if found:
        return found
    for one, other in combinations(different, 2):
        made = together(one, other, judge)
        if made is not None:
            return [made]
    return []


def together(one: bytes, other: bytes, judge: Callable[[bytes], T]) -> T | None:
    """Return what `judge` makes of the first mixture of two copies that is good; None where there is none."""
    size = max(len(one), len(other))
    one, other = one.ljust(size, b"\0"), other.ljust(size, b"\0")
    for block in BLOCKS:
        spans = [(at, at + block) for at in range(0, size, block) if one[at : at + block] != other[at : at + block]]
        if len(spans) > MOST:
            spans = _joined(spans)
        if len(spans) > MOST or size << len(spans) > MOST_BYTES:
            continue
        for mixed in _mixtures(one, other, spans):
            for made in _judged(mixed, judge):
                return made
    return None


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Return spans with those joined that follow each other: one copy is cut, or has lost a long stretch."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


def _mixtures(one: bytes, other: bytes, spans: Sequence[Span]) -> Iterator[bytearray]:
    for chosen in range(1, (1 << len(spans)) - 1):
        mixed = bytearray(one)
        for number, (start, end) in enumerate(spans):
            if chosen >> number & 1:
                mixed[start:end] = other[start:end]
        yield mixed


def _judged(data: bytes | bytearray, judge: Callable[[bytes], T]) -> Iterator[T]:
    try:
        yield judge(bytes(data))
    except VaultError:
        return
