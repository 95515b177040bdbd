"""What both suites do alike: sizes, sealing by AES-256-GCM, AES-256 as a permutation, labels behind their lengths.

Every key seals one message, ever: so the 96-bit IV of AES-GCM (NIST SP 800-38D) is fixed, all zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Protocol

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vaultfs_format.errors import AlgorithmMissing, DecryptionFailed, Structure
from vaultfs_format.layout import Buffer
from vaultfs_format.secret import Secret

KEY = 32
DIGEST = 32
TAG = 16

_IV = bytes(12)

Random = Callable[[int], bytes]
"""Gives as many random bytes as it is asked for: ``os.urandom``, where they are to be secret."""

ShortMac = Callable[[Buffer, Buffer], bytes]
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
def framed(label: bytes) -> bytes:
    """Return a label behind its length, so that no label is the beginning of another with its data."""
    return bytes([len(label)]) + label


@contextmanager
def provided(structure: Structure) -> Iterator[None]:
    """Say in a coded error that an algorithm is needed, for `structure`, which this machine does not have.

    Raises
    ------
    AlgorithmMissing
    """
    try:
        yield
    except UnsupportedAlgorithm:
        raise AlgorithmMissing(structure=structure) from None


def seal(key: Buffer, plaintext: Buffer, bound: bytes) -> bytes:
    """Return `plaintext` sealed under `key`, which must never seal anything else; `bound` is authenticated."""
    return AESGCM(key).encrypt(_IV, plaintext, bound)


def seal_into(key: Buffer, plaintext: Buffer, bound: bytes, out: memoryview) -> memoryview:
    """Do what `seal` does into the beginning of `out`, and return a view of what was written."""
    sealed = out[: len(plaintext) + TAG]
    AESGCM(key).encrypt_into(_IV, plaintext, bound, sealed)
    return sealed


def open_sealed(key: Buffer, sealed: Buffer, bound: bytes, structure: Structure) -> bytes:
    """Return the plaintext of `sealed`.

    Raises
    ------
    DecryptionFailed
    """
    try:
        return AESGCM(key).decrypt(_IV, sealed, bound)
    except InvalidTag:
        raise DecryptionFailed(structure=structure) from None


def open_into(key: Buffer, sealed: Buffer, bound: bytes, structure: Structure, out: memoryview) -> memoryview:
    """Do what `open_sealed` does into the beginning of `out`, and return a view of the plaintext.

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


def open_secret(key: Buffer, sealed: Buffer, bound: bytes, structure: Structure) -> Secret:
    """Do what `open_sealed` does for a plaintext that is a secret: there is no other copy of it.

    Raises
    ------
    DecryptionFailed
    """
    secret = Secret(max(0, len(sealed) - TAG))
    open_into(key, sealed, bound, structure, memoryview(secret))
    return secret


def encrypt_blocks(key: Buffer, blocks: bytes) -> bytes:
    """Return each 16-byte block of `blocks` enciphered by AES-256: a keyed permutation, for ids and tokens."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block, as a permutation
    return encryptor.update(blocks) + encryptor.finalize()


def decrypt_blocks(key: Buffer, blocks: bytes) -> bytes:
    """Undo `encrypt_blocks`."""
    decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305 - as above
    return decryptor.update(blocks) + decryptor.finalize()
