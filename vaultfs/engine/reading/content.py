"""The stored bytes of a record: of small ones in its frame's body, of large ones in parts that are found by content id.

Several records of a shred unit may have a part in common, and the same part may have been written more than once: any
copy that opens will do.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate

from vaultfs_format.compression import Codec
from vaultfs_format.entries import Entry, PartRow, Role
from vaultfs_format.layout import Buffer

from vaultfs.engine.engine import View
from vaultfs.engine.reading.store import LoadedFrame
from vaultfs.errors import FormatError, IndexDamaged, NotAuthentic, VaultDamaged


def _copies(engine: View, subject: bytes, part: PartRow) -> Iterator[LoadedFrame]:
    """Yield the frames that hold a part, confirmed against their sealed entries.

    Raises
    ------
    IndexDamaged
        The index knows none, or says of a frame what it is not.
    """
    with engine.index.reading() as txn:
        handles = engine.index.copies_of(txn, part.content_id)
    wrong = not handles
    for handle in handles:
        try:
            frame = engine.store.load(handle, keep=False)
        except IndexDamaged:
            wrong = True
            continue
        found = frame.block.entries[0]
        if (frame.block.subject, found.role, found.token, found.length) == (subject, Role.PART, *part):
            yield frame
        else:
            wrong = True
    if wrong:
        raise IndexDamaged


def holds(engine: View, subject: bytes, content_key: bytes, part: PartRow) -> bool:
    """Return whether a shred unit has a part, whole and readable: it is read to be sure of it."""
    with engine.store.buffers.room() as room, suppress(IndexDamaged):
        for frame in _copies(engine, subject, part):
            with suppress(FormatError, NotAuthentic, VaultDamaged):
                body = engine.store.read_into(frame, room)
                if engine.chain.content_id(content_key, body) == part.content_id:
                    return True
    return False


class Content:
    """The stored bytes of one version, joined: before, data, after. The part that was read last is kept.

    Parameters
    ----------
    frame, entry
        The version's last frame, and its entry there.
    """

    def __init__(self, engine: View, frame: LoadedFrame, entry: Entry) -> None:
        self._engine = engine
        self._frame = frame
        self._entry = entry
        self._parts = frame.block.parts
        self._starts = list(accumulate((part.length for part in self._parts), initial=0))
        self._kept = -1
        self._body: Buffer = b""
        self._room: memoryview | None = None

    def read(self, start: int, stop: int) -> bytes:
        """Return a range of the stored bytes, which must be there."""
        if not self._parts:
            offset = self._entry.offset
            return self._engine.store.body(self._frame)[offset + start : offset + stop]
        if start == stop:
            return b""
        whole = io.BytesIO()
        whole.seek(stop - start - 1)
        whole.write(b"\0")
        with whole.getbuffer() as view:
            self.read_into(start, view)
        return whole.getvalue()  # no copy: the bytes themselves

    def read_into(self, start: int, view: memoryview) -> None:
        """Fill `view` with the stored bytes from `start` on, which must be there."""
        if not self._parts:
            view[:] = self.read(start, start + len(view))
            return
        while view:
            number = bisect_right(self._starts, start) - 1
            skipped, length = start - self._starts[number], self._length(number)
            if not skipped and length <= len(view) and number != self._kept:
                taken = self._open(number, view[:length])
            else:
                taken = memoryview(self._part(number))[skipped : skipped + len(view)]
                view[: len(taken)] = taken
            view, start = view[len(taken) :], start + len(taken)

    def _length(self, number: int) -> int:
        return self._parts[number].length if number < len(self._parts) else self._frame.header.body_plain

    def _part(self, number: int) -> Buffer:
        """Return the body of a part, kept for the next range of it."""
        if number != self._kept:
            if self._room is None:
                self._room = memoryview(bytearray(max(map(self._length, range(len(self._starts))))))
            self._kept = -1
            self._body = self._open(number, self._room[: self._length(number)])
            self._kept = number
        return self._body

    def _open(self, number: int, room: memoryview) -> memoryview:
        """Return `room`, of the part's length, filled with the body of that part out of a copy that opens."""
        if number == len(self._parts):
            return self._fill(self._frame, room)
        failure: Exception = IndexDamaged()
        for frame in _copies(self._engine, self._frame.block.subject, self._parts[number]):
            try:
                return self._fill(frame, room)
            except (FormatError, NotAuthentic, VaultDamaged) as error:
                failure = error
        raise failure

    def _fill(self, frame: LoadedFrame, room: memoryview) -> memoryview:
        body = self._engine.store.read_into(frame, room)
        if frame.header.body_codec is not Codec.STORED:
            room[:] = body
        return room
