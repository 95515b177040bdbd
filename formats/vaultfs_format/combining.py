"""A good file out of damaged copies: blocks are taken from one or the other until the file proves itself.

Pure. What is tried is bounded by the blocks in which two copies differ, and by the work for all of them. Large blocks
come first: media lose whole sectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, islice
from typing import TypeVar

from vaultfs_format import limits
from vaultfs_format.errors import VaultError

T = TypeVar("T")
Span = tuple[int, int]

BLOCKS = (32 * limits.KIB, 512, 64, 16, 1)
"""Bytes taken from one copy or the other, in the order in which they are tried; each is a part of the one before."""

MOST_SPANS = 12
"""Most blocks, or runs of blocks, in which two copies may differ: 4,096 ways to put them together."""

MOST_WORK = 256 * limits.MIB
"""Most bytes that are put together for all copies; a comparison of two blocks counts as `COMPARED` of them."""

COMPARED = 256


def combine(copies: Sequence[bytes], parse: Callable[[bytes], T]) -> tuple[bytes, T] | None:
    """Return the first mixture of two copies that is good, and what `parse` makes of it; None where none was found.

    Of copies that differ in length, the shorter one counts as if zeros followed it.

    Parameters
    ----------
    copies
        None of which is good by itself.
    parse
        Must raise `VaultError` for whatever is not wholly good, as a digest or a seal tells.
    """
    left = MOST_WORK
    for one, other in combinations(dict.fromkeys(copies), 2):
        size = max(len(one), len(other))
        runs = [(0, size)]
        for block in BLOCKS:
            left -= COMPARED * sum(-(-(end - start) // block) for start, end in runs)
            if left < 0:
                return None
            runs = list(islice(_differing(one, other, block, runs), MOST_SPANS + 1))
            if len(runs) > MOST_SPANS:
                break  # smaller blocks differ in as many runs, or more
            spans = _blocks(runs, block)
            if size << len(spans) > left:
                continue
            left -= size << len(spans)
            for mixed in _mixtures(one.ljust(size, b"\0"), other.ljust(size, b"\0"), spans):
                try:
                    return mixed, parse(mixed)
                except VaultError:
                    continue
    return None


def _differing(one: bytes, other: bytes, block: int, within: Sequence[Span]) -> Iterator[Span]:
    """Yield the runs of blocks in which two copies differ, all of which lie within the runs of larger blocks."""
    start = end = 0
    for first, last in within:
        for at in range(first, last, block):
            stop = min(at + block, last)
            if one[at:stop] != other[at:stop]:
                if at != end:
                    if start != end:
                        yield start, end
                    start = at
                end = stop
    yield start, end


def _blocks(runs: Sequence[Span], block: int) -> list[Span]:
    """Return the blocks of runs; the runs where there are too many: a copy is cut, or lacks a long stretch."""
    if sum(-(-(end - start) // block) for start, end in runs) > MOST_SPANS:
        return list(runs)
    return [(at, min(at + block, end)) for start, end in runs for at in range(start, end, block)]


def _mixtures(one: bytes, other: bytes, spans: Sequence[Span]) -> Iterator[bytes]:
    """Yield one copy with some of the spans of the other, but not with none of them or all."""
    for chosen in range(1, (1 << len(spans)) - 1):
        mixed = bytearray(one)
        for number, (start, end) in enumerate(spans):
            if chosen >> number & 1:
                mixed[start:end] = other[start:end]
        yield bytes(mixed)
