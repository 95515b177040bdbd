"""Suite 1 against published vectors, and its derivations against the primitives themselves."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import vaultfs_format
from blake3 import blake3
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import labels, sealing
from vaultfs_format.errors import AlgorithmMissing, DecryptionFailed, FieldInvalid, Structure, UnsupportedSuite
from vaultfs_format.suite import DEFAULT, FIPS, SUITES, Suite, check_provided, same, suite_of

from tests.vaultfs_format.hpke_words import XWing

KEY = bytes(range(32))


def test_digest_is_blake3() -> None:
    """Test vector of the BLAKE3 team for an empty input."""
    expected = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert DEFAULT.digest(b"").hex() == expected
    hasher = DEFAULT.hasher()
    hasher.update(b"ab")
    hasher.update(memoryview(b"c"))
    assert hasher.digest() == DEFAULT.digest(b"abc")


def test_derivation_is_blake3_keyed_over_length_label_and_context() -> None:
    expected = blake3(b"\x05label" + b"context", key=KEY).digest(length=100)
    assert DEFAULT.derive(KEY, b"label", b"context", 100) == expected


def test_a_mac_is_32_bytes_of_derivation_in_pieces_or_whole() -> None:
    expected = blake3(b"\x05label" + b"some data", key=KEY).digest()
    assert DEFAULT.mac(KEY, b"label", b"some data") == expected
    hasher = DEFAULT.mac_hasher(KEY, b"label")
    hasher.update(b"some")
    hasher.update(b" data")
    assert hasher.digest() == expected
    short = DEFAULT.short_mac(b"label")
    assert short(KEY, b"some data") == short(KEY, memoryview(b"some data")) == expected[:16]


def test_no_label_is_another() -> None:
    values = [value for value in vars(labels).values() if isinstance(value, bytes)]
    assert len(set(values)) == len(values)
    assert all(len(value) < 256 for value in values)


def test_sealing_is_aes_256_gcm_with_a_zero_iv() -> None:
    """Test case 14 of the GCM specification (McGrew and Viega): all zero."""
    sealed = DEFAULT.seal(bytes(32), bytes(16), b"")
    assert sealed.hex() == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    assert DEFAULT.seal(KEY, b"plain", b"bound") == AESGCM(KEY).encrypt(bytes(12), b"plain", b"bound")


@given(st.binary(max_size=100), st.binary(max_size=20))
def test_what_is_sealed_opens_with_the_same_key_and_bound_bytes_only(plain: bytes, bound: bytes) -> None:
    sealed = DEFAULT.seal(KEY, plain, bound)
    assert DEFAULT.open(KEY, sealed, bound, Structure.FRAME) == plain
    for key, data, other in ((bytes(32), sealed, bound), (KEY, sealed, bound + b"x"), (KEY, sealed[:-1], bound)):
        with pytest.raises(DecryptionFailed):
            DEFAULT.open(key, data, other, Structure.FRAME)


@given(st.binary(max_size=40))
def test_opening_arbitrary_bytes_fails_in_a_typed_way(data: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        DEFAULT.open(KEY, data, b"", Structure.FRAME)


def test_blocks_are_enciphered_by_aes_256() -> None:
    """Known answer of AES-256 for a key and block of zeros (NIST AESAVS)."""
    assert DEFAULT.encrypt_blocks(bytes(32), bytes(16)).hex() == "dc95c078a2408989ad48a21492842087"
    two = DEFAULT.encrypt_blocks(KEY, b"a" * 16 + b"b" * 16)
    assert two == DEFAULT.encrypt_blocks(KEY, b"a" * 16) + DEFAULT.encrypt_blocks(KEY, b"b" * 16)
    assert DEFAULT.decrypt_blocks(KEY, two) == b"a" * 16 + b"b" * 16


PRIVATE = bytes(range(96))
WORDS = XWing(PRIVATE)


def test_sealing_for_a_public_key_is_as_the_specification_spells_it_out() -> None:
    assert DEFAULT.public_key(PRIVATE) == WORDS.public
    sealed = DEFAULT.seal_to(WORDS.public, b"plain", b"info", Structure.JOURNAL_HEADER)
    assert WORDS.open(sealed, b"info") == b"plain"
    one = X25519PrivateKey.generate()
    agreed = one.exchange(WORDS.curve.public_key())
    sealed = WORDS.seal(b"plain", b"info", one.public_key().public_bytes_raw(), agreed)
    assert DEFAULT.open_from(PRIVATE, sealed, b"info", Structure.JOURNAL_HEADER) == b"plain"


# The last one is that of the vector hybrid_low_order of the test vectors for age (CCTV).
LOW_ORDER = bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7")


@pytest.mark.parametrize("sent", [bytes(32), b"\1" + bytes(31), LOW_ORDER])
def test_what_was_sealed_with_a_shared_secret_of_zeros_is_not_opened(sent: bytes) -> None:
    sealed = WORDS.seal(b"plain", b"info", sent, bytes(32))
    with pytest.raises(DecryptionFailed):
        DEFAULT.open_from(PRIVATE, sealed, b"info", Structure.JOURNAL_HEADER)


@pytest.mark.parametrize("public", [WORDS.public[:1184] + bytes(32), b"\xff" * 1184 + WORDS.public[1184:]])
def test_a_public_key_that_is_none_is_refused(public: bytes) -> None:
    with pytest.raises(FieldInvalid):
        DEFAULT.seal_to(public, b"plain", b"info", Structure.SUPERBLOCK)


def test_suites_are_found_by_number() -> None:
    assert suite_of(1, Structure.HEAD) is DEFAULT
    assert suite_of(2, Structure.HEAD) is FIPS
    for number in (0, 3, 255):
        with pytest.raises(UnsupportedSuite):
            suite_of(number, Structure.HEAD)


def test_same_compares_bytes() -> None:
    assert same(b"abc", memoryview(b"abc"))
    assert not same(b"abc", b"abd")
    assert not same(b"abc", b"ab")


def test_macs_and_commitments_are_compared_in_constant_time() -> None:
    """Whatever the codecs refuse for a MAC or a commitment, they have compared by `same`."""
    compared = 0
    for path in Path(vaultfs_format.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.If) and re.search(r"raise (Mac|Commitment)Mismatch", ast.unparse(node.body[0])):
                assert ast.unparse(node.test).startswith("not same("), path.name
                compared += 1
    assert compared >= 7


@pytest.mark.parametrize("suite", SUITES.values())
@pytest.mark.parametrize("error", [UnsupportedAlgorithm("none"), InternalError("Unknown OpenSSL error", [])])
def test_a_provider_that_does_nothing_is_told_before_anything_else(
    suite: Suite, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: bytes) -> None:
        raise error

    monkeypatch.setattr(sealing, "AESGCM", refuse)
    one = type(suite)()  # of which nothing is known yet
    with pytest.raises(AlgorithmMissing) as refused:
        check_provided(one, Structure.HEAD)
    assert refused.value.facts == {"structure": Structure.HEAD, "suite": suite.id}


def test_a_provider_without_ml_kem_is_told_apart_from_a_key_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    public, private = bytes(DEFAULT.public_key_size), bytes(DEFAULT.private_key_size)
    sealed = DEFAULT.seal_to(DEFAULT.public_key(private), b"x", b"", Structure.STANZA)
    not_a_key = b"\xff" * DEFAULT.public_key_size
    with pytest.raises(FieldInvalid):
        DEFAULT.seal_to(not_a_key, b"x", b"", Structure.STANZA)

    def refuse(_: bytes) -> None:
        raise ValueError("as a provider does that lacks it")

    monkeypatch.setattr(MLKEM768PublicKey, "from_public_bytes", refuse)
    monkeypatch.setattr(MLKEM768PrivateKey, "from_seed_bytes", refuse)
    uses: list[Callable[[], bytes]] = [
        lambda: DEFAULT.seal_to(public, b"x", b"", Structure.STANZA),
        lambda: DEFAULT.open_from(private, sealed, b"", Structure.STANZA),
        lambda: DEFAULT.public_key(private),
    ]
    for use in uses:
        with pytest.raises(AlgorithmMissing):
            use()


def test_of_two_openssls_in_a_process_that_of_cryptography_is_loaded_first() -> None:
    """A FIPS module serves one of them alone: `hashlib`, which loads the other, does without."""
    for name in (
        "vaultfs",
        "vaultfs_format",
        *(f"vaultfs_tools.{one}" for one in ("fsck", "rescue", "backup", "doctor")),
    ):
        program = f"import sys, {name}, hashlib; print(*sys.modules)"
        bare = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
        done = subprocess.run([sys.executable, "-c", program], env=bare, capture_output=True, text=True, check=True)
        loaded = done.stdout.split()
        assert loaded.index("cryptography.hazmat.bindings._rust") < loaded.index("_hashlib"), name
