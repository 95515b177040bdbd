"""Frame rows of a directory that may be damaged: read one after the other, and found again by their magic.

A row is believed where a root or a chain proves it, or where its entries open under a key of the file. Where neither
does, the next row is looked for behind it. Every header is checked against the limits before anything of it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vaultfs_format.directory import HERE, PLACE, RUN, FrameRow
from vaultfs_format.entries import EntryBlock
from vaultfs_format.errors import VaultError
from vaultfs_format.frame import HEADER, MAGIC, FrameHeader
from vaultfs_format.searching import occurrences

from vaultfs_tools.rescuing.errors import KeyLost
from vaultfs_tools.rescuing.frames import Runs
from vaultfs_tools.rescuing.pool import FrameDisposed, Pool

ReadProved = Callable[[int, int], tuple[bytes, bool]]
"""Returns bytes at an offset, fewer at the end, and whether a root or a chain proves them."""

_HEADER_AT = PLACE.size
_FIXED = PLACE.size + HEADER.size
_MOST_RUNS = 256
"""Most runs of commit numbers that are tried where their number is damaged."""


@dataclass(frozen=True, slots=True, repr=False)
class OpenRow:
    """A row whose entries have opened.

    Parameters
    ----------
    body_offset, home
        As the row states them; -1 where that is damaged.
    follows
        Where the body lies if it follows that of the row before; -1 where that is not known.
    """

    header: FrameHeader
    key: bytes
    block: EntryBlock
    body_offset: int
    home: int
    follows: int
    runs: Runs
    proved: bool


@dataclass(frozen=True, slots=True, repr=False)
class ClosedRow:
    """A row whose header can be read and whose entries do not open.

    Parameters
    ----------
    disposed
        Whether that is because its frame was disposed of.
    """

    offset: int
    header: FrameHeader
    error: VaultError
    disposed: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes from `first` up to `end` in which no row was found."""

    first: int
    end: int


@dataclass(frozen=True, slots=True, repr=False)
class _Candidate:
    """A row, as far as it can be read.

    Parameters
    ----------
    row
        None where the place or the runs are damaged.
    runs
        How many runs may stand before the sealed entries.
    behind
        What follows the frame header.
    """

    offset: int
    header: FrameHeader
    row: FrameRow | None
    runs: range
    behind: bytes
    proved: bool

    def sealed(self, runs: int) -> bytes:
        """Return the sealed entries, if so many runs stand before them."""
        return self.behind[RUN.size * runs : RUN.size * runs + self.header.entries_sealed]

    def end(self, runs: int) -> int:
        """Return where the row ends, if it has so many runs."""
        return self.offset + _FIXED + RUN.size * runs + self.header.entries_sealed


class Walk:
    """Goes through the rows of a section.

    Parameters
    ----------
    start, end
        Where the section lies.
    first_body
        Where the first body lies, if bodies follow each other in the order of their rows.
    """

    def __init__(self, read: ReadProved, start: int, end: int, pool: Pool, first_body: int = -1) -> None:
        self._read = read
        self._start = start
        self._end = end
        self._pool = pool
        self._follows = first_body

    def __iter__(self) -> Iterator[OpenRow | ClosedRow | Gap]:
        """Yield what is found, in order."""
        at = clean = self._start
        while at < self._end:
            candidate = self._strict(at) or self._loose(at)
            if candidate is None:
                at = self._next_row(at + 1)
                continue
            found, end = self._judged(candidate)
            if candidate.offset > clean:
                yield Gap(clean, candidate.offset)
            yield found
            clean = max(clean, candidate.end(candidate.runs[0]) if end is None else end)
            # What was not proved may state a wrong length.
            at = self._next_row(candidate.offset + _HEADER_AT + 1) if end is None else end
        if clean < self._end:
            yield Gap(clean, self._end)

    def _strict(self, at: int) -> _Candidate | None:
        """Return the row at an offset, if all of it follows the format."""
        try:
            start, _ = self._bytes(at, _FIXED)
            header = FrameHeader.decode(start, _HEADER_AT)
            runs = min(PLACE.unpack(start)[2], header.entry_count)
            data, proved = self._bytes(at, _FIXED + RUN.size * runs + header.entries_sealed)
            row, _ = FrameRow.decode(data)
        except VaultError:
            return None
        return _Candidate(at, header, row, range(runs, runs + 1), data[_FIXED:], proved)

    def _loose(self, at: int) -> _Candidate | None:
        """Return what can be read of a row at an offset whose place or runs are damaged."""
        try:
            header = FrameHeader.decode(self._bytes(at + _HEADER_AT, HEADER.size)[0])
        except VaultError:
            return None
        most = min(header.entry_count, _MOST_RUNS)
        behind, _ = self._bytes(at + _FIXED, RUN.size * most + header.entries_sealed)
        return _Candidate(at, header, None, range(1, most + 1), behind, proved=False)

    def _bytes(self, at: int, length: int) -> tuple[bytes, bool]:
        return self._read(at, min(length, self._end - at))

    def _judged(self, one: _Candidate) -> tuple[OpenRow | ClosedRow, int | None]:
        """Return what a row is, and where it ends if that is certain."""
        first = one.end(one.runs[0])
        error: VaultError = KeyLost()
        disposed = False
        for runs in one.runs:
            try:
                key, block = self._pool.open(one.header, one.sealed(runs))
            except FrameDisposed:
                disposed = True
                break
            except KeyLost as lost:
                error = lost
                break
            except VaultError as damaged:
                error = damaged
                continue
            return self._opened(one, key, block), one.end(runs)
        if one.proved:
            self._pool.skip()
        self._follows = -1
        return ClosedRow(one.offset, one.header, error, disposed), first if one.proved else None

    def _opened(self, one: _Candidate, key: bytes, block: EntryBlock) -> OpenRow:
        row, follows = one.row, self._follows
        place, home, runs = (row.body_offset, row.home, row.runs) if row else (-1, -1, ())
        if home <= HERE:  # others lie among the bodies of another file
            start = place if place >= 0 else follows
            self._follows = -1 if start < 0 else start + one.header.body_sealed
        return OpenRow(one.header, key, block, place, home, follows, runs, one.proved)

    def _next_row(self, at: int) -> int:
        """Return where the next row that begins at an offset or behind it can be; the end where there is none."""
        places = occurrences(lambda *span: self._read(*span)[0], MAGIC, at + _HEADER_AT, self._end)
        return next(places, self._end + _HEADER_AT) - _HEADER_AT
