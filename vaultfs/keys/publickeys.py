"""Recipients with a key pair: a vault is sealed for the public key, and the private key, kept elsewhere, opens it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field

from vaultfs_format.keystanza import seal_for_key
from vaultfs_format.layout import Buffer
from vaultfs_format.secret import Secret
from vaultfs_format.stanza import Stanza, StanzaType
from vaultfs_format.suite import KEY, SUITES, Suite
from vaultfs_format.superblock import Superblock
from vaultfs_format.unlocking import by_private_key

from vaultfs.errors import ArgumentInvalid, FieldInvalid


@dataclass(frozen=True, slots=True)
class RecipientKey:
    """A public key, of which somebody else may hold the private key.

    Parameters
    ----------
    public
        As `PrivateKey.public_key` returns it.
    """

    public: bytes

    def stanza(self, suite: Suite, vault_id: bytes, root_key: Buffer, salt: bytes) -> Stanza:
        """Return the stanza that lets the holder of the private key open `root_key`.

        Raises
        ------
        ArgumentInvalid
            It is no public key, or one of another suite.
        """
        if len(self.public) == suite.public_key_size:
            with suppress(FieldInvalid):
                sealed = seal_for_key(suite, vault_id, root_key, self.public, os.urandom(KEY), salt)
                return Stanza(StanzaType.PUBLIC_KEY, sealed.encode())
        raise ArgumentInvalid(length=len(self.public))


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key: opens vaults that are sealed for its public key, and is a recipient of new ones.

    Parameters
    ----------
    secret
        As `generate` draws it: its length says for vaults of which suite it is.
    """

    secret: bytes | bytearray = field(repr=False)

    @classmethod
    def generate(cls, suite: str = "default") -> PrivateKey:
        """Return a fresh key for vaults of a suite. Keep its `secret` where no copy of the vault is.

        Raises
        ------
        ArgumentInvalid
            There is no such suite.
        """
        for one in SUITES.values():
            if one.name == suite:
                return cls(one.draw_private_key(os.urandom))
        raise ArgumentInvalid

    @property
    def public_key(self) -> RecipientKey:
        """The public half, which is no secret.

        Raises
        ------
        ArgumentInvalid
            The secret is none.
        """
        return RecipientKey(self._suite().public_key(self.secret))

    def _suite(self) -> Suite:
        """Return the suite that the key is of, which nothing else is computed by."""
        for suite in SUITES.values():
            if suite.is_private_key(self.secret):
                return suite
        raise ArgumentInvalid(length=len(self.secret))

    def stanza(self, suite: Suite, vault_id: bytes, root_key: Buffer, salt: bytes) -> Stanza:
        """Return the stanza that lets this key open `root_key`.

        Raises
        ------
        ArgumentInvalid
            The secret is none, or one for vaults of another suite.
        """
        if self._suite() is not suite:
            raise ArgumentInvalid(length=len(self.secret))
        return self.public_key.stanza(suite, vault_id, root_key, salt)

    def unlock(self, superblock: Superblock) -> Secret:
        """Return the root key.

        Raises
        ------
        NoRecipientMatches, ArgumentInvalid
        """
        self._suite()
        return by_private_key(superblock, self.secret)
