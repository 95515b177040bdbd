"""The rules of FHIR R4 (4.0.1) for an AuditEvent, as data, and what finds where a resource breaks them.

Sources: the page AuditEvent, its elements, required bindings and sev-1; the page of data types for primitives, Coding,
CodeableConcept, Identifier and Reference; the page of the JSON format for empty things and primitives without a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MANY = 1 << 30

_TIME = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|(\+|-)((0\d|1[0-3]):[0-5]\d|14:00))"
PRIMITIVES: Mapping[str, re.Pattern[str]] = {
    "string": re.compile(r"[ \r\n\t\S]+"),
    "uri": re.compile(r"\S+"),
    "code": re.compile(r"\S+(\s\S+)*"),
    "id": re.compile(r"[A-Za-z0-9\-.]{1,64}"),
    "instant": re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T" + _TIME),
    "base64Binary": re.compile(r"(\s*([0-9a-zA-Z+/=]){4}\s*)+"),
    "xhtml": re.compile(r"<div.*", re.DOTALL),
}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True)
class Element:
    """What an element may be: its type, and how often it is there."""

    type: str
    least: int = 0
    most: int = 1


def _elements(text: str) -> dict[str, Element]:
    found = {"id": Element("string"), "extension": Element("Extension", 0, MANY)}
    for line in text.split(";"):
        name, kind, *counts = line.split()
        least, most = (counts or ["0..1"])[0].split("..")
        found[name] = Element(kind, int(least), MANY if most == "*" else int(most))
    return found


TYPES: Mapping[str, Mapping[str, Element]] = {
    "AuditEvent": _elements(
        "resourceType code 1..1; id id; meta Meta; implicitRules uri; language code; text Narrative;"
        "modifierExtension Extension 0..*; type Coding 1..1; subtype Coding 0..*; action code; recorded instant 1..1;"
        "outcome code; outcomeDesc string; purposeOfEvent CodeableConcept 0..*; agent Agent 1..*; source Source 1..1;"
        "entity Entity 0..*"
    ),
    "Agent": _elements(
        "type CodeableConcept; role CodeableConcept 0..*; who Reference; altId string; name string;"
        "requestor boolean 1..1; location Reference; policy uri 0..*; media Coding; network Network;"
        "purposeOfUse CodeableConcept 0..*"
    ),
    "Network": _elements("address string; type code"),
    "Source": _elements("site string; observer Reference 1..1; type Coding 0..*"),
    "Entity": _elements(
        "what Reference; type Coding; role Coding; lifecycle Coding; securityLabel Coding 0..*; name string;"
        "description string; query base64Binary; detail Detail 0..*"
    ),
    "Detail": _elements("type string 1..1; valueString string; valueBase64Binary base64Binary"),
    "Coding": _elements("system uri; version string; code code; display string; userSelected boolean"),
    "CodeableConcept": _elements("coding Coding 0..*; text string"),
    "Identifier": _elements("use code; type CodeableConcept; system uri; value string; assigner Reference"),
    "Reference": _elements("reference string; type uri; identifier Identifier; display string"),
    "Meta": _elements("versionId id; lastUpdated instant; source uri; profile uri 0..*; security Coding 0..*"),
    "Narrative": _elements("status code 1..1; div xhtml 1..1"),
    "Absent": {"extension": Element("Extension", 1, MANY)},
    "Extension": _elements("url uri 1..1; valueCode code; valueString string"),
}

BINDINGS: Mapping[tuple[str, str], frozenset[str]] = {
    ("AuditEvent", "resourceType"): frozenset({"AuditEvent"}),
    ("AuditEvent", "action"): frozenset("CRUDE"),
    ("AuditEvent", "outcome"): frozenset({"0", "4", "8", "12"}),
    ("Network", "type"): frozenset("12345"),
}
"""Required bindings."""


def broken(resource: object, kind: str = "AuditEvent", path: str = "") -> Iterator[str]:
    """Yield the places of a resource, or of a part of one, that break a rule."""
    if not isinstance(resource, dict) or not resource:
        yield f"{path}: no object, or an empty one"
        return
    known = TYPES[kind]
    for name, value in resource.items():
        element = known.get(name.removeprefix("_"))
        if element is None:
            yield f"{path}.{name}: unknown"
        elif name.startswith("_"):
            yield from broken(value, "Absent", f"{path}.{name}")
        else:
            yield from _values(value, element, kind, f"{path}.{name}")
    for name, element in known.items():
        if element.least and name not in resource and f"_{name}" not in resource:
            yield f"{path}.{name}: missing"
    yield from _invariants(resource, kind, path)


def _values(value: object, element: Element, kind: str, path: str) -> Iterator[str]:
    values = value if element.most > 1 else [value]
    if not isinstance(values, list) or not values:
        yield f"{path}: no array, or an empty one"
        return
    allowed = BINDINGS.get((kind, path.rpartition(".")[2]))
    for at, one in enumerate(values):
        place = f"{path}[{at}]" if element.most > 1 else path
        if element.type in TYPES:
            yield from broken(one, element.type, place)
        elif not _is(one, element.type) or (allowed is not None and one not in allowed):
            yield f"{place}: not a {element.type}, or not allowed here"


def _is(value: object, kind: str) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, str) and bool(PRIMITIVES[kind].fullmatch(value)) and not _CONTROL.search(value)


def _invariants(found: Mapping[str, Any], kind: str, path: str) -> Iterator[str]:
    if kind == "Entity" and "name" in found and "query" in found:
        yield f"{path}: sev-1, name and query"
    if kind == "Reference" and not found.keys() & {"reference", "identifier", "display"}:
        yield f"{path}: refers to nothing"
    if kind == "Detail" and len(found.keys() & {"valueString", "valueBase64Binary"}) != 1:
        yield f"{path}: no value, or two"
