"""HPKE (RFC 9180) in base mode, and X-Wing, as sections 2.1 and 2.2 of the specification spell them."""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

X_WING = bytes.fromhex("647A")
P256 = bytes.fromhex("0010")
AES_256_GCM = bytes.fromhex("0002")
CHACHA20_POLY1305 = bytes.fromhex("0003")

_HKDF_SHA256 = bytes.fromhex("0001")
_VERSION = b"HPKE-v1"


class Schedule(NamedTuple):
    """What seals one message."""

    key: bytes
    iv: bytes


def extract(suite: bytes, salt: bytes, label: bytes, data: bytes) -> bytes:
    """Return what HPKE calls LabeledExtract."""
    return hmac.digest(salt or bytes(32), _VERSION + suite + label + data, "sha256")


def expand(suite: bytes, secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """Return what HPKE calls LabeledExpand, of 32 bytes at most."""
    labelled = length.to_bytes(2, "big") + _VERSION + suite + label + info
    return hmac.digest(secret, labelled + b"\1", "sha256")[:length]


def schedule(kem: bytes, shared: bytes, info: bytes, aead: bytes = AES_256_GCM) -> Schedule:
    """Return key and IV for a shared secret."""
    suite = b"HPKE" + kem + _HKDF_SHA256 + aead
    context = bytes(1) + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
    secret = extract(suite, shared, b"secret", b"")
    return Schedule(expand(suite, secret, b"key", context, 32), expand(suite, secret, b"base_nonce", context, 12))


class XWing:
    """`SealTo` of suite 1, for the holder of a private key of 96 bytes."""

    LABEL = bytes.fromhex("5C2E2F2F5E5C")

    def __init__(self, private: bytes) -> None:
        self.kem = MLKEM768PrivateKey.from_seed_bytes(private[:64])
        self.curve = X25519PrivateKey.from_private_bytes(private[64:])
        self.public = self.kem.public_key().public_bytes_raw() + self.curve.public_key().public_bytes_raw()

    def _shared(self, secret: bytes, agreed: bytes, sent: bytes) -> bytes:
        return hashlib.sha3_256(secret + agreed + sent + self.public[1184:] + self.LABEL).digest()

    def seal(self, plain: bytes, info: bytes, sent: bytes, agreed: bytes) -> bytes:
        """Seal with these bytes for those of X25519 and for its shared secret."""
        secret, ciphertext = self.kem.public_key().encapsulate()
        key, iv = schedule(X_WING, self._shared(secret, agreed, sent), info)
        return ciphertext + sent + AESGCM(key).encrypt(iv, plain, b"")

    def shared(self, sent: bytes) -> bytes:
        """Return the shared secret of the two ciphertexts of the KEM."""
        agreed = self.curve.exchange(X25519PublicKey.from_public_bytes(sent[1088:1120]))
        return self._shared(self.kem.decapsulate(sent[:1088]), agreed, sent[1088:1120])

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Open what was sealed."""
        key, iv = schedule(X_WING, self.shared(sealed[:1120]), info)
        return AESGCM(key).decrypt(iv, sealed[1120:], b"")
