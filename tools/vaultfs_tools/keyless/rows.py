"""Frame rows of a directory, read one after the other: memory is bounded by the largest row, not by the directory."""

from __future__ import annotations

from collections.abc import Iterator

from vaultfs_format.directory import FrameRow
from vaultfs_format.errors import Structure, Truncated
from vaultfs_format.layout import require
from vaultfs_format.searching import Read

from vaultfs_tools.keyless.files import CHUNK


def read_rows(read: Read, offset: int, length: int, count: int) -> Iterator[tuple[int, FrameRow]]:
    """Yield each of the `count` rows that fill `length` bytes at `offset`, with its offset in the file.

    Raises
    ------
    FormatError, Unsupported, FileUnreadable
    """
    end = offset + length
    window, base, at, size = b"", offset, 0, CHUNK
    while count:
        try:
            row, following = FrameRow.decode(window, at)
        except Truncated:
            if base + len(window) == end:
                raise
            # A row that begins the window and does not fit needs a larger one; the format bounds the sizes in a row.
            size = size if at or not window else 2 * size
            base, at = base + at, 0
            window = read(base, min(size, end - base))
            continue
        yield base + at, row
        at = following
        count -= 1
    require(base + at == end, Structure.DIRECTORY, 5)
