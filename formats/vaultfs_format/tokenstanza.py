"""Stanzas for tokens: the secret is wrapped by a key that never leaves a smart card or hardware security module."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from vaultfs_format import limits
from vaultfs_format.errors import LimitExceeded, Structure
from vaultfs_format.layout import Buffer, Field, Layout, require, require_size
from vaultfs_format.secret import Secret
from vaultfs_format.stanza import SEAL, RootSeal
from vaultfs_format.suite import KEY, Suite

WRAPPED_SECRET = KEY + 8


class Mechanism(IntEnum):
    """How a token wraps the secret."""

    AES_KWP = 1
    """AES key wrap with padding (RFC 5649, NIST SP 800-38F), by a key of 256 bits."""


TOKEN = Layout(
    Structure.STANZA,
    "token stanza",
    Field("mechanism", "H", "how the secret is wrapped: 1 AES-KWP"),
    Field("key_id_length", "H", "bytes of the key id"),
    Field("wrapped_secret", f"{WRAPPED_SECRET}s", "the secret, wrapped by the key in the token"),
    *SEAL,
)
"""What comes before the key id."""


@dataclass(frozen=True, slots=True)
class TokenStanza:
    """The root key under a secret that a token unwraps.

    Parameters
    ----------
    key_id
        Id of the key in the token: its CKA_ID (PKCS#11).
    """

    mechanism: Mechanism
    key_id: bytes
    wrapped_secret: bytes
    seal: RootSeal

    def encode(self) -> bytes:
        """Return the body of the stanza."""
        own = self.mechanism, len(self.key_id), self.wrapped_secret
        return TOKEN.pack(*own, *self.seal.fields()) + self.key_id

    @classmethod
    def decode(cls, body: Buffer) -> TokenStanza:
        """Parse the body of a stanza.

        Raises
        ------
        Truncated, TrailingBytes, LimitExceeded, FieldInvalid
        """
        mechanism, length, wrapped, *seal = TOKEN.unpack(body)
        if length > limits.MAX_TOKEN_KEY_ID:
            raise LimitExceeded(structure=Structure.STANZA, size=length, limit=limits.MAX_TOKEN_KEY_ID)
        require_size(body, TOKEN.size + length, Structure.STANZA)
        require(mechanism == Mechanism.AES_KWP, Structure.STANZA, 5)
        require(length > 0, Structure.STANZA, 6)
        return cls(Mechanism(mechanism), bytes(body[TOKEN.size :]), wrapped, RootSeal(*seal))

    def open(self, suite: Suite, vault_id: bytes, secret: Buffer) -> Secret:
        """Return the root key by the secret that the token has unwrapped.

        Raises
        ------
        CommitmentMismatch
            It is another secret.
        DecryptionFailed
        """
        return self.seal.open(suite, vault_id, secret)
