"""The accounting of disclosures (45 CFR 164.528), out of all that the log has about a subject.

Each row is an event of the log with what was stated of it; the proof shows these events and no others, and how many
others there are. So what is given to the subject tells nothing of what is suspended, and nothing of it can be changed.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from vaultfs_format.events.base import Event
from vaultfs_format.events.disclosures import Basis, SubjectDisclosed
from vaultfs_format.events.records import SubjectExported
from vaultfs_format.subjectproof import SubjectProof

from vaultfs.audit.accounting import Accounting, Entry
from vaultfs.errors import ArgumentInvalid

YEARS = 6
"""For how long before the request disclosures are accounted for."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DAY = dt.timedelta(days=1) // dt.timedelta(microseconds=1)
_LAST = (dt.datetime.max.replace(tzinfo=dt.UTC) - _EPOCH) // dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Row:
    """A disclosure.

    Parameters
    ----------
    index
        Its index in the log.
    date
        The day on which it was, in UTC where nothing was stated of that.
    records
        How many records of the subject were disclosed.
    basis
        On what ground; None where nothing was stated when the records left the vault.
    recipient, address, description, purpose
        What was stated; None where nothing was, or where it went with the subject that was disposed of.
    """

    index: int
    date: dt.date
    records: int
    basis: Basis | None = None
    recipient: str | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)
    description: str | None = field(default=None, repr=False)
    purpose: str | None = field(default=None, repr=False)

    @property
    def excepted(self) -> bool:
        """Whether it need not be accounted for; what is not known must be."""
        return self.basis is not None and self.basis.excepted

    @property
    def gone(self) -> bool:
        """Whether what was stated went with the subject."""
        return self.basis is not None and self.recipient is None


@dataclass(frozen=True, slots=True)
class Summary:
    """Disclosures to one recipient at one address for one purpose (45 CFR 164.528(b)(3)), or one that stands alone.

    Parameters
    ----------
    first
        The first of them in the period.
    disclosures, records
        How many there are, and of how many records.
    last
        The day of the last.
    """

    first: Row
    disclosures: int
    records: int
    last: dt.date


@dataclass(frozen=True, slots=True)
class Disclosures:
    """What is given to the subject, but for `suspended`, which is for the keeper alone.

    Parameters
    ----------
    since, until
        First and last day of the period.
    complete
        The first day of it from which on the log has every event: later than `since` where the log was pruned since.
    rows
        By date.
    suspended
        How many disclosures of the period are left out, for which accounting is suspended.
    proof
        Shows the events of the rows, with what was stated of them; all others are closed.
    """

    since: dt.date
    until: dt.date
    complete: dt.date
    rows: tuple[Row, ...]
    suspended: int = field(repr=False)
    proof: SubjectProof

    def summarised(self) -> list[Summary]:
        """Return the rows, those to one recipient at one address for one purpose as one (45 CFR 164.528(b)(3))."""
        groups: dict[object, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(_same(row), []).append(row)
        return [
            Summary(each[0], len(each), sum(row.records for row in each), each[-1].date) for each in groups.values()
        ]


def disclosures(
    found: Accounting, since: dt.date | None = None, until: dt.date | None = None, *, excepted: bool = False
) -> Disclosures:
    """Return the disclosures of a period that the subject is to be told of.

    Parameters
    ----------
    since, until
        First and last day; by custom the six years up to the day on which `found` was asked for.
    excepted
        Whether those are told of, too, that need not be accounted for (45 CFR 164.528(a)(1)).

    Raises
    ------
    ArgumentInvalid
        The period ends before it begins.
    """
    last = _day(found.at) if until is None else until
    first = _years_before(last) if since is None else since
    if first > last:
        raise ArgumentInvalid
    away = {_folded(one.recipient) for one in found.said.suspensions if one.stated <= found.at < one.until}
    shown: list[Row] = []
    suspended = 0
    for row in _rows(found):
        if not first <= row.date <= last or (row.excepted and not excepted):
            continue
        if _is_suspended(row, away):
            suspended += 1
        else:
            shown.append(row)
    shown.sort(key=lambda row: (row.date, row.index))
    return Disclosures(
        first, last, max(first, _kept(found)), tuple(shown), suspended, _proof(found, {row.index for row in shown})
    )


def _kept(found: Accounting) -> dt.date:
    """Return the first day of which every event is kept."""
    return _day(found.since - 1 + _DAY) if found.first else dt.date.min


def _rows(found: Accounting) -> Iterator[Row]:
    for entry in found.entries:
        event = entry.event
        if isinstance(event, SubjectExported):
            yield Row(entry.index, _day(event.at), event.records)
        elif isinstance(event, SubjectDisclosed):
            yield _row(found, entry, event)


def _row(found: Accounting, entry: Entry, event: SubjectDisclosed) -> Row:
    said = found.said.of(event)
    if said is None:
        return Row(entry.index, _day(event.at), event.records, event.basis)
    text = said.recipient, said.address, said.description, said.purpose
    return Row(entry.index, said.date or _day(event.at), event.records, event.basis, *text)


def _is_suspended(row: Row, away: set[str]) -> bool:
    named = row.basis is not None and row.basis.suspendable and row.recipient is not None
    return named and _folded(row.recipient or "") in away


def _proof(found: Accounting, shown: set[int]) -> SubjectProof:
    events: set[Event] = {entry.event for entry in found.entries if entry.index in shown}
    stated = [event.statement for event in events if isinstance(event, SubjectDisclosed)]
    statements = found.said.statements
    given = [statements[one] for one in sorted(stated) if one in statements]
    return found.proof.closed_but(lambda event: event in events, given)


def _same(row: Row) -> object:
    """Return what rows have in common that may be one: no more than those of 164.512 and 164.502(a)(2)(ii) may."""
    basis = row.basis
    lawful = basis is Basis.COMPLIANCE or (basis is not None and basis.paragraph.startswith("164.512"))
    if not lawful or row.recipient is None or row.excepted:
        return row.index
    return basis, *(_folded(text or "") for text in (row.recipient, row.address, row.purpose))


def _folded(text: str) -> str:
    """Return a text without what makes no difference to a reader: case, blanks, and characters of the same meaning."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _day(at: int) -> dt.date:
    """Return the day of a time; the last that there is of one after it."""
    return (_EPOCH + dt.timedelta(microseconds=min(at, _LAST))).date()


def _years_before(day: dt.date) -> dt.date:
    try:
        return day.replace(year=day.year - YEARS)
    except ValueError:  # on 29 February
        return day.replace(year=day.year - YEARS, day=28)
