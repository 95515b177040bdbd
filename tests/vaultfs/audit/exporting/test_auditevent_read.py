"""FHIR AuditEvents read back: what a repository gives out shows the same as what it was sent, or is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.note import Note, NoteSignature

from tests.vaultfs.audit.exporting.events import ORIGIN, logged
from tests.vaultfs.audit.exporting.resources import READ, WRITER, Json, of_type
from vaultfs.audit.exporting.auditentities import uuid_of
from vaultfs.audit.exporting.auditevent import decode
from vaultfs.audit.exporting.errors import LineInvalid
from vaultfs.audit.exporting.jsonlines import JsonLines
from vaultfs.audit.exporting.received import shown_in
from vaultfs.audit.exporting.shown import MAX_LINE, ShownCheckpoint, ShownLeaf

EVENT = WRITER.event(logged(READ))
NOTE = Note(Checkpoint(ORIGIN, 15, bytes(32)).encode(), (NoteSignature(ORIGIN, b"abcd", bytes(64)),))
CHECKPOINT = WRITER.checkpoint(ORIGIN, 15, NOTE)
LEAF, HEAD = ShownLeaf(ORIGIN, 7, bytes(range(32))), ShownCheckpoint(ORIGIN, 15, NOTE)


def entry_of(resource: Json) -> Json:
    """Return the entity for the entry of the log, to be changed where it is."""
    found: Json
    (found,) = [one for one in resource["entity"] if one["type"]["code"] == "AuditEvent"]
    return found


def detail_of(resource: Json, name: str) -> Json:
    """Return a detail of that entity, to be changed where it is."""
    found: Json
    (found,) = [one for one in entry_of(resource)["detail"] if one["type"] == name]
    return found


def told_of(resource: Json, origin: str) -> None:
    """Let a resource tell of another log."""
    detail_of(resource, "origin").update(valueString=origin)
    entry_of(resource)["what"]["identifier"].update(system=uuid_of(origin).urn)


def changed(message: bytes, change: Callable[[Json], Any]) -> bytes:
    """Return a resource after a change."""
    resource = json.loads(message)
    change(resource)
    return json.dumps(resource).encode()


@pytest.mark.parametrize(("message", "shown"), [(EVENT, LEAF), (CHECKPOINT, HEAD)], ids=["event", "checkpoint"])
def test_what_was_sent_is_read_whatever_a_repository_makes_of_it(
    message: bytes, shown: ShownLeaf | ShownCheckpoint
) -> None:
    assert decode(message) == decode(message + b"\n") == shown
    resource = json.loads(message)
    resource["id"] = "41"
    resource["meta"] = {**resource.get("meta", {}), "versionId": "2", "lastUpdated": "2026-11-14T22:13:20Z"}
    resource["text"] = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">read</div>'}
    resource["entity"].reverse()
    entry_of(resource)["detail"].reverse()
    entry_of(resource)["securityLabel"] = [{"code": "R"}]
    given = AuditEvent.model_validate(resource).model_dump(mode="json")
    for text in (json.dumps(given, sort_keys=True), json.dumps(given, indent=2, ensure_ascii=False)):
        assert decode(text.encode()) == shown


def test_lines_of_every_form_are_read_together() -> None:
    others = [b'{"resourceType":"Patient","id":"1"}', b'{"resourceType":"AuditEvent"}', b"{}"]
    lines = [EVENT, JsonLines().event(logged(READ)), *others, CHECKPOINT]
    assert list(shown_in(lines)) == [LEAF, LEAF, None, None, None, HEAD]


EVENT_CHANGES: list[Callable[[Json], Any]] = [
    lambda resource: resource.update(resourceType="Provenance"),
    lambda resource: resource.pop("entity"),
    lambda resource: resource.update(entity={}),
    lambda resource: resource["entity"].remove(of_type(resource, "AuditEvent")),
    lambda resource: resource["entity"].append(of_type(resource, "AuditEvent")),
    lambda resource: entry_of(resource)["type"].update(system="urn:other"),
    lambda resource: entry_of(resource).pop("what"),
    lambda resource: entry_of(resource)["what"]["identifier"].update(system=uuid_of("vaultfs/other").urn),
    lambda resource: entry_of(resource)["what"]["identifier"].update(value=7),
    lambda resource: entry_of(resource)["what"]["identifier"].update(value="07"),
    lambda resource: entry_of(resource)["what"]["identifier"].update(value="-7"),
    lambda resource: entry_of(resource)["what"]["identifier"].update(value=str(1 << 63)),
    lambda resource: entry_of(resource)["what"]["identifier"].update(value="c7"),
    lambda resource: entry_of(resource)["detail"].remove(detail_of(resource, "leaf")),
    lambda resource: entry_of(resource)["detail"].append({"type": "leaf", "valueString": "00" * 32}),
    lambda resource: detail_of(resource, "leaf").update(valueString="AB" * 32),
    lambda resource: detail_of(resource, "leaf").update(valueString="00"),
    lambda resource: detail_of(resource, "leaf").pop("valueString"),
    lambda resource: detail_of(resource, "origin").update(valueString="vaultfs/other"),
    lambda resource: told_of(resource, "x" * 256),
]


@pytest.mark.parametrize("change", EVENT_CHANGES)
def test_a_resource_that_shows_no_event_or_two_things_is_refused_and_not_quoted(
    change: Callable[[Json], Any],
) -> None:
    message = changed(EVENT, change)
    with pytest.raises(LineInvalid) as told:
        decode(message)
    assert told.value.__context__ is None
    assert told.value.facts == {"size": len(message)}


CHECKPOINT_CHANGES: list[Callable[[Json], Any]] = [
    lambda resource: entry_of(resource)["what"]["identifier"].update(value="c14"),
    lambda resource: entry_of(resource)["what"]["identifier"].update(value="c"),
    lambda resource: entry_of(resource)["what"]["identifier"].update(value="15"),
    lambda resource: entry_of(resource)["detail"].remove(detail_of(resource, "note")),
    lambda resource: detail_of(resource, "note").update(valueString="no base64!"),
    lambda resource: detail_of(resource, "note").update(valueString="\u00e9"),
    lambda resource: detail_of(resource, "note").update(valueString=base64.b64encode(b"no note").decode()),
]


@pytest.mark.parametrize("change", CHECKPOINT_CHANGES)
def test_a_resource_that_shows_no_checkpoint_or_another_is_refused(change: Callable[[Json], Any]) -> None:
    with pytest.raises(LineInvalid):
        decode(changed(CHECKPOINT, change))


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, EVENT[:-1], EVENT + b" " * MAX_LINE],
    ids=["empty", "object", "array", "null", "no UTF-8", "deep", "cut", "long"],
)
def test_what_is_no_resource_is_refused(line: bytes) -> None:
    with pytest.raises(LineInvalid) as told:
        decode(line)
    assert told.value.__context__ is None
