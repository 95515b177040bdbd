"""The mutator: what libFuzzer does to an input, aimed at fields, with digests that fit afterwards.

Left to itself libFuzzer would change a byte anywhere, of which nearly all are ciphertext or zeros, and then see the
file refused for its digest. So half of the changes are made in place, to a few bytes near the beginning, where the
fields are; and of most inputs the checks are computed again (`fuzz.forging`). A few keep checks that do not fit:
refusing those is part of the contract.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Mutate = Callable[[bytes, int], bytes]
"""Returns other bytes, at most as many as stated."""

_UNFORGED = 8
"""One of so many inputs keeps checks that may not fit."""

_WIDTHS = (1, 1, 2, 4, 8, 16)
"""Bytes of a field."""

_ROUNDS = 3


class Mutator:
    """Changes inputs of one target.

    Parameters
    ----------
    mutate
        What libFuzzer itself does.
    forge
        As in `fuzz.target.Target`.
    """

    def __init__(self, mutate: Mutate, forge: Callable[[bytes], bytes]) -> None:
        self._mutate = mutate
        self._forge = forge

    def __call__(self, data: bytes, longest: int, seed: int) -> bytes:
        """Return another input of at most `longest` bytes, the same one for the same `seed` and state of libFuzzer."""
        chance = Random(seed)
        for _ in range(chance.randint(1, _ROUNDS)):
            data = self._field(data, chance) if data and chance.getrandbits(1) else self._mutate(data, longest)
        return data if chance.randrange(_UNFORGED) == 0 else self._forge(data)[:longest]

    def _field(self, data: bytes, chance: Random) -> bytes:
        """Return `data` with a few bytes changed where they stand; the smaller an offset, the more likely it is."""
        at = min(chance.randrange(1 << chance.randint(1, len(data).bit_length())), len(data) - 1)
        width = min(chance.choice(_WIDTHS), len(data) - at)
        changed = self._mutate(data[at : at + width], width).ljust(width, b"\0")
        return data[:at] + changed + data[at + width :]
