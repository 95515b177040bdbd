"""Draws narrative text: clinical notes as they are dictated, with all the identifiers that real ones carry."""

from __future__ import annotations

from vaultfs.testing.synthetic import catalogue, pharmacy
from vaultfs.testing.synthetic.draw import Draw
from vaultfs.testing.synthetic.life import Person, Visit

AIMS = (
    "Hemoglobin A1c below 7.0 percent",
    "Blood pressure below 140/90",
    "Walk thirty minutes on five days a week",
    "Stop smoking",
    "Body mass index below 30",
    "Free of pain in daily activities",
)
"""Goals of treatment."""

_HISTORY = (
    "Reports {symptom} for the past {n} days, worse at night.",
    "Denies fever, chills and weight loss.",
    "No known exposure to sick contacts; last travel was to {town} {n} months ago.",
    "Symptoms began after moving furniture and have improved since with rest.",
    "Sleeps {n} hours a night and walks the dog twice a day.",
    "Has been out of medication for {n} days because the pharmacy was closed.",
    "Accompanied by a family member, who confirms the history as given.",
    "Was last seen for this in {year} by another provider; records were requested.",
    "States that pain is {n} out of 10 at rest and better with warmth.",
)

_EXAMINATION = (
    "Alert and oriented, in no acute distress.",
    "Lungs clear to auscultation bilaterally, no wheezes or crackles.",
    "Heart regular rate and rhythm, no murmur; rate {pulse} per minute.",
    "Abdomen soft, non-tender, bowel sounds present.",
    "Extremities without edema; pulses equal on both sides.",
    "Skin warm and dry, no rash. Temperature {temp} degrees.",
    "Blood pressure {systolic}/{diastolic} taken seated, right arm.",
    "Neurological examination without focal deficit.",
)

_PLAN = (
    "Continue {drug}; refill sent for {days} days.",
    "Start {drug} and return in {n} weeks.",
    "Laboratory tests ordered today; results will be sent by mail.",
    "Counselled on diet, exercise and sleep; printed material given.",
    "Referred to specialist at {hospital}; phone {phone}.",
    "Call the office if symptoms get worse or do not improve within {n} days.",
    "Follow up in {n} months, sooner if needed.",
)


def note(draw: Draw, person: Person, visit: Visit) -> str:
    """Return the text of a note about `visit`."""
    name = f"{' '.join(person.given)} {person.family}"
    day = visit.start.date()
    age = max(0, day.year - person.born.year)
    reason = visit.reason.ailment.icd[1] if visit.reason else visit.code.display
    born = f"{person.born.month:02d}/{person.born.day:02d}/{person.born.year}"
    lines = [
        f"{visit.clinician.hospital.name}",
        f"Patient: {name}   MRN: {person.mrn.value}   DOB: {born}",
        f"Date of service: {day.isoformat()}   Provider: {visit.clinician.given} {visit.clinician.family}, MD",
        "",
        f"CHIEF COMPLAINT: {reason}",
        f"HISTORY OF PRESENT ILLNESS: {name} is a {age} year old {'female' if person.female else 'male'}. "
        + _sentences(draw, _HISTORY, person, day.year, 4),
        "PHYSICAL EXAMINATION: " + _sentences(draw, _EXAMINATION, person, day.year, 5),
        "ASSESSMENT AND PLAN: " + _sentences(draw, _PLAN, person, day.year, 3),
        "",
        f"Electronically signed by {visit.clinician.given} {visit.clinician.family} on {visit.end.isoformat(sep=' ')}",
    ]
    return "\n".join(lines) + "\n"


def _sentences(draw: Draw, stock: tuple[str, ...], person: Person, year: int, count: int) -> str:
    first = draw.below(len(stock))
    return " ".join(
        stock[(first + nth) % len(stock)].format(
            symptom=draw.pick(catalogue.REACTIONS).display.split(" (")[0].lower(),
            n=draw.between(2, 9),
            town=person.birth_place.city,
            year=year - draw.between(0, 4),
            pulse=draw.between(55, 105),
            temp=draw.decimal(361, 389, 1),
            systolic=draw.between(98, 178),
            diastolic=draw.between(56, 109),
            drug=draw.early(pharmacy.DRUGS).display,
            days=draw.pick((30, 60, 90)),
            hospital=person.hospital.name.title(),
            phone=person.phone,
        )
        for nth in range(count)
    )
