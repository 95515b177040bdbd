"""Who can open a vault: listed, added, and escrow shares tried out.

Adding is a rewrap: the same root key, sealed once more, in a VAULT of the next generation. Order: the event; VAULT in
both copies; the head that names it; then the VAULT before goes. A crash at any point leaves the one or the other in
force, and what is not in force is litter.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from vaultfs_format import limits
from vaultfs_format.head import Head
from vaultfs_format.superblock import Superblock

from vaultfs.audit.events import NOBODYS_SESSION, Event, EventType, Outcome
from vaultfs.engine.engine import Engine
from vaultfs.engine.heads import read_superblock
from vaultfs.engine.pairs import drop_copy, write_pair
from vaultfs.errors import LimitExceeded, StorageFull, Structure, VaultError
from vaultfs.keys.escrow import Shares
from vaultfs.keys.listing import RecipientInfo, listed
from vaultfs.keys.recipients import Recipient, Unlocker, sealed_for

if TYPE_CHECKING:
    from vaultfs.engine.vault import Vault


class Keys:
    """The recipients of an open vault.

    Parameters
    ----------
    settle
        Settles the vault into a head that is amended, under the lock of its engine.
    """

    def __init__(self, vault: Vault, settle: Callable[[Callable[[Head], Head]], int]) -> None:
        self._vault = vault
        self._engine = vault.engine
        self._settle = settle

    def recipients(self) -> list[RecipientInfo]:
        """Return all recipients, as the vault states them.

        Raises
        ------
        VaultDamaged, Closed
        """
        with self._engine.lock:
            self._engine.check()
            superblock, _ = self._read()
        return [listed(superblock.suite, stanza) for stanza in superblock.stanzas]

    def add(self, recipient: Recipient, *, unlock: Unlocker) -> RecipientInfo:
        """Let one more recipient open the vault; durable and in force when this returns.

        Parameters
        ----------
        unlock
            Any that opens the vault now: an open vault does not keep its root key.

        Raises
        ------
        NoRecipientMatches
            `unlock` does not open this vault; or the new recipient could not open its own stanza.
        LimitExceeded
            There are as many recipients as a vault can have.
        StorageFull
            All is as it was.
        StorageFailed, WriterPoisoned, Closed, VaultError
            What sealing for the recipient raises, or unlocking.
        """
        engine = self._engine
        with engine.maintained():  # nobody else replaces VAULT; others go on writing while a PIN is asked for
            old, root_key = self._unlocked(unlock)
            if len(old.stanzas) >= limits.MAX_STANZAS:
                raise LimitExceeded(structure=Structure.SUPERBLOCK, stanzas=len(old.stanzas) + 1)
            stanza = sealed_for(recipient, old.suite, old.vault_id, root_key)
            new = replace(old, generation=old.generation + 1, stanzas=[*old.stanzas, stanza])
            added = listed(old.suite, stanza)
            with engine.lock:
                engine.check_writable()
                self._record(EventType.RECIPIENT_ADDED, added)
                try:
                    self._replace(new, root_key)
                except StorageFull:
                    if not engine.poisoned:  # else a head may be there that names it
                        _remove(engine, new.generation)
                        with suppress(VaultError):
                            self._record(EventType.RECIPIENT_ADDED, added, Outcome.FAILED)
                    raise
                _remove(engine, old.generation)
        return added

    def drill(self, shares: Shares) -> RecipientInfo:
        """Prove that escrow shares still open the vault, and change nothing; that it was tried is audited, durably.

        Returns
        -------
        RecipientInfo
            The escrow that they are shares of.

        Raises
        ------
        NoRecipientMatches, SharesMissing, ShareInvalid, ExtraMissing
            They do not.
        """
        engine = self._engine
        engine.check_writable()
        with engine.lock:
            superblock, data = self._read()
        try:
            stanza, root_key = shares.opened(superblock)
            superblock.verify(data, root_key)
        except VaultError:
            self._record(EventType.ESCROW_DRILLED, None, Outcome.FAILED)
            raise
        found = listed(superblock.suite, stanza)
        self._record(EventType.ESCROW_DRILLED, found)
        return found

    def _read(self) -> tuple[Superblock, bytes]:
        engine = self._engine
        return read_superblock(engine.vfs, engine.layout, engine.head)

    def _unlocked(self, unlock: Unlocker) -> tuple[Superblock, bytes]:
        """Return the superblock in force, proved authentic, and the root key."""
        superblock, data = self._read()
        root_key = unlock.unlock(superblock)
        superblock.verify(data, root_key)
        return superblock, root_key

    def _record(self, kind: EventType, about: RecipientInfo | None, outcome: Outcome = Outcome.DONE) -> None:
        stanza, number = (bytes.fromhex(about.id), about.type) if about else (b"", 0)
        now = self._engine.options.clock()
        event = Event(int(kind), now, NOBODYS_SESSION, record=stanza, version=number, outcome=int(outcome))
        self._vault.record([event], durable=True)

    def _replace(self, new: Superblock, root_key: bytes) -> None:
        """Put another VAULT in force."""
        engine = self._engine
        data = new.encode(root_key)
        write_pair(engine.vfs, engine.layout, engine.layout.superblock(new.generation), data, engine.metrics)
        digest = new.suite.digest(data)
        self._settle(lambda head: replace(head, superblock_generation=new.generation, superblock_digest=digest))


def forget_superseded(engine: Engine) -> None:
    """Remove what a replacement that was interrupted has left: VAULT files of generations before the one in force."""
    layout, now = engine.layout, engine.head.superblock_generation
    for directory in (layout.root, layout.copy_of(layout.root)):
        with suppress(VaultError):  # what cannot be removed stays litter
            for name in engine.vfs.names(directory):
                kind, _, number = name.partition(".")
                if kind == "VAULT" and number.isdecimal() and int(number) < now:
                    engine.vfs.unlink(directory / name)


def _remove(engine: Engine, generation: int) -> None:
    """Remove a VAULT file that is not in force, and its copy; what cannot be removed stays litter."""
    path = engine.layout.superblock(generation)
    with suppress(VaultError):
        drop_copy(engine.vfs, engine.layout, path, engine.metrics)
        engine.vfs.unlink(path)
