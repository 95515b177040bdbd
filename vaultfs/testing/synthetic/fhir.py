"""A patient as FHIR R4: resources, transaction bundles in the layouts of real exports, NDJSON of a bulk export."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from vaultfs.testing.synthetic import fhir_acts, fhir_billing, fhir_findings, fhir_people
from vaultfs.testing.synthetic.jsontext import Json, dumps
from vaultfs.testing.synthetic.life import Clinician, Hospital, Life
from vaultfs.testing.synthetic.page import BULK, TRANSACTION, Dialect, Page, milliseconds, tho

Resource = dict[str, Json]


def providers(life: Life, dialect: Dialect) -> list[Resource]:
    """Return the resources of `life` that belong to no patient: organizations, locations, practitioners."""
    page = Page(life, dialect)
    found: list[Resource] = []
    for hospital in life.hospitals():
        found += [fhir_people.organization(page, hospital), fhir_people.location(page, hospital)]
    return found + [fhir_people.practitioner(page, clinician) for clinician in life.clinicians()]


def resources(life: Life, dialect: Dialect) -> list[Resource]:
    """Return the patient's own resources: the Patient first, then visit by visit with what belongs to each."""
    page = Page(life, dialect)
    found = [fhir_people.patient(page), fhir_people.coverage(page, life.cover)]
    found += [fhir_findings.allergy(page, item) for item in life.allergies]
    found += [fhir_people.device(page, item) for item in life.devices]
    for visit in life.visits:
        found.append(fhir_findings.encounter(page, visit))
        found += [fhir_findings.condition(page, c) for c in life.conditions if c.visit_id == visit.id]
        found += [fhir_findings.observation(page, r) for r in life.readings if r.visit is visit]
        found += [fhir_findings.report(page, r) for r in life.reports if r.visit is visit]
        found += [fhir_acts.medication_request(page, p) for p in life.prescriptions if p.visit is visit]
        found += [fhir_acts.immunization(page, s) for s in life.shots if s.visit is visit]
        found += [fhir_acts.procedure(page, d) for d in life.deeds if d.visit is visit]
        for plan in (p for p in life.plans if p.visit is visit):
            found += [fhir_acts.goal(page, aim, plan) for aim in (plan.aim,) if aim is not None]
            found.append(fhir_acts.care_plan(page, plan))
        found += [fhir_acts.imaging_study(page, i) for i in life.images if i.visit is visit]
        found += [fhir_acts.document(page, n) for n in life.notes if n.visit is visit]
        for bill in (b for b in life.bills if b.visit is visit):
            found += [fhir_billing.claim(page, bill), fhir_billing.benefit(page, bill)]
    if dialect.profiles:
        found.append(_provenance(page, found))
    return found


def _provenance(page: Page, targets: list[Resource]) -> Resource:
    """Return who sent the record: one Provenance for all resources of the patient, as US Core has it."""
    hospital, person = page.life.person.hospital, page.life.person
    last = page.life.visits[-1].end if page.life.visits else datetime(2025, 6, 30)
    roles = (("author", "Author"), ("transmitter", "Transmitter"))
    agents: list[Json] = [
        {"type": tho("provenance-participant-type", code, name), "who": page.organization(hospital)}
        for code, name in roles
    ]
    body: dict[str, Json] = {
        "target": [page.reference(str(target["resourceType"]), str(target["id"])) for target in targets],
        "recorded": milliseconds(page.at(last)),
        "agent": agents,
    }
    # Of the patient and of the sender, so that it needs no draw of its own.
    return page.resource("Provenance", f"{person.id[:24]}{hospital.id[24:]}", "provenance", body)


def fhir_bundle(life: Life, indent: int | None = 2, dialect: Dialect = TRANSACTION) -> bytes:
    """Return a transaction bundle of a patient with the providers that it refers to.

    Parameters
    ----------
    life
        The patient.
    indent
        Spaces a level; None for compact JSON.
    dialect
        How references and metadata are written.
    """
    own = resources(life, dialect)
    return bundle([own[0], *providers(life, dialect), *own[1:]], indent)


def bundle(found: Iterable[Resource], indent: int | None = 2) -> bytes:
    """Return a transaction bundle that creates the resources `found`."""
    entries: list[Json] = [
        {
            "fullUrl": f"urn:uuid:{resource['id']}",
            "resource": resource,
            "request": {"method": "POST", "url": resource["resourceType"]},
        }
        for resource in found
    ]
    return dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}, indent)


def ndjson_files(lives: Iterable[Life], dialect: Dialect = BULK) -> dict[str, bytes]:
    """Return the files of a bulk export: one for each resource type, a line for each resource.

    Source: FHIR Bulk Data Access 2.0, file names as servers give them (``<type>.000.ndjson``).
    """
    lines: dict[str, dict[str, bytes]] = {}
    for life in lives:
        for resource in [*resources(life, dialect), *providers(life, dialect)]:
            # Lives of one seed share their providers; each is exported once.
            of_kind = lines.setdefault(str(resource["resourceType"]), {})
            of_kind.setdefault(str(resource["id"]), dumps(resource) + b"\n")
    return {f"{kind}.000.ndjson": b"".join(found.values()) for kind, found in sorted(lines.items())}


def staff_bundle(hospitals: Iterable[Hospital], clinicians: Iterable[Clinician], anyone: Life) -> bytes:
    """Return a bundle of organizations, locations and practitioners alone, as exports ship beside the patients'."""
    page = Page(anyone, TRANSACTION)
    found: list[Resource] = []
    for hospital in hospitals:
        found += [fhir_people.organization(page, hospital), fhir_people.location(page, hospital)]
    return bundle([*found, *(fhir_people.practitioner(page, clinician) for clinician in clinicians)])
