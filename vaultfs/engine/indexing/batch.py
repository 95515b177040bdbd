"""What frames put into the index: the one place that turns facts of frames into index rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import lmdb

from vaultfs.engine.indexing.facts import FrameFacts, Holding
from vaultfs.engine.indexing.index import HANDLE, LINK, RECORD, STATE, SUBJECT_KEY, YEARS, Index

Rows = list[tuple[bytes, bytes]]
_KEY_SIZE = 16


class Batch:
    """Index rows of many frames, gathered and written at once.

    Parameters
    ----------
    alias_keys
        Turns identifier tokens into their keys of the current epoch.
    """

    def __init__(self, alias_keys: Callable[[Iterable[bytes]], list[bytes]]) -> None:
        self._alias_keys = alias_keys
        self._frames: Rows = []
        self._records: Rows = []
        self._subjects: Rows = []
        self._tokens: list[bytes] = []
        self._claimants: Rows = []
        """Identifier tokens, and the subject and frame that asserts each."""
        self._parts: Rows = []
        self._states: dict[bytes, tuple[int, bytes]] = {}
        self._links: list[tuple[bytes, int, int]] = []

    def add(
        self,
        handle: int,
        place: bytes,
        facts: FrameFacts,
        runs: Sequence[tuple[int, int]],
    ) -> None:
        """Take in one frame, of any class but audit: these are not indexed.

        Parameters
        ----------
        place
            An encoded `Place`.
        runs
            Pairs (number of rows, their commit number) that cover the rows in order.
        """
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
            self._tokens.append(token)
            self._claimants.append((facts.subject, where))
        for token, version, row in facts.states:
            known = self._states.get(token)
            if known is None or known[0] < version:
                self._states[token] = (version, STATE.pack(version, handle, row))
        if facts.links:
            self.add_links(facts, [commit for rows, commit in runs for _ in range(rows)])

    def add_links(self, facts: FrameFacts, commits: Sequence[int]) -> None:
        """Take in the links of a frame, of which the one that was committed last counts, whichever way round.

        Parameters
        ----------
        commits
            The commit number of each row.
        """
        for other, role, row in facts.links:
            self._links.append((facts.subject + other, commits[row], role))
            self._links.append((other + facts.subject, commits[row], role))

    def __bool__(self) -> bool:
        return bool(self._frames)

    def write(self, index: Index, txn: lmdb.Transaction) -> None:
        """Write everything gathered."""
        tables = index.tables
        _append(txn, tables.frames, self._frames)
        _append(txn, tables.records, self._records)
        keys = self._alias_keys(self._tokens)
        aliases = [(key + subject, where) for key, (subject, where) in zip(keys, self._claimants, strict=True)]
        for table, rows in (
            (tables.subjects, self._subjects),
            (tables.aliases, aliases),
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


def move(index: Index, txn: lmdb.Transaction, places: Mapping[int, bytes]) -> None:
    """Note where frames have come to lie, by their handles. What else the index knows of them stays.

    Parameters
    ----------
    places
        Encoded `Place` of each.
    """
    rows = [(HANDLE.pack(handle), places[handle]) for handle in sorted(places)]
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
