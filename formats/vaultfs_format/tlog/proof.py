"""Proof files (c2sp.org/tlog-proof): that an entry is in a log, for whoever has its public keys and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vaultfs_format import merkle
from vaultfs_format.errors import ProofInvalid, Structure
from vaultfs_format.layout import Buffer, require
from vaultfs_format.limits import MAX_NOTE, MAX_PROOF_EXTRA, MAX_TREE_PROOF
from vaultfs_format.suite import FIPS
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import VerifierKey, open_checkpoint
from vaultfs_format.tlog.lines import (
    base64_text,
    bounded,
    bounded_count,
    bytes_of,
    hash_lines,
    hashes_of,
    number_of,
    parted,
    text_of,
)
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.policy import Policy

_FIRST = "c2sp.org/tlog-proof@v1"
_EXTRA = "extra "
_INDEX = "index "
_MOST = MAX_NOTE + 2 * MAX_PROOF_EXTRA + 64 * (MAX_TREE_PROOF + 2)


@dataclass(frozen=True, slots=True)
class LogProof:
    """The content of a proof file.

    Parameters
    ----------
    index
        Index of the entry in the log.
    path
        Its inclusion proof, from the leaf to the root.
    note
        The checkpoint, as the log and its witnesses have signed it.
    extra
        Bytes that nothing authenticates; empty where there are none.
    """

    index: int
    path: tuple[bytes, ...]
    note: Note
    extra: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        extra = f"{_EXTRA}{base64_text(self.extra)}\n" if self.extra else ""
        start = f"{_FIRST}\n{extra}{_INDEX}{self.index}\n{hash_lines(self.path)}\n"
        return start.encode() + self.note.encode()

    @classmethod
    def decode(cls, data: Buffer) -> LogProof:
        """Parse a whole file.

        Raises
        ------
        FieldInvalid, LimitExceeded, Truncated
        """
        bounded(data, _MOST, Structure.LOG_PROOF)
        start, note = parted(data, Structure.LOG_PROOF)
        lines = text_of(start, Structure.LOG_PROOF, 1).split("\n")[:-1]
        require(lines.pop(0) == _FIRST and bool(lines), Structure.LOG_PROOF, 1)
        extra = b""
        if lines[0].startswith(_EXTRA):
            extra = bytes_of(lines.pop(0).removeprefix(_EXTRA), Structure.LOG_PROOF, 2)
            bounded_count(len(extra), MAX_PROOF_EXTRA, Structure.LOG_PROOF)
        require(bool(lines) and lines[0].startswith(_INDEX), Structure.LOG_PROOF, 3)
        index = number_of(lines.pop(0).removeprefix(_INDEX), Structure.LOG_PROOF, 3)
        return cls(index, hashes_of(lines, Structure.LOG_PROOF, 4), Note.decode(note), extra)

    def verify(self, entry: Buffer, keys: Sequence[VerifierKey]) -> Checkpoint:
        """Check that the entry is in a log, whose checkpoint it has signed with each of its keys.

        Raises
        ------
        NotSigned, SignatureInvalid, ProofInvalid, FieldInvalid, AlgorithmMissing
        """
        return self._proved(entry, open_checkpoint(self.note, keys))

    def verify_policy(self, entry: Buffer, policy: Policy) -> Checkpoint:
        """Check that the entry is in a log of the policy, whose checkpoint has its quorum of witnesses.

        Raises
        ------
        NotSigned, QuorumMissing, SignatureInvalid, ProofInvalid, FieldInvalid, AlgorithmMissing
        """
        return self._proved(entry, policy.check(self.note))

    def _proved(self, entry: Buffer, head: Checkpoint) -> Checkpoint:
        nodes = merkle.audit_nodes(FIPS)  # whose SHA-256 is that of the provider, and the same in every suite
        leaf = merkle.audit_leaf(FIPS, entry)
        if not merkle.included(nodes, head.root, leaf, self.index, head.size, self.path):
            raise ProofInvalid(structure=Structure.LOG_PROOF)
        return head
