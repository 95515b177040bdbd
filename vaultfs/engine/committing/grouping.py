"""Building a journal group out of what transactions want committed, and its index rows out of the group."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import lmdb
from vaultfs_format import limits
from vaultfs_format.audit import ENTRY, SALT, encode_events
from vaultfs_format.directory import HERE, encode_row
from vaultfs_format.frame import FrameClass
from vaultfs_format.group import GroupDraft, GroupKind, PartFile, bodies_offset
from vaultfs_format.suite import Suite

from vaultfs.audit.events import Sealable, sealable_each
from vaultfs.engine.committing.units import Drafted, Gathered, Unit, seal_all
from vaultfs.engine.engine import Engine, LiveJournal
from vaultfs.engine.indexing.batch import Batch
from vaultfs.engine.indexing.index import PLACE, Container, ContainerKind
from vaultfs.model import NOBODY

_LEAF = ENTRY.size + SALT + 4
"""Bytes that an event takes beside its own: its clear entry, its salt and its length."""


@dataclass(slots=True, repr=False)
class Intent:
    """What a transaction wants committed, and what it relied on.

    Parameters
    ----------
    bases
        For records that get a new version: record number to the version that it is based on (0: none).
    unclaimed
        Identifier tokens for which a subject is created: nobody may have claimed them meanwhile.
    claims
        `Engine.claims` before any of these was looked up.
    claimed
        Identifier tokens that this intent asserts.
    parts
        Content ids of parts of blobs that must be there.
    guards
        Versions of control states that must be current.
    states
        Versions of control states that this intent makes current.
    unsalted
        Encoded events that come behind the others. They are salted with those of other commits when the group is made:
        it is not worth asking the operating system for each salt by itself.
    durable
        False for audit events that may become durable a little later.
    protects
        Whether it is what a host stores, and not what the vault notes for itself: only then the life of the epoch's key
        is looked at.

    Attributes
    ----------
    weight
        Bytes that go into the group, but for what each frame adds to them.
    leaves
        How many events there are.
    homes
        The part files that bodies lie in.
    """

    frames: list[Drafted]
    events: Sealable
    unsalted: Sequence[bytes] = ()
    bases: dict[bytes, int] = field(default_factory=dict)
    versions: dict[bytes, int] = field(default_factory=dict)
    unclaimed: set[bytes] = field(default_factory=set)
    claims: int = -1
    claimed: set[bytes] = field(default_factory=set)
    parts: set[bytes] = field(default_factory=set)
    guards: dict[bytes, int] = field(default_factory=dict)
    states: dict[bytes, int] = field(default_factory=dict)
    durable: bool = True
    protects: bool = False
    weight: int = field(init=False)
    leaves: int = field(init=False)
    homes: frozenset[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.carry(self.frames, self.events)

    def writes(self) -> bool:
        """Return whether there is anything to write: what only relies on something is checked."""
        return bool(self.frames or self.events.chunks or self.unsalted)

    def carry(self, frames: list[Drafted], events: Sealable) -> None:
        """State what is to be written."""
        self.frames, self.events = frames, events
        self.leaves = len(events.commitments) + len(self.unsalted)
        self.weight = sum(map(len, events.chunks)) + sum(map(len, self.unsalted)) + _LEAF * self.leaves
        self.weight += sum([len(frame.sealed.entries) + len(frame.sealed.body) for frame in frames])
        self.homes = frozenset([frame.landed.segment_id for frame in frames if frame.landed])


class Room:
    """What a group may hold, so that it stays within what the format permits.

    Parameters
    ----------
    weight
        Most bytes, as intents state them: at most half of a group, for what frames add to them.
    """

    def __init__(self, weight: int) -> None:
        self._weight = weight
        self._frames = limits.MAX_GROUP_FRAMES // 2  # the rest is for those of events
        self._leaves = limits.MAX_GROUP_AUDIT // 2
        self._homes: frozenset[bytes] = frozenset()

    def take(self, intent: Intent) -> bool:
        """Take in an intent, and return whether there was room for it."""
        self._weight -= intent.weight
        self._frames -= len(intent.frames)
        self._leaves -= intent.leaves
        if intent.homes:
            self._homes |= intent.homes
        return min(self._weight, self._frames, self._leaves) >= 0 and len(self._homes) <= limits.MAX_GROUP_PARTS


class GroupBuilder:
    """Turns intents, in the order in which they are committed, into a group, and the group into index rows."""

    def __init__(self, engine: Engine, live: LiveJournal, intents: Sequence[Intent]) -> None:
        self._engine = engine
        self._live = live
        self._first_commit = engine.last_commit + 1
        self._commits = len(intents)
        self._frames: list[tuple[Drafted, Sequence[tuple[int, int]]]] = []
        audit: list[bytes] = []
        if engine.leaves < engine.head.tree_size:
            audit.append(engine.head.live_set().encode())
        self.leaves, self.events = len(audit), 0
        chunks: list[tuple[int, bytes]] = []
        salted = sealable_each(engine.suite, [intent.unsalted for intent in intents])
        for commit, (intent, others) in enumerate(zip(intents, salted, strict=True), start=self._first_commit):
            self._frames += [(drafted, ((len(drafted.facts.keys), commit),)) for drafted in intent.frames]
            commitments = intent.events.commitments + others.commitments
            chunks += [(commit, chunk) for chunk in intent.events.chunks + others.chunks]
            audit.append(encode_events(commit, commitments))
            self.events += len(commitments)
        self.leaves += self.events
        self._frames += audit_frames(engine.suite, chunks)
        self._audit = b"".join(audit)
        self._rows: list[bytes] = []
        self._parts: list[PartFile] = []
        self._containers = [live.number]
        """Container of each home: the journal, then the part files."""

    def draft(self) -> GroupDraft:
        """Return the group. Part files that it names are durable when this returns."""
        homes = self._sync_parts()
        bodies, keys, rows = [], [], self._rows
        offset = bodies_offset(len(self._parts))
        for drafted, runs in self._frames:
            sealed, landed = drafted.sealed, drafted.landed
            if landed is None:
                rows.append(encode_row(sealed.encoded, sealed.entries, offset, HERE, runs))
                bodies.append(sealed.body)
                offset += len(sealed.body)
            else:
                home = homes[landed.segment_id]
                rows.append(encode_row(sealed.encoded, sealed.entries, landed.offset, home, runs))
            keys.append(sealed.key)
        journal = self._live.journal
        return GroupDraft(
            GroupKind.COMMIT,
            journal.last_group + 1,
            journal.durable,
            self._first_commit,
            self._commits,
            os.urandom(16),
            self._parts,
            rows,
            bodies,
            keys,
            self._audit,
        )

    def _sync_parts(self) -> dict[bytes, int]:
        """Make the bodies in part files durable; return the home that each file is named as."""
        engine = self._engine
        ends = engine.parts.sync(drafted.landed for drafted, _ in self._frames if drafted.landed)
        self._parts = [PartFile(segment_id, end) for segment_id, end in ends.items()]
        self._containers += [engine.part_container(segment_id) for segment_id in ends]
        return {segment_id: home for home, segment_id in enumerate(ends, start=1)}

    def place(self, group_offset: int) -> Batch:
        """Give every frame a handle and list it in the journal's catalogue; return the index rows.

        Parameters
        ----------
        group_offset
            Where the group was written.
        """
        engine, live = self._engine, self._live
        batch = Batch(engine.chain.alias_keys)
        containers = {part.segment_id: number for part, number in zip(self._parts, self._containers[1:], strict=True)}
        body_offset = group_offset + bodies_offset(len(self._parts))
        row_offset = body_offset + sum(len(d.sealed.body) for d, _ in self._frames if d.landed is None)
        first, catalogue = engine.take_handles(len(self._frames)), live.catalogue
        for slot, ((drafted, runs), row) in enumerate(zip(self._frames, self._rows, strict=True)):
            sealed, facts, landed = drafted.sealed, drafted.facts, drafted.landed
            frame_class, segment_id, where, home = sealed.frame_class, b"", body_offset, live.number
            if landed is None:
                body_offset += sealed.body_sealed
            else:
                segment_id, where, home = landed.segment_id, landed.offset, containers[landed.segment_id]
            handle = 0 if frame_class is FrameClass.AUDIT else first + slot
            size = len(row)
            if catalogue is not None:
                catalogue.add(
                    frame_class, facts, handle, segment_id,
                    (row_offset, size, where, sealed.body_sealed, sealed.body_plain, group_offset, slot),
                )  # fmt: skip
            if handle:
                place = PLACE.pack(live.number, row_offset, size, home, where, group_offset, slot)
                batch.add(handle, place, facts, runs)
            row_offset += size
        return batch

    def name_parts(self, txn: lmdb.Transaction) -> None:
        """Let the index know the part files that the group names."""
        for number, part in zip(self._containers[1:], self._parts, strict=True):
            self._engine.index.put_container(txn, number, Container(ContainerKind.PART, part.segment_id))


def audit_frames(suite: Suite, chunks: Sequence[tuple[int, bytes]]) -> list[tuple[Drafted, Sequence[tuple[int, int]]]]:
    """Return the frames of shred unit (vault, audit) that hold the events of a group, each with its runs."""
    gathered: list[Gathered] = []
    runs: list[list[tuple[int, int]]] = []
    unit = Unit(FrameClass.AUDIT, NOBODY, gathered, limits.MAX_BODY)
    for commit, chunk in chunks:
        frame = unit.room(len(chunk))
        if not frame.rows:
            runs.append([])
        frame.add_events(chunk)
        runs[-1].append((1, commit))
    unit.close()
    return list(zip(seal_all(suite, gathered), runs, strict=True))
