"""The epoch secret, as an epoch store keeps it, and the epoch root that it makes with the root key.

The secret lives outside the vault. Destroying it, after a new one has taken over, is what makes disposal final.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaultfs_format import labels
from vaultfs_format.errors import DigestMismatch, Structure
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, require, require_size
from vaultfs_format.prefix import PREFIX_FIELD, check_prefix, file_magic, prefix
from vaultfs_format.secret import Secret, joined
from vaultfs_format.suite import DIGEST, KEY, Suite

MAGIC = file_magic("E")
FILE = Layout(
    Structure.EPOCH_SECRET,
    "epoch secret",
    PREFIX_FIELD,
    Field("vault_id", "16s", "the vault"),
    Field("epoch", "I", "the epoch"),
    Field(RESERVED, "4s"),
    Field("secret", "32s", "random"),
    Field("digest", "32s", "digest of all bytes before"),
)


@dataclass(frozen=True, slots=True, repr=False)
class EpochSecret:
    """The secret of one epoch of one vault."""

    suite: Suite
    vault_id: bytes
    epoch: int
    secret: bytes | bytearray

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        content = FILE.pack(prefix(MAGIC, self.suite), self.vault_id, self.epoch, self.secret, bytes(DIGEST))
        content = content[:-DIGEST]
        return content + self.suite.digest(content)

    @classmethod
    def decode(cls, data: Buffer) -> EpochSecret:
        """Parse a whole file; its digest is checked."""
        suite = check_prefix(Structure.EPOCH_SECRET, MAGIC, data)
        require_size(data, FILE.size, Structure.EPOCH_SECRET)
        _, vault_id, epoch, secret, digest = FILE.unpack(data)
        if suite.digest(memoryview(data)[:-DIGEST]) != digest:
            raise DigestMismatch(structure=Structure.EPOCH_SECRET)
        require(epoch > 0, Structure.EPOCH_SECRET, 1)
        return cls(suite, vault_id, epoch, Secret(secret))


def epoch_root(suite: Suite, root_key: Buffer, secret: Buffer, vault_id: bytes, epoch: int) -> Secret:
    """Return the key above all tables of an epoch. Neither the root key nor the secret alone gives it."""
    context = joined(vault_id, epoch.to_bytes(4, "little"), secret)
    return Secret(suite.derive(root_key, labels.EPOCH_ROOT, context, KEY))
