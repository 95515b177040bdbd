"""What a source held when it was last imported, so that only what changed is stored again."""

from __future__ import annotations

import contextlib
import io
from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import islice
from typing import NamedTuple

from vaultfs_format.suite import Suite

from vaultfs.engine.reading.records import Record, RecordInfo
from vaultfs.engine.reading.session import Session
from vaultfs.errors import SourceError
from vaultfs.interop.pieces import Facts, Piece
from vaultfs.interop.registry import recognise
from vaultfs.migrate.kinds import GAP, QUARANTINE
from vaultfs.migrate.recipes import Recipe, Step
from vaultfs.migrate.sources import HEAD
from vaultfs.migrate.stored import Kept, Streamed, read
from vaultfs.migrate.wholes import as_one
from vaultfs.model import NOBODY, RecordId, SubjectId


class _Role(Enum):
    RECORD = 0
    QUARANTINED = 1
    GAP = 2


_ROLES = {QUARANTINE: _Role.QUARANTINED, GAP: _Role.GAP}


class Known(NamedTuple):
    """A record of an earlier import."""

    id: RecordId
    version: int
    subject: SubjectId

    @property
    def holder(self) -> SubjectId | None:
        """Whose record it is, None where it is nobody's."""
        return None if self.subject == NOBODY else self.subject


Around = tuple[bytes, bytes]
"""Bytes before and after a record."""


class Match(NamedTuple):
    """A record that holds a piece already.

    Parameters
    ----------
    around
        Bytes around the piece that the record holds too.
    bare
        Bytes around the record do not count.
    """

    known: Known
    around: Around
    bare: bool


Queue = deque[Known]


class Previous:
    """Records of an earlier import of a source, found by their bytes and by their logical id.

    Digests live in memory only, for as long as the import of this source takes. Each record stands for one piece.

    Parameters
    ----------
    recipes
        Last parts of the recipes of the revision that was last completed, and of those begun after it: of two versions
        of a record the later one counts. Empty ones are none.
    """

    def __init__(self, session: Session, recipes: Iterable[bytes]) -> None:
        self._suite = session.engine.suite
        self._exact: dict[tuple[_Role, bytes, bytes], Queue] = {}
        self._by_bytes: dict[tuple[_Role, bytes], Queue] = {}
        self._by_logical_id: dict[tuple[str, str], Queue] = {}
        self._used: set[RecordId] = set()
        self._streamed: list[RecordId] = []
        known = [Recipe(session, one) for one in recipes if one]
        newest = {step.id: step for recipe in known for steps in (recipe.retired(), recipe.steps()) for step in steps}
        for found in read(session, newest.values()):
            if isinstance(found, Streamed):
                self._learn_streamed(session.info(found.step.id, found.step.version), found.stream)
            elif isinstance(found, Kept):
                self._learn(found.record)

    def _learn_streamed(self, info: RecordInfo, stream: io.BufferedReader) -> None:
        """Take note of a record that is too large to be compared: it is known by what it calls itself."""
        if info.kind == QUARANTINE:
            self._streamed.append(info.id)
            return
        known = Known(info.id, info.version, info.subject)
        # In place of a digest, of which none can be equal to it.
        self._by_bytes.setdefault((_Role.RECORD, bytes(info.id)), deque()).append(known)
        adapter = recognise(stream.peek(HEAD)[:HEAD])
        with contextlib.suppress(SourceError):
            facts = as_one(adapter, stream, info.length)
            if facts and facts.logical_id is not None:
                self._by_logical_id.setdefault((info.kind, facts.logical_id), deque()).append(known)

    def _learn(self, record: Record) -> None:
        info = record.info
        known = Known(info.id, info.version, info.subject)
        role = _ROLES.get(info.kind, _Role.RECORD)
        digest = _digest(self._suite, record.data)
        if role is _Role.GAP:
            self._exact.setdefault((role, digest, bytes(known.subject)), deque()).append(known)
            return
        self._exact.setdefault((role, digest, _digest(self._suite, record.before, record.after)), deque()).append(known)
        self._by_bytes.setdefault((role, digest), deque()).append(known)
        logical_id = _logical_id(record.data) if role is _Role.RECORD else None
        if logical_id is not None:
            self._by_logical_id.setdefault((info.kind, logical_id), deque()).append(known)

    def spend(self, steps: Iterable[Step]) -> None:
        """Take note of records that stand for pieces already."""
        self._used.update(step.id for step in steps)

    def same(self, piece: Piece, forms: Iterable[Around]) -> Match | None:
        """Return a record with the bytes of a piece, with one of `forms` around it if there is such a one."""
        role = _Role.RECORD if piece.facts else _Role.QUARANTINED
        digest = _digest(self._suite, piece.data)
        for around in forms:
            found = self._take(self._exact.get((role, digest, _digest(self._suite, *around))))
            if found is not None:
                return Match(found, around, bare=False)
        found = self._take(self._by_bytes.get((role, digest)))
        return None if found is None else Match(found, (b"", b""), bare=True)

    def gap(self, data: bytes, owner: SubjectId) -> Known | None:
        """Return a gap record of `owner` with these bytes."""
        return self._take(self._exact.get((_Role.GAP, _digest(self._suite, data), bytes(owner))))

    def replaced_by(self, facts: Facts) -> Known | None:
        """Return the record that one with these facts is a new version of: the one with the same logical id."""
        if facts.logical_id is None:
            return None
        return self._take(self._by_logical_id.get((facts.kind, facts.logical_id)))

    def _take(self, queue: Queue | None) -> Known | None:
        """Return the first record of a queue that stands for no piece yet."""
        while queue:
            known = queue.popleft()
            if known.id not in self._used:
                self._used.add(known.id)
                return known
        return None

    def retired(self) -> Iterator[Step]:
        """Yield the records that stand for no piece of the new import."""
        for known in self._left(_Role.RECORD):
            yield Step(known.id, known.version)

    def resolved(self) -> Iterator[RecordId]:
        """Yield the quarantined records that stand for no piece of the new import."""
        yield from self._streamed
        for known in self._left(_Role.QUARANTINED):
            yield known.id

    def _left(self, wanted: _Role) -> Iterator[Known]:
        for (role, _), queue in self._by_bytes.items():
            if role is wanted:
                yield from (one for one in queue if one.id not in self._used)


def _logical_id(data: bytes) -> str | None:
    """Return what a record calls itself, as the adapter sees it now; None where it is no longer one record."""
    adapter = recognise(data)
    if adapter is None:
        return None
    try:
        pieces = list(islice(adapter.pieces(io.BytesIO(data)), 2))
    except SourceError:
        return None
    facts = pieces[0].facts if len(pieces) == 1 else None
    return facts.logical_id if facts else None


def _digest(suite: Suite, *parts: bytes) -> bytes:
    lengths = b"".join(len(part).to_bytes(8, "little") for part in parts)
    return suite.digest(lengths + b"".join(parts))[:16]
