"""What a FHIR resource says of itself, as far as storage needs it. Pure: text in, facts or a problem out."""

from __future__ import annotations

from vaultfs.errors import FieldMalformed, NotAResource, SourceError
from vaultfs.interop.fhir import dates
from vaultfs.interop.fhir.clinical_dates import date_elements
from vaultfs.interop.fhir.compartment import SUBJECT_ELEMENTS
from vaultfs.interop.fhir.cursor import Cursor
from vaultfs.interop.fhir.references import literal
from vaultfs.interop.fhir.resources import KIND_OF
from vaultfs.interop.fhir.subjects import identifiers_of, leaves, subject_of, usable
from vaultfs.interop.fhir.values import Fields, text_of, value
from vaultfs.interop.pieces import Facts
from vaultfs.interop.window import Window
from vaultfs.model import ClinicalDate

MEDIA_TYPE = "application/fhir+json"


def describe(text: bytes, fields: Fields, full_url: str | None) -> Facts | SourceError:
    """Return the facts of a resource, or why it has none.

    Elements of an impossible type count as absent, as FHIR consumers treat them, except where that could file the
    record under the wrong patient: then it is `FieldMalformed`.

    Parameters
    ----------
    text, fields
        The resource, and the same split into members.
    full_url
        The ``fullUrl`` of its bundle entry.
    """
    resource_type = text_of(fields.get("resourceType"))
    if resource_type is None or resource_type not in KIND_OF:
        return NotAResource()
    if _repeats(text, resource_type):
        return FieldMalformed()
    own_id = text_of(fields.get("id"))
    name = f"{resource_type}/{own_id}" if own_id else None
    if not usable(name):
        name = None
    if resource_type == "Patient":
        return _patient(fields, name, full_url)
    subject = subject_of(resource_type, fields)
    if subject.malformed:
        return FieldMalformed()
    return Facts(
        KIND_OF[resource_type],
        MEDIA_TYPE,
        date=_date(resource_type, fields),
        identifiers=subject.identifiers,
        subject_references=subject.references,
        logical_id=name,
    )


def _patient(fields: Fields, name: str | None, full_url: str | None) -> Facts:
    listed = fields.get("identifier")
    own = (literal(full_url) if usable(full_url) else None, name)
    return Facts(
        "Patient",
        MEDIA_TYPE,
        identifiers=identifiers_of(value(listed)) if listed is not None else (),
        own_references=tuple(dict.fromkeys(one for one in own if one)),
        logical_id=name,
        is_subject=True,
    )


def _date(resource_type: str, fields: Fields) -> ClinicalDate | None:
    for path in date_elements(resource_type):
        raw = fields.get(path[0])
        if raw is None:
            continue
        for leaf in leaves(value(raw), path[1:]):
            found = dates.parse(leaf)
            if found is not None:
                return found
    return None


def _repeats(text: bytes, resource_type: str) -> bool:
    """Return whether a name that decides where the record belongs stands in the object twice.

    Readers differ in which of two equal names they take (RFC 8259, section 4), and so in whose record it is. Counting
    the name's text is cheap and rules most records out; the others are read member by member.
    """
    deciding = {path[0] for path in SUBJECT_ELEMENTS.get(resource_type, ())} | {"resourceType"}
    if resource_type == "Patient":
        deciding |= {"id", "identifier"}
    quoted = {b'"%s"' % name.encode() for name in deciding}
    if all(text.count(name) < 2 for name in quoted):
        return False
    cursor = Cursor(Window(None, len(text), data=text), 0)
    seen: set[bytes] = set()
    for name in cursor.members():
        if name in seen and name in quoted:
            return True
        seen.add(name)
        cursor.skip()
    return False
