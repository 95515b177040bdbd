"""The committer: one group at a time, shared by the transactions that wait for it.

Whoever holds the lock writes for all that have queued up: checks what each relied on, in order, assigns commit numbers,
writes one group, syncs it once, and brings the index up to date. What was acknowledged is durable and visible. Any
failed write or sync poisons the writer, because the page cache would carry on as if nothing had happened.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import lmdb
from vaultfs_format import limits
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.directory import HERE, FrameRow
from vaultfs_format.entries import Entry, EntryBlock, Role
from vaultfs_format.frame import FrameClass
from vaultfs_format.journal import GROUP, PART, GroupDraft, GroupKind, PartFile

from vaultfs.audit.events import Sealable
from vaultfs.engine.batch import Batch
from vaultfs.engine.engine import Engine, LiveJournal
from vaultfs.engine.index import Address, ContainerKind, Place, Stamp
from vaultfs.engine.units import Drafted, role_entry, seal
from vaultfs.errors import CommitUnknown, TransactionConflict, VaultError, WriterPoisoned
from vaultfs.model import NOBODY

MAX_BATCH = 256 * limits.MIB
"""Sealed bytes after which a group takes in no further commit."""


@dataclass(slots=True)
class Intent:
    """What a transaction wants committed, and what it relied on.

    Parameters
    ----------
    bases
        For records that get a new version: record number to the version that it is based on (0: none).
    unclaimed
        Identifier tokens for which a subject is created: nobody may have claimed them meanwhile.
    claimed
        Identifier tokens that this intent asserts.
    guards
        Versions of control states that must be current.
    states
        Versions of control states that this intent makes current.
    durable
        False for audit events that may become durable a little later.
    """

    frames: list[Drafted]
    events: Sealable
    bases: dict[bytes, int] = field(default_factory=dict)
    versions: dict[bytes, int] = field(default_factory=dict)
    unclaimed: set[bytes] = field(default_factory=set)
    claimed: set[bytes] = field(default_factory=set)
    guards: dict[bytes, int] = field(default_factory=dict)
    states: dict[bytes, int] = field(default_factory=dict)
    durable: bool = True

    def weight(self) -> int:
        """Return the sealed bytes that go into the group."""
        return sum(len(f.sealed.entries) + (0 if f.landed else len(f.sealed.body)) for f in self.frames)


class _Ticket:
    __slots__ = ("commit", "done", "error", "intent")

    def __init__(self, intent: Intent) -> None:
        self.intent = intent
        self.done = False
        self.error: VaultError | None = None
        self.commit = 0


class _Overlay:
    """What earlier commits of the same group change, which the index does not show yet."""

    def __init__(self) -> None:
        self.versions: dict[bytes, int] = {}
        self.claimed: set[bytes] = set()
        self.states: dict[bytes, int] = {}

    def take(self, intent: Intent) -> None:
        self.versions |= intent.versions
        self.claimed |= intent.claimed
        self.states |= intent.states


class Committer:
    """Commits intents. Safe to call from any thread."""

    def __init__(self, engine: Engine, state_version: Callable[[bytes], int], settle: Callable[[], int]) -> None:
        self._engine = engine
        self._state_version = state_version
        self._settle = settle
        self._mutex = threading.Lock()
        self._queue: deque[_Ticket] = deque()
        self._timer: threading.Timer | None = None

    def commit(self, intent: Intent) -> int:
        """Make `intent` durable (or, where it says so, written) and return its commit number.

        Raises
        ------
        TransactionConflict
            Something it relied on has changed; nothing was written.
        CommitUnknown
            The sync or the index failed: after reopening the commit is there as a whole or not at all.
        StorageFull, StorageFailed, WriterPoisoned, Closed, Forked
        """
        self._engine.check_writable()
        ticket = _Ticket(intent)
        with self._mutex:
            self._queue.append(ticket)
        while not ticket.done:
            with self._engine.lock:
                if not ticket.done:
                    self._lead()
        if ticket.error is not None:
            raise ticket.error
        return ticket.commit

    def _lead(self) -> None:
        tickets = self._take()
        try:
            accepted = self._accepted(tickets)
            if accepted:
                self._write(accepted)
                self._settle_if_large()
        finally:
            for ticket in tickets:
                if not ticket.done and ticket.error is None and not ticket.commit:
                    ticket.error = WriterPoisoned()
                ticket.done = True

    def _take(self) -> list[_Ticket]:
        taken: list[_Ticket] = []
        weight = 0
        with self._mutex:
            while self._queue and (not taken or weight + self._queue[0].intent.weight() <= MAX_BATCH):
                ticket = self._queue.popleft()
                weight += ticket.intent.weight()
                taken.append(ticket)
        return taken

    def _accepted(self, tickets: Sequence[_Ticket]) -> list[_Ticket]:
        overlay, accepted = _Overlay(), []
        for ticket in tickets:
            try:
                self._check(ticket.intent, overlay)
            except VaultError as error:
                ticket.error = error
            else:
                overlay.take(ticket.intent)
                accepted.append(ticket)
        return accepted

    def _check(self, intent: Intent, overlay: _Overlay) -> None:
        self._engine.check_writable()
        for token, expected in intent.guards.items():
            current = overlay.states.get(token)
            if (self._state_version(token) if current is None else current) != expected:
                raise TransactionConflict
        if intent.unclaimed & overlay.claimed:
            raise TransactionConflict
        if not (intent.bases or intent.unclaimed):
            return
        index, chain = self._engine.index, self._engine.chain
        with index.reading() as txn:
            for number, base in intent.bases.items():
                version = overlay.versions.get(number)
                if version is None:
                    hit = index.latest(txn, number)
                    version = hit.version if hit else 0
                if version != base:
                    raise TransactionConflict
            if any(index.aliases_of(txn, chain.alias_key(token)) for token in intent.unclaimed):
                raise TransactionConflict

    def _write(self, tickets: Sequence[_Ticket]) -> None:
        engine = self._engine
        durable = any(ticket.intent.durable for ticket in tickets)
        stage = 0
        try:
            live = engine.writer()
            group = _GroupBuilder(engine, live, tickets)
            draft = group.draft()
            offset = live.journal.append(draft)
            live.frames += len(draft.rows)
            live.parts.update(part.segment_id for part in draft.parts)
            stage = 1
            if durable:
                live.journal.sync()
                self._index(live, group, offset)
        except BaseException as error:
            engine.poisoned = True
            failure = CommitUnknown() if stage else error
            for ticket in tickets:
                ticket.error = failure if isinstance(failure, VaultError) else CommitUnknown()
            if isinstance(error, VaultError):
                return
            raise
        engine.last_commit += len(tickets)
        engine.leaves += group.leaves
        for number, ticket in enumerate(tickets):
            ticket.commit = draft.first_commit + number
        if not durable:
            self._sync_soon()

    def _index(self, live: LiveJournal, group: _GroupBuilder, offset: int) -> None:
        engine = self._engine
        index, journal = engine.index, live.journal
        with index.writing() as txn:
            index.put_container(txn, live.number, ContainerKind.JOURNAL, journal.header.journal_id)
            group.index(txn, offset)
            stamp = Stamp(engine.vault_id, engine.head.generation, journal.header.journal_id, journal.durable)
            index.put_stamp(txn, stamp)

    def _settle_if_large(self) -> None:
        active = self._engine.active
        if active is not None and active.journal.end >= self._engine.options.settle_bytes:
            self._settle()

    # Buffered events.

    def _sync_soon(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(self._engine.options.sync_bound, self._sync_buffered)
            self._timer.daemon = True
            self._timer.start()

    def _sync_buffered(self) -> None:
        with self._engine.lock:
            self._timer = None
            self.sync()

    def sync(self) -> None:
        """Make buffered events durable. A failure poisons the writer, so that nothing goes on unaudited."""
        engine = self._engine
        with engine.lock:
            active = engine.active
            if engine.closed or engine.poisoned or active is None:
                return
            if active.journal.durable < active.journal.last_group:
                try:
                    active.journal.sync()
                except VaultError:
                    engine.poisoned = True

    def stop(self) -> None:
        """Stop the timer; the vault is closing."""
        timer = self._timer
        if timer is not None:
            timer.cancel()


class _GroupBuilder:
    """Turns tickets into a group, and the group into index rows."""

    def __init__(self, engine: Engine, live: LiveJournal, tickets: Sequence[_Ticket]) -> None:
        self._engine = engine
        self._live = live
        self._first_commit = engine.last_commit + 1
        self._first_frame = live.frames
        self._frames: list[tuple[Drafted, Sequence[tuple[int, int]]]] = []
        self._parts: list[PartFile] = []
        self._new_parts: list[tuple[int, bytes]] = []
        self._homes: dict[bytes, tuple[int, int]] = {}
        self.leaves = 0
        audit: list[bytes] = []
        if live.journal.last_group == 0 and live.journal.header.first_leaf < engine.head.tree_size:
            audit.append(engine.head.live_set().encode())
        chunks: list[tuple[int, bytes]] = []
        for number, ticket in enumerate(tickets):
            commit = self._first_commit + number
            for drafted in ticket.intent.frames:
                self._frames.append((drafted, ((len(drafted.block.entries), commit),)))
            chunks += [(commit, chunk) for chunk in ticket.intent.events.chunks]
            audit += [
                AuditEntry(LeafKind.EVENT, commit, commitment).encode()
                for commitment in ticket.intent.events.commitments
            ]
            self.leaves += len(ticket.intent.events.commitments)
        self._frames += list(_audit_frames(engine, chunks))
        self._commits = len(tickets)
        self._audit = b"".join(audit)
        self._rows: list[FrameRow] = []

    def draft(self) -> GroupDraft:
        """Return the group. Part files that it names are durable when this returns."""
        bodies, keys, offset = [], [], 0
        for drafted, runs in self._frames:
            sealed, landed = drafted.sealed, drafted.landed
            if landed is None:
                row = FrameRow(sealed.header, offset, HERE, runs, sealed.entries)
                bodies.append(sealed.body)
                offset += len(sealed.body)
            else:
                row = FrameRow(sealed.header, landed.offset, self._home(landed.segment_id), runs, sealed.entries)
            self._rows.append(row)
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
            self._rows,
            bodies,
            keys,
            self._audit,
        )

    def _home(self, segment_id: bytes) -> int:
        known = self._homes.get(segment_id)
        if known is None:
            end = self._engine.parts.sync(segment_id)
            self._parts.append(PartFile(segment_id, end))
            number, new = self._engine.part_container(segment_id)
            if new:
                self._new_parts.append((number, segment_id))
            known = self._homes[segment_id] = (len(self._parts), number)
        return known[0]

    def index(self, txn: lmdb.Transaction, group_offset: int) -> None:
        """Write the group's index rows."""
        engine = self._engine
        for number, segment_id in self._new_parts:
            engine.index.put_container(txn, number, ContainerKind.PART, segment_id)
        containers = dict(self._homes.values())
        containers[HERE] = self._live.number
        batch = Batch(engine.chain.alias_key)
        bodies = sum(len(d.sealed.body) for d, _ in self._frames if d.landed is None)
        base = GROUP.size + PART.size * len(self._parts)
        row_offset = group_offset + base + bodies
        for slot, ((drafted, _), row) in enumerate(zip(self._frames, self._rows, strict=True)):
            body_offset = row.body_offset + (group_offset + base if row.home == HERE else 0)
            place = Place(row_offset, row.size, containers[row.home], body_offset, group_offset, slot)
            address = Address(self._live.number, self._first_frame + slot)
            batch.add(address, place, row.header.frame_class, row.header.frame_id, drafted.block, row.commits())
            row_offset += row.size
        batch.write(engine.index, txn)


def _audit_frames(
    engine: Engine, chunks: Sequence[tuple[int, bytes]]
) -> Sequence[tuple[Drafted, Sequence[tuple[int, int]]]]:
    """Return the frames of shred unit (vault, audit) that hold the events of a group."""
    frames = []
    pending: list[tuple[int, bytes]] = []
    size = 0
    for commit, chunk in [*chunks, (0, b"")]:
        if pending and (not commit or size + len(chunk) > limits.MAX_BODY):
            frames.append(_audit_frame(engine, pending))
            pending, size = [], 0
        pending.append((commit, chunk))
        size += len(chunk)
    return frames


def _audit_frame(engine: Engine, chunks: Sequence[tuple[int, bytes]]) -> tuple[Drafted, Sequence[tuple[int, int]]]:
    entries: list[Entry] = []
    offset = 0
    for _, chunk in chunks:
        entries.append(role_entry(Role.EVENTS, bytes(16), offset, len(chunk)))
        offset += len(chunk)
    block = EntryBlock(NOBODY, 0, entries)
    sealed = seal(engine.suite, FrameClass.AUDIT, block, b"".join(chunk for _, chunk in chunks))
    return Drafted(sealed, block), [(1, commit) for commit, _ in chunks]
