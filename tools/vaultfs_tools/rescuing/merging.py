"""Copies of a small file, however many: what is good of them, or what they give together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from vaultfs_format.combining import combine
from vaultfs_format.errors import VaultError

T = TypeVar("T")


def good_ones(copies: Iterable[bytes], judge: Callable[[bytes], T]) -> list[T]:
    """Return what `judge` makes of every good copy; where none is good, of what two of them give together.

    Parameters
    ----------
    copies
        Each of which differs from the others.
    judge
        Parses the bytes, or raises `VaultError`. It must refuse whatever is not wholly good.
    """
    found: list[T] = []
    damaged: list[bytes] = []
    for data in copies:
        try:
            found.append(judge(data))
        except VaultError:
            damaged.append(data)
        if found:
            damaged.clear()
    if found:
        return found
    made = combine(damaged, judge)
    return [made[1]] if made else []
