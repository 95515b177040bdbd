"""Whose record is this? From what a source states to a subject, without ever merging two by itself.

Strong identifiers decide. A reference is looked up in its own file, then among all files of the same source; one that
leads nowhere makes a provisional subject, which is linked when its patient arrives. Identifiers that lead to two
subjects make a link candidate, for a person to decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vaultfs.engine.session import Session
from vaultfs.engine.transaction import Transaction
from vaultfs.errors import ArgumentInvalid
from vaultfs.interop.pieces import Facts, SourceIdentifier
from vaultfs.model import MAX_IDENTIFIER_CHARS, ClinicalDate, Identifier, SubjectId

REFERENCE = "urn:vaultfs:reference"
"""System of the identifiers that stand for references inside a source: value is scope#reference."""

PROVISIONAL = "urn:vaultfs:provisional"
"""System of the identifiers that name a subject known by a reference alone."""

CANDIDATE = "vaultfs.link-candidate"
CANDIDATES = "link-candidate"


@dataclass(frozen=True, slots=True)
class Authorities:
    """How authorities of a source become identifier systems.

    Parameters
    ----------
    namespace
        URI under which identifiers without an authority, and authorities with a local name, are kept apart.
    same
        Authority as stated, to the system that it is the same as (OID, HD name, IssuerOfPatientID ...).
    """

    namespace: str
    same: Mapping[str, str]

    def system(self, authority: str) -> str:
        """Return the identifier system of an authority."""
        mapped = self.same.get(authority)
        if mapped is not None:
            return mapped
        if not authority:
            return self.namespace
        return authority if ":" in authority else f"{self.namespace}:{authority}"

    def identifier(self, stated: SourceIdentifier) -> Identifier | None:
        """Return the identifier, None where it is too long to be one."""
        try:
            return Identifier(self.system(stated.authority), stated.value)
        except ArgumentInvalid:
            return None


@dataclass(frozen=True, slots=True)
class Scope:
    """Where references of a file are looked up: tokens of the file and of the source that it belongs to, in hex."""

    file: str
    root: str


class Resolver:
    """Resolves the subjects of one import."""

    def __init__(self, session: Session, authorities: Authorities) -> None:
        self._session = session
        self._authorities = authorities
        self.candidates = 0

    def subject(self, txn: Transaction, facts: Facts, scope: Scope) -> SubjectId | None:
        """Return whose record `facts` are of, a new subject if need be; None for a record that is nobody's."""
        stated = [(self._authorities.identifier(one), one.strong) for one in facts.identifiers]
        strong = [one for one, is_strong in stated if one and is_strong]
        weak = [one for one, is_strong in stated if one and not is_strong]
        if facts.is_subject:
            return self._of_patient(txn, facts, strong, weak, scope)
        found = self._by_references(txn, facts.subject_references, scope)
        if found is None and not strong and not weak:
            return self._provisional(txn, facts.subject_references, scope)
        named = self._claimants(txn, strong) or ([] if strong else self._claimants(txn, weak, single=True))
        subject = found or (named[0] if named else None) or txn.new_subject()
        self._assert(txn, subject, strong, weak, facts.date)
        self._propose(txn, subject, named)
        return subject

    def _of_patient(
        self, txn: Transaction, facts: Facts, strong: Sequence[Identifier], weak: Sequence[Identifier], scope: Scope
    ) -> SubjectId | None:
        references = facts.own_references
        if not strong and not weak and not references:
            return None
        named = self._claimants(txn, strong)
        if not strong:
            named = self._claimants(txn, weak, single=True) or self._claimants(
                txn, _references(references, scope.root), single=True
            )
        waiting = self._claimants(txn, _references(references, scope.file))
        waiting += self._claimants(txn, _references(references, scope.root, PROVISIONAL))
        subject = named[0] if named else None
        if subject is None:
            adopted = [one for one in waiting if self._is_provisional(txn, one)]
            subject = adopted[0] if adopted else txn.new_subject()
        self._assert(txn, subject, strong, weak, facts.date)
        for token in (scope.file, scope.root):
            for reference in _references(references, token):
                txn.identify(subject, reference)
        for other in dict.fromkeys(waiting):
            if other != subject and self._is_provisional(txn, other):
                txn.link(subject, other)
        self._propose(txn, subject, named)
        return subject

    def _by_references(self, txn: Transaction, references: Sequence[str], scope: Scope) -> SubjectId | None:
        for token in (scope.file, scope.root):
            for reference in _references(references, token):
                found = self._claimants(txn, [reference], single=True)
                if found:
                    return found[0]
        return None

    def _provisional(self, txn: Transaction, references: Sequence[str], scope: Scope) -> SubjectId | None:
        """Return a subject for a reference that leads nowhere yet, in this file."""
        if not references:
            return None
        subject = txn.new_subject()
        for reference in _references(references[:1], scope.file):
            txn.identify(subject, reference)
        for reference in _references(references[:1], scope.root, PROVISIONAL):
            txn.identify(subject, reference)
        return subject

    def _is_provisional(self, txn: Transaction, subject: SubjectId) -> bool:
        """Return whether a subject is known by references alone."""
        own = (REFERENCE, PROVISIONAL)
        return all(identifier.system in own for identifier in txn.identifiers(subject))

    def _claimants(
        self, txn: Transaction, identifiers: Sequence[Identifier], *, single: bool = False
    ) -> list[SubjectId]:
        """Return the subjects that identifiers name, in their order; with `single` only where each names one."""
        found: list[SubjectId] = []
        for identifier in identifiers:
            claims = txn.claimants(identifier)
            if single and len(claims) > 1:
                continue
            found += [one for one in claims if one not in found]
        return found

    def _assert(
        self,
        txn: Transaction,
        subject: SubjectId,
        strong: Sequence[Identifier],
        weak: Sequence[Identifier],
        date: ClinicalDate | None,
    ) -> None:
        """Assert identifiers that nobody else has claimed; those of others are proposed, not taken."""
        for identifier in strong:
            if not txn.claimants(identifier):
                txn.identify(subject, identifier, date)
        for identifier in weak:
            txn.identify(subject, identifier, date, weak=True)

    def _propose(self, txn: Transaction, subject: SubjectId, others: Sequence[SubjectId]) -> None:
        """Keep, once a pair, that identifiers of one record name two subjects that nobody has linked."""
        for other in others:
            if other == subject or txn.linked(subject, other):
                continue
            key = b"".join(sorted((bytes(subject), bytes(other))))
            if txn.state(CANDIDATES, key).version == 0:
                txn.set_state(CANDIDATES, key, b"")
                txn.put(bytes(other), kind=CANDIDATE, subject=subject)
                self.candidates += 1


def _references(references: Sequence[str], scope: str, system: str = REFERENCE) -> list[Identifier]:
    fitting = [f"{scope}#{one}" for one in references]
    return [Identifier(system, one) for one in fitting if len(one) <= MAX_IDENTIFIER_CHARS]
