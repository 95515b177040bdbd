"""The erasure code: k data pieces and m parity pieces of one length, of which any k give all others back.

Reed-Solomon over GF(2^8), systematic, with a Cauchy matrix: parity piece i, counted from k on, is the sum over the data
pieces j of 1/(i XOR j) times piece j. A short piece counts as if zeros followed it. The code only fills in what is
missing: which pieces are good must be known, by their hashes, before any of them is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from vaultfs_format import gf256, isal
from vaultfs_format.layout import Buffer


class Sums(Protocol):
    """Sums of multiples of pieces, one for each output."""

    def add(self, factors: Sequence[int], piece: Buffer) -> None:
        """Add `factors[i]` times `piece` to output i.

        Raises
        ------
        ValueError
            The piece is longer than the outputs.
        """
        ...

    def finish(self) -> list[bytes]:
        """Return the outputs. Nothing is added after this."""
        ...


class PureSums:
    """Sums in Python alone, by XOR of large integers.

    A factor is a sum of powers of 2. The pieces that one power multiplies are added up as they are, and at the end the
    eight sums are put together by doubling, all bytes of an integer at once.
    """

    def __init__(self, outputs: int, length: int) -> None:
        self._length = length
        self._sums = [[0] * 8 for _ in range(outputs)]

    def add(self, factors: Sequence[int], piece: Buffer) -> None:
        if len(piece) > self._length:
            raise ValueError("a piece is longer than the sums")
        value = int.from_bytes(piece, "little")
        for powers, factor in zip(self._sums, factors, strict=True):
            for power in _POWERS[factor]:
                powers[power] ^= value

    def finish(self) -> list[bytes]:
        low = int.from_bytes(b"\x7f" * self._length, "little")
        ones = int.from_bytes(b"\x01" * self._length, "little")
        results = []
        for powers in self._sums:
            total = 0
            for value in reversed(powers):
                total = ((total & low) << 1 ^ (total >> 7 & ones) * (gf256.POLYNOMIAL & 0xFF)) ^ value
            results.append(total.to_bytes(self._length, "little"))
        return results


_POWERS = [[power for power in range(8) if factor >> power & 1] for factor in range(256)]
"""The powers of 2 that each factor is the sum of."""


def sums(outputs: int, length: int) -> Sums:
    """Return empty sums of `length` bytes each: accelerated where the library for it is there and does it right."""
    library = isal.library()
    return PureSums(outputs, length) if library is None else isal.AcceleratedSums(library, outputs, length)


def coefficient(parity: int, data: int) -> int:
    """Return the factor of data piece `data` in parity piece `parity`, which is counted from the number of data on."""
    return gf256.inverse(parity ^ data)


@lru_cache(64)
def column(data_pieces: int, parity_pieces: int, data: int) -> gf256.Row:
    """Return the factors of a data piece in all parity pieces."""
    return tuple(coefficient(data_pieces + number, data) for number in range(parity_pieces))


def encode(data_pieces: int, parity_pieces: int, data: Sequence[Buffer], length: int) -> list[bytes]:
    """Return the parity pieces of a stripe.

    Parameters
    ----------
    data
        The data pieces, each of `length` bytes or less; those that are missing at the end are zeros.
    """
    total = sums(parity_pieces, length)
    for number, piece in enumerate(data):
        total.add(column(data_pieces, parity_pieces, number), piece)
    return total.finish()


@lru_cache(256)
def rebuilding(data_pieces: int, present: tuple[int, ...], missing: tuple[int, ...]) -> gf256.Matrix:
    """Return the factors of `data_pieces` present pieces in each missing one.

    Parameters
    ----------
    present, missing
        Numbers of pieces: data from 0 on, parity behind them.
    """
    have = [_generator(data_pieces, number) for number in present]
    want = [_generator(data_pieces, number) for number in missing]
    return gf256.product(want, gf256.inverted(have))


def _generator(data_pieces: int, number: int) -> gf256.Row:
    if number < data_pieces:
        return tuple(int(at == number) for at in range(data_pieces))
    return tuple(coefficient(number, at) for at in range(data_pieces))


def rebuild(
    data_pieces: int, present: Sequence[tuple[int, Buffer]], missing: Sequence[int], length: int
) -> list[bytes]:
    """Return the missing pieces of a stripe.

    Parameters
    ----------
    present
        At least `data_pieces` good pieces with their numbers.
    missing
        Numbers of the pieces that are wanted.

    Raises
    ------
    ValueError
        There are fewer good pieces than data pieces.
    """
    if len(present) < data_pieces:
        raise ValueError("fewer pieces are there than the code needs")
    used = present[:data_pieces]
    factors = rebuilding(data_pieces, tuple(number for number, _ in used), tuple(missing))
    total = sums(len(missing), length)
    for (_, piece), row in zip(used, zip(*factors, strict=True), strict=True):
        total.add(row, piece)
    return total.finish()
