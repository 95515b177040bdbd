"""The key table of a segment: its frame keys in blocks of 256, so that one key opens alone.

The table key is derived from the epoch root and this file's salt, or kept in the keyring for tables of an earlier
epoch. The file is written once for an epoch, in two copies; a key of this kind is never in a file that is archived for
good, since destroying the epoch must destroy it. Where a frame was disposed of, the table has zeros for its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vaultfs_format import labels, limits
from vaultfs_format.errors import CommitmentMismatch, DigestMismatch, LimitExceeded, Structure
from vaultfs_format.layout import Buffer, Field, Layout, require, require_size
from vaultfs_format.prefix import PREFIX_FIELD, check_prefix, file_magic, prefix
from vaultfs_format.suite import DIGEST, KEY, TAG, Suite, same

MAGIC = file_magic("T")
HEADER = Layout(
    Structure.KEY_TABLE,
    "key table header",
    PREFIX_FIELD,
    Field("vault_id", "16s", "the vault"),
    Field("segment_id", "16s", "the segment whose frames the keys open"),
    Field("epoch", "I", "epoch of the table key"),
    Field("key_count", "I", "number of keys: one a frame, in directory order"),
    Field("salt", "32s", "random"),
    Field("commitment", "32s", "commitment to the table key"),
)


DISPOSED = bytes(KEY)
"""What stands in the place of the key of a frame that was disposed of."""


@dataclass(frozen=True, slots=True)
class KeyTable:
    """A parsed key table: a header and blocks that are still sealed."""

    suite: Suite
    vault_id: bytes
    segment_id: bytes
    epoch: int
    key_count: int
    salt: bytes
    commitment: bytes
    blocks: Sequence[bytes]

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        head = HEADER.pack(
            prefix(MAGIC, self.suite),
            self.vault_id,
            self.segment_id,
            self.epoch,
            self.key_count,
            self.salt,
            self.commitment,
        )
        content = b"".join([head, *self.blocks])
        return content + self.suite.digest(content)

    @classmethod
    def decode(cls, data: Buffer) -> KeyTable:
        """Parse a whole file; its digest is checked."""
        suite = check_prefix(Structure.KEY_TABLE, MAGIC, data)
        _, vault_id, segment_id, epoch, count, salt, commitment = HEADER.unpack(data)
        if count > limits.MAX_SEGMENT_FRAMES:
            raise LimitExceeded(structure=Structure.KEY_TABLE, keys=count)
        require_size(data, HEADER.size + sealed_size(count) + DIGEST, Structure.KEY_TABLE)
        if suite.digest(data[:-DIGEST]) != bytes(data[-DIGEST:]):
            raise DigestMismatch(structure=Structure.KEY_TABLE)
        require(count > 0 and epoch > 0, Structure.KEY_TABLE, 1)
        blocks, at = [], HEADER.size
        for number in range(_block_count(count)):
            size = _block_keys(count, number) * KEY + TAG
            blocks.append(bytes(data[at : at + size]))
            at += size
        return cls(suite, vault_id, segment_id, epoch, count, salt, commitment, blocks)

    def table_key(self, epoch_root: Buffer) -> bytes:
        """Return the table key of the current epoch."""
        context = self.vault_id + self.segment_id + self.epoch.to_bytes(4, "little") + self.salt
        return self.suite.derive(epoch_root, labels.KEY_TABLE, context, KEY)

    def verify(self, table_key: bytes) -> None:
        """Check that this is the key that the table commits to.

        Raises
        ------
        CommitmentMismatch
        """
        if not same(_commitment(self.suite, table_key, self.segment_id), self.commitment):
            raise CommitmentMismatch(structure=Structure.KEY_TABLE)

    def open_block(self, table_key: bytes, number: int) -> list[bytes]:
        """Return the frame keys of block `number`.

        Raises
        ------
        CommitmentMismatch, DecryptionFailed
        """
        self.verify(table_key)
        key, bound = _block_key(self.suite, table_key, self.segment_id, number)
        plain = self.suite.open(key, self.blocks[number], bound, Structure.KEY_TABLE)
        return [plain[at : at + KEY] for at in range(0, len(plain), KEY)]


def seal_table(
    suite: Suite, vault_id: bytes, segment_id: bytes, epoch: int, epoch_root: Buffer, salt: bytes, keys: Sequence[bytes]
) -> KeyTable:
    """Return the key table of `keys`, one a frame in directory order. `salt`: 32 random bytes, used once."""
    empty = KeyTable(suite, vault_id, segment_id, epoch, len(keys), salt, bytes(32), ())
    table_key = empty.table_key(epoch_root)
    blocks = []
    for number in range(_block_count(len(keys))):
        key, bound = _block_key(suite, table_key, segment_id, number)
        first = number * limits.KEY_BLOCK
        blocks.append(suite.seal(key, b"".join(keys[first : first + limits.KEY_BLOCK]), bound))
    commitment = _commitment(suite, table_key, segment_id)
    return KeyTable(suite, vault_id, segment_id, epoch, len(keys), salt, commitment, blocks)


def sealed_size(count: int) -> int:
    """Return the bytes of all sealed blocks for `count` keys."""
    return count * KEY + _block_count(count) * TAG


def _block_count(count: int) -> int:
    return -(-count // limits.KEY_BLOCK)


def _block_keys(count: int, number: int) -> int:
    return min(limits.KEY_BLOCK, count - number * limits.KEY_BLOCK)


def _block_key(suite: Suite, table_key: bytes, segment_id: bytes, number: int) -> tuple[bytes, bytes]:
    context = segment_id + number.to_bytes(4, "little")
    return suite.derive(table_key, labels.KEY_BLOCK, context, KEY), context


def _commitment(suite: Suite, table_key: bytes, segment_id: bytes) -> bytes:
    return suite.derive(table_key, labels.KEY_TABLE_COMMITMENT, segment_id, 32)
