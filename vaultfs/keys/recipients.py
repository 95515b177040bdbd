"""Recipients: who can open the vault's root key. A passphrase today."""

from __future__ import annotations

from dataclasses import dataclass, field

from vaultfs_format.errors import CommitmentMismatch
from vaultfs_format.stanza import Argon2Cost, Pbkdf2Cost, Stanza, seal_passphrase
from vaultfs_format.suite import FIPS, Suite
from vaultfs_format.superblock import Superblock

from vaultfs.errors import ArgumentInvalid, NoRecipientMatches

MIN_PASSPHRASE = 8
"""Fewest bytes of a passphrase that a vault is created with (NIST SP 800-63B section 5.1.1.1)."""


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A passphrase, as recipient of a new vault or to unlock one.

    Parameters
    ----------
    secret
        The passphrase in bytes, as read from a prompt or file; no line end.
    cost
        Cost of Argon2id for a new stanza; a stanza that exists states its own.
    pbkdf2
        The same for a vault of suite fips, whose stanzas are made by PBKDF2.
    """

    secret: bytes = field(repr=False)
    cost: Argon2Cost = field(default_factory=Argon2Cost)
    pbkdf2: Pbkdf2Cost = field(default_factory=Pbkdf2Cost)

    def stanza(self, suite: Suite, vault_id: bytes, root_key: bytes, salt: bytes) -> Stanza:
        """Return the stanza that lets this passphrase open `root_key`."""
        if len(self.secret) < MIN_PASSPHRASE:
            raise ArgumentInvalid(length=len(self.secret))
        cost = self.pbkdf2 if suite is FIPS else self.cost
        return Stanza(cost.kind, seal_passphrase(suite, vault_id, root_key, self.secret, salt, cost).encode())

    def unlock(self, superblock: Superblock) -> bytes:
        """Return the root key.

        Raises
        ------
        NoRecipientMatches
        """
        for stanza in superblock.stanzas:
            if not stanza.takes_passphrase:
                continue
            try:
                return stanza.passphrase().open(superblock.suite, superblock.vault_id, self.secret)
            except CommitmentMismatch:
                continue
        raise NoRecipientMatches
