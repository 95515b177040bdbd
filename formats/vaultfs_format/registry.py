"""The registries of record kinds and media types. Numbers are stored and never change; names are what hosts use.

Sources: FHIR R4 (4.0.1) resource list; HL7 table 0076 (message type), v2.9; a vault may add names of its own when it is
created, numbered from `HOST_FIRST` on, which its keyring holds.
"""

from __future__ import annotations

from collections.abc import Sequence

from vaultfs_format.errors import FieldInvalid, Structure

HOST_FIRST = 32_768
"""Number of the first name that a vault registers for itself."""

MAX_NAME = 64
MAX_HOST_NAMES = 4096
"""Characters of such a name, and names in each of the two registries."""

# Order is storage: append only.
FHIR = (
    "Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent Basic "
    "Binary BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement CarePlan CareTeam CatalogEntry "
    "ChargeItem ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication "
    "CommunicationRequest CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage "
    "CoverageEligibilityRequest CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric "
    "DeviceRequest DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis "
    "Encounter Endpoint EnrollmentRequest EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceVariable "
    "ExampleScenario ExplanationOfBenefit FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse "
    "HealthcareService ImagingStudy Immunization ImmunizationEvaluation ImmunizationRecommendation "
    "ImplementationGuide InsurancePlan Invoice Library Linkage List Location Measure MeasureReport Media Medication "
    "MedicationAdministration MedicationDispense MedicationKnowledge MedicationRequest MedicationStatement "
    "MedicinalProduct MedicinalProductAuthorization MedicinalProductContraindication MedicinalProductIndication "
    "MedicinalProductIngredient MedicinalProductInteraction MedicinalProductManufactured MedicinalProductPackaged "
    "MedicinalProductPharmaceutical MedicinalProductUndesirableEffect MessageDefinition MessageHeader "
    "MolecularSequence NamingSystem NutritionOrder Observation ObservationDefinition OperationDefinition "
    "OperationOutcome Organization OrganizationAffiliation Parameters Patient PaymentNotice PaymentReconciliation "
    "Person PlanDefinition Practitioner PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse "
    "RelatedPerson RequestGroup ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject "
    "RiskAssessment RiskEvidenceSynthesis Schedule SearchParameter ServiceRequest Slot Specimen SpecimenDefinition "
    "StructureDefinition StructureMap Subscription Substance SubstanceNucleicAcid SubstancePolymer SubstanceProtein "
    "SubstanceReferenceInformation SubstanceSourceMaterial SubstanceSpecification SupplyDelivery SupplyRequest Task "
    "TerminologyCapabilities TestReport TestScript ValueSet VerificationResult VisionPrescription"
).split()

# Order is storage: append only.
HL7V2 = (
    "ACK ADR ADT BAR BPS BRP BRT BTS CCF CCI CCM CCQ CCR CCU CQU CRM CSU DBC DBU DEL DEO DER DES DEU DFT DOC DPR DRC "
    "DRG DSR EAC EAN EAR EHC ESR ESU INR INU LSR LSU MCF MDM MFD MFK MFN MFQ MFR NMD NMQ NMR OMB OMD OMG OMI OML OMN "
    "OMP OMQ OMS OPL OPR OPU ORA ORB ORD ORF ORG ORI ORL ORM ORN ORP ORR ORS ORU ORX OSM OSQ OSR OSU OUL PEX PGL PIN "
    "PMU PPG PPP PPR PPT PPV PRR PTR QBP QCK QCN QRY QSB QSX QVR RAR RAS RCI RCL RDE RDR RDS RDY REF RER RGR RGV ROR "
    "RPA RPI RPL RPR RQA RQC RQI RQP RRA RRD RRE RRG RRI RSP RTB SCN SDN SDR SIU SLN SLR SMD SQM SQR SRM SRR SSR SSU "
    "STC STI SUR TBR TCR TCU UDM VXQ VXR VXU VXX batch other"
).split()

# Order is storage: append only.
OWN = (
    *("vaultfs.recipe", "vaultfs.gap", "vaultfs.quarantine", "vaultfs.link-candidate"),
    *("vaultfs.disclosure", "vaultfs.suspension"),
)

# Order is storage: append only.
MEDIA_TYPES = (
    "application/octet-stream",
    "application/fhir+json",
    "application/fhir+xml",
    "x-application/hl7-v2+er7",
    "application/dicom",
    "application/hl7-cda+xml",
    "application/pdf",
    "application/json",
    "application/xml",
    "application/vnd.vaultfs.recipe",
    "text/plain",
    "image/jpeg",
    "image/png",
)


def builtin_kinds() -> dict[str, int]:
    """Return the built-in kinds: FHIR from 1, HL7v2 from 1,001, VaultFS's own from 30,001 on."""
    kinds = {name: 1 + i for i, name in enumerate(FHIR)}
    kinds |= {f"hl7v2.{name}": 1001 + i for i, name in enumerate(HL7V2)}
    return kinds | {name: 30_001 + i for i, name in enumerate(OWN)}


def builtin_media_types() -> dict[str, int]:
    """Return the built-in media types, numbered from 1 on."""
    return {name: 1 + i for i, name in enumerate(MEDIA_TYPES)}


def own_names(data: bytes) -> tuple[list[str], list[str]]:
    """Return the kinds and media types that a vault has registered, as its keyring keeps them.

    A name that is built in is let be: it may not have been when the vault was created.

    Raises
    ------
    FieldInvalid
        It is not two lists of names with an empty line between.
    """
    text = data.decode("ascii", errors="replace")  # what takes the place of other bytes is not ASCII, and refused
    lines = text.split("\n")
    blank = lines.index("") if "" in lines else len(lines)
    kinds, media_types = lines[:blank], lines[blank + 1 :]
    if blank == len(lines) or not well_formed(kinds) or not well_formed(media_types):
        raise FieldInvalid(structure=Structure.KEYRING, rule=9)
    return kinds, media_types


def well_formed(names: Sequence[str]) -> bool:
    """Return whether names may be registered together."""
    good = all(0 < len(name) <= MAX_NAME and name.isascii() and name.isprintable() for name in names)
    return good and len(set(names)) == len(names) <= MAX_HOST_NAMES


def numbered(builtin: dict[str, int], own: Sequence[str]) -> dict[str, int]:
    """Return the number of every name, those of a vault's own included."""
    return builtin | {name: HOST_FIRST + i for i, name in enumerate(own)}


def named(builtin: dict[str, int], own: Sequence[str]) -> dict[int, str]:
    """Return the name of every number. A name that was built in after a vault had registered it has two numbers."""
    return {number: name for names in (builtin, numbered(builtin, own)) for name, number in names.items()}
