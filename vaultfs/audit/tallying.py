"""Events counted as they come, for a report: by who has acted, on whom and why, and by what has become of the vault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from vaultfs_format.events import keys, records, vault
from vaultfs_format.events.base import Event, EventType, Outcome
from vaultfs_format.events.codec import CLASSES
from vaultfs_format.events.disclosures import SubjectDisclosed
from vaultfs_format.events.session import SessionOpened

from vaultfs.access.policy import Action
from vaultfs.audit.events import subject_of
from vaultfs.keys.lifecycle import KeyKind, KeyState
from vaultfs.model import NOBODY

BREAK_GLASS = "BTG"
"""Purpose of use of sessions that break the glass. Source: HL7 v3 ActReason, "break the glass"."""

LISTED = 1000
"""Steps back of the clock that are listed one by one."""

_STEP = 1_000_000


class Table(StrEnum):
    """What is counted: by the principal (PERSON), the surrogate of the subject (PATIENT), or what its name says.

    KEYS is what was done to keys; KEY_STATES lists how each epoch, signer and recipient stands now. CLOCK_STEPS lists
    the leaves at which the time goes back by a second or more, with the seconds; the events that were merged from
    readers have times of their own. LOG_GIVEN is what was given out of the log itself.
    """

    SESSIONS_BY_PERSON = "sessions_by_person"
    FAILED_SESSIONS_BY_PERSON = "failed_sessions_by_person"
    ACCESS_BY_PERSON = "access_by_person"
    ACCESS_BY_PATIENT = "access_by_patient"
    ACCESS_BY_PURPOSE = "access_by_purpose"
    FAILED_ACCESS_BY_PERSON = "failed_access_by_person"
    DENIED_BY_PERSON = "denied_by_person"
    DENIED_BY_ACTION = "denied_by_action"
    BREAK_GLASS_SESSIONS_BY_PERSON = "break_glass_sessions_by_person"
    BREAK_GLASS_ACCESS_BY_PERSON = "break_glass_access_by_person"
    BREAK_GLASS_ACCESS_BY_PATIENT = "break_glass_access_by_patient"
    DISCLOSURES_BY_PATIENT = "disclosures_by_patient"
    DISCLOSED_RECORDS_BY_PATIENT = "disclosed_records_by_patient"
    LOG_GIVEN = "log_given"
    UNLOCKING = "unlocking"
    KEYS = "keys"
    RECIPIENTS = "recipients"
    EPOCHS = "epochs"
    DISPOSALS = "disposals"
    UPKEEP = "upkeep"
    KEY_STATES = "key_states"
    CLOCK_STEPS = "clock_steps"
    HEALTH = "health"


_PLAIN: Mapping[type[Event], Table] = {
    vault.LogExported: Table.LOG_GIVEN,
    vault.LogReported: Table.LOG_GIVEN,
    vault.SubjectAccounted: Table.LOG_GIVEN,
    keys.UnlockFailed: Table.UNLOCKING,
    keys.KeyRefused: Table.UNLOCKING,
    keys.KeyRiskAccepted: Table.UNLOCKING,
    keys.EscrowDrilled: Table.UNLOCKING,
    keys.EpochTurning: Table.EPOCHS,
    keys.EpochTurned: Table.EPOCHS,
    keys.SecretsDestroyed: Table.EPOCHS,
    keys.SecretKept: Table.EPOCHS,
    keys.ReencryptionBegun: Table.EPOCHS,
    keys.SegmentsReencrypted: Table.EPOCHS,
    keys.ReencryptionEnded: Table.EPOCHS,
    records.SourceCompared: Table.UPKEEP,
}
"""Events that are counted by their type. Those of the vault itself that are not here are upkeep."""

_DISCLOSURES = (records.SubjectExported, SubjectDisclosed)
_ACCESS = {one for one in CLASSES.values() if one.__module__ == records.__name__} - {records.AccessDenied, *_PLAIN}
_ACCESS |= {*_DISCLOSURES}
_RECIPIENTS = (keys.RecipientAdded, keys.RecipientRemoved, keys.RecipientRenewed)
_KEY_STATES = (keys.KeyStateSet, keys.KeyStatePassed)


class Count:
    """How often something came about, and when first and last."""

    __slots__ = ("count", "first", "last")

    def __init__(self) -> None:
        self.count = 0
        self.first: int | None = None
        self.last: int | None = None

    def add(self, at: int, number: int = 1) -> None:
        """Count `number` more, which came about at a time in microseconds."""
        self.count += number
        self.first = at if self.first is None or at < self.first else self.first
        self.last = at if self.last is None or at > self.last else self.last


class _Session(NamedTuple):
    principal: str
    purpose: str


_UNKNOWN = _Session("", "")


class Tally:
    """Counts of the events of a time; what it keeps grows with the keys that it counts by, and with the sessions.

    Parameters
    ----------
    since, until
        Microseconds; the second is the first that is not counted.

    Attributes
    ----------
    events
        How many there were.
    steps
        How often the time of an event was before that of the one before, anywhere in the log.
    """

    def __init__(self, since: int, until: int) -> None:
        self._since, self._until = since, until
        self.events = self.steps = 0
        self._tables: dict[Table, dict[str | bytes, Count]] = {table: {} for table in Table}
        self._sessions: dict[bytes, _Session] = {}
        self._names: dict[str, str] = {}
        self._before = self._merged = 0

    def see(self, index: int, event: Event) -> None:
        """Count an event: all of the log, in their order."""
        self._look_at_clock(index, event)
        if isinstance(event, SessionOpened):
            name = self._names.setdefault(event.principal, event.principal)
            self._sessions[event.session] = _Session(name, self._names.setdefault(event.purpose, event.purpose))
        if self._since <= event.at < self._until:
            self.events += 1
            if isinstance(event, SessionOpened):
                self._session(event)
            elif isinstance(event, records.AccessDenied):
                self._denied(event)
            elif event.__class__ in _ACCESS:
                self._access(event)
            else:
                self._act(event)

    def _add(self, table: Table, key: str | bytes, at: int, number: int = 1) -> None:
        found = self._tables[table]
        count = found.get(key)
        if count is None:
            count = found[key] = Count()
        count.add(at, number)

    def _look_at_clock(self, index: int, event: Event) -> None:
        if self._merged:
            self._merged -= 1
            return
        if isinstance(event, vault.AccessMerged):
            self._merged = event.events
        if event.at < self._before:
            self.steps += 1
            steps = self._tables[Table.CLOCK_STEPS]
            if self._before - event.at >= _STEP and len(steps) < LISTED:
                steps[str(index)] = step = Count()
                step.count, step.first, step.last = (self._before - event.at) // _STEP, event.at, self._before
        self._before = event.at

    # Persons.

    def _session(self, event: SessionOpened) -> None:
        failed = event.outcome is Outcome.FAILED
        self._add(Table.FAILED_SESSIONS_BY_PERSON if failed else Table.SESSIONS_BY_PERSON, event.principal, event.at)
        if event.purpose == BREAK_GLASS and not failed:
            self._add(Table.BREAK_GLASS_SESSIONS_BY_PERSON, event.principal, event.at)

    def _denied(self, event: records.AccessDenied) -> None:
        self._add(Table.DENIED_BY_PERSON, self._sessions.get(event.session, _UNKNOWN).principal, event.at)
        self._add(Table.DENIED_BY_ACTION, _name(Action, event.action), event.at)

    def _access(self, event: Event) -> None:
        who = self._sessions.get(event.session, _UNKNOWN)
        if event.outcome is Outcome.FAILED:
            self._add(Table.FAILED_ACCESS_BY_PERSON, who.principal, event.at)
            return
        subject = subject_of(event)
        about = bool(subject) and subject != NOBODY
        self._add(Table.ACCESS_BY_PERSON, who.principal, event.at)
        self._add(Table.ACCESS_BY_PURPOSE, who.purpose, event.at)
        if about:
            self._add(Table.ACCESS_BY_PATIENT, subject, event.at)
        if who.purpose == BREAK_GLASS:
            self._add(Table.BREAK_GLASS_ACCESS_BY_PERSON, who.principal, event.at)
            if about:
                self._add(Table.BREAK_GLASS_ACCESS_BY_PATIENT, subject, event.at)
        if isinstance(event, _DISCLOSURES):
            self._add(Table.DISCLOSURES_BY_PATIENT, subject, event.at)
            self._add(Table.DISCLOSED_RECORDS_BY_PATIENT, subject, event.at, event.records)

    # The vault.

    def _act(self, event: Event) -> None:
        if isinstance(event, keys.SubjectDisposed):
            self._add(Table.DISPOSALS, event.subject, event.at)
        elif isinstance(event, _RECIPIENTS):
            self._add(Table.RECIPIENTS, f"{_type(event)} {event.stanza.hex()}", event.at)
        elif isinstance(event, _KEY_STATES):
            key = stands(event.key_kind, event.key, event.state)
            self._add(Table.KEYS, f"{_type(event)} {key}", event.at)
        elif isinstance(event, keys.SignerAdded):
            self._add(Table.KEYS, f"{_type(event)} {event.signer}", event.at)
        elif isinstance(event, keys.CryptoperiodSet):
            self._add(Table.KEYS, f"{_type(event)} {_name(KeyKind, event.key_kind)}", event.at)
        else:
            self._add(_PLAIN.get(event.__class__, Table.UPKEEP), _type(event), event.at)

    def rows(self) -> Iterator[tuple[Table, str, Count]]:
        """Yield what was counted: by table, the most first; of the clock, in the order of the log."""
        for table, found in self._tables.items():
            listed: Iterable[tuple[str | bytes, Count]] = found.items()
            if table is not Table.CLOCK_STEPS:
                listed = sorted(listed, key=lambda one: (-one[1].count, _text(one[0])))
            for key, count in listed:
                yield table, _text(key), count


def _text(key: str | bytes) -> str:
    return key.hex() if isinstance(key, bytes) else key


def _type(event: Event) -> str:
    """Return the name of the type of an event, which says so where it failed; of one that is not known, the number."""
    name = _name(EventType, event.type)
    return f"{name}_failed" if event.outcome is Outcome.FAILED and name != "unlock_failed" else name


def _name(of: type[EventType | Action | KeyKind | KeyState], number: int) -> str:
    """Return the name of a member of an enumeration; of one that this version does not know, the number."""
    return of(number).name.lower() if number in {*of} else str(number)


def stands(kind: int, key: bytes, state: int) -> str:
    """Return which key it is, and its state, for people."""
    numbered = kind in {KeyKind.EPOCH, KeyKind.SIGNER}
    which = int.from_bytes(key, "little") if numbered else key.hex()
    return f"{_name(KeyKind, kind)} {which} {_name(KeyState, state)}"
