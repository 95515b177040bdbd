"""The audit log, read back: every event in order, each checked against its clear entry and the tree in the head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY, AuditEntry, LeafKind
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.segment import SegmentFooter

from vaultfs.audit.events import Event, unsealed
from vaultfs.engine.engine import Engine, LiveJournal
from vaultfs.engine.journal import JournalFile
from vaultfs.engine.mirrors import Doubled, Mirror
from vaultfs.engine.pairs import open_named
from vaultfs.engine.replay import FoundFrame, live_groups, segment_frames
from vaultfs.engine.sealed import open_segment
from vaultfs.engine.vault import Vault
from vaultfs.errors import CommitmentMismatch, Structure, VaultDamaged


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf of the audit tree.

    Parameters
    ----------
    event
        The event that it commits to, None for the live set of a head.
    """

    index: int
    entry: AuditEntry
    event: Event | None


def read_events(vault: Vault) -> Iterator[tuple[int, Event]]:
    """Yield the index in the audit tree and the event of every event so far, oldest first.

    What is appended after the iteration has begun is not read.

    Raises
    ------
    CommitmentMismatch
        An event, or the tree, is not the one that was written.
    VaultDamaged
        Entries or events are missing.
    """
    for leaf in read_leaves(vault):
        if leaf.event is not None:
            yield leaf.index, leaf.event


def read_leaves(vault: Vault) -> Iterator[Leaf]:
    """Yield every leaf of the audit tree so far, oldest first. Raises as `read_events` does."""
    engine = vault.engine
    with engine.lock:
        engine.check()
        head = engine.head
        journals = [_opened(engine, live) for live in engine.live]
    try:
        yield from _against_head(head, _leaves(engine, head, journals))
    finally:
        for live in journals:
            live.journal.close()


def _opened(engine: Engine, live: LiveJournal) -> LiveJournal:
    """Return a live journal with a file of its own, which settling does not close, up to where it is now."""
    path = engine.layout.journal(live.journal.header.journal_id)
    mirror = Mirror(engine.vfs, engine.layout.copy_of(path))
    file = open_named(engine.vfs, path)
    journal = JournalFile(file, live.journal.header, live.journal.keys, live.journal.first_chain, mirror)
    journal.last_group, journal.chain = live.journal.last_group, live.journal.chain
    return LiveJournal(live.number, journal)


def _against_head(head: Head, leaves: Iterable[Leaf]) -> Iterator[Leaf]:
    """Pass on consecutive leaves; check that the tree that the head states is theirs."""
    tree = merkle.CompactRange(merkle.audit_nodes(head.suite))
    for leaf in leaves:
        if leaf.index != tree.size:
            raise VaultDamaged(leaf=tree.size)
        tree.append(merkle.audit_leaf(head.suite, leaf.entry.encode()))
        _check_tree(head, tree)
        yield leaf
    if tree.size == head.tree_size - 1:  # the head's own leaf stands in no file until a journal repeats it
        tree.append(merkle.audit_leaf(head.suite, head.live_set().encode()))
        _check_tree(head, tree)
    if tree.size < head.tree_size:
        raise VaultDamaged(leaf=tree.size)


def _check_tree(head: Head, tree: merkle.CompactRange) -> None:
    if tree.size == head.tree_size and tree.peaks != list(head.peaks):
        raise CommitmentMismatch(structure=Structure.HEAD)


def _leaves(engine: Engine, head: Head, journals: Iterable[LiveJournal]) -> Iterator[Leaf]:
    rows = [row for row in head.segments if row.frame_class is FrameClass.AUDIT]
    footers = [(_footer(engine, row), row) for row in rows]
    for footer, row in sorted(footers, key=lambda pair: pair[0].first_leaf):
        yield from _matched(footer.first_leaf, _entries(engine, row), segment_frames(engine, row))
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


def _footer(engine: Engine, row: SegmentRow) -> SegmentFooter:
    with closing(open_segment(engine.vfs, engine.layout, row)) as segment:
        return segment.footer


def _entries(engine: Engine, row: SegmentRow) -> list[AuditEntry]:
    with closing(open_segment(engine.vfs, engine.layout, row)) as segment:
        data = segment.read(segment.footer.audit_offset, segment.footer.audit_length)
    return [AuditEntry.decode(data, at) for at in range(0, len(data), ENTRY.size)]


def _matched(first: int, entries: Iterable[AuditEntry], frames: Iterable[FoundFrame]) -> Iterator[Leaf]:
    """Yield leaves: clear entries and the events that they commit to, which come in the same order."""
    events = _events(frames)
    for index, entry in enumerate(entries, start=first):
        if entry.kind is LeafKind.LIVESET:
            yield Leaf(index, entry, None)
            continue
        found = next(events, None)
        if found is None:
            raise VaultDamaged(leaf=index)
        event, commit, commitment = found
        if (commit, commitment) != (entry.number, entry.commitment):
            raise CommitmentMismatch(structure=Structure.AUDIT_ENTRY)
        yield Leaf(index, entry, event)
    if next(events, None) is not None:
        raise VaultDamaged


def _events(frames: Iterable[FoundFrame]) -> Iterator[tuple[Event, int, bytes]]:
    """Yield event, commit number and commitment of every event in audit frames."""
    for frame in frames:
        body = frame.body()
        for entry, commit in zip(frame.entries().entries, frame.row.commits(), strict=True):
            for event, commitment in unsealed(frame.suite, body[entry.offset : entry.offset + entry.length]):
                yield event, commit, commitment
