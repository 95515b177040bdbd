"""From the bytes of a field to its text: character set and escape sequences.

Source: HL7 v2.5.1 chapter 2, 2.7 (escape sequences), MSH-18 and HL7 table 0211
(https://hl7.org/fhir/R4/v2/0211/index.html).
"""

from __future__ import annotations

import re
from functools import cache

from vaultfs.interop.hl7v2.delimiters import Delimiters

_CODECS = {
    # Table 0211. CNS 11643-1992, ISO IR14 and UTF-16/32 are left out: Python has no codec, or no MSH could be read.
    "ASCII": "ascii",
    "ISO IR6": "ascii",
    "8859/1": "iso8859-1",
    "8859/2": "iso8859-2",
    "8859/3": "iso8859-3",
    "8859/4": "iso8859-4",
    "8859/5": "iso8859-5",
    "8859/6": "iso8859-6",
    "8859/7": "iso8859-7",
    "8859/8": "iso8859-8",
    "8859/9": "iso8859-9",
    "8859/15": "iso8859-15",
    "ISO IR87": "iso2022-jp",
    "ISO IR159": "iso2022-jp-1",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc-kr",
    "BIG-5": "big5",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    # Not in the table, but common in its place.
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "ISO-8859-1": "iso8859-1",
    "ISO8859-1": "iso8859-1",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
}


def decode(data: bytes, charset: str) -> str:
    """Return `data` as text: by the character set stated if it holds, else UTF-8, else Latin-1, which always holds."""
    for codec in (_CODECS.get(charset.strip().upper(), "utf-8"), "utf-8"):
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def unescape(data: bytes, marks: Delimiters) -> bytes:
    r"""Return `data` with the escape sequences for delimiters and hexadecimal bytes undone.

    Others (``\H\``, ``\.br\``, ``\C..\``) format or switch, and stand for no character of their own: they stay.
    """
    escape = marks.escape
    if not escape or escape not in data:
        return data
    meaning = {
        b"F": marks.field,
        b"S": marks.component,
        b"T": marks.subcomponent,
        b"R": marks.repetition,
        b"E": escape,
        b"P": marks.truncation,
    }

    def undo(found: re.Match[bytes]) -> bytes:
        code: bytes = found[1]
        if code[:1] == b"X" and len(code) % 2:
            return bytes.fromhex(code[1:].decode("ascii"))
        return meaning.get(code) or found[0]

    return _sequence(escape).sub(undo, data)


@cache
def _sequence(escape: bytes) -> re.Pattern[bytes]:
    mark = re.escape(escape)
    return re.compile(mark + rb"([FSTREP]|X[0-9A-Fa-f]+)" + mark)
