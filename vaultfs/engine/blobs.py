"""Large records: cut into parts of 1 MiB, each a frame in an open blob segment, streamed in constant memory."""

from __future__ import annotations

from typing import BinaryIO

from vaultfs_format import limits
from vaultfs_format.entries import Entry, EntryBlock, Role
from vaultfs_format.frame import FrameClass
from vaultfs_format.suite import Hasher

from vaultfs.engine.engine import Engine
from vaultfs.engine.facts import facts_of
from vaultfs.engine.units import Drafted, seal
from vaultfs.errors import ArgumentInvalid, TooLarge


def is_blob(length: int) -> bool:
    """Return whether a record that takes `length` bytes, with those around it, is a blob."""
    return length >= limits.BLOB_THRESHOLD


def take(data: bytes | BinaryIO) -> tuple[bytes, BinaryIO | None]:
    """Return the bytes of `data`; for a file that is not small its first bytes and the file, to be read on."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data), None
    first = read_exactly(data, limits.BLOB_THRESHOLD)
    return (first, data) if len(first) == limits.BLOB_THRESHOLD else (first, None)


def read_exactly(source: BinaryIO, length: int) -> bytes:
    """Return `length` bytes of a file, fewer only at its end."""
    pieces, missing = [], length
    while missing:
        piece = source.read(missing)
        if not isinstance(piece, bytes):
            raise ArgumentInvalid
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


class BlobWriter:
    """Writes one large record.

    Parameters
    ----------
    entry
        The record's entry, without length and content id.
    """

    def __init__(self, engine: Engine, subject: bytes, entry: Entry, hasher: Hasher) -> None:
        self._engine = engine
        self._subject = subject
        self._entry = entry
        self._hasher = hasher
        self._ids: list[bytes] = []
        self._pending = bytearray()
        self.frames: list[Drafted] = []

    def write(self, content: bytes, stream: BinaryIO | None, before: bytes, after: bytes) -> None:
        """Write the record: `content`, then the rest of `stream`, with the bytes around them."""
        length = len(content)
        self._take(before)
        self._hasher.update(content)
        self._take(content)
        while stream is not None:
            piece = read_exactly(stream, limits.BLOB_FRAME)
            if not piece:
                break
            length += len(piece)
            if length + len(before) + len(after) > limits.MAX_RECORD:
                raise TooLarge(limit=limits.MAX_RECORD)
            self._hasher.update(piece)
            self._take(piece)
        self._take(after)
        entry = self._entry._replace(length=length, token=self._hasher.digest()[:16])
        self._finish(entry)

    def _take(self, data: bytes) -> None:
        self._pending += data
        while len(self._pending) > limits.BLOB_FRAME:
            body = bytes(self._pending[: limits.BLOB_FRAME])
            del self._pending[: limits.BLOB_FRAME]
            base = self._entry
            part = Entry(
                Role.PART,
                incarnation=base.incarnation,
                number=base.number,
                version=base.version,
                offset=len(self._ids),
                length=len(body),
            )
            self._frame(EntryBlock(self._subject, 0, (part,)), body)

    def _finish(self, entry: Entry) -> None:
        """Write the last part, which has the record's entry and the list of all parts but itself."""
        block = EntryBlock(self._subject, 0, (entry,), tuple(self._ids))
        self._frame(block, bytes(self._pending))

    def _frame(self, block: EntryBlock, body: bytes) -> None:
        sealed = seal(self._engine.suite, FrameClass.BLOB, block, body)
        landed = self._engine.parts.append(sealed.body)
        self._ids.append(sealed.header.frame_id)
        self.frames.append(Drafted(sealed._replace(body=b""), facts_of(block), landed))
