"""Endless records at the speed of a benchmark: templates cut from whole lives, filled with new values.

A template is a resource of a pool life with its ids, times, quantities, names and documents taken out. A subject walks
through the resources of one pool life in their order, from a random start, with ids of its own (references inside a
subject hold), its own shift of time, and new quantities in every record; so records compress as well, and as badly, as
those of real patients do.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from hashlib import sha1

from vaultfs.testing.synthetic import fhir, fhir_people, people, prose
from vaultfs.testing.synthetic.draw import Draw
from vaultfs.testing.synthetic.jsontext import dumps
from vaultfs.testing.synthetic.life import Life, Person, Visit
from vaultfs.testing.synthetic.page import BULK, Page
from vaultfs.testing.synthetic.story import patient

Record = tuple[str, str, str, date, bytes]
"""Identifier system and value of the subject, kind (FHIR resource type), clinical date, and the bytes."""

WHOLE_LIFE = 20
"""From this many records a subject, the first is its Patient; fewer are an excerpt from the middle."""

_POOL_LIVES = 24
_POOL_VISITS = 14

_SLOT = re.compile(
    r"(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)"
    r"|(?P<day>(?<=\")\d{4}-\d\d-\d\d(?=\"))"
    r"|(?<=\"value\":)(?P<number>\d+(?:\.\d+)?)"
    r"|(?<=\"data\":\")(?P<data>[A-Za-z0-9+/=]+)(?=\",\"size\":(?P<size>\d+),\"hash\":\"(?P<hash>[^\"]+)\")"
)


class _Subject:
    """A subject while its records are made: what the slots of its templates are filled with."""

    def __init__(self, seed: int, number: int) -> None:
        self.draw = draw = Draw(seed, number, "subject")
        self.model = draw.pick(_pool())
        self.hospital = draw.pick(people.hospitals(0))
        self.number = number
        self.mrn = f"MRN{number:07d}{draw.digits(3)}"
        self.shift = timedelta(days=draw.between(-3000, 0), seconds=draw.between(-20_000, 20_000))
        self.ids: dict[str, str] = {}
        self._person: Person | None = None

    @property
    def person(self) -> Person:
        """Demographics, drawn when a record first needs them."""
        if self._person is None:
            drawn = people.person(self.draw, self.number, self.hospital)
            own = replace(drawn.identities[0], value=self.mrn)
            model = self.model.life.person
            self._person = replace(
                drawn,
                id=_id(model.id)(self),
                identities=(own, *drawn.identities[1:]),
                born=model.born + self.shift,
                died=None if model.died is None else model.died + self.shift,
            )
        return self._person

    def again(self) -> None:
        """Begin the same life once more, with new ids and within a year: a longer record of the same patient."""
        patient_id = self.model.life.person.id
        self.ids = {patient_id: _id(patient_id)(self)}
        self.shift += timedelta(days=self.draw.between(-180, 180))


_Fill = Callable[[_Subject], str]


@dataclass(frozen=True, slots=True)
class _Template:
    """A resource without its values: a ``%`` format and what fills it."""

    kind: str
    text: str
    fills: tuple[_Fill, ...]
    when: datetime


@dataclass(frozen=True, slots=True)
class _Model:
    """A pool life and the templates of its resources, in order."""

    life: Life
    templates: tuple[_Template, ...]


def records(seed: int, subjects: int, per_subject: int) -> Iterator[Record]:
    """Yield compact FHIR R4 records of invented patients, about 1.3 KB each, grouped by subject.

    Parameters
    ----------
    seed
        Equal seeds give equal bytes.
    subjects
        Patients; each has a medical record number of one of five authorities.
    per_subject
        Records a patient; from `WHOLE_LIFE` on, the first is the Patient resource.

    Yields
    ------
    tuple
        Identifier system, identifier value, kind (``Observation`` ...), clinical date, and the bytes.
    """
    for number in range(subjects):
        subject = _Subject(seed, number)
        system, value = f"urn:oid:{subject.hospital.oid}", subject.mrn
        templates = subject.model.templates
        start = subject.draw.below(len(templates)) if per_subject < WHOLE_LIFE else 0
        for nth in range(start, start + per_subject):
            if nth > start and nth % len(templates) == 0:
                subject.again()
            template = templates[nth % len(templates)]
            if template.kind == "Patient":
                yield system, value, "Patient", subject.person.born, _patient(subject)
            else:
                text = template.text % tuple([fill(subject) for fill in template.fills])
                yield system, value, template.kind, (template.when + subject.shift).date(), text.encode()


def _patient(subject: _Subject) -> bytes:
    """Return the subject's Patient, under the id by which its other records refer to it."""
    return dumps(fhir_people.patient(Page(replace(subject.model.life, person=subject.person), BULK)))


@cache
def _pool() -> tuple[_Model, ...]:
    """Return the pool lives with their templates; the same for every seed, made once a process."""
    lives = (patient(0, number, _POOL_VISITS) for number in range(_POOL_LIVES))
    return tuple(_Model(life, tuple(_templates(life))) for life in lives)


def _templates(life: Life) -> Iterator[_Template]:
    benefits = 0
    for resource in fhir.resources(life, BULK):
        kind = str(resource["resourceType"])
        if kind == "Provenance":
            # One for a whole patient, it names every other resource: large, and of another nature than a record.
            continue
        if kind == "ExplanationOfBenefit":
            # Explanations of benefit are four times as large as the rest; one in three keeps the mean at 1.3 KB.
            benefits += 1
            if benefits % 3 != 1:
                continue
        yield _cut(life, kind, dumps(resource).decode())


def _cut(life: Life, kind: str, text: str) -> _Template:
    """Take the values out of a resource."""
    person = life.person
    name = f"{person.prefix} {' '.join(person.given)} {person.family}".strip()
    display = f'"display":"{name}"'
    pieces: list[str] = []
    fills: list[_Fill] = []
    end = 0
    text = text.replace(display, '"display":"\x00"')
    notes = {b64encode(note.text.encode()).decode("ascii"): note.visit for note in life.notes}
    for match in re.finditer(f"{_SLOT.pattern}|(?P<name>\x00)", text):
        pieces.append(text[end : match.start()].replace("%", "%%"))
        fills.append(_fill(match, notes))
        end = match.end()
        if match["data"]:
            # The size and the hash follow from the data; one fill writes all three.
            end = match.end("hash")
    pieces.append(text[end:].replace("%", "%%"))
    times = re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", text)
    when = datetime.fromisoformat(times[0]) if times else datetime.combine(person.born, datetime.min.time())
    return _Template(kind, "%s".join(pieces), tuple(fills), when)


def _fill(match: re.Match[str], notes: dict[str, Visit]) -> _Fill:
    """Return the function that fills a slot."""
    if match["uuid"]:
        return _id(match["uuid"])
    if match["time"]:
        return _moment(datetime.fromisoformat(match["time"]))
    if match["day"]:
        return _day(date.fromisoformat(match["day"]))
    if match["number"]:
        return _number(match["number"])
    if match["data"]:
        return _document(notes[match["data"]])
    return lambda subject: f"{subject.person.prefix} {' '.join(subject.person.given)} {subject.person.family}".strip()


def _id(pool_id: str) -> _Fill:
    def fill(subject: _Subject) -> str:
        found = subject.ids.get(pool_id)
        if found is None:
            found = subject.ids[pool_id] = subject.draw.uuid()
        return found

    return fill


def _moment(when: datetime) -> _Fill:
    return lambda subject: (when + subject.shift).isoformat()


def _day(when: date) -> _Fill:
    return lambda subject: (when + subject.shift).isoformat()


def _number(text: str) -> _Fill:
    """Return a fill that draws a value with the same decimals, within a quarter of the first."""
    places = len(text.partition(".")[2])
    value = int(text.replace(".", ""))
    low, high = value - value // 4, value + value // 4

    def fill(subject: _Subject) -> str:
        drawn = f"{subject.draw.between(low, high):0{places + 1}d}"
        return f"{drawn[:-places]}.{drawn[-places:]}" if places else drawn

    return fill


def _document(visit: Visit) -> _Fill:
    def fill(subject: _Subject) -> str:
        shifted = replace(visit, start=visit.start + subject.shift, end=visit.end + subject.shift)
        text = prose.note(subject.draw, subject.person, shifted).encode()
        digest = b64encode(sha1(text, usedforsecurity=False).digest()).decode("ascii")
        return f'{b64encode(text).decode("ascii")}","size":{len(text)},"hash":"{digest}'

    return fill
