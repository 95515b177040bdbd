"""Large records: cut into parts, each a frame in an open blob segment, streamed in constant memory.

A part that its shred unit has already is not written again: the record lists its parts by content id.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Set as AbstractSet
from typing import BinaryIO

from vaultfs_format import limits
from vaultfs_format.entries import Entry, EntryBlock, PartRow, Role
from vaultfs_format.layout import Buffer
from vaultfs_format.pixels import Rows
from vaultfs_format.suite import Hasher

from vaultfs.engine.committing.cuts import Cuts
from vaultfs.engine.committing.units import Drafted, seal_large
from vaultfs.engine.engine import Engine
from vaultfs.engine.indexing.facts import facts_of
from vaultfs.engine.reading.content import holds
from vaultfs.errors import ArgumentInvalid, TooLarge
from vaultfs.model import PixelData

TAIL = limits.BLOB_THRESHOLD
"""What is left of a record at its end lies in its last frame if it is shorter than this, else in a part of its own."""


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
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Stored:
    """What is stored for a record, in order: the bytes before it, its own, of which a digest is made, those after."""

    def __init__(self, before: bytes, content: bytes, stream: BinaryIO | None, after: bytes, hasher: Hasher) -> None:
        self._ready = deque(((memoryview(before), False), (memoryview(content), True)))
        self._stream = stream
        self._after = after
        self._ended = False
        self._hasher = hasher
        self.length = 0
        """Bytes of the record itself that were taken."""

    def take(self, length: int) -> Buffer:
        """Return the next `length` bytes, fewer only at the end. Nothing is copied that lies together."""
        pieces: list[Buffer] = []
        missing = length
        while missing and (piece := self._next(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _next(self, length: int) -> Buffer:
        while self._ready:
            view, own = self._ready[0]
            if view:
                self._ready[0] = view[length:], own
                return self._count(view[:length]) if own else view[:length]
            self._ready.popleft()
        if self._stream is not None:
            piece = read_exactly(self._stream, length)
            if piece:
                return self._count(piece)
            self._stream = None
        if self._ended:
            return b""
        self._ended = True
        self._ready.append((memoryview(self._after), False))
        return self._next(length)

    def _count(self, piece: Buffer) -> Buffer:
        self._hasher.update(piece)
        self.length += len(piece)
        return piece


class BlobWriter:
    """Writes one large record.

    Parameters
    ----------
    entry
        The record's entry, without length and content id.
    content_key
        The content key of the subject's shred unit.
    known
        Content ids of parts of this shred unit that the transaction has written already.

    Attributes
    ----------
    frames
        The frames that were written.
    written
        Content ids of the parts among them.
    relied
        Content ids of parts that were not written because the vault has them.
    """

    def __init__(
        self, engine: Engine, subject: bytes, entry: Entry, content_key: bytes, known: AbstractSet[bytes]
    ) -> None:
        self._engine = engine
        self._subject = subject
        self._entry = entry
        self._content_key = content_key
        self._known = known
        self._parts: list[PartRow] = []
        self.frames: list[Drafted] = []
        self.written: set[bytes] = set()
        self.relied: set[bytes] = set()

    def write(
        self, content: bytes, stream: BinaryIO | None, before: bytes, after: bytes, pixels: PixelData | None
    ) -> None:
        """Write the record: `content`, then the rest of `stream`, with the bytes around them."""
        hasher = self._engine.chain.content_hasher(self._content_key)
        source = _Stored(before, content, stream, after, hasher)
        cuts, position = Cuts(len(before), pixels), 0
        with self._engine.store.buffers.room() as room:
            while True:
                wanted, of_pixels, rows = cuts.at(position)
                piece = source.take(wanted)
                position += len(piece)
                if position > limits.MAX_RECORD:
                    raise TooLarge(limit=limits.MAX_RECORD)
                if not piece or (len(piece) < min(wanted, TAIL) and not of_pixels):
                    break
                self._part(piece, rows, room)
            entry = self._entry._replace(length=source.length, token=hasher.digest()[:16])
            self._frame(EntryBlock(self._subject, 0, (entry,), tuple(self._parts)), piece, None, room)

    def _part(self, body: Buffer, rows: Rows | None, room: memoryview) -> None:
        """List a part, and write it unless its shred unit has it."""
        if len(self._parts) == limits.MAX_PARTS:
            raise TooLarge(limit=limits.MAX_PARTS)
        content_id = self._engine.chain.content_id(self._content_key, body)
        self._parts.append(PartRow(content_id, len(body)))
        if content_id in self.written or content_id in self._known or content_id in self.relied:
            return
        if holds(self._engine, self._subject, self._content_key, self._parts[-1]):
            self.relied.add(content_id)
            return
        self._frame(
            EntryBlock(self._subject, 0, (Entry(Role.PART, length=len(body), token=content_id),)), body, rows, room
        )
        self.written.add(content_id)

    def _frame(self, block: EntryBlock, body: Buffer, rows: Rows | None, room: memoryview) -> None:
        sealed, sealed_body = seal_large(self._engine.suite, block, body, rows, room)
        self.frames.append(Drafted(sealed, facts_of(block), self._engine.parts.append(sealed_body)))
