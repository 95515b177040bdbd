"""The index: an LMDB environment that says where to look. A hint, rebuilt from the files at any time.

It holds random surrogates, keyed tokens, numbers and years; never a key, patient data or an exact date. Every hit is
confirmed against sealed entries by whoever uses it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import lmdb
from vaultfs_format.entries import Role

from vaultfs import vfs
from vaultfs.engine.indexing import environments
from vaultfs.engine.indexing.environments import Mode
from vaultfs.engine.indexing.facts import Holding
from vaultfs.errors import IndexDamaged, StorageFailed, StorageFull, StorageReadOnly, VaultError

SCHEMA = 5

_SYSTEM = (lmdb.LockError, lmdb.MemoryError, lmdb.ReadersFullError, lmdb.TlsFullError)
"""Errors that tell of the process and its surroundings, and nothing of the pages."""


class ContainerKind(IntEnum):
    """What kind of file a container is."""

    JOURNAL = 1
    SEGMENT = 2
    PART = 3


class Container(NamedTuple):
    """A run of frames in a file: the whole file, or what a merged segment has taken over from another.

    Places of frames count from where the run begins: frame rows from `rows`, bodies from `bodies`, keys from `slots`.
    """

    kind: ContainerKind
    file_id: bytes
    rows: int = 0
    bodies: int = 0
    slots: int = 0


class Place(NamedTuple):
    """Where a frame's row, body and key lie. `group` is the offset of its group in a journal, 0 in a segment."""

    container: int
    row_offset: int
    row_length: int
    body_container: int
    body_offset: int
    group: int
    slot: int


class Hit(NamedTuple):
    """The version of a record that the index found, to be confirmed in the frame with this handle."""

    version: int
    role: int
    handle: int
    row: int


class Stamp(NamedTuple):
    """What the index covers: all of the head's generation, and the journal up to a durable group."""

    vault_id: bytes
    generation: int
    journal_id: bytes
    group: int


HANDLE = Struct(">Q")
"""A frame, for as long as its entries are where they are: moving it to another file changes its place alone."""

PLACE = Struct(">IQIIQQI")
RECORD = Struct(">QHB")
VERSION = Struct(">I")
STATE = Struct(">IQH")
LINK = Struct(">QB")
CONTAINER = Struct(">B16sQQI")
SUBJECT_KEY = Struct(">16sBQ")
YEARS = Struct(">HH")
BUCKET = Struct(">H")
_SUBJECT = Struct(">16sB")
_STAMP = Struct(">B16sQ16sQ")
_STAMP_KEY = b"stamp"
_COUNTED_KEY = b"counted"
_COUNTED = Struct(">Q")
TABLES = ("frames", "records", "subjects", "aliases", "states", "links", "parts", "containers", "heads")


class Tables(NamedTuple):
    """The databases of the environment.

    frames: handle to place. records: number and version to handle. subjects: surrogate, `Holding` and handle to years.
    aliases: token and surrogate to handle. states: token to version and handle. links: surrogate and surrogate to
    commit and role. parts: content id of a part, and handle. containers: number to file. heads: bucket to the heads of
    its subjects.
    """

    frames: lmdb._Database
    records: lmdb._Database
    subjects: lmdb._Database
    aliases: lmdb._Database
    states: lmdb._Database
    links: lmdb._Database
    parts: lmdb._Database
    containers: lmdb._Database
    heads: lmdb._Database


@contextmanager
def converted() -> Iterator[None]:
    """Turn errors of LMDB, and of the operating system, into coded errors without a path."""
    try:
        with vfs.converted():
            yield
    except lmdb.Error as error:
        failure = _coded(error)
        error.args = ()  # it stays reachable as the context of the coded error
        raise failure from None


def _coded(error: lmdb.Error) -> VaultError:
    if isinstance(error, (lmdb.MapFullError, lmdb.DiskError)):
        return StorageFull()
    if isinstance(error, lmdb.ReadonlyError):
        return StorageReadOnly()
    # What has no class of its own is an error of the operating system; all others say that the pages make no sense.
    return StorageFailed() if type(error) is lmdb.Error or isinstance(error, _SYSTEM) else IndexDamaged()


class Index:
    """An open index. Readers may be any threads; a write transaction is the committer's.

    Parameters
    ----------
    mode
        `Mode.READ` for a process that does not write the vault, `Mode.FROZEN` where nobody can.
    """

    def __init__(self, path: Path, mode: Mode = Mode.WRITE) -> None:
        self._closed = False
        self._held = threading.local()
        with converted():
            self.identity, self._environment = environments.acquire(path, mode, TABLES)
        self.tables = Tables(*self._environment.tables)
        self._main = self._environment.main

    def close(self) -> None:
        """Let go of the environment; whoever is reading reads on."""
        if not self._closed:
            self._closed = True
            environments.release(self.identity, self._environment)

    def retired(self) -> bool:
        """Return whether this index is closed, or has given way to a writer of this process."""
        return self._closed or self._environment.retired

    def size(self) -> int:
        """Return the bytes of the file that have ever been in use."""
        return self._environment.size()

    def used(self) -> int:
        """Return the bytes of pages that hold something now: what a compacted copy would take."""
        with self.reading() as txn:
            stats = [txn.stat(table) for table in (self._main, *self.tables)]
        pages = sum(int(one[kind]) for one in stats for kind in ("branch_pages", "leaf_pages", "overflow_pages"))
        return (pages + 2) * int(stats[0]["psize"])

    def forget_dead_readers(self) -> None:
        """Free the slots of readers whose processes are gone: the pages that they read could not be used again."""
        with converted():
            self._environment.env.reader_check()

    def copy_to(self, path: Path) -> None:
        """Write a compacted copy to the directory `path`, which is made."""
        with converted():
            path.mkdir(mode=0o700)
            self._environment.env.copy(str(path), compact=True)

    @contextmanager
    def writing(self) -> Iterator[lmdb.Transaction]:
        """Open the write transaction; commit it at the end, drop it on an error."""
        with converted():
            self._environment.make_room()
            with self._environment.env.begin(write=True) as txn:
                yield txn
            self._environment.fill()

    @contextmanager
    def reading(self) -> Iterator[lmdb.Transaction]:
        """Open a short read transaction, or go on with the thread's snapshot. Keep none across a yield to the host.

        Raises
        ------
        IndexDamaged
            Another index has taken the place of this one.
        """
        held = getattr(self._held, "txn", None)
        if held is not None:
            yield held
            return
        if self._closed:
            raise IndexDamaged
        with converted(), environments.transaction(self._environment) as txn:
            yield txn

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let every look-up of this thread see one state of the index for as long as the block lasts.

        A search looks up where a subject's records are, and then each of them: a new version that came in between would
        hide the old one and not be found itself.
        """
        with self.reading() as txn:
            try:
                self._held.txn = txn
                yield
            finally:
                self._held.txn = None

    # The stamp and the containers.

    def stamp(self) -> Stamp | None:
        """Return the stamp, None where there is none or it has another shape."""
        with self.reading() as txn:
            return self._stamp(txn)

    def generation(self, txn: lmdb.Transaction) -> int:
        """Return the generation of the head that the index covers, 0 where there is no stamp."""
        stamp = self._stamp(txn)
        return stamp.generation if stamp else 0

    def _stamp(self, txn: lmdb.Transaction) -> Stamp | None:
        data = txn.get(_STAMP_KEY, db=self._main)
        if data is None or len(data) != _STAMP.size:
            return None
        schema, *fields = _STAMP.unpack(data)
        return Stamp(*fields) if schema == SCHEMA else None

    def put_stamp(self, txn: lmdb.Transaction, stamp: Stamp) -> None:
        """Set the stamp."""
        txn.put(_STAMP_KEY, _STAMP.pack(SCHEMA, *stamp), db=self._main)

    def containers(self) -> dict[int, Container]:
        """Return every container by its number."""
        found = {}
        with self.reading() as txn:
            for key, value in txn.cursor(self.tables.containers):
                kind, *rest = CONTAINER.unpack(value)
                found[VERSION.unpack(key)[0]] = Container(ContainerKind(kind), *rest)
        return found

    def put_container(self, txn: lmdb.Transaction, number: int, container: Container) -> None:
        """Say what a container is."""
        txn.put(VERSION.pack(number), CONTAINER.pack(*container), db=self.tables.containers)

    def drop_container(self, txn: lmdb.Transaction, number: int) -> None:
        """Forget a container in which no frame lies."""
        txn.delete(VERSION.pack(number), db=self.tables.containers)

    # Heads of subjects.

    def counted(self, txn: lmdb.Transaction) -> tuple[int, bytes]:
        """Return up to which leaf of the audit tree the heads of subjects count, and the hashes of their buckets."""
        data = txn.get(_COUNTED_KEY, db=self._main)
        return (_COUNTED.unpack_from(data)[0], bytes(data[_COUNTED.size :])) if data else (0, b"")

    def subject_heads(self, txn: lmdb.Transaction, bucket: int) -> bytes:
        """Return the rows of a bucket of the heads of subjects."""
        return bytes(txn.get(BUCKET.pack(bucket), b"", db=self.tables.heads))

    def put_subject_heads(
        self, txn: lmdb.Transaction, buckets: Mapping[int, bytes], hashes: bytes, through: int, *, anew: bool
    ) -> None:
        """Set the rows of buckets, the hashes of all, and up to which leaf they count; `anew`, forget all others."""
        if anew:
            txn.drop(self.tables.heads, delete=False)
        txn.cursor(self.tables.heads).putmulti((BUCKET.pack(bucket), rows) for bucket, rows in sorted(buckets.items()))
        txn.put(_COUNTED_KEY, _COUNTED.pack(through) + hashes, db=self._main)

    def next_handle(self) -> int:
        """Return a handle beyond all that are in use."""
        with self.reading() as txn:
            cursor = txn.cursor(self.tables.frames)
            return 1 + (_handle(cursor.key()) if cursor.last() else 0)

    # Look-ups.

    def place(self, txn: lmdb.Transaction, handle: int) -> Place | None:
        """Return where a frame lies."""
        data = txn.get(HANDLE.pack(handle), db=self.tables.frames)
        return None if data is None else Place(*PLACE.unpack(data))

    def places(self, txn: lmdb.Transaction) -> Iterator[tuple[int, Place]]:
        """Yield every handle and where its frame lies."""
        for key, value in txn.cursor(self.tables.frames):
            yield _handle(key), Place(*PLACE.unpack(value))

    def newest_places(self, txn: lmdb.Transaction) -> Iterator[tuple[int, Place]]:
        """Yield every handle and where its frame lies, those that were given out last first."""
        for key, value in txn.cursor(self.tables.frames).iterprev():
            yield _handle(key), Place(*PLACE.unpack(value))

    def history(self, txn: lmdb.Transaction, number: bytes) -> list[Hit]:
        """Return all versions of a record number, oldest first, deletions included."""
        return [_hit(key, value) for key, value in _rows(txn, self.tables.records, number)]

    def latest(self, txn: lmdb.Transaction, number: bytes) -> Hit | None:
        """Return the newest version of a record number, which may be a deletion."""
        cursor = txn.cursor(self.tables.records)
        found = cursor.prev() if cursor.set_range(number + b"\xff\xff\xff\xff") else cursor.last()
        key = bytes(cursor.key()) if found else b""
        return _hit(key, bytes(cursor.value())) if key.startswith(number) else None

    def frames_of(self, txn: lmdb.Transaction, subject: bytes) -> list[tuple[int, int, int]]:
        """Return the frames of a subject with their first and last year (0, 0: no dates), in order of their handles.

        Those that hold parts of its blobs are left out.
        """
        found = []
        for key, value in _rows(txn, self.tables.subjects, subject):
            if key[16] >= Holding.PARTS:
                break
            found.append((_handle(key[17:]), *YEARS.unpack(value)))
        return sorted(found)

    def all_frames_of(self, txn: lmdb.Transaction, subject: bytes) -> list[int]:
        """Return all frames of a subject, in order of their handles."""
        return sorted(_handle(key[17:]) for key, _ in _rows(txn, self.tables.subjects, subject))

    def count_frames(self, txn: lmdb.Transaction) -> int:
        """Return how many frames the index knows."""
        return int(txn.stat(self.tables.frames)["entries"])

    def aliases_of(self, txn: lmdb.Transaction, tokens: Iterable[bytes]) -> list[list[tuple[bytes, int]]]:
        """Return for each alias token the subjects for which it is asserted, and in which frame."""
        cursor, found = txn.cursor(self.tables.aliases), []
        for token in tokens:
            rows = []
            more = cursor.set_range(token)
            while more and (key := bytes(cursor.key())).startswith(token):
                rows.append((key[16:], _handle(cursor.value())))
                more = cursor.next()
            found.append(rows)
        return found

    def claimed(self, txn: lmdb.Transaction, tokens: Iterable[bytes]) -> bool:
        """Return whether any of these alias tokens is asserted for anybody."""
        cursor = txn.cursor(self.tables.aliases)
        return any(cursor.set_range(token) and bytes(cursor.key())[:16] == token for token in tokens)

    def unit(self, txn: lmdb.Transaction, subject: bytes) -> int | None:
        """Return the frame that holds a subject's content key."""
        found = next(_rows(txn, self.tables.subjects, _SUBJECT.pack(subject, Holding.KEY)), None)
        return None if found is None else _handle(found[0][17:])

    def alias_frames(self, txn: lmdb.Transaction, subject: bytes) -> list[int]:
        """Return the frames that may assert identifiers of a subject."""
        prefixes = (_SUBJECT.pack(subject, holding) for holding in (Holding.KEY, Holding.NAMES))
        return sorted(_handle(key[17:]) for prefix in prefixes for key, _ in _rows(txn, self.tables.subjects, prefix))

    def all_units(self, txn: lmdb.Transaction) -> list[bytes]:
        """Return the surrogates of all subjects."""
        found: list[bytes] = []
        cursor = txn.cursor(self.tables.subjects)
        more = cursor.first()
        while more:
            subject, holding, _ = SUBJECT_KEY.unpack(cursor.key())
            if holding == Holding.KEY:
                found.append(subject)
            more = cursor.set_range(_SUBJECT.pack(subject, 0xFF))
        return found

    def state(self, txn: lmdb.Transaction, token: bytes) -> tuple[int, int, int] | None:
        """Return version, frame and row of a control state."""
        data = txn.get(token, db=self.tables.states)
        return None if data is None else STATE.unpack(data)

    def links(self, txn: lmdb.Transaction, subject: bytes) -> list[bytes]:
        """Return the subjects that are linked to a subject directly."""
        rows = _rows(txn, self.tables.links, subject)
        return [key[16:] for key, value in rows if LINK.unpack(value)[1] == Role.LINK]

    def copies_of(self, txn: lmdb.Transaction, content_id: bytes) -> list[int]:
        """Return which frames hold a part of a blob: one, or several that were written at the same time."""
        return [_handle(key[16:]) for key, _ in _rows(txn, self.tables.parts, content_id)]


def _rows(txn: lmdb.Transaction, table: lmdb._Database, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    cursor = txn.cursor(table)
    more = cursor.set_range(prefix)
    while more:
        key = bytes(cursor.key())
        if not key.startswith(prefix):
            return
        yield key, bytes(cursor.value())
        more = cursor.next()


def _handle(data: bytes | memoryview) -> int:
    return int.from_bytes(data, "big")


def _hit(key: bytes, value: bytes) -> Hit:
    handle, row, role = RECORD.unpack(value)
    return Hit(VERSION.unpack(key[12:])[0], role, handle, row)
