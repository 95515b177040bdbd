"""Suite 2, ``fips``: approved algorithms alone, each asked of `cryptography` and so of its provider.

SHA-256 for digests, HMAC and HKDF-Expand of it for MACs and derivation; HPKE (RFC 9180) with P-256 to seal for the
holder of a private key; ECDSA on segments; PBKDF2 for passphrases.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag

from vaultfs_format import p256, sealing, sha2
from vaultfs_format.errors import DecryptionFailed, FieldInvalid, Structure
from vaultfs_format.layout import Buffer
from vaultfs_format.schemes import ECDSA_P256, Scheme
from vaultfs_format.sealing import TAG, Hasher, Random, ShortMac, framed, provided

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hpke import Suite as HpkeSuite


class FipsSuite:
    """Suite 2. What it does is said where `Suite` says it."""

    id = 2
    name = "fips"
    segments: Scheme = ECDSA_P256
    public_key_size = p256.POINT
    private_key_size = p256.SCALAR

    sealing_adds = p256.POINT + TAG

    seal = staticmethod(sealing.seal)
    seal_into = staticmethod(sealing.seal_into)
    open = staticmethod(sealing.open_sealed)
    open_into = staticmethod(sealing.open_into)
    open_secret = staticmethod(sealing.open_secret)
    encrypt_blocks = staticmethod(sealing.encrypt_blocks)
    decrypt_blocks = staticmethod(sealing.decrypt_blocks)

    def hasher(self) -> Hasher:
        """Return a fresh unkeyed digest."""
        return sha2.hasher()

    def digest(self, data: Buffer) -> bytes:
        """Return the unkeyed 32-byte digest of `data`."""
        return sha2.digest(data)

    def sha256_each(self, messages: Iterable[Buffer]) -> list[bytes]:
        """Return the SHA-256 of each message."""
        return [sha2.digest(message) for message in messages]

    def mac(self, key: Buffer, label: bytes, data: Buffer) -> bytes:
        """Return the 32-byte MAC of `data`."""
        return sha2.mac(key, framed(label), data)

    def short_mac(self, label: bytes) -> ShortMac:
        """Return what makes the first 16 bytes of a `mac` for one purpose."""
        start = framed(label)
        return lambda key, data: sha2.mac(key, start, data)[:16]

    def mac_hasher(self, key: Buffer, label: bytes) -> Hasher:
        """Return a `mac` that takes its data in pieces."""
        return sha2.mac_hasher(key, framed(label))

    def derive(self, key: Buffer, label: bytes, context: Buffer, length: int) -> bytes:
        """Return `length` bytes derived from the 32-byte `key`."""
        return sha2.expand(key, framed(label) + context, length)

    def draw_private_key(self, random: Random) -> bytes:
        """Return a private key of HPKE: a scalar."""
        return p256.draw_scalar(random)

    def is_private_key(self, private: Buffer) -> bool:
        """Return whether these bytes are a private key of HPKE."""
        return p256.is_scalar(private)

    def public_key(self, private: Buffer) -> bytes:
        """Return the public key of a private key of HPKE."""
        with provided(Structure.SUPERBLOCK):
            return p256.point_of(private)

    def seal_to(self, public: bytes, plaintext: Buffer, info: bytes, structure: Structure) -> bytes:
        """Return `plaintext` sealed for the holder of a private key."""
        try:
            with provided(structure):
                return _hpke().encrypt(plaintext, p256.public_key(public), info)
        except ValueError:
            raise FieldInvalid(structure=structure) from None

    def open_from(self, private: Buffer, sealed: Buffer, info: bytes, structure: Structure) -> bytes:
        """Return the plaintext of what `seal_to` made."""
        try:
            with provided(structure):
                return _hpke().decrypt(sealed, p256.private_key(private), info)
        except InvalidTag:
            raise DecryptionFailed(structure=structure) from None


def _hpke() -> HpkeSuite:
    from cryptography.hazmat.primitives import hpke

    return hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
