"""What frames put into the index: the one place that turns sealed entries into index rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from struct import Struct

import lmdb
from vaultfs_format.entries import EntryBlock, Role
from vaultfs_format.frame import FrameClass

from vaultfs.engine.index import ADDRESS, LINK, PLACE, RECORD, STATE, YEARS, Address, Index, Place

_RECORD_KEY = Struct(">IQI")
_RECORD_ROLES = frozenset({Role.RECORD, Role.DELETE, Role.UNDELETE})
_EPOCH = datetime(1970, 1, 1)


def year_of(milliseconds: int) -> int:
    """Return the year of a wall-clock time in milliseconds since 1970."""
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).year
    except OverflowError:
        return 9999 if milliseconds > 0 else 1


def years_of(block: EntryBlock) -> tuple[int, int]:
    """Return the first and last year of the dated records of a frame, (0, 0) where none is dated."""
    dates = [entry.date for entry in block.entries if entry.precision and entry.role == Role.RECORD]
    return (year_of(min(dates)), year_of(max(dates))) if dates else (0, 0)


class Batch:
    """Index rows of many frames, gathered and written at once.

    Parameters
    ----------
    alias_key
        Turns an identifier token into its key of the current epoch.
    """

    def __init__(self, alias_key: Callable[[bytes], bytes]) -> None:
        self._alias_key = alias_key
        self._names: list[tuple[bytes, bytes]] = []
        self._frames: list[tuple[bytes, bytes]] = []
        self._records: list[tuple[bytes, bytes]] = []
        self._subjects: list[tuple[bytes, bytes]] = []
        self._aliases: list[tuple[bytes, bytes]] = []
        self._units: list[tuple[bytes, bytes]] = []
        self._parts: list[tuple[bytes, bytes]] = []
        self._states: dict[bytes, tuple[int, bytes]] = {}
        self._links: list[tuple[bytes, int, int]] = []

    def add(
        self,
        address: Address,
        place: Place,
        frame_class: FrameClass,
        block: EntryBlock,
        commits: Iterable[int],
    ) -> None:
        """Take in one frame. Audit frames are not indexed."""
        if frame_class is FrameClass.AUDIT:
            return
        where = ADDRESS.pack(*address)
        self._frames.append((where, PLACE.pack(*place)))
        container, ordinal = address
        subject = block.subject
        listed = named = False
        pack_key, pack_value = _RECORD_KEY.pack, RECORD.pack
        records = self._records
        for row, (entry, commit) in enumerate(zip(block.entries, commits, strict=True)):
            role = entry.role
            if role in _RECORD_ROLES:
                key = pack_key(entry.incarnation, entry.number, entry.version)
                records.append((key, pack_value(container, ordinal, row, role)))
                listed = True
            elif role == Role.PART:
                self._parts.append((entry.token + where, b""))
            elif role == Role.ALIAS:
                self._aliases.append((self._alias_key(entry.token) + subject, where))
                named = True
            elif role == Role.SUBJECT:
                self._units.append((subject, where))
            elif role == Role.STATE:
                known = self._states.get(entry.token)
                if known is None or known[0] < entry.version:
                    self._states[entry.token] = (entry.version, STATE.pack(entry.version, container, ordinal, row))
            elif role in (Role.LINK, Role.UNLINK):
                self._links.append((subject + entry.token, commit, role))
                self._links.append((entry.token + subject, commit, role))
        if named:
            self._names.append((subject + where, b""))
        if listed:
            self._subjects.append((subject + where, YEARS.pack(*years_of(block))))

    def write(self, index: Index, txn: lmdb.Transaction) -> None:
        """Write everything gathered."""
        tables = index.tables
        for table, rows in (
            (tables.frames, self._frames),
            (tables.records, self._records),
            (tables.subjects, self._subjects),
            (tables.aliases, self._aliases),
            (tables.names, self._names),
            (tables.units, self._units),
            (tables.parts, self._parts),
        ):
            if rows:
                rows.sort()
                txn.cursor(table).putmulti(rows)
        self._write_states(index, txn)
        self._write_links(index, txn)

    def _write_states(self, index: Index, txn: lmdb.Transaction) -> None:
        for token, (version, value) in self._states.items():
            found = index.state(txn, token)
            if found is None or found[0] <= version:
                txn.put(token, value, db=index.tables.states)

    def _write_links(self, index: Index, txn: lmdb.Transaction) -> None:
        for key, commit, role in self._links:
            known = txn.get(key, db=index.tables.links)
            if known is None or LINK.unpack(known)[0] <= commit:
                txn.put(key, LINK.pack(commit, role), db=index.tables.links)


def forget(
    index: Index,
    txn: lmdb.Transaction,
    container: int,
    subjects: Iterable[tuple[bytes, int]],
    parts: Iterable[tuple[bytes, int]] = (),
) -> None:
    """Drop a container whose frames have been settled elsewhere.

    Parameters
    ----------
    subjects
        Subject and ordinal of each of its frames.
    parts
        Content id and ordinal of those that are parts of blobs.
    """
    for subject, ordinal in subjects:
        where = ADDRESS.pack(container, ordinal)
        txn.delete(where, db=index.tables.frames)
        txn.delete(subject + where, db=index.tables.subjects)
        txn.delete(subject + where, db=index.tables.names)
    for content_id, ordinal in parts:
        txn.delete(content_id + ADDRESS.pack(container, ordinal), db=index.tables.parts)
    txn.delete(container.to_bytes(4, "big"), db=index.tables.containers)
