"""Stanzas for public keys: the holder of a private key opens the root key, and nobody else need know of it."""

from __future__ import annotations

from dataclasses import dataclass

from vaultfs_format import labels
from vaultfs_format.errors import Structure
from vaultfs_format.layout import Buffer, Field, Layout, require_size
from vaultfs_format.secret import Secret
from vaultfs_format.stanza import SEAL, RootSeal, StanzaType, place_of, seal_root
from vaultfs_format.suite import KEY, Suite

FINGERPRINT = 16

PUBLIC_KEY = Layout(
    Structure.STANZA,
    "public-key stanza",
    Field("fingerprint", f"{FINGERPRINT}s", "fingerprint of the public key"),
    *SEAL,
)
"""What comes before the sealed secret."""


def fingerprint_of(suite: Suite, public: bytes) -> bytes:
    """Return the 16 bytes by which a stanza tells whose it is."""
    return suite.mac(bytes(KEY), labels.RECIPIENT, public)[:FINGERPRINT]


@dataclass(frozen=True, slots=True)
class KeyStanza:
    """The root key under a secret that is sealed to a public key."""

    fingerprint: bytes
    seal: RootSeal
    sealed_secret: bytes

    def encode(self) -> bytes:
        """Return the body of the stanza."""
        return PUBLIC_KEY.pack(self.fingerprint, *self.seal.fields()) + self.sealed_secret

    @classmethod
    def decode(cls, suite: Suite, body: Buffer) -> KeyStanza:
        """Parse the body of a stanza.

        Raises
        ------
        Truncated, TrailingBytes
        """
        require_size(body, PUBLIC_KEY.size + suite.sealing_adds + KEY, Structure.STANZA)
        fingerprint, *seal = PUBLIC_KEY.unpack(body)
        return cls(fingerprint, RootSeal(*seal), bytes(body[PUBLIC_KEY.size :]))

    def open(self, suite: Suite, vault_id: bytes, private: Buffer) -> Secret:
        """Return the root key.

        Raises
        ------
        DecryptionFailed
            The private key is another one, or the stanza is of another vault.
        CommitmentMismatch
        """
        info = place_of(StanzaType.PUBLIC_KEY, vault_id, self.seal.salt)
        secret = suite.open_from(private, self.sealed_secret, info, Structure.STANZA)
        return self.seal.open(suite, vault_id, secret)


def seal_for_key(
    suite: Suite, vault_id: bytes, root_key: Buffer, public: bytes, secret: Buffer, salt: bytes
) -> KeyStanza:
    """Return `root_key` sealed for the holder of a private key. `secret`, `salt`: 32 random bytes, used once.

    Raises
    ------
    FieldInvalid
        The public key is none.
    """
    info = place_of(StanzaType.PUBLIC_KEY, vault_id, salt)
    sealed = suite.seal_to(public, secret, info, Structure.STANZA)
    return KeyStanza(fingerprint_of(suite, public), seal_root(suite, vault_id, root_key, secret, salt), sealed)
