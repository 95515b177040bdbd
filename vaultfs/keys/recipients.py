"""Recipients: who can open the vault's root key. A passphrase today."""

from __future__ import annotations

from dataclasses import dataclass, field

from vaultfs_format.errors import CommitmentMismatch
from vaultfs_format.stanza import Argon2Cost, Stanza, StanzaType, seal_passphrase
from vaultfs_format.suite import Suite
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
    """

    secret: bytes = field(repr=False)
    cost: Argon2Cost = field(default_factory=Argon2Cost)

    def stanza(self, suite: Suite, vault_id: bytes, root_key: bytes, salt: bytes) -> Stanza:
        """Return the stanza that lets this passphrase open `root_key`."""
        if len(self.secret) < MIN_PASSPHRASE:
            raise ArgumentInvalid(length=len(self.secret))
        sealed = seal_passphrase(suite, vault_id, root_key, self.secret, salt, self.cost)
        return Stanza(StanzaType.PASSPHRASE, sealed.encode())

    def unlock(self, superblock: Superblock) -> bytes:
        """Return the root key.

        Raises
        ------
        NoRecipientMatches
        """
        for stanza in superblock.stanzas:
            if stanza.kind != StanzaType.PASSPHRASE:
                continue
            try:
                return stanza.passphrase().open(superblock.suite, superblock.vault_id, self.secret)
            except CommitmentMismatch:
                continue
        raise NoRecipientMatches
