"""Sections 4.2 to 4.5: stanzas that a private key, a token, shares or a key service of the host lead to."""

from __future__ import annotations

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding
from vaultfs_format.errors import NoRecipientMatches, Structure
from vaultfs_format.hoststanza import HostStanza
from vaultfs_format.keystanza import KeyStanza
from vaultfs_format.stanza import Stanza, StanzaType, place_of
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import Superblock
from vaultfs_format.tokenstanza import TokenStanza

from vaultfs.keys.escrow import Shares
from vectors.operations.registry import Facts, operation, suite_numbered


@operation
def key_stanza(data: bytes, vault_id: bytes, private: bytes, suite: int | None = None) -> Facts:
    """The root key, out of one public-key stanza."""
    chosen = suite_numbered(suite)
    found = KeyStanza.decode(chosen, data)
    return {"fingerprint": found.fingerprint, "root_key": found.open(chosen, vault_id, private)}


@operation
def token_stanza(data: bytes, vault_id: bytes, wrapping_key: bytes) -> Facts:
    """The root key, out of one token stanza, by the key in the token."""
    found = TokenStanza.decode(data)
    try:
        secret = aes_key_unwrap_with_padding(wrapping_key, found.wrapped_secret)
    except InvalidUnwrap:
        raise NoRecipientMatches from None
    return {"key_id": found.key_id, "root_key": found.open(DEFAULT, vault_id, secret)}


@operation
def escrow_stanza(data: bytes, vault_id: bytes, shares: list[str], passphrase: bytes | None = None) -> Facts:
    """The root key, out of one escrow stanza."""
    alone = Superblock(DEFAULT, vault_id, 1, [Stanza(StanzaType.ESCROW, data)], ())
    return {"root_key": Shares(shares, passphrase or b"").unlock(alone)}


@operation
def host_stanza(data: bytes, vault_id: bytes, service_key: bytes) -> Facts:
    """The root key, out of one host stanza, where the service wraps by Seal."""
    found = HostStanza.decode(data)
    place = place_of(StanzaType.HOST, vault_id, found.seal.salt)
    secret = DEFAULT.open(service_key, found.blob, place, Structure.STANZA)
    return {"name": found.name, "root_key": found.open(DEFAULT, vault_id, secret)}
