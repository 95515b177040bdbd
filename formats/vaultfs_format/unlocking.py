"""Opening VAULT by what needs nothing but its bytes: a passphrase, or a private key."""

from __future__ import annotations

from contextlib import suppress

from vaultfs_format.errors import NoRecipientMatches, NotAuthentic
from vaultfs_format.keystanza import KeyStanza, fingerprint_of
from vaultfs_format.layout import Buffer
from vaultfs_format.secret import Secret
from vaultfs_format.stanza import StanzaType
from vaultfs_format.superblock import Superblock


def by_passphrase(superblock: Superblock, passphrase: Buffer) -> Secret:
    """Return the root key.

    Raises
    ------
    NoRecipientMatches
    NotEnoughMemory, LimitExceeded, FieldInvalid, Truncated, TrailingBytes
        Of a stanza that takes a passphrase.
    """
    for stanza in superblock.stanzas:
        if stanza.takes_passphrase:
            with suppress(NotAuthentic):
                return stanza.passphrase().open(superblock.suite, superblock.vault_id, passphrase)
    raise NoRecipientMatches


def by_private_key(superblock: Superblock, private: Buffer) -> Secret:
    """Return the root key.

    Raises
    ------
    NoRecipientMatches
        Also if it is no private key of the vault's suite.
    Truncated, TrailingBytes
        Of a stanza for a public key.
    """
    suite = superblock.suite
    if suite.is_private_key(private):
        fingerprint = fingerprint_of(suite, suite.public_key(private))
        for stanza in superblock.stanzas:
            if stanza.kind == StanzaType.PUBLIC_KEY:
                found = KeyStanza.decode(suite, stanza.body)
                if found.fingerprint == fingerprint:
                    with suppress(NotAuthentic):
                        return found.open(suite, superblock.vault_id, private)
    raise NoRecipientMatches
