"""Reading the files as they are, without the index: every frame of the live journals and segments, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from vaultfs_format.directory import HERE, FrameRow
from vaultfs_format.entries import EntryBlock
from vaultfs_format.frame import open_body, open_entries
from vaultfs_format.group import Group
from vaultfs_format.head import SegmentRow
from vaultfs_format.keytable import DISPOSED
from vaultfs_format.suite import Suite

from vaultfs.engine.engine import LiveJournal, View
from vaultfs.engine.files.mirrors import Doubled, Mirror, first_good, open_part
from vaultfs.engine.files.sealed import SealedSegment, open_segment
from vaultfs.engine.indexing.index import Place
from vaultfs.engine.reading.store import read_table
from vaultfs.errors import VaultDamaged
from vaultfs.vfs import File


class FoundFrame(NamedTuple):
    """A frame in a file: its row, its key, and where its body lies."""

    suite: Suite
    row: FrameRow
    key: bytes
    row_offset: int
    body_file: File
    spare: SealedSegment | Mirror
    body_offset: int
    segment_id: bytes
    group_offset: int
    slot: int

    def entries(self) -> EntryBlock:
        """Return the opened entries."""
        return open_entries(self.suite, self.row.header, self.key, self.row.entries)

    def stored_body(self) -> bytes:
        """Return the opened body as it lies in its file."""
        return self._opened(self.body_file)

    def body(self) -> bytes:
        """Return the opened body, where it is damaged from what gives it back."""
        return first_good(self.body_file, self.spare, self._opened)

    def _opened(self, source: File | SealedSegment | Mirror) -> bytes:
        header = self.row.header
        sealed = source.read(self.body_offset, header.body_sealed)
        if len(sealed) != header.body_sealed:
            raise VaultDamaged
        return open_body(self.suite, header, self.key, sealed)

    def place(self, container: int, body_container: int) -> Place:
        """Return the place for the index."""
        return Place(
            container,
            self.row_offset,
            self.row.size,
            body_container,
            self.body_offset,
            self.group_offset,
            self.slot,
        )

    def __repr__(self) -> str:
        return "<FoundFrame>"


@dataclass(frozen=True, slots=True)
class FoundGroup:
    """A group of a live journal, where in it the group begins, and its frames."""

    offset: int
    group: Group
    frames: list[FoundFrame]

    @property
    def audit_offset(self) -> int:
        """Where in the journal its audit entries begin."""
        return self.offset + self.group.audit_offset


def live_groups(engine: View, live: LiveJournal, parts: dict[bytes, Doubled]) -> Iterator[FoundGroup]:
    """Yield the good groups of a live journal from its first on, up to what counts of it.

    Parameters
    ----------
    parts
        Open part files by id; files that are needed and not in it are opened and added. The caller closes them.
    """
    journal = live.journal
    again = journal.again()
    for scanned in again.scan(journal.last_group):
        keys = scanned.group.open_keys(engine.suite, journal.header.journal_id, journal.keys)
        frames = []
        row_offset = scanned.offset + scanned.group.directory_offset
        for slot, row in enumerate(scanned.group.rows):
            segment_id, home, offset = b"", (journal.file, journal.mirror), scanned.offset + row.body_offset
            if row.home != HERE:
                segment_id = scanned.group.parts[row.home - 1].segment_id
                if segment_id not in parts:
                    parts[segment_id] = open_part(engine.vfs, engine.layout, segment_id)
                home, offset = parts[segment_id], row.body_offset
            frames.append(
                FoundFrame(engine.suite, row, keys[slot], row_offset, *home, offset, segment_id, scanned.offset, slot)
            )
            row_offset += row.size
        yield FoundGroup(scanned.offset, scanned.group, frames)
    if again.last_group != journal.last_group or again.chain != journal.chain:
        raise again.damaged()


def live_frames(engine: View) -> Iterator[FoundFrame]:
    """Yield every frame of the live journals, in commit order."""
    parts: dict[bytes, Doubled] = {}
    try:
        for live in engine.live:
            for found in live_groups(engine, live, parts):
                yield from found.frames
    finally:
        for part in parts.values():
            part.close()


def segment_frames(engine: View, row: SegmentRow) -> Iterator[FoundFrame]:
    """Yield every frame of a segment that was not disposed of, in directory order.

    Raises
    ------
    VaultDamaged
        The file is not the one that the head names.
    """
    table = read_table(engine.vfs, engine.layout, engine.chain, row)
    segment = open_segment(engine.vfs, engine.layout, row)
    try:
        footer = segment.footer
        data = segment.read(footer.directory_offset, footer.directory_length)
        at = 0
        for ordinal, key in enumerate(table.keys_of(footer.frames)):
            frame, end = FrameRow.decode(data, at)
            if key != DISPOSED:
                yield FoundFrame(
                    engine.suite,
                    frame,
                    key,
                    footer.directory_offset + at,
                    segment.file,
                    segment,
                    frame.body_offset,
                    b"",
                    0,
                    ordinal,
                )
            at = end
    finally:
        segment.close()
