"""The kind under which a vault keeps a file, and the dates that say when what it shows happened, by SOP class.

Source: DICOM PS3.4, annex B.5 (storage SOP classes), PS3.6, annex A (their UIDs).
"""

from __future__ import annotations

from vaultfs.interop.dicom import tags

DIRECTORY = "1.2.840.10008.1.3.10"
"""Media Storage Directory: the index of a medium, DICOMDIR."""

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_KEY_OBJECTS = _STORAGE + "88.59"

Dates = tuple[tuple[int, int | None], ...]

# When the patient was looked at; a document is dated by when it was written. Last what every file has.
_SEEN: Dates = (tags.ACQUIRED_AT, tags.ACQUIRED, tags.STUDY, tags.SERIES, tags.CONTENT, tags.CREATED)
_WRITTEN: Dates = (tags.CONTENT, tags.SERIES, tags.STUDY, tags.CREATED)
_TREATED: Dates = (tags.TREATMENT, tags.PLAN, tags.STRUCTURE_SET, *_SEEN)

# By what a SOP class begins with, the first that fits. What is not in the table is an instance of a study.
_TABLE: tuple[tuple[str, str, Dates], ...] = (
    (_KEY_OBJECTS, "ImagingStudy", _WRITTEN),
    (_STORAGE + "88.", "DiagnosticReport", _WRITTEN),
    (_STORAGE + "104.", "DocumentReference", _WRITTEN),
    (_STORAGE + "9.", "Observation", _SEEN),
    (_STORAGE + "481.", "ImagingStudy", _TREATED),
    (_STORAGE + "11.", "ImagingStudy", _WRITTEN),
    # Of no patient: hanging protocols, colour palettes, implant templates, procedure protocols.
    ("1.2.840.10008.5.1.4.38.", "Basic", _WRITTEN),
    ("1.2.840.10008.5.1.4.39.", "Basic", _WRITTEN),
    ("1.2.840.10008.5.1.4.43.", "Basic", _WRITTEN),
    ("1.2.840.10008.5.1.4.44.", "Basic", _WRITTEN),
    ("1.2.840.10008.5.1.4.45.", "Basic", _WRITTEN),
    (DIRECTORY, "Basic", _WRITTEN),
)


def kind_of(sop_class: str) -> tuple[str, Dates]:
    """Return kind and dates, best first, of a SOP class UID; of an image where it is not known."""
    for prefix, kind, dates in _TABLE:
        if sop_class == prefix or (prefix.endswith(".") and sop_class.startswith(prefix)):
            return kind, dates
    return "ImagingStudy", _SEEN
