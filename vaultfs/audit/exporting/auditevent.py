"""The log as FHIR R4 AuditEvents (4.0.1), in the patterns of IHE BALP 1.1 where it has one for what was done.

Every resource has an entity for the entry of the log, with index and leaf hash: who keeps it is a witness. It is an
entity and no extension, as strict receivers refuse extensions that they do not know. Patients are their surrogates, and
a search is what the log has of it: which kind of record, and of whom.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated

import msgspec
from msgspec import Meta, field
from vaultfs_format import sha2
from vaultfs_format.events.base import NOBODYS_SESSION, Outcome
from vaultfs_format.events.session import SessionOpened
from vaultfs_format.layout import Buffer
from vaultfs_format.limits import MAX_KEY_NAME
from vaultfs_format.schemes import ML_DSA_44
from vaultfs_format.tlog.note import Note

from vaultfs.audit.exporting.ascii import ascii_json
from vaultfs.audit.exporting.auditcodes import CHECKPOINT, THO, UNKNOWN, Coding, Pattern, Row, row_of
from vaultfs.audit.exporting.auditentities import (
    ENTRY,
    Json,
    coded,
    concept,
    data_of,
    device,
    entry,
    entry_of,
    fit,
    patient_of,
    uuid_of,
)
from vaultfs.audit.exporting.facts import Fact, context_of, time_text
from vaultfs.audit.exporting.logged import Logged
from vaultfs.audit.exporting.purposes import PURPOSES, SYSTEM
from vaultfs.audit.exporting.shown import Shown, checkpoint_in, leaf_in, number_in, shown_in_json
from vaultfs.errors import ArgumentInvalid

PROFILE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
MAX_WORD = 1024
"""Longest text of a deployment, in characters."""

_SOURCE = Coding(THO + "security-source-type", "5", "Database Server")
_SECOND = 1_000_000
_CHECKPOINT = "c"
"""What the entry of a checkpoint has before its size, as that of an event has its index alone."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where a vault is used, which its log does not know and AuditEvents have to state.

    Parameters
    ----------
    application
        What the host's application is known by.
    address
        The name of the machine in the network, or its IP address.
    site
        Where that is, as the receiver knows it; None where there is only one.

    Raises
    ------
    ArgumentInvalid
        One of them is empty, too long, or has characters that FHIR does not allow.
    """

    application: str
    address: str
    site: str | None = None

    def __post_init__(self) -> None:
        for text in (self.application, self.address, *(() if self.site is None else (self.site,))):
            if not text.strip() or len(text) > MAX_WORD or fit(text) != text:
                raise ArgumentInvalid(length=len(text))

    @property
    def network(self) -> Json:
        """The place in the network: type 2 is an IP address, 1 the name of a machine."""
        try:
            ip_address(self.address)
        except ValueError:
            return {"address": self.address, "type": "1"}
        return {"address": self.address, "type": "2"}


class AuditEvents:
    """Writes FHIR AuditEvents, each a JSON object in ASCII.

    An event that is sent twice has the same id, made from origin, index and leaf hash: `PUT` it, or let `bundle` say
    so. Another event in its place, as of a vault that was put back, has another id, and both stay.

    Parameters
    ----------
    deployment
        Where the vault is used.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def event(self, logged: Logged) -> bytes:
        """Return an event as a resource."""
        event = logged.event
        row = row_of(event)
        opened = event if isinstance(event, SessionOpened) else logged.session
        session: dict[str, Fact] = {} if opened is None else context_of(opened)
        pattern = UNKNOWN.pattern if row is None else row.pattern
        patient, data = patient_of(logged), data_of(logged, pattern)
        resource: Json = {
            "resourceType": "AuditEvent",
            "id": _id_of(logged.origin, str(logged.index), logged.leaf.hex()),
        }
        if row is not None and (profile := _profile(row, event.outcome, patient, data)):
            resource["meta"] = {"profile": [PROFILE + profile]}
        resource |= _kind(row)
        resource |= _recorded(time_text(event.at))
        if row is not None and event.outcome is not None:
            resource["outcome"] = "0" if event.outcome is Outcome.DONE else row.failed
        if opened is not None:
            resource["purposeOfEvent"] = [_purpose(opened.purpose)]
        itself = event.session == NOBODYS_SESSION
        resource["agent"] = [*_person(pattern, opened), *self._programs(pattern, logged.origin, itself=itself)]
        resource["source"] = self._source(logged.origin)
        entities = (patient, data, entry_of(logged, session))
        resource["entity"] = [one for one in entities if one is not None]
        return ascii_json(resource)

    def checkpoint(self, origin: str, size: int, note: Note) -> bytes:
        """Return a checkpoint as a resource, recorded when the log has signed it, as far as the note says that."""
        facts: dict[str, Fact] = {"size": size, "note": base64.b64encode(note.encode()).decode()}
        return ascii_json(
            {
                "resourceType": "AuditEvent",
                "id": _id_of(origin, f"{_CHECKPOINT}{size}", note.text),
                **_kind(CHECKPOINT),
                **_recorded(_signed_at(origin, note)),
                "outcome": "0",
                "agent": self._programs(CHECKPOINT.pattern, origin, itself=True),
                "source": self._source(origin),
                "entity": [entry(origin, f"{_CHECKPOINT}{size}", facts)],
            }
        )

    def _programs(self, pattern: Pattern, origin: str, *, itself: bool) -> list[Json]:
        """Return application and vault as agents; the vault has asked for what it does by itself."""
        place, application = self._deployment.network, self._deployment.application
        return [
            _agent(pattern.application, {"identifier": {"value": application}}, requestor=False, network=place),
            _agent(pattern.vault, device(origin), requestor=itself, network=place),
        ]

    def _source(self, origin: str) -> Json:
        site = self._deployment.site
        return {**({} if site is None else {"site": site}), "observer": device(origin), "type": [coded(_SOURCE)]}


def _agent(type: Coding, who: Json, *, requestor: bool, **more: object) -> Json:
    return {"type": concept(type), "who": who, "requestor": requestor, **more}


def _person(pattern: Pattern, opened: SessionOpened | None) -> list[Json]:
    if opened is None:
        return []
    roles = {"role": [{"text": fit(role)} for role in opened.roles]} if opened.roles else {}
    who: Json = {"identifier": {"value": fit(opened.principal)}}
    return [_agent(pattern.person, who, requestor=True, **roles, purposeOfUse=[_purpose(opened.purpose)])]


def _purpose(purpose: str) -> Json:
    return concept(Coding(SYSTEM, purpose)) if purpose in PURPOSES else {"text": fit(purpose)}


def _id_of(origin: str, place: str, content: str) -> str:
    """Return the id of a resource: 64 hexadecimal digits, which is as long as an id may be."""
    return sha2.digest(f"{origin}\n{place}\n{content}".encode("utf-8", "surrogatepass")).hex()


def _kind(row: Row | None) -> Json:
    """Return what was done; of what is not known, that something was."""
    if row is None:
        return {"type": coded(UNKNOWN.type)}
    return {"type": coded(row.type), "subtype": [coded(row.subtype)], "action": row.action}


def _recorded(time: str | None) -> Json:
    """Return the time, or that it is not known (R4 data types, primitives without a value)."""
    if time is None:
        return {"_recorded": {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}}
    return {"recorded": time}


def _signed_at(origin: str, note: Note) -> str | None:
    """Return when the log has signed a checkpoint, as its cosignature by ML-DSA-44 states it in eight bytes."""
    for one in note.signatures:
        if one.name == origin and len(one.blob) == 8 + ML_DSA_44.signature_size:
            return time_text(int.from_bytes(one.blob[:8], "big") * _SECOND)
    return None


def _profile(row: Row, outcome: Outcome | None, patient: Json | None, data: Json | None) -> str | None:
    """Return the profile that an event follows: it was done, and what it was done with is known."""
    if outcome is not Outcome.DONE or not row.fits or data is None or not data.keys() & {"what", "query"}:
        return None
    return row.pattern.profiles[patient is not None]


class _Sent(msgspec.Struct, tag_field="resourceType", tag="AuditEvent"):
    id: Annotated[str, Meta(pattern="^[A-Za-z0-9.-]{1,64}$")]


_sent = msgspec.json.Decoder(_Sent)


def bundle(messages: Sequence[bytes]) -> bytes:
    """Return resources as one transaction, in which each is put at its id: sent twice, it changes nothing.

    Parameters
    ----------
    messages
        What `AuditEvents` has written; one at least.

    Raises
    ------
    ArgumentInvalid
        There is none, or one is no AuditEvent.
    """
    if not messages:
        raise ArgumentInvalid
    entries = [
        {"resource": msgspec.Raw(message), "request": {"method": "PUT", "url": f"AuditEvent/{_id_in(message)}"}}
        for message in messages
    ]
    return ascii_json({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def _id_in(message: bytes) -> str:
    try:
        return _sent.decode(message).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    raise ArgumentInvalid  # here, where no error that holds data is its context


class _Coding(msgspec.Struct):
    system: str = ""
    code: str = ""


class _Identifier(msgspec.Struct):
    system: str = ""
    value: str = ""


class _Reference(msgspec.Struct):
    identifier: _Identifier = field(default_factory=_Identifier)


class _Detail(msgspec.Struct):
    type: str = ""
    text: str = field(name="valueString", default="")


class _Entity(msgspec.Struct):
    what: _Reference = field(default_factory=_Reference)
    type: _Coding = field(default_factory=_Coding)
    detail: list[_Detail] = []


class _Kept(msgspec.Struct, tag_field="resourceType", tag="AuditEvent"):
    entity: list[_Entity] = []


_kept = msgspec.json.Decoder(_Kept)


def decode(line: Buffer) -> Shown:
    """Parse a resource as a repository gives it back, for who compares it with the log.

    The repository may have given it another id, have added to it, and have its members in another order.

    Raises
    ------
    LineInvalid
    """
    return shown_in_json(line, _kept, _shown)


def _shown(resource: _Kept) -> Shown | None:
    """Return what the one entity for the entry of the log shows; None where it says nothing, or two things."""
    entries = [one for one in resource.entity if (one.type.system, one.type.code) == (ENTRY.system, ENTRY.code)]
    if len(entries) != 1:
        return None
    (of,) = entries
    details = [(one.type, one.text) for one in of.detail if one.type in {"origin", "leaf", "note"}]
    told, place = dict(details), of.what.identifier
    origin = told.get("origin", "")
    if len(told) != len(details) or len(origin) > MAX_KEY_NAME or place.system != uuid_of(origin).urn:
        return None
    if not place.value.startswith(_CHECKPOINT):
        return leaf_in(origin, place.value, told.get("leaf", ""))
    with suppress(ValueError):
        note = base64.b64decode(told.get("note", ""), validate=True)
        return checkpoint_in(origin, number_in(place.value.removeprefix(_CHECKPOINT)), note)
    return None
