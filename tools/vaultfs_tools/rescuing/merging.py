"""Copies of a small file, however many: what is good of them, or what they give together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from vaultfs_format.combining import combine
from vaultfs_format.errors import VaultError

T = TypeVar("T")


def good_ones(copies: Sequence[bytes], judge: Callable[[bytes], T]) -> list[T]:
    """Return what `judge` makes of every good copy; where none is good, of what two of them give together.

    Parameters
    ----------
    judge
        Parses the bytes, or raises `VaultError`. It must refuse whatever is not wholly good.
    """
    found: list[T] = []
    for data in dict.fromkeys(copies):
        try:
            found.append(judge(data))
        except VaultError:
            continue
    if found:
        return found
    made = combine(copies, judge)
    return [made[1]] if made else []
