"""The whole log of an open vault, checked: events, tree, who signed which part, and the heads of subjects."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from vaultfs.audit.checking import Checking, See
from vaultfs.audit.events import Event
from vaultfs.audit.findings import Verified
from vaultfs.audit.log import reopened
from vaultfs.engine.files.heads import read_superblock
from vaultfs.engine.vault import Vault
from vaultfs.errors import VaultMissing

_ATTEMPTS = 3


class Watcher(Protocol):
    """What sees the events of a log while it is checked."""

    def see(self, index: int, event: Event) -> None:
        """Take an event and its index: all of the log, in their order."""
        ...


W = TypeVar("W", bound=Watcher)


class _Nobody:
    def see(self, index: int, event: Event) -> None:
        """Look at nothing."""


def verify(vault: Vault) -> Verified:
    """Check every event against its entry, the tree against the head, signers and the heads of subjects.

    Raises
    ------
    CommitmentMismatch
        An event, the tree, the signer of a part, or a head of a subject is not the one that was written.
    SignatureInvalid
        A signer was not named by the one before.
    VaultDamaged, FormatError, NotAuthentic, StorageFailed
        Entries or events are missing, or damaged.

    The facts of each say the first leaf that is wrong, and file and offset, so far as that can be told.
    """
    return checked(vault, _Nobody)[0]


def checked(vault: Vault, begin: Callable[[], W]) -> tuple[Verified, W]:
    """Check the log as `verify` does, and raise as it does; return what was found, and what has seen all events.

    What is appended after the check has begun is not looked at.

    Parameters
    ----------
    begin
        Returns what is to see all events that are found right. Where others moved the files meanwhile, it is called
        again, and all is read again.
    """
    found, seen_by = _run(vault, begin)
    if found.worst is not None:
        raise found.worst.error
    return found, seen_by


def check_log(vault: Vault) -> Verified:
    """Check the log as `verify` does; what is wrong is not raised, but returned with all else that is.

    Raises
    ------
    SignatureInvalid
        A signer was not named by the one before: nothing that they have signed can be told apart.
    VaultDamaged, VaultMissing, StorageFailed, Closed
        The vault cannot be read at all.
    """
    return _run(vault, _Nobody)[0]


def _run(vault: Vault, begin: Callable[[], W]) -> tuple[Verified, W]:
    """Check the log; again where a settling has merged what was being read: in the end, while nobody writes."""
    for _ in range(_ATTEMPTS):
        head, watcher = vault.engine.head, begin()
        with suppress(VaultMissing):
            found = _pass(vault, watcher.see)
            if not found.findings or vault.engine.head is head:
                return found, watcher
    with vault.engine.lock:
        watcher = begin()
        return _pass(vault, watcher.see), watcher


def _pass(vault: Vault, see: See) -> Verified:
    engine = vault.engine
    with engine.lock:
        engine.check()
        head = engine.head
        superblock, _ = read_superblock(engine.vfs, engine.layout, head)
        journals = [reopened(engine, live) for live in engine.live]
    try:
        superblock.check_line()
        return Checking(engine, head, superblock.handovers(), see).run(journals)
    finally:
        for live in journals:
            live.journal.close()
