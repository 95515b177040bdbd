"""The committer: one group at a time, shared by the transactions that wait for it.

Whoever holds the lock writes for all that have queued up: checks what each relied on, in order, assigns commit numbers,
writes one group, syncs it once, and brings the index up to date. What was acknowledged is durable and visible. Any
failed write or sync poisons the writer, because the page cache would carry on as if nothing had happened.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import lmdb
from vaultfs_format import limits

from vaultfs.engine.committing import reserve
from vaultfs.engine.committing.commitqueue import CommitQueue, Ticket
from vaultfs.engine.committing.grouping import GroupBuilder, Intent, Room
from vaultfs.engine.engine import Condition, Engine, LiveJournal
from vaultfs.engine.indexing.batch import Batch
from vaultfs.engine.indexing.index import Container, ContainerKind, Stamp
from vaultfs.errors import CommitUnknown, StorageFull, TooLarge, TransactionConflict, VaultError
from vaultfs.metrics import Counter, Gauge, Timing, timed

MAX_TRANSACTION = 512 * limits.MIB
"""Largest commit, in bytes that go through the journal; the content of blobs does not count."""

MAX_BATCH = 256 * limits.MIB
"""Bytes after which a group takes in no further commit."""


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
    check_protect
        Refuses where the key of the epoch may not protect anything.
    grown
        Called under the lock, when everything is acknowledged and the journals have reached the size for settling.
    """

    def __init__(
        self,
        engine: Engine,
        state_version: Callable[[bytes], int],
        check_protect: Callable[[], None],
        grown: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._state_version = state_version
        self._check_protect = check_protect
        self._grown = grown
        self.queue = CommitQueue(engine, self._lead)
        """Where those who commit wait for each other."""
        self._timer: threading.Timer | None = None
        self._unstamped = False
        """Whether the journal has groups that the index does not know of: there is nothing to find in them."""

    def commit(self, intent: Intent) -> int:
        """Make `intent` durable (or, where it says so, written) and return its commit number.

        An intent that only relies on something is checked and not written; its commit number is 0.

        Raises
        ------
        TransactionConflict
            Something it relied on has changed; nothing was written.
        TooLarge
            No group can hold it; nothing was written.
        CommitUnknown
            The sync or the index failed: after reopening the commit is there as a whole or not at all.
        StorageFull, StorageFailed, WriterPoisoned, Closed, Forked
        """
        self._engine.check_writable()
        ticket, metrics, begun = Ticket(intent), self._engine.metrics, time.perf_counter()
        self.queue.go_through(ticket)
        if ticket.error is not None:
            try:
                raise ticket.error
            finally:
                ticket.error = None  # the error's traceback has the ticket: what it holds would wait for the collector
        metrics.add(Counter.COMMITS)
        metrics.observe(Timing.COMMIT if intent.durable else Timing.NOTE, time.perf_counter() - begun)
        return ticket.commit

    def _lead(self) -> None:
        tickets: list[Ticket] = []
        try:
            self.queue.take(tickets, Room(MAX_BATCH))
            accepted = self._accepted(tickets)
            if accepted:
                self._write(accepted)
        except BaseException:
            self._engine.poison()
            raise
        finally:
            for ticket in tickets:
                if not ticket.done:
                    ticket.fail(CommitUnknown())
            self.queue.served(len(tickets))
        if accepted and self._engine.grown():
            self.queue.tell()  # they need not stand through a settling
            self._grown()

    def _accepted(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        overlay, accepted = _Overlay(), []
        for ticket in tickets:
            try:
                self._check(ticket.intent, overlay)
            except VaultError as error:
                if isinstance(error, TransactionConflict):
                    self._engine.metrics.add(Counter.CONFLICTS)
                ticket.fail(error)
            else:
                overlay.take(ticket.intent)
                accepted.append(ticket)
        return accepted

    def _check(self, intent: Intent, overlay: _Overlay) -> None:
        self._engine.check_writable()
        if not Room(MAX_TRANSACTION).take(intent):
            raise TooLarge(frames=len(intent.frames), events=intent.leaves)
        if intent.frames:
            self._check_frames(intent)
        for token, expected in intent.guards.items():
            current = overlay.states.get(token)
            if (self._state_version(token) if current is None else current) != expected:
                raise TransactionConflict
        if intent.unclaimed & overlay.claimed:
            raise TransactionConflict
        if not (intent.bases or intent.unclaimed or intent.parts):
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
            if intent.claims != self._engine.claims and index.claimed(txn, chain.alias_keys(intent.unclaimed)):
                raise TransactionConflict
            if not all(index.copies_of(txn, content_id) for content_id in intent.parts):
                raise TransactionConflict

    def _check_frames(self, intent: Intent) -> None:
        reserve.refuse_writes(self._engine)
        if intent.protects:
            self._check_protect()
        disposed = self._engine.disposed
        if disposed and any(frame.facts.subject in disposed for frame in intent.frames):
            raise TransactionConflict

    def _write(self, tickets: Sequence[Ticket]) -> None:
        """Write what `tickets` hold, then tell them. Whatever goes wrong poisons the writer."""
        writing = [ticket for ticket in tickets if ticket.intent.writes()]
        try:
            if writing and not self._append(writing):
                self._go_on_without_space(writing)
        except VaultError as error:
            self._engine.poison()
            for ticket in tickets:
                if not ticket.done:
                    ticket.fail(error)
        else:
            for ticket in tickets:
                ticket.done = True

    def _go_on_without_space(self, tickets: Sequence[Ticket]) -> None:
        """Fail what writes; what only audits goes into the reserve."""
        if self._engine.condition is Condition.OPEN:
            reserve.enter(self._engine)
        elif self._engine.condition is Condition.FULL:
            with suppress(StorageFull):
                reserve.leave(self._engine)  # the reserve is used up, and perhaps there is space again
        auditing = [ticket for ticket in tickets if not ticket.intent.frames]
        for ticket in tickets:
            if ticket.intent.frames:
                ticket.fail(StorageFull())
        if auditing and not self._append(auditing):
            for ticket in auditing:
                ticket.fail(StorageFull())

    def _append(self, tickets: Sequence[Ticket]) -> bool:
        """Write a group; return False where there is no space for it, and nothing of it counts."""
        engine = self._engine
        durable = any(ticket.intent.durable for ticket in tickets)
        try:
            live = engine.writer()
        except StorageFull:
            if engine.poisoned:
                raise
            return False
        group = GroupBuilder(engine, live, [ticket.intent for ticket in tickets])
        draft = group.draft()
        try:
            offset = live.journal.append(draft)
        except StorageFull:
            return False
        live.parts.update(part.segment_id for part in draft.parts)
        rows = group.place(offset)
        self._unstamped = True
        if durable:
            try:
                begun = time.perf_counter()
                live.journal.sync()
                took = time.perf_counter() - begun
                engine.metrics.observe(Timing.SYNC, took)
                self.queue.synced(took)
                if rows:
                    with timed(engine.metrics, Timing.INDEX):
                        self._index(live, group, rows)
            except VaultError:
                raise CommitUnknown from None
        engine.claims += any(ticket.intent.claimed for ticket in tickets)
        engine.last_commit += len(tickets)
        engine.leaves += group.leaves
        engine.metrics.add(Counter.GROUPS)
        engine.metrics.add(Counter.EVENTS, group.events)
        engine.metrics.add(Counter.BYTES_WRITTEN, live.journal.end - offset)
        engine.metrics.set(Gauge.JOURNAL_BYTES, sum(one.journal.end for one in engine.live))
        for number, ticket in enumerate(tickets):
            ticket.commit = draft.first_commit + number
            engine.parts.release(frame.landed for frame in ticket.intent.frames if frame.landed)
        if self._unstamped:
            self._sync_soon()
        return True

    def _index(self, live: LiveJournal, group: GroupBuilder, rows: Batch) -> None:
        if self._engine.condition is Condition.FULL:
            return  # there is nothing to index in what is audited, and no space for the stamp
        with self._engine.index.writing() as txn:
            group.name_parts(txn)
            rows.write(self._engine.index, txn)
            self._stamp(txn, live)

    def _stamp(self, txn: lmdb.Transaction, live: LiveJournal) -> None:
        """Let the index say that it covers what of the journal is durable: were that missing, it would be damage."""
        engine, journal_id = self._engine, live.journal.header.journal_id
        engine.index.put_container(txn, live.number, Container(ContainerKind.JOURNAL, journal_id))
        stamp = Stamp(engine.vault_id, engine.head.generation, journal_id, live.journal.durable)
        engine.index.put_stamp(txn, stamp)
        self._unstamped = False

    # Buffered events, and stamps that nobody waits for.

    def _sync_soon(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(self._engine.options.sync_bound, self._sync_buffered)
            self._timer.daemon = True
            try:
                self._timer.start()
            except RuntimeError:  # there are as many threads as there may be, or the interpreter ends: nobody waits
                self._timer = None
                self.sync()

    def _sync_buffered(self) -> None:
        with self._engine.lock:
            self._timer = None
            with suppress(VaultError):
                self.sync()

    def sync(self) -> None:
        """Make buffered events durable, and let the index say so.

        Raises
        ------
        StorageFailed, StorageFull
            The writer is poisoned, so that nothing goes on unaudited.
        """
        engine = self._engine
        with engine.lock:
            live = engine.active
            if live is None or not engine.writable() or not self._unstamped:
                return
            try:
                if live.journal.durable < live.journal.last_group:
                    live.journal.sync()
                if engine.condition is Condition.OPEN:
                    with engine.index.writing() as txn:
                        self._stamp(txn, live)
            except VaultError:
                engine.poison()
                raise

    def stop(self) -> None:
        """Stop the timer. Call under the lock, when the vault is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
