"""Programs: transactions as values, which can be drawn, shown, shrunk and run, and what a vault holds after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vaultfs.model import ClinicalDate, Identifier, RecordId

if TYPE_CHECKING:
    from vaultfs.engine.committing.transaction import Transaction
    from vaultfs.engine.reading.session import Session


@dataclass(frozen=True, slots=True)
class Draft:
    """A record as a host would put it."""

    data: bytes
    kind: str = "Observation"
    media_type: str = "application/octet-stream"
    subject: Identifier | None = None
    date: ClinicalDate | None = None
    before: bytes = b""
    after: bytes = b""


@dataclass(frozen=True, slots=True)
class Put:
    """Put a new record."""

    draft: Draft


@dataclass(frozen=True, slots=True)
class Replace:
    """Put a new version of a record that is visible; its subject stays as it is.

    Parameters
    ----------
    which
        Counts the records that fit, from the first one on and over again; where none does, nothing is done.
    """

    which: int
    draft: Draft


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a record that is visible; `which` as in `Replace`."""

    which: int


@dataclass(frozen=True, slots=True)
class Undelete:
    """Show a deleted record again; `which` as in `Replace`."""

    which: int


@dataclass(frozen=True, slots=True)
class SetState:
    """Set a control state."""

    namespace: str
    key: bytes
    value: bytes


Operation = Put | Replace | Delete | Undelete | SetState


@dataclass(frozen=True, slots=True)
class Steps:
    """One transaction.

    Parameters
    ----------
    abandoned
        Whether it is rolled back in the end.
    """

    operations: tuple[Operation, ...]
    abandoned: bool = False


@dataclass
class Expected:
    """What a vault should hold.

    Parameters
    ----------
    visible
        The newest version of every record that is to be seen.
    deleted
        The newest version of every record that is deleted.
    states
        Version and value of every control state by namespace and key.
    """

    visible: dict[RecordId, Draft] = field(default_factory=dict)
    deleted: dict[RecordId, Draft] = field(default_factory=dict)
    states: dict[tuple[str, bytes], tuple[int, bytes]] = field(default_factory=dict)

    def copy(self) -> Expected:
        """Return a copy that can be changed by itself."""
        return Expected(dict(self.visible), dict(self.deleted), dict(self.states))


def perform(session: Session, program: Sequence[Steps], expected: Expected | None = None) -> Expected:
    """Run a program and return what the vault should hold then.

    Parameters
    ----------
    expected
        What the vault held before, if this is not its first program; it is left as it is.

    Raises
    ------
    VaultError
        As the vault's own calls do; a program by itself gives no reason for any.
    """
    now = expected or Expected()
    for steps in program:
        after, fresh = now.copy(), set[RecordId]()
        txn = session.transaction()
        for operation in steps.operations:
            _perform(txn, operation, after, fresh)
        if steps.abandoned:
            txn.rollback()
        else:
            txn.commit()
            now = after
    return now


def _perform(txn: Transaction, operation: Operation, now: Expected, fresh: set[RecordId]) -> None:
    """Do one thing; records that this transaction has put itself are `fresh`, and nothing else is done to them."""
    match operation:
        case Put(draft):
            new = _put(txn, draft, None)
            fresh.add(new)
            now.visible[new] = draft
        case Replace(which, draft):
            if (record := _chosen(now.visible, which, fresh)) is not None:
                now.visible[record] = _with_subject(draft, now.visible[record].subject)
                _put(txn, now.visible[record], record)
        case Delete(which):
            if (record := _chosen(now.visible, which, fresh)) is not None:
                txn.delete(record)
                now.deleted[record] = now.visible.pop(record)
        case Undelete(which):
            if (record := _chosen(now.deleted, which, fresh)) is not None:
                txn.undelete(record)
                now.visible[record] = now.deleted.pop(record)
        case SetState(namespace, key, value):
            version = txn.set_state(namespace, key, value)
            now.states[namespace, key] = (version, value)


def _put(txn: Transaction, draft: Draft, replaces: RecordId | None) -> RecordId:
    return txn.put(
        draft.data,
        kind=draft.kind,
        subject=draft.subject,
        date=draft.date,
        media_type=draft.media_type,
        replaces=replaces,
        before=draft.before,
        after=draft.after,
    )


def _with_subject(draft: Draft, subject: Identifier | None) -> Draft:
    return Draft(draft.data, draft.kind, draft.media_type, subject, draft.date, draft.before, draft.after)


def _chosen(records: dict[RecordId, Draft], which: int, fresh: set[RecordId]) -> RecordId | None:
    fitting = [record for record in records if record not in fresh]
    return fitting[which % len(fitting)] if fitting else None
