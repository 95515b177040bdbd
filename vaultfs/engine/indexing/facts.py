"""What the index, and settling, need to know of a frame's entries: gathered while a frame is made, or from opened ones.

Both ways go through `FrameFacts.add`, so that an index that followed the commits equals one that is made anew.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import MAXYEAR, date
from enum import IntEnum
from struct import Struct

import msgspec
from vaultfs_format.entries import Entry, EntryBlock, Role

RECORD_KEY = Struct(">IQIB")
"""Incarnation, number and version of a record, and the role of the entry."""

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY = 86_400_000
_YEAR_STARTS = [(date(year, 1, 1).toordinal() - _EPOCH_DAY) * _DAY for year in range(1, MAXYEAR + 1)]
_RECORD_ROLES = frozenset({Role.RECORD, Role.DELETE, Role.UNDELETE})
_RECORD = int(Role.RECORD)


def year_of(milliseconds: int) -> int:
    """Return the year of a wall-clock time in milliseconds since 1970, at least 1 and at most 9999."""
    return bisect_right(_YEAR_STARTS, milliseconds) or 1


class Holding(IntEnum):
    """The first thing of interest that a frame holds: where the index lists the frame under its subject."""

    KEY = 0
    NAMES = 1
    RECORDS = 2
    PARTS = 3
    NOTHING = 4


class FrameFacts(msgspec.Struct, gc=False):
    """Facts of one frame.

    Attributes
    ----------
    subject
        The shred unit's subject.
    holding
        What the frame holds of its subject.
    keys
        For each row a `RECORD_KEY`, or nothing where the row is not of a record.
    first, last
        Earliest and latest date of its records in milliseconds since 1970; None where none is dated.
    aliases, states, links, parts
        Tokens of identifiers; token, version and row of states; other subject, role and row of links; content ids of
        parts of blobs.
    """

    subject: bytes
    holding: int = Holding.NOTHING
    keys: list[bytes] = []
    first: int | None = None
    last: int | None = None
    # Most frames have few of these or none: there are no lists for what is not there.
    aliases: tuple[bytes, ...] = ()
    states: tuple[tuple[bytes, int, int], ...] = ()
    links: tuple[tuple[bytes, int, int], ...] = ()
    parts: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return "<FrameFacts>"

    def add(self, entry: Entry) -> None:
        """Take in the next row."""
        role = entry.role
        if role in _RECORD_ROLES:
            dated = role == _RECORD and entry.precision
            key = RECORD_KEY.pack(entry.incarnation, entry.number, entry.version, role)
            self.add_record(key, entry.date if dated else None)
            return
        row = len(self.keys)
        self.keys.append(b"")
        if role == Role.SUBJECT:
            self.holding = Holding.KEY
        elif role == Role.ALIAS:
            self.aliases += (entry.token,)
            self.holding = min(self.holding, Holding.NAMES)
        elif role == Role.STATE:
            self.states += ((entry.token, entry.version, row),)
        elif role == Role.PART:
            self.parts += (entry.token,)
            self.holding = min(self.holding, Holding.PARTS)
        elif role in (Role.LINK, Role.UNLINK):
            self.links += ((entry.token, role, row),)
            self.holding = min(self.holding, Holding.NAMES)

    def add_record(self, key: bytes, date: int | None) -> None:
        """Take in the next row, which is of a record.

        Parameters
        ----------
        key
            Its `RECORD_KEY`.
        date
            Milliseconds since 1970 of a version that is dated.
        """
        self.keys.append(key)
        if self.holding > 2:
            self.holding = Holding.RECORDS
        if date is not None:
            first, last = self.first, self.last
            if first is None or date < first:
                self.first = date
            if last is None or date > last:
                self.last = date

    def years(self) -> tuple[int, int]:
        """Return the first and last year of the dated records, (0, 0) where none is dated."""
        if self.first is None or self.last is None:
            return 0, 0
        first = year_of(self.first)
        return first, first if self.first == self.last else year_of(self.last)


def facts_of(block: EntryBlock) -> FrameFacts:
    """Return the facts of a frame whose entries have been opened."""
    facts = FrameFacts(block.subject)
    for entry in block.entries:
        facts.add(entry)
    return facts
