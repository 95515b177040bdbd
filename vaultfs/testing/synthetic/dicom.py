"""A patient's CT as DICOM files: a phantom of ellipses in two series, as a scanner would write it uncompressed.

Source: DICOM PS3.10, section 7 (file format), PS3.3, A.3 (CT Image IOD), PS3.5, section 7 (explicit little endian).
Integers throughout, so that the bytes are the same everywhere.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from vaultfs.testing.synthetic import segments
from vaultfs.testing.synthetic.codes import SOP_CLASSES
from vaultfs.testing.synthetic.draw import Draw
from vaultfs.testing.synthetic.life import Life, Visit

SIDE = 64
"""Rows and columns of an image."""

SLICES = 2
"""Images of a series."""

SERIES = (("SOFT TISSUE", 3), ("LUNG", 12))
"""Descriptions of the series, and the noise in each: the same anatomy by two reconstruction kernels."""

_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_IMPLEMENTATION = "2.25.329800735698586629295641978511506172918"
_LONG = ("OB", "OW", "SQ", "UT")

# Ellipses: centre and half axes in 64ths of the side, and the value inside (stored values; water is 1024).
_BODY = (
    (32, 32, 28, 20, 1074),
    (21, 32, 9, 13, 174),
    (43, 32, 9, 13, 174),
    (33, 38, 6, 6, 1084),
    (32, 47, 4, 4, 1724),
)

Element = tuple[int, str, bytes]


def ct_images(seed: int, life: Life) -> dict[tuple[int, int], bytes]:
    """Return a CT study of the last visit as files, by number of the series and of the image in it.

    Parameters
    ----------
    seed
        Names the study: equal seeds and lives give equal bytes.
    life
        The patient, who has had a visit.
    """
    visit = life.visits[-1]
    draw = Draw(seed, life.person.id, "ct")
    study, frame = _uid(draw), _uid(draw)
    files: dict[tuple[int, int], bytes] = {}
    for number, (kernel, noise) in enumerate(SERIES, 1):
        series = _uid(draw)
        for image in range(1, SLICES + 1):
            elements = [
                *_subject(life),
                *_study(life, visit, study, series, frame),
                *_image(number, kernel, image, _uid(draw)),
                (0x7FE00010, "OW", _pixels(draw, image, noise)),
            ]
            files[number, image] = _file(sorted(elements))
    return files


def _uid(draw: Draw) -> str:
    return f"2.25.{int(draw.uuid().replace('-', ''), 16)}"


# What is said.


def _subject(life: Life) -> list[Element]:
    person = life.person
    issuer = [
        (0x00400032, "UT", person.hospital.oid.encode()),
        (0x00400033, "CS", b"ISO"),
        (0x00400035, "CS", b"MR"),
    ]
    return [
        (0x00080005, "CS", b"ISO_IR 192"),
        (0x00100010, "PN", f"{person.family}^{'^'.join(person.given)}".encode()),
        (0x00100020, "LO", person.mrn.value.encode()),
        (0x00100021, "LO", segments.namespace(person.hospital).encode()),
        (0x00100024, "SQ", _item(issuer)),
        (0x00100030, "DA", segments.day(person.born).encode()),
        (0x00100040, "CS", b"F" if person.female else b"M"),
    ]


def _study(life: Life, visit: Visit, study: str, series: str, frame: str) -> list[Element]:
    day, time = segments.day(visit.start).encode(), f"{visit.start:%H%M%S}".encode()
    zone = segments.at(life.person, visit.start)[-5:].encode()
    doctor = f"{visit.clinician.family}^{visit.clinician.given}".encode()
    return [
        *((tag, "DA", day) for tag in (0x00080020, 0x00080021, 0x00080022, 0x00080023)),
        *((tag, "TM", time) for tag in (0x00080030, 0x00080031, 0x00080032, 0x00080033)),
        (0x00080050, "SH", visit.account.encode()),
        (0x00080060, "CS", b"CT"),
        (0x00080070, "LO", b"Invented"),
        (0x00080080, "LO", visit.clinician.hospital.name.encode()),
        (0x00080090, "PN", doctor),
        (0x00080201, "SH", zone),
        (0x00081030, "LO", b"CT chest"),
        (0x00180015, "CS", b"CHEST"),
        (0x00180050, "DS", b"5"),
        (0x00180060, "DS", b"120"),
        (0x0020000D, "UI", study.encode()),
        (0x0020000E, "UI", series.encode()),
        (0x00200010, "SH", visit.account.encode()),
        (0x00200052, "UI", frame.encode()),
        (0x00201040, "LO", b""),
    ]


def _image(series: int, kernel: str, image: int, uid: str) -> list[Element]:
    return [
        (0x00080008, "CS", b"ORIGINAL\\PRIMARY\\AXIAL"),
        (0x00080016, "UI", SOP_CLASSES["CT"][0].encode()),
        (0x00080018, "UI", uid.encode()),
        (0x0008103E, "LO", kernel.encode()),
        (0x00181210, "SH", kernel.encode()),
        (0x00200011, "IS", b"%d" % series),
        (0x00200012, "IS", b"1"),
        (0x00200013, "IS", b"%d" % image),
        (0x00200032, "DS", b"-160\\-160\\%d" % (5 * image)),
        (0x00200037, "DS", b"1\\0\\0\\0\\1\\0"),
        (0x00280002, "US", _short(1)),
        (0x00280004, "CS", b"MONOCHROME2"),
        (0x00280010, "US", _short(SIDE)),
        (0x00280011, "US", _short(SIDE)),
        (0x00280030, "DS", b"5\\5"),
        (0x00280100, "US", _short(16)),
        (0x00280101, "US", _short(12)),
        (0x00280102, "US", _short(11)),
        (0x00280103, "US", _short(0)),
        (0x00281052, "DS", b"-1024"),
        (0x00281053, "DS", b"1"),
    ]


def _pixels(draw: Draw, image: int, noise: int) -> bytes:
    """Return the phantom: air, with ellipses of tissue, lung, heart and bone, a little smaller in every image."""
    values = []
    for y in range(SIDE):
        for x in range(SIDE):
            value = 24
            for cx, cy, width, height, inside in _BODY:
                w, h = width * 8 - image, height * 8 - image
                if (x - cx) ** 2 * 64 * h * h + (y - cy) ** 2 * 64 * w * w <= w * w * h * h:
                    value = inside
            values.append(value + draw.between(-noise, noise))
    return struct.pack(f"<{len(values)}H", *values)


# How it is written.


def _short(value: int) -> bytes:
    return struct.pack("<H", value)


def _element(tag: int, vr: str, value: bytes) -> bytes:
    value += (b"\0" if vr in ("UI", "OB") else b" ") * (len(value) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    return head + (struct.pack("<HI", 0, len(value)) if vr in _LONG else _short(len(value))) + value


def _item(elements: Sequence[Element]) -> bytes:
    content = b"".join(_element(*one) for one in elements)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def _file(elements: Sequence[Element]) -> bytes:
    stated = {tag: value for tag, _, value in elements}
    meta = b"".join(
        _element(tag, vr, value)
        for tag, vr, value in (
            (0x00020001, "OB", b"\0\1"),
            (0x00020002, "UI", stated[0x00080016]),
            (0x00020003, "UI", stated[0x00080018]),
            (0x00020010, "UI", _EXPLICIT_LITTLE.encode()),
            (0x00020012, "UI", _IMPLEMENTATION.encode()),
        )
    )
    length = _element(0x00020000, "UL", struct.pack("<I", len(meta)))
    return bytes(128) + b"DICM" + length + meta + b"".join(_element(*one) for one in elements)
