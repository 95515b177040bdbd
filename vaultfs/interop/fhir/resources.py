"""The resource types that the adapter knows, and the kind under which a vault keeps each.

Sources: https://hl7.org/fhir/R4/resourcelist.html (4.0.1) for the registry of kinds, and for the names that exports of
other releases have, https://hl7.org/fhir/STU3/resourcelist.html, https://hl7.org/fhir/R4B/resourcelist.html and
https://hl7.org/fhir/R5/resourcelist.html.
"""

from __future__ import annotations

from vaultfs.kinds import FHIR

_STU3_ONLY = """
BodySite DataElement DeviceComponent EligibilityRequest EligibilityResponse ExpansionProfile ImagingManifest
ProcedureRequest ProcessRequest ProcessResponse ReferralRequest Sequence ServiceDefinition
"""

_R4B_AND_R5_ONLY = """
ActorDefinition AdministrableProductDefinition ArtifactAssessment BiologicallyDerivedProductDispense Citation
ClinicalUseDefinition ConditionDefinition DeviceAssociation DeviceDispense DeviceUsage EncounterHistory EvidenceReport
FormularyItem GenomicStudy ImagingSelection Ingredient InventoryItem InventoryReport ManufacturedItemDefinition
MedicinalProductDefinition NutritionIntake NutritionProduct PackagedProductDefinition Permission RegulatedAuthorization
RequestOrchestration Requirements SubscriptionStatus SubscriptionTopic SubstanceDefinition TestPlan Transport
"""

# Basic is the resource for what FHIR has no type for (https://hl7.org/fhir/R4/basic.html): so R4 sees these.
KIND_OF: dict[str, str] = dict.fromkeys((_STU3_ONLY + _R4B_AND_R5_ONLY).split(), "Basic") | {
    name: name for name in FHIR
}
"""The kind of every resource type that is known; ``Basic`` for types that R4 does not have."""
