"""Gathering for a settling: the bytes of a live journal, checked as a whole, and what its catalogue lists in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import lmdb
from vaultfs_format.audit import ENTRY
from vaultfs_format.directory import FrameRow
from vaultfs_format.entries import EntryBlock
from vaultfs_format.frame import FrameClass, FrameHeader, check_body, open_body, open_entries
from vaultfs_format.group import GROUP, authentic_group, open_group_keys
from vaultfs_format.journal import HEADER_SIZE

from vaultfs.engine.engine import Engine, LiveJournal
from vaultfs.engine.files.mirrors import DAMAGE, Doubled, Mirror
from vaultfs.engine.indexing.facts import FrameFacts, facts_of
from vaultfs.engine.indexing.index import Index
from vaultfs.engine.opening.replay import live_groups
from vaultfs.engine.settling.catalogue import Catalogue, Listed
from vaultfs.engine.settling.segments import Placed
from vaultfs.errors import FormatError, IndexDamaged, MacMismatch, StorageFailed, VaultDamaged
from vaultfs.vfs import File


class Opened(NamedTuple):
    """A frame whose row has been parsed and whose entries and body have been opened."""

    header: FrameHeader
    block: EntryBlock
    body: bytes
    commits: list[int]

    def __repr__(self) -> str:
        return "<Opened>"


class Harvest:
    """One live journal, read whole and found to be as it was written.

    Attributes
    ----------
    audit
        Its audit entries.
    catalogue
        Its frames.
    """

    def __init__(self, engine: Engine, live: LiveJournal) -> None:
        self._engine = engine
        self.live = live
        journal = live.journal
        self._keys: dict[int, list[bytes]] = {}
        try:
            self.audit = self._read()
        except VaultDamaged:
            journal.mend()
            self.audit = self._read()
        self.catalogue = live.catalogue or _catalogue(engine, live)

    def _read(self) -> bytes:
        """Take in the journal; return its audit entries.

        Raises
        ------
        VaultDamaged
            The journal is not what it was when it was written, or opened.
        """
        try:
            self._data = memoryview(self.live.journal.file.read(0, self.live.journal.end))
        except StorageFailed:
            raise VaultDamaged from None
        return b"".join(self._checked())

    def _checked(self) -> Iterator[bytes]:
        """Check every group and take its keys; yield the audit entries."""
        journal, suite = self.live.journal, self._engine.suite
        at, number, chain = HEADER_SIZE, 0, journal.first_chain
        while at < len(self._data):
            number += 1
            try:
                sizes, chain = authentic_group(
                    suite, self._data, at, number, chain, journal.header.journal_id, journal.keys
                )
            except (FormatError, MacMismatch):
                raise VaultDamaged(group=number) from None
            keys_at = at + sizes.keys_offset
            entries_at = keys_at + sizes.keys
            if sizes.frames:
                salt = GROUP.unpack(self._data, at)[-1]
                sealed = self._data[keys_at:entries_at]
                self._keys[at] = open_group_keys(suite, journal.header.journal_id, journal.keys, number, salt, sealed)
            yield bytes(self._data[entries_at : entries_at + ENTRY.size * sizes.audit_entries])
            at += sizes.total
        if (number, chain) != (journal.last_group, journal.chain):
            raise VaultDamaged(group=number)

    def placed(self, frame: Listed) -> Placed:
        """Return a frame as it stands."""
        row = self._data[frame.row_offset : frame.row_offset + frame.row_length]
        body = self._data[frame.body_offset : frame.body_offset + frame.body_length]
        return Placed(row, body, self._keys[frame.group][frame.slot])

    def placed_in(self, part: Doubled, frame: Listed) -> Placed:
        """Return a frame whose body lies in a part file, which nothing but the frame itself vouches for.

        A body that is damaged there is written over from the mirror.

        Raises
        ------
        VaultDamaged
        """
        encoded = self._data[frame.row_offset : frame.row_offset + frame.row_length]
        row, _ = FrameRow.decode(encoded)
        key = self._keys[frame.group][frame.slot]

        def body_in(source: File | Mirror) -> bytes:
            body = source.read(frame.body_offset, frame.body_length)
            check_body(self._engine.suite, row.header, key, body)
            return body

        try:
            body = body_in(part.file)
        except DAMAGE:
            try:
                body = body_in(part.mirror)
            except DAMAGE:
                raise VaultDamaged from None
            part.file.append([body], frame.body_offset)
        return Placed(encoded, body, key)


def opened(engine: Engine, placed: Placed) -> Opened:
    """Open a frame."""
    row, _ = FrameRow.decode(placed.row)
    block = open_entries(engine.suite, row.header, placed.key, row.entries)
    body = open_body(engine.suite, row.header, placed.key, placed.body)
    return Opened(row.header, block, body, list(row.commits()))


def _catalogue(engine: Engine, live: LiveJournal) -> Catalogue:
    """Return the catalogue of a journal of which an earlier process has written some, made from its frames."""
    catalogue = Catalogue()
    parts: dict[bytes, Doubled] = {}
    try:
        with engine.index.reading() as txn:
            handles = _Handles(engine.index, txn, live.number)
            for group in live_groups(engine, live, parts):
                for frame in group.frames:
                    header, audit = frame.row.header, frame.row.header.frame_class is FrameClass.AUDIT
                    facts = FrameFacts(bytes(16)) if audit else facts_of(frame.entries())
                    handle = 0 if audit else handles.at(frame.row_offset)
                    where = (
                        frame.row_offset, frame.row.size, frame.body_offset, header.body_sealed, header.body_plain,
                        frame.group_offset, frame.slot,
                    )  # fmt: skip
                    catalogue.add(header.frame_class, facts, handle, frame.segment_id, where)
    finally:
        for part in parts.values():
            part.close()
    return catalogue


class _Handles:
    """The handles of the frames in a journal: among the last that were given out, and looked for from there."""

    def __init__(self, index: Index, txn: lmdb.Transaction, container: int) -> None:
        self._found: dict[int, int] = {}
        """By the offsets of their rows."""
        self._older = (
            (place.row_offset, handle) for handle, place in index.newest_places(txn) if place.container == container
        )

    def at(self, row_offset: int) -> int:
        """Return the handle of the frame whose row lies at an offset.

        Raises
        ------
        IndexDamaged
            The index lacks it.
        """
        while row_offset not in self._found:
            found = next(self._older, None)
            if found is None:
                raise IndexDamaged
            self._found.update([found])
        return self._found[row_offset]
