"""Recipients of the host: a key service that it calls, such as a KMS, wraps a secret and unwraps it again."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from vaultfs_format import limits
from vaultfs_format.hoststanza import HostStanza
from vaultfs_format.layout import Buffer
from vaultfs_format.secret import Secret
from vaultfs_format.stanza import Stanza, StanzaType, place_of, seal_root
from vaultfs_format.suite import KEY, Suite
from vaultfs_format.superblock import Superblock

from vaultfs.errors import ArgumentInvalid, CommitmentMismatch, NoRecipientMatches, VaultError
from vaultfs.keys.errors import KeyServiceFailed


class KeyService(Protocol):
    """What a host brings: a key that it can use, and VaultFS never sees. Whatever it raises is withheld."""

    def wrap(self, secret: bytes, bound: bytes) -> bytes:
        """Return `secret`, 32 bytes, encrypted; `bound` is authenticated along with it, as an encryption context is."""
        ...

    def unwrap(self, blob: bytes, bound: bytes) -> bytes:
        """Return the secret out of what `wrap` made; refuse a `bound` that is another."""
        ...


@dataclass(frozen=True, slots=True)
class HostKey:
    """A key of a key service, as recipient and to unlock.

    Parameters
    ----------
    name
        Which key it is, in the host's own words: 1 to 64 printable ASCII characters, which anybody can read who has the
        files of the vault.
    """

    name: str
    service: KeyService = field(repr=False)

    def stanza(self, suite: Suite, vault_id: bytes, root_key: Buffer, salt: bytes) -> Stanza:
        """Return the stanza that lets the service open `root_key`.

        Raises
        ------
        ArgumentInvalid
            The name is none.
        KeyServiceFailed
        """
        name, secret = self.name, os.urandom(KEY)
        if not (0 < len(name) <= limits.MAX_HOST_NAME and name.isascii() and name.isprintable()):
            raise ArgumentInvalid(length=len(name))
        bound = place_of(StanzaType.HOST, vault_id, salt)
        blob = _called(lambda: self.service.wrap(secret, bound))
        if not 0 < len(blob) <= limits.MAX_HOST_BLOB:
            raise KeyServiceFailed(length=len(blob))
        sealed = HostStanza(name, blob, seal_root(suite, vault_id, root_key, secret, salt))
        return Stanza(StanzaType.HOST, sealed.encode())

    def unlock(self, superblock: Superblock) -> Secret:
        """Return the root key.

        Raises
        ------
        NoRecipientMatches
        KeyServiceFailed
            The service has unwrapped nothing that opens it, and failed at something.
        """
        failure: VaultError = NoRecipientMatches()
        suite, vault_id = superblock.suite, superblock.vault_id
        for stanza in superblock.stanzas:
            if stanza.kind != StanzaType.HOST:
                continue
            found = HostStanza.decode(stanza.body)
            if found.name == self.name:
                bound = place_of(StanzaType.HOST, vault_id, found.seal.salt)
                try:
                    return found.open(suite, vault_id, self._unwrapped(found.blob, bound))
                except CommitmentMismatch:
                    continue
                except KeyServiceFailed as error:  # what another service has wrapped may have the same name
                    failure = error
        raise failure

    def _unwrapped(self, blob: bytes, bound: bytes) -> bytes:
        secret = _called(lambda: self.service.unwrap(blob, bound))
        if len(secret) != KEY:
            raise KeyServiceFailed(length=len(secret))
        return secret


def _called(call: Callable[[], bytes]) -> bytes:
    """Return the bytes that a service returns; what it raises may hold anything, and is left behind."""
    with suppress(Exception):
        return bytes(memoryview(call()))
    raise KeyServiceFailed
