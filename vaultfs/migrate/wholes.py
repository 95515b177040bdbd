"""Sources that are one record, and too large to be taken into memory."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

from vaultfs.interop.pieces import Adapter, Facts, WholeAdapter

STREAM_BYTES = 8 * 1024 * 1024
"""Largest source that is one record, and yet goes through a window with others."""


def as_one(adapter: Adapter | None, stream: io.BufferedReader, size: int) -> Facts | None:
    """Return the facts of a source that is one record, and too large for a window; None where it is not.

    Raises
    ------
    SourceError
    """
    if size <= STREAM_BYTES or not isinstance(adapter, WholeAdapter):
        return None
    return adapter.describe(cast("BinaryIO", stream), size)
