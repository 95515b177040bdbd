"""Which element of each resource type says when the recorded thing happened.

Source: the FiveWs pattern (https://hl7.org/fhir/R4/fivews.html) as the resource pages map it: when it was done, else
when it was recorded. For requests (https://hl7.org/fhir/R4/request.html) it is when they were made, because that is
what HL7v2 orders state (ORC-9), else when they are due. Names of STU3 and R5 for the same element stand beside those of
R4. `meta.lastUpdated` says when a server stored something, which is no clinical date.
"""

from __future__ import annotations

_EFFECTIVE = "effectiveDateTime effectivePeriod.start effectiveInstant effectiveTiming.event"
_OCCURRENCE = "occurrenceDateTime occurrencePeriod.start occurrenceTiming.event"
_REQUEST = f"authoredOn {_OCCURRENCE}"

_BY_ELEMENTS: tuple[tuple[str, str], ...] = (
    # Events and observations.
    ("servicePeriod.start", "Account"),
    ("date occurrenceDateTime occurrencePeriod.start detected recordedDate", "AdverseEvent"),
    ("onsetDateTime onsetPeriod.start recordedDate assertedDate lastOccurrence", "AllergyIntolerance"),
    ("occurredDateTime occurredPeriod.start recorded", "AuditEvent Provenance"),
    ("created", "Basic DocumentManifest EnrollmentRequest EnrollmentResponse ClaimResponse PaymentNotice"),
    ("collection.collectedDateTime collection.collectedPeriod.start", "BiologicallyDerivedProduct"),
    ("timestamp", "Bundle MessageHeader"),
    ("period.start created", "CarePlan"),
    ("period.start", "CareTeam EpisodeOfCare Flag ResearchStudy ResearchSubject Coverage"),
    (f"{_OCCURRENCE} enteredDate", "ChargeItem"),
    ("billablePeriod.start created", "Claim ExplanationOfBenefit"),
    (f"{_EFFECTIVE} date", "ClinicalImpression"),
    ("sent received", "Communication"),
    ("onsetDateTime onsetPeriod.start recordedDate assertedDate", "Condition"),
    ("dateTime date period.start", "Consent"),
    ("issued", "Contract"),
    ("servicedDate servicedPeriod.start created", "CoverageEligibilityRequest CoverageEligibilityResponse"),
    ("identifiedDateTime identifiedPeriod.start date", "DetectedIssue"),
    ("timingDateTime timingPeriod.start timingTiming.event recordedOn dateAsserted", "DeviceUseStatement DeviceUsage"),
    (f"{_EFFECTIVE} issued", "DiagnosticReport Observation"),
    ("context.period.start period.start date created indexed", "DocumentReference"),
    ("period.start actualPeriod.start plannedStartDate", "Encounter EncounterHistory"),
    ("startDate statusDate", "Goal"),
    (f"{_OCCURRENCE} date", "GuidanceResponse Immunization RiskAssessment"),
    ("started authoringTime", "ImagingStudy ImagingSelection ImagingManifest GenomicStudy"),
    ("period.start date", "MeasureReport"),
    ("createdDateTime createdPeriod.start occurrenceDateTime occurrencePeriod.start issued", "Media"),
    (f"{_EFFECTIVE} occurenceDateTime occurencePeriod.start", "MedicationAdministration"),
    ("whenHandedOver whenPrepared", "MedicationDispense"),
    (f"{_EFFECTIVE} dateAsserted", "MedicationStatement"),
    (f"{_OCCURRENCE} recorded", "NutritionIntake"),
    ("paymentDate created", "PaymentReconciliation"),
    ("performedDateTime performedPeriod.start occurrenceDateTime occurrencePeriod.start recorded", "Procedure"),
    ("authored", "QuestionnaireResponse"),
    ("collection.collectedDateTime collection.collectedPeriod.start receivedTime", "Specimen"),
    (_OCCURRENCE, "SupplyDelivery"),
    ("statusDate", "VerificationResult"),
    # Plans.
    ("start requestedPeriod.start created", "Appointment"),
    ("start", "AppointmentResponse Slot"),
    ("planningHorizon.start", "Schedule"),
    # Requests.
    (
        _REQUEST,
        """
        CommunicationRequest DeviceRequest MedicationRequest ProcedureRequest ReferralRequest RequestGroup
        RequestOrchestration ServiceRequest SupplyRequest
        """,
    ),
    ("dateTime", "NutritionOrder"),
    ("authoredOn executionPeriod.start lastModified", "Task Transport"),
    ("dateWritten created", "VisionPrescription"),
)

_DEFAULT = (("date",),)

_ELEMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    kind: tuple(tuple(path.split(".")) for path in paths.split())
    for paths, kinds in _BY_ELEMENTS
    for kind in kinds.split()
}


def date_elements(resource_type: str) -> tuple[tuple[str, ...], ...]:
    """Return the paths of the elements that may date a resource, best first; ``date`` for all that have no row."""
    return _ELEMENTS.get(resource_type, _DEFAULT)
