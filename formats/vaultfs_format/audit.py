"""Audit entries: the clear, fixed-size leaves of the audit tree. What happened is sealed elsewhere; a leaf commits to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum

from vaultfs_format.errors import FieldInvalid, Structure
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout


class LeafKind(IntEnum):
    """What a leaf commits to."""

    EVENT = 1
    LIVESET = 2


ENTRY = Layout(
    Structure.AUDIT_ENTRY,
    "audit entry",
    Field("kind", "B", "1 event, 2 live set"),
    Field(RESERVED, "7s"),
    Field("number", "Q", "event: commit number; live set: generation of the head"),
    Field("commitment", "32s", "event: SHA-256(salt || event); live set: the live-set digest"),
)
SALT = 16


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One leaf of the audit tree."""

    kind: LeafKind
    number: int
    commitment: bytes

    def encode(self) -> bytes:
        """Return the 48 bytes of the entry."""
        return ENTRY.pack(self.kind, self.number, self.commitment)

    @classmethod
    def decode(cls, data: Buffer, offset: int = 0) -> AuditEntry:
        """Parse the entry at `offset`."""
        kind, number, commitment = ENTRY.unpack(data, offset)
        if kind not in (LeafKind.EVENT, LeafKind.LIVESET):
            raise FieldInvalid(structure=Structure.AUDIT_ENTRY, field=0)
        return cls(LeafKind(kind), number, commitment)


def commitment(salt: bytes, event: Buffer) -> bytes:
    """Return the salted commitment to `event`: a short or guessable event cannot be found by trying."""
    return hashlib.sha256(salt + event).digest()
