"""Cryptographic suites: one byte in every file, no negotiation. All keyed work of the format goes through here.

What both do alike is in `vaultfs_format.sealing`; each has a module of its own for the rest.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from functools import cache
from typing import Protocol

from cryptography.exceptions import InternalError, UnsupportedAlgorithm

from vaultfs_format.errors import AlgorithmMissing, Structure, UnsupportedSuite
from vaultfs_format.layout import Buffer
from vaultfs_format.schemes import Scheme
from vaultfs_format.sealing import DIGEST, KEY, TAG, Hasher, Random, ShortMac
from vaultfs_format.secret import Secret
from vaultfs_format.suite_default import DefaultSuite
from vaultfs_format.suite_fips import FipsSuite

__all__ = [
    "DEFAULT",
    "DIGEST",
    "FIPS",
    "KEY",
    "SUITES",
    "TAG",
    "Hasher",
    "Random",
    "ShortMac",
    "Suite",
    "check_provided",
    "same",
    "suite_of",
]


class Suite(Protocol):
    """The algorithms of a vault.

    Attributes
    ----------
    id, name
        What stands in the prefix of every file, and what people call it.
    segments
        By what segments are signed.
    public_key_size, private_key_size
        Bytes of the keys of HPKE.
    sealing_adds
        Bytes that HPKE adds to what it seals.
    """

    id: int
    name: str
    segments: Scheme
    public_key_size: int
    private_key_size: int
    sealing_adds: int

    def __hash__(self) -> int:
        """Return what a suite is looked up by: there is one of each."""
        ...

    def hasher(self) -> Hasher:
        """Return a fresh unkeyed digest."""
        ...

    def digest(self, data: Buffer) -> bytes:
        """Return the unkeyed 32-byte digest of `data`: it shows damage, not authenticity."""
        ...

    def sha256_each(self, messages: Iterable[Buffer]) -> list[bytes]:
        """Return the SHA-256 of each message: the audit tree is of it in every suite."""
        ...

    def mac(self, key: Buffer, label: bytes, data: Buffer) -> bytes:
        """Return the 32-byte MAC of `data` under `key`, for the purpose `label`."""
        ...

    def short_mac(self, label: bytes) -> ShortMac:
        """Return what makes the first 16 bytes of a `mac` for one purpose: a call less for each of millions."""
        ...

    def mac_hasher(self, key: Buffer, label: bytes) -> Hasher:
        """Return a `mac` that takes its data in pieces."""
        ...

    def derive(self, key: Buffer, label: bytes, context: Buffer, length: int) -> bytes:
        """Return `length` bytes derived from the 32-byte `key` for the purpose `label` and `context`."""
        ...

    def seal(self, key: Buffer, plaintext: Buffer, bound: bytes) -> bytes:
        """Return `plaintext` sealed under `key`, which must never seal anything else; `bound` is authenticated."""
        ...

    def seal_into(self, key: Buffer, plaintext: Buffer, bound: bytes, out: memoryview) -> memoryview:
        """Do what `seal` does into the beginning of `out`, and return a view of what was written."""
        ...

    def open(self, key: Buffer, sealed: Buffer, bound: bytes, structure: Structure) -> bytes:
        """Return the plaintext of `sealed`.

        Raises
        ------
        DecryptionFailed
        """
        ...

    def open_into(self, key: Buffer, sealed: Buffer, bound: bytes, structure: Structure, out: memoryview) -> memoryview:
        """Do what `open` does into the beginning of `out`, and return a view of the plaintext.

        Raises
        ------
        DecryptionFailed
            `out` holds zeros: what was not proved authentic is not left to its owner.
        """
        ...

    def open_secret(self, key: Buffer, sealed: Buffer, bound: bytes, structure: Structure) -> Secret:
        """Do what `open` does for a plaintext that is a secret: there is no other copy of it.

        Raises
        ------
        DecryptionFailed
        """
        ...

    def encrypt_blocks(self, key: Buffer, blocks: bytes) -> bytes:
        """Return each 16-byte block of `blocks` enciphered by AES-256: a keyed permutation, for ids and tokens."""
        ...

    def decrypt_blocks(self, key: Buffer, blocks: bytes) -> bytes:
        """Undo `encrypt_blocks`."""
        ...

    def draw_private_key(self, random: Random) -> bytes:
        """Return a private key of HPKE."""
        ...

    def is_private_key(self, private: Buffer) -> bool:
        """Return whether these bytes are a private key of HPKE."""
        ...

    def public_key(self, private: Buffer) -> bytes:
        """Return the public key of a private key of HPKE.

        Raises
        ------
        AlgorithmMissing
        """
        ...

    def seal_to(self, public: bytes, plaintext: Buffer, info: bytes, structure: Structure) -> bytes:
        """Return `plaintext` sealed for the holder of a private key; `info` is bound.

        Raises
        ------
        FieldInvalid
            The public key, which is of `structure`, is none.
        AlgorithmMissing
        """
        ...

    def open_from(self, private: Buffer, sealed: Buffer, info: bytes, structure: Structure) -> bytes:
        """Return the plaintext of what `seal_to` made.

        Raises
        ------
        DecryptionFailed, AlgorithmMissing
        """
        ...


DEFAULT: Suite = DefaultSuite()
FIPS: Suite = FipsSuite()
SUITES = {suite.id: suite for suite in (DEFAULT, FIPS)}


def suite_of(number: int, structure: Structure) -> Suite:
    """Return the suite with this number, which a prefix of `structure` states.

    Raises
    ------
    UnsupportedSuite, AlgorithmMissing
    """
    found = SUITES.get(number)
    if found is None:
        raise UnsupportedSuite(structure=structure, suite=number)
    check_provided(found, structure)
    return found


def check_provided(suite: Suite, structure: Structure) -> None:
    """Check that this machine can hash and seal at all: a FIPS provider that is broken, or is another's, does nothing.

    Raises
    ------
    AlgorithmMissing
    """
    if not _is_provided(suite):
        raise AlgorithmMissing(structure=structure, suite=suite.id)


@cache
def _is_provided(suite: Suite) -> bool:
    try:
        suite.seal(bytes(KEY), suite.digest(b""), b"")
    except (UnsupportedAlgorithm, InternalError):
        return False
    return True


def same(left: Buffer, right: Buffer) -> bool:
    """Return whether two secrets or codes are equal, in constant time."""
    return hmac.compare_digest(left, right)
