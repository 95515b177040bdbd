"""What a DICOM file says of itself, as far as storage needs it. Pure: a header in, facts out."""

from __future__ import annotations

import re

from vaultfs.interop import timestamps
from vaultfs.interop.dicom import tags
from vaultfs.interop.dicom.elements import Found
from vaultfs.interop.dicom.header import EXPLICIT_LITTLE, IMPLICIT_LITTLE, Header, uid
from vaultfs.interop.dicom.identifiers import identifiers_of
from vaultfs.interop.dicom.kinds import Dates, kind_of
from vaultfs.interop.dicom.text import Repertoire
from vaultfs.interop.pieces import Facts
from vaultfs.model import ClinicalDate, PixelData, Precision

MEDIA_TYPE = "application/dicom"

_UID = re.compile(r"[0-9.]{1,64}")
_DAY = re.compile(rb"(\d{4})\.?(\d\d)\.?(\d\d)")
_ZONE = re.compile(rb"[+-]\d{4}")


def describe(header: Header) -> Facts:
    """Return the facts of a file.

    Raises
    ------
    EncodingUnknown
        An identifier of the patient is not in the character sets that the file states.
    """
    found = header.found
    text = Repertoire(found.values.get(tags.CHARACTER_SET, b""))
    kind, dates = kind_of(_uid(found, tags.SOP_CLASS) or _uid(found, tags.MEDIA_SOP_CLASS))
    return Facts(
        kind,
        MEDIA_TYPE,
        date=_date(found, dates),
        identifiers=identifiers_of(found, text),
        logical_id=_uid(found, tags.SOP_INSTANCE) or _uid(found, tags.MEDIA_SOP_INSTANCE) or None,
        pixels=_pixels(header),
    )


def _uid(found: Found, tag: int) -> str:
    text = uid(found.values.get(tag, b""))
    return text if _UID.fullmatch(text) else ""


# Dates.


def _date(found: Found, dates: Dates) -> ClinicalDate | None:
    zone = found.values.get(tags.TIMEZONE, b"").strip(b" \0")
    zone = zone if _ZONE.fullmatch(zone) else b""
    for day_tag, time_tag in dates:
        day = found.values.get(day_tag, b"").split(b"\\")[0].strip(b" \0")
        if not day:
            continue
        stated = _with_time(day, found.values.get(time_tag, b"")) if time_tag else day
        zoned = stated if re.search(rb"[+-]", stated) else stated + zone
        parsed = timestamps.parse(zoned)
        if parsed is not None and parsed.precision <= Precision.DAY:
            # An offset belongs to a time (PS3.3, C.12.1.1.8); of a day without one it would say nothing.
            return ClinicalDate(parsed.when, parsed.precision)
        if parsed is not None:
            return parsed
    return None


def _with_time(day: bytes, time: bytes) -> bytes:
    """Return a DA and a TM (PS3.5, 6.2) as one time stamp; the day alone where the time is none.

    Up to version 2 days were written with dots, and times with colons.
    """
    found = _DAY.fullmatch(day)
    if found is None:
        return b""
    plain = b"".join(found.groups())
    stated = plain + time.split(b"\\")[0].strip(b" \0").replace(b":", b"")
    return stated if timestamps.parse(stated) else plain


# Pixels.


def _pixels(header: Header) -> PixelData | None:
    """Return where native pixels are, if the header and the length of the element agree on it (PS3.5, 8.1.1)."""
    if header.pixels is None or header.syntax not in (IMPLICIT_LITTLE, EXPLICIT_LITTLE) or header.found.coding.big:
        return None
    rows, columns = _number(header.found, tags.ROWS), _number(header.found, tags.COLUMNS)
    samples = _number(header.found, tags.SAMPLES) or 1
    bits = _number(header.found, tags.BITS_ALLOCATED)
    frames = uid(header.found.values.get(tags.FRAMES, b"")) or "1"
    if not rows or not columns or bits not in (8, 16, 32) or not re.fullmatch("[0-9]{1,9}", frames, re.ASCII):
        return None
    sample = bits // 8
    by_plane = samples > 1 and _number(header.found, tags.PLANAR) == 1
    row = columns * sample * (1 if by_plane else samples)
    length = rows * columns * samples * sample * int(frames)
    offset, stated = header.pixels
    # A value of an odd length has one byte of padding.
    return PixelData(offset, length, row, sample) if length and stated == length + length % 2 else None


def _number(found: Found, tag: int) -> int:
    """Return a US value, 0 where there is none."""
    value = found.values.get(tag, b"")
    return found.coding.number(value) if len(value) == 2 else 0
