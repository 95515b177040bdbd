"""The rules by which resources are judged can say no: each of them, broken, is seen."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.events.base import EventType
from vaultfs_format.events.codec import CLASSES

from tests.vaultfs.audit.exporting import balp, r4
from tests.vaultfs.audit.exporting.events import logged
from tests.vaultfs.audit.exporting.resources import READ, Json, done, profile_of, written
from vaultfs.audit.exporting.auditcodes import DCM, Coding
from vaultfs.audit.exporting.auditentities import concept
from vaultfs.audit.exporting.auditevent import PROFILE


def changes(resource: Json) -> Iterator[tuple[str, Json]]:
    """Yield a resource with one rule of R4 broken, by its name."""
    for name in ("resourceType", "type", "recorded", "agent", "source"):
        yield f"without {name}", {key: value for key, value in resource.items() if key != name}
    for name, value in (
        ("id", "a_b"), ("action", "X"), ("outcome", "5"), ("recorded", "2023-11-14"), ("more", 1), ("subtype", []),
        ("entity", {}), ("outcomeDesc", "a\x00"), ("purposeOfEvent", [{}]), ("_recorded", {"more": 1}),
    ):  # fmt: skip
        yield f"{name} {value!r}", {**resource, name: value}
    places: list[tuple[tuple[str | int, ...], Any]] = [
        (("agent", 0, "requestor"), None),
        (("agent", 0, "requestor"), "true"),
        (("agent", 1, "network", "type"), "6"),
        (("agent", 1, "who"), {"type": "Device"}),
        (("source", "observer"), None),
        (("entity", -1, "name"), ""),
        (("entity", -1, "detail", 0, "valueString"), None),
        (("entity", -1, "detail", 0, "valueBase64Binary"), "AAAA"),
        (("entity", 1, "query"), "A!"),
    ]
    for path, value in places:
        changed = copy.deepcopy(resource)
        *steps, last = path
        place: Any = changed
        for step in steps:
            place = place[step]
        if value is None:
            place.pop(last)
        else:
            place[last] = value
        yield f"{path} {value!r}", changed


def test_the_rules_of_r4_refuse_what_breaks_them() -> None:
    resource = written(logged(READ))
    named = dict(changes(resource))
    assert [name for name, changed in named.items() if not list(r4.broken(changed))] == []
    both = copy.deepcopy(done(EventType.RECORDS_SEARCHED))
    both["entity"][1]["name"] = "both"
    assert any("sev-1" in one for one in r4.broken(both))


def broken_by_profile(resource: Json, profile: balp.Profile) -> Iterator[tuple[str, Json]]:
    """Yield a resource with one rule of its profile broken, by its name."""
    yield "type", {**resource, "type": {"system": balp.DCM, "code": "110100"}}
    yield "action", {**resource, "action": "C" if profile.action != "C" else "R"}
    yield (
        "outcome",
        {**resource, "outcome": "4"} if profile.outcome else {k: v for k, v in resource.items() if k != "outcome"},
    )
    yield "subtype", {key: value for key, value in resource.items() if key != "subtype"}
    for part, slices in (("agent", profile.agents), ("entity", profile.entities)):
        for one in slices:
            (at,) = [n for n, each in enumerate(resource[part]) if balp._codes(each["type"]) & one.types]
            listed = resource[part]
            yield f"{part} {at} twice", {**resource, part: [*listed, listed[at]]}
            if one.least:
                yield f"{part} {at} gone", {**resource, part: [*listed[:at], *listed[at + 1 :]]}
            for key in one.needed:
                less = {name: value for name, value in listed[at].items() if name != key}
                yield f"{part} {at} {key} gone", {**resource, part: [*listed[:at], less, *listed[at + 1 :]]}
            for key, value in {
                **dict.fromkeys(one.never, "x"),
                **({"role": {"code": "9"}} if one.roles else {}),
            }.items():
                more = {**listed[at], key: value}
                yield f"{part} {at} {key}", {**resource, part: [*listed[:at], more, *listed[at + 1 :]]}


@pytest.mark.parametrize(
    "kind", [kind for kind in CLASSES if profile_of(done(kind))], ids=lambda kind: str(kind.name).lower()
)
def test_the_rules_of_a_profile_refuse_what_breaks_them(kind: EventType) -> None:
    resource = done(kind)
    profile = balp.PROFILES[str(profile_of(resource))]
    named = dict(broken_by_profile(resource, profile))
    assert [name for name, changed in named.items() if not list(balp.broken(changed))] == []
    assert len(named) >= 10


def test_the_rules_of_balp_know_the_observer_and_the_patient() -> None:
    exported = done(EventType.SUBJECT_EXPORTED)
    exported["meta"] = {"profile": [PROFILE + "PrivacyDisclosure.Source"]}
    recipient = concept(Coding(DCM, "110152", "Destination Role ID"))
    agents = [one for one in exported["agent"] if "network" in one]
    exported["agent"] = [agents[1], {**agents[0], "type": recipient}]
    assert list(balp.broken(exported)) == []
    other = {**exported, "source": {"observer": {"display": "other"}}}
    assert "agent: val-audit-source" in list(balp.broken(other))
    exported["entity"][0]["what"]["type"] = "Group"
    assert "entity: the patient is none" in list(balp.broken(exported))
    assert list(balp.broken({"meta": {"profile": ["urn:x"]}})) == ["urn:x: unknown"]


def test_the_rules_of_r4_accept_the_example_of_the_standard(samples: Path) -> None:
    path = samples / "consent" / "fhir-r4-examples" / "AuditEvent-example-disclosure.json"
    example = json.loads(path.read_text("utf-8"))
    assert list(r4.broken(example)) == []
    assert list(r4.broken({**example, "action": "Z"}))
