"""Acts without keys: what a program that holds none has done to a vault, for the next writer to take into the log.

Nobody has signed one: whoever can write to the directory can say anything here, and what a writer logs is that it was
said.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from vaultfs_format.errors import DigestMismatch, Structure
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, require, require_size
from vaultfs_format.prefix import PREFIX_FIELD, check_prefix, file_magic, prefix
from vaultfs_format.suite import DIGEST, Suite

MAGIC = file_magic("A")
FILE = Layout(
    Structure.ACT,
    "act",
    PREFIX_FIELD,
    Field("kind", "H", "1 repaired, 2 copied, 3 restored"),
    Field(RESERVED, "6s"),
    Field("time", "Q", "microseconds since 1970-01-01T00:00Z"),
    Field("vault_id", "16s", "the vault"),
    Field("act_id", "16s", "random"),
    Field(
        "about",
        "16s",
        "repaired: id of the segment or journal, zero for other files; copied: id of the copy; else zero",
    ),
    Field("count", "Q", "repaired: pieces of the file; copied, restored: bytes"),
    Field("digest", "32s", "digest of all bytes before"),
)


class ActKind(IntEnum):
    """What was done."""

    REPAIRED = 1
    COPIED = 2
    RESTORED = 3


_KINDS = frozenset(ActKind)


@dataclass(frozen=True, slots=True)
class Act:
    """An act. Fields as in `FILE`."""

    suite: Suite
    kind: ActKind
    time: int
    vault_id: bytes
    act_id: bytes
    about: bytes
    count: int

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        content = FILE.pack(
            prefix(MAGIC, self.suite), self.kind, self.time, self.vault_id, self.act_id, self.about, self.count,
            bytes(DIGEST),
        )[:-DIGEST]  # fmt: skip
        return content + self.suite.digest(content)

    @classmethod
    def decode(cls, data: Buffer) -> Act:
        """Parse a whole file; its digest is checked."""
        suite = check_prefix(Structure.ACT, MAGIC, data)
        require_size(data, FILE.size, Structure.ACT)
        _, kind, *fields, digest = FILE.unpack(data)
        if suite.digest(data[:-DIGEST]) != digest:
            raise DigestMismatch(structure=Structure.ACT)
        require(kind in _KINDS, Structure.ACT, 1)
        return cls(suite, ActKind(kind), *fields)
