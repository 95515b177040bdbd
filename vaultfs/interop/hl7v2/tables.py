"""Tables of HL7v2 that decide what a message is and which of its dates counts."""

from __future__ import annotations

from vaultfs.kinds import HL7V2

MEDIA_TYPE = "x-application/hl7-v2+er7"

OTHER = "hl7v2.other"
BATCH = "hl7v2.batch"

MESSAGE_TYPES = frozenset(HL7V2) - {"batch", "other"}
"""HL7 table 0076, message type: https://hl7.org/fhir/R4/v2/0076/index.html."""

Element = tuple[bytes, int, int]

_ORDER = "ORC-9 TQ1-7 ORC-7.4 OBR-27.4 ORC-15"

# When what a message reports happened, best first (HL7 v2.5.1 chapters 3, 4, 6, 7, 9, 10, 11, 12; TS and DTM fields).
_DATES: tuple[tuple[str, str], ...] = (
    # EVN-6 event occurred, EVN-2 recorded; PV1-44 admitted.
    ("EVN-6 EVN-2 PV1-44", "ADT BAR"),
    # OBR-7 observed (the specimen taken), OBX-14 the observation itself, OBR-22 reported.
    ("OBR-7 OBX-14 SPM-17.1 OBR-22", "ORU OUL OPU ORF"),
    # ORC-9 order entered; TQ1-7 and the timing of before v2.5 its start; ORC-15 effective.
    (_ORDER, "ORM OML OMG OMI OMD OMN OMS OMB OMP OMQ OPL"),
    # RXE-32 when the pharmacy received the order, RXE-1.4 the start of before v2.5.
    (f"{_ORDER} RXE-32 RXE-1.4", "RDE"),
    # RXD-3 dispensed, RXG-3.4 to be given from, RXA-3 administered from.
    (f"RXD-3 {_ORDER}", "RDS"),
    (f"RXG-3.4 {_ORDER}", "RGV"),
    ("RXA-3 ORC-9", "RAS VXU VXR"),
    # TXA-4 activity, TXA-6 written, TXA-7 transcribed.
    ("TXA-4 TXA-6 TXA-7", "MDM"),
    # SCH-11.4 begin of the appointment (of before v2.7), TQ1-7, begin of a resource.
    ("SCH-11.4 TQ1-7 AIS-4 AIG-8 AIL-6 AIP-6", "SIU SRM SRR"),
    # FT1-4 the transaction.
    ("FT1-4 EVN-6 EVN-2", "DFT"),
    # PRB-2 and GOL-2 when the problem or goal was acted on.
    ("PRB-2 GOL-2", "PPR PGL PPP PPG"),
    # RF1-7 effective.
    ("RF1-7", "REF RRI"),
)

_HEADER_DATE: tuple[Element, ...] = ((b"MSH", 7, 1),)


def _element(path: str) -> Element:
    segment, _, place = path.partition("-")
    field, _, component = place.partition(".")
    return segment.encode(), int(field), int(component or 1)


_ELEMENTS: dict[str, tuple[Element, ...]] = {
    code: tuple(_element(path) for path in paths.split()) + _HEADER_DATE
    for paths, codes in _DATES
    for code in codes.split()
}


def date_elements(message_type: str) -> tuple[Element, ...]:
    """Return segment, field and component of the dates of a message type, best first; MSH-7 comes last for all."""
    return _ELEMENTS.get(message_type, _HEADER_DATE)
