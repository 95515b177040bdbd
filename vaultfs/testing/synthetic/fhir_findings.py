"""FHIR R4 resources of what was found: Encounter, Condition, Observation, DiagnosticReport, AllergyIntolerance."""

from __future__ import annotations

from decimal import Decimal

from vaultfs.testing.synthetic.codes import ICD10CM, THO, UCUM
from vaultfs.testing.synthetic.jsontext import Json
from vaultfs.testing.synthetic.life import Allergy, Condition, Reading, Report, Visit
from vaultfs.testing.synthetic.measures import Measure
from vaultfs.testing.synthetic.page import Page, concept, milliseconds, tho

_CATEGORY_NAMES = {
    "vital-signs": "Vital Signs",
    "laboratory": "Laboratory",
    "survey": "Survey",
    "social-history": "Social History",
}


def encounter(page: Page, visit: Visit) -> dict[str, Json]:
    """Return an Encounter."""
    hospital = visit.clinician.hospital
    period: dict[str, Json] = {"start": page.at(visit.start), "end": page.at(visit.end)}
    role: Json = tho("v3-ParticipationType", "PPRF", "primary performer") | {"text": "primary performer"}
    participant: dict[str, Json] = {"individual": page.practitioner(visit.clinician)}
    subject = page.subject()
    if page.dialect.profiles:
        participant = {"type": [role], "period": dict(period), **participant}
        person = page.life.person
        subject["display"] = f"{person.prefix} {' '.join(person.given)} {person.family}".strip()
    body: dict[str, Json] = {
        **page.own_identifier(visit.id),
        "status": "finished",
        "class": {"system": THO + "v3-ActCode", "code": visit.setting},
        "type": [concept(visit.code)],
        "subject": subject,
        "participant": [participant],
        "period": period,
    }
    if visit.reason is not None:
        body["reasonCode"] = [concept(visit.reason.ailment.code, text=False)]
    if page.dialect.profiles:
        body["location"] = [{"location": page.location(hospital)}]
    body["serviceProvider"] = page.organization(hospital)
    return page.resource("Encounter", visit.id, "encounter", body)


def condition(page: Page, item: Condition) -> dict[str, Json]:
    """Return a Condition, coded in SNOMED CT and ICD-10-CM."""
    status = "active" if item.abated is None else "resolved"
    code = concept(item.ailment.code)
    if page.dialect.server:
        icd, title = item.ailment.icd
        snomed = item.ailment.code
        both: list[Json] = [
            {"system": ICD10CM, "code": icd, "display": title},
            {"system": snomed.system, "code": snomed.code, "display": snomed.display},
        ]
        code = {"coding": both, "text": title}
    body: dict[str, Json] = {
        "clinicalStatus": tho("condition-clinical", status),
        "verificationStatus": tho("condition-ver-status", "confirmed"),
    }
    if page.dialect.profiles:
        body["category"] = [tho("condition-category", "encounter-diagnosis", "Encounter Diagnosis")]
    body |= {
        "code": code,
        "subject": page.subject(),
        "encounter": page.reference("Encounter", item.visit_id),
        "onsetDateTime": page.at(item.onset),
    }
    if item.abated is not None:
        body["abatementDateTime"] = page.at(item.abated)
    body["recordedDate"] = page.at(item.onset)
    return page.resource("Condition", item.id, "condition-encounter-diagnosis", body)


def observation(page: Page, item: Reading) -> dict[str, Json]:
    """Return an Observation."""
    name = _CATEGORY_NAMES[item.category] if page.dialect.profiles else item.category
    issued = page.at(item.when)
    body: dict[str, Json] = {
        "status": "final",
        "category": [tho("observation-category", item.category, name)],
        "code": concept(item.code),
        "subject": page.subject(),
        "encounter": page.encounter(item.visit),
        "effectiveDateTime": issued,
        "issued": milliseconds(issued),
    }
    if item.answer is not None:
        body["valueCodeableConcept"] = concept(item.answer)
    elif len(item.values) > 1:
        body["component"] = [
            {"code": concept(measure.code), "valueQuantity": _quantity(measure, value)}
            for measure, value in item.values
        ]
    else:
        measure, value = item.values[0]
        body["valueQuantity"] = _quantity(measure, value)
        if page.dialect.profiles and measure.normal is not None:
            body |= _judged(measure, value)
    profile = {"laboratory": "observation-lab", "vital-signs": "vital-signs", "social-history": "smokingstatus"}
    return page.resource("Observation", item.id, profile.get(item.category, "observation-survey"), body)


def _quantity(measure: Measure, value: Decimal) -> dict[str, Json]:
    return {"value": value, "unit": measure.unit, "system": UCUM, "code": measure.ucum}


def _judged(measure: Measure, value: Decimal) -> dict[str, Json]:
    """Return interpretation (HL7 table 0078) and reference range."""
    low, high = (Decimal(end).scaleb(-measure.places) for end in measure.normal or (0, 0))
    flag, text = ("L", "Low") if value < low else ("H", "High") if value > high else ("N", "Normal")
    ends: Json = {"low": _quantity(measure, low), "high": _quantity(measure, high), "text": f"{low:f}-{high:f}"}
    return {"interpretation": [tho("v3-ObservationInterpretation", flag, text)], "referenceRange": [ends]}


def report(page: Page, item: Report) -> dict[str, Json]:
    """Return a DiagnosticReport that names its results."""
    issued = page.at(item.when)
    body: dict[str, Json] = {
        **page.own_identifier(item.order),
        "status": "final",
        "category": [tho("v2-0074", "LAB", "Laboratory")],
        "code": concept(item.code),
        "subject": page.subject(),
        "encounter": page.encounter(item.visit),
        "effectiveDateTime": issued,
        "issued": milliseconds(issued),
        "performer": [page.organization(item.visit.clinician.hospital)],
        "result": [page.reference("Observation", reading.id, reading.code.display) for reading in item.readings],
    }
    return page.resource("DiagnosticReport", item.id, "diagnosticreport-lab", body)


def allergy(page: Page, item: Allergy) -> dict[str, Json]:
    """Return an AllergyIntolerance."""
    body: dict[str, Json] = {
        "clinicalStatus": tho("allergyintolerance-clinical", "active"),
        "verificationStatus": tho("allergyintolerance-verification", "confirmed"),
        "type": "allergy",
        "category": [item.category],
        "criticality": item.criticality,
        "code": concept(item.code),
        "patient": page.subject(),
    }
    if item.recorded is not None:
        body["recordedDate"] = page.at(item.recorded)
    if item.reactions:
        body["reaction"] = [{"manifestation": [concept(r)], "severity": "mild"} for r in item.reactions]
    return page.resource("AllergyIntolerance", item.id, "allergyintolerance", body)
