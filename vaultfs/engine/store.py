"""Reading frames: from an address to confirmed entries and bodies, with small caches of what is opened often.

A container is a file that the index numbers. Numbers are never reused, so a cached frame is never another one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from vaultfs_format import limits
from vaultfs_format.directory import FrameRow
from vaultfs_format.entries import EntryBlock
from vaultfs_format.frame import FrameHeader, open_body, open_entries
from vaultfs_format.head import SegmentRow
from vaultfs_format.keytable import KeyTable
from vaultfs_format.suite import DIGEST, Suite

from vaultfs.engine.index import Address, ContainerKind, Index, Place
from vaultfs.engine.journal import JournalFile
from vaultfs.engine.pairs import open_named, read_pair
from vaultfs.engine.paths import Layout, part_path
from vaultfs.errors import FormatError, IndexDamaged, NotAuthentic, VaultDamaged
from vaultfs.keys.chain import KeyChain
from vaultfs.vfs import File, Vfs

K = TypeVar("K")
V = TypeVar("V")

ENTRY_CACHE = 512
BODY_CACHE = 32 * limits.MIB
KEY_CACHE = 256


class Lru(Generic[K, V]):
    """The values used last, up to a total weight."""

    def __init__(self, capacity: int, weigh: Callable[[V], int] = lambda _: 1) -> None:
        self._capacity = capacity
        self._weigh = weigh
        self._weight = 0
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of `key`, made if it is not there."""
        found = self._values.get(key)
        if found is not None:
            self._values.move_to_end(key)
            return found
        value = make()
        self._values[key] = value
        self._weight += self._weigh(value)
        while self._weight > self._capacity and len(self._values) > 1:
            _, old = self._values.popitem(last=False)
            self._weight -= self._weigh(old)
        return value

    def clear(self) -> None:
        """Forget all values."""
        self._values.clear()
        self._weight = 0


@dataclass(frozen=True, slots=True, repr=False)
class LoadedFrame:
    """A frame whose entries have been opened."""

    address: Address
    place: Place
    header: FrameHeader
    block: EntryBlock
    commits: Sequence[int]
    key: bytes


class TableReader:
    """The key table of a segment, its blocks opened as they are needed."""

    def __init__(self, table: KeyTable, table_key: bytes) -> None:
        self._table = table
        self._table_key = table_key
        self._blocks: dict[int, list[bytes]] = {}

    def key(self, slot: int) -> bytes:
        """Return the key of the frame in `slot`."""
        number, position = divmod(slot, limits.KEY_BLOCK)
        block = self._blocks.get(number)
        if block is None:
            if number >= len(self._table.blocks):
                raise IndexDamaged
            block = self._blocks[number] = self._table.open_block(self._table_key, number)
        if position >= len(block):
            raise IndexDamaged
        return block[position]


def read_table(vfs: Vfs, layout: Layout, chain: KeyChain, row: SegmentRow) -> TableReader:
    """Return the key table of a segment, checked against the head's digest.

    Raises
    ------
    VaultDamaged
    """

    def parse(data: bytes) -> KeyTable:
        table = KeyTable.decode(data)
        if data[-DIGEST:] != row.table_digest or table.segment_id != row.segment_id:
            raise VaultDamaged
        return table

    table = read_pair(vfs, layout, layout.key_table(row), parse)
    return TableReader(table, table.table_key(chain.epoch_root))


class FrameStore:
    """All frames of an open vault. Every method may be called from any thread."""

    def __init__(self, vfs: Vfs, layout: Layout, suite: Suite, chain: KeyChain, index: Index) -> None:
        self._vfs = vfs
        self._layout = layout
        self._suite = suite
        self._chain = chain
        self._lock = threading.RLock()
        self._files: dict[int, File] = {}
        self._journals: dict[int, JournalFile] = {}
        self._segments: dict[int, SegmentRow] = {}
        self._parts: dict[int, bytes] = {}
        self._entries: Lru[Address, LoadedFrame] = Lru(ENTRY_CACHE)
        self._bodies: Lru[bytes, bytes] = Lru(BODY_CACHE, len)
        self._group_keys: Lru[tuple[int, int], list[bytes]] = Lru(KEY_CACHE)
        self._tables: Lru[int, TableReader] = Lru(KEY_CACHE)
        self.index = index

    # Containers.

    def add_journal(self, number: int, journal: JournalFile) -> None:
        """Make a journal readable."""
        with self._lock:
            self._journals[number] = journal
            self._files[number] = journal.file

    def add_segment(self, number: int, row: SegmentRow) -> None:
        """Make a segment readable; its file is opened when it is first read."""
        with self._lock:
            self._segments[number] = row

    def add_part(self, number: int, segment_id: bytes) -> None:
        """Make an open blob segment readable."""
        with self._lock:
            self._parts[number] = segment_id

    def number_of(self, kind: ContainerKind, file_id: bytes) -> int | None:
        """Return the number of a container that is readable."""
        with self._lock:
            if kind is ContainerKind.JOURNAL:
                return next((n for n, j in self._journals.items() if j.header.journal_id == file_id), None)
            if kind is ContainerKind.SEGMENT:
                return next((n for n, r in self._segments.items() if r.segment_id == file_id), None)
            return next((n for n, i in self._parts.items() if i == file_id), None)

    def drop_journal(self, number: int) -> None:
        """Forget a journal's number, not the journal."""
        with self._lock:
            self._journals.pop(number, None)
            self._files.pop(number, None)

    def renew(
        self,
        index: Index,
        journals: Mapping[int, JournalFile],
        segments: Mapping[int, SegmentRow],
        parts: Mapping[int, bytes],
    ) -> None:
        """Go on with another index, which numbers the files as the arguments say."""
        with self._lock:
            self.close()
            self._journals = dict(journals)
            self._files = {number: journal.file for number, journal in journals.items()}
            self._segments = dict(segments)
            self._parts = dict(parts)
            for cache in (self._entries, self._bodies, self._group_keys, self._tables):
                cache.clear()
            self.index = index

    def update(
        self, journals: Mapping[int, JournalFile], segments: Mapping[int, SegmentRow], parts: Mapping[int, bytes]
    ) -> None:
        """Go on with the same index, which has these files now."""
        with self._lock:
            known = self._journals.keys() | self._segments.keys() | self._parts.keys()
            self.drop(known - journals.keys() - segments.keys() - parts.keys())
            for number in journals.keys() - self._journals.keys():
                self.add_journal(number, journals[number])
            self._segments |= segments
            self._parts |= parts

    def use(self, chain: KeyChain) -> None:
        """Go on with other keys: an epoch has begun."""
        with self._lock:
            self._chain = chain
            self._tables.clear()

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget containers that have been settled."""
        with self._lock:
            for number in numbers:
                journal = self._journals.pop(number, None)
                self._segments.pop(number, None)
                self._parts.pop(number, None)
                file = self._files.pop(number, None)
                if file is not None and journal is None:
                    file.close()

    def close(self) -> None:
        """Close every file but the journals, which belong to the committer."""
        with self._lock:
            for number, file in self._files.items():
                if number not in self._journals:
                    file.close()
            self._files.clear()

    # Frames.

    def load(self, address: Address) -> LoadedFrame:
        """Return a frame with its entries opened.

        Raises
        ------
        IndexDamaged
            The index names a place where no such frame is.
        """
        with self._lock:
            return self._entries.get(address, lambda: self._load(address))

    def body(self, frame: LoadedFrame) -> bytes:
        """Return the body of a frame."""
        with self._lock:
            return self._bodies.get(frame.header.frame_id, lambda: self.read_body(frame))

    def read_body(self, frame: LoadedFrame) -> bytes:
        """Return the body of a frame, past the cache."""
        place = frame.place
        with self._lock:
            try:
                file = self._file(place.body_container)
            except VaultDamaged:
                raise IndexDamaged from None
            sealed = file.read(place.body_offset, frame.header.body_sealed)
        return open_body(self._suite, frame.header, frame.key, sealed)

    def _load(self, address: Address) -> LoadedFrame:
        with self.index.reading() as txn:
            place = self.index.place(txn, address)
        if place is None:
            raise IndexDamaged
        try:
            data = self._file(address.container).read(place.row_offset, place.row_length)
            row, _ = FrameRow.decode(data)
            key = self._key(address, place)
            block = open_entries(self._suite, row.header, key, row.entries)
        except (FormatError, NotAuthentic, VaultDamaged):
            # Whether the index or the file is wrong is told by making the index from the files.
            raise IndexDamaged from None
        return LoadedFrame(address, place, row.header, block, list(row.commits()), key)

    def _key(self, address: Address, place: Place) -> bytes:
        journal = self._journals.get(address.container)
        if journal is not None:
            keys = self._group_keys.get((address.container, place.group), lambda: journal.group_keys(place.group))
            if place.slot >= len(keys):
                raise IndexDamaged
            return keys[place.slot]
        row = self._segments.get(address.container)
        if row is None:
            raise IndexDamaged
        table = self._tables.get(address.container, lambda: read_table(self._vfs, self._layout, self._chain, row))
        return table.key(place.slot)

    def _file(self, number: int) -> File:
        file = self._files.get(number)
        if file is None:
            if number in self._segments:
                path = self._layout.segment(self._segments[number])
            elif number in self._parts:
                path = part_path(self._layout, self._parts[number])
            else:
                raise IndexDamaged
            file = self._files[number] = open_named(self._vfs, path)
        return file
