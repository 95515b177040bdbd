"""A window of an import: pieces of one or more sources, put and committed together with their checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from vaultfs.engine.session import Session
from vaultfs.engine.transaction import Transaction
from vaultfs.errors import SourceError
from vaultfs.interop.pieces import Facts, Piece
from vaultfs.migrate.identity import Resolver, Scope
from vaultfs.migrate.previous import QUARANTINE, Previous
from vaultfs.migrate.recipes import RECIPE_TYPE, SOURCES, RecipePart, SourceState, encode, encode_step
from vaultfs.migrate.report import Report
from vaultfs.model import NOBODY, SubjectId

RECIPE = "vaultfs.recipe"
GAP = "vaultfs.gap"
REASONS = "quarantine"
"""Namespace of the reasons of quarantine; the key is the record id."""

WINDOW_BYTES = 32 * 1024 * 1024
"""Source bytes after which a window is committed; a piece may exceed it, up to the largest that adapters take."""

_PLAIN = frozenset(b" \t\r\n,[]{}:\x0b\x1c")
"""Bytes of punctuation: a gap of these alone tells nothing of anybody."""


@dataclass(slots=True, repr=False)
class Source:
    """A source that is being imported.

    Parameters
    ----------
    name
        Relative path in bytes.
    checkpoint
        Returns the state to commit for the pieces taken so far, given the id of the recipe part.
    last_subject
        The last subject that a piece belonged to; takes the gap bytes of what is nobody's.
    final
        The pieces taken are the last ones of the source.
    """

    token: bytes
    root: bytes
    name: bytes
    checkpoint: Callable[[bytes], SourceState]
    previous: Previous | None = None
    recipe: bytes = b""
    last_subject: SubjectId | None = None
    pieces: list[Piece] = field(default_factory=list)
    final: bool = False

    @property
    def scope(self) -> Scope:
        """Where references of this source are looked up."""
        return Scope(self.token.hex(), self.root.hex())


class Window:
    """Collects sources with their pieces and commits them."""

    def __init__(self, session: Session, resolver: Resolver, report: Report) -> None:
        self._session = session
        self._resolver = resolver
        self._report = report
        self._sources: list[Source] = []
        self.size = 0

    def take(self, source: Source, pieces: list[Piece]) -> None:
        """Take in pieces of a source; those of one source follow each other."""
        if not self._sources or self._sources[-1] is not source:
            self._sources.append(source)
        source.pieces += pieces
        self.size += sum(len(p.before) + len(p.data) + len(p.after) for p in pieces)

    def commit(self) -> None:
        """Put everything taken in, and commit it with the checkpoint of every source."""
        if not self._sources:
            return
        counts = Report()
        with self._session.transaction() as txn:
            for source in self._sources:
                _put_source(txn, source, self._resolver, counts)
        for source in self._sources:
            source.pieces = []
        self._report.records.update(counts.records)
        self._report.reasons.update(counts.reasons)
        self._sources = []
        self.size = 0

    def quarantine(self, source: Source, stream: BinaryIO, error: SourceError) -> None:
        """Commit what was taken in; then keep the rest of a source, of any size, in quarantine."""
        self.commit()
        with self._session.transaction() as txn:
            record_id = txn.put(stream, kind=QUARANTINE, subject=None)
            txn.set_state(REASONS, bytes(record_id), error.code.to_bytes(2, "little") + source.token)
            _put_recipe(txn, source, [encode_step(record_id, 1, streamed=True)], None)
        self._report.records[QUARANTINE, 0, "quarantined"] += 1
        self._report.reasons[error.code] += 1


def _put_source(txn: Transaction, source: Source, resolver: Resolver, report: Report) -> None:
    subjects = [_subject(txn, piece.facts, source.scope, resolver) for piece in source.pieces]
    heirs = _heirs(subjects, source.last_subject)
    named = [subject for subject in subjects if subject]
    steps: list[bytes] = []
    for piece, subject, heir in zip(source.pieces, subjects, heirs, strict=True):
        _put_piece(txn, source, piece, subject, heir, steps, report)
    source.last_subject = named[-1] if named else source.last_subject
    _put_recipe(txn, source, steps, named[0] if named else None)


def _put_recipe(txn: Transaction, source: Source, steps: Sequence[bytes], first: SubjectId | None) -> None:
    """Put the next part of a source's recipe, with its name if this is the first, and the checkpoint."""
    name = b""
    if not source.recipe:
        name = bytes(txn.put(source.name, kind=GAP, subject=first))
    if source.final and source.previous:
        for resolved in source.previous.quarantined():
            txn.delete(resolved)
    part = RecipePart(source.token, source.recipe, name, source.root, b"".join(steps))
    source.recipe = bytes(txn.put(encode(part), kind=RECIPE, subject=None, media_type=RECIPE_TYPE))
    txn.set_state(SOURCES, source.token, encode(source.checkpoint(source.recipe)))


def _subject(txn: Transaction, facts: Facts | None, scope: Scope, resolver: Resolver) -> SubjectId | None:
    return None if facts is None else resolver.subject(txn, facts, scope)


def _heirs(subjects: Sequence[SubjectId | None], before: SubjectId | None) -> list[SubjectId | None]:
    """Return, for each piece, the subject near it in the file: its own, else the one before, else the one after."""
    heirs: list[SubjectId | None] = []
    for subject in subjects:
        before = subject or before
        heirs.append(before)
    following: SubjectId | None = None
    for number in range(len(subjects) - 1, -1, -1):
        following = subjects[number] or following
        heirs[number] = heirs[number] or following
    return heirs


def _put_piece(
    txn: Transaction,
    source: Source,
    piece: Piece,
    subject: SubjectId | None,
    heir: SubjectId | None,
    steps: list[bytes],
    report: Report,
) -> None:
    if subject is None and heir is not None:
        _put_gap(txn, source, heir, piece.before, steps)
        bare = Piece(b"", piece.data, b"", piece.facts, piece.problem)
        _put_record(txn, source, bare, None, steps, report)
        _put_gap(txn, source, heir, piece.after, steps)
    else:
        _put_record(txn, source, piece, subject, steps, report)


def _put_gap(txn: Transaction, source: Source, subject: SubjectId, gap: bytes, steps: list[bytes]) -> None:
    """Keep gap bytes that are beside a record of nobody's with the subject near it."""
    if not gap:
        return
    known = source.previous.same(b"", gap, b"") if source.previous else None
    if known is not None:
        steps.append(encode_step(known.id, known.version))
    else:
        owner = NOBODY if _PLAIN.issuperset(gap) else subject
        steps.append(encode_step(txn.put(gap, kind=GAP, subject=owner), 1))


def _put_record(
    txn: Transaction, source: Source, piece: Piece, subject: SubjectId | None, steps: list[bytes], report: Report
) -> None:
    facts, previous = piece.facts, source.previous
    year = facts.date.when.year if facts and facts.date else 0
    kind = facts.kind if facts else QUARANTINE
    known = previous.same(piece.before, piece.data, piece.after, quarantined=facts is None) if previous else None
    if facts is None:
        code = piece.problem.code if piece.problem else 0
        report.records[QUARANTINE, 0, "quarantined"] += 1
        report.reasons[code] += 1
    if known is not None:
        steps.append(encode_step(known.id, known.version))
        if facts is not None:
            report.records[kind, year, "unchanged"] += 1
        return
    if facts is None:
        record_id = txn.put(piece.data, kind=QUARANTINE, subject=None, before=piece.before, after=piece.after)
        txn.set_state(REASONS, bytes(record_id), code.to_bytes(2, "little") + source.token)
        steps.append(encode_step(record_id, 1))
        return
    replaces = previous.replaced_by(piece) if previous else None
    record_id = txn.put(
        piece.data,
        kind=facts.kind,
        subject=subject,
        date=facts.date,
        media_type=facts.media_type,
        replaces=replaces.id if replaces else None,
        before=piece.before,
        after=piece.after,
    )
    steps.append(encode_step(record_id, replaces.version + 1 if replaces else 1))
    report.records[kind, year, "version" if replaces else "stored"] += 1
