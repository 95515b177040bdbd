"""HL7v2 segments (version 2.5.1) of a patient: text without a terminator, with escaped values.

Source: HL7 version 2.5.1, chapters 2 (encoding), 3 (ADT), 4 (orders, vaccines), 7 (results), 9 (documents).
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from vaultfs.testing.synthetic.codes import CDCREC, CVX, ICD10CM, LOINC, RXNORM, SNOMED, SSN, Code
from vaultfs.testing.synthetic.life import (
    Allergy,
    Clinician,
    Condition,
    Cover,
    Hospital,
    Identity,
    Person,
    Prescription,
    Reading,
    Report,
    Shot,
    Visit,
)
from vaultfs.testing.synthetic.measures import Measure

_SSN_OID = "2.16.840.1.113883.4.1"
_NPI_OID = "2.16.840.1.113883.4.6"

_SYSTEMS = {SNOMED: "SCT", LOINC: "LN", RXNORM: "RXNORM", CVX: "CVX", ICD10CM: "I10C", CDCREC: "CDCREC"}
"""HL7 table 0396."""

_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})


def escape(text: str) -> str:
    """Return `text` with delimiters and line breaks as escape sequences (chapter 2.7)."""
    return text.translate(_ESCAPES).replace("\n", "\\.br\\")


def at(person: Person, when: datetime) -> str:
    """Return a time stamp (TS) with the patient's offset; summer time is an hour ahead."""
    minutes = person.offset + (60 if 4 <= when.month <= 10 else 0)
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return f"{day(when)}{when:%H%M%S}{sign}{minutes // 60:02d}{minutes % 60:02d}"


def day(when: date) -> str:
    """Return a date (DT)."""
    return f"{when.year:04d}{when.month:02d}{when.day:02d}"


def coded(code: Code) -> str:
    """Return a coded element (CWE)."""
    return f"{escape(code.code)}^{escape(code.display)}^{_SYSTEMS.get(code.system, 'L')}"


def namespace(hospital: Hospital) -> str:
    """Return the local name (HD.1) of a hospital."""
    return "".join(word[:4] for word in hospital.name.split()[:2])


def authority(hospital: Hospital, separator: str = "&") -> str:
    """Return the assigning authority (HD) of a hospital."""
    return separator.join((namespace(hospital), hospital.oid, "ISO"))


def clinician(who: Clinician) -> str:
    """Return a clinician (XCN)."""
    return f"{who.npi}^{escape(who.family)}^{escape(who.given)}^^^Dr.^MD^^&{_NPI_OID}&ISO^L^^^NPI"


def msh(hospital: Hospital, when: str, message: str, control: str) -> str:
    """Return the header; MSH-18 says UTF-8."""
    sender = f"EHR|{authority(hospital, '^')}"
    return rf"MSH|^~\&|{sender}|ARCHIVE|LEGACY|{when}||{message}|{control}|P|2.5.1|||AL|NE|USA|UNICODE UTF-8"


def pid(person: Person, visit: Visit | None = None) -> str:
    """Return patient identification."""
    name = f"{escape(person.family)}^{'^'.join((*map(escape, person.given), '')[:2])}^^{person.prefix}^^L"
    home = person.address
    fields = [""] * 31
    fields[1] = "1"
    fields[3] = "~".join(_cx(identity, person.hospital) for identity in person.identities)
    fields[5] = name
    given, _, family = person.mother.partition(" ")
    fields[6] = f"{escape(family)}^{escape(given)}^^^^^M"
    fields[7] = day(person.born)
    fields[8] = "F" if person.female else "M"
    fields[10] = coded(person.race)
    fields[11] = f"{escape(home.line)}^^{escape(home.city)}^{home.state_code}^{home.postal}^USA^H"
    area, _, local = person.phone.partition("-")
    fields[13] = f"^PRN^PH^^1^{area}^{local.replace('-', '')}"
    fields[15] = f"{person.language.code}^{person.language.display}^ISO639"
    fields[16] = f"{person.marital.code}^{person.marital.display}^HL70002"
    if visit is not None:
        fields[18] = f"{visit.account}^^^{authority(person.hospital)}^AN"
    fields[22] = coded(person.ethnicity)
    if person.died is not None:
        fields[29], fields[30] = at(person, person.died), "Y"
    return _segment("PID", fields)


def _cx(identity: Identity, hospital: Hospital) -> str:
    if identity.type == "MR":
        # The same object identifier that FHIR writes as urn:oid:<oid>.
        return f"{escape(identity.value)}^^^{authority(hospital)}^MR^{namespace(hospital)}"
    oid = _SSN_OID if identity.system == SSN else identity.system.removeprefix("urn:oid:")
    issuer = f"&{oid}&ISO" if oid[0].isdigit() else "USA"
    return f"{escape(identity.value)}^^^{issuer}^{identity.type}"


def _segment(name: str, fields: list[str]) -> str:
    return "|".join((name, *fields[1:])).rstrip("|")


def pv1(person: Person, visit: Visit, ended: bool) -> str:
    """Return the visit."""
    fields = [""] * 46
    fields[1], fields[2] = "1", {"AMB": "O", "EMER": "E", "IMP": "I"}[visit.setting]
    fields[3] = f"{'ICU' if visit.setting == 'IMP' else 'CLINIC'}^101^A^{authority(visit.clinician.hospital)}"
    fields[4] = "R"
    fields[7] = clinician(visit.clinician)
    fields[10] = "MED"
    fields[19] = f"{visit.account}^^^{authority(person.hospital)}^VN"
    fields[44] = at(person, visit.start)
    if ended:
        fields[36], fields[45] = "01", at(person, visit.end)
    return _segment("PV1", fields)


def dg1(person: Person, number: int, item: Condition) -> str:
    """Return a diagnosis, in ICD-10-CM."""
    code, title = item.ailment.icd
    return f"DG1|{number}||{code}^{escape(title)}^I10C||{at(person, item.onset)}|W"


def al1(number: int, item: Allergy) -> str:
    """Return an allergy."""
    kind = {"medication": "DA", "food": "FA"}.get(item.category, "EA")
    reactions = "~".join(escape(r.display) for r in item.reactions)
    return f"AL1|{number}|{kind}^^HL70127|{coded(item.code)}|{'SV' if item.criticality == 'high' else 'MI'}|{reactions}"


def in1(person: Person, cover: Cover) -> str:
    """Return insurance."""
    fields = [""] * 37
    fields[1], fields[2] = "1", f"{cover.type.code}^{cover.type.display}"
    fields[3], fields[4] = cover.member[:3], escape(cover.payer)
    fields[12] = day(cover.start)
    fields[16], fields[17] = f"{escape(person.family)}^{escape(person.given[0])}", "SEL^Self^HL70063"
    fields[18], fields[36] = day(person.born), cover.member
    return _segment("IN1", fields)


def obr(person: Person, report: Report) -> str:
    """Return the order that a report answers."""
    hospital = authority(report.visit.clinician.hospital, "^")
    when = at(person, report.when)
    return (
        f"OBR|1|{report.order}^{hospital}|F{report.order}^{hospital}|{coded(report.code)}|||{when}||||||||"
        f"|{clinician(report.visit.clinician)}||||||{when}||LAB|F"
    )


def obx(person: Person, number: int, reading: Reading) -> list[str]:
    """Return a result: a segment for each quantity, one for a coded answer."""
    when = at(person, reading.when)
    if reading.answer is not None:
        return [f"OBX|{number}|CWE|{coded(reading.code)}||{coded(reading.answer)}||||||F|||{when}"]
    return [
        f"OBX|{number + nth}|NM|{coded(measure.code)}||{value:f}|{measure.ucum}^{measure.unit}^UCUM|"
        f"{_range(measure)}|{_flag(measure, value)}|||F|||{when}"
        for nth, (measure, value) in enumerate(reading.values)
    ]


def _ends(measure: Measure) -> tuple[Decimal, Decimal] | None:
    if measure.normal is None:
        return None
    low, high = measure.normal
    return Decimal(low).scaleb(-measure.places), Decimal(high).scaleb(-measure.places)


def _range(measure: Measure) -> str:
    ends = _ends(measure)
    return "" if ends is None else f"{ends[0]:f}-{ends[1]:f}"


def _flag(measure: Measure, value: Decimal) -> str:
    ends = _ends(measure)
    if ends is None:
        return ""
    return "L" if value < ends[0] else "H" if value > ends[1] else "N"


def orc(person: Person, control: str, order: str, visit: Visit) -> str:
    """Return the common order segment."""
    hospital = authority(visit.clinician.hospital, "^")
    status = "CM" if control == "RE" else "IP"
    return (
        f"ORC|{control}|{order}^{hospital}|F{order}^{hospital}||{status}||||{at(person, visit.start)}"
        f"|||{clinician(visit.clinician)}"
    )


def rxe(person: Person, item: Prescription) -> list[str]:
    """Return the encoded order of a drug and its route."""
    visit = item.visit
    start = at(person, visit.start)
    drug = coded(item.drug)
    tablets = "{tbl}^tablet^UCUM"
    rxe = f"RXE|^{item.times_a_day}XD^^{start}|{drug}|1||{tablets}|TAB^Tablet^HL70292"
    return [f"{rxe}||||{item.quantity}|{tablets}|2|{clinician(visit.clinician)}", "RXR|PO^Oral^HL70162"]


def rxa(person: Person, item: Shot) -> list[str]:
    """Return an administered vaccine and its route."""
    when = at(person, item.visit.start)
    who = clinician(item.visit.clinician)
    dose = "0.5|mL^milliliter^UCUM||00^New immunization record^NIP001"
    rxa = f"RXA|0|1|{when}|{when}|{coded(item.vaccine)}|{dose}|{who}|||||{item.lot}|{day(item.expires)}||||CP|A"
    return [rxa, "RXR|C28161^Intramuscular^NCIT|LD^Left Deltoid^HL70163"]
