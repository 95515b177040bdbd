"""SHA-256 (FIPS 180-4) and what is made of it: HMAC, HKDF-Expand, PBKDF2. The one place of hashes for suite 2.

All of it is asked of `cryptography`, and so of the provider that it runs on; `hashlib` would answer by itself.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256, Hash, HashContext
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from vaultfs_format.layout import Buffer

_SHA256 = SHA256()

MAX_EXPANDED = 255 * _SHA256.digest_size
"""Most bytes that HKDF-Expand gives (RFC 5869 section 2.3)."""


class _Hasher:
    """A hash or MAC whose value may be asked for more than once."""

    __slots__ = ("_context", "update")

    def __init__(self, context: HashContext) -> None:
        self._context = context
        self.update = context.update

    def digest(self) -> bytes:
        """Return the value of all bytes taken in."""
        return self._context.copy().finalize()


def digest(data: Buffer) -> bytes:
    """Return the SHA-256 of `data`."""
    return Hash.hash(_SHA256, data)


def hasher() -> _Hasher:
    """Return a `digest` that takes its data in pieces."""
    return _Hasher(Hash(_SHA256))


def mac(key: Buffer, *pieces: Buffer) -> bytes:
    """Return the HMAC-SHA-256 (FIPS 198-1) of `pieces`, one behind the other."""
    context = HMAC(key, _SHA256)
    for piece in pieces:
        context.update(piece)
    return context.finalize()


def mac_hasher(key: Buffer, start: bytes) -> _Hasher:
    """Return a `mac` that takes its data in pieces, and has `start` already."""
    context = HMAC(key, _SHA256)
    context.update(start)
    return _Hasher(context)


def expand(key: Buffer, info: bytes, length: int) -> bytes:
    """Return `length` bytes of HKDF-Expand (RFC 5869; SP 800-56C section 5): at most `MAX_EXPANDED`."""
    return HKDFExpand(_SHA256, length, info).derive(key)


def stretch(password: Buffer, salt: bytes, iterations: int, length: int) -> bytes:
    """Return `length` bytes of PBKDF2 with HMAC-SHA-256 (SP 800-132; RFC 8018 section 5.2)."""
    return PBKDF2HMAC(_SHA256, length, salt, iterations).derive(password)
