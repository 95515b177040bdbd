"""Signatures: who wrote segments and heads, provable without a key of the vault.

A signer has one key for segments, of the suite's scheme, and two for heads, of which both must be right: Ed25519 (RFC
8032) and ML-DSA-44 (FIPS 204), so that a head stays proved when one of them falls. In suite 2 it may have been made
where there is no ML-DSA; then it says so, and its heads have one signature. Its public keys stand in VAULT, its private
ones in a compartment of the keyring that no reader opens.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaultfs_format import labels
from vaultfs_format.errors import SignatureInvalid, Structure
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, all_zero, require, require_size
from vaultfs_format.schemes import ED25519, ML_DSA_44, Scheme, is_provided
from vaultfs_format.sealing import framed, provided
from vaultfs_format.secret import Secret, joined
from vaultfs_format.suite import FIPS, Random, Suite

SEED = 32
SEEDS = 3 * SEED
"""Bytes of a signer's private keys; a seed less where it has no key of ML-DSA-44."""

SIGNATURE = 64
"""Bytes of the signature of a segment, in every suite."""

LATTICE_SIGNATURE = ML_DSA_44.signature_size
HEAD_SIGNATURES = SIGNATURE + LATTICE_SIGNATURE
"""Bytes of the signatures of a head: by Ed25519, then by ML-DSA-44, or zeros where the signer has no key for it."""

SIGNER = Layout(
    Structure.SIGNER,
    "signer",
    Field("number", "I", "1 for the first signer of a vault, one more for each that follows"),
    Field(RESERVED, "4s"),
    Field("segment_key", "32s", "Ed25519 public key for segments"),
    Field("head_key", "32s", "Ed25519 public key for heads"),
    Field("lattice_key", "1312s", "ML-DSA-44 public key for heads"),
)
FIPS_SIGNER = Layout(
    Structure.SIGNER,
    "signer of suite 2",
    Field("number", "I", "1 for the first signer of a vault, one more for each that follows"),
    Field("lattice", "B", "1: heads are signed by ML-DSA-44, too; 0: they are not"),
    Field(RESERVED, "3s"),
    Field("segment_key", "65s", "ECDSA P-256 public key for segments"),
    Field("head_key", "32s", "Ed25519 public key for heads"),
    Field("lattice_key", "1312s", "ML-DSA-44 public key for heads; zero where there is none"),
)
_NO_KEY = bytes(ML_DSA_44.public_size)


@dataclass(frozen=True, slots=True)
class Signer:
    """The public keys of a signer. Fields as in `SIGNER` and `FIPS_SIGNER`; without a lattice key that is empty."""

    suite: Suite
    number: int
    segment_key: bytes
    head_key: bytes
    lattice_key: bytes

    def encode(self) -> bytes:
        """Return the value of the public key in VAULT."""
        if self.suite is FIPS:
            lattice, key = (1, self.lattice_key) if self.lattice_key else (0, _NO_KEY)
            return FIPS_SIGNER.pack(self.number, lattice, self.segment_key, self.head_key, key)
        return SIGNER.pack(self.number, self.segment_key, self.head_key, self.lattice_key)

    @classmethod
    def decode(cls, suite: Suite, data: Buffer) -> Signer:
        """Parse the value of a public key of VAULT."""
        layout = FIPS_SIGNER if suite is FIPS else SIGNER
        require_size(data, layout.size, Structure.SIGNER)
        number, *lattice, segment_key, head_key, lattice_key = layout.unpack(data)
        require(number > 0, Structure.SIGNER, 1)
        if lattice == [0]:
            require(all_zero(lattice_key), Structure.SIGNER, 2)
            return cls(suite, number, segment_key, head_key, b"")
        require(lattice in ([], [1]), Structure.SIGNER, 2)
        return cls(suite, number, segment_key, head_key, lattice_key)

    @property
    def fingerprint(self) -> bytes:
        """What names this signer outside of the vault, 32 bytes: who knows it trusts no file for it."""
        return self.suite.mac(bytes(32), labels.SIGNER, self.encode())

    def verify_segment(self, statement: bytes, signature: bytes) -> None:
        """Check the signature of a segment.

        Raises
        ------
        SignatureInvalid, AlgorithmMissing
        """
        message = framed(labels.SEGMENT_SIGNATURE) + statement
        _check(self.suite.segments, self.segment_key, message, signature, Structure.SEGMENT)

    def verify_head(self, statement: bytes, signatures: bytes, structure: Structure = Structure.HEAD) -> None:
        """Check all signatures of a head, which stand in `structure`.

        Raises
        ------
        SignatureInvalid, AlgorithmMissing
        """
        self._verify_all(framed(labels.HEAD_SIGNATURE) + statement, signatures, structure)

    def verify_handover(self, statement: bytes, signatures: bytes) -> None:
        """Check all signatures of a handover.

        Raises
        ------
        SignatureInvalid, AlgorithmMissing
        """
        self._verify_all(framed(labels.HANDOVER_SIGNATURE) + statement, signatures, Structure.SIGNER)

    def verify_report(self, report: bytes, signatures: bytes) -> None:
        """Check all signatures of the report of a drill.

        Raises
        ------
        SignatureInvalid, AlgorithmMissing
        """
        self._verify_all(framed(labels.REPORT_SIGNATURE) + report, signatures, Structure.REPORT)

    def _verify_all(self, message: bytes, signatures: bytes, structure: Structure) -> None:
        _check(ED25519, self.head_key, message, signatures[:SIGNATURE], structure)
        rest = signatures[SIGNATURE:]
        if self.lattice_key:
            _check(ML_DSA_44, self.lattice_key, message, rest, structure)
        elif rest != bytes(LATTICE_SIGNATURE):
            raise SignatureInvalid(structure=structure)

    def __repr__(self) -> str:
        return f"<Signer {self.number}>"


class SigningKeys:
    """The private keys of a signer. Secrets: never shown, never stored but in the keyring.

    Parameters
    ----------
    seeds
        Three private keys of 32 bytes, as `draw_seeds` gives them: for segments, for heads, and for heads by ML-DSA-44,
        where the signer has one.

    Raises
    ------
    AlgorithmMissing
    """

    def __init__(self, suite: Suite, number: int, seeds: Buffer) -> None:
        self._suite = suite
        whole = memoryview(seeds)
        self._segments, self._heads = Secret(whole[:SEED]), Secret(whole[SEED : 2 * SEED])
        self._lattice = Secret(whole[2 * SEED :])
        with provided(Structure.SIGNER):
            self.signer = Signer(
                suite,
                number,
                suite.segments.public(self._segments),
                ED25519.public(self._heads),
                ML_DSA_44.public(self._lattice) if self._lattice else b"",
            )

    def sign_segment(self, statement: bytes) -> bytes:
        """Return the signature of a segment."""
        return self._suite.segments.sign(self._segments, framed(labels.SEGMENT_SIGNATURE) + statement)

    def sign_head(self, statement: bytes) -> bytes:
        """Return all signatures of a head."""
        return self._sign_all(framed(labels.HEAD_SIGNATURE) + statement)

    def sign_handover(self, statement: bytes) -> bytes:
        """Return all signatures of a handover, by the keys for heads."""
        return self._sign_all(framed(labels.HANDOVER_SIGNATURE) + statement)

    def sign_report(self, report: bytes) -> bytes:
        """Return all signatures of the report of a drill, by the keys for heads."""
        return self._sign_all(framed(labels.REPORT_SIGNATURE) + report)

    def sign_note(self, message: bytes) -> bytes:
        """Return the signature by Ed25519 of what a note signs (section 16.6 of SPEC.md), by the key for heads."""
        return ED25519.sign(self._heads, _of_note(message))

    def sign_note_by_lattice(self, message: bytes) -> bytes:
        """Return that by ML-DSA-44, by the other key for heads."""
        return ML_DSA_44.sign(self._lattice, _of_note(message))

    def _sign_all(self, message: bytes) -> bytes:
        lattice = ML_DSA_44.sign(self._lattice, message) if self._lattice else bytes(LATTICE_SIGNATURE)
        return ED25519.sign(self._heads, message) + lattice

    def copy(self) -> SigningKeys:
        """Return keys for who signs after the vault was closed."""
        return SigningKeys(self._suite, self.signer.number, joined(self._segments, self._heads, self._lattice))

    def wipe(self) -> None:
        """Overwrite the private keys: nothing can be signed any more."""
        for seed in (self._segments, self._heads, self._lattice):
            seed.wipe()

    def __repr__(self) -> str:
        return f"<SigningKeys {self.signer.number}>"


def draw_seeds(suite: Suite, random: Random) -> Secret:
    """Return the private keys of a new signer: in suite 2 without ML-DSA-44 where this machine does not have it."""
    seeds = suite.segments.draw(random) + ED25519.draw(random)
    return Secret(seeds if suite is FIPS and not is_provided(ML_DSA_44) else seeds + ML_DSA_44.draw(random))


def are_seeds(suite: Suite, seeds: Buffer) -> bool:
    """Return whether these are the private keys of a signer."""
    sizes = (SEEDS, SEEDS - SEED) if suite is FIPS else (SEEDS,)
    return len(seeds) in sizes and suite.segments.is_private(memoryview(seeds)[:SEED])


def _of_note(message: bytes) -> bytes:
    """Return a message that cannot be a statement: those begin with the length of a label, which no text does."""
    require(message[:1] > b" ", Structure.SIGNER, 5)
    return message


def _check(scheme: Scheme, key: bytes, message: bytes, signature: bytes, structure: Structure) -> None:
    with provided(structure):
        right = scheme.verify(key, message, signature)
    if not right:
        raise SignatureInvalid(structure=structure)
