"""SHA-256 and what is made of it, against published vectors."""

from __future__ import annotations

import pytest
from vaultfs_format import sha2


def test_a_digest_is_sha_256_in_pieces_or_whole() -> None:
    """The example of one block of FIPS 180-4."""
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha2.digest(b"abc").hex() == sha2.digest(memoryview(b"abc")).hex() == expected
    hasher = sha2.hasher()
    hasher.update(b"ab")
    assert hasher.digest() == sha2.digest(b"ab")  # asking does not end it
    hasher.update(memoryview(b"c"))
    assert hasher.digest().hex() == expected


def test_a_mac_is_hmac_in_pieces_or_whole() -> None:
    """Test case 2 of RFC 4231."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert sha2.mac(b"Jefe", b"what do ya want ", b"for nothing?").hex() == expected
    hasher = sha2.mac_hasher(b"Jefe", b"what do ya want ")
    hasher.update(b"for nothing?")
    assert hasher.digest().hex() == expected


def test_expansion_is_that_of_hkdf() -> None:
    """Test case 1 of RFC 5869, from its PRK on."""
    key = bytes.fromhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    info = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9")
    expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    assert sha2.expand(key, info, 42).hex() == expected
    assert sha2.expand(key, info, sha2.MAX_EXPANDED)[:42].hex() == expected
    with pytest.raises(ValueError, match="larger"):
        sha2.expand(key, info, sha2.MAX_EXPANDED + 1)


def test_stretching_is_pbkdf2() -> None:
    """The first test vector of PBKDF2 in RFC 7914 section 11."""
    expected = "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
    assert sha2.stretch(b"passwd", b"salt", 1, 64).hex().startswith(expected)
