"""Draws a life: visits over the decades, and what was found, measured, prescribed, done and billed at each."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from vaultfs.testing.synthetic import catalogue, codes, measures, names, people, pharmacy, prose
from vaultfs.testing.synthetic.codes import Code
from vaultfs.testing.synthetic.draw import Draw
from vaultfs.testing.synthetic.life import (
    Aim,
    Allergy,
    Bill,
    Clinician,
    Condition,
    Cover,
    Deed,
    Device,
    Identity,
    Imaging,
    Life,
    Note,
    Person,
    Plan,
    Prescription,
    Reading,
    Report,
    Shot,
    Visit,
)

FIRST_RECORD = date(1985, 1, 1)
"""Before this day there were only paper records."""

_SETTINGS = ("AMB",) * 6 + ("EMER", "IMP")
"""Class of an encounter (v3-ActCode) as often as each occurs."""

_REASONS = {"AMB": catalogue.VISITS, "EMER": catalogue.EMERGENCIES, "IMP": catalogue.ADMISSIONS}


def patient(seed: int, number: int = 0, visits: int = 12, hospital: int | None = None, mrn: str | None = None) -> Life:
    """Draw the life of a patient.

    Parameters
    ----------
    seed, number
        Name the patient: the same pair gives the same life. Patients of one seed share hospitals and clinicians.
    visits
        Encounters to draw; each leaves ten to twenty other records.
    hospital
        Index of the hospital that assigned the medical record number; drawn if None.
    mrn
        Medical record number; drawn if None.
    """
    draw = Draw(seed, number, "life")
    places = people.hospitals(seed)
    home = places[draw.below(len(places)) if hospital is None else hospital]
    person = people.person(draw, number, home)
    if mrn is not None:
        own = Identity("MR", person.mrn.system, mrn)
        person = replace(person, identities=(own, *person.identities[1:]))
    staff = [clinician for clinician in people.clinicians(seed) if clinician.hospital == home]
    return _Story(draw, person, staff).told(visits)


class _Story:
    """Collects what happens; kept private so that a life is only ever seen whole."""

    def __init__(self, draw: Draw, person: Person, staff: list[Clinician]) -> None:
        self.draw = draw
        self.person = person
        self.staff = staff
        self.visits: list[Visit] = []
        self.conditions: list[Condition] = []
        self.readings: list[Reading] = []
        self.reports: list[Report] = []
        self.prescriptions: list[Prescription] = []
        self.shots: list[Shot] = []
        self.deeds: list[Deed] = []
        self.plans: list[Plan] = []
        self.bills: list[Bill] = []
        self.notes: list[Note] = []
        self.images: list[Imaging] = []

    def told(self, visits: int) -> Life:
        last = self.person.died.date() if self.person.died else people.LAST_DAY
        first = min(max(self.person.born + timedelta(days=7), FIRST_RECORD), last)
        for day in sorted(self.draw.day(first, last) for _ in range(visits)):
            self.visit(self.draw.time(day))
        allergies, devices, cover = self.allergies(first), self.devices(), self.cover(first)
        return Life(
            self.person, tuple(self.visits), tuple(self.conditions), tuple(self.readings), tuple(self.reports),
            tuple(self.prescriptions), tuple(self.shots), tuple(self.deeds), allergies, tuple(self.plans),
            tuple(self.bills), tuple(self.notes), devices, tuple(self.images), cover,
        )  # fmt: skip

    def visit(self, start: datetime) -> None:
        draw = self.draw
        setting = draw.pick(_SETTINGS)
        code = draw.early(_REASONS[setting])
        minutes = draw.between(10, 60) if setting != "IMP" else draw.between(1, 9) * 1440
        visit_id = draw.uuid()
        reason = self.condition(visit_id, start) if draw.chance(60) else None
        visit = Visit(
            visit_id, "V" + draw.digits(8), setting, code, start, start + timedelta(minutes=minutes),
            draw.pick(self.staff), reason,
        )  # fmt: skip
        self.visits.append(visit)
        self.measure(visit)
        given = [self.prescription(visit, reason) for _ in range(draw.below(3))]
        done = [self.deed(visit, reason) for _ in range(draw.below(3))]
        shots = [self.shot(visit) for _ in range(draw.between(1, 2))] if draw.chance(40) else []
        if reason is not None and draw.chance(35):
            self.plan(visit, reason)
        if draw.chance(15):
            self.image(visit)
        if draw.chance(50):
            text = prose.note(draw, self.person, visit)
            self.notes.append(Note(draw.uuid(), visit, draw.pick(codes.DOCUMENT_TYPES), text))
        self.bill(visit, code, reason, done, shots)
        for order in given[:1]:
            self.bill(visit, order.drug, None, [], [], order)

    def condition(self, visit_id: str, when: datetime) -> Condition:
        ailment = self.draw.pick(catalogue.AILMENTS)
        abated = when + timedelta(days=self.draw.between(5, 60)) if ailment.course == "a" else None
        found = Condition(self.draw.uuid(), visit_id, ailment, when, abated)
        self.conditions.append(found)
        return found

    def measure(self, visit: Visit) -> None:
        draw = self.draw
        when = visit.start + timedelta(minutes=draw.between(1, 9))
        for vital in measures.VITALS[: draw.between(3, len(measures.VITALS))]:
            self.readings.append(self.quantity(visit, "vital-signs", vital, when))
        pressure = tuple((m, draw.decimal(m.low, m.high, m.places)) for m in (measures.SYSTOLIC, measures.DIASTOLIC))
        self.readings.append(Reading(draw.uuid(), visit, "vital-signs", measures.BLOOD_PRESSURE, when, pressure))
        if draw.chance(60):
            smokes = draw.early(catalogue.SMOKING)
            code = measures.SMOKING_STATUS
            self.readings.append(Reading(draw.uuid(), visit, "social-history", code, when, (), smokes))
        if draw.chance(30):
            self.readings.append(self.quantity(visit, "survey", draw.pick(measures.SURVEYS), when))
        if draw.chance(30):
            self.readings.append(self.quantity(visit, "laboratory", draw.pick(measures.SINGLES), when))
        if draw.chance(45):
            code, panel = draw.pick(measures.PANELS)
            results = tuple(self.quantity(visit, "laboratory", measure, when) for measure in panel)
            self.readings.extend(results)
            self.reports.append(Report(draw.uuid(), visit, "L" + draw.digits(9), code, when, results))

    def quantity(self, visit: Visit, category: str, measure: measures.Measure, when: datetime) -> Reading:
        value = self.draw.decimal(measure.low, measure.high, measure.places)
        return Reading(self.draw.uuid(), visit, category, measure.code, when, ((measure, value),))

    def prescription(self, visit: Visit, reason: Condition | None) -> Prescription:
        draw = self.draw
        active = draw.chance(30)
        found = Prescription(
            draw.uuid(), visit, "M" + draw.digits(9), draw.early(pharmacy.DRUGS), active, reason,
            draw.between(1, 4), draw.pick((10, 14, 20, 30, 60, 90)),
        )  # fmt: skip
        self.prescriptions.append(found)
        return found

    def shot(self, visit: Visit) -> Shot:
        draw = self.draw
        expires = visit.start.date() + timedelta(days=draw.between(30, 700))
        found = Shot(draw.uuid(), visit, draw.early(pharmacy.VACCINES), f"T{draw.digits(5)}X", expires)
        self.shots.append(found)
        return found

    def deed(self, visit: Visit, reason: Condition | None) -> Deed:
        draw = self.draw
        start = visit.start + timedelta(minutes=draw.between(2, 20))
        end = start + timedelta(minutes=draw.between(5, 90))
        found = Deed(draw.uuid(), visit, draw.pick(catalogue.PROCEDURES), start, end, reason)
        self.deeds.append(found)
        return found

    def plan(self, visit: Visit, reason: Condition) -> None:
        draw = self.draw
        category, *activities = (draw.pick(catalogue.CARE) for _ in range(draw.between(2, 3)))
        until = visit.start + timedelta(days=draw.between(20, 500)) if draw.chance(70) else None
        aim = Aim(draw.uuid(), draw.pick(prose.AIMS)) if draw.chance(50) else None
        self.plans.append(Plan(draw.uuid(), visit, category, tuple(activities), reason, until, aim))

    def image(self, visit: Visit) -> None:
        draw = self.draw
        # 2.25 is the arc for UIDs made of a UUID (ISO/IEC 9834-8; DICOM PS3.5, B.2).
        uid = f"2.25.{int(draw.uuid().replace('-', ''), 16)}"
        modality, site = draw.pick(codes.MODALITIES), draw.pick(catalogue.BODY_SITES)
        self.images.append(Imaging(draw.uuid(), visit, modality, site, uid, draw.between(1, 120)))

    def bill(
        self,
        visit: Visit,
        service: Code,
        reason: Condition | None,
        deeds: list[Deed],
        shots: list[Shot],
        order: Prescription | None = None,
    ) -> None:
        diagnoses = () if reason is None else (reason,)
        items = [service, *(d.ailment.code for d in diagnoses), *(d.code for d in deeds), *(s.vaccine for s in shots)]
        lines = tuple((item, people.amount(self.draw)) for item in items)
        ids = self.draw.uuid(), self.draw.uuid()
        self.bills.append(Bill(*ids, visit, lines, diagnoses, tuple(deeds), tuple(shots), order))

    def allergies(self, first: date) -> tuple[Allergy, ...]:
        draw = self.draw
        found = []
        for _ in range(draw.between(1, 3) if draw.chance(50) else 0):
            drug = draw.chance(40)
            code = draw.pick(pharmacy.INGREDIENTS if drug else catalogue.ALLERGIES)
            reactions = tuple(draw.pick(catalogue.REACTIONS) for _ in range(draw.below(3)))
            category = "medication" if drug else draw.pick(("food", "environment"))
            # Allergies taken over from paper are often undated.
            recorded = draw.time(first) if draw.chance(70) else None
            found.append(Allergy(draw.uuid(), code, category, draw.early(("low", "high")), recorded, reactions))
        return tuple(found)

    def devices(self) -> tuple[Device, ...]:
        draw = self.draw
        if not draw.chance(20) or not self.visits:
            return ()
        made = self.visits[0].start.date() - timedelta(days=draw.between(30, 900))
        lot, serial, number = draw.digits(12), draw.digits(8), "00" + draw.digits(12)
        code = draw.pick(catalogue.DEVICES)
        return (Device(draw.uuid(), code, made, made + timedelta(days=9131), lot, serial, number),)

    def cover(self, first: date) -> Cover:
        draw = self.draw
        member = f"{draw.digits(3)}XX{draw.digits(6)}"
        return Cover(draw.uuid(), draw.pick(codes.COVERAGE_TYPES), draw.pick(names.PAYERS), member, first)


def total(bill: Bill) -> Decimal:
    """Return the sum of a bill's lines, in US dollars."""
    return sum((price for _, price in bill.lines), Decimal("0.00"))
