"""What a host gets back: records, what is known of them, and files that read them in ranges."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field

from vaultfs_format.entries import Entry, Role

from vaultfs.engine.committing.units import date_of
from vaultfs.engine.engine import View
from vaultfs.engine.indexing.index import Hit
from vaultfs.engine.reading.content import Content
from vaultfs.engine.reading.store import LoadedFrame
from vaultfs.errors import Closed, Deleted, FormatError, IndexDamaged, NotAuthentic, NotFound
from vaultfs.model import ClinicalDate, RecordId, SubjectId


@dataclass(frozen=True, slots=True)
class RecordInfo:
    """What the vault knows of one version of a record.

    Parameters
    ----------
    length
        Bytes of the record.
    commit
        Number of the commit that stored this version.
    """

    id: RecordId
    version: int
    subject: SubjectId
    kind: str
    media_type: str
    date: ClinicalDate | None = field(repr=False)
    length: int
    commit: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record with its bytes, exactly as they were put, and the bytes that were stored around it."""

    info: RecordInfo
    data: bytes = field(repr=False)
    before: bytes = field(default=b"", repr=False)
    after: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, repr=False)
class Located:
    """A version of a record, confirmed against its sealed entry."""

    number: bytes
    frame: LoadedFrame
    entry: Entry
    commit: int


def locate(engine: View, number: bytes, hit: Hit) -> Located:
    """Confirm what the index found.

    Raises
    ------
    IndexDamaged
        The sealed entry says otherwise.
    """
    frame = engine.store.load(hit.handle)
    if hit.row >= len(frame.block.entries):
        raise IndexDamaged
    entry = frame.block.entries[hit.row]
    stored = entry.incarnation.to_bytes(4, "big") + entry.number.to_bytes(8, "big")
    if (stored, entry.version, entry.role) != (number, hit.version, hit.role):
        raise IndexDamaged
    return Located(number, frame, entry, frame.commits[hit.row])


def find_version(engine: View, number: bytes, version: int | None) -> Located:
    """Return a version of a record, the visible one by default.

    Raises
    ------
    NotFound, Deleted
    """
    with engine.index.reading() as txn:
        latest = engine.index.latest(txn, number)
        plain = version is None and latest is not None and latest.role == Role.RECORD
        history = [] if plain or latest is None else engine.index.history(txn, number)
    if latest is None:
        raise NotFound
    if plain:
        return locate(engine, number, latest)
    if latest.role == Role.DELETE:
        locate(engine, number, latest)
        raise Deleted
    versions = [hit for hit in history if hit.role == Role.RECORD and version in (None, hit.version)]
    if not versions:
        raise NotFound
    return locate(engine, number, versions[-1])


def stored_version(engine: View, number: bytes, version: int) -> Located:
    """Return a version of a record, of a deleted one too.

    Raises
    ------
    NotFound
    """
    with engine.index.reading() as txn:
        history = engine.index.history(txn, number)
    for hit in history:
        if (hit.role, hit.version) == (Role.RECORD, version):
            return locate(engine, number, hit)
    raise NotFound


def newest(engine: View, number: bytes) -> tuple[Located, Hit]:
    """Return the newest version of a record, visible or not, and the last thing that was done to the record.

    Raises
    ------
    NotFound
    """
    with engine.index.reading() as txn:
        history = engine.index.history(txn, number)
    versions = [hit for hit in history if hit.role == Role.RECORD]
    if not versions:
        raise NotFound
    return locate(engine, number, versions[-1]), history[-1]


def info_of(engine: View, located: Located) -> RecordInfo:
    """Return what is known of a located version."""
    entry = located.entry
    return RecordInfo(
        engine.chain.record_id(entry.incarnation, entry.number),
        entry.version,
        SubjectId(located.frame.block.subject),
        engine.kinds.name(entry.kind),
        engine.media_types.name(entry.media),
        date_of(entry),
        entry.length,
        located.commit,
    )


def read_record(engine: View, located: Located) -> Record:
    """Return a version with all its bytes."""
    entry = located.entry
    content = Content(engine, located.frame, entry)
    end = entry.before + entry.length
    before, data = content.read(0, entry.before), content.read(entry.before, end)
    return Record(info_of(engine, located), data, before, content.read(end, end + entry.after))


class RecordFile(io.RawIOBase):
    """A record as a read-only, seekable binary file. Only the frames that are read are opened.

    Reading raises `NotFound` once the record was disposed of.

    Parameters
    ----------
    steady
        Runs a reading again where frames have moved.
    """

    def __init__(self, engine: View, located: Located, steady: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self._engine = engine
        self._located = located
        self._content = Content(engine, located.frame, located.entry)
        self._steady = steady
        self._position = 0
        self.info = info_of(engine, located)

    name = ""
    """Records have none; programs that take files look for one."""

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, never before the beginning."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.info.length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override] # io takes any buffer
        """Read the next bytes into `buffer`; return how many, 0 at the end."""
        if self.closed:
            raise Closed
        self._engine.check()
        view = memoryview(buffer).cast("B")
        view = view[: min(len(view), max(0, self.info.length - self._position))]
        if view:
            self._steady(lambda: self._fill(view))
            self._position += len(view)
        return len(view)

    def _fill(self, view: memoryview) -> None:
        start = self._located.entry.before + self._position
        try:
            self._content.read_into(start, view)
        except (IndexDamaged, FormatError, NotAuthentic):  # frames have moved, or another index numbers the files
            self._located = stored_version(self._engine, self._located.number, self._located.entry.version)
            self._content = Content(self._engine, self._located.frame, self._located.entry)
            self._content.read_into(start, view)

    def readall(self) -> bytes:
        """Return everything from the position on."""
        whole = bytearray(max(0, self.info.length - self._position))
        return bytes(whole[: self.readinto(whole)])
