"""The identifiers of a file's patient.

Source: DICOM PS3.3, C.2.2 and C.7.1.1 (Patient), 10.14 (HL7v2 Hierarchic Designator), 10.15 (Issuer of Patient ID).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vaultfs.interop.authorities import identifier, of_designator
from vaultfs.interop.dicom import tags
from vaultfs.interop.dicom.elements import Found
from vaultfs.interop.dicom.text import Repertoire
from vaultfs.interop.pieces import SourceIdentifier

# What stands where an id was removed, or never known: it would make one patient of many.
_PLACEHOLDERS = frozenset(
    "ANON ANONYM ANONYMIZED ANONYMISED ANONYMOUS NA NONE NOID NULL PATIENT PHANTOM TEST UNKNOWN".split()
)
_INSIGNIFICANT = re.compile(r"[\W_]+")
_WILDCARDS = re.compile(r"[*?]")


def identifiers_of(found: Found, text: Repertoire) -> tuple[SourceIdentifier, ...]:
    """Return the identifiers of the one patient that a data set is of, in order, each once.

    A directory that lists several patients names none.

    Raises
    ------
    EncodingUnknown
    """
    listed = dict.fromkeys(_patient(found, text))
    records = [tuple(_patient(record, text)) for record in found.items.get(tags.DIRECTORY_RECORDS, ())]
    patients = {ids for ids in records if ids}
    if len(patients) == 1:
        listed |= dict.fromkeys(patients.pop())
    return tuple(listed)


def _patient(found: Found, text: Repertoire) -> Iterator[SourceIdentifier]:
    yield from _listed(found, text, found.values.get(tags.PATIENT_ID, b""))
    for other in found.items.get(tags.OTHER_IDS_SEQUENCE, ()):
        # Of the numbers of others one without an issuer is not one of this archive's.
        yield from _listed(other, text, other.values.get(tags.PATIENT_ID, b""), issued=True)
    for value in text.texts(found.values.get(tags.OTHER_IDS, b"")):
        yield from _some(identifier("", value, frozenset(), strong=False))


def _listed(found: Found, text: Repertoire, value: bytes, *, issued: bool = False) -> Iterator[SourceIdentifier]:
    """Yield the values of a Patient ID; of several, which it may not have, none decides."""
    issuer, types = _issuer(found, text)
    values = text.texts(value)
    certain = len(values) == 1 and (bool(issuer) or not issued)
    for one in values:
        yield from _some(identifier(issuer, one, types, strong=certain and not _is_placeholder(one)))


def _issuer(found: Found, text: Repertoire) -> tuple[str, frozenset[str]]:
    """Return who issued an id, and of which type of HL7 table 0203 it is."""
    name = text.text(found.values.get(tags.ISSUER, b""))
    for item in found.items.get(tags.ISSUER_QUALIFIERS, ())[:1]:
        entity = text.text(item.values.get(tags.ENTITY_ID, b""))
        kind = text.text(item.values.get(tags.ENTITY_ID_TYPE, b""))
        code = text.text(item.values.get(tags.ID_TYPE_CODE, b"")).upper()
        return of_designator(name, entity, kind), frozenset({code} if code else ())
    return of_designator(name, "", ""), frozenset()


def _is_placeholder(value: str) -> bool:
    """Return whether a value stands for no number, or is a pattern that was searched for (PS3.4, C.2.2.2.4)."""
    plain = _INSIGNIFICANT.sub("", value).upper()
    return not plain.strip("0") or plain in _PLACEHOLDERS or _WILDCARDS.search(value) is not None


def _some(found: SourceIdentifier | None) -> tuple[SourceIdentifier, ...]:
    return () if found is None else (found,)
