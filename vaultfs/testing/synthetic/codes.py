"""Code systems by their FHIR names, and the small administrative code sets of HL7 terminology (CC0) and CDC."""

from __future__ import annotations

from dataclasses import dataclass

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
UCUM = "http://unitsofmeasure.org"
CDCREC = "urn:oid:2.16.840.1.113883.6.238"
THO = "http://terminology.hl7.org/CodeSystem/"
"""Prefix of the code systems that HL7 publishes (terminology.hl7.org)."""

NPI = "http://hl7.org/fhir/sid/us-npi"
SSN = "http://hl7.org/fhir/sid/us-ssn"


@dataclass(frozen=True, slots=True)
class Code:
    """A code of a code system with its display text."""

    system: str
    code: str
    display: str


def _codes(system: str, *pairs: tuple[str, str]) -> tuple[Code, ...]:
    return tuple(Code(system, code, display) for code, display in pairs)


RACES = _codes(
    CDCREC,
    ("2106-3", "White"),
    ("2054-5", "Black or African American"),
    ("2028-9", "Asian"),
    ("1002-5", "American Indian or Alaska Native"),
    ("2076-8", "Native Hawaiian or Other Pacific Islander"),
)
"""US Core ombCategory of race."""

ETHNICITIES = _codes(CDCREC, ("2186-5", "Not Hispanic or Latino"), ("2135-2", "Hispanic or Latino"))
"""US Core ombCategory of ethnicity."""

MARITAL = _codes(
    THO + "v3-MaritalStatus", ("M", "Married"), ("S", "Never Married"), ("D", "Divorced"), ("W", "Widowed")
)

LANGUAGES = _codes(
    "urn:ietf:bcp:47",
    ("en-US", "English (United States)"),
    ("es", "Spanish"),
    ("zh", "Chinese"),
    ("fr", "French"),
    ("de", "German"),
)

DOCUMENT_TYPES = _codes(
    LOINC,
    ("34117-2", "History and physical note"),
    ("11506-3", "Progress note"),
    ("18842-5", "Discharge summary"),
    ("34133-9", "Summary of episode note"),
    ("51847-2", "Evaluation + Plan note"),
    ("11488-4", "Consult note"),
)

COVERAGE_TYPES = _codes(
    THO + "v3-ActCode", ("EHCPOL", "extended healthcare"), ("PUBLICPOL", "public healthcare"), ("HMO", "HMO")
)

MODALITIES = _codes(
    "http://dicom.nema.org/resources/ontology/DCM",
    ("DX", "Digital Radiography"),
    ("CR", "Computed Radiography"),
    ("US", "Ultrasound"),
    ("CT", "Computed Tomography"),
    ("MR", "Magnetic Resonance"),
)

SOP_CLASSES = {
    "DX": ("1.2.840.10008.5.1.4.1.1.1.1", "Digital X-Ray Image Storage"),
    "CR": ("1.2.840.10008.5.1.4.1.1.1", "Computed Radiography Image Storage"),
    "US": ("1.2.840.10008.5.1.4.1.1.6.1", "Ultrasound Image Storage"),
    "CT": ("1.2.840.10008.5.1.4.1.1.2", "CT Image Storage"),
    "MR": ("1.2.840.10008.5.1.4.1.1.4", "MR Image Storage"),
}
"""SOP class of the images of a modality (DICOM PS3.6, table A-1)."""
