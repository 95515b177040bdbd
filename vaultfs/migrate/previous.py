"""What a source held when it was last imported, so that only what changed is stored again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from blake3 import blake3

from vaultfs.engine.records import Record
from vaultfs.errors import SourceError
from vaultfs.interop.pieces import Piece
from vaultfs.interop.registry import recognise
from vaultfs.migrate.recipes import Recipe, Step, StoredSource
from vaultfs.model import RecordId

QUARANTINE = "vaultfs.quarantine"


@dataclass(frozen=True, slots=True)
class Known:
    """A record of an earlier import."""

    id: RecordId
    version: int
    quarantined: bool


class Previous:
    """Records of an earlier import of a source, found by their bytes and by their logical id.

    Digests live in memory only, for as long as the import of this source takes. Each record stands for one piece.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._by_bytes: dict[bytes, list[Known]] = {}
        self._by_logical_id: dict[tuple[str, str], Known] = {}
        self._used: set[RecordId] = set()
        self._streamed: list[RecordId] = []
        for record in recipe.records():
            if isinstance(record, Step):
                self._streamed.append(record.id)
            elif isinstance(record, Record):
                known = Known(record.info.id, record.info.version, record.info.kind == QUARANTINE)
                digest = _digest(record.before, record.data, record.after)
                self._by_bytes.setdefault(digest, []).append(known)
        self._learn_logical_ids(recipe)

    def _learn_logical_ids(self, recipe: Recipe) -> None:
        """Let the adapter read the stored source once more, to learn the logical ids of its records."""
        stored = io.BufferedReader(cast(io.RawIOBase, StoredSource(recipe)), 1 << 20)
        adapter = recognise(stored.peek(1 << 16)[: 1 << 16])
        if adapter is None:
            return
        for piece in _readable(adapter.pieces(cast(BinaryIO, stored))):
            facts = piece.facts
            found = self._by_bytes.get(_digest(piece.before, piece.data, piece.after)) or self._by_bytes.get(
                _digest(b"", piece.data, b"")
            )
            if facts is not None and facts.logical_id is not None and found and not found[0].quarantined:
                self._by_logical_id[facts.kind, facts.logical_id] = found[0]

    def same(self, before: bytes, data: bytes, after: bytes, *, quarantined: bool = False) -> Known | None:
        """Return a record with exactly these bytes that stands for no other piece yet."""
        for known in self._by_bytes.get(_digest(before, data, after), ()):
            if known.quarantined is quarantined and known.id not in self._used:
                self._used.add(known.id)
                return known
        return None

    def replaced_by(self, piece: Piece) -> Known | None:
        """Return the record that a piece is a new version of: the one with the same logical id."""
        facts = piece.facts
        if facts is None or facts.logical_id is None:
            return None
        known = self._by_logical_id.get((facts.kind, facts.logical_id))
        if known is None or known.id in self._used:
            return None
        self._used.add(known.id)
        return known

    def quarantined(self) -> list[RecordId]:
        """Return the quarantined records that stand for no piece of the new import: they have been resolved."""
        everything = [known for found in self._by_bytes.values() for known in found]
        return [
            *self._streamed,
            *(known.id for known in everything if known.quarantined and known.id not in self._used),
        ]


def _readable(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Yield pieces up to where the source cannot be understood."""
    try:
        yield from pieces
    except SourceError:
        return


def _digest(before: bytes, data: bytes, after: bytes) -> bytes:
    lengths = len(before).to_bytes(8, "little") + len(data).to_bytes(8, "little")
    return blake3(lengths + before + data + after).digest()
