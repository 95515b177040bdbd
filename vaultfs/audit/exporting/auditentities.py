"""What a FHIR AuditEvent is about: the patient, the record, the search, and the entry of the log itself.

Source: FHIR R4 AuditEvent.entity; BALP 1.1 for which of them an event of each pattern has.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from functools import lru_cache
from uuid import UUID

from vaultfs_format import sha2
from vaultfs_format.events.base import NOBODYS_SESSION, Event, EventType
from vaultfs_format.registry import FHIR

from vaultfs.audit.events import subject_of
from vaultfs.audit.exporting.auditcodes import THO, Coding, Pattern
from vaultfs.audit.exporting.facts import NAMES, Fact, facts_of, outcome_of, type_of
from vaultfs.audit.exporting.logged import Logged
from vaultfs.model import NOBODY

Json = dict[str, object]

URI = "urn:ietf:rfc:3986"
RESOURCES = "http://hl7.org/fhir/resource-types"
_TYPE, _ROLE = THO + "audit-entity-type", THO + "object-role"
_PERSON = Coding(_TYPE, "1", "Person")
_OBJECT = Coding(_TYPE, "2", "System Object")
_PATIENT = Coding(_ROLE, "1", "Patient")
_RESOURCE = Coding(_ROLE, "4", "Domain Resource")
_SECURITY = Coding(_ROLE, "13", "Security Resource")
_QUERY = Coding(_ROLE, "24", "Query")
ENTRY = Coding(RESOURCES, "AuditEvent", "AuditEvent")
"""Type of the entity that is the entry of the log."""

_KINDS = NAMES["kind"]
_RESOURCES = frozenset(FHIR)
_ABOUT_SUBJECTS = frozenset(
    {
        EventType.SUBJECT_CREATED,
        EventType.IDENTIFIER_ASSERTED,
        EventType.SUBJECTS_LINKED,
        EventType.SUBJECTS_UNLINKED,
        EventType.IDENTIFIERS_LISTED,
        EventType.SUBJECT_DISPOSED,
    }
)
"""Types of events in which the subject itself is what was written or read."""

_ELSEWHERE = frozenset({"principal", "roles", "purpose", "signature"})
"""Facts of a session that are not told as details: there are places for who acts and why, and none for a signature."""

_UNFIT = re.compile("[^ \r\n\t\\S]|[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def fit(text: str) -> str:
    """Return text as a string of FHIR can be, with U+FFFD for what it cannot hold (R4 data types, string)."""
    return _UNFIT.sub("\ufffd", text)


def coded(coding: Coding) -> Json:
    """Return a Coding."""
    told: Json = {"system": coding.system, "code": coding.code}
    return told if coding.display is None else told | {"display": coding.display}


def concept(coding: Coding) -> Json:
    """Return a CodeableConcept of one code."""
    return {"coding": [coded(coding)]}


@lru_cache(64)
def uuid_of(origin: str) -> UUID:
    """Return the id of a log: that of its vault, as the origin says it, or else one that is made from the origin."""
    name, _, digits = origin.partition("/")
    if name == "vaultfs" and re.fullmatch("[0-9a-f]{32}", digits):
        return UUID(digits)
    return UUID(bytes=sha2.digest(origin.encode("utf-8", "surrogatepass"))[:16])


def identified(origin: str, value: str, type: str | None = None) -> Json:
    """Return a Reference by an identifier that the vault has given out."""
    told: Json = {} if type is None else {"type": type}
    return told | {"identifier": {"system": uuid_of(origin).urn, "value": value}}


def device(origin: str) -> Json:
    """Return the Reference to the vault, as the software that acts and that records."""
    return {"type": "Device", "identifier": {"system": URI, "value": uuid_of(origin).urn}}


def _entity(type: Coding, role: Coding, what: Json | None, **more: object) -> Json:
    told = {} if what is None else {"what": what}
    return {**told, "type": coded(type), "role": coded(role), **more}


def patient_of(logged: Logged) -> Json | None:
    """Return the entity of the patient; None where an event is about nobody."""
    surrogate = subject_of(logged.event)
    if surrogate in {b"", NOBODY}:
        return None
    return _entity(_PERSON, _PATIENT, identified(logged.origin, surrogate.hex(), "Patient"))


def data_of(logged: Logged, pattern: Pattern) -> Json | None:
    """Return the entity of what was searched for, read or written; None where an event has none."""
    event = logged.event
    if pattern is Pattern.QUERY:
        return _entity(_OBJECT, _QUERY, None, query=base64.b64encode(_search(logged).encode()).decode())
    if pattern is Pattern.DISCLOSURE:
        return _entity(_OBJECT, _RESOURCE, {"display": "records"})
    if event.type in _ABOUT_SUBJECTS:
        return _entity(_OBJECT, _RESOURCE, identified(logged.origin, subject_of(event).hex(), "Patient"))
    if hasattr(event, "record") or hasattr(event, "kind"):
        return _entity(_OBJECT, _RESOURCE, _record(logged.origin, event))
    if isinstance(token := getattr(event, "state", None), bytes):
        return _entity(_OBJECT, _RESOURCE, identified(logged.origin, token.hex()))
    return None


def _record(origin: str, event: Event) -> Json | None:
    """Return the Reference to a record, or to those of a kind; None where neither is known."""
    name = _kind(event)
    record = getattr(event, "record", None)
    resource = name if name in _RESOURCES else None
    if record is not None:
        return identified(origin, record.hex(), resource)
    if not name:
        return None
    return {"display": name} if resource is None else {"type": resource, "display": name}


def _kind(event: Event) -> str:
    """Return the name of the kind of record that an event is about; its number where it is one of the vault's own."""
    number = getattr(event, "kind", 0)
    return _KINDS.get(number, str(number)) if number else ""


def _search(logged: Logged) -> str:
    """Return a search as the log has it, in the form of a search of FHIR: never the identifier that was asked for."""
    event = logged.event
    surrogate = subject_of(event)
    if event.type == EventType.SUBJECT_SEARCHED:
        return "Patient?identifier"
    if event.type == EventType.SUBJECTS_LISTED:
        return "Patient"
    of = f"?subject:identifier={uuid_of(logged.origin).urn}|{surrogate.hex()}" if surrogate else ""
    return f"{_kind(event)}{of}" or "?"


def entry_of(logged: Logged, session: Mapping[str, Fact]) -> Json:
    """Return the entity of the entry of the log: index, leaf hash, and what else it says."""
    event = logged.event
    number, name = type_of(event)
    told: dict[str, Fact] = {"leaf": logged.leaf.hex(), "type": name, "number": number, "outcome": outcome_of(event)}
    told["session"] = None if event.session == NOBODYS_SESSION else event.session.hex()
    facts = {key: value for key, value in facts_of(event).items() if key not in _ELSEWHERE}
    return entry(logged.origin, str(logged.index), {**told, **session, **facts})


def entry(origin: str, value: str, facts: Mapping[str, Fact]) -> Json:
    """Return the entity of something that the log has, with facts as details; those that are None are left out."""
    what = identified(origin, value, "AuditEvent")
    told = {"origin": fit(origin), **facts}
    details = [{"type": key, "valueString": _text(fact)} for key, fact in told.items() if fact is not None]
    return _entity(ENTRY, _SECURITY, what, detail=details)


def _text(fact: Fact) -> str:
    return str(fact).lower() if isinstance(fact, bool) else str(fact)
