"""Reading frames: from an address to confirmed entries and bodies, with small caches of what is opened often.

A container is a file that the index numbers. Numbers are never reused, so a cached frame is never another one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from vaultfs_format import limits
from vaultfs_format.directory import FrameRow
from vaultfs_format.entries import EntryBlock
from vaultfs_format.frame import FrameHeader, open_body, open_body_in, open_entries
from vaultfs_format.head import SegmentRow
from vaultfs_format.keytable import DISPOSED, KeyTable
from vaultfs_format.layout import Buffer
from vaultfs_format.suite import DIGEST, Suite

from vaultfs.engine.files.buffers import Buffers
from vaultfs.engine.files.journal import JournalFile
from vaultfs.engine.files.mirrors import DAMAGE, Doubled, Mirror, first_good, open_part
from vaultfs.engine.files.pairs import read_pair
from vaultfs.engine.files.paths import Layout
from vaultfs.engine.files.sealed import SealedSegment, open_segment
from vaultfs.engine.indexing.index import Container, ContainerKind, Index, Place
from vaultfs.errors import Closed, FormatError, IndexDamaged, NotAuthentic, VaultDamaged, VaultError
from vaultfs.keys.chain import KeyChain
from vaultfs.metrics import Counter, Metrics
from vaultfs.vfs import File, Vfs

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")

ENTRY_CACHE = 512
BODY_CACHE = 32 * limits.MIB
KEY_CACHE = 256
KEY_BLOCKS = 1_024
"""Blocks of key tables that are kept open, of all tables together: some 20 MiB of keys, as Python holds them."""


class _Home(NamedTuple):
    """The file that something lies in, and what gives the same bytes where it is damaged."""

    file: File
    spare: SealedSegment | Mirror


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

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def clear(self) -> None:
        """Forget all values."""
        self._values.clear()
        self._weight = 0


@dataclass(frozen=True, slots=True, repr=False)
class LoadedFrame:
    """A frame whose entries have been opened."""

    handle: int
    place: Place
    header: FrameHeader
    block: EntryBlock
    commits: Sequence[int]
    key: bytes


Blocks = Lru[tuple[bytes, int], list[bytes]]
"""Opened blocks of key tables, by segment id and number."""


class TableReader:
    """The key table of a segment, its blocks opened as they are needed.

    Parameters
    ----------
    blocks
        Keeps those that were opened, of other tables too; without it the last one is kept.
    """

    def __init__(self, table: KeyTable, table_key: bytes, blocks: Blocks | None = None) -> None:
        self._table = table
        self._table_key = table_key
        self._blocks = Blocks(1) if blocks is None else blocks

    def key(self, slot: int) -> bytes:
        """Return the key of the frame in `slot`.

        Raises
        ------
        IndexDamaged
            There is no such frame, or it was disposed of.
        CommitmentMismatch, DecryptionFailed
        """
        number, position = divmod(slot, limits.KEY_BLOCK)
        if number >= len(self._table.blocks):
            raise IndexDamaged
        table = self._table
        block = self._blocks.get((table.segment_id, number), lambda: table.open_block(self._table_key, number))
        if position >= len(block) or block[position] == DISPOSED:
            raise IndexDamaged
        return block[position]

    def keys_of(self, frames: int) -> Iterator[bytes]:
        """Yield the keys of a segment that has so many frames, as `keys` does.

        Raises
        ------
        VaultDamaged
            The table has another number of keys.
        """
        if self._table.key_count != frames:
            raise VaultDamaged
        return self.keys()

    def keys(self) -> Iterator[bytes]:
        """Yield the keys of all frames, in the order of their slots: `DISPOSED` for those that were disposed of."""
        for number in range(len(self._table.blocks)):
            yield from self._table.open_block(self._table_key, number)


def load_table(vfs: Vfs, layout: Layout, row: SegmentRow) -> KeyTable:
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

    return read_pair(vfs, layout, layout.key_table(row), parse)


def read_table(vfs: Vfs, layout: Layout, chain: KeyChain, row: SegmentRow, blocks: Blocks | None = None) -> TableReader:
    """Return the key table of a segment, to be opened. Raises as `load_table` does."""
    table = load_table(vfs, layout, row)
    return TableReader(table, chain.table_key(table), blocks)


class FrameStore:
    """All frames of an open vault. Every method may be called from any thread.

    What reads raises `Closed` once the store has been closed.
    """

    def __init__(self, vfs: Vfs, layout: Layout, suite: Suite, chain: KeyChain, index: Index, metrics: Metrics) -> None:
        self._vfs = vfs
        self._layout = layout
        self._suite = suite
        self._chain = chain
        self._lock = threading.RLock()
        self._containers: dict[int, Container] = {}
        self._journals: dict[bytes, JournalFile] = {}
        self._segments: dict[bytes, SegmentRow] = {}
        self._parts: dict[bytes, Doubled] = {}
        """Part files."""
        self._sealed: dict[bytes, SealedSegment] = {}
        self.damaged: set[bytes] = set()
        """Files of which something was healed while it was read: segments wait for repair, others for settling."""
        self.buffers = Buffers()
        self._metrics = metrics
        self._entries: Lru[int, LoadedFrame] = Lru(ENTRY_CACHE)
        self._bodies: Lru[bytes, bytes] = Lru(BODY_CACHE, len)
        self._group_keys: Lru[tuple[int, int], list[bytes]] = Lru(KEY_CACHE)
        self._tables: Lru[bytes, TableReader] = Lru(KEY_CACHE)
        self._key_blocks = Blocks(KEY_BLOCKS)
        self._closed = False
        self.index = index

    # Containers.

    def add_journal(self, number: int, journal: JournalFile) -> None:
        """Make a journal readable."""
        with self._lock:
            journal_id = journal.header.journal_id
            self._containers[number] = Container(ContainerKind.JOURNAL, journal_id)
            self._journals[journal_id] = journal

    def renumber_journal(self, number: int, known: int) -> None:
        """Let a journal have the number that the index knows it by."""
        with self._lock:
            self._containers[known] = self._containers.pop(number)

    def add_segment(self, number: int, row: SegmentRow, container: Container | None = None) -> None:
        """Make a segment readable, or the part of it that `container` says. It is opened when it is first read."""
        with self._lock:
            self._containers[number] = container or Container(ContainerKind.SEGMENT, row.segment_id)
            self._segments[row.segment_id] = row

    def add_part(self, number: int, segment_id: bytes) -> None:
        """Make an open blob segment readable."""
        with self._lock:
            self._containers[number] = Container(ContainerKind.PART, segment_id)

    def numbers_of(self, kind: ContainerKind, file_id: bytes) -> dict[int, Container]:
        """Return the containers that lie in a file, by their numbers."""
        with self._lock:
            return {n: one for n, one in self._containers.items() if (one.kind, one.file_id) == (kind, file_id)}

    def renew(self, index: Index) -> None:
        """Go on with another index, which numbers frames and files anew: those that it has are to be added."""
        with self._lock:
            self._close_files()
            for known in (self._containers, self._journals, self._segments, self._group_keys, self._tables):
                known.clear()
            self._key_blocks.clear()
            self._entries.clear()
            self.index = index

    def update(
        self, containers: Mapping[int, Container], journals: Iterable[JournalFile], segments: Iterable[SegmentRow]
    ) -> None:
        """Go on with the same index, in which these are the containers now.

        Parameters
        ----------
        journals, segments
            The files of the containers.
        """
        with self._lock:
            if containers == self._containers:
                return
            self._containers = dict(containers)
            self._journals |= {journal.header.journal_id: journal for journal in journals}
            self._segments |= {row.segment_id: row for row in segments}
            self.drop(())

    def use(self, chain: KeyChain, segments: Iterable[SegmentRow]) -> None:
        """Go on with the keys of another epoch: what is remembered may be disposed of.

        Parameters
        ----------
        segments
            All that the head names: of some there are other key tables.
        """
        with self._lock:
            self._chain = chain
            self._segments = {row.segment_id: row for row in segments}
            self._tables.clear()
            self._key_blocks.clear()
            self._entries.clear()
            self._bodies.clear()

    def table_slot(self, frame: LoadedFrame) -> tuple[bytes, int]:
        """Return the id of the segment that a frame lies in, and where its key is in the table of it.

        Raises
        ------
        IndexDamaged
            It lies in no segment.
        """
        with self._lock:
            container = self._container(frame.place.container)
            if container.kind is not ContainerKind.SEGMENT:
                raise IndexDamaged
            return container.file_id, container.slots + frame.place.slot

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget containers whose frames have moved, and the files that are needed no more."""
        with self._lock:
            for number in numbers:
                self._containers.pop(number, None)
            named = {container.file_id for container in self._containers.values()}
            for file_id in self._parts.keys() - named:
                self._parts.pop(file_id).close()
            for file_id in self._sealed.keys() - named:
                self._sealed.pop(file_id).close()
            for known in (self._journals, self._segments):
                for file_id in [*known]:
                    if file_id not in named:
                        del known[file_id]
            self._entries.clear()

    def reopen(self, segment_id: bytes) -> None:
        """Open a segment anew when it is read next: another file has taken its place."""
        with self._lock:
            segment = self._sealed.pop(segment_id, None)
            if segment is not None:
                segment.close()

    def close(self) -> None:
        """Close every file but the journals, which nobody reads any more when this returns: they can be closed."""
        with self._lock:
            self._closed = True
            self._close_files()
            for known in (self._group_keys, self._tables, self._entries, self._bodies):
                known.clear()

    def _close_files(self) -> None:
        for part in self._parts.values():
            part.close()
        for segment in self._sealed.values():
            segment.close()
        self._parts.clear()
        self._sealed.clear()

    # Frames.

    def load(self, handle: int, *, keep: bool = True) -> LoadedFrame:
        """Return a frame with its entries opened.

        Parameters
        ----------
        keep
            False for parts of blobs, of which a long one would throw all other frames out of the cache.

        Raises
        ------
        IndexDamaged
            The index names a place where no such frame is.
        """
        with self._lock:
            known = handle in self._entries
            self._metrics.add(Counter.ENTRY_HITS if known else Counter.ENTRY_MISSES)
            return self._entries.get(handle, lambda: self._load(handle)) if keep else self._load(handle)

    def body(self, frame: LoadedFrame) -> bytes:
        """Return the body of a frame."""
        with self._lock:
            known = frame.header.frame_id in self._bodies
            self._metrics.add(Counter.BODY_HITS if known else Counter.BODY_MISSES)
            return self._bodies.get(frame.header.frame_id, lambda: self.read_body(frame))

    def read_body(self, frame: LoadedFrame) -> bytes:
        """Return the body of a frame, past the cache."""
        suite, header = self._suite, frame.header
        try:
            with self._lock:
                home, offset = self._body_home(frame)
                sealed = home.file.read(offset, header.body_sealed)
            return open_body(suite, header, frame.key, sealed)
        except DAMAGE as error:
            return self._opened_spare(frame, error, lambda sealed: open_body(suite, header, frame.key, sealed))

    def read_into(self, frame: LoadedFrame, room: memoryview) -> Buffer:
        """Return the body of a frame, past the cache: a view of `room` where it is stored as it is, else other bytes.

        Parameters
        ----------
        room
            At least as long as the body.
        """
        suite, header = self._suite, frame.header
        try:
            with self.buffers.room() as sealed:
                with self._lock:
                    home, offset = self._body_home(frame)
                    count = home.file.read_into(offset, sealed[: header.body_sealed])
                return open_body_in(suite, header, frame.key, sealed[:count], room)
        except DAMAGE as error:
            return self._opened_spare(frame, error, lambda sealed: open_body_in(suite, header, frame.key, sealed, room))

    def _body_home(self, frame: LoadedFrame) -> tuple[_Home, int]:
        """Return the file that holds a body, and where."""
        try:
            container = self._container(frame.place.body_container)
            return self._home(container), container.bodies + frame.place.body_offset
        except VaultDamaged:
            raise IndexDamaged from None

    def _opened_spare(self, frame: LoadedFrame, failure: VaultError, act: Callable[[bytes], T]) -> T:
        """Return what `act` makes of a body that is damaged in its file, but not in what stands in for that.

        Raises
        ------
        VaultDamaged
        """
        with self._lock:
            home, offset = self._body_home(frame)
            sealed = home.spare.read(offset, frame.header.body_sealed)
        try:
            opened = act(sealed)
        except DAMAGE:
            raise failure from None
        self._note_damage(frame.place.body_container)
        return opened

    def note_damaged(self, file_id: bytes) -> None:
        """Take note of a file that is damaged: a segment waits for repair from now on."""
        with self._lock:
            self.damaged.add(file_id)

    def _note_damage(self, number: int) -> None:
        with self._lock:
            self.damaged.add(self._container(number).file_id)
            self._metrics.add(Counter.HEALED_READS)

    def _load(self, handle: int) -> LoadedFrame:
        with self.index.reading() as txn:
            place = self.index.place(txn, handle)
        if place is None:
            raise IndexDamaged
        container = self._container(place.container)

        def loaded(source: File | SealedSegment | Mirror) -> LoadedFrame:
            row, _ = FrameRow.decode(source.read(container.rows + place.row_offset, place.row_length))
            key = self._key(place, container)
            block = open_entries(self._suite, row.header, key, row.entries)
            return LoadedFrame(handle, place, row.header, block, list(row.commits()), key)

        try:
            found, healed = self._read_from(self._home(container), loaded)
        except (FormatError, NotAuthentic, VaultDamaged):
            # Whether the index or the file is wrong is told by making the index from the files.
            raise IndexDamaged from None
        if healed:
            self._note_damage(place.container)
        return found

    def _read_from(self, home: _Home, act: Callable[[File | SealedSegment | Mirror], T]) -> tuple[T, bool]:
        """Return what `act` makes of a file, and whether it was damaged where it lies."""
        spare = home.spare
        if isinstance(spare, SealedSegment):
            # Commit numbers stand outside of what is sealed: in a segment its slices vouch for them.
            before = spare.healed
            return act(spare), spare.healed > before
        return first_good(home.file, spare, lambda source: (act(source), source is spare))

    def _key(self, place: Place, container: Container) -> bytes:
        journal = self._journals.get(container.file_id)
        if journal is not None:
            keys = self._group_keys.get((place.container, place.group), lambda: journal.group_keys(place.group))
            if place.slot >= len(keys):
                raise IndexDamaged
            return keys[place.slot]
        row = self._segments.get(container.file_id)
        if row is None:
            raise IndexDamaged
        table = self._tables.get(row.segment_id, lambda: self._read_table(row))
        return table.key(container.slots + place.slot)

    def _read_table(self, row: SegmentRow) -> TableReader:
        return read_table(self._vfs, self._layout, self._chain, row, self._key_blocks)

    def _container(self, number: int) -> Container:
        container = self._containers.get(number)
        if container is None:
            raise IndexDamaged
        return container

    def _home(self, container: Container) -> _Home:
        """Return the file that a container lies in."""
        if self._closed:
            raise Closed
        file_id = container.file_id
        journal = self._journals.get(file_id)
        if journal is not None:
            return _Home(journal.file, journal.mirror)
        if file_id in self._segments:
            segment = self._sealed.get(file_id)
            if segment is None:
                segment = self._sealed[file_id] = open_segment(self._vfs, self._layout, self._segments[file_id])
                if segment.missing:
                    self.damaged.add(file_id)
            return _Home(segment.file, segment)
        part = self._parts.get(file_id)
        if part is None:
            part = self._parts[file_id] = open_part(self._vfs, self._layout, file_id)
        return _Home(*part)
