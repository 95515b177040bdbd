"""Where each resource type says whose record it is.

Source: the Patient CompartmentDefinition, https://hl7.org/fhir/R4/compartmentdefinition-patient.html (4.0.1); each of
its search parameters is written as the element that it reads (https://hl7.org/fhir/R4/searchparameter-registry.html).
Left out are the parameters for what a patient *did* (asserter, recorder, performer, author, sender, recipient,
requester, payee, subscriber, policy-holder, payor, source): those make a record visible to a patient, but the record
may be another patient's. Added, with a reason each, are elements that mean the patient outside the compartment.

Every type has its elements best first. The second name is that of another release (DSTU2, STU3, R5) for the same
thing. Elements of one record are never mixed: the first that names a patient decides.
"""

from __future__ import annotations

_BY_ELEMENTS: tuple[tuple[str, str], ...] = (
    (
        "subject patient",
        """
        Account AdverseEvent Basic CarePlan CareTeam ChargeItem ClinicalImpression Communication CommunicationRequest
        Composition Condition DeviceRequest DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference
        Encounter Flag Goal ImagingStudy Invoice List MeasureReport Media MedicationAdministration MedicationDispense
        MedicationRequest MedicationStatement Observation Procedure QuestionnaireResponse RequestGroup RiskAssessment
        ServiceRequest Specimen
        """,
    ),
    (
        "patient subject",
        """
        AllergyIntolerance BodyStructure Claim ClaimResponse Consent CoverageEligibilityRequest
        CoverageEligibilityResponse DetectedIssue EpisodeOfCare ExplanationOfBenefit FamilyMemberHistory Immunization
        ImmunizationEvaluation ImmunizationRecommendation MolecularSequence NutritionOrder RelatedPerson SupplyDelivery
        VisionPrescription
        """,
    ),
    ("participant.actor", "Appointment"),
    ("actor", "AppointmentResponse Schedule"),
    ("entity.what agent.who", "AuditEvent"),
    ("beneficiary", "Coverage"),
    ("candidate subject", "EnrollmentRequest"),
    ("member.entity", "Group"),
    ("link.target", "Person"),
    ("target", "Provenance"),
    ("individual subject", "ResearchSubject"),
    # The parameter "subject" reads deliverTo; R5 says deliverFor.
    ("deliverFor deliverTo", "SupplyRequest"),
    # Not in the compartment, but what stands there means the patient: the one to whom a device is affixed, for whom a
    # task is done, about whom a rule engine answers, whose contract or donation it is.
    ("patient", "Device"),
    ("for", "Task Transport"),
    ("subject", "Contract GuidanceResponse"),
    ("collection.source", "BiologicallyDerivedProduct"),
    # Types that R4 does not have: https://hl7.org/fhir/STU3/compartmentdefinition-patient.html and
    # https://hl7.org/fhir/R5/compartmentdefinition-patient.html.
    ("subject", "ProcedureRequest ReferralRequest"),
    ("patient", "BodySite DeviceUsage EligibilityRequest EligibilityResponse ImagingManifest Sequence"),
    (
        "subject",
        """
        DeviceAssociation DeviceDispense EncounterHistory GenomicStudy ImagingSelection NutritionIntake
        RequestOrchestration
        """,
    ),
)

Path = tuple[str, ...]

SUBJECT_ELEMENTS: dict[str, tuple[Path, ...]] = {
    kind: tuple(tuple(path.split(".")) for path in paths.split())
    for paths, kinds in _BY_ELEMENTS
    for kind in kinds.split()
}
"""For each resource type, the paths of the elements that may refer to its patient, best first."""

OPEN_ELEMENTS: frozenset[Path] = frozenset(
    {
        ("actor",),
        ("agent", "who"),
        ("collection", "source"),
        ("deliverTo",),
        ("entity", "what"),
        ("link", "target"),
        ("member", "entity"),
        ("participant", "actor"),
        ("target",),
    }
)
"""Elements that refer to a patient among others, so that only a reference that says "Patient" means one.

A ``urn:uuid:`` in all other elements means the patient, unless it says that it means something else.
"""
