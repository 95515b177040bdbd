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
from contextlib import suppress
from dataclasses import dataclass, field

import lmdb
from vaultfs_format import limits
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.directory import HERE, FrameRow
from vaultfs_format.entries import Entry, EntryBlock, Role
from vaultfs_format.frame import FrameClass
from vaultfs_format.journal import GROUP, PART, GroupDraft, GroupKind, PartFile
from vaultfs_format.suite import Suite

from vaultfs.audit.events import Sealable
from vaultfs.engine.batch import Batch
from vaultfs.engine.engine import Engine, LiveJournal
from vaultfs.engine.index import Address, ContainerKind, Place, Stamp
from vaultfs.engine.units import Drafted, role_entry, seal
from vaultfs.errors import CommitUnknown, TransactionConflict, VaultError
from vaultfs.model import NOBODY

MAX_BATCH = 256 * limits.MIB
"""Sealed bytes after which a group takes in no further commit."""


@dataclass(slots=True, repr=False)
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
    """An intent on its way: done with an error, or done and committed."""

    __slots__ = ("commit", "done", "error", "intent")

    def __init__(self, intent: Intent) -> None:
        self.intent = intent
        self.done = False
        self.error: VaultError | None = None
        self.commit = 0

    def fail(self, error: VaultError) -> None:
        # Each waiter raises an error of its own: threads must not share a traceback.
        self.error = type(error)(**error.facts)
        self.done = True


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
    """Commits intents. Safe to call from any thread.

    Parameters
    ----------
    state_version
        Returns the current version of a control state by its token.
    grown
        Called under the lock, when everything is acknowledged, with a journal that has reached the size for settling.
    """

    def __init__(self, engine: Engine, state_version: Callable[[bytes], int], grown: Callable[[], None]) -> None:
        self._engine = engine
        self._state_version = state_version
        self._grown = grown
        self._mutex = threading.Lock()
        """Of `_turn`; taken by itself: an interrupt that comes while a condition is entered would leave it locked."""
        self._turn = threading.Condition(self._mutex)
        self._queue: deque[_Ticket] = deque()
        self._next: _Ticket | None = None
        self._timer: threading.Timer | None = None

    def commit(self, intent: Intent) -> int:
        """Make `intent` durable (or, where it says so, written) and return its commit number.

        An intent that only relies on something is checked and not written; its commit number is 0.

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
        try:
            with self._mutex:
                self._queue.append(ticket)
            while not ticket.done:
                self._lead_or_wait(ticket)
        except BaseException:
            self._withdraw(ticket)
            raise
        if ticket.error is not None:
            raise ticket.error
        return ticket.commit

    def _lead_or_wait(self, ticket: _Ticket) -> None:
        """Lead, or return when another thread has led.

        One thread alone waits for the lock, to lead next; were all to wait for it, those whose tickets are done would
        have to stand through the next sync to learn of it. A thread that holds the lock already leads at once.
        """
        lock = self._engine.lock
        if not lock.acquire(blocking=False):
            with self._mutex:
                if self._next is not None:
                    self._turn.wait()
                    return
                self._next = ticket
            try:
                lock.acquire()
            except BaseException:
                with self._mutex:
                    self._next = None
                    self._turn.notify_all()
                raise
            with self._mutex:
                self._next = None
        try:
            if not ticket.done:
                self._lead()
        finally:
            lock.release()
            with self._mutex:
                self._turn.notify_all()

    def _withdraw(self, ticket: _Ticket) -> None:
        """Take back a ticket whose thread was interrupted; one that is being written is waited for."""
        with self._mutex:
            if ticket in self._queue:
                self._queue.remove(ticket)
                return
        with self._engine.lock:
            pass

    def _lead(self) -> None:
        tickets: list[_Ticket] = []
        try:
            self._take(tickets)
            accepted = self._accepted(tickets)
            if accepted:
                self._write(accepted)
        except BaseException:
            self._engine.poisoned = True
            raise
        finally:
            for ticket in tickets:
                if not ticket.done:
                    ticket.fail(CommitUnknown())
        active = self._engine.active
        if accepted and active is not None and active.journal.end >= self._engine.options.settle_bytes:
            self._grown()

    def _take(self, taken: list[_Ticket]) -> None:
        weight = 0
        with self._mutex:
            while self._queue and (not taken or weight + self._queue[0].intent.weight() <= MAX_BATCH):
                ticket = self._queue[0]
                if not ticket.done:  # else an interrupt came between the next two steps
                    weight += ticket.intent.weight()
                    taken.append(ticket)
                self._queue.popleft()

    def _accepted(self, tickets: Sequence[_Ticket]) -> list[_Ticket]:
        overlay, accepted = _Overlay(), []
        for ticket in tickets:
            try:
                self._check(ticket.intent, overlay)
            except VaultError as error:
                ticket.fail(error)
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
        """Write what `tickets` hold, then tell them. Whatever goes wrong poisons the writer."""
        engine = self._engine
        writing = [ticket for ticket in tickets if ticket.intent.frames or ticket.intent.events.chunks]
        try:
            if writing:
                self._append(writing)
        except VaultError as error:
            engine.poisoned = True
            for ticket in tickets:
                ticket.fail(error)
        else:
            for ticket in tickets:
                ticket.done = True

    def _append(self, tickets: Sequence[_Ticket]) -> None:
        engine = self._engine
        durable = any(ticket.intent.durable for ticket in tickets)
        live = engine.writer()
        group = _GroupBuilder(engine, live, tickets)
        draft = group.draft()
        offset = live.journal.append(draft)
        live.frames += len(draft.rows)
        live.parts.update(part.segment_id for part in draft.parts)
        if durable:
            try:
                live.journal.sync()
                self._index(live, group, offset)
            except VaultError:
                raise CommitUnknown from None
        engine.last_commit += len(tickets)
        engine.leaves += group.leaves
        for number, ticket in enumerate(tickets):
            ticket.commit = draft.first_commit + number
            engine.parts.release(frame.landed for frame in ticket.intent.frames if frame.landed)
        if not durable:
            self._sync_soon()

    def _index(self, live: LiveJournal, group: _GroupBuilder, offset: int) -> None:
        with self._engine.index.writing() as txn:
            group.index(txn, offset)
            self._stamp(txn, live)

    def _stamp(self, txn: lmdb.Transaction, live: LiveJournal) -> None:
        """Let the index say that it covers what of the journal is durable: were that missing, it would be damage."""
        engine, journal_id = self._engine, live.journal.header.journal_id
        engine.index.put_container(txn, live.number, ContainerKind.JOURNAL, journal_id)
        stamp = Stamp(engine.vault_id, engine.head.generation, journal_id, live.journal.durable)
        engine.index.put_stamp(txn, stamp)

    # Buffered events.

    def _sync_soon(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(self._engine.options.sync_bound, self._sync_buffered)
            self._timer.daemon = True
            self._timer.start()

    def _sync_buffered(self) -> None:
        with self._engine.lock:
            self._timer = None
            with suppress(VaultError):
                self.sync()

    def sync(self) -> None:
        """Make buffered events durable.

        Raises
        ------
        StorageFailed, StorageFull
            The writer is poisoned, so that nothing goes on unaudited.
        """
        engine = self._engine
        with engine.lock:
            live = engine.active
            if live is None or not engine.writable() or live.journal.durable == live.journal.last_group:
                return
            try:
                live.journal.sync()
                with engine.index.writing() as txn:
                    self._stamp(txn, live)
            except VaultError:
                engine.poisoned = True
                raise

    def stop(self) -> None:
        """Stop the timer. Call under the lock, when the vault is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _GroupBuilder:
    """Turns tickets into a group, and the group into index rows."""

    def __init__(self, engine: Engine, live: LiveJournal, tickets: Sequence[_Ticket]) -> None:
        self._engine = engine
        self._live = live
        self._first_commit = engine.last_commit + 1
        self._first_frame = live.frames
        self._frames: list[tuple[Drafted, Sequence[tuple[int, int]]]] = []
        self._parts: list[PartFile] = []
        self._containers: list[int] = [live.number]
        """Container of each home: the journal, then the part files."""
        audit: list[bytes] = []
        if engine.leaves < engine.head.tree_size:
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
        self._frames += list(audit_frames(engine.suite, chunks))
        self._commits = len(tickets)
        self._audit = b"".join(audit)
        self.leaves = len(audit)
        self._rows: list[FrameRow] = []

    def draft(self) -> GroupDraft:
        """Return the group. Part files that it names are durable when this returns."""
        homes = self._sync_parts()
        bodies, keys, offset = [], [], 0
        for drafted, runs in self._frames:
            sealed, landed = drafted.sealed, drafted.landed
            if landed is None:
                row = FrameRow(sealed.header, offset, HERE, runs, sealed.entries)
                bodies.append(sealed.body)
                offset += len(sealed.body)
            else:
                row = FrameRow(sealed.header, landed.offset, homes[landed.segment_id], runs, sealed.entries)
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

    def _sync_parts(self) -> dict[bytes, int]:
        """Make the bodies in part files durable; return the home that each file is named as."""
        engine = self._engine
        ends = engine.parts.sync(drafted.landed for drafted, _ in self._frames if drafted.landed)
        self._parts = [PartFile(segment_id, end) for segment_id, end in ends.items()]
        self._containers += [engine.part_container(segment_id) for segment_id in ends]
        return {segment_id: home for home, segment_id in enumerate(ends, start=1)}

    def index(self, txn: lmdb.Transaction, group_offset: int) -> None:
        """Write the group's index rows."""
        engine = self._engine
        for number, part in zip(self._containers[1:], self._parts, strict=True):
            engine.index.put_container(txn, number, ContainerKind.PART, part.segment_id)
        batch = Batch(engine.chain.alias_key)
        bodies = sum(len(d.sealed.body) for d, _ in self._frames if d.landed is None)
        base = GROUP.size + PART.size * len(self._parts)
        row_offset = group_offset + base + bodies
        for slot, ((drafted, _), row) in enumerate(zip(self._frames, self._rows, strict=True)):
            body_offset = row.body_offset + (group_offset + base if row.home == HERE else 0)
            place = Place(row_offset, row.size, self._containers[row.home], body_offset, group_offset, slot)
            address = Address(self._live.number, self._first_frame + slot)
            batch.add(address, place, row.header.frame_class, row.header.frame_id, drafted.block, row.commits())
            row_offset += row.size
        batch.write(engine.index, txn)


def audit_frames(
    suite: Suite, chunks: Sequence[tuple[int, bytes]]
) -> Sequence[tuple[Drafted, Sequence[tuple[int, int]]]]:
    """Return the frames of shred unit (vault, audit) that hold the events of a group."""
    frames = []
    pending: list[tuple[int, bytes]] = []
    size = 0
    for commit, chunk in [*chunks, (0, b"")]:
        if pending and (not commit or size + len(chunk) > limits.MAX_BODY):
            frames.append(_audit_frame(suite, pending))
            pending, size = [], 0
        pending.append((commit, chunk))
        size += len(chunk)
    return frames


def _audit_frame(suite: Suite, chunks: Sequence[tuple[int, bytes]]) -> tuple[Drafted, Sequence[tuple[int, int]]]:
    entries: list[Entry] = []
    offset = 0
    for _, chunk in chunks:
        entries.append(role_entry(Role.EVENTS, bytes(16), offset, len(chunk)))
        offset += len(chunk)
    block = EntryBlock(NOBODY, 0, entries)
    sealed = seal(suite, FrameClass.AUDIT, block, b"".join(chunk for _, chunk in chunks))
    return Drafted(sealed, block), [(1, commit) for commit, _ in chunks]
