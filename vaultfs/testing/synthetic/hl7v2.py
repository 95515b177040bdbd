"""A patient as HL7v2 messages: admissions, results, orders, vaccinations, documents, in the variants that files have.

Inside a file a segment ends with CR (the standard), LF or CRLF (what file transfers make of it); some files begin with
a byte order mark, and some are batches (FHS, BHS ... BTS, FTS; chapter 2.10.3).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime

from vaultfs.testing.synthetic import segments
from vaultfs.testing.synthetic.life import Hospital, Life, Note, Prescription, Report, Visit

BOM = b"\xef\xbb\xbf"

_ELIGIBILITY = (
    "OBX|1|CWE|64994-7^Vaccine funding program eligibility category^LN|1|V01^Not VFC eligible^HL70064"  # CDC IIS guide
)


def hl7v2_messages(life: Life, end: bytes = b"\r") -> list[bytes]:
    """Return the messages that a life left behind, in the order in which they were sent.

    Parameters
    ----------
    life
        The patient.
    end
        What ends a segment: CR, LF or CRLF. The last segment is ended too.

    Returns
    -------
    list of bytes
        ADT^A01 (or A04), ORU^R01, ORM^O01, RDE^O11, VXU^V04, MDM^T02 and ADT^A03 for each visit as far as it has
        them, then an ADT^A08. UTF-8.
    """
    return [b"".join(line.encode() + end for line in lines) for lines in _conversations(life)]


def batch(messages: Sequence[bytes], hospital: Hospital, when: datetime, end: bytes = b"\r") -> bytes:
    """Return `messages`, which end their segments with `end`, as a batch file of one batch."""
    stamp = f"{segments.day(when)}{when:%H%M%S}"
    sender = segments.authority(hospital, "^")
    head = [rf"FHS|^~\&|EHR|{sender}|ARCHIVE|LEGACY|{stamp}", rf"BHS|^~\&|EHR|{sender}|ARCHIVE|LEGACY|{stamp}"]
    tail = [f"BTS|{len(messages)}", "FTS|1"]
    wrap = [b"".join(line.encode() + end for line in lines) for lines in (head, tail)]
    return b"".join((wrap[0], *messages, wrap[1]))


def _conversations(life: Life) -> Iterator[list[str]]:
    for visit in life.visits:
        inpatient = visit.setting == "IMP"
        yield _admission(life, visit, "A01" if inpatient else "A04", ended=False)
        for report in life.reports:
            if report.visit is visit:
                yield _order(life, report)
                yield _result(life, report)
        for prescription in life.prescriptions:
            if prescription.visit is visit:
                yield _drug(life, prescription)
        if any(shot.visit is visit for shot in life.shots):
            yield _vaccinations(life, visit)
        for note in life.notes:
            if note.visit is visit:
                yield _document(life, note)
        if inpatient:
            yield _admission(life, visit, "A03", ended=True)
    if life.visits:
        yield _admission(life, life.visits[-1], "A08", ended=False)


def _head(life: Life, visit: Visit, message: str, key: str) -> list[str]:
    """Return MSH and PID; the control id is made of the visit's number and `key`, and so is its own."""
    when = segments.at(life.person, visit.end if key.endswith(("A03", "A08")) else visit.start)
    return [
        segments.msh(life.person.hospital, when, message, f"{visit.account}{key}"),
        segments.pid(life.person, visit),
    ]


def _admission(life: Life, visit: Visit, event: str, ended: bool) -> list[str]:
    structure = {"A01": "ADT_A01", "A04": "ADT_A01", "A08": "ADT_A01", "A03": "ADT_A03"}[event]
    msh, pid = _head(life, visit, f"ADT^{event}^{structure}", event)
    when = segments.at(life.person, visit.end if ended else visit.start)
    lines = [msh, f"EVN|{event}|{when}", pid, segments.pv1(life.person, visit, ended)]
    if event != "A03":
        lines += [segments.al1(number, item) for number, item in enumerate(life.allergies, 1)]
    if visit.reason is not None:
        lines.append(segments.dg1(life.person, 1, visit.reason))
    return [*lines, segments.in1(life.person, life.cover)]


def _order(life: Life, report: Report) -> list[str]:
    visit = report.visit
    order = segments.obr(life.person, report).rpartition("|F")[0] + "|"
    return [
        *_head(life, visit, "ORM^O01^ORM_O01", f"O{report.order}"),
        segments.pv1(life.person, visit, ended=False),
        segments.orc(life.person, "NW", report.order, visit),
        order.rstrip("|"),
    ]


def _result(life: Life, report: Report) -> list[str]:
    visit = report.visit
    lines = [
        *_head(life, visit, "ORU^R01^ORU_R01", f"R{report.order}"),
        segments.pv1(life.person, visit, ended=False),
        segments.orc(life.person, "RE", report.order, visit),
        segments.obr(life.person, report),
    ]
    number = 1
    for reading in report.readings:
        results = segments.obx(life.person, number, reading)
        lines += results
        number += len(results)
    return [*lines, "NTE|1|L|Specimen received in good condition."]


def _drug(life: Life, item: Prescription) -> list[str]:
    return [
        *_head(life, item.visit, "RDE^O11^RDE_O11", f"D{item.order}"),
        segments.pv1(life.person, item.visit, ended=False),
        segments.orc(life.person, "NW", item.order, item.visit),
        *segments.rxe(life.person, item),
    ]


def _vaccinations(life: Life, visit: Visit) -> list[str]:
    lines = _head(life, visit, "VXU^V04^VXU_V04", "V04")
    for number, shot in enumerate((s for s in life.shots if s.visit is visit), 1):
        lines.append(segments.orc(life.person, "RE", f"{visit.account}{number}", visit))
        lines += segments.rxa(life.person, shot)
        lines.append(f"{_ELIGIBILITY}||||||F|||{segments.day(visit.start)}")
    return lines


def _document(life: Life, note: Note) -> list[str]:
    visit = note.visit
    when = segments.at(life.person, visit.end)
    data = b64encode(note.text.encode()).decode("ascii")
    msh, pid = _head(life, visit, "MDM^T02^MDM_T02", f"T{note.id[:8]}")
    return [
        msh,
        f"EVN|T02|{when}",
        pid,
        segments.pv1(life.person, visit, ended=False),
        f"TXA|1|PN|TX|{when}|{segments.clinician(visit.clinician)}|||||||{note.id}|||||AU",
        f"OBX|1|TX|{segments.coded(note.type)}|1|{segments.escape(note.text)}||||||F",
        f"OBX|2|ED|{segments.coded(note.type)}|2|^TEXT^plain^Base64^{data}||||||F",
    ]
