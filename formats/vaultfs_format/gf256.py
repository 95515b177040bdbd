"""The field GF(2^8) with polynomial 0x11d, and the matrices over it that erasure codes are made of.

Elements are bytes, addition is XOR, 2 generates the multiplicative group.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

POLYNOMIAL = 0x11D

Row = tuple[int, ...]
Matrix = tuple[Row, ...]


def _powers() -> tuple[bytes, bytes]:
    """Return the powers of 2, twice in a row, and the logarithm of each element; that of 0 means nothing."""
    powers, logarithms, value = bytearray(510), bytearray(256), 1
    for exponent in range(255):
        powers[exponent] = powers[exponent + 255] = value
        logarithms[value] = exponent
        value <<= 1
        if value & 0x100:
            value ^= POLYNOMIAL
    return bytes(powers), bytes(logarithms)


_POWERS, _LOGARITHMS = _powers()


def multiply(left: int, right: int) -> int:
    """Return the product of two elements."""
    if not left or not right:
        return 0
    return _POWERS[_LOGARITHMS[left] + _LOGARITHMS[right]]


def inverse(element: int) -> int:
    """Return the multiplicative inverse of an element.

    Raises
    ------
    ZeroDivisionError
        The element is 0.
    """
    if not element:
        raise ZeroDivisionError
    return _POWERS[255 - _LOGARITHMS[element]]


@cache
def products(factor: int) -> bytes:
    """Return the products of an element with all others, in order: a table for `bytes.translate`."""
    return bytes(multiply(factor, element) for element in range(256))


def product(left: Sequence[Sequence[int]], right: Sequence[Sequence[int]]) -> Matrix:
    """Return the product of two matrices."""
    columns = list(zip(*right, strict=True))
    return tuple(tuple(_dot(row, column) for column in columns) for row in left)


def _dot(left: Sequence[int], right: Sequence[int]) -> int:
    total = 0
    for one, other in zip(left, right, strict=True):
        total ^= multiply(one, other)
    return total


def inverted(matrix: Sequence[Sequence[int]]) -> Matrix:
    """Return the inverse of a square matrix, by Gauss and Jordan.

    Raises
    ------
    ZeroDivisionError
        It has none.
    """
    size = len(matrix)
    rows = [[*row, *(int(at == position) for at in range(size))] for position, row in enumerate(matrix)]
    for column in range(size):
        pivot = next((at for at in range(column, size) if rows[at][column]), column)
        rows[column], rows[pivot] = rows[pivot], rows[column]
        scale = products(inverse(rows[column][column]))
        rows[column] = [scale[element] for element in rows[column]]
        for at in range(size):
            if at != column and rows[at][column]:
                factor = products(rows[at][column])
                rows[at] = [element ^ factor[other] for element, other in zip(rows[at], rows[column], strict=True)]
    return tuple(tuple(row[size:]) for row in rows)
