"""Deciding which frames go into which segment, and packing small ones of a subject into larger ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from vaultfs_format import limits
from vaultfs_format.directory import HERE, encode_row
from vaultfs_format.entries import Entry
from vaultfs_format.frame import FrameClass, open_body, open_entries
from vaultfs_format.segment import NO_YEAR

from vaultfs.engine.committing.units import Drafted, Gathered, Unit, seal_all
from vaultfs.engine.engine import Engine
from vaultfs.engine.settling.catalogue import Listed
from vaultfs.engine.settling.harvest import Harvest, Opened
from vaultfs.engine.settling.segments import Placed
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


def by_years(found: Iterable[Found]) -> list[list[Found]]:
    """Return frames by range of years, each range with enough bytes for a segment of its own, in the order of `found`.

    The last year of a frame decides. Frames that lack a date or a subject come first, in a range of their own.
    """
    weights: dict[int, int] = {}
    decided: list[int] = []
    members = list(found)
    for frame, _ in members:
        year = NO_YEAR if frame.subject == NOBODY else frame.last_year
        weights[year] = weights.get(year, 0) + frame.body_length
        decided.append(year)
    numbers = _numbered(weights)
    ranges: list[list[Found]] = [[] for _ in set(numbers.values())]
    for one, year in zip(members, decided, strict=True):
        ranges[numbers[year]].append(one)
    return ranges


def _numbered(weights: dict[int, int]) -> dict[int, int]:
    """Return for each year the number of its range."""
    numbers: dict[int, int] = {}
    number, weight, left = 0, 0, sum(weights.values()) - weights.get(NO_YEAR, 0)
    for year in sorted(weights):
        numbers[year] = number
        weight += weights[year] if year != NO_YEAR else 0
        if year == NO_YEAR or (weight >= SEGMENT_TARGET and left - weight >= SEGMENT_TARGET // 2):
            left -= weight
            number, weight = number + 1, 0
    return numbers


def span(frames: Sequence[Listed]) -> Years:
    """Return the first and last year of dated frames that belong to a subject, `NONE` where there is none."""
    dated = [frame for frame in frames if frame.last_year != NO_YEAR and frame.subject != NOBODY]
    if not dated:
        return NONE
    return min([frame.first_year for frame in dated]), max([frame.last_year for frame in dated])


def by_subject(frames: Sequence[Found]) -> Iterator[tuple[Sequence[Found], Sequence[Found]]]:
    """Yield for each subject of sorted frames those to carry over as they are, and those to be packed together."""
    first, end = 0, len(frames)
    while first < end:
        subject, after = frames[first][0].subject, first + 1
        while after < end and frames[after][0].subject == subject:
            after += 1
        own, first = frames[first:after], after
        small = [found for found in own if found[0].plain < VERBATIM] if len(own) > 1 else []
        if len(small) < 2:
            yield own, ()
        else:
            yield [found for found in own if found[0].plain >= VERBATIM], small


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
        frame = self._unit.room(size)
        frame.add(entry._replace(offset=frame.size), data)
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
            sealed, header = drafted.sealed, drafted.sealed.header
            open_entries(self._engine.suite, header, sealed.key, sealed.entries)
            if open_body(self._engine.suite, header, sealed.key, sealed.body) != b"".join(gathered.pieces):
                raise VaultDamaged
            row = encode_row(sealed.encoded, sealed.entries, 0, HERE, _runs(islice(commits, len(gathered.rows))))
            packed.append((drafted, Placed(row, sealed.body, sealed.key)))
        return packed


def _runs(commits: Iterable[int]) -> list[tuple[int, int]]:
    return [(sum(1 for _ in run), commit) for commit, run in groupby(commits)]
