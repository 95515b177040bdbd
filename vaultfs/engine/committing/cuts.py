"""Where a large record is cut: native pixels lie in parts of their own, which a change of what is around leaves alone.

What is said of the pixels is believed for choosing cuts and nothing else: any cuts give the same bytes back.
"""

from __future__ import annotations

from vaultfs_format import limits
from vaultfs_format.pixels import Rows

from vaultfs.model import PixelData


class Cuts:
    """The cuts of one record.

    Parameters
    ----------
    before
        Bytes stored before the record's own.
    """

    def __init__(self, before: int, pixels: PixelData | None) -> None:
        self._start = self._end = 0
        self._step = limits.BLOB_FRAME
        self._rows: Rows | None = None
        if pixels is None or pixels.offset < 0 or pixels.length <= 0:
            return
        self._start = before + pixels.offset
        self._end = self._start + pixels.length
        if limits.MIN_ROW <= pixels.row <= limits.BLOB_FRAME // 2:
            self._step = limits.BLOB_FRAME // pixels.row * pixels.row
            self._rows = Rows(pixels.row, pixels.sample)

    def at(self, position: int) -> tuple[int, bool, Rows | None]:
        """Return how long the part from `position` on may be, whether it is of pixels, and their shape."""
        if position < self._start:
            return min(limits.BLOB_FRAME, self._start - position), False, None
        if position < self._end:
            return min(self._step, self._end - position), True, self._rows
        return limits.BLOB_FRAME, False, None
