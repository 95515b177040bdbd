"""Cryptographic suites: one byte in every file, no negotiation. All keyed work of the format goes through here.

Suite 1, ``default``: AES-256-GCM (NIST SP 800-38D) with a fixed all-zero 96-bit IV under keys that each seal one
message, ever; BLAKE3 for digests, and in keyed mode for MACs and derivation.
"""

from __future__ import annotations

import hmac
from functools import cache
from typing import Protocol

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vaultfs_format.errors import DecryptionFailed, Structure, UnsupportedSuite
from vaultfs_format.layout import Buffer

KEY = 32
DIGEST = 32
TAG = 16
_IV = bytes(12)


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
        return blake3(b"".join((_framed(label), data)), key=key).digest()

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

    def encrypt_blocks(self, key: bytes, blocks: bytes) -> bytes:
        """Return each 16-byte block of `blocks` enciphered by AES-256: a keyed permutation, for ids and tokens."""
        encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block, as a permutation
        return encryptor.update(blocks) + encryptor.finalize()

    def decrypt_blocks(self, key: bytes, blocks: bytes) -> bytes:
        """Undo `encrypt_blocks`."""
        decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305
        return decryptor.update(blocks) + decryptor.finalize()


Suite = DefaultSuite
DEFAULT = DefaultSuite()


def suite_of(number: int) -> Suite:
    """Return the suite with this number.

    Raises
    ------
    UnsupportedSuite
    """
    if number != DEFAULT.id:
        raise UnsupportedSuite(suite=number)
    return DEFAULT


def same(left: Buffer, right: Buffer) -> bool:
    """Return whether two secrets or codes are equal, in constant time."""
    return hmac.compare_digest(left, right)
