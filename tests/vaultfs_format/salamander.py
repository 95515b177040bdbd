"""Ciphertexts of AES-GCM that open under two keys: the tag does not commit to the key (Dodis et al., CRYPTO 2018)."""

from __future__ import annotations

from functools import reduce

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from vaultfs_format.sealing import encrypt_blocks

BLOCK = 16
_ONE = 1 << 127
_MODULUS = 0xE1 << 120
"""x^128 + x^7 + x^2 + x + 1 in the order of bits of SP 800-38D section 6.3: the highest bit is the lowest power."""


def both(first: bytes, second: bytes, plain: bytes, bound: bytes, free: int) -> bytes:
    """Return what opens under two keys with the IV of zeros, ciphertext and tag.

    Parameters
    ----------
    plain
        What it opens to under the first key, but for one block. What it opens to under the second one is no matter.
    free
        The number of that block, which is a whole one: it is what makes the two tags one.
    """
    data = bytearray(_keystream(first, plain))
    data[free * BLOCK : (free + 1) * BLOCK] = bytes(BLOCK)
    # With zeros there the tags differ by d. A block x adds x * (h1^k + h2^k), for the k-th block from the end.
    power = -(-len(data) // BLOCK) - free + 1
    sums = [reduce(_times, [_hash_key(key)] * power) for key in (first, second)]
    differ = _tag(first, bytes(data), bound) ^ _tag(second, bytes(data), bound)
    solved = _times(differ, _inverse(sums[0] ^ sums[1]))
    data[free * BLOCK : (free + 1) * BLOCK] = solved.to_bytes(BLOCK, "big")
    return bytes(data) + _tag(first, bytes(data), bound).to_bytes(BLOCK, "big")


def _keystream(key: bytes, plain: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.CTR(bytes(15) + b"\2")).encryptor().update(plain)


def _hash_key(key: bytes) -> int:
    return int.from_bytes(encrypt_blocks(key, bytes(BLOCK)), "big")


def _tag(key: bytes, data: bytes, bound: bytes) -> int:
    """Return the tag of a ciphertext (SP 800-38D, algorithm 4)."""
    lengths = (8 * len(bound)).to_bytes(8, "big") + (8 * len(data)).to_bytes(8, "big")
    padded = b"".join(part + bytes(-len(part) % BLOCK) for part in (bound, data)) + lengths
    hashed = 0
    for at in range(0, len(padded), BLOCK):
        hashed = _times(hashed ^ int.from_bytes(padded[at : at + BLOCK], "big"), _hash_key(key))
    return hashed ^ int.from_bytes(encrypt_blocks(key, bytes(15) + b"\1"), "big")


def _times(one: int, other: int) -> int:
    """Return the product in GF(2^128) (SP 800-38D, algorithm 1)."""
    product = 0
    for bit in range(127, -1, -1):
        if one >> bit & 1:
            product ^= other
        other = other >> 1 ^ (_MODULUS if other & 1 else 0)
    return product


def _inverse(one: int) -> int:
    """Return the inverse: by Fermat, the power 2^128 - 2."""
    found = _ONE
    for _ in range(127):
        one = _times(one, one)
        found = _times(found, one)
    return found
