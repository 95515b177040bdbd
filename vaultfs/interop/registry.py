"""The adapters there are, and which one reads a source. Each is imported when it is first asked for."""

from __future__ import annotations

from functools import cache

from vaultfs.interop.pieces import Adapter


@cache
def adapters() -> tuple[Adapter, ...]:
    """Return the adapters in the order in which they are asked whether they recognise a source."""
    from vaultfs.interop.ccda import CcdaAdapter
    from vaultfs.interop.dicom import DicomAdapter
    from vaultfs.interop.fhir import FhirAdapter
    from vaultfs.interop.hl7v2 import Hl7v2Adapter

    # The strictest first: HL7v2 looks for a header on any line.
    return DicomAdapter(), CcdaAdapter(), Hl7v2Adapter(), FhirAdapter()


def recognise(head: bytes) -> Adapter | None:
    """Return the adapter for a source that begins with `head`, or None.

    Parameters
    ----------
    head
        The first bytes of the source, up to 64 KiB.
    """
    return next((adapter for adapter in adapters() if adapter.recognises(head)), None)
