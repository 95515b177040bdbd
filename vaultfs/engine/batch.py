"""What frames put into the index: the one place that turns facts of frames into index rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import lmdb
from vaultfs_format.frame import FrameClass

from vaultfs.engine.facts import FrameFacts, Holding
from vaultfs.engine.index import HANDLE, LINK, PLACE, RECORD, STATE, SUBJECT_KEY, YEARS, Index, Place

Rows = list[tuple[bytes, bytes]]
_KEY_SIZE = 16


class Batch:
    """Index rows of many frames, gathered and written at once.

    Parameters
    ----------
    alias_key
        Turns an identifier token into its key of the current epoch.
    """

    def __init__(self, alias_key: Callable[[bytes], bytes]) -> None:
        self._alias_key = alias_key
        self._frames: Rows = []
        self._records: Rows = []
        self._subjects: Rows = []
        self._aliases: Rows = []
        self._parts: Rows = []
        self._states: dict[bytes, tuple[int, bytes]] = {}
        self._links: list[tuple[bytes, int, int]] = []

    def add(
        self,
        handle: int,
        place: bytes,
        frame_class: FrameClass,
        facts: FrameFacts,
        commits: Iterable[int],
    ) -> None:
        """Take in one frame. Audit frames are not indexed.

        Parameters
        ----------
        place
            An encoded `Place`.
        commits
            The commit number of each row.
        """
        if frame_class is FrameClass.AUDIT:
            return
        where = HANDLE.pack(handle)
        self._frames.append((where, place))
        for content_id in facts.parts:
            self._parts.append((content_id + where, b""))
        pack = RECORD.pack
        self._records += [
            (key[:_KEY_SIZE], pack(handle, row, key[_KEY_SIZE])) for row, key in enumerate(facts.keys) if key
        ]
        if facts.holding != Holding.NOTHING:
            key = SUBJECT_KEY.pack(facts.subject, facts.holding, handle)
            self._subjects.append((key, YEARS.pack(*facts.years())))
        for token in facts.aliases:
            self._aliases.append((self._alias_key(token) + facts.subject, where))
        for token, version, row in facts.states:
            known = self._states.get(token)
            if known is None or known[0] < version:
                self._states[token] = (version, STATE.pack(version, handle, row))
        if facts.links:
            self._take_links(facts, list(commits))

    def _take_links(self, facts: FrameFacts, commits: list[int]) -> None:
        """Take in links, of which the one that was committed last counts, whichever way round it was stated."""
        for other, role, row in facts.links:
            self._links.append((facts.subject + other, commits[row], role))
            self._links.append((other + facts.subject, commits[row], role))

    def write(self, index: Index, txn: lmdb.Transaction) -> None:
        """Write everything gathered."""
        tables = index.tables
        _append(txn, tables.frames, self._frames)
        _append(txn, tables.records, self._records)
        for table, rows in (
            (tables.subjects, self._subjects),
            (tables.aliases, self._aliases),
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


def _append(txn: lmdb.Transaction, table: lmdb._Database, rows: Rows) -> None:
    """Write rows whose keys mostly grow: behind all others, so that pages are filled, or else where they belong."""
    if not rows:
        return
    rows.sort()
    cursor = txn.cursor(table)
    last = cursor.key() if cursor.last() else b""
    cursor.putmulti(rows, append=bytes(last) < rows[0][0])


def move(index: Index, txn: lmdb.Transaction, places: Mapping[int, Place]) -> None:
    """Note where frames have come to lie. What else the index knows of them stays."""
    rows = sorted((HANDLE.pack(handle), PLACE.pack(*place)) for handle, place in places.items())
    if rows:
        txn.cursor(index.tables.frames).putmulti(rows)


def forget(index: Index, txn: lmdb.Transaction, frames: Iterable[tuple[int, int, bytes]]) -> None:
    """Drop frames whose entries others have taken over.

    Parameters
    ----------
    frames
        Handle, `Holding` and subject of each.
    """
    for handle, holding, subject in frames:
        txn.delete(HANDLE.pack(handle), db=index.tables.frames)
        if holding != Holding.NOTHING:
            txn.delete(SUBJECT_KEY.pack(subject, holding, handle), db=index.tables.subjects)
