"""The directory of a file: a row for each frame with its place, its commit numbers, its header and its sealed entries.

Journal groups and segments hold the same rows, so settling copies what is sealed and rewrites only what is placed.
Commit numbers stand here and not in the sealed entries, because the committer assigns them after sealing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct

import msgspec

from vaultfs_format import limits
from vaultfs_format.errors import LimitExceeded, Structure, Truncated
from vaultfs_format.frame import HEADER, FrameHeader
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, require

HERE = 0
"""Home of a body that lies in the same file."""

PLACE = Layout(
    Structure.DIRECTORY,
    "frame row: place",
    Field("body_offset", "Q", "where the sealed body begins in its file; in a journal from the start of the group"),
    Field("home", "H", "0 this file; n: the n-th part file that the journal group names"),
    Field("runs", "H", "number of runs of commit numbers"),
    Field(RESERVED, "4s"),
)
RUN = Layout(
    Structure.DIRECTORY,
    "frame row: run",
    Field("entries", "I", "number of consecutive entries"),
    Field("commit", "Q", "their commit number"),
)


class FrameRow(msgspec.Struct, frozen=True, gc=False):
    """Where a frame lies, when its entries were committed, and its sealed entries.

    Parameters
    ----------
    runs
        Pairs (number of entries, commit number) that cover the entries in order.
    """

    header: FrameHeader
    body_offset: int
    home: int
    runs: Sequence[tuple[int, int]]
    entries: bytes

    def encode(self) -> bytes:
        """Return the bytes of the row."""
        return encode_row(self.header.encode(), self.entries, self.body_offset, self.home, self.runs)

    @property
    def size(self) -> int:
        """Bytes of the encoded row."""
        return PLACE.size + HEADER.size + RUN.size * len(self.runs) + len(self.entries)

    def commits(self) -> Iterator[int]:
        """Yield the commit number of each entry."""
        for count, commit in self.runs:
            for _ in range(count):
                yield commit

    @classmethod
    def decode(cls, data: Buffer, offset: int = 0) -> tuple[FrameRow, int]:
        """Parse the row at `offset`; return it and where the next one begins."""
        body_offset, home, run_count = PLACE.unpack(data, offset)
        header = FrameHeader.decode(data, offset + PLACE.size)
        at = offset + PLACE.size + HEADER.size
        require(0 < run_count <= header.entry_count, Structure.DIRECTORY, 1)
        start = at + RUN.size * run_count
        end = start + header.entries_sealed
        if len(data) < end:
            raise Truncated(structure=Structure.DIRECTORY, expected=end - offset, got=len(data) - offset)
        runs = tuple(RUN.struct.iter_unpack(memoryview(data)[at:start]))
        covered = 0
        for count, commit in runs:
            require(count > 0 and 0 < commit <= limits.MAX_NUMBER, Structure.DIRECTORY, 2)
            covered += count
        require(covered == header.entry_count, Structure.DIRECTORY, 3)
        require(body_offset <= limits.MAX_NUMBER, Structure.DIRECTORY, 4)
        return cls(header, body_offset, home, runs, bytes(data[start:end])), end


def encode_row(header: bytes, entries: bytes, body_offset: int, home: int, runs: Sequence[tuple[int, int]]) -> bytes:
    """Return the bytes of a row, given an encoded frame header."""
    pieces = [PLACE.pack(body_offset, home, len(runs)), header, *(RUN.pack(*run) for run in runs), entries]
    return b"".join(pieces)


_MOVED = Struct("<QH")
_RUNS = Struct("<H")
_RUNS_AT = PLACE.offset_of("runs")
_COUNT = Struct("<I")
_COUNT_AT = PLACE.size + HEADER.offset_of("entry_count")
_SEALED_AT = PLACE.size + HEADER.offset_of("entries_sealed")
_BODY_AT = PLACE.size + HEADER.offset_of("body_sealed")


def entry_count(row: Buffer) -> int:
    """Return the number of entries of an encoded row."""
    return int(_COUNT.unpack_from(row, _COUNT_AT)[0])


def split_rows(data: bytes, count: int) -> Iterator[bytes]:
    """Yield the encoded rows of a directory that is known to be whole, unparsed.

    Raises
    ------
    FieldInvalid
        It is not `count` rows.
    """
    at = 0
    for _ in range(count):
        require(len(data) - at >= PLACE.size + HEADER.size, Structure.DIRECTORY, 5)
        runs, sealed = _RUNS.unpack_from(data, at + _RUNS_AT)[0], _COUNT.unpack_from(data, at + _SEALED_AT)[0]
        end = at + PLACE.size + HEADER.size + runs * RUN.size + sealed
        yield data[at:end]
        at = end
    require(at == len(data), Structure.DIRECTORY, 5)


def body_span(row: Buffer) -> tuple[int, int]:
    """Return where the body of an encoded row begins, and its length."""
    return int(PLACE.unpack(row)[0]), int(_COUNT.unpack_from(row, _BODY_AT)[0])


def moved(row: Buffer, body_offset: int) -> bytes:
    """Return the bytes of a row whose body has come to lie at `body_offset` of the row's own file."""
    return _MOVED.pack(body_offset, HERE) + bytes(row[_RUNS_AT:])


def decode_rows(data: Buffer, count: int) -> list[FrameRow]:
    """Parse exactly `count` rows that fill `data`."""
    if count > limits.MAX_SEGMENT_FRAMES or count * (PLACE.size + HEADER.size) > len(data):
        raise LimitExceeded(structure=Structure.DIRECTORY, frames=count)
    rows, offset = [], 0
    for _ in range(count):
        row, offset = FrameRow.decode(data, offset)
        rows.append(row)
    require(offset == len(data), Structure.DIRECTORY, 5)
    return rows
