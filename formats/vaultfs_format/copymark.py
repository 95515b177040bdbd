"""The mark of a copy: what makes a directory a copy of a vault, and tells one copy from another."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from vaultfs_format.errors import DigestMismatch, Structure
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, require, require_size
from vaultfs_format.prefix import PREFIX_FIELD, check_prefix, file_magic, prefix
from vaultfs_format.suite import DIGEST, Suite

MAGIC = file_magic("C")
FILE = Layout(
    Structure.COPY,
    "copy mark",
    PREFIX_FIELD,
    Field("kind", "B", "1 copy, 2 key bundle"),
    Field("doubtful", "B", "1: files of it may be damaged, 0: all were good when they were copied"),
    Field(RESERVED, "6s"),
    Field("vault_id", "16s", "the vault"),
    Field("copy_id", "16s", "random; the same as long as the copy is brought up to date"),
    Field("digest", "32s", "digest of all bytes before"),
)


class CopyKind(IntEnum):
    """What was copied."""

    WHOLE = 1
    KEYS = 2


_KINDS = frozenset(CopyKind)


@dataclass(frozen=True, slots=True)
class CopyMark:
    """The mark of a copy. Fields as in `FILE`."""

    suite: Suite
    kind: CopyKind
    doubtful: bool
    vault_id: bytes
    copy_id: bytes

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        content = FILE.pack(
            prefix(MAGIC, self.suite), self.kind, self.doubtful, self.vault_id, self.copy_id, bytes(DIGEST)
        )[:-DIGEST]
        return content + self.suite.digest(content)

    @classmethod
    def decode(cls, data: Buffer) -> CopyMark:
        """Parse a whole file; its digest is checked."""
        suite = check_prefix(Structure.COPY, MAGIC, data)
        require_size(data, FILE.size, Structure.COPY)
        _, kind, doubtful, *ids, digest = FILE.unpack(data)
        if suite.digest(data[:-DIGEST]) != digest:
            raise DigestMismatch(structure=Structure.COPY)
        require(kind in _KINDS and doubtful <= 1, Structure.COPY, 1)
        return cls(suite, CopyKind(kind), bool(doubtful), *ids)
