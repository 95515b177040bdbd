"""FHIR R4 resources of people and places: Patient, Practitioner, Organization, Location, Coverage, Device."""

from __future__ import annotations

from vaultfs.testing.synthetic.codes import NPI, THO, Code
from vaultfs.testing.synthetic.jsontext import Json
from vaultfs.testing.synthetic.life import Address, Clinician, Cover, Device, Hospital, Identity, Person
from vaultfs.testing.synthetic.page import US_CORE, Page, concept

_IDENTIFIER_TYPES = {
    "MR": "Medical Record Number",
    "SS": "Social Security Number",
    "DL": "Driver's license number",
    "PPN": "Passport Number",
}
"""HL7 table 0203."""


def patient(page: Page) -> dict[str, Json]:
    """Return the Patient, with the US Core extensions."""
    person = page.life.person
    own: list[Json] = [{"system": page.dialect.system, "value": person.id}] if page.dialect.system else []
    body: dict[str, Json] = {
        "text": {"status": "generated", "div": _narrative(person)},
        "extension": [
            _demographic("race", person.race),
            _demographic("ethnicity", person.ethnicity),
            {"url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", "valueString": person.mother},
            {"url": US_CORE + "birthsex", "valueCode": "F" if person.female else "M"},
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
                "valueAddress": {"city": person.birth_place.city, "state": person.birth_place.state, "country": "US"},
            },
        ],
        "identifier": [
            *own,
            *(_identifier(identity, person) for identity in person.identities),
        ],
        "name": [_name(person)],
        "telecom": [{"system": "phone", "value": person.phone, "use": "home"}],
        "gender": "female" if person.female else "male",
        "birthDate": person.born.isoformat(),
    }
    if person.died is not None:
        body["deceasedDateTime"] = page.at(person.died)
    body |= {
        "address": [_home(person.address)],
        "maritalStatus": concept(person.marital),
        "multipleBirthBoolean": False,
        "communication": [{"language": concept(person.language)}],
    }
    return page.resource("Patient", person.id, "patient", body)


def _narrative(person: Person) -> str:
    name = f"{' '.join(person.given)} {person.family}"
    return (
        f'<div xmlns="http://www.w3.org/1999/xhtml"><p><b>{name}</b>, {"female" if person.female else "male"}, born '
        f"{person.born.isoformat()}</p><p>MRN {person.mrn.value}</p><p>{person.address.line}, {person.address.city} "
        f"{person.address.state_code} {person.address.postal}</p></div>"
    )


def _demographic(name: str, code: Code) -> dict[str, Json]:
    coding: Json = {"system": code.system, "code": code.code, "display": code.display}
    return {
        "url": US_CORE + name,
        "extension": [{"url": "ombCategory", "valueCoding": coding}, {"url": "text", "valueString": code.display}],
    }


def _identifier(identity: Identity, person: Person) -> dict[str, Json]:
    name = _IDENTIFIER_TYPES[identity.type]
    kind: Json = {"coding": [{"system": THO + "v2-0203", "code": identity.type, "display": name}], "text": name}
    found: dict[str, Json] = {"type": kind, "system": identity.system, "value": identity.value}
    if identity.type == "MR":
        found = {"use": "usual", **found, "assigner": {"display": person.hospital.name}}
    return found


def _name(person: Person) -> dict[str, Json]:
    name: dict[str, Json] = {"use": "official", "family": person.family, "given": list(person.given)}
    if person.prefix:
        name["prefix"] = [person.prefix]
    return name


def _home(address: Address) -> dict[str, Json]:
    position: Json = [
        {"url": "latitude", "valueDecimal": address.latitude},
        {"url": "longitude", "valueDecimal": address.longitude},
    ]
    extension: Json = [{"url": "http://hl7.org/fhir/StructureDefinition/geolocation", "extension": position}]
    return {"extension": extension, **_postal(address)}


def _postal(address: Address) -> dict[str, Json]:
    return {
        "line": [address.line],
        "city": address.city,
        "state": address.state_code,
        "postalCode": address.postal,
        "country": "US",
    }


def practitioner(page: Page, clinician: Clinician) -> dict[str, Json]:
    """Return a Practitioner."""
    mail = f"{clinician.given}.{clinician.family}@example.com".replace(" ", "").replace("'", "")
    direct: Json = [{"url": US_CORE + "direct", "valueBoolean": True}]
    body: dict[str, Json] = {
        "identifier": [{"system": NPI, "value": clinician.npi}],
        "active": True,
        "name": [{"family": clinician.family, "given": [clinician.given], "prefix": ["Dr."]}],
        "telecom": [{"extension": direct, "system": "email", "value": mail, "use": "work"}],
        "address": [_postal(clinician.hospital.address)],
        "gender": clinician.gender,
    }
    return page.resource("Practitioner", clinician.id, "practitioner", body)


def organization(page: Page, hospital: Hospital) -> dict[str, Json]:
    """Return an Organization."""
    kind: Json = {
        "coding": [{"system": THO + "organization-type", "code": "prov", "display": "Healthcare Provider"}],
        "text": "Healthcare Provider",
    }
    body: dict[str, Json] = {
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{hospital.oid}"}],
        "active": True,
        "type": [kind],
        "name": hospital.name,
        "telecom": [{"system": "phone", "value": hospital.phone}],
        "address": [_postal(hospital.address)],
    }
    return page.resource("Organization", hospital.id, "organization", body)


def location(page: Page, hospital: Hospital) -> dict[str, Json]:
    """Return the Location of a hospital."""
    body: dict[str, Json] = {
        "status": "active",
        "name": hospital.name,
        "telecom": [{"system": "phone", "value": hospital.phone}],
        "address": _postal(hospital.address),
        "position": {"longitude": hospital.address.longitude, "latitude": hospital.address.latitude},
        "managingOrganization": page.organization(hospital),
    }
    return page.resource("Location", hospital.site_id, "location", body)


def coverage(page: Page, cover: Cover) -> dict[str, Json]:
    """Return a Coverage."""
    self_: Json = {"coding": [{"system": THO + "subscriber-relationship", "code": "self", "display": "Self"}]}
    body: dict[str, Json] = {
        "identifier": [{"system": "https://payer.example.org/member", "value": cover.member}],
        "status": "active",
        "type": concept(cover.type, text=False),
        "subscriberId": cover.member,
        "beneficiary": page.subject(),
        "relationship": self_,
        "period": {"start": cover.start.isoformat()},
        "payor": [{"display": cover.payer}],
    }
    return page.resource("Coverage", cover.id, "coverage", body)


def device(page: Page, item: Device) -> dict[str, Json]:
    """Return an implanted Device with its UDI (21 CFR 801.20; GS1 application identifiers)."""
    made, expires = f"{item.made:%y%m%d}", f"{item.expires:%y%m%d}"
    carrier = f"(01){item.number}(11){made}(17){expires}(10){item.lot}(21){item.serial}"
    body: dict[str, Json] = {
        "udiCarrier": [{"deviceIdentifier": item.number, "carrierHRF": carrier}],
        "status": "active",
        "distinctIdentifier": item.number,
        "manufactureDate": item.made.isoformat(),
        "expirationDate": item.expires.isoformat(),
        "lotNumber": item.lot,
        "serialNumber": item.serial,
        "deviceName": [{"name": item.code.display, "type": "user-friendly-name"}],
        "type": concept(item.code),
        "patient": page.subject(),
    }
    return page.resource("Device", item.id, "implantable-device", body)
