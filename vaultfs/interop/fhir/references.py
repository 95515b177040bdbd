"""References that may mean a patient.

Source: https://hl7.org/fhir/R4/references.html and https://hl7.org/fhir/R4/bundle.html#references. A reference is kept
as written, without the version: what it resolves to is for the import to find out.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

_LITERAL = re.compile(r"((?:https?://[^\s?#]+/)?Patient/[^\s/?#|]+)(?:/_history/[^\s/?#|]+)?")
_URN = re.compile(r"urn:(?:uuid|oid):[^\s#?]+")
_CONDITIONAL = re.compile(r"Patient\?([^#\s]+)")


def literal(text: str) -> str | None:
    """Return a reference to a patient without its version, or None if it is to something else.

    ``urn:uuid:`` and ``urn:oid:`` may be anything in the same bundle, so they may be a patient.
    """
    found = _LITERAL.fullmatch(text)
    if found:
        return found[1]
    return text if _URN.fullmatch(text) else None


def conditional(text: str) -> tuple[str, str] | None:
    """Return system and value of ``Patient?identifier=system|value``, or None.

    Source: https://hl7.org/fhir/R4/http.html#trules, conditional references. A search on anything else, or on more,
    needs a server to answer it.
    """
    found = _CONDITIONAL.fullmatch(text)
    if found is None:
        return None
    query = parse_qsl(found[1], keep_blank_values=True)
    if len(query) != 1 or query[0][0] != "identifier" or "," in query[0][1]:
        return None
    system, bar, value = query[0][1].rpartition("|")
    return (system, value) if bar and value and "|" not in system else None
