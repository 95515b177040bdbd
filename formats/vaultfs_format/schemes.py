"""Signature schemes: private keys, public keys and signatures as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from vaultfs_format import p256
from vaultfs_format.layout import Buffer
from vaultfs_format.sealing import KEY, Random

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

# Public-key cryptography is imported where it is used: it takes a tenth of the time that importing all of this takes.


class Scheme(Protocol):
    """How signatures are made and checked."""

    public_size: int
    signature_size: int

    def draw(self, random: Random) -> bytes:
        """Return a private key, 32 bytes."""
        ...

    def is_private(self, private: Buffer) -> bool:
        """Return whether these bytes are a private key."""
        ...

    def public(self, private: Buffer) -> bytes:
        """Return the public key of a private key."""
        ...

    def sign(self, private: Buffer, message: bytes) -> bytes:
        """Return the signature of a message."""
        ...

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Return whether a signature is right."""
        ...


class Ed25519:
    """EdDSA over the curve edwards25519 (RFC 8032, FIPS 186-5 section 7)."""

    public_size = 32
    signature_size = 64

    def draw(self, random: Random) -> bytes:
        """Return a private key: 32 random bytes."""
        return random(KEY)

    def is_private(self, private: Buffer) -> bool:
        """Return whether these bytes are a private key."""
        return len(private) == KEY

    def public(self, private: Buffer) -> bytes:
        """Return the public key of a private key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()

    def sign(self, private: Buffer, message: bytes) -> bytes:
        """Return the signature of a message."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(private).sign(message)

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Return whether a signature is right."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class EcdsaP256:
    """ECDSA over P-256 with SHA-256 (FIPS 186-5 section 6), the signature as r and s of 32 bytes each, big-endian.

    Nonces follow from key and message (RFC 6979), so that none depends on what a generator of random numbers does; but
    for FIPS providers of OpenSSL, which have no such nonces: these draw their own.
    """

    public_size = p256.POINT
    signature_size = 64

    def draw(self, random: Random) -> bytes:
        """Return a private key: a scalar."""
        return p256.draw_scalar(random)

    def is_private(self, private: Buffer) -> bool:
        """Return whether these bytes are a private key."""
        return p256.is_scalar(private)

    def public(self, private: Buffer) -> bytes:
        """Return the public key of a private key."""
        return p256.point_of(private)

    def sign(self, private: Buffer, message: bytes) -> bytes:
        """Return the signature of a message."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            algorithm = ECDSA(SHA256(), deterministic_signing=True)
        except UnsupportedAlgorithm:
            algorithm = ECDSA(SHA256())
        signature = p256.private_key(private).sign(message, algorithm)
        return b"".join(number.to_bytes(p256.SCALAR, "big") for number in decode_dss_signature(signature))

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Return whether a signature is right."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        if len(signature) != self.signature_size:
            return False
        r, s = (int.from_bytes(half, "big") for half in (signature[: p256.SCALAR], signature[p256.SCALAR :]))
        try:
            p256.public_key(public).verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True


class MlDsa44:
    """ML-DSA-44 (FIPS 204), pure, with an empty context."""

    public_size = 1312
    signature_size = 2420

    def draw(self, random: Random) -> bytes:
        """Return a private key: a seed of 32 random bytes."""
        return random(KEY)

    def is_private(self, private: Buffer) -> bool:
        """Return whether these bytes are a private key."""
        return len(private) == KEY

    def public(self, private: Buffer) -> bytes:
        """Return the public key of a private key."""
        return _lattice_key(private).public_key().public_bytes_raw()

    def sign(self, private: Buffer, message: bytes) -> bytes:
        """Return the signature of a message."""
        return _lattice_key(private).sign(message)

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Return whether a signature is right."""
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

        if len(public) != self.public_size:
            return False
        try:
            key = MLDSA44PublicKey.from_public_bytes(public)
        except ValueError:  # which is what becomes of any key where a provider lacks the scheme
            raise UnsupportedAlgorithm("ML-DSA-44") from None
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


def _lattice_key(seed: Buffer) -> MLDSA44PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

    try:
        return MLDSA44PrivateKey.from_seed_bytes(seed)
    except ValueError:  # as above: any 32 bytes are a seed
        raise UnsupportedAlgorithm("ML-DSA-44") from None


ED25519 = Ed25519()
ECDSA_P256 = EcdsaP256()
ML_DSA_44 = MlDsa44()


def is_provided(scheme: Scheme) -> bool:
    """Return whether this machine has what a scheme needs."""
    try:
        scheme.public(bytes(KEY - 1) + b"\1")
    except UnsupportedAlgorithm:
        return False
    return True
