"""The queue before the committer: of the threads in it one leads, and the others wait to be told of it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from vaultfs.engine.committing.grouping import Intent, Room
from vaultfs.engine.engine import Engine
from vaultfs.errors import VaultError
from vaultfs.metrics import Gauge

MAX_PATIENCE = 0.0005
"""Seconds that a group waits for more commits, at most."""


class Ticket:
    """An intent on its way: done with an error, or done and committed."""

    __slots__ = ("commit", "done", "error", "intent", "patient", "taken", "told")

    def __init__(self, intent: Intent) -> None:
        self.intent = intent
        self.patient = intent.durable
        """Whether it may wait for others to come, so that one sync serves all."""
        self.taken = False
        """Whether a group has taken it in: it will be done, whatever comes of that."""
        self.done = False
        self.error: VaultError | None = None
        self.commit = 0
        self.told = threading.Lock()
        """Taken by who waits to be told of it; whoever tells it lets go of it."""

    def fail(self, error: VaultError) -> None:
        # Each waiter raises an error of its own: threads must not share a traceback.
        self.error = type(error)(**error.facts)
        self.done = True


class CommitQueue:
    """The tickets of those who commit. Safe to use from any thread.

    Parameters
    ----------
    lead
        Takes tickets and does them. Called under the engine's lock.
    """

    def __init__(self, engine: Engine, lead: Callable[[], None]) -> None:
        self._engine = engine
        self._lead = lead
        self._mutex = threading.Lock()
        """Of what follows. Each waits for a lock of its own, and is told once: a condition would wake all for one."""
        self._queued: deque[Ticket] = deque()
        self._next: Ticket | None = None
        """Whose thread waits for the engine's lock, to lead."""
        self._gathering: Ticket | None = None
        """Whose thread leads if the others who are expected do not come in a moment."""
        self._waiting: dict[Ticket, None] = {}
        self._leading = False
        """Whether a thread leads. Written under the engine's lock, not under the mutex. Who sees it too late does no
        harm: they wait to be told by who leads, who tells behind that, or they wait for a lock that is free."""
        self._crowd = 0
        """Commits that the last group took in, and those that came meanwhile."""
        self._patience = 0.0
        """Seconds to wait for as many again: at most what a sync takes, since another one is what it may spare."""

    def __len__(self) -> int:
        return len(self._queued)

    def go_through(self, ticket: Ticket) -> None:
        """Return when a ticket is done, by this thread or by another.

        An interrupt takes back a ticket that nobody has taken; one that is being done is waited for.
        """
        try:
            with self._mutex:
                self._queued.append(ticket)
                self._engine.metrics.set(Gauge.QUEUE, len(self._queued))
            while not ticket.done:
                self._lead_or_wait(ticket)
            self.tell(ticket)
        except BaseException:
            self._withdraw(ticket)
            raise

    def _lead_or_wait(self, ticket: Ticket) -> None:
        """Lead, or return when another thread has led, or when there is reason to look again.

        One thread alone waits for the lock, to lead next; were all to wait for it, those whose tickets are done would
        have to stand through the next sync to learn of it. A thread that has the lock already leads at once.
        """
        held = self._engine.holds_lock()
        wait = None if held else self._place(ticket)
        if wait is not None:
            if not ticket.told.acquire(timeout=wait):
                ticket.patient = False
            return
        with self._engine.lock:  # an interrupt may come behind every other way to take it, and leave it taken for good
            outer = self._leading
            try:
                self._leading = True
                if self._next is ticket:
                    self._next = None
                if not ticket.done and (held or self._is_whole(ticket)):
                    self._lead()
            finally:
                self._leading = outer

    def _place(self, ticket: Ticket) -> float | None:
        """Return None where a thread is to take the lock; else the seconds it is to wait to be told, -1: however long.

        Those who were just told come back in a moment, and one sync serves all. One thread waits a moment for as many
        as there were; the last of them to come leads, since it is awake.
        """
        with self._mutex:
            if self._gathering is ticket:
                self._gathering = None
            if not ticket.taken and self._next is None and (self._leading or self._is_whole(ticket)):
                self._next, self._gathering = ticket, None
                self._waiting.pop(ticket, None)
                return None
            ticket.told.acquire(blocking=False)
            if ticket.done:
                ticket.told.release()
            else:
                self._waiting[ticket] = None
            if ticket.taken or self._next is not None or self._gathering is not None:
                return -1
            self._gathering = ticket
            return self._patience

    def _is_whole(self, ticket: Ticket) -> bool:
        """Return whether there is nobody to wait for."""
        return len(self._queued) >= self._crowd or not ticket.patient

    def tell(self, leaving: Ticket | None = None) -> None:
        """Tell one of those whose tickets are done, who tells the next; the last of them tells one who is to lead.

        Were all told at once, all would wake only to wait for each other, since one thread runs at a time. Whoever is
        interrupted within tells again: to be told twice does no harm, to be taken off the list untold would.
        """
        with self._mutex:
            if leaving is not None:
                self._waiting.pop(leaving, None)
            if self._gathering is not None and self._gathering.done:
                self._gathering = None
            told = next((ticket for ticket in self._waiting if ticket.done), None)
            if told is None and not (self._leading or self._next or self._gathering):
                told = next(iter(self._waiting), None)
            if told is not None:
                if told.told.locked():
                    told.told.release()
                del self._waiting[told]

    def _withdraw(self, ticket: Ticket) -> None:
        """Take back a ticket whose thread was interrupted; one that is being written is waited for."""
        with self._mutex:
            if self._next is ticket:
                self._next = None
            if self._gathering is ticket:
                self._gathering = None
            self._waiting.pop(ticket, None)
            queued = ticket in self._queued
            if queued:
                self._queued.remove(ticket)
        self.tell()
        if not queued:
            with self._engine.lock:
                pass

    # For who leads, under the engine's lock.

    def take(self, taken: list[Ticket], room: Room) -> None:
        """Take the tickets that there is room for, and one in any case, into `taken`."""
        with self._mutex:
            while self._queued:
                ticket = self._queued[0]
                if ticket.done:  # an interrupt came between the next two steps
                    self._queued.popleft()
                    continue
                if not room.take(ticket.intent) and taken:
                    return
                taken.append(ticket)
                self._queued.popleft()
                ticket.taken = True

    def synced(self, seconds: float) -> None:
        """Learn what a sync took."""
        self._patience = min(seconds, MAX_PATIENCE)

    def served(self, count: int) -> None:
        """Learn how many tickets were done together."""
        self._crowd = count + len(self._queued)
