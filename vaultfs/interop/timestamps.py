"""Time stamps as HL7v2, C-CDA and DICOM write them, as clinical dates.

Source: HL7 v2.5.1 chapter 2A, data type DTM: YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]; the same form have TS of
HL7 version 3 data types and DT of DICOM PS3.5, 6.2. An hour without minutes counts as a known day only, because no
smaller part of it is known.
"""

from __future__ import annotations

import re
from datetime import datetime

from vaultfs.model import ClinicalDate, Precision

_DTM = re.compile(
    rb"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,9}))?)?)?)?)?)?(?:([+-])(\d\d)(\d\d))?"
)


def parse(field: bytes) -> ClinicalDate | None:
    """Return the date that the bytes of a time stamp state, or None if they state none; never an error, never a guess.

    A leap second (``60``) becomes the last second before it.
    """
    found = _DTM.fullmatch(field.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, zone_hour, zone_minute = found.groups()
    offset = None
    if sign:
        offset = int(zone_hour) * 60 + int(zone_minute)
        if int(zone_minute) > 59 or offset > 14 * 60:
            return None
        offset = -offset if sign == b"-" else offset
    if int(hour or 0) > 23 or int(second or 0) > 60:
        return None
    try:
        when = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour) if minute else 0,
            int(minute or 0),
            min(int(second or 0), 59),
            int(fraction[:3].ljust(3, b"0")) * 1000 if fraction else 0,
        )
    except ValueError:
        return None
    known = sum(part is not None for part in (month, day, minute, second, fraction))
    return ClinicalDate(when, Precision(1 + known), offset)
