"""Handovers: a signer states where its part of the audit log ends, and who signs from there on.

It is the last thing that a signer signs; its private keys go with the epoch. Whoever comes by later keys can put
nothing else in the place of what was signed before, and whoever knows one signer of a vault finds all that follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vaultfs_format.errors import SignatureInvalid, Structure
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, require
from vaultfs_format.signing import HEAD_SIGNATURES, Signer, SigningKeys

HANDOVER = Layout(
    Structure.SIGNER,
    "handover",
    Field("vault_id", "16s", "the vault"),
    Field("number", "I", "number of the signer that follows"),
    Field(RESERVED, "4s"),
    Field("tree_size", "Q", "leaves of the audit tree that the signer before has signed"),
    Field("tree_root", "32s", "their root"),
    Field("fingerprint", "32s", "fingerprint of the signer that follows"),
)
SIZE = HANDOVER.size + HEAD_SIGNATURES


@dataclass(frozen=True, slots=True)
class Handover:
    """What a signer has signed of the one that follows. Fields as in `HANDOVER`."""

    vault_id: bytes
    number: int
    tree_size: int
    tree_root: bytes
    fingerprint: bytes
    signatures: bytes = bytes(HEAD_SIGNATURES)

    @property
    def statement(self) -> bytes:
        """What is signed."""
        return HANDOVER.pack(self.vault_id, self.number, self.tree_size, self.tree_root, self.fingerprint)

    def signed(self, keys: SigningKeys) -> Handover:
        """Return the same, signed."""
        return replace(self, signatures=keys.sign_handover(self.statement))

    def encode(self) -> bytes:
        """Return the value of the item in VAULT."""
        return self.statement + self.signatures

    @classmethod
    def decode(cls, data: Buffer) -> Handover:
        """Parse the value of an item in VAULT."""
        require(len(data) == SIZE, Structure.SIGNER, 3)
        vault_id, number, tree_size, tree_root, fingerprint = HANDOVER.unpack(data)
        found = cls(vault_id, number, tree_size, tree_root, fingerprint, bytes(data[HANDOVER.size :]))
        require(found.number > 1 and found.tree_size > 0, Structure.SIGNER, 4)
        return found

    def verify(self, vault_id: bytes, before: Signer, after: Signer) -> None:
        """Check that a signer of a vault has handed over to another.

        Raises
        ------
        SignatureInvalid, AlgorithmMissing
        """
        if (self.vault_id, self.number, self.fingerprint) != (vault_id, after.number, after.fingerprint):
            raise SignatureInvalid(structure=Structure.SIGNER)
        before.verify_handover(self.statement, self.signatures)


def check_line(vault_id: bytes, signers: Sequence[Signer], handovers: Sequence[Handover]) -> None:
    """Check that each signer of a vault but the first was named by the one before, and that their parts ascend.

    Raises
    ------
    SignatureInvalid, AlgorithmMissing
    """
    sizes = [one.tree_size for one in handovers]
    numbers = [signer.number for signer in signers]
    if len(handovers) != len(signers) - 1 or sizes != sorted(set(sizes)) or numbers != list(range(1, 1 + len(signers))):
        raise SignatureInvalid(structure=Structure.SUPERBLOCK)
    for before, after, handover in zip(signers, signers[1:], handovers, strict=False):
        handover.verify(vault_id, before, after)


def signer_at(handovers: Sequence[Handover], size: int) -> int:
    """Return the number of the signer that signs a tree of a size."""
    return 1 + sum(one.tree_size < size for one in handovers)
