"""FHIR R4 resources of what was done: orders, vaccinations, procedures, plans, images and documents."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1

from vaultfs.testing.synthetic.catalogue import ROUTES
from vaultfs.testing.synthetic.codes import LOINC, SOP_CLASSES, Code
from vaultfs.testing.synthetic.jsontext import Json
from vaultfs.testing.synthetic.life import Aim, Condition, Deed, Imaging, Note, Plan, Prescription, Shot
from vaultfs.testing.synthetic.page import Page, concept, tho

_NOTE_CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category"
_NOTE_FORMAT: dict[str, Json] = {
    "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
    "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
    "display": "mimeType Sufficient",
}


def medication_request(page: Page, item: Prescription) -> dict[str, Json]:
    """Return a MedicationRequest."""
    body: dict[str, Json] = {"status": "active" if item.active else "stopped", "intent": "order"}
    if page.dialect.profiles:
        body["category"] = [tho("medicationrequest-category", "community", "Community") | {"text": "Community"}]
    body |= {
        "medicationCodeableConcept": concept(item.drug),
        "subject": page.subject(),
        "encounter": page.encounter(item.visit),
        "authoredOn": page.at(item.visit.start),
        "requester": page.practitioner(item.visit.clinician),
    }
    if item.reason is not None:
        body["reasonReference"] = [_reason(page, item.reason)]
    dose: dict[str, Json] = {
        "sequence": 1,
        "timing": {"repeat": {"frequency": item.times_a_day, "period": 1, "periodUnit": "d"}},
        "asNeededBoolean": False,
    }
    if page.dialect.profiles:
        dose["route"] = concept(ROUTES[0])
    dose["doseAndRate"] = [{"type": tho("dose-rate-type", "ordered", "Ordered"), "doseQuantity": {"value": 1}}]
    body["dosageInstruction"] = [dose]
    if page.dialect.server:
        supply: Json = {"value": 30, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}
        quantity: Json = {"value": item.quantity, "unit": "TAB"}
        body["dispenseRequest"] = {"quantity": quantity, "expectedSupplyDuration": supply}
    return page.resource("MedicationRequest", item.id, "medicationrequest", body)


def _reason(page: Page, condition: Condition) -> dict[str, Json]:
    display = condition.ailment.code.display if page.dialect.profiles else ""
    return page.reference("Condition", condition.id, display)


def immunization(page: Page, item: Shot) -> dict[str, Json]:
    """Return an Immunization."""
    body: dict[str, Json] = {
        "status": "completed",
        "vaccineCode": concept(item.vaccine),
        "patient": page.subject(),
        "encounter": page.encounter(item.visit),
        "occurrenceDateTime": page.at(item.visit.start),
        "primarySource": True,
    }
    if page.dialect.profiles:
        body["location"] = page.location(item.visit.clinician.hospital)
    if page.dialect.server:
        body |= {"lotNumber": item.lot, "expirationDate": item.expires.isoformat(), "route": concept(ROUTES[1])}
    return page.resource("Immunization", item.id, "immunization", body)


def procedure(page: Page, item: Deed) -> dict[str, Json]:
    """Return a Procedure."""
    body: dict[str, Json] = {
        "status": "completed",
        "code": concept(item.code),
        "subject": page.subject(),
        "encounter": page.encounter(item.visit),
        "performedPeriod": {"start": page.at(item.start), "end": page.at(item.end)},
    }
    if page.dialect.profiles:
        body["location"] = page.location(item.visit.clinician.hospital)
    if item.reason is not None:
        body["reasonReference"] = [_reason(page, item.reason)]
    return page.resource("Procedure", item.id, "procedure", body)


def care_plan(page: Page, item: Plan) -> dict[str, Json]:
    """Return a CarePlan with a narrative that lists its activities."""
    status = "active" if item.until is None else "completed"
    activities = "".join(f"<li>{activity.display}</li>" for activity in item.activities)
    div = (
        f'<div xmlns="http://www.w3.org/1999/xhtml"><p>Plan: {item.category.display}</p><ul>{activities}</ul>'
        f"<p>Reason: {item.reason.ailment.code.display if item.reason else 'none stated'}</p></div>"
    )
    period: dict[str, Json] = {"start": page.at(item.visit.start)}
    if item.until is not None:
        period["end"] = page.at(item.until)
    category = [concept(item.category)]
    if page.dialect.profiles:
        assess = "http://hl7.org/fhir/us/core/CodeSystem/careplan-category"
        category.insert(0, {"coding": [{"system": assess, "code": "assess-plan"}]})
    body: dict[str, Json] = {
        "text": {"status": "generated", "div": div},
        "status": status,
        "intent": "order",
        "category": list(category),
        "subject": page.subject(),
        "encounter": page.encounter(item.visit),
        "period": period,
    }
    if item.reason is not None:
        body["addresses"] = [page.reference("Condition", item.reason.id)]
    if item.aim is not None:
        body["goal"] = [page.reference("Goal", item.aim.id)]
    state = "in-progress" if item.until is None else "completed"
    body["activity"] = [{"detail": {"code": concept(activity), "status": state}} for activity in item.activities]
    return page.resource("CarePlan", item.id, "careplan", body)


def goal(page: Page, item: Aim, plan: Plan) -> dict[str, Json]:
    """Return the Goal of a care plan."""
    body: dict[str, Json] = {
        "lifecycleStatus": "accepted" if plan.until is None else "completed",
        "achievementStatus": tho("goal-achievement", "in-progress" if plan.until is None else "achieved"),
        "description": {"text": item.text},
        "subject": page.subject(),
    }
    if plan.reason is not None:
        body["addresses"] = [page.reference("Condition", plan.reason.id)]
    return page.resource("Goal", item.id, "goal", body)


def imaging_study(page: Page, item: Imaging) -> dict[str, Json]:
    """Return an ImagingStudy of one series (DICOM attributes as FHIR R4 maps them)."""
    modality: Json = {"system": item.modality.system, "code": item.modality.code, "display": item.modality.display}
    site: Json = {"system": item.site.system, "code": item.site.code, "display": item.site.display}
    sop, title = SOP_CLASSES[item.modality.code]
    instance: Json = {
        "uid": f"{item.uid}.1.1",
        "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{sop}"},
        "number": 1,
        "title": title,
    }
    series: Json = {
        "uid": f"{item.uid}.1",
        "number": 1,
        "modality": modality,
        "numberOfInstances": item.instances,
        "bodySite": site,
        "started": page.at(item.visit.start),
        "instance": [instance],
    }
    body: dict[str, Json] = {
        "identifier": [{"use": "official", "system": "urn:dicom:uid", "value": f"urn:oid:{item.uid}"}],
        "status": "available",
        "subject": page.subject(),
        "encounter": page.encounter(item.visit),
        "started": page.at(item.visit.start),
        "numberOfSeries": 1,
        "numberOfInstances": item.instances,
        "series": [series],
    }
    return page.resource("ImagingStudy", item.id, "", body)


def document(page: Page, item: Note) -> dict[str, Json]:
    """Return a DocumentReference with the note inside, base64."""
    text = item.text.encode()
    clinical: Json = {"system": _NOTE_CATEGORY, "code": "clinical-note", "display": "Clinical Note"}
    attachment: Json = {
        "contentType": "text/plain; charset=utf-8",
        "data": b64encode(text).decode("ascii"),
        "size": len(text),
        "hash": b64encode(sha1(text, usedforsecurity=False).digest()).decode("ascii"),
        "title": item.type.display,
    }
    body: dict[str, Json] = {
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{item.id}"}],
        "status": "current",
        "type": concept(Code(LOINC, item.type.code, item.type.display)),
        "category": [{"coding": [clinical]}],
        "subject": page.subject(),
        "date": page.at(item.visit.end),
        "author": [page.practitioner(item.visit.clinician)],
        "custodian": page.organization(item.visit.clinician.hospital),
        "content": [{"attachment": attachment, "format": dict(_NOTE_FORMAT)}],
        "context": {
            "encounter": [page.encounter(item.visit)],
            "period": {"start": page.at(item.visit.start), "end": page.at(item.visit.end)},
        },
    }
    return page.resource("DocumentReference", item.id, "documentreference", body)
