"""FHIR R4 resources of payment: Claim and ExplanationOfBenefit, with the variables of CMS Blue Button."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from vaultfs.testing.synthetic.jsontext import Json
from vaultfs.testing.synthetic.life import Bill
from vaultfs.testing.synthetic.page import Page, concept, tho
from vaultfs.testing.synthetic.story import total

_BLUE_BUTTON = "https://bluebutton.cms.gov/resources/"

_ADJUDICATION = (
    ("line_coinsrnc_amt", "Line Beneficiary Coinsurance Amount", Decimal("0.2")),
    ("line_prvdr_pmt_amt", "Line Provider Payment Amount", Decimal("0.8")),
    ("line_sbmtd_chrg_amt", "Line Submitted Charge Amount", Decimal(1)),
    ("line_alowd_chrg_amt", "Line Allowed Charge Amount", Decimal(1)),
    ("line_bene_ptb_ddctbl_amt", "Line Beneficiary Part B Deductible Amount", Decimal(0)),
    ("line_prcsg_ind_cd", "Line Processing Indicator Code", None),
)
"""Variable, its label, and the share of the charge that is stated under it (CMS Blue Button 2.0 data dictionary)."""


def _money(value: Decimal) -> dict[str, Json]:
    return {"value": value.quantize(Decimal("0.01")), "currency": "USD"}


def claim(page: Page, bill: Bill) -> dict[str, Json]:
    """Return a Claim."""
    visit = bill.visit
    kind = "institutional" if bill.prescription is None else "pharmacy"
    body: dict[str, Json] = {
        "status": "active",
        "type": tho("claim-type", kind),
        "use": "claim",
        "patient": page.subject(),
        "billablePeriod": {"start": page.at(visit.start), "end": page.at(visit.end)},
        "created": page.at(visit.end),
        "provider": page.organization(visit.clinician.hospital),
        "priority": tho("processpriority", "normal"),
    }
    if bill.prescription is not None:
        body["prescription"] = page.reference("MedicationRequest", bill.prescription.id)
    if bill.shots:
        body["supportingInfo"] = [
            {
                "sequence": number,
                "category": tho("claiminformationcategory", "info"),
                "valueReference": page.reference("Immunization", shot.id),
            }
            for number, shot in enumerate(bill.shots, 1)
        ]
    if bill.diagnoses:
        body["diagnosis"] = [
            {"sequence": number, "diagnosisReference": page.reference("Condition", condition.id)}
            for number, condition in enumerate(bill.diagnoses, 1)
        ]
    if bill.deeds:
        body["procedure"] = [
            {"sequence": number, "procedureReference": page.reference("Procedure", deed.id)}
            for number, deed in enumerate(bill.deeds, 1)
        ]
    body |= {
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": page.life.cover.payer}}],
        "item": [_claimed(page, bill, number) for number in range(1, len(bill.lines) + 1)],
        "total": _money(total(bill)),
    }
    return page.resource("Claim", bill.id, "", body)


def _claimed(page: Page, bill: Bill, number: int) -> dict[str, Json]:
    code, price = bill.lines[number - 1]
    item: dict[str, Json] = {"sequence": number, **_source(bill, number), "productOrService": concept(code)}
    if number == 1:
        return item | {"encounter": [page.encounter(bill.visit)]}
    return item | {"net": _money(price)}


def _source(bill: Bill, number: int) -> dict[str, Json]:
    """Return the member that links line `number` to the diagnosis, procedure or information that it stands for."""
    place = number - 1
    for name, count in (
        ("diagnosis", len(bill.diagnoses)),
        ("procedure", len(bill.deeds)),
        ("information", len(bill.shots)),
    ):
        if 0 < place <= count:
            return {f"{name}Sequence": [place]}
        place -= count
    return {}


def benefit(page: Page, bill: Bill) -> dict[str, Json]:
    """Return an ExplanationOfBenefit for a claim."""
    visit = bill.visit
    year = {"start": page.at(visit.end), "end": page.at(visit.end + timedelta(days=365))}
    provider = page.practitioner(visit.clinician)
    payer = page.life.cover.payer
    body: dict[str, Json] = {
        "contained": _contained(page, bill),
        "identifier": [
            {"system": _BLUE_BUTTON + "variables/clm_id", "value": bill.id},
            {"system": _BLUE_BUTTON + "identifier/claim-group", "value": "99999999999"},
        ],
        "status": "active",
        "type": tho("claim-type", "institutional" if bill.prescription is None else "pharmacy"),
        "use": "claim",
        "patient": page.subject(),
        "billablePeriod": dict(year),
        "created": page.at(visit.end),
        "insurer": {"display": payer},
        "provider": provider,
        "referral": {"reference": "#referral"},
        "claim": page.reference("Claim", bill.id),
        "outcome": "complete",
        "careTeam": [
            {
                "sequence": 1,
                "provider": provider,
                "role": tho("claimcareteamrole", "primary", "Primary Care Practitioner"),
            }
        ],
    }
    if bill.diagnoses:
        body["diagnosis"] = [
            {
                "sequence": number,
                "diagnosisReference": page.reference("Condition", condition.id),
                "type": [tho("ex-diagnosistype", "principal")],
            }
            for number, condition in enumerate(bill.diagnoses, 1)
        ]
    submitted = tho("adjudication", "submitted", "Submitted Amount") | {"text": "Submitted Amount"}
    body |= {
        "insurance": [{"focal": True, "coverage": {"reference": "#coverage", "display": payer}}],
        "item": [_paid(page, bill, number) for number in range(1, len(bill.lines) + 1)],
        "total": [{"category": submitted, "amount": _money(total(bill))}],
        "payment": {"amount": _money(total(bill) * Decimal("0.8"))},
    }
    return page.resource("ExplanationOfBenefit", bill.benefit_id, "", body)


def _contained(page: Page, bill: Bill) -> list[Json]:
    provider = page.practitioner(bill.visit.clinician)
    payer = page.life.cover.payer
    referral: Json = {
        "resourceType": "ServiceRequest",
        "id": "referral",
        "status": "completed",
        "intent": "order",
        "subject": page.subject(),
        "requester": provider,
        "performer": [provider],
    }
    cover: Json = {
        "resourceType": "Coverage",
        "id": "coverage",
        "status": "active",
        "type": {"text": payer},
        "beneficiary": page.subject(),
        "payor": [{"display": payer}],
    }
    return [referral, cover]


def _paid(page: Page, bill: Bill, number: int) -> dict[str, Json]:
    visit = bill.visit
    code, price = bill.lines[number - 1]
    service: Json = {
        "system": _BLUE_BUTTON + "variables/line_cms_type_srvc_cd",
        "code": "1",
        "display": "Medical care",
    }
    place = ("21", "Inpatient Hospital") if visit.setting == "IMP" else ("19", "Off Campus-Outpatient Hospital")
    item: dict[str, Json] = {
        "sequence": number,
        **_source(bill, number),
        "category": {"coding": [service]},
        "productOrService": concept(code),
        "servicedPeriod": {"start": page.at(visit.start), "end": page.at(visit.end)},
        "locationCodeableConcept": tho("ex-serviceplace", *place),
    }
    if number == 1:
        return item | {"encounter": [page.encounter(visit)]}
    lines = [_adjudicated(variable, label, share, price) for variable, label, share in _ADJUDICATION]
    return item | {"net": _money(price), "adjudication": list(lines)}


def _adjudicated(variable: str, label: str, share: Decimal | None, price: Decimal) -> Json:
    coding: Json = {
        "system": _BLUE_BUTTON + "codesystem/adjudication",
        "code": _BLUE_BUTTON + "variables/" + variable,
        "display": label,
    }
    found: dict[str, Json] = {"category": {"coding": [coding]}}
    if share is not None:
        found["amount"] = _money(price * share)
    return found
