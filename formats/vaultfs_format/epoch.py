"""The epoch secret, as an epoch store keeps it, and the epoch root that it makes with the root key.

The secret lives outside the vault. Destroying it, after a new one has taken over, is what makes disposal final.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaultfs_format import labels
from vaultfs_format.errors import DigestMismatch, Structure, TrailingBytes
from vaultfs_format.layout import MAGIC_FIELDS, VERSION, Buffer, Field, Layout, check_magic, file_magic
from vaultfs_format.suite import DIGEST, KEY, Suite, suite_of

MAGIC = file_magic("E")
FILE = Layout(
    Structure.EPOCH_SECRET,
    "epoch secret",
    *MAGIC_FIELDS,
    Field("vault_id", "16s", "the vault"),
    Field("epoch", "I", "the epoch"),
    Field("reserved", "4s"),
    Field("secret", "32s", "random"),
    Field("digest", "32s", "digest of all bytes before"),
)


@dataclass(frozen=True, slots=True, repr=False)
class EpochSecret:
    """The secret of one epoch of one vault."""

    suite: Suite
    vault_id: bytes
    epoch: int
    secret: bytes

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        content = FILE.pack(MAGIC, VERSION, self.suite.id, 0, self.vault_id, self.epoch, self.secret, bytes(DIGEST))
        content = content[:-DIGEST]
        return content + self.suite.digest(content)

    @classmethod
    def decode(cls, data: Buffer) -> EpochSecret:
        """Parse a whole file; its digest is checked."""
        magic, version, suite, features, vault_id, epoch, secret, digest = FILE.unpack(data)
        check_magic(Structure.EPOCH_SECRET, MAGIC, magic, version, suite, features)
        if len(data) > FILE.size:
            raise TrailingBytes(structure=Structure.EPOCH_SECRET, expected=FILE.size, got=len(data))
        found = suite_of(suite)
        if found.digest(data[:-DIGEST]) != digest:
            raise DigestMismatch(structure=Structure.EPOCH_SECRET)
        return cls(found, vault_id, epoch, secret)


def epoch_root(suite: Suite, root_key: bytes, secret: bytes, vault_id: bytes, epoch: int) -> bytes:
    """Return the key above all tables of an epoch. Neither the root key nor the secret alone gives it."""
    return suite.derive(root_key, labels.EPOCH_ROOT, vault_id + epoch.to_bytes(4, "little") + secret, KEY)
