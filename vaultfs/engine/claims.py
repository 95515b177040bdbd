"""Who is known by what, as a transaction sees it: what the vault holds, and what the transaction itself has said."""

from __future__ import annotations

from vaultfs.engine.engine import Engine
from vaultfs.engine.subjects import linked, subjects_of
from vaultfs.model import Identifier, SubjectId


class Claims:
    """Identifiers and links that one transaction has looked up or stated."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._claims: dict[Identifier, list[SubjectId]] = {}
        self._own: dict[SubjectId, list[Identifier]] = {}
        self._links: dict[frozenset[SubjectId], bool] = {}

    def claimants(self, identifier: Identifier) -> list[SubjectId]:
        """Return the subjects for which an identifier is asserted, those of the vault first."""
        found = self._claims.get(identifier)
        if found is None:
            found = self._claims[identifier] = subjects_of(self._engine, identifier)
        return found

    def assert_for(self, subject: SubjectId, identifier: Identifier) -> None:
        """Take note that the transaction asserts an identifier."""
        self.claimants(identifier).append(subject)
        self._own.setdefault(subject, []).append(identifier)

    def own(self, subject: SubjectId) -> list[Identifier]:
        """Return the identifiers that the transaction itself asserts for a subject."""
        return list(self._own.get(subject, ()))

    def relate(self, one: SubjectId, other: SubjectId, *, same: bool) -> None:
        """Take note that the transaction links or unlinks two subjects."""
        self._links[frozenset((one, other))] = same

    def linked(self, one: SubjectId, other: SubjectId) -> bool:
        """Return whether two subjects are one person, through links of the vault or a direct one of the transaction."""
        stated = self._links.get(frozenset((one, other)))
        return stated if stated is not None else other in linked(self._engine, one)
