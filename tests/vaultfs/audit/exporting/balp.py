"""The rules of IHE BALP 1.1 for the profiles that are stated, as data, and what finds where a resource breaks them.

Source: IHE ITI Basic Audit Log Patterns, volume 3, the StructureDefinitions (CC-BY-4.0); their rules, in our words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Code = tuple[str, str]
Json = Mapping[str, Any]

BASE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
DCM = "http://dicom.nema.org/resources/ontology/DCM"
THO = "http://terminology.hl7.org/CodeSystem/"
REST = "http://hl7.org/fhir/restful-interaction"
PARTICIPATION = THO + "v3-ParticipationType"
ROLES = THO + "object-role"


@dataclass(frozen=True)
class Slice:
    """Agents or entities of one type: how many there are, what each has, and what none has."""

    types: frozenset[Code]
    least: int
    most: int
    needed: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    roles: frozenset[Code] | None = None
    requestor: bool | None = None


@dataclass(frozen=True)
class Profile:
    """What a profile asks for beyond R4."""

    type: Code
    action: str
    agents: Sequence[Slice]
    entities: Sequence[Slice]
    least_entities: int
    subtypes: frozenset[Code] = frozenset()
    only_subtype: bool = False
    outcome: str | None = "0"
    of_patient: bool = False
    from_source: Code | None = None


def _one(
    *types: Code, needed: tuple[str, ...], never: tuple[str, ...] = (), roles: Sequence[Code] | None = None
) -> Slice:
    return Slice(frozenset(types), 1, 1, needed, never, None if roles is None else frozenset(roles))


def _user(*codes: str) -> Slice:
    types = frozenset((PARTICIPATION, code) for code in codes)
    return Slice(types, 0, 1, ("who",), ("media", "network"), requestor=True)


_SOURCE, _DESTINATION, _APPLICATION = (DCM, "110153"), (DCM, "110152"), (DCM, "110150")
_CUSTODIAN = (THO + "provenance-participant-type", "custodian")
_HERE = ("who", "network")
_OBJECT, _PERSON = (THO + "audit-entity-type", "2"), (THO + "audit-entity-type", "1")
_RESTFUL = (THO + "audit-event-type", "rest")
_AUTHORS = _user("AUT", "INF", "CST")
_BARE = ("role", "altId", "name", "location", "policy", "media", "purposeOfUse")
_DATA = _one(_OBJECT, needed=("role", "what"), roles=[(ROLES, code) for code in ("4", "3", "20")])
_PATIENT = _one(_PERSON, needed=("role", "what"), roles=[(ROLES, "1")])
_SEARCH = _one(_OBJECT, needed=("role", "query"), never=("what", "lifecycle", "detail"), roles=[(ROLES, "24")])
_PLAIN = ("lifecycle", "name", "query", "detail")


def _peers(application: Code, vault: Code) -> tuple[Slice, Slice]:
    first, second = (_one(code, needed=_HERE, never=("media",)) for code in (application, vault))
    return first, second


def _pushed(action: str, *codes: str) -> Profile:
    agents = (*_peers(_SOURCE, _DESTINATION), _AUTHORS)
    return Profile(_RESTFUL, action, agents, (_DATA,), 1, frozenset((REST, code) for code in codes))


def _with_patient(profile: Profile, least: int, never: tuple[str, ...] = ()) -> Profile:
    patient = replace(_PATIENT, never=never)
    return replace(profile, entities=(*profile.entities, patient), least_entities=least, of_patient=True)


_READ = Profile(_RESTFUL, "R", (*_peers(_DESTINATION, _SOURCE), _user("IRCP")), (_DATA,), 1)
_QUERY = Profile(_RESTFUL, "E", (*_peers(_SOURCE, _DESTINATION), _user("IRCP")), (_SEARCH,), 1)
_CREATE, _UPDATE = _pushed("C", "create"), _pushed("U")
_DELETE = replace(
    _pushed("D", "delete"),
    agents=(
        _one(_APPLICATION, needed=_HERE, never=_BARE),
        _one(_CUSTODIAN, needed=_HERE, never=_BARE),
        replace(_AUTHORS, never=("altId", "location", "policy", "media", "network")),
    ),
    entities=(replace(_DATA, never=_PLAIN),),
    only_subtype=True,
)
_DISCLOSED = Profile(
    (DCM, "110106"),
    "R",
    (_one(_SOURCE, needed=_HERE), _one(_DESTINATION, needed=_HERE)),
    (_PATIENT,),
    2,
    frozenset({(THO + "iso-21089-lifecycle", "disclose")}),
    outcome=None,
    of_patient=True,
    from_source=_SOURCE,
)

PROFILES: Mapping[str, Profile] = {
    "Read": _READ,
    "PatientRead": _with_patient(_READ, 2),
    "Query": _QUERY,
    "PatientQuery": _with_patient(_QUERY, 1),
    "Create": _CREATE,
    "PatientCreate": _with_patient(_CREATE, 2),
    "Update": _UPDATE,
    "PatientUpdate": _with_patient(_UPDATE, 2),
    "Delete": _DELETE,
    "PatientDelete": _with_patient(_DELETE, 2, ("securityLabel", *_PLAIN)),
    "PrivacyDisclosure.Source": _DISCLOSED,
}


def _codes(found: Json | Sequence[Json] | None) -> set[Code]:
    """Return the codes of a Coding, of some of them, or of a CodeableConcept."""
    if not found:
        return set()
    listed = found.get("coding", [found]) if isinstance(found, Mapping) else found
    return {(one.get("system", ""), one.get("code", "")) for one in listed}


def broken(resource: Json) -> Iterator[str]:
    """Yield what breaks a rule of a profile that a resource states."""
    for url in resource.get("meta", {}).get("profile", ()):
        profile = PROFILES.get(url.removeprefix(BASE))
        if profile is None:
            yield f"{url}: unknown"
        else:
            yield from _whole(resource, profile)
            yield from _sliced(resource["agent"], profile.agents, "agent")
            yield from _sliced(resource.get("entity", []), profile.entities, "entity")


def _whole(resource: Json, profile: Profile) -> Iterator[str]:
    subtypes = _codes(resource.get("subtype"))
    rules = {
        "type": profile.type in _codes(resource["type"]),
        "action": resource.get("action") == profile.action,
        "outcome": resource.get("outcome") in ({profile.outcome} if profile.outcome else {"0", "4", "8", "12"}),
        "subtype": bool(subtypes) and profile.subtypes <= subtypes,
        "subtype, one": not profile.only_subtype or len(resource.get("subtype", ())) == 1,
        "agent, two": len(resource["agent"]) >= 2,
        "entity, enough": len(resource.get("entity", ())) >= profile.least_entities,
        "modifierExtension": profile.from_source is None or "modifierExtension" not in resource,
    }
    yield from (name for name, good in rules.items() if not good)
    for agent in resource["agent"]:
        if profile.from_source in _codes(agent.get("type")) and agent.get("who") != resource["source"]["observer"]:
            yield "agent: val-audit-source"
    for entity in resource.get("entity", ()):
        if profile.of_patient and _PERSON in _codes(entity.get("type")) and not _is_patient(entity.get("what", {})):
            yield "entity: the patient is none"


def _is_patient(what: Json) -> bool:
    return what.get("type", "Patient") == "Patient" and str(what.get("reference", "Patient/")).startswith("Patient/")


def _sliced(found: Sequence[Json], slices: Sequence[Slice], name: str) -> Iterator[str]:
    for one in slices:
        of_it = [each for each in found if _codes(each.get("type")) & one.types]
        if not one.least <= len(of_it) <= one.most:
            yield f"{name}: {len(of_it)} of {sorted(one.types)}"
        for each in of_it:
            yield from (f"{name}.{key}: missing" for key in one.needed if key not in each)
            yield from (f"{name}.{key}: not here" for key in one.never if key in each)
            if one.roles is not None and not _codes(each.get("role")) & one.roles:
                yield f"{name}.role"
            if one.requestor is not None and each.get("requestor") is not one.requestor:
                yield f"{name}.requestor"
