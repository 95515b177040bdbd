"""Cryptographic suites: one byte in every file, no negotiation. All keyed work of the format goes through here.

Suite 1, ``default``: AES-256-GCM (NIST SP 800-38D) with a fixed all-zero 96-bit IV under keys that each seal one
message, ever; BLAKE3 for digests, and in keyed mode for MACs and derivation; HPKE (RFC 9180) with MLKEM768-X25519 to
seal for the holder of a private key.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Protocol

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vaultfs_format.errors import DecryptionFailed, FieldInvalid, Structure, UnsupportedSuite
from vaultfs_format.layout import Buffer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.hpke import Suite as HpkeSuite

KEY = 32
DIGEST = 32
TAG = 16
PUBLIC_KEY = 1184 + 32
"""Bytes of a public key of HPKE: the ML-KEM-768 encapsulation key (FIPS 203), then the X25519 key (RFC 7748)."""

PRIVATE_KEY = 64 + 32
"""Bytes of a private key of HPKE: the seed of the ML-KEM-768 key (d, z), then the X25519 key."""

ENCAPSULATED = 1088 + 32
"""Bytes that HPKE puts before a ciphertext: that of ML-KEM-768 (FIPS 203), then the X25519 key."""

_IV = bytes(12)
_MLKEM_PUBLIC = 1184
_MLKEM_SEED = 64


ShortMac = Callable[[bytes, Buffer], bytes]
"""Makes 16 bytes out of a key and data."""


class Hasher(Protocol):
    """An incremental digest."""

    def update(self, data: Buffer, /) -> object:
        """Take in more bytes."""
        ...

    def digest(self) -> bytes:
        """Return the digest of all bytes taken in."""
        ...


@cache
def _framed(label: bytes) -> bytes:
    """Return a label behind its length, so that no label is the beginning of another with its data."""
    return bytes([len(label)]) + label


class DefaultSuite:
    """Suite 1."""

    id = 1
    name = "default"

    def hasher(self) -> Hasher:
        """Return a fresh unkeyed digest."""
        return blake3()

    def digest(self, data: Buffer) -> bytes:
        """Return the unkeyed 32-byte digest of `data`: it shows damage, not authenticity."""
        return blake3(data).digest()

    def mac(self, key: bytes, label: bytes, data: Buffer) -> bytes:
        """Return the 32-byte MAC of `data` under `key`, for the purpose `label`."""
        return blake3(_framed(label) + data, key=key).digest()

    def short_mac(self, label: bytes) -> ShortMac:
        """Return what makes the first 16 bytes of a `mac` for one purpose: a call less for each of millions."""
        framed = _framed(label)
        return lambda key, data: blake3(framed + data, key=key).digest()[:16]

    def mac_hasher(self, key: bytes, label: bytes) -> Hasher:
        """Return a `mac` that takes its data in pieces."""
        return blake3(_framed(label), key=key)

    def derive(self, key: bytes, label: bytes, context: bytes, length: int) -> bytes:
        """Return `length` bytes derived from the 32-byte `key` for the purpose `label` and `context`."""
        return blake3(_framed(label) + context, key=key).digest(length=length)

    def seal(self, key: bytes, plaintext: Buffer, bound: bytes) -> bytes:
        """Return `plaintext` sealed under `key`, which must never seal anything else; `bound` is authenticated."""
        return AESGCM(key).encrypt(_IV, plaintext, bound)

    def seal_into(self, key: bytes, plaintext: Buffer, bound: bytes, out: memoryview) -> memoryview:
        """Do what `seal` does into the beginning of `out`, and return a view of what was written."""
        sealed = out[: len(plaintext) + TAG]
        AESGCM(key).encrypt_into(_IV, plaintext, bound, sealed)
        return sealed

    def open(self, key: bytes, sealed: Buffer, bound: bytes, structure: Structure) -> bytes:
        """Return the plaintext of `sealed`.

        Raises
        ------
        DecryptionFailed
        """
        try:
            return AESGCM(key).decrypt(_IV, sealed, bound)
        except InvalidTag:
            raise DecryptionFailed(structure=structure) from None

    def open_into(self, key: bytes, sealed: Buffer, bound: bytes, structure: Structure, out: memoryview) -> memoryview:
        """Do what `open` does into the beginning of `out`, and return a view of the plaintext.

        Raises
        ------
        DecryptionFailed
            `out` holds zeros: what was not proved authentic is not left to its owner.
        """
        plain = out[: max(0, len(sealed) - TAG)]
        if len(plain) + TAG != len(sealed):
            raise DecryptionFailed(structure=structure)
        try:
            AESGCM(key).decrypt_into(_IV, sealed, bound, plain)
        except InvalidTag:
            plain[:] = bytes(len(plain))
            raise DecryptionFailed(structure=structure) from None
        return plain

    def public_key(self, private: bytes) -> bytes:
        """Return the public key of a private key of HPKE, which is 96 random bytes."""
        kem, curve = _private(private)
        return kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()

    def seal_to(self, public: bytes, plaintext: Buffer, info: bytes, structure: Structure) -> bytes:
        """Return `plaintext` sealed for the holder of a private key; `info` is bound.

        Raises
        ------
        FieldInvalid
            The public key, which is of `structure`, is none.
        """
        # Imported where it is used: public-key cryptography takes a tenth of the time that importing all of this takes.
        from cryptography.hazmat.primitives import hpke
        from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

        try:
            kem = MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC])
            curve = X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC:])
            return _hpke().encrypt(plaintext, hpke.MLKEM768X25519PublicKey(kem, curve), info)
        except ValueError:
            raise FieldInvalid(structure=structure) from None

    def open_from(self, private: bytes, sealed: Buffer, info: bytes, structure: Structure) -> bytes:
        """Return the plaintext of what `seal_to` made.

        Raises
        ------
        DecryptionFailed
        """
        from cryptography.hazmat.primitives import hpke

        try:
            return _hpke().decrypt(sealed, hpke.MLKEM768X25519PrivateKey(*_private(private)), info)
        except InvalidTag:
            raise DecryptionFailed(structure=structure) from None

    def encrypt_blocks(self, key: bytes, blocks: bytes) -> bytes:
        """Return each 16-byte block of `blocks` enciphered by AES-256: a keyed permutation, for ids and tokens."""
        encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block, as a permutation
        return encryptor.update(blocks) + encryptor.finalize()

    def decrypt_blocks(self, key: bytes, blocks: bytes) -> bytes:
        """Undo `encrypt_blocks`."""
        decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305
        return decryptor.update(blocks) + decryptor.finalize()


def _hpke() -> HpkeSuite:
    from cryptography.hazmat.primitives import hpke

    return hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def _private(data: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    kem = MLKEM768PrivateKey.from_seed_bytes(data[:_MLKEM_SEED])
    return kem, X25519PrivateKey.from_private_bytes(data[_MLKEM_SEED:])


Suite = DefaultSuite
DEFAULT = DefaultSuite()


def suite_of(number: int, structure: Structure) -> Suite:
    """Return the suite with this number, which a prefix of `structure` states.

    Raises
    ------
    UnsupportedSuite
    """
    if number != DEFAULT.id:
        raise UnsupportedSuite(structure=structure, suite=number)
    return DEFAULT


def same(left: Buffer, right: Buffer) -> bool:
    """Return whether two secrets or codes are equal, in constant time."""
    return hmac.compare_digest(left, right)
