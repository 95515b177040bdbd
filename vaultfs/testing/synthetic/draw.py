"""Seeded draws that give the same values on every platform and every version of Python.

Only `random.Random.random` and `getrandbits` are used, whose sequences Python keeps for a seed; `choice`, `gauss` and
their like may change between versions, or go through the platform's mathematical library.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """A stream of values named by its seeds: equal seeds, equal values."""

    __slots__ = ("_bits", "_unit")

    def __init__(self, *seeds: int | str) -> None:
        # A text seed goes through SHA-512 (version 2 of Random.seed), so that near seeds share nothing.
        source = Random("\x1f".join(str(seed) for seed in seeds))
        self._unit = source.random
        self._bits = source.getrandbits

    def below(self, limit: int) -> int:
        """Return an integer from 0 to `limit` - 1."""
        return int(self._unit() * limit)

    def between(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return low + int(self._unit() * (high - low + 1))

    def bell(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high` that is most often near the middle."""
        return low + int((self._unit() + self._unit() + self._unit()) / 3 * (high - low + 1))

    def chance(self, percent: int) -> bool:
        """Return True in `percent` of a hundred draws."""
        return self._unit() * 100 < percent

    def pick(self, items: Sequence[T]) -> T:
        """Return one of `items`, each equally often."""
        return items[int(self._unit() * len(items))]

    def early(self, items: Sequence[T]) -> T:
        """Return one of `items`, the first ones more often than the last ones."""
        return items[int(self._unit() * self._unit() * len(items))]

    def digits(self, count: int) -> str:
        """Return `count` decimal digits."""
        return f"{int(self._unit() * 10**count):0{count}d}"

    def decimal(self, low: int, high: int, places: int) -> Decimal:
        """Return a bell-shaped value between `low` and `high`, given in units of the last of `places` decimals."""
        return Decimal(self.bell(low, high)).scaleb(-places)

    def uuid(self) -> str:
        """Return a random UUID (RFC 9562, version 4)."""
        text = f"{self._bits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"

    def day(self, first: date, last: date) -> date:
        """Return a day from `first` to `last`, both included."""
        return first + timedelta(days=self.below((last - first).days + 1))

    def time(self, day: date) -> datetime:
        """Return a moment of `day` within the hours of a practice."""
        return datetime(day.year, day.month, day.day, self.between(7, 18), self.below(60), self.below(60))
