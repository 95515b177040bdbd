"""The leaves of the audit tree, in order: clear entries, and the events that they commit to, from the files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from vaultfs_format.audit import ENTRY, SALT, AuditEntry, LeafKind, commitments, encode_events
from vaultfs_format.entries import Role
from vaultfs_format.errors import Fact, FileId, VaultError
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow

from vaultfs.audit.events import Event, decode_event, salted_in
from vaultfs.engine.engine import LiveJournal, View
from vaultfs.engine.files.mirrors import DAMAGE, Doubled
from vaultfs.engine.files.sealed import SealedSegment, open_segment
from vaultfs.engine.opening.replay import FoundFrame, live_groups, segment_frames
from vaultfs.errors import CommitmentMismatch, Structure, VaultDamaged

_STEP = 1024 * ENTRY.size


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf of the audit tree.

    Parameters
    ----------
    event
        The event that it commits to; None where it is none.
    salted
        The bytes that it commits to, the salt before the event: empty where it is none.
    """

    index: int
    entry: AuditEntry
    event: Event | None
    salted: bytes = field(default=b"", repr=False)


class Section(NamedTuple):
    """Entries that lie together in a file, those of a segment or of a group of a journal, and the frames of events.

    Parameters
    ----------
    file
        Id of the segment or journal.
    offset
        Where in the file the entries begin, in bytes.
    first
        Index of the first leaf.
    """

    file: bytes
    offset: int
    first: int
    entries: bytes
    frames: Iterable[FoundFrame]

    @property
    def end(self) -> int:
        """Index behind the last leaf."""
        return self.first + len(self.entries) // ENTRY.size

    def place(self, index: int) -> dict[str, int]:
        """Return which leaf it is and where its entry lies, as facts of an error."""
        offset = self.offset + (index - self.first) * ENTRY.size
        return {"leaf": index, "file": FileId.of(self.file), "offset": offset}


class Run(NamedTuple):
    """Leaves that follow each other: events that were written together, or one that is no event, without `salted`."""

    first: int
    entries: bytes
    salted: list[bytes]


def leaves(engine: View, head: Head, journals: Iterable[LiveJournal], first: int = 0) -> Iterator[Leaf]:
    """Yield the leaves of a head's segments, and of journals that follow.

    Parameters
    ----------
    first
        Nothing is yielded of a segment that ends before this leaf: where it is not 0, segments may be missing.

    Raises
    ------
    CommitmentMismatch
        An event is not the one that its entry commits to.
    VaultDamaged
        Entries or events are missing.
    """
    for extent, row in segments_of(engine, head, () if first == 0 else DAMAGE):
        if extent.stop > first:
            yield from segment_leaves(engine, row)
    for live in journals:
        for section in journal_sections(engine, live):
            yield from _leaves(engine, section)


def leaves_before(engine: View, head: Head, end: int) -> Iterator[Leaf]:
    """Yield the leaves of the segments that begin before a leaf, the newest segment first. Raises as `leaves` does."""
    for extent, row in reversed(segments_of(engine, head)):
        if extent.start < end:
            yield from segment_leaves(engine, row)


def segment_leaves(engine: View, row: SegmentRow) -> Iterator[Leaf]:
    """Yield the leaves of an audit segment. Raises as `leaves` does."""
    return _leaves(engine, segment_section(engine, row))


def entry_at(engine: View, head: Head, index: int) -> AuditEntry | None:
    """Return the entry of a leaf that is in a head's segments; None where it is in none that can be read."""
    row = segment_at(engine, head, index)
    if row is None:
        return None
    with closing(open_segment(engine.vfs, engine.layout, row)) as segment:
        footer = segment.footer
        at = footer.audit_offset + (index - footer.first_leaf) * ENTRY.size
        return AuditEntry.decode(segment.read(at, ENTRY.size))


def segment_at(engine: View, head: Head, index: int) -> SegmentRow | None:
    """Return which of a head's segments has a leaf; None where none has it that can be read."""
    return next((row for extent, row in segments_of(engine, head, DAMAGE) if index in extent), None)


def extent_of(engine: View, row: SegmentRow) -> range:
    """Return the indexes of the leaves of an audit segment."""
    with closing(open_segment(engine.vfs, engine.layout, row)) as segment:
        return segment.footer.audited


def segments_of(
    engine: View, head: Head, passed_over: tuple[type[Exception], ...] = ()
) -> list[tuple[range, SegmentRow]]:
    """Return the audit segments of a head in the order of their leaves, with the indexes of these.

    Parameters
    ----------
    passed_over
        What reading a segment that is left out may raise.
    """
    found = []
    for row in head.segments:
        if row.frame_class is FrameClass.AUDIT:
            with suppress(*passed_over):
                found.append((extent_of(engine, row), row))
    return sorted(found, key=lambda one: one[0].start)


def segment_section(engine: View, row: SegmentRow) -> Section:
    """Return the entries of an audit segment.

    Raises
    ------
    VaultDamaged
        They cannot be read; it says which leaf is the first.
    """
    with closing(open_segment(engine.vfs, engine.layout, row)) as segment:
        return _section(row.segment_id, segment, segment_frames(engine, row))


def _section(file: bytes, segment: SealedSegment, frames: Iterable[FoundFrame]) -> Section:
    footer = segment.footer
    try:
        data = segment.read(footer.audit_offset, footer.audit_length)
    except VaultDamaged as error:
        start = Section(file, footer.audit_offset, footer.first_leaf, b"", ())
        raise placed(error, start.place(footer.first_leaf + _readable(segment))) from None
    return Section(file, footer.audit_offset, footer.first_leaf, data, frames)


def _readable(segment: SealedSegment) -> int:
    """Return how many entries can be read before the first that cannot."""
    at, step, footer = 0, _STEP, segment.footer
    while step:
        try:
            segment.read(footer.audit_offset + at, min(step, footer.audit_length - at))
            at += step
        except VaultDamaged:
            step = step // 2 if step > ENTRY.size else 0
    return at // ENTRY.size


def journal_sections(engine: View, live: LiveJournal) -> Iterator[Section]:
    """Yield the entries of a live journal, group by group, up to what counts of it.

    Raises
    ------
    VaultDamaged
        A group is missing or damaged; it says which leaf is the first.
    """
    journal, index = live.journal.header.journal_id, live.journal.header.first_leaf
    parts: dict[bytes, Doubled] = {}
    try:
        for found in live_groups(engine, live, parts):
            frames = (frame for frame in found.frames if frame.row.header.frame_class is FrameClass.AUDIT)
            section = Section(journal, found.audit_offset, index, found.group.audit, frames)
            yield section
            index = section.end
    except DAMAGE as error:
        raise placed(error, {"leaf": index, "file": FileId.of(journal)}) from None
    finally:
        for part in parts.values():
            part.close()


def runs(engine: View, section: Section) -> Iterator[Run]:
    """Yield the leaves of a section; each event was compared with its entry.

    Raises
    ------
    CommitmentMismatch, VaultDamaged
        And what tells of an event that cannot be read; each says which leaf it is, and where its entry lies.
    """
    index, events = section.first, _events(section.frames)
    while index < section.end:
        start = (index - section.first) * ENTRY.size
        if section.entries[start] != LeafKind.EVENT:
            yield Run(index, section.entries[start : start + ENTRY.size], [])
            index += 1
            continue
        try:
            found = next(events, None)
        except DAMAGE as error:
            raise placed(error, section.place(index)) from None
        if found is None:
            raise VaultDamaged(**section.place(index))
        commit, salted = found
        expected = encode_events(commit, commitments(engine.suite, salted))
        written = section.entries[start : start + len(expected)]
        if written != expected:
            raise _mismatch(section, index, written, expected)
        yield Run(index, written, salted)
        index += len(salted)
    if next(events, None) is not None:
        raise VaultDamaged(**section.place(section.end))


def _mismatch(section: Section, index: int, written: bytes, expected: bytes) -> VaultError:
    """Return what is wrong with the first entry that is not that of its event."""
    for at in range(0, len(written), ENTRY.size):
        if written[at : at + ENTRY.size] != expected[at : at + ENTRY.size]:
            break
        index += 1
    if index == section.end:
        return VaultDamaged(**section.place(index))
    return CommitmentMismatch(structure=Structure.AUDIT_ENTRY, **section.place(index))


def placed(error: VaultError, facts: Mapping[str, Fact]) -> VaultError:
    """Return an error with further facts; those that it has stay as they are."""
    return type(error)(**{**facts, **error.facts})


def _leaves(engine: View, section: Section) -> Iterator[Leaf]:
    for run in runs(engine, section):
        if not run.salted:
            yield Leaf(run.first, AuditEntry.decode(run.entries), None)
        for number, salted in enumerate(run.salted):
            entry = AuditEntry.decode(run.entries, number * ENTRY.size)
            yield Leaf(run.first + number, entry, decode_event(salted[SALT:]), salted)


def _events(frames: Iterable[FoundFrame]) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the events in audit frames as they were written together: their commit number, each behind its salt."""
    for frame in frames:
        body = frame.body()
        for entry, commit in zip(frame.entries().entries, frame.row.commits(), strict=True):
            if entry.role == Role.EVENTS:
                yield commit, list(salted_in(body[entry.offset : entry.offset + entry.length]))
