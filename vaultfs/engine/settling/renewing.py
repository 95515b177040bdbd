"""Sealing segments anew: each frame under a key of its own that was never used, at the same place in a new segment.

Lengths stay, so the index learns of it by one row, as of a merging. What was disposed of stays as it is, without a key.
A new key follows from the old one and a secret that nobody knows who had the old one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

from vaultfs_format.directory import HERE, FrameRow, body_span, encode_row, split_rows
from vaultfs_format.frame import FrameClass, renewed_key, seal_again
from vaultfs_format.head import SegmentRow
from vaultfs_format.keytable import DISPOSED
from vaultfs_format.suite import same

from vaultfs.engine.engine import Engine
from vaultfs.engine.files.sealed import SealedSegment
from vaultfs.engine.reading.store import read_table
from vaultfs.engine.settling.compaction import UNREADABLE, Merged, open_signed
from vaultfs.engine.settling.segments import Placed, Written, seal_part, take_back, write_segment
from vaultfs.errors import VaultDamaged


class _Unreadable(Exception):
    """The segment that is read is damaged, not the one that is written."""


def renewed(engine: Engine, row: SegmentRow) -> Merged | None:
    """Write a segment anew; None if it cannot be read whole: it is noted as damaged.

    Raises
    ------
    StorageFull, StorageFailed, VaultDamaged
        The new one could not be written, or is not what was written.
    """
    write = _write_part if row.frame_class is FrameClass.BLOB else _write
    try:
        with closing(_opened(engine, row)) as source:
            made = write(engine, source)
    except _Unreadable:
        engine.store.note_damaged(row.segment_id)
        return None
    return Merged(made.row, [row], [(0, 0, 0)])


class _Source:
    """A segment that is read: its directory, and the keys of its frames."""

    def __init__(self, engine: Engine, row: SegmentRow, segment: SealedSegment) -> None:
        self.row = row
        self.years = row.first_year, row.last_year
        self._suite = engine.suite
        self._secret = engine.renewal.secrets[-1]
        self._segment = segment
        self.footer = segment.footer
        self._rows = list(
            split_rows(segment.read(self.footer.directory_offset, self.footer.directory_length), row.frames)
        )
        self._keys = list(read_table(engine.vfs, engine.layout, engine.chain, row).keys_of(row.frames))

    def __repr__(self) -> str:
        return "<_Source>"

    def audit(self) -> bytes:
        """Return the clear audit entries."""
        with _reading():
            return self._segment.read(self.footer.audit_offset, self.footer.audit_length)

    def frames(self) -> Iterator[Placed]:
        """Yield the frames, each under a new key; one that was disposed of as it is."""
        for encoded, key in zip(self._rows, self._keys, strict=True):
            with _reading():
                placed = self._sealed(encoded, key)
            yield placed

    def _sealed(self, encoded: bytes, key: bytes) -> Placed:
        at, length = body_span(encoded)
        body = self._segment.read(at, length)
        if same(key, DISPOSED):
            return Placed(encoded, body, key)
        row, _ = FrameRow.decode(encoded)
        new_key = renewed_key(self._suite, self._secret, key)
        made = seal_again(self._suite, row.header, key, row.entries, body, new_key=new_key)
        back = seal_again(self._suite, made.header, made.key, made.entries, made.body, new_key=key)
        if (back.entries, back.body) != (row.entries, body):
            raise VaultDamaged
        return Placed(encode_row(made.encoded, made.entries, at, HERE, row.runs), made.body, made.key)

    def close(self) -> None:
        """Close the segment."""
        self._segment.close()


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except UNREADABLE:
        raise _Unreadable from None


def _opened(engine: Engine, row: SegmentRow) -> _Source:
    with _reading():
        segment = open_signed(engine, row)
        try:
            return _Source(engine, row, segment)
        except BaseException:
            segment.close()
            raise


def _write(engine: Engine, source: _Source) -> Written:
    """Write a segment that fits into memory."""
    row, first = source.row, source.footer.first_leaf
    return write_segment(engine, row.frame_class, source.years, list(source.frames()), source.audit(), first)


def _write_part(engine: Engine, source: _Source) -> Written:
    """Write a segment of blobs by way of a part file, one body after the other."""
    segment_id = os.urandom(16)
    path = engine.layout.part(segment_id)
    file = engine.vfs.create(path)
    try:
        frames, offsets = [], []
        for frame in source.frames():
            offsets.append(body_span(frame.row)[0])
            file.append([frame.body], offsets[-1])
            frames.append(Placed(frame.row, b"", frame.key))
        return seal_part(engine, segment_id, source.footer.directory_offset, source.years, frames, offsets)
    except BaseException:
        engine.vfs.unlink(path)
        take_back(engine, engine.layout.range(FrameClass.BLOB, *source.years) / f"{segment_id.hex()}.tmp")
        raise
    finally:
        file.close()
