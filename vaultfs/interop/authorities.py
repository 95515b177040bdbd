"""Who assigns identifiers: one spelling for each authority, and the types of identifier that do not name one person.

FHIR (``Identifier.system``, ``Identifier.type``), HL7v2 (HD, CX.5), DICOM (Issuer of Patient ID) and C-CDA (II) use
these, so that the same number is the same identifier in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from vaultfs.interop.pieces import SourceIdentifier
from vaultfs.model import MAX_IDENTIFIER_CHARS

US_SSN = "http://hl7.org/fhir/sid/us-ssn"
US_NPI = "http://hl7.org/fhir/sid/us-npi"

# https://hl7.org/fhir/R4/identifier-registry.html and namingsystem-registry.html: an authority by its OID and by the
# URI that FHIR prefers.
_SAME = {
    "urn:oid:2.16.840.1.113883.4.1": US_SSN,
    "urn:oid:2.16.840.1.113883.4.6": US_NPI,
    "urn:oid:2.16.840.1.113883.4.572": "http://hl7.org/fhir/sid/us-medicare",
    "urn:oid:2.16.840.1.113883.4.927": "http://hl7.org/fhir/sid/us-mbi",
}

# Numbers that relatives share (the Medicare number of before 2018 is that of the wage earner), that are mistyped, or
# that name clinicians and not patients.
_WEAK_AUTHORITIES = frozenset({US_SSN, US_NPI, "http://hl7.org/fhir/sid/us-medicare"})

# OID arcs under which US driver's licences (4.3.<state>) and passports (4.330.<country>) are assigned,
# and the FHIR equivalent of the latter: https://hl7.org/fhir/R4/identifier-registry.html.
_WEAK_PREFIXES = (
    "urn:oid:2.16.840.1.113883.4.3.",
    "urn:oid:2.16.840.1.113883.4.330.",
    "http://hl7.org/fhir/sid/passport-",
)

# HL7 table 0203 (https://hl7.org/fhir/R4/v2/0203/index.html), the codes that do not name one living subject for good.
_WEAK_TYPES = (
    ("accounts, visits, specimens", "AN ANC AND ANT VN ACSN ASID FILL LACSN PLAC SID SNO USID"),
    ("cards and bank accounts", "AM BA BC DI DS MS VS"),
    ("insurance and benefits, which families share", "HC LI MA MB MC NH NII NIIP PEN RR SB SN WC WCN"),
    ("papers that are renewed, replaced, mistyped", "BCT CONM CZ DL DP LN MCT NCT PC PPN PRC SL SP SS TAX TPR VP WP"),
    ("employers, guarantors, organisations, cost centres", "CC CY EI EN ESN FI GI GL GN NE XX"),
    ("clinicians in their trade, not as patients", "AMA APRN BSNR DDS DEA DFN DN DO DPM DR LANR MCD MCR MD NBSNR NP"),
    ("the same", "NPI OD PA PPIN PRN QA RI RN RPH RRP UPIN"),
    ("temporary and anonymous ones, which are used again", "ANON MRT PNT"),
    ("animals and devices", "BRN MCN UDI"),
    ("not in the table, but common in its place", "ACCT DLN INS SSA SSN"),
)

WEAK_TYPES = frozenset(code for _, codes in _WEAK_TYPES for code in codes.split())
"""Types of identifier that are asserted, but do not by themselves decide whose record something is."""

_URI_TYPES = frozenset({"URI", "URL", "HTTP", "HTTPS"})

_OID = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*)){2,}")


def canonical(authority: str) -> str:
    """Return the one spelling of an authority: bare OIDs become ``urn:oid:``, known synonyms their preferred URI."""
    text = authority.strip()
    if _OID.fullmatch(text):
        text = "urn:oid:" + text
    scheme = text[:9].lower()
    if scheme.startswith("urn:oid:"):
        text = "urn:oid:" + text[8:]
    elif scheme == "urn:uuid:":
        text = text.lower()
    return _SAME.get(text, text)


def is_oid(text: str) -> bool:
    """Return whether `text` is an object identifier of at least three arcs in dotted form."""
    return _OID.fullmatch(text) is not None


def local(name: str) -> str:
    """Return a name that only its sender understands, without a colon; percent-encoded, so that names stay apart."""
    return name.replace("%", "%25").replace(":", "%3A")


def of_designator(namespace: str, universal_id: str, id_type: str) -> str:
    """Return the authority that an HD names: a URI where it has a universal id, else a local name, else nothing.

    HL7v2 and DICOM (PS3.3, 10.14, HL7v2 Hierarchic Designator) state authorities so. How one becomes a URI follows
    https://hl7.org/fhir/uv/v2mappings/ (HD to uri). Source: HL7 table 0301, universal id type. Ids of other types (L,
    M, N, HCD, x400 ...) are not unique by themselves.
    """
    kind = id_type.upper()
    if universal_id:
        if is_oid(universal_id.removeprefix("urn:oid:")) and kind in ("ISO", ""):
            return canonical(universal_id)
        if kind in ("UUID", "GUID"):
            return canonical("urn:uuid:" + universal_id.removeprefix("urn:uuid:"))
        if kind in _URI_TYPES or _is_uri(universal_id):
            return canonical(universal_id)
        if kind == "DNS":
            return "dns:" + universal_id.lower()
    name = namespace or universal_id
    return canonical(name) if is_oid(name) or _is_uri(name) else local(name)


def _is_uri(text: str) -> bool:
    return text.lower().startswith(("http://", "https://", "urn:"))


def identifier(authority: str, value: str, types: frozenset[str], *, strong: bool = True) -> SourceIdentifier | None:
    """Return an identifier with its strength, or None if it says nothing or is longer than a vault takes.

    Parameters
    ----------
    authority
        Canonical.
    types
        Codes of HL7 table 0203 that the source gives it.
    strong
        False where its place in the source makes it weak already.
    """
    if not 0 < len(value) <= MAX_IDENTIFIER_CHARS or len(authority) > MAX_IDENTIFIER_CHARS:
        return None
    weak = authority in _WEAK_AUTHORITIES or authority.startswith(_WEAK_PREFIXES) or not WEAK_TYPES.isdisjoint(types)
    return SourceIdentifier(authority, value, strong and not weak)


def of_one_patient(named: Iterable[Iterable[SourceIdentifier]]) -> tuple[SourceIdentifier, ...]:
    """Return the identifiers of the one patient whom a record names, in order, each once; none where it names several.

    Parameters
    ----------
    named
        The identifiers in each place where the record names a patient. Two places that share no identifier that
        decides name two patients.
    """
    first: tuple[SourceIdentifier, ...] = ()
    for place in named:
        found = tuple(dict.fromkeys(place))
        if not first:
            first = found
        elif found and _deciding(first).isdisjoint(_deciding(found)):
            return ()
    return first


def _deciding(found: tuple[SourceIdentifier, ...]) -> set[SourceIdentifier]:
    """Return the strong identifiers, or all if there is none."""
    return {one for one in found if one.strong} or set(found)
