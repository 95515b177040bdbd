"""The frames of segments: those that their directories name, or that their bytes give, and what is missing of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from vaultfs_format.errors import DecryptionFailed, Structure, VaultError
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.keytable import DISPOSED
from vaultfs_format.segment import SUPERBLOCK_SIZE, SegmentFooter

from vaultfs_tools.keyless.errors import FileMissing, FooterLost
from vaultfs_tools.rescuing.bodies import Bodies
from vaultfs_tools.rescuing.errors import FrameDisposed, KeyLost, StretchUnreadable
from vaultfs_tools.rescuing.frames import Frame, Harvest, Place, Proof, Row, loss
from vaultfs_tools.rescuing.keys import Keys
from vaultfs_tools.rescuing.pool import Pool
from vaultfs_tools.rescuing.reading import Library
from vaultfs_tools.rescuing.rows import ClosedRow, Gap, OpenRow, Walk
from vaultfs_tools.rescuing.segments import Segments, is_signed
from vaultfs_tools.rescuing.sources import Source
from vaultfs_tools.rescuing.tables import Table


class SegmentReader:
    """Takes the frames out of segments.

    Parameters
    ----------
    head
        The newest head that is authentic, if there is one: what it does not name, and is not newer, is in files that it
        names, and is not missed.
    """

    def __init__(
        self,
        keys: Keys,
        segments: Segments,
        bodies: Bodies,
        tables: Mapping[bytes, Table],
        head: Head | None,
        harvest: Harvest,
    ) -> None:
        self._keys = keys
        self._segments = segments
        self._bodies = bodies
        self._tables = tables
        self._head = head
        self._named = {row.segment_id: row for row in head.segments} if head else {}
        self._harvest = harvest
        self._missing: dict[bytes, list[Row]] = {}

    def read_all(self, library: Library) -> None:
        """Take the frames out of every segment that is there, and note those that are named and missing."""
        for segment_id in list(self._segments.homes):
            self._read(library, segment_id)
        for segment_id in self._place_strays(library):
            self._read(library, segment_id)
        for row in self._named.values():
            if row.segment_id not in self._segments.homes:
                self._missed("segment", row.segment_id, FileMissing(), **_stated(row), frames=row.frames)
        self._harvest.missing += chain.from_iterable(self._missing.values())

    def _read(self, library: Library, segment_id: bytes) -> None:
        """Take the frames out of a segment; what was missed of it before is forgotten."""
        self._missing.pop(segment_id, None)
        if segment_id in self._segments.footers:
            self._with_footer(segment_id, self._segments.footers[segment_id])
        elif segment_id not in self._segments.parts:
            self._without_footer(library, segment_id)

    def _place_strays(self, library: Library) -> list[bytes]:
        """Find out by their frames to which segments files belong that nothing else tells of; return the segments."""
        if not self._segments.strays:
            return []
        known = {frame_id: frame.key for frame_id, frame in self._harvest.frames.items()}
        taken = set(known.values())
        owners = {
            key: segment_id
            for segment_id, table in self._tables.items()
            for key in table.keys
            if key and key != DISPOSED
        }
        pool = Pool(self._keys.suite, [key for key in owners if key not in taken], known)
        placed: dict[bytes, None] = {}
        for source in list(self._segments.strays):
            rows, segment_ids = False, set()
            for found in self._scan(library, source, pool):
                rows = rows or not isinstance(found, Gap)
                if isinstance(found, OpenRow) and found.key in owners:
                    segment_ids.add(owners[found.key])
            for segment_id in segment_ids:
                self._segments.homes.setdefault(segment_id, []).append(source)
                self._bodies.forget(segment_id)
            placed |= dict.fromkeys(sorted(segment_ids))
            if segment_ids:
                self._segments.strays.remove(source)
            elif rows:
                lost = loss("segment", KeyLost(structure=Structure.SEGMENT), segment=None, found=0)
                self._harvest.missing.append(lost)
        return list(placed)

    def _with_footer(self, segment_id: bytes, footer: SegmentFooter) -> None:
        covered = self._bodies.covered(segment_id)
        if covered is None:
            return
        signed = is_signed(footer, self._keys)
        table = self._tables.get(segment_id, Table([]))
        pool = Pool(self._keys.suite, table.keys)
        start, keyless = footer.directory_offset, 0
        for found in Walk(covered.read, start, start + footer.directory_length, pool, SUPERBLOCK_SIZE):
            if isinstance(found, OpenRow):
                proof = Proof.SEGMENT_ROOT if signed and found.proved else Proof.SEGMENT_FRAME
                self._take(found, segment_id, proof)
            elif isinstance(found, Gap):
                error = StretchUnreadable(structure=Structure.DIRECTORY)
                self._missed("stretch", segment_id, error, **{"from": found.first, "to": found.end})
            elif isinstance(found.error, FrameDisposed):
                self._harvest.disposed += 1
            else:
                self._not_opened(found, segment_id)
                keyless += isinstance(found.error, KeyLost)
        if keyless:
            self._keys_missed(segment_id, table, footer.frames)

    def _without_footer(self, library: Library, segment_id: bytes) -> None:
        """Look for frames in all bytes of a segment of which nothing says where its directory lies."""
        table = self._tables.get(segment_id, Table([]))
        opened: set[bytes] = set()
        for source in self._segments.homes[segment_id]:
            for found in self._scan(library, source, Pool(self._keys.suite, table.keys)):
                if isinstance(found, OpenRow):
                    opened.add(found.header.frame_id)
                    self._take(found, segment_id, Proof.SEGMENT_FRAME)
                elif not isinstance(found, Gap) and not isinstance(found.error, FrameDisposed):
                    self._not_opened(found, segment_id)
        row = self._named.get(segment_id)
        disposed = table.keys.count(DISPOSED)
        self._harvest.disposed += disposed
        expected = (row.frames if row else len(table.keys)) - disposed
        if len(opened) < expected or not expected:
            error = FooterLost(structure=Structure.SEGMENT)
            self._missed("segment", segment_id, error, **_stated(row), frames=expected, found=len(opened))
        if len(opened) < expected:
            self._keys_missed(segment_id, table, expected)

    def _scan(self, library: Library, source: Source, pool: Pool) -> Iterator[OpenRow | ClosedRow | Gap]:
        file = library.file(source)

        def read(offset: int, length: int) -> tuple[bytes, bool]:
            return file(offset, length), False

        for start, end in file.extents():
            yield from Walk(read, start, end, pool)

    def _take(self, found: OpenRow, home: bytes, proof: Proof) -> None:
        offsets = dict.fromkeys(at for at in (found.body_offset, found.follows) if at >= 0)
        places = [Place(home, at) for at in offsets]
        self._harvest.add(Frame(found.header, found.key, found.block, proof, found.runs, places))

    # What is missing.

    def _not_opened(self, found: ClosedRow, segment_id: bytes) -> None:
        header = found.header
        if self._counts(segment_id):
            kind = header.frame_class.name.lower()
            facts = {"segment": segment_id, "offset": found.offset, "frame": header.frame_id, "class": kind}
            self._harvest.unopened(header, loss("frame", found.error, **facts, entries=header.entry_count))

    def _keys_missed(self, segment_id: bytes, table: Table, frames: int) -> None:
        if not table.keys:
            self._missed("key_table", segment_id, FileMissing(), frames=frames)
        for number, keys in table.damaged_blocks():
            damaged = DecryptionFailed(structure=Structure.KEY_TABLE)
            self._missed("key_block", segment_id, damaged, block=number, keys=keys)

    def _missed(self, what: str, segment_id: bytes, error: VaultError, **facts: object) -> None:
        if self._counts(segment_id):
            self._missing.setdefault(segment_id, []).append(loss(what, error, segment=segment_id, **facts))

    def _counts(self, segment_id: bytes) -> bool:
        """Return whether what a segment lacks is missed: not where it is litter, or was merged into another."""
        about = self._segments.heads.get(segment_id)
        older = self._head is not None and about is not None and about.generation < self._head.generation
        return segment_id in self._named or not older


def _stated(row: SegmentRow | None) -> dict[str, object]:
    """Return what the head says of a segment, beside the number of its frames."""
    return {"class": row.frame_class.name.lower(), "entries": row.entries} if row else {}
