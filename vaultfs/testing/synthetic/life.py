"""What is known of an invented patient: plain values, apart from any format that tells of them.

`story` draws them; `fhir`, `hl7v2`, `dicom` and `ccda` write them down. Every moment is wall-clock time with the
patient's offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from vaultfs.testing.synthetic.catalogue import Ailment
from vaultfs.testing.synthetic.codes import Code
from vaultfs.testing.synthetic.measures import Measure


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address in an invented town."""

    line: str
    city: str
    state: str
    state_code: str
    postal: str
    latitude: Decimal
    longitude: Decimal


@dataclass(frozen=True, slots=True)
class Hospital:
    """An organization that treats at the one location `site_id`, and assigns medical record numbers under `oid`."""

    id: str
    site_id: str
    name: str
    oid: str
    phone: str
    address: Address


@dataclass(frozen=True, slots=True)
class Clinician:
    """A practitioner; `npi` fails the NPI check digit on purpose."""

    id: str
    npi: str
    family: str
    given: str
    gender: str
    hospital: Hospital


@dataclass(frozen=True, slots=True)
class Identity:
    """An identifier of a patient: type of HL7 table 0203, and the FHIR system that assigned the value."""

    type: str
    system: str
    value: str


@dataclass(frozen=True, slots=True)
class Person:
    """Demographics."""

    id: str
    family: str
    given: tuple[str, ...]
    prefix: str
    female: bool
    born: date
    died: datetime | None
    race: Code
    ethnicity: Code
    marital: Code
    language: Code
    mother: str
    birth_place: Address
    address: Address
    phone: str
    identities: tuple[Identity, ...]
    hospital: Hospital
    offset: int

    @property
    def mrn(self) -> Identity:
        """The medical record number, by which this person is found."""
        return self.identities[0]


@dataclass(frozen=True, slots=True)
class Visit:
    """An encounter."""

    id: str
    account: str
    setting: str
    code: Code
    start: datetime
    end: datetime
    clinician: Clinician
    reason: Condition | None


@dataclass(frozen=True, slots=True)
class Condition:
    """A problem or diagnosis."""

    id: str
    visit_id: str
    ailment: Ailment
    onset: datetime
    abated: datetime | None


@dataclass(frozen=True, slots=True)
class Reading:
    """An observation: a quantity, a coded answer, or (blood pressure) two quantities."""

    id: str
    visit: Visit
    category: str
    code: Code
    when: datetime
    values: tuple[tuple[Measure, Decimal], ...]
    answer: Code | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A laboratory report with its results."""

    id: str
    visit: Visit
    order: str
    code: Code
    when: datetime
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Prescription:
    """An order for a drug."""

    id: str
    visit: Visit
    order: str
    drug: Code
    active: bool
    reason: Condition | None
    times_a_day: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Shot:
    """An immunization."""

    id: str
    visit: Visit
    vaccine: Code
    lot: str
    expires: date


@dataclass(frozen=True, slots=True)
class Deed:
    """A procedure that was done."""

    id: str
    visit: Visit
    code: Code
    start: datetime
    end: datetime
    reason: Condition | None


@dataclass(frozen=True, slots=True)
class Allergy:
    """An allergy or intolerance."""

    id: str
    code: Code
    category: str
    criticality: str
    recorded: datetime | None
    reactions: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A care plan."""

    id: str
    visit: Visit
    category: Code
    activities: tuple[Code, ...]
    reason: Condition | None
    until: datetime | None
    aim: Aim | None


@dataclass(frozen=True, slots=True)
class Bill:
    """A claim for a visit, and what the payer explained (amounts in US dollars).

    The first line is the visit or the drug, then a line for each diagnosis, procedure and vaccination.
    """

    id: str
    benefit_id: str
    visit: Visit
    lines: tuple[tuple[Code, Decimal], ...]
    diagnoses: tuple[Condition, ...]
    deeds: tuple[Deed, ...]
    shots: tuple[Shot, ...]
    prescription: Prescription | None


@dataclass(frozen=True, slots=True)
class Aim:
    """A goal of treatment."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A document about a visit."""

    id: str
    visit: Visit
    type: Code
    text: str


@dataclass(frozen=True, slots=True)
class Device:
    """An implanted device."""

    id: str
    code: Code
    made: date
    expires: date
    lot: str
    serial: str
    number: str


@dataclass(frozen=True, slots=True)
class Imaging:
    """An imaging study of one series."""

    id: str
    visit: Visit
    modality: Code
    site: Code
    uid: str
    instances: int


@dataclass(frozen=True, slots=True)
class Cover:
    """Insurance."""

    id: str
    type: Code
    payer: str
    member: str
    start: date


@dataclass(frozen=True, slots=True)
class Life:
    """A patient with all that was recorded, each kind in order of time."""

    person: Person
    visits: tuple[Visit, ...]
    conditions: tuple[Condition, ...]
    readings: tuple[Reading, ...]
    reports: tuple[Report, ...]
    prescriptions: tuple[Prescription, ...]
    shots: tuple[Shot, ...]
    deeds: tuple[Deed, ...]
    allergies: tuple[Allergy, ...]
    plans: tuple[Plan, ...]
    bills: tuple[Bill, ...]
    notes: tuple[Note, ...]
    devices: tuple[Device, ...]
    images: tuple[Imaging, ...]
    cover: Cover

    def clinicians(self) -> tuple[Clinician, ...]:
        """Return who treated the patient, each once, in order of the first visit."""
        return tuple({visit.clinician.id: visit.clinician for visit in self.visits}.values())

    def hospitals(self) -> tuple[Hospital, ...]:
        """Return where the patient was treated, each once; the first assigned the record number."""
        found = {self.person.hospital.id: self.person.hospital}
        found |= {clinician.hospital.id: clinician.hospital for clinician in self.clinicians()}
        return tuple(found.values())
