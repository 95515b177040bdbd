"""Suite 1, ``default``: BLAKE3 for digests, and in keyed mode for MACs and derivation; HPKE (RFC 9180) with
MLKEM768-X25519 to seal for the holder of a private key; Ed25519 on segments; Argon2id for passphrases.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from blake3 import blake3
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm

from vaultfs_format import sealing
from vaultfs_format.errors import DecryptionFailed, FieldInvalid, Structure
from vaultfs_format.layout import Buffer
from vaultfs_format.schemes import ED25519, Scheme
from vaultfs_format.sealing import TAG, Hasher, Random, ShortMac, framed, provided

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.hpke import Suite as HpkeSuite

_MLKEM_PUBLIC = 1184
_MLKEM_SEED = 64
_X25519 = 32


class DefaultSuite:
    """Suite 1. What it does is said where `Suite` says it."""

    id = 1
    name = "default"
    segments: Scheme = ED25519
    public_key_size = _MLKEM_PUBLIC + _X25519
    """The ML-KEM-768 encapsulation key (FIPS 203), then the X25519 key (RFC 7748)."""

    private_key_size = _MLKEM_SEED + _X25519
    """The seed of the ML-KEM-768 key (d, z), then the X25519 key."""

    sealing_adds = 1088 + _X25519 + TAG
    """The ciphertext of ML-KEM-768 and the X25519 key before what is sealed, the tag behind it."""

    seal = staticmethod(sealing.seal)
    seal_into = staticmethod(sealing.seal_into)
    open = staticmethod(sealing.open_sealed)
    open_into = staticmethod(sealing.open_into)
    open_secret = staticmethod(sealing.open_secret)
    encrypt_blocks = staticmethod(sealing.encrypt_blocks)
    decrypt_blocks = staticmethod(sealing.decrypt_blocks)

    def hasher(self) -> Hasher:
        """Return a fresh unkeyed digest."""
        return blake3()

    def digest(self, data: Buffer) -> bytes:
        """Return the unkeyed 32-byte digest of `data`."""
        return blake3(data).digest()

    def sha256_each(self, messages: Iterable[Buffer]) -> list[bytes]:
        """Return the SHA-256 of each message."""
        sha256 = hashlib.sha256
        return [sha256(message).digest() for message in messages]

    def mac(self, key: Buffer, label: bytes, data: Buffer) -> bytes:
        """Return the 32-byte MAC of `data`."""
        return blake3(framed(label) + data, key=key).digest()

    def short_mac(self, label: bytes) -> ShortMac:
        """Return what makes the first 16 bytes of a `mac` for one purpose."""
        start = framed(label)
        return lambda key, data: blake3(start + data, key=key).digest()[:16]

    def mac_hasher(self, key: Buffer, label: bytes) -> Hasher:
        """Return a `mac` that takes its data in pieces."""
        return blake3(framed(label), key=key)

    def derive(self, key: Buffer, label: bytes, context: Buffer, length: int) -> bytes:
        """Return `length` bytes derived from the 32-byte `key`."""
        return blake3(framed(label) + context, key=key).digest(length=length)

    def draw_private_key(self, random: Random) -> bytes:
        """Return a private key of HPKE: 96 random bytes."""
        return random(self.private_key_size)

    def is_private_key(self, private: Buffer) -> bool:
        """Return whether these bytes are a private key of HPKE."""
        return len(private) == self.private_key_size

    def public_key(self, private: Buffer) -> bytes:
        """Return the public key of a private key of HPKE."""
        with provided(Structure.SUPERBLOCK):
            kem, curve = _private(private)
            return kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()

    def seal_to(self, public: bytes, plaintext: Buffer, info: bytes, structure: Structure) -> bytes:
        """Return `plaintext` sealed for the holder of a private key."""
        # Imported where it is used: public-key cryptography takes a tenth of the time that importing all of this takes.
        from cryptography.hazmat.primitives import hpke
        from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

        try:
            with provided(structure):
                kem = MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC])
                curve = X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC:])
                return _hpke().encrypt(plaintext, hpke.MLKEM768X25519PublicKey(kem, curve), info)
        except ValueError:
            with provided(structure):
                _kem_key(bytes(_MLKEM_SEED))
            raise FieldInvalid(structure=structure) from None

    def open_from(self, private: Buffer, sealed: Buffer, info: bytes, structure: Structure) -> bytes:
        """Return the plaintext of what `seal_to` made."""
        from cryptography.hazmat.primitives import hpke

        try:
            with provided(structure):
                return _hpke().decrypt(sealed, hpke.MLKEM768X25519PrivateKey(*_private(private)), info)
        except InvalidTag:
            raise DecryptionFailed(structure=structure) from None


def _hpke() -> HpkeSuite:
    from cryptography.hazmat.primitives import hpke

    return hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def _private(data: Buffer) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    whole = memoryview(data)  # what a slice of a secret would copy, nothing overwrites
    return _kem_key(whole[:_MLKEM_SEED]), X25519PrivateKey.from_private_bytes(whole[_MLKEM_SEED:])


def _kem_key(seed: Buffer) -> MLKEM768PrivateKey:
    """Return the key of a seed of 64 bytes. Raises UnsupportedAlgorithm."""
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey

    try:
        return MLKEM768PrivateKey.from_seed_bytes(seed)
    except ValueError:  # which is what becomes of any key where a provider lacks the scheme
        raise UnsupportedAlgorithm("ML-KEM-768") from None
