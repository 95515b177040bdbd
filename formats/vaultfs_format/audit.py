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
    SUBJECTS = 3


ENTRY = Layout(
    Structure.AUDIT_ENTRY,
    "audit entry",
    Field("kind", "B", "1 event, 2 live set, 3 subjects"),
    Field(RESERVED, "3s"),
    Field("signer", "I", "live set: number of the signer of the head; else 0"),
    Field("number", "Q", "event: commit number; live set: generation of the head; subjects: index of this leaf"),
    Field("commitment", "32s", "event: SHA-256(salt || event); live set: its digest; subjects: root of their tree"),
)
SALT = 16
_KINDS = frozenset(LeafKind)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One leaf of the audit tree."""

    kind: LeafKind
    number: int
    commitment: bytes
    signer: int = 0

    def encode(self) -> bytes:
        """Return the 48 bytes of the entry."""
        return ENTRY.pack(self.kind, self.signer, self.number, self.commitment)

    @classmethod
    def decode(cls, data: Buffer, offset: int = 0) -> AuditEntry:
        """Parse the entry at `offset`."""
        kind, signer, number, commitment = ENTRY.unpack(data, offset)
        require(kind in _KINDS, Structure.AUDIT_ENTRY, 1)
        require((signer > 0) == (kind == LeafKind.LIVESET), Structure.AUDIT_ENTRY, 4)
        return cls(LeafKind(kind), number, commitment, signer)


def encode_events(commit: int, commitments: Sequence[bytes]) -> bytes:
    """Return the bytes of the entries of a commit's events."""
    if not commitments:
        return b""
    start = ENTRY.pack(LeafKind.EVENT, 0, commit, bytes(32))[:-32]
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
    require(all(all_zero(view[at :: ENTRY.size]) for at in range(1, 4)), Structure.AUDIT_ENTRY, 3)
    _check_signers(view)


def _check_signers(view: bytes) -> None:
    """Check that live sets name a signer, and nothing else does."""
    kinds, columns = view[:: ENTRY.size], [bytearray(view[at :: ENTRY.size]) for at in range(4, 8)]
    live_set = kinds.find(LeafKind.LIVESET)
    while live_set >= 0:
        require(any(column[live_set] for column in columns), Structure.AUDIT_ENTRY, 4)
        for column in columns:
            column[live_set] = 0
        live_set = kinds.find(LeafKind.LIVESET, live_set + 1)
    require(all(map(all_zero, columns)), Structure.AUDIT_ENTRY, 4)


def commitment(suite: Suite, salted: Buffer) -> bytes:
    """Return the commitment to an event behind its salt: a short or guessable event cannot be found by trying."""
    return suite.sha256_each([salted])[0]


def commitments(suite: Suite, salted: Iterable[Buffer]) -> list[bytes]:
    """Return the commitments to many events, each behind its salt."""
    return suite.sha256_each(salted)
