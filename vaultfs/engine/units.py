"""Building frames: records of one shred unit are gathered until they fill a frame, then sealed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta

from vaultfs_format import limits
from vaultfs_format.entries import NO_OFFSET, Entry, EntryBlock, Role
from vaultfs_format.frame import FrameClass, SealedFrame, seal_blob, seal_frame
from vaultfs_format.layout import Buffer
from vaultfs_format.pixels import Rows
from vaultfs_format.suite import KEY, Suite

from vaultfs.engine.parts import Landed
from vaultfs.errors import ArgumentInvalid
from vaultfs.model import ClinicalDate, Precision

_EPOCH = datetime(1970, 1, 1)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, repr=False)
class Drafted:
    """A sealed frame on its way into a group, and where its body lies if not in the group."""

    sealed: SealedFrame
    block: EntryBlock
    landed: Landed | None = None


def date_fields(date: ClinicalDate | None) -> tuple[int, int, int]:
    """Return precision, offset and milliseconds as an entry keeps them."""
    if date is None:
        return 0, NO_OFFSET, 0
    offset = NO_OFFSET if date.offset_minutes is None else date.offset_minutes
    return date.precision, offset, (date.when - _EPOCH) // _MILLISECOND


def date_of(entry: Entry) -> ClinicalDate | None:
    """Return the date of an entry."""
    if not entry.precision:
        return None
    offset = None if entry.offset_minutes == NO_OFFSET else entry.offset_minutes
    try:
        return ClinicalDate(_EPOCH + entry.date * _MILLISECOND, Precision(entry.precision), offset)
    except OverflowError:
        raise ArgumentInvalid from None


def seal(suite: Suite, frame_class: FrameClass, block: EntryBlock, body: bytes) -> SealedFrame:
    """Seal a frame under a fresh key from the operating system."""
    secret = os.urandom(16 + KEY)
    return seal_frame(suite, frame_class, block, body, frame_id=secret[:16], key=secret[16:])


def seal_large(
    suite: Suite, block: EntryBlock, body: Buffer, rows: Rows | None, room: memoryview
) -> tuple[SealedFrame, memoryview]:
    """Seal a frame of class blob under a fresh key; its sealed body is a view of `room`."""
    secret = os.urandom(16 + KEY)
    return seal_blob(suite, block, body, room, frame_id=secret[:16], key=secret[16:], rows=rows)


class Unit:
    """The records of one shred unit that a transaction, or a settling, is gathering."""

    __slots__ = ("_chunks", "_entries", "_frame_class", "_size", "_suite", "frames", "subject")

    def __init__(self, suite: Suite, frame_class: FrameClass, subject: bytes) -> None:
        self._suite = suite
        self._frame_class = frame_class
        self.subject = subject
        self.frames: list[Drafted] = []
        self._entries: list[Entry] = []
        self._chunks: list[bytes] = []
        self._size = 0

    def room(self, length: int) -> int:
        """Close the current frame if `length` more bytes do not fit; return the offset where they will lie."""
        full = self._size + length > limits.FRAME_TARGET or len(self._entries) >= limits.MAX_ENTRIES
        if full and self._entries:
            self.flush()
        return self._size

    def add(self, entry: Entry, *chunks: bytes) -> None:
        """Take in an entry, made for the offset that `room` returned, and its bytes."""
        self._entries.append(entry)
        for chunk in chunks:
            if chunk:
                self._chunks.append(chunk)
                self._size += len(chunk)

    def flush(self) -> None:
        """Seal what has been gathered."""
        if not self._entries:
            return
        block = EntryBlock(self.subject, 0, tuple(self._entries))
        sealed = seal(self._suite, self._frame_class, block, b"".join(self._chunks))
        self.frames.append(Drafted(sealed, block))
        self._entries, self._chunks, self._size = [], [], 0


def role_entry(
    role: Role, token: bytes, offset: int, length: int, date: ClinicalDate | None = None, flags: int = 0
) -> Entry:
    """Return an entry that is not of a record."""
    precision, offset_minutes, milliseconds = date_fields(date)
    return Entry(
        role,
        flags=flags,
        precision=precision,
        offset_minutes=offset_minutes,
        date=milliseconds,
        offset=offset,
        length=length,
        token=token,
    )
