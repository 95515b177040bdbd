"""Stanzas for key services of the host: the secret is wrapped by whatever the host calls, such as a KMS in a cloud."""

from __future__ import annotations

from dataclasses import dataclass

from vaultfs_format import limits
from vaultfs_format.errors import LimitExceeded, Structure
from vaultfs_format.layout import Buffer, Field, Layout, require, require_size
from vaultfs_format.secret import Secret
from vaultfs_format.stanza import SEAL, RootSeal
from vaultfs_format.suite import Suite

HOST = Layout(
    Structure.STANZA,
    "host stanza",
    Field("name_length", "H", "bytes of the name"),
    Field("blob_length", "H", "bytes of the wrapped secret"),
    *SEAL,
)
"""What comes before the name and the wrapped secret."""


@dataclass(frozen=True, slots=True)
class HostStanza:
    """The root key under a secret that a key service of the host unwraps.

    Parameters
    ----------
    name
        Which key of which service it is, in the host's own words: 1 to 64 printable ASCII characters.
    blob
        The secret as the service has wrapped it.
    """

    name: str
    blob: bytes
    seal: RootSeal

    def encode(self) -> bytes:
        """Return the body of the stanza.

        Raises
        ------
        LimitExceeded, FieldInvalid
        """
        lengths = len(self.name), len(self.blob)
        _check_lengths(*lengths)
        _check_name(self.name)
        return HOST.pack(*lengths, *self.seal.fields()) + self.name.encode("ascii") + self.blob

    @classmethod
    def decode(cls, body: Buffer) -> HostStanza:
        """Parse the body of a stanza.

        Raises
        ------
        Truncated, TrailingBytes, LimitExceeded, FieldInvalid
        """
        named, wrapped, *seal = HOST.unpack(body)
        _check_lengths(named, wrapped)
        require_size(body, HOST.size + named + wrapped, Structure.STANZA)
        end = HOST.size + named
        name = bytes(body[HOST.size : end]).decode("latin-1")
        _check_name(name)
        return cls(name, bytes(body[end:]), RootSeal(*seal))

    def open(self, suite: Suite, vault_id: bytes, secret: Buffer) -> Secret:
        """Return the root key by the secret that the service has unwrapped.

        Raises
        ------
        CommitmentMismatch
            It is another secret.
        DecryptionFailed
        """
        return self.seal.open(suite, vault_id, secret)


def _check_lengths(named: int, wrapped: int) -> None:
    if named > limits.MAX_HOST_NAME or wrapped > limits.MAX_HOST_BLOB:
        raise LimitExceeded(structure=Structure.STANZA, name=named, size=wrapped)
    require(named > 0 and wrapped > 0, Structure.STANZA, 10)


def _check_name(name: str) -> None:
    require(name.isascii() and name.isprintable(), Structure.STANZA, 11)
