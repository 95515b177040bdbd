"""What the log has about a subject: every event, with who acted and why, and the proof that none is missing.

For the question who has seen the records of a patient, and for an accounting of disclosures
(`vaultfs.audit.disclosures`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from vaultfs_format.audit import LeafKind
from vaultfs_format.events.base import Event
from vaultfs_format.events.session import SessionOpened
from vaultfs_format.events.vault import SubjectAccounted
from vaultfs_format.subjectproof import FORMAT, Counted, Stated, SubjectProof

from vaultfs.audit.events import NOBODYS_SESSION, subject_of
from vaultfs.audit.statements import Said, said_of
from vaultfs.audit.view import LogView
from vaultfs.engine.log.leaves import Leaf
from vaultfs.engine.log.subjectheads import stated_bucket
from vaultfs.engine.vault import Vault
from vaultfs.errors import ArgumentInvalid, VaultDamaged, VaultError
from vaultfs.model import NOBODY, SubjectId

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """An event about a subject.

    Parameters
    ----------
    index
        Its index in the log.
    session
        The session in which it came about; None for acts of the vault itself, and where its opening was pruned.
    """

    index: int
    event: Event
    session: SessionOpened | None


@dataclass(frozen=True, slots=True)
class Accounting:
    """All events about a subject that are settled, oldest first, and the proof that there are no others.

    It is the keeper's: while accounting is suspended, neither it nor its proof is for the subject.

    Parameters
    ----------
    at
        When it was asked for, in microseconds since 1970-01-01T00:00Z.
    said
        What is stated of disclosures, and which suspensions there are.
    first
        Index of the leaf of the log from which on it is complete.
    since
        From which time on: every event of this time and later is among it, in microseconds since 1970. Both are 0
        unless the log was pruned.
    """

    entries: tuple[Entry, ...]
    proof: SubjectProof
    at: int
    said: Said = field(repr=False)
    first: int = 0
    since: int = 0


def account(vault: Vault, subject: SubjectId) -> Accounting:
    """Return what the log has about a subject; that it was asked for is recorded, and settled, first.

    Reads the whole log, while others write. It is an act of the vault's keeper: no policy is asked.

    Raises
    ------
    ArgumentInvalid
        It is nobody.
    CommitmentMismatch, VaultDamaged, FieldInvalid
        The log is not the one that was written, or what was stated of a disclosure is not.
    StorageFull, StorageReadOnly, StorageFailed, WriterPoisoned, Closed
    """
    if subject == NOBODY:
        raise ArgumentInvalid
    engine = vault.engine
    engine.check_writable()
    at = engine.options.clock()
    with engine.lock:
        vault.record([SubjectAccounted(at, NOBODYS_SESSION, bytes(subject))], durable=True)
        vault.settle()
    for _ in range(_ATTEMPTS):
        head = engine.head
        with suppress(VaultError):
            return _accounting(vault, subject, at)
        if engine.head is head:  # no settling has moved what was read: this may be damage
            break
    with engine.lock:
        return _accounting(vault, subject, at)


def _accounting(vault: Vault, subject: SubjectId, at: int) -> Accounting:
    engine, wanted = vault.engine, bytes(subject)
    buckets: list[tuple[bytes, list[bytes]]] = []
    view = LogView(vault, lambda: buckets.append(stated_bucket(engine, wanted)))
    found = _found(view, wanted)
    entries = tuple(_entries(view, found))
    groups = tuple(tuple(Counted(leaf.entry.number, leaf.salted) for leaf in group) for group in found.groups)
    stated = _stated(view, found.stated, *buckets[-1:])
    proof = SubjectProof(FORMAT, wanted, view.checkpoint().encode().decode(), stated, groups, view.base(wanted), ())
    with engine.lock:
        said = said_of(vault, subject, [entry.event for entry in entries], pruned=view.minimum > 0)
    return Accounting(entries, proof, at, said, view.minimum, view.since)


def _entries(view: LogView, found: _Found) -> Iterator[Entry]:
    events = [(leaf.index, leaf.event) for group in found.groups for leaf in group if leaf.event is not None]
    sessions = _sessions(view, {event.session for _, event in events})
    for index, event in events:
        yield Entry(index, event, sessions.get(event.session))


@dataclass(frozen=True, slots=True)
class _Found:
    groups: list[list[Leaf]]
    stated: Leaf


def _found(view: LogView, subject: bytes) -> _Found:
    """Return the events about a subject by the leaves that count them, and the last of these."""
    groups: list[list[Leaf]] = []
    pending: list[Leaf] = []
    stated = None
    for leaf in view.leaves():
        if leaf.entry.kind is LeafKind.SUBJECTS:
            groups += [pending] if pending else []
            pending, stated = [], leaf
        elif leaf.event is not None and subject_of(leaf.event) == subject:
            pending.append(leaf)
    if stated is None or pending:  # heads are not stated while a leaf that they count cannot be read
        raise VaultDamaged
    return _Found(groups, stated)


def _sessions(view: LogView, wanted: set[bytes]) -> Mapping[bytes, SessionOpened]:
    opened = (leaf.event for leaf in view.leaves() if isinstance(leaf.event, SessionOpened))
    return {event.session: event for event in opened if event.session in wanted}


def _stated(view: LogView, leaf: Leaf, bucket: tuple[bytes, list[bytes]]) -> Stated:
    rows, path = bucket
    return Stated(leaf.index, tuple(view.inclusion(leaf.index)), leaf.entry.commitment, rows, tuple(path))
