"""Events as FHIR resources, and what is wrong with one."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from vaultfs_format.events.base import EventType, Outcome
from vaultfs_format.events.records import RecordRead
from vaultfs_format.registry import builtin_kinds

from tests.vaultfs.audit.exporting import balp, r4
from tests.vaultfs.audit.exporting.events import AT, EXAMPLES, SESSION, logged
from vaultfs.audit.exporting.auditevent import PROFILE, AuditEvents, Deployment
from vaultfs.audit.exporting.logged import Logged

Json = dict[str, Any]

WRITER = AuditEvents(Deployment("emr", "archive.example.org", "north"))
OBSERVATION = builtin_kinds()["Observation"]
READ = RecordRead(AT, SESSION, b"p" * 16, OBSERVATION, b"r" * 16, 3, Outcome.DONE)


def written(one: Logged, writer: AuditEvents = WRITER) -> Json:
    """Return an event as a resource."""
    found: Json = json.loads(writer.event(one))
    return found


def problems(resource: Json) -> list[str]:
    """Return what is wrong with a resource, by R4 and by the profiles that it states."""
    return [*r4.broken(resource), *balp.broken(resource)]


def profile_of(resource: Json) -> str | None:
    """Return the name of the profile that a resource states."""
    (url,) = resource.get("meta", {}).get("profile", [None])
    return url and str(url).removeprefix(PROFILE)


def of_type(resource: Json, code: str) -> Json:
    """Return the one entity of a type."""
    (found,) = [one for one in resource["entity"] if one["type"]["code"] == code]
    return dict(found)


def done(kind: EventType) -> Json:
    """Return the resource of an event of a type that was done, and of which all is known."""
    event = EXAMPLES[kind]
    ends = "outcome" in event.__struct_fields__
    return written(logged(msgspec.structs.replace(event, outcome=Outcome.DONE) if ends else event))
