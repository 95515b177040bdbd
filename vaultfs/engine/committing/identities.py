"""The subjects that a transaction works with: found by identifiers, created, identified and linked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec
from vaultfs_format.entries import WEAK, Role, pack_row
from vaultfs_format.events.base import Event, Outcome
from vaultfs_format.events.records import (
    IdentifierAsserted,
    SubjectsCompared,
    SubjectSearched,
    SubjectsLinked,
    SubjectsUnlinked,
)
from vaultfs_format.frame import FrameClass
from vaultfs_format.suite import KEY

from vaultfs.access.policy import Action
from vaultfs.engine.committing.claims import Claims
from vaultfs.engine.committing.pending import Pending
from vaultfs.engine.committing.units import DateFields, Gathered, Unit, date_fields, role_entry
from vaultfs.engine.reading.session import FAILURES
from vaultfs.engine.reading.subjects import content_key, one_subject
from vaultfs.errors import ArgumentInvalid, NotFound, SubjectAmbiguous
from vaultfs.model import NOBODY, Date, Identifier, SubjectId

if TYPE_CHECKING:
    from vaultfs.engine.committing.writing import WritingSession

_SUBJECT = pack_row(*role_entry(Role.SUBJECT, bytes(16), 0, KEY))
"""The first row of a subject's first frame."""

_ALIAS = int(Role.ALIAS)
_SURROGATE = 16
_DRAWN = 16
"""Subjects for which random bytes are drawn at once."""


class Holder(msgspec.Struct, gc=False):
    """A subject as one transaction sees it: its surrogate, its content-id key and the frames that are gathered.

    Records without a date have frames of their own, since settling puts these into segments of their own.
    """

    id: SubjectId
    content_key: bytes
    unit: Unit
    _undated: Unit | None = None
    parts: frozenset[bytes] = frozenset()
    """Content ids of the parts of blobs that the transaction has written for the subject."""

    def __repr__(self) -> str:
        return "<Holder>"

    @classmethod
    def of(cls, subject: SubjectId, key: bytes, gathered: list[Gathered]) -> Holder:
        """Return the holder of a subject; `gathered` receives its frames."""
        return cls(subject, key, Unit(FrameClass.RECORD, subject, gathered))

    @property
    def undated(self) -> Unit:
        """What gathers records without a date."""
        if self._undated is None:
            self._undated = Unit(FrameClass.RECORD, self.id, self.unit.full)
        return self._undated

    def close(self) -> None:
        """Complete the frames."""
        self.unit.close()
        if self._undated is not None:
            self._undated.close()


class Identities:
    """The subjects of one transaction.

    Parameters
    ----------
    pending
        Receives frames and events, and is told which identifiers the transaction claims.
    """

    def __init__(self, session: WritingSession, pending: Pending) -> None:
        self._session = session
        self._engine = session.engine
        self._pending = pending
        self._intent = pending.intent
        self._holders: dict[SubjectId, Holder] = {}
        self._created: set[SubjectId] = set()
        self._may_create = False
        """Whether the policy, which is asked once in a transaction, lets subjects be created."""
        self._random = b""
        self._told: set[tuple[object, ...]] = set()
        self.claims = Claims(self._engine, session.steady)

    def known(self, subject: Identifier | SubjectId) -> SubjectId | None:
        """Return the subject that is meant, None for an identifier that nobody has claimed.

        Raises
        ------
        SubjectAmbiguous
        """
        if isinstance(subject, SubjectId):
            return subject
        claimants = self.claims.claimants(subject)
        if len(claimants) < 2:
            return claimants[0] if claimants else None
        return self._session.steady(lambda: one_subject(self._engine, claimants))

    def permitted(self, subject: Identifier | SubjectId, action: Action, kind: str | None = None) -> SubjectId | None:
        """Return the subject that is meant, None for an identifier that nobody has claimed, if the policy permits it.

        Raises
        ------
        AccessDenied, SubjectAmbiguous
        """
        ambiguous = None
        try:
            known = self.known(subject)
        except SubjectAmbiguous as error:
            known, ambiguous = None, error.facts
        except FAILURES:
            self._session.note_failed(SubjectSearched, (None,))
            raise
        self._session.authorize(action, kind, known)  # who may not do it is not told how many there are
        if ambiguous is not None:
            self._session.note_failed(SubjectSearched, (None,))
            raise SubjectAmbiguous(**ambiguous)
        return known

    def required(self, subject: Identifier | SubjectId, action: Action) -> SubjectId:
        """Return the subject that is meant, of an identifier that somebody must have claimed, if the policy permits it.

        Raises
        ------
        AccessDenied, NotFound, SubjectAmbiguous
        """
        known = self.permitted(subject, action)
        if known is None:
            self._session.note_failed(SubjectSearched, (None,))
            raise NotFound
        return known

    def subject(self, identifier: Identifier, date: Date = None) -> SubjectId:
        """Return the subject of an identifier, created if nobody has claimed it."""
        with self._session.noting_absence(SubjectSearched, None):
            known = self.known(identifier)
        if known is None:
            return self.created(identifier, date)
        self._tell(SubjectSearched, known)
        return known

    def claimants(self, identifier: Identifier) -> list[SubjectId]:
        """Return the subjects for which an identifier is asserted."""
        with self._session.noting_absence(SubjectSearched, None):
            found = list(self.claims.claimants(identifier))
        for one in found or (None,):
            self._tell(SubjectSearched, one)
        return found

    def linked(self, one: SubjectId, other: SubjectId) -> bool:
        """Return whether two subjects are stated to be one person."""
        pairs = (one, other), (other, one)
        with self._session.noting(SubjectsCompared, pairs):
            found = self.claims.linked(one, other)
        for pair in pairs:
            self._tell(SubjectsCompared, *pair)
        return found

    def _tell(self, kind: Callable[..., Event], subject: SubjectId | None, *about: object) -> None:
        """Take down, once, what somebody is told before the end; in a strict session it is written at once.

        Of subjects that the transaction itself has created nothing is told.
        """
        told = (kind, subject, *about)
        if subject in self._created or told in self._told:
            return
        self._told.add(told)
        event = self._session.event(kind, subject, *about, Outcome.DONE)
        if self._session.strict:
            self._session.note([event])
        else:
            self._pending.told.append(event)

    def created(self, identifier: Identifier, date: Date = None) -> SubjectId:
        """Create the subject of an identifier that nobody has claimed: one act, and one event."""
        dated = date_fields(date)
        holder = self._begun()
        self._assert(holder, identifier, dated, unclaimed=True)
        self._pending.note_created(holder.id, 1)
        return holder.id

    def identifiers(self, subject: SubjectId) -> list[Identifier]:
        """Return the identifiers that the vault or this transaction asserts for a subject."""
        own = self.claims.own(subject)
        return own if subject in self._created else [*self._session.identifiers(subject), *own]

    def create(self) -> SubjectId:
        """Create a subject that no identifier names yet."""
        holder = self._begun()
        self._pending.note_created(holder.id, 0)
        return holder.id

    def _begun(self) -> Holder:
        """Begin a subject with its content key."""
        if not self._may_create:
            self._session.authorize(Action.LINK, None, None)
            self._may_create = True
        subject, key = self._fresh()
        holder = self._holders[subject] = Holder.of(subject, key, self._pending.gathered)
        holder.unit.room(KEY).add_key(_SUBJECT, key)
        self._created.add(subject)
        return holder

    def _fresh(self) -> tuple[SubjectId, bytes]:
        """Return a new surrogate and content key; the operating system is asked for those of many at once."""
        if not self._random:
            self._random = os.urandom(_DRAWN * (_SURROGATE + KEY))
        secret, self._random = self._random[: _SURROGATE + KEY], self._random[_SURROGATE + KEY :]
        return SubjectId(secret[:_SURROGATE]), secret[_SURROGATE:]

    def identify(self, subject: SubjectId, identifier: Identifier, date: Date = None, *, weak: bool = False) -> None:
        """Assert that an identifier names a subject, from `date` on."""
        if subject == NOBODY:
            raise ArgumentInvalid
        dated = date_fields(date)
        if subject not in self._created:
            self._session.authorize(Action.LINK, None, subject)
        with self._session.noting_absence(SubjectSearched, subject):
            holder = self.holder(subject)
            claims = self.claims.claimants(identifier)
        if subject in claims:
            return
        self._assert(holder, identifier, dated, WEAK if weak else 0, unclaimed=not claims)
        self._pending.note(IdentifierAsserted, subject, weak)

    def _assert(
        self, holder: Holder, identifier: Identifier, dated: DateFields, flags: int = 0, *, unclaimed: bool
    ) -> None:
        token, body = self.claims.named(identifier)
        self._intent.claimed.add(token)
        if unclaimed:
            self._intent.unclaimed.add(token)
        self.claims.assert_for(holder.id, identifier)
        precision, offset_minutes, milliseconds = dated
        frame = holder.unit.room(len(body))
        row = pack_row(
            _ALIAS, flags, 0, 0, precision, offset_minutes, 0, milliseconds, 0, 0,
            frame.size, len(body), 0, 0, token,
        )  # fmt: skip
        frame.add_alias(row, token, body)

    def relate(self, one: SubjectId, other: SubjectId, *, same: bool) -> None:
        """State that two subjects are one person, or that they are not."""
        if one == other or NOBODY in (one, other):
            raise ArgumentInvalid
        for subject in (one, other):
            self._session.authorize(Action.LINK, None, subject)
        for subject in (one, other):
            with self._session.noting_absence(SubjectSearched, subject):
                self.holder(subject)
        self.claims.relate(one, other, same=same)
        for pair in ((one, other), (other, one)):
            self._pending.note(SubjectsLinked if same else SubjectsUnlinked, *pair)

    def holder(self, subject: SubjectId) -> Holder:
        """Return what gathers the records of a subject.

        Raises
        ------
        NotFound
        """
        found = self._holders.get(subject)
        if found is None:
            key = self._session.steady(lambda: content_key(self._engine, subject))
            found = self._holders[subject] = Holder.of(subject, key, self._pending.gathered)
        return found

    def close(self) -> None:
        """Complete all frames. What was said last of each pair counts: two words of one commit would have no order."""
        for (one, other), same in self.claims.links().items():
            self.holder(one).unit.room(0).add(role_entry(Role.LINK if same else Role.UNLINK, bytes(other), 0, 0))
        for holder in self._holders.values():
            holder.close()

    def look_up(self, identifiers: Iterable[Identifier]) -> None:
        """Find out together who is known by each of many identifiers."""
        with self._session.noting_absence(SubjectSearched, None):
            self.claims.look_up(identifiers)
