"""Whose record a resource is, from its own elements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeGuard

from vaultfs.interop.authorities import canonical, identifier
from vaultfs.interop.fhir.compartment import OPEN_ELEMENTS, SUBJECT_ELEMENTS, Path
from vaultfs.interop.fhir.references import conditional, literal
from vaultfs.interop.fhir.values import Fields, value
from vaultfs.interop.pieces import SourceIdentifier
from vaultfs.model import MAX_IDENTIFIER_CHARS

_V2_0203 = frozenset(
    {
        "http://terminology.hl7.org/CodeSystem/v2-0203",
        "http://hl7.org/fhir/v2/0203",
        "http://hl7.org/fhir/identifier-type",
        "urn:oid:2.16.840.1.113883.18.108",
        "urn:oid:2.16.840.1.113883.12.203",
    }
)
"""The code system of ``Identifier.type`` under the names of R4, STU3 and CDA (https://hl7.org/fhir/R4/v2/0203/)."""

# Identifiers that are no longer valid, or not yet for good, may have been given to somebody else
# (https://hl7.org/fhir/R4/valueset-identifier-use.html).
_WEAK_USES = frozenset({"old", "temp"})


# Reference.type: https://hl7.org/fhir/R4/references-definitions.html#Reference.type
_PATIENT_TYPES = ("Patient", "http://hl7.org/fhir/StructureDefinition/Patient")


Contained = dict[str, tuple[SourceIdentifier, ...]]
"""The identifiers of the Patients that a resource contains, by their local id."""


@dataclass(frozen=True, slots=True)
class Subject:
    """How a record names its subject.

    Parameters
    ----------
    references, identifiers
        As in `Facts`.
    malformed
        True where an element that should name the subject cannot be read although a lesser one can.
    """

    references: tuple[str, ...] = field(default=(), repr=False)
    identifiers: tuple[SourceIdentifier, ...] = field(default=(), repr=False)
    malformed: bool = False


_NOBODY = Subject()
_MALFORMED = Subject(malformed=True)


def subject_of(resource_type: str, fields: Fields) -> Subject:
    """Return how a resource names its patient.

    The first element of the type's row that names a patient decides. If it names several different ones (a group
    appointment), none of them is *the* subject and nobody is named: a guess could show one patient's record as
    another's. For the same reason a better element that cannot be read is not passed over in favour of a lesser one.
    """
    unreadable = False
    contained = _contained(fields)
    for path in SUBJECT_ELEMENTS.get(resource_type, ()):
        raw = fields.get(path[0])
        if raw is None:
            continue
        targets: set[Subject] = set()
        for leaf in leaves(value(raw), path[1:]):
            target = _target(leaf, contained, says_patient=path not in OPEN_ELEMENTS)
            if target is _MALFORMED:
                unreadable = True
            elif target is not _NOBODY:
                targets.add(target)
        if targets:
            if unreadable:
                return _MALFORMED
            return targets.pop() if len(targets) == 1 else _NOBODY
    return _NOBODY


def identifiers_of(listed: object) -> tuple[SourceIdentifier, ...]:
    """Return the identifiers of a decoded ``identifier`` element, in order, each once.

    One that has the wrong type in any part that tells it apart is left out: a value without its system could be
    somebody else's.
    """
    found = (_identifier(one) for one in leaves(listed, ()))
    return tuple(dict.fromkeys(one for one in found if one is not None))


def leaves(value: object, path: Path) -> Iterator[object]:
    """Yield what stands at `path` below `value`, through lists of any length; nothing where the path ends early."""
    if isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, dict):
        yield from leaves(value.get(path[0]), path[1:])
    elif value is not None:
        # Not an object where one must be: the caller sees a leaf of a wrong type.
        yield value


def usable(text: object) -> TypeGuard[str]:
    """Return whether `text` is a string that can stand for something: not empty, not beyond a vault's limit."""
    return isinstance(text, str) and 0 < len(text) <= MAX_IDENTIFIER_CHARS


def _target(reference: object, contained: Contained, *, says_patient: bool) -> Subject:
    """Return whom a reference names, `_NOBODY` if it is no patient, `_MALFORMED` if it cannot be read.

    Parameters
    ----------
    says_patient
        Whether the place of the reference says that it means a patient, as far as it does not say otherwise itself.
    """
    if not isinstance(reference, dict):
        return _MALFORMED
    stated = reference.get("reference")
    if stated is not None and not isinstance(stated, str):
        return _MALFORMED
    stated_type = reference.get("type")
    if stated_type is None:
        # Where anybody may be meant, the reference itself must say "Patient".
        foreign = not says_patient and (stated is None or stated.startswith("urn:"))
    else:
        foreign = stated_type not in _PATIENT_TYPES
    if foreign or not (stated is None or usable(stated)):
        return _NOBODY
    patient = literal(stated) if stated is not None else None
    if stated is None or patient is not None:
        identifiers = identifiers_of(reference.get("identifier"))
    elif stated.startswith("#"):
        identifiers = contained.get(stated[1:], ())
    else:
        identifiers = _searched(stated)
    references = (patient,) if patient else ()
    return Subject(references, identifiers) if references or identifiers else _NOBODY


def _contained(fields: Fields) -> Contained:
    raw = fields.get("contained")
    found: Contained = {}
    for resource in leaves(value(raw), ()) if raw is not None else ():
        if isinstance(resource, dict) and resource.get("resourceType") == "Patient":
            local_id = resource.get("id")
            if isinstance(local_id, str):
                found[local_id] = identifiers_of(resource.get("identifier"))
    return found


def _searched(reference: str) -> tuple[SourceIdentifier, ...]:
    """Return the identifier that a conditional reference searches for."""
    searched = conditional(reference)
    found = identifier(canonical(searched[0]), searched[1], frozenset()) if searched else None
    return (found,) if found else ()


def _identifier(element: object) -> SourceIdentifier | None:
    if not isinstance(element, dict):
        return None
    system, number = element.get("system"), element.get("value")
    if not isinstance(number, str) or not (system is None or isinstance(system, str)):
        return None
    codes = frozenset(_type_codes(element.get("type")))
    return identifier(canonical(system or ""), number, codes, strong=element.get("use") not in _WEAK_USES)


def _type_codes(concept: object) -> Iterator[str]:
    for coding in leaves(concept, ("coding",)):
        if isinstance(coding, dict) and coding.get("system") in (None, *_V2_0203):
            code = coding.get("code")
            if isinstance(code, str):
                yield code
