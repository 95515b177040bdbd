"""Whose record is this? From what a source states to a subject. Two subjects are never merged, and no record is filed
by a guess: what is doubtful is kept apart, and put before a person.

A record may name its subject by identifiers and by references. References are looked up in their own file (in its
present revision), then among all files of the same source. The rules, in the order in which they are tried:

1. A *strong* identifier decides, the first of those that the record states and that exactly one subject (or subjects
   that are linked) was given strongly. If others lead elsewhere, the pair is a link candidate, once.
2. A *weak* identifier (`SourceIdentifier.strong`) is asserted, and never decides.
3. A Patient that rule 1 does not place is the subject that the record which it replaces belongs to, or that its own
   file means by its reference. Yet if both have strong identifiers and share none, it is a new subject, and the pair a
   link candidate: a file may have been written anew for somebody else.
4. Any other record belongs to whom its own file means by its reference, before rule 1: that is what the record says.
   It adds its strong identifiers to that subject only where they do not contradict those that are there.
5. If its own file does not have the Patient and rule 1 finds nobody, it belongs to the one Patient of the same source
   with this reference, unless its identifiers contradict. If several have it, it means nobody outside of their files.
6. A reference that leads nowhere makes a *provisional* subject, for this file. A Patient of the same file that comes
   later takes it over; one of another file is linked to it, if it is the only one of the source with this reference.
   Links can be taken back. A subject with identifiers of its own, or with a Patient, is never taken over.
7. Where rule 5 or 6 has relied on a reference across files and another Patient turns up with the same one, or a file
   has two Patients with one reference, the pair is a link candidate: a person has to look at what was filed.
8. An identifier that several subjects have that nobody has linked decides nothing: its records are kept together in a
   subject of their own, which is a link candidate to each.
9. A new version with neither reference nor strong identifier stays where the version before is. Any other record with
   weak identifiers alone gets a subject of its own; one that names nobody belongs to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vaultfs_format import sha2

from vaultfs.engine.committing.transaction import Transaction
from vaultfs.interop.pieces import Facts
from vaultfs.migrate.authorities import Authorities
from vaultfs.migrate.claims import (
    AWAITED,
    PATIENT,
    REFERENCE,
    RELIED,
    UNCERTAIN,
    assert_identifiers,
    claimants,
    contradicts,
    has_strong,
    is_provisional,
    link_all,
    one_of,
    same,
    scoped,
    strong_claims,
)
from vaultfs.migrate.kinds import CANDIDATE, CANDIDATES
from vaultfs.model import Identifier, SubjectId


@dataclass(frozen=True, slots=True)
class Scope:
    """How what a file states is understood.

    Parameters
    ----------
    file, root
        Where references are looked up: the file in one revision, and the source that it belongs to.
    authorities
        Whose identifiers are whose.
    """

    file: str
    root: str
    authorities: Authorities


class Resolver:
    """Resolves subjects.

    Attributes
    ----------
    candidates
        Link candidates put so far.
    """

    def __init__(self) -> None:
        self._proposed: set[bytes] = set()
        self.candidates = 0

    def subject(
        self, txn: Transaction, facts: Facts, scope: Scope, before: SubjectId | None = None
    ) -> SubjectId | None:
        """Return whose record `facts` are of, a new subject if need be; None for a record that is nobody's.

        Parameters
        ----------
        before
            Whose the version before is, if this is a new version.
        """
        stated = [found for one in facts.identifiers if (found := scope.authorities.identifier(one))]
        strong = [one for one, is_strong in stated if is_strong]
        weak = [one for one, is_strong in stated if not is_strong]
        if facts.is_subject:
            return self._of_patient(txn, facts, strong, weak, scope, before)
        return self._of_record(txn, facts, strong, weak, scope, before)

    def remember(self, txn: Transaction, subject: SubjectId, references: Sequence[str], scope: Scope) -> None:
        """Let the records of a file find its Patient, those before it too."""
        local = claimants(txn, scoped(REFERENCE, scope.file, references))
        link_all(txn, subject, [one for one in local if len(local) == 1 and is_provisional(txn, one)])
        for reference in scoped(REFERENCE, scope.file, references):
            txn.identify(subject, reference)

    # Patients.

    def _of_patient(
        self,
        txn: Transaction,
        facts: Facts,
        strong: Sequence[Identifier],
        weak: Sequence[Identifier],
        scope: Scope,
        before: SubjectId | None,
    ) -> SubjectId | None:
        references = facts.own_references
        if not strong and not weak and not references:
            return before
        named, doubtful = self._named(txn, strong)
        local = claimants(txn, scoped(REFERENCE, scope.file, references))
        known = [one for one in (before, *(local if len(local) == 1 else ())) if one]
        subject = named[0] if named else None
        if subject is None and not doubtful:
            subject = next((one for one in known if not (strong and has_strong(txn, one))), None)
        if subject is None:
            subject = self._apart(txn, doubtful)
            named += known
        assert_identifiers(txn, subject, [] if doubtful else strong, weak, facts.date)
        self._gather(txn, subject, references, scope)
        self.remember(txn, subject, references, scope)
        self._propose(txn, subject, [*named, *doubtful, *local])
        return subject

    def _gather(
        self,
        txn: Transaction,
        subject: SubjectId,
        references: Sequence[str],
        scope: Scope,
    ) -> None:
        """Let a Patient be found by its references, and link what has waited for it in other files."""
        own = claimants(txn, scoped(AWAITED, scope.file, references))
        for reference in references:
            (patient,) = scoped(PATIENT, scope.root, [reference]) or (None,)
            if patient is None:
                continue
            others = [one for one in txn.claimants(patient) if not same(txn, one, subject)]
            txn.identify(subject, patient)
            (relied,) = scoped(RELIED, scope.root, [reference])
            self._propose(txn, subject, txn.claimants(relied))
            if others:
                continue
            waiting = [
                one
                for one in claimants(txn, scoped(AWAITED, scope.root, [reference]))
                if one not in own and is_provisional(txn, one)
            ]
            if waiting:
                txn.identify(subject, relied)
            link_all(txn, subject, waiting)

    # Other records.

    def _of_record(
        self,
        txn: Transaction,
        facts: Facts,
        strong: Sequence[Identifier],
        weak: Sequence[Identifier],
        scope: Scope,
        before: SubjectId | None,
    ) -> SubjectId | None:
        references = facts.subject_references
        named, doubtful = self._named(txn, strong)
        local = scoped(REFERENCE, scope.file, references)
        found = one_of(txn, local, scoped(PATIENT, scope.root, references))
        if found and named and is_provisional(txn, found):
            link_all(txn, named[0], [found])
            found = named[0]
        if found:
            fitting = [one for one in strong if not contradicts(txn, found, one)]
            assert_identifiers(txn, found, fitting, [], facts.date)
            self._propose(txn, found, [*named, *doubtful])
            return found
        subject = named[0] if named else None
        if subject is None and not doubtful:
            subject = self._across(txn, references, scope)
            if subject and not any(contradicts(txn, subject, one) for one in strong):
                return subject
            subject = None
            if references and not strong:
                return self._provisional(txn, references, scope)
            if not strong:
                subject = before
                if subject is None and not weak:
                    return None
        subject = subject or self._apart(txn, doubtful)
        assert_identifiers(txn, subject, [] if doubtful and not named else strong, weak, facts.date)
        for reference in local[:1]:
            if not txn.claimants(reference):
                txn.identify(subject, reference)
        self._propose(txn, subject, [*named, *doubtful])
        return subject

    def _across(self, txn: Transaction, references: Sequence[str], scope: Scope) -> SubjectId | None:
        """Return the one Patient of the source whom a reference of another file means."""
        for reference in references:
            found = one_of(txn, scoped(PATIENT, scope.root, [reference]))
            if found:
                for relied in scoped(RELIED, scope.root, [reference]):
                    txn.identify(found, relied)
                return found
        return None

    def _provisional(self, txn: Transaction, references: Sequence[str], scope: Scope) -> SubjectId | None:
        """Return the subject of a reference that leads nowhere, in this file; None if no vault could keep that."""
        awaited = scoped(AWAITED, scope.file, references[:1])
        if not awaited:
            return None
        for known in txn.claimants(awaited[0]):
            if is_provisional(txn, known):
                return known
        subject = txn.new_subject()
        for one in (*awaited, *scoped(AWAITED, scope.root, references[:1])):
            txn.identify(subject, one)
        for one in scoped(REFERENCE, scope.file, references[:1]):
            if not txn.claimants(one):
                txn.identify(subject, one)
        return subject

    # Looking up.

    def _named(self, txn: Transaction, strong: Sequence[Identifier]) -> tuple[list[SubjectId], list[SubjectId]]:
        """Return the subjects that strong identifiers decide for, in their order; if none does, those in doubt."""
        named: list[SubjectId] = []
        doubtful: list[SubjectId] = []
        for identifier in strong:
            claims = strong_claims(txn, identifier)
            if len(claims) < 2 or all(same(txn, claims[0], one) for one in claims):
                named += [one for one in claims[:1] if one not in named]
            else:
                doubtful += [one for one in claims if one not in doubtful]
        return named, [] if named else doubtful

    def _apart(self, txn: Transaction, doubtful: Sequence[SubjectId]) -> SubjectId:
        """Return a new subject, or the one that keeps what names these subjects alike."""
        if not doubtful:
            return txn.new_subject()
        mark = Identifier(UNCERTAIN, sha2.digest(b"".join(sorted(doubtful))).hex())
        known = txn.claimants(mark)
        if known:
            return known[0]
        subject = txn.new_subject()
        txn.identify(subject, mark)
        return subject

    # Stating.

    def _propose(self, txn: Transaction, subject: SubjectId, others: Iterable[SubjectId]) -> None:
        """Keep, once a pair, that two subjects may be one person."""
        for other in dict.fromkeys(others):
            key = b"".join(sorted((bytes(subject), bytes(other))))
            if key in self._proposed or same(txn, subject, other):
                continue
            self._proposed.add(key)
            if txn.state(CANDIDATES, key).version == 0:
                txn.set_state(CANDIDATES, key, b"")
                txn.put(bytes(other), kind=CANDIDATE, subject=subject)
                self.candidates += 1
