"""What the tests of recipients share: a vault to seal for, without files."""

from __future__ import annotations

import os

from vaultfs_format.stanza import Stanza
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import Superblock

from vaultfs.keys import Recipient

VAULT, ROOT = os.urandom(16), os.urandom(32)


class Kms:
    """A service that binds nothing: what is bound by others must not be needed."""

    def wrap(self, secret: bytes, bound: bytes) -> bytes:
        return secret

    def unwrap(self, blob: bytes, bound: bytes) -> bytes:
        return blob


def sealed(*recipients: Recipient | Stanza, vault_id: bytes = VAULT) -> Superblock:
    """Return a superblock that is sealed for recipients; stanzas are taken as they are."""
    stanzas = [
        one if isinstance(one, Stanza) else one.stanza(DEFAULT, vault_id, ROOT, os.urandom(32)) for one in recipients
    ]
    return Superblock(DEFAULT, vault_id, 1, stanzas, ())
