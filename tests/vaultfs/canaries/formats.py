"""DICOM files and clinical documents with a canary in every text, header field and pixel: good ones and bad ones."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from tests.vaultfs.interop.ccda.documents import HEAD, TAIL, document
from tests.vaultfs.interop.dicom.files import (
    BIG,
    CT,
    DEFLATED,
    IMPLICIT,
    TEXTS,
    Element,
    Writer,
    dicom,
    file,
    image,
    patient,
)
from vaultfs.interop.ccda import walk
from vaultfs.interop.dicom import elements, tags
from vaultfs.testing.canary import Canaries

STREAMED = 9 * 1024 * 1024
"""Bytes of a source that is too large for a window."""

_MOMENTS = (tags.SERIES, tags.CONTENT, tags.CREATED, tags.STRUCTURE_SET, tags.TREATMENT, tags.PLAN)

_TEXTS: dict[int, str] = {
    **dict(TEXTS),
    **dict.fromkeys((tags.SOP_CLASS, tags.SOP_INSTANCE), "UI"),
    **dict.fromkeys((tags.TIMEZONE, tags.ENTITY_ID_TYPE, tags.ID_TYPE_CODE), "SH"),
    **{day: "DA" for day, _ in _MOMENTS},
    **{time: "TM" for _, time in _MOMENTS if time},
    tags.ACQUIRED_AT[0]: "DT",
    tags.ENTITY_ID: "UT",
    tags.FRAMES: "IS",
}
"""Elements of text by their representation: those of `TEXTS`, and those that the adapter reads."""

_META = {
    tags.MEDIA_SOP_CLASS: "UI",
    tags.MEDIA_SOP_INSTANCE: "UI",
    tags.TRANSFER_SYNTAX: "UI",
    0x00020012: "UI",
    0x00020013: "SH",
    0x00020016: "AE",
    0x00020100: "UI",
    0x00020102: "OB",
}
"""The same of the file meta information."""

PLANTED = frozenset({*_TEXTS, *_META})
"""Elements with a canary."""


def dicom_names() -> Iterator[str]:
    """Yield the names of the canaries that stand in elements of their own."""
    for tag in PLANTED:
        yield f"dicom{tag:08x}"


def dicom_files(planted: Canaries) -> dict[str, bytes]:
    """Return files by name: every encoding, and every way of being wrong."""
    word = planted.plain
    texts = [(tag, vr, word(f"dicom{tag:08x}")) for tag, vr in _TEXTS.items() if tag != tags.CHARACTER_SET]
    awkward = [(tag, vr, planted.text("dicomawkward")) for tag, vr, _ in texts]
    nested: list[Element] = [
        (tags.ISSUER_QUALIFIERS, "SQ", [[(tags.ENTITY_ID, "UT", word("dicomissuer"))]]),
        (tags.OTHER_IDS_SEQUENCE, "SQ", [[*patient(word("dicomother"), word("dicomotherissuer"))]]),
        (0x00081140, "SQ", [[(0x00081155, "UI", word("dicomskipped"))]]),
        (0x00091001, "UN", word("dicomprivate")),
    ]
    good = dicom(*texts, *nested)
    wide = [(tags.CHARACTER_SET, "CS", "ISO_IR 192"), *awkward, *nested]
    stated = file(Writer().elements([(tags.SOP_CLASS, "UI", CT), *patient(word("dicomplain"))]))
    return {
        "explicit.dcm": good,
        "implicit.dcm": dicom(*wide, syntax=IMPLICIT, undefined=True),
        "big.dcm": dicom(*wide, syntax=BIG),
        "deflated.dcm": dicom(*wide, syntax=DEFLATED),
        "dated.dcm": _dated(planted, 600),
        "streamed.dcm": _dated(planted, STREAMED),
        "directory.dcm": dicom((tags.DIRECTORY_RECORDS, "SQ", [[*patient(word("dicomrecord"))]])),
        "bare.dcm": good[len(file(b"")) :],
        "preamble.dcm": word("dicompreamble").encode().ljust(128, b"\0") + good[128:],
        "meta.dcm": _with_meta(planted, texts),
        # Not understood.
        "cut.dcm": good[:-5],
        "cut-deflated.dcm": dicom(*wide, syntax=DEFLATED)[:-20],
        "charset.dcm": _with_charset(planted),
        "hole.dcm": stated + bytes(100) + word("dicomhole").encode(),
        "element.dcm": stated + b"\x11\0\x11\0ZZ\1\1" + word("dicomelement").encode(),
        "value.dcm": dicom((tags.PATIENT_ID, "UT", word("dicomvalue") * (elements.MAX_VALUE // 8))),
        "item.dcm": dicom((tags.OTHER_IDS_SEQUENCE, "OB", word("dicomitem"))),
        "deep.dcm": _deep(word("dicomdeep")),
    }  # fmt: skip


def _dated(planted: Canaries, size: int) -> bytes:
    """Return an image of about `size` bytes with canaries where dates, numbers and pixels stand."""
    day, time = f"{planted.moment:%Y%m%d}", f"{planted.moment:%H%M%S}"
    of = {"DA": day, "TM": time, "DT": day + time, "UI": f"1.2.{day}"}
    dates: list[Element] = [
        (tag, vr, of[vr]) for tag, vr in _TEXTS.items() if vr in of and tag not in (tags.SOP_CLASS, tags.SOP_INSTANCE)
    ]
    own: list[Element] = [(tags.SOP_CLASS, "UI", CT), (tags.SOP_INSTANCE, "UI", f"1.2.{day}.{size}")]
    rows = size // 600
    pixels = image(rows, 300, pixels=planted.data(f"dicompixels{size}", rows * 600))
    listed = [*own, *dates, *patient(day, f"1.2.{day}.2"), *pixels]
    return file(Writer().elements(sorted(listed, key=lambda one: one[0])))


def _with_meta(planted: Canaries, texts: list[Element]) -> bytes:
    """Return a file whose meta information has canaries too, the transfer syntax among them."""
    listed = [(tag, vr, planted.plain(f"dicom{tag:08x}")) for tag, vr in _META.items()]
    return bytes(128) + b"DICM" + Writer().elements([*listed, *sorted(texts)])


def _with_charset(planted: Canaries) -> bytes:
    """Return a file with a character set that nobody knows, and bytes that are in none."""
    stated = planted.plain(f"dicom{tags.CHARACTER_SET:08x}")
    return dicom((tags.CHARACTER_SET, "CS", stated), *patient(planted.plain("dicombytes").encode() + b"\xff"))


def _deep(word: str) -> bytes:
    """Return a file with sequences in sequences, of an undefined length, or the outermost would be skipped whole."""
    nested: Element = (0x00081155, "UI", word)
    for _ in range(elements.MAX_DEPTH + 2):
        nested = (0x00081140, "SQ", [[nested]])
    return file(Writer(undefined=True).elements([(tags.SOP_CLASS, "UI", CT), nested]))


def clinical_documents(planted: Canaries) -> dict[str, bytes]:
    """Return documents by name: every encoding, and every way of being wrong."""
    word = planted.plain
    good = _document(planted)
    title = f"<title>{word('cdacut')}</title>"
    kind = f'<!DOCTYPE ClinicalDocument SYSTEM "{word("cdatype")}" [<!ENTITY e "{word("cdaentity")}">]>'
    deep = "".join(f"<{word('cdadeep')}>" for _ in range(walk.MAX_DEPTH + 1))
    long = word("cdalong")
    return {
        "good.xml": good.encode(),
        "wide.xml": ('<?xml version="1.0" encoding="UTF-16"?>' + good).encode("utf-16"),
        "latin.xml": ('<?xml version="1.0" encoding="ISO-8859-1"?>' + good).encode("latin-1"),
        "streamed.xml": document(good[len(HEAD) : -len(TAIL)], long * (STREAMED // len(long))).encode(),
        # Not understood.
        "cut.xml": document(title)[:-5].encode(),
        "crossed.xml": document(f"<{word('cdaopen')}></{word('cdaclose')}>").encode(),
        "type.xml": (kind + document(title, "&e;")).encode(),
        "encoding.xml": (f'<?xml version="1.0" encoding="{word("cdaencoding")}"?>' + document(title)).encode(),
        "bytes.xml": document(title).encode().replace(b"<title>", b"<title>\xff"),
        "prefix.xml": document(f"<{word('cdaprefix')}:id/>").encode(),
        "deep.xml": f"{HEAD}{deep}".encode(),
        "tag.xml": f'{HEAD}<id root="{word("cdatag") * (walk.MAX_TAG_BYTES // 8)}'.encode(),
    }


def _document(planted: Canaries) -> str:
    """Return a document with a canary in every element of its header, a date where one may stand, and a body."""

    def quoted(name: str) -> str:
        return quoteattr(planted.text(f"cda{name}"))

    def text(name: str) -> str:
        return escape(planted.text(f"cda{name}"))

    when = f'value="{planted.moment:%Y%m%d%H%M%S}+0100"'
    number = f"root={quoted('root')} extension={quoted('extension')} assigningAuthorityName={quoted('authority')}"
    person = f"<name><given>{text('given')}</given><family>{text('family')}</family></name>"
    where = f"<addr><city>{text('city')}</city></addr><telecom value={quoted('telecom')}/>"
    entity = f"<assignedAuthor><id {number}/>{where}<assignedPerson>{person}</assignedPerson></assignedAuthor>"
    span = f"<effectiveTime><low {when}/><high {when}/></effectiveTime>"
    return document(
        f"<?{planted.plain('cdainstruction')} {planted.plain('cdainstructed')}?><!--{planted.plain('cdacomment')}-->",
        f"<realmCode code={quoted('realm')}/><typeId {number}/><templateId {number}/><id {number}/>",
        f"<code code={quoted('code')} displayName={quoted('display')}/><title>{text('title')}</title>",
        f"<effectiveTime {when}/><confidentialityCode code={quoted('confidential')}/>",
        f"<languageCode code={quoted('language')}/><setId {number}/><versionNumber value={quoted('version')}/>",
        f"<recordTarget><patientRole><id {number}/><id root={quoted('rootalone')}/>",
        f'<id root="1.2.{planted.moment:%Y%m%d}" extension="{planted.moment:%Y%m%d}"/>{where}',
        f"<patient>{person}<administrativeGenderCode code={quoted('gender')}/><birthTime {when}/></patient>",
        f"<providerOrganization><id {number}/><name>{text('provider')}</name></providerOrganization>",
        "</patientRole></recordTarget>",
        f"<author><time {when}/>{entity}</author>",
        f"<custodian><name>{text('custodian')}</name></custodian>",
        f"<documentationOf><serviceEvent>{span}</serviceEvent></documentationOf>",
        f"<componentOf><encompassingEncounter><id {number}/>{span}</encompassingEncounter></componentOf>",
        f'<x:{planted.plain("cdaelement")} xmlns:x={quoted("namespace")} x:{planted.plain("cdaattribute")}="1"/>',
        f"<component><structuredBody><text>{text('body')}</text></structuredBody></component>",
        f"<![CDATA[{planted.text('cdasection')}]]>",
    )


def document_names() -> Iterator[str]:
    """Yield the names of the canaries of a document that stand there as they are."""
    for name in "type entity encoding open close prefix deep tag long cut instruction comment element".split():
        yield f"cda{name}"
    for name in "root extension realm code title family telecom gender provider custodian namespace body".split():
        yield f"cda{name}"
