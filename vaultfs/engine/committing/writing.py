"""A session of the process that writes: what reads, and transactions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from vaultfs.access.policy import Policy
from vaultfs.audit.events import Event
from vaultfs.context import UNSTATED, Attest, Context
from vaultfs.engine.committing.grouping import Intent
from vaultfs.engine.committing.transaction import Transaction
from vaultfs.engine.engine import Engine
from vaultfs.engine.reading.session import Host, Session
from vaultfs.model import Principal

T = TypeVar("T")


class WritingHost(Host, Protocol):
    """A vault that is open for writing, as its sessions see it."""

    @property
    def engine(self) -> Engine:
        """Files, keys, index and what writing needs."""
        ...

    def commit(self, intent: Intent) -> int:
        """Commit an intent and return its commit number."""
        ...


class WritingSession(Session):
    """Access by one principal for one purpose, to a vault that is open for writing."""

    engine: Engine

    def __init__(
        self,
        host: WritingHost,
        principal: Principal,
        purpose: str,
        policy: Policy,
        *,
        strict: bool,
        context: Context = UNSTATED,
        attest: Attest | None = None,
    ) -> None:
        super().__init__(host, principal, purpose, policy, strict=strict, context=context, attest=attest)
        self._writer = host

    def transaction(self) -> Transaction:
        """Begin a transaction."""
        self.check()
        return Transaction(self)

    def commit(self, intent: Intent) -> int:
        """Commit a transaction's intent (called by the transaction)."""
        return self._host.steady(lambda: self._writer.commit(intent))

    def note(self, events: list[Event]) -> None:
        """Write audit events as those of a read are (called by the transaction)."""
        self._note(events)

    def steady(self, read: Callable[[], T]) -> T:
        """Return what `read` returns; run it again where frames have moved (called by the transaction)."""
        return self._host.steady(read)
