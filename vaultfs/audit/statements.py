"""What is stated of the disclosures that the log has, and which suspensions of accounting there are.

Both are records of the subject. Which there are is taken from the log, not from the index; what is stated of a
disclosure is checked against the log, and is there though somebody has deleted or replaced the record. A suspension may
be in force for longer than its event is kept: where the log was pruned, those that the subject has are looked up, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vaultfs_format.disclosure import SUSPENSION_KIND, Statement, SuspensionStatement, digest_of
from vaultfs_format.events.base import Event, Outcome
from vaultfs_format.events.disclosures import SubjectDisclosed
from vaultfs_format.events.keys import SubjectDisposed
from vaultfs_format.events.records import RecordPut
from vaultfs_format.suite import same

from vaultfs.engine.reading.records import Located, find_version, read_record, stored_version
from vaultfs.engine.reading.searching import ids_of
from vaultfs.engine.vault import Vault
from vaultfs.errors import CommitmentMismatch, Deleted, NotFound, Structure, VaultDamaged
from vaultfs.model import RecordId, SubjectId


@dataclass(frozen=True, slots=True)
class Said:
    """What the records of disclosures and suspensions say.

    Parameters
    ----------
    statements
        The records of disclosures, by their digests. Of a subject that was disposed of there are none.
    suspensions
        Those that nobody has ended, whether their time is over or not.
    """

    statements: Mapping[bytes, bytes]
    suspensions: tuple[SuspensionStatement, ...]

    def __repr__(self) -> str:
        return "<Said>"

    def of(self, event: SubjectDisclosed) -> Statement | None:
        """Return what is stated of a disclosure; None where it went with the subject."""
        found = self.statements.get(event.statement)
        return None if found is None else Statement.decode(found)


def said_of(vault: Vault, subject: SubjectId, events: Sequence[Event], *, pruned: bool) -> Said:
    """Return what is stated of the disclosures among all events about a subject. Call under the lock.

    Parameters
    ----------
    pruned
        Whether there were events before those.

    Raises
    ------
    VaultDamaged
        A statement is not there, though the subject was not disposed of.
    CommitmentMismatch, FieldInvalid
        A statement is not the one of the event, or none.
    """
    disposed = any(isinstance(event, SubjectDisposed) for event in events)
    statements = {
        event.statement: _statement(vault, event)
        for event in events
        if isinstance(event, SubjectDisclosed) and not disposed
    }
    suspensions = () if disposed else tuple(_suspensions(vault, subject, events, pruned=pruned))
    return Said(statements, suspensions)


def _statement(vault: Vault, event: SubjectDisclosed) -> bytes:
    def read() -> bytes:
        number = vault.engine.chain.number_of(RecordId(event.record))
        return _data(vault, stored_version(vault.engine, number, 1))

    try:
        found = vault.steady(read)
    except NotFound:
        raise VaultDamaged from None
    if not same(digest_of(found), event.statement):
        raise CommitmentMismatch(structure=Structure.DISCLOSURE)
    Statement.decode(found)
    return found


def _suspensions(
    vault: Vault, subject: SubjectId, events: Iterable[Event], *, pruned: bool
) -> Iterator[SuspensionStatement]:
    kind = vault.engine.kinds.number(SUSPENSION_KIND)
    put = (event for event in events if isinstance(event, RecordPut) and event.kind == kind)
    records = [RecordId(event.record) for event in put if event.outcome is Outcome.DONE and event.record]
    if pruned:
        records += vault.steady(lambda: ids_of(vault.engine, subject, kind))
    for record in dict.fromkeys(records):
        found = _suspension(vault, record)
        if found is not None:
            yield found


def _suspension(vault: Vault, record: RecordId) -> SuspensionStatement | None:
    """Return what a record of a suspension says now; None where somebody has deleted it."""

    def read() -> bytes:
        return _data(vault, find_version(vault.engine, vault.engine.chain.number_of(record), None))

    try:
        return SuspensionStatement.decode(vault.steady(read))
    except Deleted:
        return None
    except NotFound:
        raise VaultDamaged from None


def _data(vault: Vault, located: Located) -> bytes:
    return read_record(vault.engine, located).data
