"""FHIR R4 as JSON: which bytes of a source are one resource, and which patient and date that resource names.

Promises: the pieces joined are the source; no text of a source in an error; memory bounded by the largest record.
May import `vaultfs.interop`, `vaultfs.model`, `vaultfs.errors` and msgspec.
"""

from vaultfs.interop.fhir.adapter import FhirAdapter
from vaultfs.interop.fhir.resources import RESOURCE_TYPES

__all__ = ["RESOURCE_TYPES", "FhirAdapter"]
