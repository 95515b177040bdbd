"""The leaves of the audit tree, in order: clear entries, and the events that they commit to, from the files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

from vaultfs_format.audit import ENTRY, SALT, AuditEntry, LeafKind, commitments
from vaultfs_format.entries import Role
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow

from vaultfs.audit.events import Event, decode_event, salted_in
from vaultfs.engine.engine import LiveJournal, View
from vaultfs.engine.mirrors import DAMAGE, Doubled
from vaultfs.engine.replay import FoundFrame, live_groups, segment_frames
from vaultfs.engine.sealed import open_segment
from vaultfs.errors import CommitmentMismatch, Structure, VaultDamaged


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
            yield from segment_leaves(engine, extent, row)
    parts: dict[bytes, Doubled] = {}
    try:
        for live in journals:
            index = live.journal.header.first_leaf
            for found in live_groups(engine, live, parts):
                frames = (frame for frame in found.frames if frame.row.header.frame_class is FrameClass.AUDIT)
                entries = found.group.audit_entries()
                yield from _matched(index, entries, frames)
                index += len(entries)
    finally:
        for part in parts.values():
            part.close()


def segment_leaves(engine: View, extent: range, row: SegmentRow) -> Iterator[Leaf]:
    """Yield the leaves of an audit segment, given their indexes. Raises as `leaves` does."""
    return _matched(extent.start, segment_entries(engine, row), segment_frames(engine, row))


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
                found.append((_extent(engine, row), row))
    return sorted(found, key=lambda one: one[0].start)


def _extent(engine: View, row: SegmentRow) -> range:
    with closing(open_segment(engine.vfs, engine.layout, row)) as segment:
        return segment.footer.audited


def segment_entries(engine: View, row: SegmentRow) -> list[AuditEntry]:
    """Return the clear entries of an audit segment."""
    with closing(open_segment(engine.vfs, engine.layout, row)) as segment:
        data = segment.read(segment.footer.audit_offset, segment.footer.audit_length)
    return [AuditEntry.decode(data, at) for at in range(0, len(data), ENTRY.size)]


def _matched(first: int, entries: Iterable[AuditEntry], frames: Iterable[FoundFrame]) -> Iterator[Leaf]:
    """Yield leaves: clear entries and the events that they commit to, which come in the same order."""
    events = _events(frames)
    for index, entry in enumerate(entries, start=first):
        if entry.kind is not LeafKind.EVENT:
            yield Leaf(index, entry, None)
            continue
        found = next(events, None)
        if found is None:
            raise VaultDamaged(leaf=index)
        salted, commit, commitment = found
        if (commit, commitment) != (entry.number, entry.commitment):
            raise CommitmentMismatch(structure=Structure.AUDIT_ENTRY, leaf=index)
        yield Leaf(index, entry, decode_event(salted[SALT:]), salted)
    if next(events, None) is not None:
        raise VaultDamaged


def _events(frames: Iterable[FoundFrame]) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield salted event, commit number and commitment of every event in audit frames."""
    for frame in frames:
        body = frame.body()
        for entry, commit in zip(frame.entries().entries, frame.row.commits(), strict=True):
            if entry.role != Role.EVENTS:
                continue
            found = list(salted_in(body[entry.offset : entry.offset + entry.length]))
            for salted, committed in zip(found, commitments(frame.suite, found), strict=True):
                yield salted, commit, committed
