"""A patient's summary as a C-CDA document: the header of the US realm, problems and vital signs.

Source: HL7 C-CDA R2.1, Continuity of Care Document (V3), Problem Section (V3), Vital Signs Section (V3).
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from vaultfs.testing.synthetic import segments
from vaultfs.testing.synthetic.codes import SSN
from vaultfs.testing.synthetic.draw import Draw
from vaultfs.testing.synthetic.life import Address, Clinician, Condition, Hospital, Life, Reading

_SSN_OID = "2.16.840.1.113883.4.1"
_NPI_OID = "2.16.840.1.113883.4.6"
_LOINC_OID = "2.16.840.1.113883.6.1"
_SNOMED_OID = "2.16.840.1.113883.6.96"
_GENDERS_OID = "2.16.840.1.113883.5.1"
_TEMPLATE_DAY = "2015-08-01"


def ccda_document(seed: int, life: Life) -> bytes:
    """Return the summary that was written at the end of the last visit; UTF-8, with CR LF as editors on Windows write.

    Parameters
    ----------
    seed
        Names the document: equal seeds and lives give equal bytes.
    life
        The patient, who has had a visit.
    """
    return "\r\n".join(_document(Draw(seed, life.person.id, "ccda"), life)).encode() + b"\r\n"


def _document(draw: Draw, life: Life) -> Iterator[str]:
    last = life.visits[-1]
    written = segments.at(life.person, last.end)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield '<?xml-stylesheet type="text/xsl" href="CDA.xsl"?>'
    yield "<!-- Nobody's record: this patient is invented. -->"
    yield '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc">'
    yield '  <realmCode code="US"/>'
    yield '  <typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>'
    yield f"  {_template('2.16.840.1.113883.10.20.22.1.1')}"
    yield f"  {_template('2.16.840.1.113883.10.20.22.1.2')}"
    yield f"  <id root={quoteattr(draw.uuid())}/>"
    yield f"  {_code('34133-9', 'Summarization of Episode Note')}"
    yield "  <title>Summary of care</title>"
    yield f'  <effectiveTime value="{written}"/>'
    yield '  <confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>'
    yield '  <languageCode code="en-US"/>'
    yield f"  <setId root={quoteattr(draw.uuid())}/>"
    yield '  <versionNumber value="1"/>'
    yield from _patient(life)
    yield from _author(written, last.clinician)
    yield "  <custodian><assignedCustodian><representedCustodianOrganization>"
    yield from _organization(last.clinician.hospital)
    yield "  </representedCustodianOrganization></assignedCustodian></custodian>"
    yield '  <documentationOf><serviceEvent classCode="PCPR"><effectiveTime>'
    yield f'    <low value="{segments.at(life.person, life.visits[0].start)}"/><high value="{written}"/>'
    yield "  </effectiveTime></serviceEvent></documentationOf>"
    yield "  <component><structuredBody>"
    yield from _section(
        "2.16.840.1.113883.10.20.22.2.5.1", "11450-4", "Problem list - Reported", map(_problem, life.conditions)
    )
    vitals = [one for one in life.readings if one.category == "vital-signs" and one.visit is last]
    yield from _section("2.16.840.1.113883.10.20.22.2.4.1", "8716-3", "Vital signs", map(_vital, vitals))
    yield "  </structuredBody></component>"
    yield "</ClinicalDocument>"


def _template(root: str) -> str:
    return f'<templateId root="{root}" extension="{_TEMPLATE_DAY}"/>'


def _code(code: str, display: str) -> str:
    return f'<code code="{code}" codeSystem="{_LOINC_OID}" codeSystemName="LOINC" displayName={quoteattr(display)}/>'


def _patient(life: Life) -> Iterator[str]:
    person = life.person
    yield "  <recordTarget><patientRole>"
    for identity in person.identities:
        oid = _SSN_OID if identity.system == SSN else identity.system.removeprefix("urn:oid:")
        if ":" not in oid:
            yield f'    <id root="{oid}" extension={quoteattr(identity.value)}/>'
    yield f"    {_address(person.address)}"
    yield f'    <telecom use="HP" value="tel:+1-{person.phone}"/>'
    yield "    <patient>"
    given = "".join(f"<given>{escape(one)}</given>" for one in person.given)
    yield f'      <name use="L">{given}<family>{escape(person.family)}</family></name>'
    gender = "F" if person.female else "M"
    yield f'      <administrativeGenderCode code="{gender}" codeSystem="{_GENDERS_OID}"/>'
    yield f'      <birthTime value="{segments.day(person.born)}"/>'
    yield "    </patient>"
    yield "  </patientRole></recordTarget>"


def _address(where: Address) -> str:
    lines = f"<streetAddressLine>{escape(where.line)}</streetAddressLine><city>{escape(where.city)}</city>"
    return f'<addr use="HP">{lines}<state>{where.state_code}</state><postalCode>{where.postal}</postalCode></addr>'


def _author(when: str, who: Clinician) -> Iterator[str]:
    yield f'  <author><time value="{when}"/><assignedAuthor>'
    yield f'    <id root="{_NPI_OID}" extension="{who.npi}"/>'
    yield f"    {_address(who.hospital.address)}"
    yield f'    <telecom use="WP" value="tel:+1-{who.hospital.phone}"/>'
    name = f"<given>{escape(who.given)}</given><family>{escape(who.family)}</family>"
    yield f"    <assignedPerson><name>{name}</name></assignedPerson>"
    yield "  </assignedAuthor></author>"


def _organization(where: Hospital) -> Iterator[str]:
    yield f'    <id root="{where.oid}"/>'
    yield f"    <name>{escape(where.name)}</name>"
    yield f'    <telecom use="WP" value="tel:+1-{where.phone}"/>'
    yield f"    {_address(where.address)}"


def _section(template: str, code: str, title: str, rows: Iterator[tuple[str, str, str]]) -> Iterator[str]:
    """Yield a section: its narrative, and an observation a row; rows are term, value and the observation."""
    listed = list(rows)
    yield "    <component><section>"
    yield f"      {_template(template)}"
    yield f"      {_code(code, title)}"
    yield f"      <title>{escape(title)}</title>"
    yield "      <text><table><tbody>"
    for term, value, _ in listed:
        yield f"        <tr><td>{escape(term)}</td><td>{escape(value)}</td></tr>"
    yield "      </tbody></table></text>"
    for _, _, entry in listed:
        yield f"      <entry>{entry}</entry>"
    yield "    </section></component>"


def _problem(item: Condition) -> tuple[str, str, str]:
    onset = segments.day(item.onset)
    until = f'<high value="{segments.day(item.abated)}"/>' if item.abated else ""
    code = item.ailment.code
    value = (
        f'<value xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CD" code="{code.code}" '
        f'codeSystem="{_SNOMED_OID}" displayName={quoteattr(code.display)}/>'
    )
    entry = (
        f'<observation classCode="OBS" moodCode="EVN"><id root="{item.id}"/>'
        f'<code code="55607006" codeSystem="{_SNOMED_OID}"/><statusCode code="completed"/>'
        f'<effectiveTime><low value="{onset}"/>{until}</effectiveTime>{value}</observation>'
    )
    return code.display, onset, entry


def _vital(item: Reading) -> tuple[str, str, str]:
    shown = ", ".join(f"{value} {measure.unit}" for measure, value in item.values)
    values = "".join(
        '<value xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="PQ" '
        f'value="{value}" unit={quoteattr(measure.ucum)}/>'
        for measure, value in item.values[:1]
    )
    entry = (
        f'<observation classCode="OBS" moodCode="EVN"><id root="{item.id}"/>{_code(item.code.code, item.code.display)}'
        f'<statusCode code="completed"/><effectiveTime value="{segments.day(item.when)}"/>{values}</observation>'
    )
    return item.code.display, shown, entry
