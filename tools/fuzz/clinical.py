"""Targets: the adapters of clinical formats."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from fuzz.target import Target, allowed, must
from tests.vaultfs.interop import sources
from tests.vaultfs.interop.support import AdapterClass, joined, run
from vaultfs.errors import SourceError
from vaultfs.interop.ccda import CcdaAdapter
from vaultfs.interop.dicom import DicomAdapter
from vaultfs.interop.fhir import FhirAdapter
from vaultfs.interop.hl7v2 import Hl7v2Adapter
from vaultfs.interop.pieces import Piece, WholeAdapter
from vaultfs.interop.registry import recognise
from vaultfs.kinds import builtin_kinds, builtin_media_types

_CHUNK = 64
_LARGEST, _SMALL = 1 << 26, 200
"""Largest records that an adapter takes; with the small one, sources are read entry by entry."""

_HEAD = 64 * 1024
_WHOLES = frozenset({"Bundle", "hl7v2.batch"})
"""Kinds of sources without a record of their own."""

# What native parsers compare with, and atheris therefore does not see.
_JSON = (
    b'"resourceType":"Patient"', b'"resourceType":"Bundle"', b'"id":"p1"', b'"fullUrl":"urn:uuid:1"', b'"contained":[',
    b'"identifier":[{"system":"s","value":"v"}]', b'"subject":{"reference":"Patient/p1"}', b'"effectiveDateTime":"',
    b'"meta":{"lastUpdated":"', b"0001-01-01", b"T24:00:00Z", b"T23:59:60+14:00", b"-02-30", b"\\ud800", b"\\udc00",
    b"\\u0000", b"1e999", b"-0", b"9" * 30,
)  # fmt: skip
_ER7 = (
    b"PID|1||4711^^^HOSP&1.2.3&ISO^MR\r", b"\\X00\\", b"\\.br\\", b"\\C2842\\", b"^^^&", b"UNICODE UTF-8", b"8859/15",
    b"~ISO IR87", b"20200230", b"0000", b"+2400", b"235960.9999", b"OBR|", b"OBX|", b"BTS|", b"FTS|",
)  # fmt: skip
_DATA_SET = (
    b"ISO 2022 IR 87", b"ISO_IR 192", b"GB18030", b"\x1b$)C", b"\x1b(J", b"OB\0\0", b"OW\0\0", b"UT\0\0", b"UL\4\0",
    b"\x02\0\x10\0UI", b"1.2.840.10008.1.2.1.99", b"\xe0\x7f\x10\0", b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"20200230",
)  # fmt: skip
_XML = (
    b"<ClinicalDocument xmlns='urn:hl7-org:v3'>", b"<patientRole>", b"<effectiveTime value='", b"nullFlavor='NI'",
    b"extension='", b"root='", b"<![CDATA[", b"<!ENTITY a 'b'>", b"&#0;", b"&#x10FFFF;", b"encoding='UTF-16'",
    b"standalone='no'",
)  # fmt: skip

_KINDS, _MEDIA_TYPES = builtin_kinds(), builtin_media_types()


def _reading(kind: AdapterClass) -> Callable[[bytes], None]:
    """Return a check of what an adapter makes of a source, whole and in small reads."""

    def check(data: bytes) -> None:
        recognise(data[:_HEAD])
        outcome = run(kind, data, _LARGEST)
        read = joined(outcome.pieces)
        must(data.startswith(read), "pieces joined are the source, or its beginning")
        must(outcome.error is not None or data == read, "pieces joined are the source")
        for piece in outcome.pieces:
            must((piece.facts is None) != (piece.problem is None), "a piece has facts or a problem")
            if piece.facts:
                known = piece.facts.kind in _KINDS and piece.facts.media_type in _MEDIA_TYPES
                must(known, "kinds and media types are in the registries")
        small = run(kind, data, _SMALL)
        must(all(len(piece.data) <= _SMALL for piece in small.pieces), "no record is larger than the adapter takes")
        for largest, expected in ((_LARGEST, outcome), (_SMALL, small)):
            again = run(kind, data, largest, _CHUNK)
            must(again.comparable() == expected.comparable(), "the size of reads changes nothing")
        for piece in outcome.pieces:
            _read_again(kind, piece)
        _describe(kind(), data)

    return check


def _read_again(kind: AdapterClass, piece: Piece) -> None:
    """What is stored is the record alone: its facts must not hang on what stood around it in the source."""
    facts = piece.facts
    if facts is None or facts.is_subject or facts.kind in _WHOLES:
        return
    again = run(kind, piece.data, _LARGEST).pieces
    same = [(one.data, one.facts and replace(one.facts, scope=facts.scope)) for one in again]
    must(same == [(piece.data, facts)], "reading a record again gives the same facts")


def _describe(adapter: object, data: bytes) -> None:
    if isinstance(adapter, WholeAdapter):
        with allowed(SourceError):
            adapter.describe(io.BytesIO(data), len(data))


def _lines() -> list[bytes]:
    resources = [sources.PATIENT, sources.OBSERVATION, sources.BUNDLE, sources.LIST]
    lines = [json.dumps(one).encode() for one in resources]
    return [b"\n".join(lines), b"\r\n".join(lines[::-1]) + b"\r\n", b"\n".join(lines[:1] * 5)]


def _target(name: str, kind: AdapterClass, seeds: Callable[[], Sequence[bytes]], words: Sequence[bytes]) -> Target:
    return Target(name, _reading(kind), seeds, (SourceError,), words=words)


TARGETS = [
    _target("fhir-json", FhirAdapter, lambda: sources.FHIR, [*sources.FHIR_SCRAPS, *_JSON]),
    _target("fhir-ndjson", FhirAdapter, _lines, [*sources.FHIR_SCRAPS, *_JSON]),
    _target("hl7v2", Hl7v2Adapter, lambda: sources.HL7, [*sources.HL7_SCRAPS, *_ER7]),
    _target("dicom", DicomAdapter, lambda: sources.DICOM, [*sources.DICOM_SCRAPS, *_DATA_SET]),
    _target("ccda", CcdaAdapter, lambda: sources.CCDA, [*sources.CCDA_SCRAPS, *_XML]),
]
