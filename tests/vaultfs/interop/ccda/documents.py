"""Clinical documents made by hand."""

from __future__ import annotations

HEAD = '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc">'
TAIL = "</ClinicalDocument>"


def document(*parts: str) -> str:
    """Return a document with these elements."""
    return f"{HEAD}{''.join(parts)}{TAIL}"


def record_target(*ids: tuple[str | None, str | None]) -> str:
    """Return a record target with ids of (root, extension)."""
    listed = "".join(
        "<id" + (f' root="{root}"' if root else "") + (f' extension="{value}"' if value else "") + "/>"
        for root, value in ids
    )
    return f"<recordTarget><patientRole>{listed}</patientRole></recordTarget>"
