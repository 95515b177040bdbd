"""Proofs of events: that an event is in the log of a vault, and says what it says, for who has the vault's public keys.

It is a proof file of transparency logs (`vaultfs_format.tlog.proof`) whose extra data are the audit entry and, behind
it, what the entry commits to: the salt, and the event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from vaultfs_format import audit
from vaultfs_format.audit import ENTRY, SALT, AuditEntry, LeafKind
from vaultfs_format.errors import CommitmentMismatch, Structure
from vaultfs_format.events.base import Event
from vaultfs_format.events.codec import decode_event
from vaultfs_format.layout import Buffer, require
from vaultfs_format.suite import FIPS, same
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import VerifierKey
from vaultfs_format.tlog.policy import Policy
from vaultfs_format.tlog.proof import LogProof


@dataclass(frozen=True, slots=True)
class EventProof:
    """The content of a proof file of an audit entry.

    Parameters
    ----------
    salted
        Salt and event, where the entry is of one.
    """

    proof: LogProof
    entry: AuditEntry
    salted: bytes = field(default=b"", repr=False)

    @property
    def event(self) -> Event | None:
        """The event that the entry commits to."""
        return decode_event(self.salted[SALT:]) if self.salted else None

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        return replace(self.proof, extra=self.entry.encode() + self.salted).encode()

    @classmethod
    def decode(cls, data: Buffer) -> EventProof:
        """Parse a whole file.

        Raises
        ------
        FieldInvalid, LimitExceeded, Truncated
        """
        proof = LogProof.decode(data)
        entry, salted = AuditEntry.decode(proof.extra), proof.extra[ENTRY.size :]
        is_event = entry.kind is LeafKind.EVENT
        require(len(salted) > SALT if is_event else not salted, Structure.LOG_PROOF, 5)
        found = cls(proof, entry, salted)
        _ = found.event  # which is parsed, or refused
        return found

    def verify(self, keys: Sequence[VerifierKey]) -> Checkpoint:
        """Check that the log has signed, with each of its keys, a tree that has the entry, and that the event is its.

        Raises
        ------
        CommitmentMismatch
            The event is not the one of the entry.
        NotSigned, SignatureInvalid, ProofInvalid, FieldInvalid, AlgorithmMissing
        """
        self._check_event()
        return self.proof.verify(self.entry.encode(), keys)

    def verify_policy(self, policy: Policy) -> Checkpoint:
        """Check the same under a policy: one of its logs has signed the tree, and a quorum of its witnesses.

        Raises
        ------
        CommitmentMismatch
            The event is not the one of the entry.
        NotSigned, QuorumMissing, SignatureInvalid, ProofInvalid, FieldInvalid, AlgorithmMissing
        """
        self._check_event()
        return self.proof.verify_policy(self.entry.encode(), policy)

    def _check_event(self) -> None:
        if self.salted:
            found = audit.commitment(FIPS, self.salted)
            if not same(found, self.entry.commitment):
                raise CommitmentMismatch(structure=Structure.LOG_PROOF)
