"""Recipients: who can open the vault's root key. What any of them can do, and the simplest, a passphrase."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

from vaultfs_format import limits
from vaultfs_format.layout import Buffer
from vaultfs_format.secret import Secret
from vaultfs_format.stanza import Argon2Cost, Pbkdf2Cost, Stanza, seal_passphrase
from vaultfs_format.suite import FIPS, Suite, same
from vaultfs_format.superblock import Superblock
from vaultfs_format.unlocking import by_passphrase

from vaultfs.errors import ArgumentInvalid, LimitExceeded, NoRecipientMatches, Structure

MIN_PASSPHRASE = 8
"""Fewest bytes of a passphrase that a vault is created with (NIST SP 800-63B section 5.1.1.1)."""

MIN_ARGON_MEMORY, MIN_ARGON_WORK = 19_456, 38_912
"""Least memory in KiB, and least product of it and the passes, of a new stanza (OWASP Password Storage Cheat Sheet)."""


@runtime_checkable
class Recipient(Protocol):
    """Whoever a vault is sealed for."""

    def stanza(self, suite: Suite, vault_id: bytes, root_key: Buffer, salt: bytes) -> Stanza:
        """Return the stanza that lets this recipient open `root_key`. `salt`: 32 random bytes, used once."""
        ...


@runtime_checkable
class Unlocker(Protocol):
    """What opens a vault."""

    def unlock(self, superblock: Superblock) -> Buffer:
        """Return the root key; best as a `Secret`, which is wiped once it has been used and nobody keeps it.

        Raises
        ------
        NoRecipientMatches
        """
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """The root key itself, of a vault that was just made: nothing keeps it."""

    root_key: Secret = field(repr=False)

    def unlock(self, superblock: Superblock) -> Secret:  # noqa: ARG002 - as of an `Unlocker`
        """Return the root key."""
        return self.root_key


def sealed_for(recipient: Recipient, suite: Suite, vault_id: bytes, root_key: Buffer) -> Stanza:
    """Return a stanza for a recipient; if it is one that can open it, it has done so.

    Raises
    ------
    NoRecipientMatches
        It cannot, though it should.
    LimitExceeded
        The stanza is larger than a vault can hold.
    """
    stanza = recipient.stanza(suite, vault_id, root_key, os.urandom(32))
    if len(stanza.body) > limits.MAX_STANZA:
        raise LimitExceeded(structure=Structure.STANZA, size=len(stanza.body), limit=limits.MAX_STANZA)
    alone = Superblock(suite, vault_id, 1, [stanza], ())
    if isinstance(recipient, Unlocker) and not same(recipient.unlock(alone), root_key):
        raise NoRecipientMatches
    return stanza


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A passphrase, as recipient of a new vault or to unlock one.

    Parameters
    ----------
    secret
        The passphrase in bytes, as read from a prompt or file; no line end.
    cost
        Cost of Argon2id for a new stanza, of 19 MiB and two passes at least or as much work; a stanza that exists
        states its own.
    pbkdf2
        The same for a vault of suite fips, whose stanzas are made by PBKDF2.
    """

    secret: bytes | bytearray = field(repr=False)
    cost: Argon2Cost = field(default_factory=Argon2Cost)
    pbkdf2: Pbkdf2Cost = field(default_factory=Pbkdf2Cost)
    _at_any_cost: ClassVar[bool] = False

    def stanza(self, suite: Suite, vault_id: bytes, root_key: Buffer, salt: bytes) -> Stanza:
        """Return the stanza that lets this passphrase open `root_key`.

        Raises
        ------
        ArgumentInvalid
            The passphrase is too short, or its cost too low.
        """
        if len(self.secret) < MIN_PASSPHRASE:
            raise ArgumentInvalid(length=len(self.secret))
        cost = self.pbkdf2 if suite is FIPS else self.cost
        if isinstance(cost, Argon2Cost) and not self._at_any_cost:
            memory, passes = cost.memory_kib, cost.passes
            if memory < MIN_ARGON_MEMORY or memory * passes < MIN_ARGON_WORK:
                raise ArgumentInvalid(memory=memory, passes=passes)
        return Stanza(cost.kind, seal_passphrase(suite, vault_id, root_key, self.secret, salt, cost).encode())

    def unlock(self, superblock: Superblock) -> Secret:
        """Return the root key.

        Raises
        ------
        NoRecipientMatches
        """
        return by_passphrase(superblock, self.secret)


class _AtAnyCost(Passphrase):
    """A passphrase whose cost may be as low as the format allows: for tests and measurements alone."""

    _at_any_cost = True
