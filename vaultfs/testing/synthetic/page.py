"""How one exporter writes FHIR: its references, its metadata, its times. Renderers ask the page, and never decide.

Real archives hold the exports of several systems; they differ in exactly these habits (FHIR R4, resource.html,
references.html#literal, bundle.html#references).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from vaultfs.testing.synthetic.codes import NPI, THO, Code
from vaultfs.testing.synthetic.jsontext import Json
from vaultfs.testing.synthetic.life import Clinician, Hospital, Life, Visit

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"


@dataclass(frozen=True, slots=True)
class Dialect:
    """The habits of an exporter.

    Parameters
    ----------
    urn
        References are ``urn:uuid:<id>`` (bundles) instead of ``<type>/<id>``.
    profiles
        ``meta`` follows the id and names US Core profiles; otherwise it comes last and holds a tag alone.
    server
        ``meta`` states version and time of the last update, as servers do.
    conditional
        Providers are referred to by a search (``Practitioner?identifier=...``) with a display, as bulk data is.
    utc
        Times are stated in UTC (``+00:00``), not with the patient's offset.
    system
        System of the exporter's own ids, or empty: then resources other than the patient state no identifiers.
    """

    urn: bool
    profiles: bool
    server: bool = False
    conditional: bool = False
    utc: bool = False
    system: str = ""


TRANSACTION = Dialect(urn=True, profiles=False, utc=True)
"""Transaction bundles of an older system."""

BULK = Dialect(urn=False, profiles=True, system="https://ehr.example.org/ids")
"""NDJSON of a bulk export."""

SERVER = Dialect(urn=False, profiles=True, server=True)
"""What the REST API of a server returns."""


@dataclass(frozen=True, slots=True)
class Page:
    """A life and the dialect that it is written in."""

    life: Life
    dialect: Dialect

    def at(self, when: datetime) -> str:
        """Return `when` as a FHIR dateTime; summer time is an hour ahead."""
        minutes = self.life.person.offset + (60 if 4 <= when.month <= 10 else 0)
        if self.dialect.utc:
            return f"{(when - timedelta(minutes=minutes)).isoformat()}+00:00"
        sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
        return f"{when.isoformat()}{sign}{minutes // 60:02d}:{minutes % 60:02d}"

    def reference(self, kind: str, id: str, display: str = "") -> dict[str, Json]:
        """Return a reference to a resource of the same export."""
        target = f"urn:uuid:{id}" if self.dialect.urn else f"{kind}/{id}"
        return {"reference": target, "display": display} if display else {"reference": target}

    def subject(self) -> dict[str, Json]:
        """Return the reference to the patient."""
        return self.reference("Patient", self.life.person.id)

    def encounter(self, visit: Visit) -> dict[str, Json]:
        """Return the reference to a visit."""
        return self.reference("Encounter", visit.id)

    def practitioner(self, clinician: Clinician) -> dict[str, Json]:
        """Return the reference to a clinician."""
        name = f"Dr. {clinician.given} {clinician.family}"
        if self.dialect.conditional:
            return {"reference": f"Practitioner?identifier={NPI}|{clinician.npi}", "display": name}
        return self.reference("Practitioner", clinician.id, name if self.dialect.profiles else "")

    def organization(self, hospital: Hospital) -> dict[str, Json]:
        """Return the reference to a hospital."""
        if self.dialect.conditional:
            target = f"Organization?identifier={self.dialect.system}|{hospital.id}"
            return {"reference": target, "display": hospital.name}
        return self.reference("Organization", hospital.id, hospital.name if self.dialect.profiles else "")

    def location(self, hospital: Hospital) -> dict[str, Json]:
        """Return the reference to the location of a hospital."""
        if self.dialect.conditional:
            target = f"Location?identifier={self.dialect.system}|{hospital.site_id}"
            return {"reference": target, "display": hospital.name}
        return self.reference("Location", hospital.site_id, hospital.name)

    def own_identifier(self, id: str) -> dict[str, Json]:
        """Return the member that states the exporter's own id, where it has a system for it."""
        if not self.dialect.system:
            return {}
        return {"identifier": [{"use": "official", "system": self.dialect.system, "value": id}]}

    def resource(self, kind: str, id: str, profile: str, body: dict[str, Json]) -> dict[str, Json]:
        """Return a resource: type, id and `meta` where the dialect puts it, around `body`."""
        head: dict[str, Json] = {"resourceType": kind, "id": id}
        meta: dict[str, Json] = {}
        if self.dialect.server:
            # A server dates a version when it stores it; nothing but the last visit is known of that day.
            last = self.life.visits[-1].end if self.life.visits else datetime(2025, 6, 30)
            meta |= {"versionId": "1", "lastUpdated": milliseconds(self.at(last))}
        if self.dialect.profiles and profile:
            meta["profile"] = [US_CORE + profile]
        if self.dialect.profiles:
            return head | ({"meta": meta} if meta else {}) | body
        # HTEST, "test health data", is HL7's own label for records of nobody.
        tag: Json = {"system": THO + "v3-ActReason", "code": "HTEST", "display": "test health data"}
        return head | body | {"meta": {**meta, "tag": [tag]}}


def milliseconds(when: str) -> str:
    """Return a dateTime with seconds as an instant with milliseconds."""
    return f"{when[:19]}.000{when[19:]}"


def concept(code: Code, text: bool = True) -> dict[str, Json]:
    """Return a CodeableConcept."""
    coding: Json = [{"system": code.system, "code": code.code, "display": code.display}]
    return {"coding": coding, "text": code.display} if text else {"coding": coding}


def tho(system: str, code: str, display: str = "") -> dict[str, Json]:
    """Return a CodeableConcept of a code system that HL7 publishes."""
    coding: dict[str, Json] = {"system": THO + system, "code": code}
    if display:
        coding["display"] = display
    return {"coding": [coding]}
