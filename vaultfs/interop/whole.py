"""Sources that are one record, as pieces: for those that are small enough to be taken into memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from vaultfs.errors import PieceTooLarge, SourceError
from vaultfs.interop.pieces import Piece, WholeAdapter
from vaultfs.interop.window import Window


def one_piece(adapter: WholeAdapter, source: BinaryIO, maximum: int, chunk: int) -> Iterator[Piece]:
    """Yield a source as the one piece that it is, with what `adapter` says of it, or why that is nothing.

    Raises
    ------
    PieceTooLarge
        It has more than `maximum` bytes.
    """
    window = Window(source, maximum + 1, chunk)
    if window.fill(maximum + 1):
        raise PieceTooLarge(limit=maximum)
    data = window.data
    if not data:
        return
    try:
        facts, problem = adapter.describe(io.BytesIO(data), len(data)), None
    except SourceError as error:
        # The frames of the traceback hold the source.
        facts, problem = None, error.with_traceback(None)
    yield Piece(b"", data, b"", facts, problem)
