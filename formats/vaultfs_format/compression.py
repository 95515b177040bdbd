"""Compression of what is sealed: zstd level 1, with the built-in dictionary for records, bounded on the way back.

Bodies that do not shrink are stored as they are. The sizes come from authenticated headers and are checked before
anything is allocated: the size that a zstd frame states of itself is believed only where it equals the expected one.
"""

from __future__ import annotations

import threading
from enum import IntEnum
from functools import cache

import zstandard

from vaultfs_format import limits
from vaultfs_format.errors import DecompressionFailed, LimitExceeded, Structure, UnsupportedFeature
from vaultfs_format.layout import Buffer

LEVEL = 1
DICTIONARY = 1
"""Number of the built-in dictionary; 0 means none."""

_WORTH = 256
_WORTH_WITH_DICTIONARY = 32
"""Bytes from which compression is tried: less gains nothing, or too little for its time."""


class Codec(IntEnum):
    """How a body or an entry block is stored."""

    STORED = 0
    ZSTD = 1
    PIXELS_8 = 2
    PIXELS_16 = 3
    PIXELS_32 = 4


class _Tools(threading.local):
    """zstd contexts are not thread-safe; each thread keeps its own."""

    def __init__(self) -> None:
        self.compressors: dict[int, zstandard.ZstdCompressor] = {}
        self.decompressors: dict[int, zstandard.ZstdDecompressor] = {}


_tools = _Tools()


@cache
def _dictionary(number: int) -> zstandard.ZstdCompressionDict:
    from importlib.resources import files  # a tenth of the time that importing the engine takes, and seldom needed

    path = files("vaultfs_format") / "dictionaries" / f"{number}.zdict"
    dictionary = zstandard.ZstdCompressionDict(path.read_bytes())
    dictionary.precompute_compress(level=LEVEL)
    return dictionary


def _compressor(dictionary: int) -> zstandard.ZstdCompressor:
    found = _tools.compressors.get(dictionary)
    if found is None:
        data = _dictionary(dictionary) if dictionary else None
        found = zstandard.ZstdCompressor(level=LEVEL, dict_data=data, write_checksum=False, write_dict_id=False)
        _tools.compressors[dictionary] = found
    return found


def _decompressor(dictionary: int) -> zstandard.ZstdDecompressor:
    found = _tools.decompressors.get(dictionary)
    if found is None:
        data = _dictionary(dictionary) if dictionary else None
        found = zstandard.ZstdDecompressor(dict_data=data)
        _tools.decompressors[dictionary] = found
    return found


def compress(plain: Buffer, dictionary: int = 0) -> tuple[Codec, Buffer]:
    """Return `plain` compressed, or as it is where that is not smaller."""
    if len(plain) < (_WORTH_WITH_DICTIONARY if dictionary else _WORTH):
        return Codec.STORED, plain
    packed = _compressor(dictionary).compress(plain)
    if len(packed) >= len(plain):
        return Codec.STORED, plain
    return Codec.ZSTD, packed


def check_dictionary(number: int) -> None:
    """Refuse a dictionary that this program does not have.

    Raises
    ------
    UnsupportedFeature
    """
    if number not in (0, DICTIONARY):
        raise UnsupportedFeature(structure=Structure.DICTIONARY, dictionary=number)


def expand(codec: Codec, stored: Buffer, size: int, limit: int, dictionary: int = 0) -> Buffer:
    """Return the `size` plaintext bytes of `stored`.

    Raises
    ------
    LimitExceeded
        `size` is over `limit`; nothing was allocated.
    DecompressionFailed
        The bytes do not expand to exactly `size`.
    """
    if size > limit:
        raise LimitExceeded(structure=Structure.FRAME, size=size, limit=limit)
    if codec is Codec.STORED:
        if len(stored) != size:
            raise DecompressionFailed(expected=size, got=len(stored))
        return stored
    try:
        stated = zstandard.get_frame_parameters(stored)
        if stated.content_size != size or stated.window_size > limits.MAX_WINDOW:
            raise DecompressionFailed(expected=size)
        plain = _decompressor(dictionary).decompress(stored, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError:
        raise DecompressionFailed(expected=size) from None
    return plain
