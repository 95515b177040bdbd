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


# From its PRK on, which is what our keys are: info and output of each test case of RFC 5869, appendix A.
HKDF = {
    1: (
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "f0f1f2f3f4f5f6f7f8f9",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    2: (
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        bytes(range(0xB0, 0x100)).hex(),
        (
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8"
            "367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
        ),
    ),
    3: (
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
}


@pytest.mark.parametrize("case", HKDF)
def test_expansion_is_that_of_hkdf(case: int) -> None:
    key, info, expected = map(bytes.fromhex, HKDF[case])
    assert sha2.expand(key, info, len(expected)) == expected
    assert sha2.expand(key, info, sha2.MAX_EXPANDED).startswith(expected)
    with pytest.raises(ValueError, match="larger"):
        sha2.expand(key, info, sha2.MAX_EXPANDED + 1)


@pytest.mark.parametrize(
    ("password", "salt", "iterations", "expected"),
    [
        (b"passwd", b"salt", 1, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"),
        (b"Password", b"NaCl", 80_000, "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"),
    ],
)
def test_stretching_is_pbkdf2(password: bytes, salt: bytes, iterations: int, expected: str) -> None:
    """The test vectors of PBKDF2 in RFC 7914 section 11, of which the first half is cited."""
    assert sha2.stretch(password, salt, iterations, 64).hex().startswith(expected)
    assert sha2.stretch(password, salt, iterations, 32).hex() == expected
