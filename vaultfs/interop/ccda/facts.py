"""What a clinical document says of itself, as far as storage needs it.

Source: HL7 CDA Release 2, 4.2 (header); HL7 C-CDA R2.1, US Realm Header; HL7 version 3 data types, II and TS.
"""

from __future__ import annotations

import re

from vaultfs.errors import FormatUnknown
from vaultfs.interop import timestamps
from vaultfs.interop.authorities import canonical, identifier, is_oid, of_one_patient
from vaultfs.interop.ccda.walk import Names
from vaultfs.interop.pieces import Facts, SourceIdentifier
from vaultfs.model import MAX_IDENTIFIER_CHARS, ClinicalDate

MEDIA_TYPE = "application/hl7-cda+xml"
KIND = "DocumentReference"
"""The FHIR resource for documents of other formats (https://hl7.org/fhir/R4/documentreference.html)."""

ROOT = "urn:hl7-org:v3 ClinicalDocument"

_URI = "urn:ietf:rfc:3986"
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def _path(names: str) -> tuple[str, ...]:
    return (ROOT, *(f"urn:hl7-org:v3 {name}" for name in names.split("/")))


_TARGET = _path("recordTarget")
_PATIENT_ID = _path("recordTarget/patientRole/id")
_DOCUMENT_ID = _path("id")
_SET_ID = _path("setId")

# When the document was written; where it does not say, until or since when the care took place that it tells of.
_DATES = tuple(
    _path(names)
    for names in (
        "effectiveTime",
        "documentationOf/serviceEvent/effectiveTime/high",
        "documentationOf/serviceEvent/effectiveTime/low",
        "documentationOf/serviceEvent/effectiveTime",
        "componentOf/encompassingEncounter/effectiveTime/high",
        "componentOf/encompassingEncounter/effectiveTime/low",
        "componentOf/encompassingEncounter/effectiveTime",
    )
)
_KNOWN = frozenset({_TARGET, _PATIENT_ID, _DOCUMENT_ID, _SET_ID, *_DATES})
_DEEPEST = max(len(path) for path in _KNOWN)


class Header:
    """Collects what the header of a document states, tag by tag."""

    def __init__(self) -> None:
        self._seen = False
        self._patients: list[list[SourceIdentifier]] = []
        self._dates: dict[tuple[str, ...], ClinicalDate] = {}
        self._ids: dict[tuple[str, ...], str] = {}

    def take(self, path: Names, attributes: dict[str, str]) -> None:
        """Take in a start tag.

        Raises
        ------
        FormatUnknown
            It is the root of something else.
        """
        if not self._seen:
            if path[0] != ROOT:
                raise FormatUnknown
            self._seen = True
        if len(path) > _DEEPEST or path not in _KNOWN:
            return
        if path == _TARGET:
            self._patients.append([])
        elif path == _PATIENT_ID:
            self._patients[-1] += _identifiers(attributes)
        elif path in (_DOCUMENT_ID, _SET_ID):
            root, extension = _instance(attributes)
            if root:
                self._ids.setdefault(path, f"{canonical(root)}|{extension}")
        else:
            found = timestamps.parse(attributes.get("value", "").encode("ascii", errors="replace"))
            if found is not None:
                self._dates.setdefault(path, found)

    def facts(self) -> Facts:
        """Return the facts of the document; the same for every version of it, where it names what has versions."""
        name = self._ids.get(_SET_ID) or self._ids.get(_DOCUMENT_ID)
        return Facts(
            KIND,
            MEDIA_TYPE,
            date=next((self._dates[path] for path in _DATES if path in self._dates), None),
            identifiers=of_one_patient(tuple(one) for one in self._patients),
            logical_id=name if name and len(name) <= MAX_IDENTIFIER_CHARS else None,
        )


def _instance(attributes: dict[str, str]) -> tuple[str, str]:
    """Return root and extension of an II, both empty where it says that it has no value."""
    if "nullFlavor" in attributes:
        return "", ""
    return attributes.get("root", "").strip(), attributes.get("extension", "").strip()


def _identifiers(attributes: dict[str, str]) -> list[SourceIdentifier]:
    """Return the identifier that an II states.

    Without an extension the root is itself the identifier. A UUID names one patient then; an OID may also be the
    authority of a number that was left out, and so the same in the documents of many: it decides nothing.
    """
    root, extension = _instance(attributes)
    is_uuid = _UUID.fullmatch(root) is not None
    authority = f"urn:uuid:{root.lower()}" if is_uuid else canonical(root)
    if extension:
        found = identifier(authority, extension, frozenset())
    elif is_uuid or is_oid(root):
        found = identifier(_URI, authority, frozenset(), strong=is_uuid)
    else:
        found = None
    return [] if found is None else [found]
