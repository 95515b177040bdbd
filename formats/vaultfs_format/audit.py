"""Audit entries: the clear, fixed-size leaves of the audit tree. What happened is sealed; a leaf commits to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from vaultfs_format.errors import Structure
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, all_zero, require
from vaultfs_format.suite import Suite


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
_KINDS = frozenset(LeafKind)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One leaf of the audit tree."""

    kind: LeafKind
    number: int
    commitment: bytes

    def encode(self) -> bytes:
        """Return the 48 bytes of the entry."""
        return encode_entries(self.kind, self.number, [self.commitment])

    @classmethod
    def decode(cls, data: Buffer, offset: int = 0) -> AuditEntry:
        """Parse the entry at `offset`."""
        kind, number, commitment = ENTRY.unpack(data, offset)
        require(kind in _KINDS, Structure.AUDIT_ENTRY, 1)
        return cls(LeafKind(kind), number, commitment)


def encode_entries(kind: LeafKind, number: int, commitments: Sequence[bytes]) -> bytes:
    """Return the bytes of entries that differ in their commitments alone."""
    if not commitments:
        return b""
    start = ENTRY.pack(kind, number, bytes(32))[:-32]
    return start + start.join(commitments)


def check_entries(data: Buffer) -> None:
    """Check that `data` is nothing but audit entries, without parsing each.

    Raises
    ------
    FieldInvalid
    """
    require(len(data) % ENTRY.size == 0, Structure.AUDIT_ENTRY, 2)
    view = bytes(data)
    require(set(view[:: ENTRY.size]) <= _KINDS, Structure.AUDIT_ENTRY, 1)
    require(all(all_zero(view[at :: ENTRY.size]) for at in range(1, 8)), Structure.AUDIT_ENTRY, 3)


def commitment(suite: Suite, salted: Buffer) -> bytes:
    """Return the commitment to an event behind its salt: a short or guessable event cannot be found by trying."""
    return suite.sha256_each([salted])[0]


def commitments(suite: Suite, salted: Iterable[Buffer]) -> list[bytes]:
    """Return the commitments to many events, each behind its salt."""
    return suite.sha256_each(salted)
