"""The settled log as deliveries read it: from any leaf on, in memory that does not grow with it, while others write."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from vaultfs_format import merkle
from vaultfs_format.events.session import SessionOpened
from vaultfs_format.head import Head

from vaultfs.audit.events import NOBODYS_SESSION
from vaultfs.audit.exporting.errors import DeliveryOvertaken
from vaultfs.audit.exporting.logged import Logged
from vaultfs.audit.moving import MOVED
from vaultfs.audit.view import origin_of
from vaultfs.engine.log.leaves import Leaf, leaves, leaves_before
from vaultfs.engine.vault import Vault
from vaultfs.errors import VaultDamaged

T = TypeVar("T")

MAX_SESSIONS = 4096
"""Sessions whose openings are remembered; those of others are looked for again."""


def settled(vault: Vault, first: int, end: int) -> Iterator[Leaf]:
    """Yield the settled leaves from one on, before another. No lock is held between two of them.

    What maintenance has merged meanwhile is read from where it is now.

    Raises
    ------
    CommitmentMismatch, VaultDamaged
        The log is not the one that was written.
    DeliveryOvertaken
        It was pruned beyond what was read.
    Closed, Forked
    """
    index, head = first, head_of(vault)
    while index < min(end, head.tree_size):
        check_kept(head, index)
        try:
            for leaf in _consecutive(vault, head, index, end):
                index = leaf.index + 1
                yield leaf
        except MOVED:
            head = _moved(vault, head)


def check_kept(head: Head, index: int) -> None:
    """Check that a leaf that is to be read next was not pruned.

    Raises
    ------
    DeliveryOvertaken
    """
    if index < head.first_leaf:
        raise DeliveryOvertaken(first=head.first_leaf, size=index)


def head_of(vault: Vault) -> Head:
    """Return the head in force."""
    engine = vault.engine
    with engine.lock:
        engine.check()
        return engine.head


def steadily(vault: Vault, read: Callable[[Head], T]) -> T:
    """Return what `read` returns of the head in force; read again where maintenance has moved what it names."""
    head = head_of(vault)
    while True:
        try:
            return read(head)
        except MOVED:
            head = _moved(vault, head)


def _moved(vault: Vault, before: Head) -> Head:
    """Return the head that has followed; where none has, raise what is being handled: nothing was moved."""
    head = head_of(vault)
    if head is before:
        raise  # noqa: PLE0704 - it is called where an error is handled
    return head


def _consecutive(vault: Vault, head: Head, first: int, end: int) -> Iterator[Leaf]:
    index, end = first, min(end, head.tree_size)
    for leaf in leaves(vault.engine, head, (), first):
        if index == end:
            return
        if leaf.index > index:
            raise VaultDamaged(leaf=index)
        if leaf.index == index:
            yield leaf
            index += 1
    if index < head.tree_size - 1:
        raise VaultDamaged(leaf=index)
    if index < end:
        yield Leaf(index, head.live_set(), None)  # it is in no segment before the next settling


class Openings:
    """The events that have opened sessions, by the ids of these: as many as are needed again soon."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._known: OrderedDict[bytes, SessionOpened | None] = OrderedDict()

    def logged(self, found: Sequence[Leaf]) -> list[Logged]:
        """Return the events among leaves, each with its session: the one that was opened before it.

        Parameters
        ----------
        found
            In order; what is given later comes later in the log.
        """
        self._look_for(found)
        suite, origin = self._vault.engine.suite, origin_of(self._vault.id)
        hashes = merkle.audit_leaves(suite, (leaf.entry.encode() for leaf in found))
        logged = []
        for leaf, hashed in zip(found, hashes, strict=True):
            event = leaf.event
            if event is None:
                continue
            if isinstance(event, SessionOpened):
                self._known[event.session] = event
            session = self._known.get(event.session)
            logged.append(Logged(origin, leaf.index, hashed, event, session))
        self._forget()
        return logged

    def _look_for(self, found: Sequence[Leaf]) -> None:
        """Look in the log for sessions that were opened before these leaves."""
        wanted: set[bytes] = set()
        opened: set[bytes] = set()
        for leaf in found:
            if isinstance(leaf.event, SessionOpened):
                opened.add(leaf.event.session)
            elif leaf.event is not None and leaf.event.session != NOBODYS_SESSION:
                wanted |= {leaf.event.session} - opened
        for session in wanted & self._known.keys():
            self._known.move_to_end(session)
        missing = wanted - self._known.keys()
        if missing:
            self._known.update(dict.fromkeys(missing))
            self._known.update(steadily(self._vault, lambda head: self._searched(head, found[0].index, missing)))

    def _searched(self, head: Head, index: int, missing: set[bytes]) -> dict[bytes, SessionOpened]:
        opened: dict[bytes, SessionOpened] = {}
        for leaf in leaves_before(self._vault.engine, head, index):
            event = leaf.event
            if isinstance(event, SessionOpened) and event.session in missing and leaf.index < index:
                opened[event.session] = event
                if len(opened) == len(missing):
                    break
        return opened

    def _forget(self) -> None:
        while len(self._known) > MAX_SESSIONS:
            self._known.popitem(last=False)
