"""Deciding which frames go into which segment, and packing small ones of a subject into larger ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from vaultfs_format import limits
from vaultfs_format.directory import HERE, encode_row
from vaultfs_format.entries import Entry
from vaultfs_format.frame import FrameClass, open_body, open_entries
from vaultfs_format.segment import NO_YEAR

from vaultfs.engine.catalogue import Listed
from vaultfs.engine.engine import Engine
from vaultfs.engine.harvest import Harvest, Opened
from vaultfs.engine.segments import Placed
from vaultfs.engine.units import Drafted, Gathered, Unit, seal_all
from vaultfs.errors import VaultDamaged
from vaultfs.model import NOBODY

SEGMENT_TARGET = 64 * limits.MIB
"""Sealed bytes after which a segment is closed; also the least that makes a range of years of its own."""

VERBATIM = limits.FRAME_TARGET // 2
"""Frames with a body of at least this size are carried over as they are, and so are smaller ones that are alone."""

NONE = (NO_YEAR, NO_YEAR)

Years = tuple[int, int]
Found = tuple[Listed, Harvest]
"""A frame, and the journal that it stands in."""


def range_year(frame: Listed) -> int:
    """Return the year that decides in which range a frame goes: its last; 0 where it lacks a date or a subject."""
    return NO_YEAR if frame.subject == NOBODY else frame.last_year


def ranges_of(frames: Iterable[Listed]) -> list[Years]:
    """Return consecutive ranges of years, each with enough bytes for a segment of its own."""
    weights: dict[int, int] = {}
    for frame in frames:
        year = range_year(frame)
        if year != NO_YEAR:
            weights[year] = weights.get(year, 0) + frame.body_length
    ranges: list[Years] = []
    first, weight, left = None, 0, sum(weights.values())
    for year in sorted(weights):
        first = year if first is None else first
        weight += weights[year]
        if weight >= SEGMENT_TARGET and left - weight >= SEGMENT_TARGET // 2:
            ranges.append((first, year))
            left -= weight
            first, weight = None, 0
    if first is not None:
        ranges.append((first, max(weights)))
    return ranges


def range_of(year: int, ranges: Sequence[Years]) -> Years:
    """Return the range that a year lies in, `NONE` for no year."""
    return next((r for r in ranges if r[0] <= year <= r[1]), NONE) if year != NO_YEAR else NONE


def span(frames: Iterable[Listed]) -> Years:
    """Return the first and last year of dated frames that belong to a subject, `NONE` where there is none."""
    dated = [frame for frame in frames if range_year(frame) != NO_YEAR]
    if not dated:
        return NONE
    return min(frame.first_year for frame in dated), max(frame.last_year for frame in dated)


def by_subject(frames: Iterable[Found]) -> Iterator[tuple[list[Found], list[Found]]]:
    """Yield for each subject of sorted frames those to carry over as they are, and those to be packed together."""
    for _, group in groupby(frames, key=_subject):
        own = list(group)
        small = [found for found in own if found[0].plain < VERBATIM] if len(own) > 1 else []
        if len(small) < 2:
            yield own, []
        else:
            yield [found for found in own if found[0].plain >= VERBATIM], small


def _subject(found: Found) -> bytes:
    return found[0].subject


class Packer:
    """Packs entries of one shred unit into new frames under new keys; commit numbers are kept."""

    def __init__(self, engine: Engine, frame_class: FrameClass, subject: bytes) -> None:
        self._engine = engine
        self._gathered: list[Gathered] = []
        self._unit = Unit(frame_class, subject, self._gathered)
        self._commits: list[int] = []

    def add(self, entry: Entry, commit: int, body: bytes) -> None:
        """Take in an entry and its bytes out of `body`."""
        size = entry.before + entry.length + entry.after
        data = body[entry.offset : entry.offset + size]
        self._unit.add(entry._replace(offset=self._unit.room(size)), data)
        self._commits.append(commit)

    def take(self, frame: Opened) -> None:
        """Take in all entries of a frame."""
        for entry, commit in zip(frame.block.entries, frame.commits, strict=True):
            self.add(entry, commit, frame.body)

    def finish(self) -> list[tuple[Drafted, Placed]]:
        """Return the new frames, each opened once to see that it opens."""
        self._unit.close()
        commits = iter(self._commits)
        packed = []
        for gathered, drafted in zip(self._gathered, seal_all(self._engine.suite, self._gathered), strict=True):
            sealed = drafted.sealed
            open_entries(self._engine.suite, sealed.header, sealed.key, sealed.entries)
            if open_body(self._engine.suite, sealed.header, sealed.key, sealed.body) != b"".join(gathered.pieces):
                raise VaultDamaged
            row = encode_row(sealed.encoded, sealed.entries, 0, HERE, _runs(islice(commits, len(gathered.rows))))
            packed.append((drafted, Placed(row, sealed.body, sealed.key)))
        return packed


def _runs(commits: Iterable[int]) -> list[tuple[int, int]]:
    return [(sum(1 for _ in run), commit) for commit, run in groupby(commits)]
