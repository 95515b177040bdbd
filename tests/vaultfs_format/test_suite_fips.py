"""Suite 2 as the specification spells it out, of its primitives alone."""

from __future__ import annotations

import ast
import hashlib
import hmac
import os
import re
from pathlib import Path

import pytest
import vaultfs_format
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from vaultfs_format.errors import AlgorithmMissing, DecryptionFailed, FieldInvalid, Structure
from vaultfs_format.suite import DEFAULT, FIPS, SUITES, Suite

import vaultfs
from tests.vaultfs_format.hpke_words import P256, expand, extract, schedule

KEY = bytes(range(32))
SCALAR = bytes(range(1, 33))


def test_digest_and_macs_are_of_sha_256() -> None:
    assert FIPS.digest(memoryview(b"abc")) == hashlib.sha256(b"abc").digest()
    hasher = FIPS.hasher()
    hasher.update(b"abc")
    assert hasher.digest() == FIPS.digest(b"abc")
    expected = hmac.digest(KEY, b"\x05label" + b"some data", "sha256")
    assert FIPS.mac(KEY, b"label", memoryview(b"some data")) == expected
    assert FIPS.short_mac(b"label")(KEY, b"some data") == expected[:16]
    hasher = FIPS.mac_hasher(KEY, b"label")
    hasher.update(b"some data")
    assert hasher.digest() == expected


def test_derivation_is_hkdf_expand_over_length_label_and_context() -> None:
    info, expected, block = b"\x05label" + b"context", b"", b""
    for number in range(1, 5):
        block = hmac.digest(KEY, block + info + bytes([number]), "sha256")
        expected += block
    assert FIPS.derive(KEY, b"label", b"context", 100) == expected[:100]
    assert FIPS.derive(KEY, b"label", b"context", 32) != FIPS.mac(KEY, b"label", b"context")


def test_the_audit_tree_is_of_sha_256_in_both_suites() -> None:
    messages = [b"", b"one", b"two"]
    expected = [hashlib.sha256(one).digest() for one in messages]
    assert DEFAULT.sha256_each(messages) == FIPS.sha256_each(iter(messages)) == expected


@pytest.mark.parametrize("suite", SUITES.values())
def test_sealing_and_permuting_are_the_same_in_both_suites(suite: Suite) -> None:
    sealed = suite.seal(KEY, b"plain", b"bound")
    assert sealed == AESGCM(KEY).encrypt(bytes(12), b"plain", b"bound")
    assert suite.open(KEY, sealed, b"bound", Structure.FRAME) == b"plain"
    room = memoryview(bytearray(64))
    assert bytes(suite.seal_into(KEY, b"plain", b"bound", room)) == sealed
    assert bytes(suite.open_into(KEY, sealed, b"bound", Structure.FRAME, room[32:])) == b"plain"
    block = suite.encrypt_blocks(bytes(32), bytes(16))
    assert block.hex() == "dc95c078a2408989ad48a21492842087"
    assert suite.decrypt_blocks(bytes(32), block) == bytes(16)


class Words:
    """`SealTo` as section 2.2 spells it out."""

    SUITE = b"KEM" + P256

    def __init__(self, scalar: bytes) -> None:
        self.private = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())
        self.public = _point(self.private.public_key())

    def _keys(self, agreed: bytes, sent: bytes, info: bytes) -> tuple[AESGCM, bytes]:
        prk = extract(self.SUITE, b"", b"eae_prk", agreed)
        shared = expand(self.SUITE, prk, b"shared_secret", sent + self.public, 32)
        key, iv = schedule(P256, shared, info)
        return AESGCM(key), iv

    def seal(self, plain: bytes, info: bytes) -> bytes:
        """Seal for the holder of the private key."""
        one = ec.generate_private_key(ec.SECP256R1())
        sent = _point(one.public_key())
        key, iv = self._keys(one.exchange(ec.ECDH(), self.private.public_key()), sent, info)
        return sent + key.encrypt(iv, plain, b"")

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Open what was sealed."""
        sent = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sealed[:65])
        key, iv = self._keys(self.private.exchange(ec.ECDH(), sent), sealed[:65], info)
        return key.decrypt(iv, sealed[65:], b"")


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    numbers = key.public_numbers()
    return b"\4" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


WORDS = Words(SCALAR)


def test_sealing_for_a_public_key_is_as_the_specification_spells_it_out() -> None:
    assert FIPS.public_key(SCALAR) == WORDS.public
    assert (len(WORDS.public), len(SCALAR)) == (FIPS.public_key_size, FIPS.private_key_size)
    sealed = FIPS.seal_to(WORDS.public, b"plain", b"info", Structure.SUPERBLOCK)
    assert len(sealed) == 5 + 81
    assert WORDS.open(sealed, b"info") == b"plain"
    assert FIPS.open_from(SCALAR, WORDS.seal(b"plain", b"info"), b"info", Structure.JOURNAL_HEADER) == b"plain"


@pytest.mark.parametrize(
    "public",
    [
        b"",
        WORDS.public[:-1],
        WORDS.public + b"x",
        bytes(65),
        b"\4" + bytes(64),
        b"\2" + WORDS.public[1:33],
        b"\5" + WORDS.public[1:],
    ],
)
def test_a_public_key_that_is_none_is_refused(public: bytes) -> None:
    with pytest.raises(FieldInvalid) as refused:
        FIPS.seal_to(public, b"plain", b"info", Structure.SUPERBLOCK)
    assert refused.value.facts == {"structure": Structure.SUPERBLOCK}


def test_arbitrary_bytes_are_not_opened() -> None:
    sealed = WORDS.seal(b"plain", b"info")
    for wrong in (b"", sealed[:64], sealed[:65], sealed[:-1], b"\2" + sealed[1:], os.urandom(100), bytes(100)):
        with pytest.raises(DecryptionFailed):
            FIPS.open_from(SCALAR, wrong, b"info", Structure.JOURNAL_HEADER)


@pytest.mark.parametrize("suite", SUITES.values())
def test_private_keys_are_drawn_and_told_from_others(suite: Suite) -> None:
    private = suite.draw_private_key(os.urandom)
    assert len(private) == suite.private_key_size
    assert suite.is_private_key(private)
    assert not suite.is_private_key(private[:-1])
    assert len(suite.public_key(private)) == suite.public_key_size
    assert not FIPS.is_private_key(bytes(32))


@pytest.mark.parametrize("suite", SUITES.values())
def test_a_machine_that_lacks_the_algorithm_is_told_in_a_coded_error(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = suite.draw_private_key(os.urandom)
    public = suite.public_key(private)

    def refuse(*_: object) -> None:
        raise UnsupportedAlgorithm("not here")

    monkeypatch.setattr(hpke, "Suite", refuse)
    with pytest.raises(AlgorithmMissing) as refused:
        suite.seal_to(public, b"plain", b"info", Structure.SUPERBLOCK)
    assert refused.value.facts == {"structure": Structure.SUPERBLOCK}
    with pytest.raises(AlgorithmMissing):
        suite.open_from(private, bytes(2000), b"info", Structure.JOURNAL_HEADER)


def test_a_label_is_used_with_macs_or_with_derivation_alone() -> None:
    """With one key and label, `M` of data that end in 1 is what `D` begins with."""
    assert FIPS.mac(KEY, b"label", b"context\1") == FIPS.derive(KEY, b"label", b"context", 32)
    used: dict[str, set[str]] = {"mac": set(), "derive": set()}
    for package in (vaultfs_format, vaultfs):
        for path in Path(package.__path__[0]).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                    purpose = "derive" if call.func.attr == "derive" else "mac"
                    named = (re.fullmatch(r"labels\.(\w+)", ast.unparse(one)) for one in call.args)
                    used[purpose].update(found[1] for found in named if found)
    assert used["mac"] & used["derive"] == set()
    assert {"FRAME", "JOURNAL_KEYS"} <= used["derive"]
    assert {"HEAD_MAC", "SIGNER", "CONTENT"} <= used["mac"]
