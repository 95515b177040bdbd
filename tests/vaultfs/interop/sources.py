"""Sources of every format, small and various, from which property tests begin."""

from __future__ import annotations

import json

from tests.vaultfs.interop.ccda.documents import document, record_target
from tests.vaultfs.interop.dicom.files import BIG, DEFLATED, IMPLICIT, JPEG, dicom, image, patient

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": "http://hospital.example/mrn", "value": "4711"}],
    "name": [{"family": 'Brace } quote " backslash \\ end', "given": ["Ünïcode"]}],
}
OBSERVATION = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2020-02-29T10:11:12.345+01:00",
    "valueQuantity": {"value": 7.20, "unit": "mmol/L"},
}
BUNDLE = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {"fullUrl": "urn:uuid:1", "resource": PATIENT, "request": {"method": "POST", "url": "Patient"}},
        {"response": {"status": "404"}},
        {"request": {"method": "PUT", "url": "Observation/o1"}, "resource": OBSERVATION, "fullUrl": "urn:uuid:2"},
    ],
}
NESTED = {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": BUNDLE}, {"resource": PATIENT}]}
SORTED = json.dumps(BUNDLE, sort_keys=True).encode()
LIST = {
    "entry": [{"item": {"reference": "Observation/1"}}],
    "resourceType": "List",
    "subject": {"reference": "Patient/1"},
}

FHIR = [
    json.dumps(BUNDLE).encode(),
    json.dumps(BUNDLE, indent=2).encode(),
    b"\xef\xbb\xbf  " + json.dumps(BUNDLE, indent="\t", ensure_ascii=False).encode() + b"\r\n",
    SORTED,
    json.dumps(NESTED).encode(),
    json.dumps(LIST).encode(),
    json.dumps(PATIENT, indent=1).encode(),
    json.dumps([PATIENT, OBSERVATION, BUNDLE]).encode(),
    b"\n".join(json.dumps(one).encode() for one in (PATIENT, OBSERVATION, BUNDLE, OBSERVATION)),
    b"\r\n\r\n".join(json.dumps(one).encode() for one in (OBSERVATION, PATIENT)) + b"\r\n\r\n",
    b'{"resourceType":"Bundle","type":"searchset"}',
    b"[]",
]
FHIR_SCRAPS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"\\",
    b",",
    b":",
    b"\n",
    b"null",
    b'"resource":',
    b'"entry":[',
    b"\xff",
    b" ",
]

_ADT = (
    rb"MSH|^~\&|SEND|FAC|||20200101120000||ADT^A01|M1|P|2.5" + b"\r"
    rb"PID|1||4711^^^HOSP&1.2.3&ISO^MR~123^^^^SS||Doe^Jane" + b"\r"
    b"PV1|1|I\r"
)
_ORU = (
    rb"MSH|^~\&#|LAB|FAC|||20200102||ORU^R01^ORU_R01|M2|P|2.7||||||8859/1" + b"\r"
    b"PID|1||4712^^^HOSP||D\xf6e\r"
    rb"OBR|1||||||202001021030+0100" + b"\r"
    b"OBX|1|TX|||first line\nsecond line|||||F\r"
)
HL7 = [
    _ADT,
    _ORU,
    _ADT + _ORU,
    (_ADT + b"\r" + _ORU).replace(b"\r", b"\r\n"),
    _ADT.replace(b"\r", b"\n") + _ORU,
    rb"FHS|^~\&|A" + b"\r" + rb"BHS|^~\&|A" + b"\r" + _ADT + _ORU + b"BTS|2\rFTS|1\r",
    rb"BHS|^~\&|A" + b"\r" + b"BTS|0\r",
    b"\x0b" + _ADT + b"\x1c\r\x0b" + _ORU + b"\x1c\r",
    b"\xef\xbb\xbf" + _ADT + b"\n\n",
    b"junk\rjunk\r" + _ADT,
    b"EVN|A04\r" + _ADT,
    rb"MSH|^~\&",
    b"MSH$%~*!$A$B$$$20200101$$ADT%A01$7\rPID$1$$1%%%X!1.2.3!ISO\r",
    b"MSH|^^\r" + _ADT,
]
HL7_SCRAPS = [
    b"\r",
    b"\n",
    b"\r\n",
    b"|",
    b"^",
    b"~",
    b"\\",
    b"\x0b",
    b"\x1c\r",
    b"MSH|^~\\&|",
    b"\rMSH",
    b"\rBHS|",
    b"PID|",
    b'""',
]

_HEADER = [
    *patient("4711", "FAC"),
    (0x00080005, "CS", "ISO_IR 100"),
    (0x00080020, "DA", "20200229"),
    (0x00080030, "TM", "101112"),
    (0x00100010, "PN", "Doe^Jane"),
    (0x00100024, "SQ", [[(0x00400032, "UT", "1.2.3"), (0x00400033, "CS", "ISO")]]),
    (0x00101002, "SQ", [[(0x00100020, "LO", "4712")]]),
]
DICOM = [
    dicom(*_HEADER),
    dicom(*_HEADER, *image(), undefined=True),
    dicom(*_HEADER, *image(bits=8, samples=3), syntax=IMPLICIT),
    dicom(*_HEADER, syntax=BIG, undefined=True),
    dicom(*_HEADER, syntax=DEFLATED),
    dicom(*_HEADER, syntax=JPEG),
    dicom(*_HEADER)[132:],
]
DICOM_SCRAPS = [
    b"\xff\xff\xff\xff",
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\x0d\xe0\0\0\0\0",
    b"\xfe\xff\xdd\xe0\0\0\0\0",
    b"\x10\0\x20\0LO",
    b"SQ\0\0",
    b"UN\0\0",
    b"\0",
    b"\x1b$B",
    b"\\",
    b"DICM",
]

_DOCUMENT = (
    '<id root="1.2.4" extension="M1"/><effectiveTime value="20200229101112+0100"/>'
    + record_target(("1.2.3", "4711"), ("2.16.840.1.113883.4.1", "4712"))
    + "<title>Doe \u00e9</title>"
)
CCDA = [
    document(_DOCUMENT).encode(),
    b"\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?>\r\n<!-- c -->" + document(_DOCUMENT).encode() + b"\r\n",
    ("\ufeff<?xml version='1.0' encoding='UTF-16'?>" + document(_DOCUMENT)).encode("utf-16-le"),
    b"<?xml version='1.0' encoding='ISO-8859-1'?>" + document(_DOCUMENT).encode("latin-1"),
    document(record_target(("1.2.3", "4711")), record_target(("1.2.3", "4712"))).encode(),
]
CCDA_SCRAPS = [
    b"<",
    b">",
    b"/>",
    b"&",
    b"&lt;",
    b"<!--",
    b"]]>",
    b"<!DOCTYPE x>",
    b"<recordTarget>",
    b"</recordTarget>",
    b"<id/>",
    b'"',
    b"\xff",
    b"<?x ?>",
]
