"""Reading a stream forward, exactly as much as asked for, with its end known where that can be."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from vaultfs.errors import DicomMalformed, DicomTruncated

_CHUNK = 64 * 1024

MAX_INFLATED = 64 * 1024 * 1024
"""Most bytes that the header of a deflated file may inflate to."""


class Reader:
    """A stream from its present position on.

    Parameters
    ----------
    source
        Read forward only; where it can seek, what is skipped is not read.
    size
        Bytes that the stream has, None where only its end tells.

    Attributes
    ----------
    position
        Bytes read or skipped so far.
    """

    def __init__(self, source: BinaryIO | Inflated, size: int | None) -> None:
        self._source = source
        self._seek = None if isinstance(source, Inflated) or not source.seekable() else source.seek
        self._size = size
        self._ahead = b""
        self.position = 0

    def peek(self, count: int) -> bytes:
        """Return the next `count` bytes, fewer only at the end, and stay before them."""
        while len(self._ahead) < count and (part := self._source.read(count - len(self._ahead))):
            self._ahead += part
        return self._ahead[:count]

    def at_most(self, count: int) -> bytes:
        """Return the next `count` bytes, fewer only at the end."""
        parts = [self._ahead[:count]]
        self._ahead = self._ahead[count:]
        left = count - len(parts[0])
        while left and (part := self._source.read(left)):
            parts.append(part)
            left -= len(part)
        self.position += count - left
        return b"".join(parts)

    def exactly(self, count: int) -> bytes:
        """Return the next `count` bytes.

        Raises
        ------
        DicomTruncated
            The stream ends before; nothing was allocated for bytes that are not there.
        """
        self.check(count)
        found = self.at_most(count)
        if len(found) < count:
            raise DicomTruncated(offset=self.position)
        return found

    def check(self, count: int) -> None:
        """Refuse a length that passes the end of the stream.

        Raises
        ------
        DicomTruncated
        """
        if self._size is not None and self.position + count > self._size:
            raise DicomTruncated(offset=self.position)

    def skip(self, count: int) -> None:
        """Go on by `count` bytes.

        Raises
        ------
        DicomTruncated
        """
        self.check(count)
        if self._seek and count > len(self._ahead):
            self._seek(count - len(self._ahead), 1)
            self._ahead = b""
            self.position += count
            return
        while count:
            count -= len(self.exactly(min(count, _CHUNK)))


class Inflated:
    """The data set of a deflated transfer syntax (PS3.5, A.5), inflated as far as it is read."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._left = MAX_INFLATED

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes, none at the end.

        Raises
        ------
        DicomMalformed
            The header inflates to more than `MAX_INFLATED`.
        DicomTruncated
            The data ends before it says so, or is no deflated data from here on.
        """
        count = min(count, self._left)
        if not count:
            raise DicomMalformed(limit=MAX_INFLATED)
        found = b""
        while not found and not self._inflate.eof:
            data = self._inflate.unconsumed_tail or self._reader.at_most(_CHUNK)
            try:
                found = self._inflate.decompress(data, count)
            except zlib.error:
                data = b""
            if not data:
                break
        if not found and not self._inflate.eof:
            raise DicomTruncated(offset=self._reader.position)
        self._left -= len(found)
        return found
