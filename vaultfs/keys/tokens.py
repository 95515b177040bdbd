"""Recipients in tokens: smart cards and hardware security modules. A key that never leaves one wraps a secret."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from vaultfs_format import limits
from vaultfs_format.layout import Buffer
from vaultfs_format.secret import Secret
from vaultfs_format.stanza import Stanza, StanzaType, seal_root
from vaultfs_format.suite import KEY, Suite
from vaultfs_format.superblock import Superblock
from vaultfs_format.tokenstanza import WRAPPED_SECRET, Mechanism, TokenStanza

from vaultfs.errors import ArgumentInvalid, CommitmentMismatch, NoRecipientMatches
from vaultfs.keys import cryptoki
from vaultfs.keys.cryptoki import Pin
from vaultfs.keys.errors import TokenFailed, TokenKeyMissing

if TYPE_CHECKING:
    from pkcs11 import Session

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Token:
    """A token, as recipient and to unlock.

    Parameters
    ----------
    module
        Path of the PKCS#11 library that leads to the token.
    label
        Label of the token.
    pin
        PIN of its user, or what returns it whenever it is needed, as from a prompt.
    key_id
        Id (CKA_ID) of the AES key by which vaults are sealed: 1 to 64 bytes, which anybody can read who has the files
        of the vault. Not needed to unlock.
    """

    module: Path | str
    label: str
    pin: Pin = field(repr=False)
    key_id: bytes = b""

    def make_key(self) -> None:
        """Make the AES key in the token: it can wrap and unwrap, and never leaves it.

        Raises
        ------
        ArgumentInvalid
            There is one of this id already, or the id is none.
        TokenMissing, PinWrong, PinLocked, TokenFailed, ExtraMissing
        """
        self._check_id()
        if not self._used(lambda session: cryptoki.make_key(session, self.key_id), writes=True):
            raise ArgumentInvalid(length=len(self.key_id))

    def stanza(self, suite: Suite, vault_id: bytes, root_key: Buffer, salt: bytes) -> Stanza:
        """Return the stanza that lets the token open `root_key`.

        Raises
        ------
        TokenKeyMissing
            There is no such key in it, or the key could leave it.
        ArgumentInvalid, TokenMissing, PinWrong, PinLocked, TokenFailed, ExtraMissing
        """
        self._check_id()
        secret = os.urandom(KEY)
        wrapped = self._used(lambda session: cryptoki.wrap(session, self.key_id, secret))
        if wrapped is None:
            raise TokenKeyMissing
        if len(wrapped) != WRAPPED_SECRET:
            raise TokenFailed
        sealed = seal_root(suite, vault_id, root_key, secret, salt)
        return Stanza(StanzaType.TOKEN, TokenStanza(Mechanism.AES_KWP, self.key_id, wrapped, sealed).encode())

    def unlock(self, superblock: Superblock) -> Secret:
        """Return the root key.

        Raises
        ------
        NoRecipientMatches
            The vault is sealed for no token, or what was wrapped is not what this one wrapped.
        TokenKeyMissing
            No key for which the vault is sealed is in this one.
        TokenMissing, PinWrong, PinLocked, TokenFailed, ExtraMissing
        """
        found = [TokenStanza.decode(one.body) for one in superblock.stanzas if one.kind == StanzaType.TOKEN]
        if not found:
            raise NoRecipientMatches
        secrets = self._used(
            lambda session: [cryptoki.unwrap(session, one.key_id, one.wrapped_secret) for one in found]
        )
        for stanza, secret in zip(found, secrets, strict=True):
            if secret:
                with suppress(CommitmentMismatch):
                    return stanza.open(superblock.suite, superblock.vault_id, secret)
        if None in secrets:
            raise TokenKeyMissing
        raise NoRecipientMatches

    def _check_id(self) -> None:
        if not 0 < len(self.key_id) <= limits.MAX_TOKEN_KEY_ID:
            raise ArgumentInvalid(length=len(self.key_id))

    def _used(self, act: Callable[[Session], T], *, writes: bool = False) -> T:
        """Return what `act` returns in a session of the token, of this process alone."""
        return cryptoki.used(str(self.module), self.label, self.pin, act, writes=writes)
