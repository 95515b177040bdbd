"""Putting the pieces of one source into a transaction: records, the bytes around them, and the recipe's next part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from vaultfs.engine.committing.transaction import Transaction
from vaultfs.engine.reading.session import Session
from vaultfs.errors import SourceError
from vaultfs.interop.pieces import Facts, Piece
from vaultfs.migrate.authorities import Authorities
from vaultfs.migrate.identity import Resolver, Scope
from vaultfs.migrate.kinds import GAP, QUARANTINE, REASONS, RECIPE, SOURCES
from vaultfs.migrate.previous import Around, Known, Match, Previous
from vaultfs.migrate.recipes import RECIPE_TYPE, RecipePart, SourceState, Status, Step, encode
from vaultfs.migrate.report import Report
from vaultfs.migrate.sources import Tail
from vaultfs.model import NOBODY, SubjectId

_PLAIN = frozenset(b" \t\r\n,[]{}:\x0b\x1c")
"""Bytes of punctuation: a gap of these alone tells nothing of anybody."""


@dataclass(frozen=True, slots=True, repr=False)
class Place:
    """How far a source has come; what its checkpoint says.

    Parameters
    ----------
    recipe
        Id of the last part of its recipe, empty before the first.
    length, pieces
        What the recipe covers.
    subject
        The last subject that a piece belonged to; takes the gap bytes of what is nobody's.
    named
        Whether the recipe has the source's name.
    """

    recipe: bytes = b""
    length: int = 0
    pieces: int = 0
    subject: SubjectId | None = None
    named: bool = False


@dataclass(slots=True, repr=False)
class Source:
    """A source that is being imported.

    Parameters
    ----------
    name
        Relative path in bytes.
    revision
        See `SourceState`.
    earlier
        Recipes of the revision that was last completed (empty where there is none), and of those begun since.
    previous
        The records that it had before.
    pieces
        Taken, and not committed yet.
    ended
        They are the last ones of the source.
    unfinished
        Status of the source until then.
    """

    token: bytes
    root: bytes
    name: bytes
    authorities: Authorities
    revision: int = 1
    earlier: tuple[bytes, ...] = (b"",)
    previous: Previous | None = None
    place: Place = field(default_factory=Place)
    pieces: list[Piece] = field(default_factory=list)
    ended: bool = False
    unfinished: Status = Status.PARTIAL

    def scope(self, bundle: int) -> Scope:
        """Return how what this source states, in a Bundle inside of it, is to be understood."""
        return Scope(f"{self.token.hex()}.{self.revision}.{bundle}", self.root.hex(), self.authorities)


class Placement:
    """The work of one transaction on one source. Changes nothing but the transaction."""

    def __init__(self, session: Session, txn: Transaction, source: Source, resolver: Resolver, report: Report) -> None:
        self._session = session
        self._txn = txn
        self._source = source
        self._resolver = resolver
        self._report = report
        self._steps: list[bytes] = []
        self._length = 0
        self._count = 0
        self._first: SubjectId | None = None
        self._last = source.place.subject

    def put(self, pieces: Sequence[Piece]) -> None:
        """Put pieces of the source that follow those before."""
        found = [self._lookup(piece) for piece in pieces]
        subjects = self._subjects(pieces, found)
        heirs = _heirs(subjects, self._last)
        for piece, (same, replaced), subject, heir in zip(pieces, found, subjects, heirs, strict=True):
            self._put(piece, same, replaced, subject, heir)
        named = [subject for subject in subjects if subject]
        self._first = named[0] if named else None
        self._last = named[-1] if named else self._last
        self._count += len(pieces)
        self._length += sum(len(piece.before) + len(piece.data) + len(piece.after) for piece in pieces)

    def _subjects(
        self, pieces: Sequence[Piece], found: Sequence[tuple[Match | None, Known | None]]
    ) -> list[SubjectId | None]:
        """Return whose the pieces are. Patients go first: a record may stand before its own, and after another's."""
        subjects: list[SubjectId | None] = [None] * len(pieces)
        for patients in (True, False):
            for number, piece in enumerate(pieces):
                if piece.facts is not None and piece.facts.is_subject is patients:
                    subjects[number] = self._subject(piece, *found[number])
        return subjects

    def stream(self, rest: Tail, found: Facts | SourceError) -> None:
        """Put the rest of the source, which need not fit into memory, as one record."""
        if isinstance(found, SourceError):
            step = self._keep(cast("BinaryIO", rest), found, b"", b"")
            self._report.quarantined(found.code)
        else:
            previous = self._source.previous
            replaced = previous.replaced_by(found) if previous else None
            scope = self._source.scope(found.scope)
            subject = self._resolver.subject(self._txn, found, scope, replaced.holder if replaced else None)
            step = self._add(cast("BinaryIO", rest), found, subject, replaced, b"", b"")
            self._report.record(found, "version" if replaced else "stored")
            self._first, self._last = subject, subject or self._last
        self._steps.append(step._replace(streamed=True).encoded())
        self._count += 1
        self._length += rest.length

    def finish(self) -> Place:
        """Put the next part of the recipe, and the checkpoint; return what it says."""
        source, place, txn = self._source, self._source.place, self._txn
        owner = self._first or self._last
        name = b""
        if not place.named and (owner or source.ended):
            name = bytes(txn.put(source.name, kind=GAP, subject=owner))
        retired = b""
        if source.ended and source.previous:
            for resolved in source.previous.resolved():
                txn.delete(resolved)
            retired = b"".join(step.encoded() for step in source.previous.retired())
        part = RecipePart(source.token, place.recipe, name, source.root, b"".join(self._steps), retired)
        recipe = bytes(txn.put(encode(part), kind=RECIPE, subject=None, media_type=RECIPE_TYPE))
        after = Place(
            recipe, place.length + self._length, place.pieces + self._count, self._last, place.named or bool(name)
        )
        txn.set_state(SOURCES, source.token, encode(_state(source, after)))
        return after

    # One piece.

    def _lookup(self, piece: Piece) -> tuple[Match | None, Known | None]:
        """Return the record that holds a piece already, or else the one that it is a new version of."""
        previous = self._source.previous
        if previous is None:
            return None, None
        same = previous.same(piece, ((piece.before, piece.after), _plain(piece)))
        return same, None if same or piece.facts is None else previous.replaced_by(piece.facts)

    def _subject(self, piece: Piece, same: Match | None, replaced: Known | None) -> SubjectId | None:
        facts = piece.facts
        if facts is None:
            return None
        scope = self._source.scope(facts.scope)
        if same is None:
            return self._resolver.subject(self._txn, facts, scope, replaced.holder if replaced else None)
        subject = same.known.holder
        if subject and facts.is_subject:
            self._resolver.remember(self._txn, subject, facts.own_references, scope)
        return subject

    def _put(
        self,
        piece: Piece,
        same: Match | None,
        replaced: Known | None,
        subject: SubjectId | None,
        heir: SubjectId | None,
    ) -> None:
        """Put a piece; bytes around a record of nobody's that may tell of the subject near it go to that subject."""
        self._report.count(piece, "unchanged" if same else "version" if replaced else "stored")
        around = same.around if same else _plain(piece) if subject is None and heir else (piece.before, piece.after)
        before, after = around
        if before != piece.before:
            self._gap(piece.before, subject or heir)
        if same:
            self._steps.append(Step(same.known.id, same.known.version, bare=same.bare).encoded())
        else:
            self._record(piece, subject, replaced, before, after)
        if after != piece.after:
            self._gap(piece.after, subject or heir)

    def _gap(self, gap: bytes, owner: SubjectId | None) -> None:
        """Keep gap bytes apart from the record beside them."""
        holder = NOBODY if owner is None or _PLAIN.issuperset(gap) else owner
        known = self._source.previous.gap(gap, holder) if self._source.previous else None
        step = Step(known.id, known.version) if known else Step(self._txn.put(gap, kind=GAP, subject=holder), 1)
        self._steps.append(step.encoded())

    def _record(
        self, piece: Piece, subject: SubjectId | None, replaced: Known | None, before: bytes, after: bytes
    ) -> None:
        if piece.facts is not None:
            step = self._add(piece.data, piece.facts, subject, replaced, before, after)
        else:
            step = self._keep(piece.data, piece.problem, before, after)
        self._steps.append(step.encoded())

    def _add(
        self,
        data: bytes | BinaryIO,
        facts: Facts,
        subject: SubjectId | None,
        replaced: Known | None,
        before: bytes,
        after: bytes,
    ) -> Step:
        """Put a record, or a new version of one; others than the import may have made versions since."""
        version = 1 if replaced is None else self._session.info(replaced.id).version + 1
        record_id = self._txn.put(
            data,
            kind=facts.kind,
            subject=subject,
            date=facts.date,
            media_type=facts.media_type,
            replaces=replaced.id if replaced else None,
            before=before,
            after=after,
            pixels=facts.pixels,
        )
        return Step(record_id, version)

    def _keep(self, data: bytes | BinaryIO, problem: SourceError | None, before: bytes, after: bytes) -> Step:
        """Put what is not understood into quarantine, with the reason and the source that it is of."""
        record_id = self._txn.put(data, kind=QUARANTINE, subject=None, before=before, after=after)
        reason = (problem.code if problem else 0).to_bytes(2, "little") + self._source.token
        self._txn.set_state(REASONS, bytes(record_id), reason)
        return Step(record_id, 1)


def _state(source: Source, place: Place) -> SourceState:
    status = Status.COMPLETE if source.ended else source.unfinished
    base, *begun = (b"",) if source.ended else source.earlier
    subject = bytes(place.subject or b"")
    return SourceState(status, place.recipe, place.length, place.pieces, source.revision, base, tuple(begun), subject)


def _plain(piece: Piece) -> Around:
    """Return the bytes before and after a piece as far as they are punctuation."""
    before, after = piece.before, piece.after
    return before if _PLAIN.issuperset(before) else b"", after if _PLAIN.issuperset(after) else b""


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
