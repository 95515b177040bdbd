"""Hypothesis strategies for everything that a host hands to a vault. Needs ``vaultfs[testing]``.

They draw what the vault must take, up to its limits; what it must refuse is told by the docstrings of its own calls.
"""

from __future__ import annotations

from datetime import datetime

import hypothesis.strategies as st

from vaultfs.kinds import builtin_kinds, builtin_media_types
from vaultfs.model import MAX_IDENTIFIER_CHARS, ClinicalDate, Identifier, Precision
from vaultfs.testing.programs import Delete, Draft, Operation, Put, Replace, SetState, Steps, Undelete

SCRAPS = (
    *("|", "^", "~", "\\", "&", "\\F\\", "\\X0D\\", "\r", "\n", "\r\n", "\x0b", "\x1c\r"),  # HL7v2, and its framing
    *('"', "'", "{", "}", "[", "]", "\\u0000", "<", ">", "&amp;", "]]>", "<!--", ";", ",", "\t"),  # texts with a syntax
    *("%00", "%2F", "..", "../", "/", "\\\\", "~root", "$HOME", "`id`", "--", "*", ":", "CON"),  # paths and shells
    *("\x00", "\x07", "\x08", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u2029"),  # controls and line ends
    *("\u202e", "\u2066", "\u200b", "\u200d", "\u00ad", "\ufeff", "\U000e0041"),  # what is not seen
    *("é", "e\u0301", "ﬁ", "Ⅳ", "ı", "İ", "ß", "ẞ", "ſ", "Å", "Å", "a\u0300\u0301\u0302"),  # what folds and normalises
    *("а", "О", "１", "٣", "一", "ﷺ", "𝒥", "👩\u200d⚕️", "\ufffd", "\ufffe", "\U0010ffff"),  # what looks like something
    *("null", "None", "NaN", "-0", "1e999", "0x0", "true", " ", ""),
)
"""Pieces of text that programs have stumbled over."""

TWINS = tuple(
    Identifier(system, value)
    for system in (
        "urn:oid:2.16.840.1.113883.19.5",
        "urn:oid:2.16.840.1.113883.19.5.",
        "URN:OID:2.16.840.1.113883.19.5",
    )
    for value in ("12345", "012345", "12345 ", "１２３４５", "12345\u200b", "É1", "E\u03011", "é1")
)
"""Identifiers that people, and careless programs, take for the same. To a vault each is its own."""

_EDGES = (1, 31, 32, 33, 4095, 4096, 65_535, 65_536, 65_537, 1_048_575, 1_048_576, 1_048_577)


FIRST, LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999000)
"""The ends of the calendar."""

ODD_DAYS = (
    FIRST,
    datetime(1582, 10, 15),
    datetime(1900, 2, 28),
    datetime(1969, 12, 31, 23, 59, 59, 999000),
    datetime(1970, 1, 1),
    datetime(2000, 2, 29),
    datetime(2038, 1, 19, 3, 14, 7),
    LAST,
)
"""Times at which calendars, epochs and their programs begin, leap and end."""


class Content(bytes):
    """Bytes whose repr is short enough to be shown with a failing example."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Content({bytes(self[:40])!r}, {len(self)} bytes)"


def hostile_text(*, min_size: int = 0, max_size: int = 64) -> st.SearchStrategy[str]:
    """Text that can be encoded, with delimiters, controls, and characters that fold, combine, hide or turn around.

    Parameters
    ----------
    min_size, max_size
        In characters.
    """
    anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    pieces = st.lists(st.sampled_from(SCRAPS) | anything, min_size=1, max_size=12).map("".join)
    padded = st.tuples(pieces, st.integers(min_size, max_size)).map(lambda two: two[0].ljust(two[1], "x")[:max_size])
    return padded if max_size else st.just("")


def identifiers() -> st.SearchStrategy[Identifier]:
    """Identifiers: usual ones, twins, hostile ones, and the longest that there may be."""
    text = hostile_text(min_size=1, max_size=80)
    longest = st.sampled_from("x\u00e9\U0001f9ec").map(lambda one: one * MAX_IDENTIFIER_CHARS)
    usual = st.from_regex(r"[0-9]{1,12}", fullmatch=True).map(lambda number: Identifier(TWINS[0].system, number))
    return usual | twins() | st.builds(Identifier, text | longest, text | longest)


def twins() -> st.SearchStrategy[Identifier]:
    """A few identifiers that look alike, so that programs come back to the same ones."""
    return st.sampled_from(TWINS)


@st.composite
def clinical_dates(draw: st.DrawFn, *, min_value: datetime = FIRST, max_value: datetime = LAST) -> ClinicalDate:
    """Clinical dates of every precision, with and without an offset, with the odd days.

    Parameters
    ----------
    min_value, max_value
        Bounds of the wall-clock time before it is cut to its precision.
    """
    fitting = [when for when in ODD_DAYS if min_value <= when <= max_value]
    anything = st.datetimes(min_value, max_value)
    when = draw(anything | st.sampled_from(fitting) if fitting else anything)
    precision = draw(st.sampled_from(Precision))
    offset = draw(st.none() | st.integers(-1439, 1439) | st.sampled_from([0, 330, 345, -720, 840]))
    return ClinicalDate(_cut(when, precision), precision, offset)


def _cut(when: datetime, precision: Precision) -> datetime:
    kept = (0, 1, 2, 3, 5, 6, 7)[precision]
    milliseconds = when.microsecond // 1000 * 1000
    stated = (when.year, when.month, when.day, when.hour, when.minute, when.second, milliseconds)
    least = (1, 1, 1, 0, 0, 0, 0)
    year, month, day, hour, minute, second, microsecond = stated[:kept] + least[kept:]
    return datetime(year, month, day, hour, minute, second, microsecond)


def kinds() -> st.SearchStrategy[str]:
    """Kinds that every vault knows."""
    return st.sampled_from(sorted(builtin_kinds()))


def media_types() -> st.SearchStrategy[str]:
    """Media types that every vault knows."""
    return st.sampled_from(sorted(builtin_media_types()))


def sizes(*, max_size: int = _EDGES[-1]) -> st.SearchStrategy[int]:
    """Sizes in bytes: small ones, and those around which a record is stored in another way."""
    return st.integers(0, min(300, max_size)) | st.sampled_from([0, *(size for size in _EDGES if size <= max_size)])


@st.composite
def contents(draw: st.DrawFn, *, max_size: int = _EDGES[-1]) -> bytes:
    """Bytes of a record: any, of one letter, of hostile text; small, or of a size from `sizes`."""
    start = draw(st.binary(max_size=200) | hostile_text().map(str.encode))
    size = draw(sizes(max_size=max_size))
    letter = draw(st.binary(min_size=1, max_size=3))
    return Content(start[:max_size] if draw(st.booleans()) else (start + letter * size)[:size])


def drafts(*, max_size: int = 70_000) -> st.SearchStrategy[Draft]:
    """Records of any kind, of a subject or of nobody, dated or not, with and without bytes around them."""
    return st.builds(
        Draft,
        contents(max_size=max_size),
        kinds(),
        media_types(),
        st.none() | identifiers(),
        st.none() | clinical_dates(),
        st.binary(max_size=20),
        st.binary(max_size=20),
    )


def operations(*, max_size: int = 70_000) -> st.SearchStrategy[Operation]:
    """What can be done in a transaction."""
    which = st.integers(0, 20)
    return st.one_of(
        st.builds(Put, drafts(max_size=max_size)),
        st.builds(Replace, which, drafts(max_size=max_size)),
        st.builds(Delete, which),
        st.builds(Undelete, which),
        st.builds(SetState, hostile_text(min_size=1, max_size=3), st.binary(max_size=2), st.binary(max_size=60)),
    )


def transactions(*, max_operations: int = 6, max_size: int = 70_000) -> st.SearchStrategy[Steps]:
    """Transactions, some of which are rolled back."""
    listed = st.lists(operations(max_size=max_size), max_size=max_operations).map(tuple)
    return st.builds(Steps, listed, st.sampled_from([False, False, False, True]))


def programs(*, max_transactions: int = 6, max_size: int = 70_000) -> st.SearchStrategy[tuple[Steps, ...]]:
    """Programs for `vaultfs.testing.programs.perform`."""
    return st.lists(transactions(max_size=max_size), min_size=1, max_size=max_transactions).map(tuple)
