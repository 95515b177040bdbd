"""FHIR R4 as JSON: which bytes of a source are one resource, and which patient and date that resource names.

Promises: the pieces joined are the source; no text of a source in an error; memory bounded by the largest record.
May import `vaultfs.interop`, `vaultfs.model`, `vaultfs.errors`, `vaultfs.kinds` and msgspec.
"""

from vaultfs.interop.fhir.adapter import FhirAdapter

__all__ = ["FhirAdapter"]
