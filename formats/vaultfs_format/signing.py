"""Signatures: who wrote segments and heads, provable without a key of the vault.

A signer has one key for segments and two for heads, of which both must be right: Ed25519 (RFC 8032) and ML-DSA-44
(FIPS 204), so that a head stays proved when one of them falls. Its public keys stand in VAULT, its private ones in a
compartment of the keyring that no reader opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature

from vaultfs_format import labels
from vaultfs_format.errors import SignatureInvalid, Structure
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, require, require_size
from vaultfs_format.suite import DEFAULT

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

SEED = 32
SEEDS = 3 * SEED
"""Bytes of the seeds of a signer's three private keys."""

SIGNATURE = 64
"""Bytes of the signature of a segment, by Ed25519."""

LATTICE_SIGNATURE = 2420
HEAD_SIGNATURES = SIGNATURE + LATTICE_SIGNATURE
"""Bytes of the signatures of a head: by Ed25519, then by ML-DSA-44."""

SIGNER = Layout(
    Structure.SIGNER,
    "signer",
    Field("number", "I", "1 for the first signer of a vault, one more for each that follows"),
    Field(RESERVED, "4s"),
    Field("segment_key", "32s", "Ed25519 public key for segments"),
    Field("head_key", "32s", "Ed25519 public key for heads"),
    Field("lattice_key", "1312s", "ML-DSA-44 public key for heads"),
)


@dataclass(frozen=True, slots=True)
class Signer:
    """The public keys of a signer. Fields as in `SIGNER`."""

    number: int
    segment_key: bytes
    head_key: bytes
    lattice_key: bytes

    def encode(self) -> bytes:
        """Return the value of the public key in VAULT."""
        return SIGNER.pack(self.number, self.segment_key, self.head_key, self.lattice_key)

    @classmethod
    def decode(cls, data: Buffer) -> Signer:
        """Parse the value of a public key of VAULT."""
        require_size(data, SIGNER.size, Structure.SIGNER)
        number, *keys = SIGNER.unpack(data)
        require(number > 0, Structure.SIGNER, 1)
        return cls(number, *keys)

    @property
    def fingerprint(self) -> bytes:
        """What names this signer outside of the vault, 32 bytes: who knows it trusts no file for it."""
        return DEFAULT.mac(bytes(32), labels.SIGNER, self.encode())

    def verify_segment(self, statement: bytes, signature: bytes) -> None:
        """Check the signature of a segment.

        Raises
        ------
        SignatureInvalid
        """
        _verify_ed25519(self.segment_key, _framed(labels.SEGMENT_SIGNATURE, statement), signature, Structure.SEGMENT)

    def verify_head(self, statement: bytes, signatures: bytes, structure: Structure = Structure.HEAD) -> None:
        """Check both signatures of a head, which stand in `structure`.

        Raises
        ------
        SignatureInvalid
        """
        self._verify_both(_framed(labels.HEAD_SIGNATURE, statement), signatures, structure)

    def verify_report(self, report: bytes, signatures: bytes) -> None:
        """Check both signatures of the report of a drill.

        Raises
        ------
        SignatureInvalid
        """
        self._verify_both(_framed(labels.REPORT_SIGNATURE, report), signatures, Structure.REPORT)

    def _verify_both(self, message: bytes, signatures: bytes, structure: Structure) -> None:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

        _verify_ed25519(self.head_key, message, signatures[:SIGNATURE], structure)
        try:
            MLDSA44PublicKey.from_public_bytes(self.lattice_key).verify(signatures[SIGNATURE:], message)
        except (InvalidSignature, ValueError):
            raise SignatureInvalid(structure=structure) from None

    def __repr__(self) -> str:
        return f"<Signer {self.number}>"


class SigningKeys:
    """The private keys of a signer. Secrets: never shown, never stored but in the keyring.

    Parameters
    ----------
    seeds
        Three times 32 random bytes: for segments, for heads, and for heads by ML-DSA-44.
    """

    def __init__(self, number: int, seeds: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        self._segments: Ed25519PrivateKey = Ed25519PrivateKey.from_private_bytes(seeds[:SEED])
        self._heads: Ed25519PrivateKey = Ed25519PrivateKey.from_private_bytes(seeds[SEED : 2 * SEED])
        self._lattice: MLDSA44PrivateKey = MLDSA44PrivateKey.from_seed_bytes(seeds[2 * SEED :])
        self.signer = Signer(
            number,
            self._segments.public_key().public_bytes_raw(),
            self._heads.public_key().public_bytes_raw(),
            self._lattice.public_key().public_bytes_raw(),
        )

    def sign_segment(self, statement: bytes) -> bytes:
        """Return the signature of a segment."""
        return self._segments.sign(_framed(labels.SEGMENT_SIGNATURE, statement))

    def sign_head(self, statement: bytes) -> bytes:
        """Return both signatures of a head."""
        return self._sign_both(_framed(labels.HEAD_SIGNATURE, statement))

    def sign_report(self, report: bytes) -> bytes:
        """Return both signatures of the report of a drill, by the keys for heads."""
        return self._sign_both(_framed(labels.REPORT_SIGNATURE, report))

    def _sign_both(self, message: bytes) -> bytes:
        return self._heads.sign(message) + self._lattice.sign(message)

    def __repr__(self) -> str:
        return f"<SigningKeys {self.signer.number}>"


def _framed(label: bytes, statement: bytes) -> bytes:
    return bytes([len(label)]) + label + statement


def _verify_ed25519(key: bytes, message: bytes, signature: bytes, structure: Structure) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise SignatureInvalid(structure=structure) from None
