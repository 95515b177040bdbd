"""Sections 16.7 and 16.8: proofs of events and of all events about a subject, and what is stated of disclosures."""

from __future__ import annotations

from vaultfs_format.disclosure import Statement, SuspensionStatement
from vaultfs_format.eventproof import EventProof
from vaultfs_format.events.base import Event
from vaultfs_format.subjectproof import SubjectProof
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import VerifierKey

from vectors.operations.registry import Facts, operation


def _keys(texts: list[str]) -> list[VerifierKey]:
    return [VerifierKey.decode(text) for text in texts]


def _head(head: Checkpoint) -> Facts:
    return {"origin": head.origin, "size": head.size, "root": head.root}


def _event(event: Event) -> Facts:
    return {"type": event.type, "at": event.at, "session": event.session}


@operation
def event_proof(data: bytes, keys: list[str]) -> Facts:
    """The proof of an entry, with its event, in the log of these keys."""
    found = EventProof.decode(data)
    event = found.event
    about = {"index": found.proof.index, "kind": found.entry.kind, "event": None if event is None else _event(event)}
    return about | _head(found.verify(_keys(keys)))


@operation
def subject_proof(data: bytes, keys: list[str]) -> Facts:
    """The proof of all events about a subject, in the log of these keys."""
    found = SubjectProof.decode(data)
    head = found.verify(_keys(keys))
    return {
        "subject": found.subject,
        "index": found.stated.index,
        "first": found.first,
        "count": found.total,
        "events": [_event(event) for event in found.about()],
        "recipients": [None if said is None else said.recipient for _, said in found.disclosed()],
    } | _head(head)


@operation
def disclosure(data: bytes) -> Facts:
    """The record of a disclosure."""
    found = Statement.decode(data)
    day = None if found.date is None else found.date.isoformat()
    text = {name: getattr(found, name) for name in ("recipient", "address", "description", "purpose")}
    return {"salt": found.salt, **text, "date": day}


@operation
def suspension(data: bytes) -> Facts:
    """The record of a suspension."""
    found = SuspensionStatement.decode(data)
    return {name: getattr(found, name) for name in found.__struct_fields__}
