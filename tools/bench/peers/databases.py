"""SQLite as a record store: one table, an index by subject, write-ahead log, a durable commit a batch."""

from __future__ import annotations

import sqlite3
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.peers.peer import Batches, Missing, Peer, Traits

_SCHEMA = """
    CREATE TABLE record (
        id INTEGER PRIMARY KEY, system TEXT, subject TEXT, kind TEXT NOT NULL, date TEXT, data BLOB NOT NULL
    );
    CREATE INDEX by_subject ON record (subject, system, kind, date);
"""
_INSERT = "INSERT INTO record (id, system, subject, kind, date, data) VALUES (?, ?, ?, ?, ?, ?)"


class Sqlite(Peer):
    """The SQLite of Python's standard library."""

    name = "SQLite"
    traits = Traits(
        encryption="none",
        keys="none",
        audit="none",
        compression="none",
        durability="WAL, synchronous=FULL: a sync a batch",
        point_read="by primary key",
        integrity="none of the content",
    )

    def __init__(self, place: Path, batches: Batches) -> None:
        super().__init__(place, batches)
        place.mkdir()
        self._database = self._connected(place / "records.db")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)

    def _connected(self, path: Path) -> Any:
        return sqlite3.connect(path)

    def store(self) -> None:
        number = 0
        for batch in self.batches:
            rows = []
            for subject, kind, date, data in batch:
                system, value = getattr(subject, "system", None), getattr(subject, "value", None)
                rows.append((number, system, value, kind, date and date.isoformat(), data))
                number += 1
            with self._database:
                self._database.executemany(_INSERT, rows)
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def read(self, number: int) -> bytes:
        row = self._database.execute("SELECT data FROM record WHERE id = ?", (number,)).fetchone()
        return bytes(row[0])

    def restore(self) -> int:
        return sum(len(data) for (data,) in self._database.execute("SELECT data FROM record ORDER BY id"))

    def close(self) -> None:
        self._database.close()


class SqlCipher(Sqlite):
    """SQLCipher, as the package ``sqlcipher3`` brings it; a raw key, so that nothing is stretched."""

    name = "SQLCipher"
    traits = Traits(
        encryption="AES-256-CBC with HMAC-SHA512, a page",
        keys="one a database",
        audit="none",
        compression="none",
        durability="WAL, synchronous=FULL: a sync a batch",
        point_read="by primary key",
        integrity="of each page, checked when it is read, with the key",
    )

    def _connected(self, path: Path) -> Any:
        try:
            module = import_module("sqlcipher3.dbapi2")
        except ImportError:
            raise Missing("package sqlcipher3") from None
        database = module.connect(str(path))
        database.execute(f"PRAGMA key = \"x'{bytes(range(32)).hex()}'\"")
        return database
