"""FHIR dates as clinical dates.

Source: https://hl7.org/fhir/R4/datatypes.html#date, #dateTime and #instant: YYYY, YYYY-MM, YYYY-MM-DD, or all with a
time and a zone. Two deviations that exports show are read too: a time without seconds, and a time without a zone.
"""

from __future__ import annotations

import re
from datetime import datetime

from vaultfs.model import ClinicalDate, Precision

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,18}))?)?(?:(Z)|([+-])(\d\d):(\d\d))?)?)?)?",
    re.ASCII,
)


def parse(text: object) -> ClinicalDate | None:
    """Return the date that `text` states, or None if it states none; never an error, never a guess.

    A leap second (``:60``) becomes the last second before it, because the proleptic calendar of the host has none.
    """
    if not isinstance(text, str):
        return None
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, utc, sign, zone_hour, zone_minute = found.groups()
    offset = 0 if utc else None
    if sign:
        offset = int(zone_hour) * 60 + int(zone_minute)
        if int(zone_minute) > 59 or offset > 14 * 60:
            return None
        offset = -offset if sign == "-" else offset
    if second is not None and int(second) > 60:
        return None
    try:
        when = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            min(int(second or 0), 59),
            int(fraction[:3].ljust(3, "0")) * 1000 if fraction else 0,
        )
    except ValueError:
        return None
    known = sum(part is not None for part in (month, day, minute, second, fraction))
    return ClinicalDate(when, Precision(1 + known), offset)
