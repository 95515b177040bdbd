"""Who is known by what, as a transaction sees it: what the vault holds, and what the transaction itself has said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from vaultfs.engine.engine import Engine
from vaultfs.engine.reading.subjects import claimants, encode_identifier, linked
from vaultfs.model import Identifier, SubjectId

T = TypeVar("T")
Named = tuple[bytes, bytes]


class Steady(Protocol):
    """Runs a reading again where frames have moved."""

    def __call__(self, read: Callable[[], T], /) -> T: ...


class Claims:
    """Identifiers and links that one transaction has looked up or stated."""

    def __init__(self, engine: Engine, steady: Steady) -> None:
        self._engine = engine
        self._steady = steady
        self._claims: dict[Identifier, list[SubjectId]] = {}
        self._named: dict[Identifier, Named] = {}
        self._own: dict[SubjectId, list[Identifier]] = {}
        self._links: dict[tuple[SubjectId, SubjectId], bool] = {}

    def claimants(self, identifier: Identifier) -> list[SubjectId]:
        """Return the subjects for which an identifier is asserted, those of the vault first."""
        found = self._claims.get(identifier)
        if found is None:
            self.look_up([identifier])
            found = self._claims[identifier]
        return found

    def look_up(self, identifiers: Iterable[Identifier]) -> None:
        """Find out together who is known by each of those identifiers that were not asked about before."""
        unknown = {one for one in identifiers if one not in self._claims}
        if unknown:
            tokens = [self.named(one)[0] for one in unknown]
            found = self._steady(lambda: claimants(self._engine, tokens))
            self._claims.update(zip(unknown, found, strict=True))

    def named(self, identifier: Identifier) -> Named:
        """Return the token of an identifier, and its bytes, as entries keep them."""
        found = self._named.get(identifier)
        if found is None:
            body = encode_identifier(identifier)
            found = self._named[identifier] = self._engine.chain.identifier_token(body), body
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
        self._links[min(one, other), max(one, other)] = same

    def links(self) -> dict[tuple[SubjectId, SubjectId], bool]:
        """Return whether the transaction links, by pair of subjects, the lower one first."""
        return self._links

    def linked(self, one: SubjectId, other: SubjectId) -> bool:
        """Return whether two subjects are one person, through links of the vault or a direct one of the transaction."""
        stated = self._links.get((min(one, other), max(one, other)))
        return stated if stated is not None else other in self._steady(lambda: linked(self._engine, one))
