"""Segments: which files hold which, their footers, and the frames that their directories, or their bytes, give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vaultfs_format.errors import DecryptionFailed, Structure, VaultError
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.healing import find_footer
from vaultfs_format.segment import SUPERBLOCK, SUPERBLOCK_SIZE, SegmentFooter, SegmentHead

from vaultfs_tools.keyless.findings import FileMissing, FooterLost
from vaultfs_tools.rescuing.bodies import Bodies
from vaultfs_tools.rescuing.errors import KeyLost, StretchUnreadable
from vaultfs_tools.rescuing.frames import RECORDS, Frame, Harvest, Place, Proof, loss
from vaultfs_tools.rescuing.keys import Keys
from vaultfs_tools.rescuing.rows import Gap, Opened, Pool, Unopened, Walk
from vaultfs_tools.rescuing.sources import Library, Source
from vaultfs_tools.rescuing.tables import Table

_ID_AT = SUPERBLOCK.offset_of("segment_id")
_VAULT_AT = SUPERBLOCK.offset_of("vault_id")
_NO_ID = b""


@dataclass(slots=True, repr=False)
class Segments:
    """The files of all segments and open blob segments.

    Attributes
    ----------
    homes
        Files by the id that they state, be it in a footer, in the superblock or in their name.
    heads
        What good superblocks and footers state, by id.
    parts
        Ids of open blob segments.
    strays
        Files of which nothing says what they are.
    """

    homes: dict[bytes, list[Source]] = field(default_factory=dict)
    heads: dict[bytes, SegmentHead] = field(default_factory=dict)
    footers: dict[bytes, SegmentFooter] = field(default_factory=dict)
    parts: set[bytes] = field(default_factory=set)
    strays: list[Source] = field(default_factory=list)


def identify(library: Library, sources: Sequence[Source], keys: Keys) -> Segments:
    """Return what the files are; those of other vaults are left out."""
    found = Segments()
    for source in sources:
        read = library.reader(source)
        footer = _footer(library, source)
        about = footer.head if footer else _superblock(read(0, SUPERBLOCK_SIZE))
        if about is not None and about.vault_id != keys.vault_id:
            continue
        segment_id = about.segment_id if about else _damaged_id(read(0, SUPERBLOCK.size), source, keys)
        if not segment_id:
            found.strays.append(source)
            continue
        found.homes.setdefault(segment_id, []).append(source)
        if footer is not None:
            found.footers.setdefault(segment_id, footer)
        if about is not None:
            found.heads.setdefault(segment_id, about)
            if about.covered == 0:
                found.parts.add(segment_id)
    found.parts -= found.footers.keys()
    return found


def _footer(library: Library, source: Source) -> SegmentFooter | None:
    try:
        return find_footer(library.reader(source), source.size)
    except VaultError:  # of a newer kind: what this program knows of is looked for all the same
        return None


def _superblock(data: bytes) -> SegmentHead | None:
    try:
        return SegmentHead.decode(data)
    except VaultError:
        return None


def _damaged_id(data: bytes, source: Source, keys: Keys) -> bytes:
    """Return the id that a damaged superblock of this vault states, or the name of the file."""
    if data[_VAULT_AT : _VAULT_AT + 16] == keys.vault_id:
        return data[_ID_AT : _ID_AT + 16]
    return source.stated_id


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

    def read_all(self, library: Library) -> None:
        """Take the frames out of every segment that is there, and note those that are named and missing."""
        self._place_strays(library)
        for segment_id in self._segments.homes:
            if segment_id in self._segments.footers:
                self._with_footer(segment_id, self._segments.footers[segment_id])
            elif segment_id not in self._segments.parts:
                self._without_footer(library, segment_id)
        for row in self._named.values():
            if row.segment_id not in self._segments.homes:
                self._missed("segment", row.segment_id, FileMissing(), **_stated(row), frames=row.frames)

    def _place_strays(self, library: Library) -> None:
        """Find out by which table the frames of a file open of which nothing else says what it is."""
        owners = {key: segment_id for segment_id, table in self._tables.items() for key in table.keys if key}
        pool = Pool(self._keys.suite, list(owners))
        for source in list(self._segments.strays):
            found = [one for one in self._scan(library, source, pool) if not isinstance(one, Gap)]
            segment_ids = {owners[one.key] for one in found if isinstance(one, Opened)}
            for segment_id in segment_ids:
                self._segments.homes.setdefault(segment_id, []).append(source)
            if segment_ids:
                self._segments.strays.remove(source)
            elif found:
                lost = loss("segment", KeyLost(structure=Structure.SEGMENT), segment=None, found=0)
                self._harvest.missing.append(lost)

    def _with_footer(self, segment_id: bytes, footer: SegmentFooter) -> None:
        if footer.head.frame_class not in RECORDS:
            return
        covered = self._bodies.covered(segment_id)
        if covered is None:
            return
        signed = self._signed(footer)
        table = self._tables.get(segment_id, Table([]))
        pool = Pool(self._keys.suite, table.keys)
        start, keyless = footer.directory_offset, 0
        for found in Walk(covered.read, start, start + footer.directory_length, pool, SUPERBLOCK_SIZE):
            if isinstance(found, Opened):
                proof = Proof.SEGMENT_ROOT if signed and found.proved else Proof.SEGMENT_FRAME
                self._take(found, segment_id, proof)
            elif isinstance(found, Gap):
                error = StretchUnreadable(structure=Structure.DIRECTORY)
                self._missed("stretch", segment_id, error, **{"from": found.first, "to": found.end})
            else:
                self._not_opened(found, segment_id)
                keyless += isinstance(found.error, KeyLost)
        if keyless:
            self._keys_missed(segment_id, table, footer.frames)

    def _signed(self, footer: SegmentFooter) -> bool:
        signer = self._keys.signers.get(footer.signer)
        if signer is None:
            return False
        try:
            footer.verify(signer)
        except VaultError:
            return False
        return True

    def _without_footer(self, library: Library, segment_id: bytes) -> None:
        """Look for frames in all bytes of a segment of which nothing says where its directory lies."""
        about = self._segments.heads.get(segment_id)
        if about is not None and about.frame_class not in RECORDS:
            return
        table = self._tables.get(segment_id, Table([]))
        opened: set[bytes] = set()
        for source in self._segments.homes[segment_id]:
            for found in self._scan(library, source, Pool(self._keys.suite, table.keys)):
                if isinstance(found, Opened):
                    opened.add(found.header.frame_id)
                    self._take(found, segment_id, Proof.SEGMENT_FRAME)
                elif not isinstance(found, Gap):
                    self._not_opened(found, segment_id)
        row = self._named.get(segment_id)
        expected = row.frames if row else len(table.keys)
        if len(opened) < expected or not expected:
            error = FooterLost(structure=Structure.SEGMENT)
            self._missed("segment", segment_id, error, **_stated(row), frames=expected, found=len(opened))
        if len(opened) < expected:
            self._keys_missed(segment_id, table, expected)

    def _scan(self, library: Library, source: Source, pool: Pool) -> Iterator[Opened | Unopened | Gap]:
        def read(offset: int, length: int) -> tuple[bytes, bool]:
            return library.read(source, offset, length), False

        yield from Walk(read, 0, source.size, pool)

    def _take(self, found: Opened, home: bytes, proof: Proof) -> None:
        offsets = dict.fromkeys(at for at in (found.body_offset, found.follows) if at >= 0)
        places = [Place(home, at) for at in offsets]
        self._harvest.add(Frame(found.header, found.key, found.block, proof, found.runs, places))

    # What is missing.

    def _not_opened(self, found: Unopened, segment_id: bytes) -> None:
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
            self._harvest.missing.append(loss(what, error, segment=segment_id, **facts))

    def _counts(self, segment_id: bytes) -> bool:
        """Return whether what a segment lacks is missed: not where it is litter, or was merged into another."""
        about = self._segments.heads.get(segment_id)
        older = self._head is not None and about is not None and about.generation < self._head.generation
        return segment_id in self._named or not older


def _stated(row: SegmentRow | None) -> dict[str, object]:
    """Return what the head says of a segment, beside the number of its frames."""
    return {"class": row.frame_class.name.lower(), "entries": row.entries} if row else {}
