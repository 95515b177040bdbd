"""What a transaction knows of subjects by their identifiers, and how an import states more of it.

Strong and weak assertions are told apart, and the systems named here keep what only an import understands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vaultfs_format import sha2

from vaultfs.engine.committing.transaction import Transaction
from vaultfs.migrate.authorities import RESERVED
from vaultfs.model import MAX_IDENTIFIER_CHARS, ClinicalDate, Identifier, SubjectId

REFERENCE = RESERVED + "reference"
"""Whom a file means by a reference: file#reference."""

PATIENT = RESERVED + "patient"
"""A Patient of a source can be referred to so: source#reference."""

AWAITED = RESERVED + "awaited"
"""A provisional subject; its Patient, when it comes, can be referred to so: source#reference."""

RELIED = RESERVED + "relied"
"""A record of one file was filed by the reference to a Patient of another: source#reference."""

WEAK = RESERVED + "weak"
"""The subject was given an identifier weakly: digest of the identifier."""

UNCERTAIN = RESERVED + "uncertain"
"""The subject keeps records that name an identifier of several subjects: digest of the identifier."""


def scoped(system: str, scope: str, references: Iterable[str]) -> list[Identifier]:
    """Return the identifiers that stand for references inside a scope, without those that no vault could keep."""
    fitting = [f"{scope}#{one}" for one in references]
    return [Identifier(system, one) for one in fitting if len(one) <= MAX_IDENTIFIER_CHARS]


def mark(system: str, identifier: Identifier) -> Identifier:
    """Return an identifier that says something of another one, which it does not show."""
    text = f"{len(identifier.system)} {identifier.system}{identifier.value}"
    return Identifier(system, sha2.digest(text.encode(errors="surrogatepass")).hex())


def strong_claims(txn: Transaction, identifier: Identifier) -> list[SubjectId]:
    """Return the subjects that were given an identifier strongly."""
    claims = txn.claimants(identifier)
    if not claims:
        return []
    weak = txn.claimants(mark(WEAK, identifier))
    return [one for one in claims if one not in weak]


def one_of(txn: Transaction, references: Iterable[Identifier], patients: Iterable[Identifier] = ()) -> SubjectId | None:
    """Return whom the first reference means that means exactly one person.

    Parameters
    ----------
    patients
        Of linked subjects the one with any of these is returned.
    """
    for reference in references:
        claims = txn.claimants(reference)
        if len(claims) > 1 and all(same(txn, claims[0], one) for one in claims):
            known = claimants(txn, patients)
            return next((one for one in claims if one in known), claims[0])
        if len(claims) == 1:
            return claims[0]
    return None


def claimants(txn: Transaction, identifiers: Iterable[Identifier]) -> list[SubjectId]:
    """Return the subjects of any of the identifiers, each once."""
    return list(dict.fromkeys(one for identifier in identifiers for one in txn.claimants(identifier)))


def same(txn: Transaction, one: SubjectId, other: SubjectId) -> bool:
    """Return whether two subjects are one, or stated to be one person."""
    return one == other or txn.linked(one, other)


def is_provisional(txn: Transaction, subject: SubjectId) -> bool:
    """Return whether a subject is known by references alone, and none of them is a Patient's."""
    return all(identifier.system in (REFERENCE, AWAITED) for identifier in txn.identifiers(subject))


def has_strong(txn: Transaction, subject: SubjectId) -> bool:
    """Return whether a subject was given any identifier strongly."""
    foreign = (one for one in txn.identifiers(subject) if not one.system.startswith(RESERVED))
    return any(subject in strong_claims(txn, one) for one in foreign)


def contradicts(txn: Transaction, subject: SubjectId, identifier: Identifier) -> bool:
    """Return whether a subject has another number of the same system."""
    return any(one.system == identifier.system and one != identifier for one in txn.identifiers(subject))


def assert_identifiers(
    txn: Transaction,
    subject: SubjectId,
    strong: Sequence[Identifier],
    weak: Sequence[Identifier],
    date: ClinicalDate | None,
) -> None:
    """Assert strong identifiers that nobody else was given strongly, and weak ones in any case."""
    for identifier in strong:
        if not strong_claims(txn, identifier):
            txn.identify(subject, identifier, date)
    for identifier in weak:
        if subject not in txn.claimants(identifier):
            txn.identify(subject, identifier, date, weak=True)
            txn.identify(subject, mark(WEAK, identifier), weak=True)


def link_all(txn: Transaction, subject: SubjectId, others: Iterable[SubjectId]) -> None:
    """Link subjects that are not linked yet."""
    for other in others:
        if not same(txn, subject, other):
            txn.link(subject, other)
