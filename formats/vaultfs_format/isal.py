"""ISA-L, where it is installed: the same sums as in Python, at the speed of memory.

The library is that of the extra ``vaultfs[ec]``, which brings it inside the wheel of pyeclib, or the system's. Nothing
else of pyeclib is used. Before the first use it must give the results of `vaultfs_format.erasure.PureSums`.
Source: Intel ISA-L, ``erasure_code.h``: `ec_init_tables`, `ec_encode_data_update`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from vaultfs_format import gf256
from vaultfs_format.layout import Buffer

if TYPE_CHECKING:
    import ctypes

_TABLE = 32
"""Bytes that ISA-L needs for a factor."""

_NAMES = ("libisal.so.2",)
"""Names under which the system has the library."""

_LENGTHS = (1, 15, 31, 32, 63, 64, 65, 127, 4096, 4099)
"""Lengths of the pieces of the self-test: around the widths of vector registers, and near that of a slice."""


class AcceleratedSums:
    """Sums by ISA-L, in place."""

    def __init__(self, library: ctypes.CDLL, outputs: int, length: int) -> None:
        import ctypes

        self._library = library
        self._length = length
        self._outputs = [bytearray(max(1, length)) for _ in range(outputs)]
        self._pointers = _pointers(outputs)(
            *(ctypes.addressof(ctypes.c_char.from_buffer(one)) for one in self._outputs)
        )

    def add(self, factors: Sequence[int], piece: Buffer) -> None:
        data = bytes(piece)
        if len(data) > self._length:
            raise ValueError("a piece is longer than the sums")
        if data and self._outputs:
            tables = _tables(self._library, tuple(factors))
            self._library.ec_encode_data_update(len(data), 1, len(factors), 0, tables, data, self._pointers)

    def finish(self) -> list[bytes]:
        return [bytes(output[: self._length]) for output in self._outputs]


@cache
def _pointers(count: int) -> type[ctypes.Array[ctypes.c_void_p]]:
    """Return the type of an array of pointers, which is a reference cycle: one made for each use would be garbage."""
    import ctypes

    return ctypes.c_void_p * count


@lru_cache(1024)
def _tables(library: ctypes.CDLL, factors: tuple[int, ...]) -> bytes:
    import ctypes

    tables = bytearray(_TABLE * len(factors))
    library.ec_init_tables(1, len(factors), bytes(factors), ctypes.addressof(ctypes.c_char.from_buffer(tables)))
    return bytes(tables)


@cache
def library() -> ctypes.CDLL | None:
    """Return the library, None where it is not installed or does not pass the self-test."""
    for path in _paths():
        found = _loaded(path)
        if found is not None and right(found):
            return found
    return None


def _paths() -> Iterator[str]:
    from importlib.metadata import PackageNotFoundError, files

    try:
        packed = files("pyeclib") or ()
    except PackageNotFoundError:
        packed = ()
    yield from (str(path.locate()) for path in packed if path.name.startswith("libisal") and ".so" in path.name)
    yield from _NAMES


def _loaded(path: str) -> ctypes.CDLL | None:
    import ctypes

    try:
        found = ctypes.CDLL(path)
        found.ec_init_tables.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        found.ec_init_tables.restype = None
        found.ec_encode_data_update.argtypes = (
            ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int,
            ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p,
        )  # fmt: skip
        found.ec_encode_data_update.restype = None
    except (OSError, AttributeError):
        return None
    return found


def right(found: ctypes.CDLL) -> bool:
    """Return whether a library multiplies and adds as the field does: by every factor, and at awkward lengths."""
    pattern = bytes(range(256)) * 17
    return all(
        _adds(found, range(first, first + 16), pattern[:length], pattern[101 : 101 + length])
        for first in range(0, 256, 16)
        for length in (_LENGTHS if first == 0 else _LENGTHS[-1:])
    )


def _adds(found: ctypes.CDLL, factors: Sequence[int], one: bytes, other: bytes) -> bool:
    reverse = [255 - factor for factor in factors]
    accelerated = AcceleratedSums(found, len(factors), len(one))
    accelerated.add(factors, one)
    accelerated.add(reverse, other)
    expected = [
        int.from_bytes(one.translate(gf256.products(factor)), "little")
        ^ int.from_bytes(other.translate(gf256.products(again)), "little")
        for factor, again in zip(factors, reverse, strict=True)
    ]
    return accelerated.finish() == [total.to_bytes(len(one), "little") for total in expected]
