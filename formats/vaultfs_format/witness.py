"""A witnessed head: what a place outside of the vault keeps of it, so that an older one is not taken for it.

It is the signed statement of the head and nothing else, so that whoever keeps it needs no key and learns no secret, and
nobody but the signer can make one.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaultfs_format.errors import DigestMismatch, LimitExceeded, SignatureInvalid, Structure
from vaultfs_format.head import Head
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, require, require_size
from vaultfs_format.limits import MAX_NUMBER
from vaultfs_format.prefix import PREFIX_FIELD, check_prefix, file_magic, prefix
from vaultfs_format.signing import HEAD_SIGNATURES, Signer
from vaultfs_format.suite import DIGEST, Suite

MAGIC = file_magic("W")
FILE = Layout(
    Structure.WITNESS,
    "witnessed head",
    PREFIX_FIELD,
    Field("vault_id", "16s", "the vault"),
    Field("generation", "Q", "generation of the head"),
    Field("tree_size", "Q", "leaves of the audit tree"),
    Field("tree_root", "32s", "root of the audit tree"),
    Field("content", "32s", "digest of all bytes of the head before its signatures"),
    Field("signer", "I", "number of the signer"),
    Field(RESERVED, "4s"),
    Field("signatures", f"{HEAD_SIGNATURES}s", "as in the head"),
    Field("digest", "32s", "digest of all bytes before"),
)


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The statement of a head, with its signatures. Fields as in `FILE`."""

    suite: Suite
    vault_id: bytes
    generation: int
    tree_size: int
    tree_root: bytes
    content: bytes
    signer: int
    signatures: bytes

    @classmethod
    def of(cls, head: Head) -> Witnessed:
        """Return what is to be kept of a head."""
        return cls(
            head.suite, head.vault_id, head.generation, head.tree_size, head.tree_root, head.content_digest(),
            head.signer, head.signatures,
        )  # fmt: skip

    def statement(self) -> bytes:
        """Return what is signed."""
        numbers = self.generation.to_bytes(8, "little") + self.tree_size.to_bytes(8, "little")
        return self.vault_id + numbers + self.tree_root + self.content

    def verify(self, signer: Signer) -> None:
        """Check that this signer has signed it.

        Raises
        ------
        SignatureInvalid
        """
        if signer.number != self.signer:
            raise SignatureInvalid(structure=Structure.WITNESS)
        signer.verify_head(self.statement(), self.signatures, Structure.WITNESS)

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        content = FILE.pack(
            prefix(MAGIC, self.suite), self.vault_id, self.generation, self.tree_size, self.tree_root, self.content,
            self.signer, self.signatures, bytes(DIGEST),
        )[:-DIGEST]  # fmt: skip
        return content + self.suite.digest(content)

    @classmethod
    def decode(cls, data: Buffer) -> Witnessed:
        """Parse a whole file; its digest is checked."""
        suite = check_prefix(Structure.WITNESS, MAGIC, data)
        require_size(data, FILE.size, Structure.WITNESS)
        _, *fields, digest = FILE.unpack(data)
        if suite.digest(data[:-DIGEST]) != digest:
            raise DigestMismatch(structure=Structure.WITNESS)
        found = cls(suite, *fields)
        if max(found.generation, found.tree_size) > MAX_NUMBER:
            raise LimitExceeded(structure=Structure.WITNESS, size=max(found.generation, found.tree_size))
        require(found.generation > 0 and found.tree_size > 0 and found.signer > 0, Structure.WITNESS, 1)
        return found
