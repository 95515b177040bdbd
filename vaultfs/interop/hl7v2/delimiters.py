"""The delimiters that a message declares for itself.

Source: HL7 v2.5.1 chapter 2, 2.5.4 (message delimiters), MSH-1 and MSH-2; v2.7 chapter 2 adds the truncation character.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADER = re.compile(rb"[A-Z]{3}([!-/:-@\[-`{-~])([^\r\n]*)")
_PUNCTUATION = frozenset(b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_STANDARD = 4


@dataclass(frozen=True, slots=True)
class Delimiters:
    """Each is one byte, or empty where the message declares none."""

    field: bytes
    component: bytes
    repetition: bytes = b""
    escape: bytes = b""
    subcomponent: bytes = b""
    truncation: bytes = b""


def delimiters(header: bytes) -> Delimiters | None:
    r"""Return the delimiters that a segment MSH, FHS or BHS declares, or None if they cannot be.

    They must be distinct ASCII punctuation. Two deviations are read: trailing ones left out, if a field separator shows
    that they were left out and not cut off, and a doubled escape character (``^~\\&``), which senders get by writing
    the header as source code.
    """
    found = _HEADER.match(header)
    if found is None:
        return None
    field, rest = found.groups()
    declared, bar, _ = rest.partition(field)
    if len(declared) == _STANDARD + 1 and declared[2] == declared[3]:
        declared = declared[:3] + declared[4:]
    if not 1 <= len(declared) <= _STANDARD + 1 or (not bar and len(declared) < _STANDARD):
        return None
    if len(set(field + declared)) != 1 + len(declared) or not _PUNCTUATION.issuperset(declared):
        return None
    return Delimiters(field, *(declared[i : i + 1] for i in range(_STANDARD + 1)))
