"""Signature schemes, against published vectors and each other's keys."""

from __future__ import annotations

import os

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import p256
from vaultfs_format.schemes import ECDSA_P256, ED25519, ML_DSA_44, Scheme, is_provided
from vaultfs_format.suite import DEFAULT, FIPS

SCHEMES: list[Scheme] = [ED25519, ECDSA_P256, ML_DSA_44]
MESSAGE = b"what is signed"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_signed_is_right_for_its_key_and_message_alone(scheme: Scheme) -> None:
    private, other = (scheme.draw(lambda count, seed=seed: bytes([seed]) * count) for seed in (1, 2))  # type: ignore[misc]
    assert scheme.is_private(private)
    public, signature = scheme.public(private), scheme.sign(private, MESSAGE)
    assert (len(public), len(signature)) == (scheme.public_size, scheme.signature_size)
    assert scheme.verify(public, MESSAGE, signature)
    for key, message, given_ in (
        (scheme.public(other), MESSAGE, signature),
        (public, MESSAGE + b"!", signature),
        (public, MESSAGE, scheme.sign(other, MESSAGE)),
        (public, MESSAGE, signature[:-1]),
        (public, MESSAGE, signature + b"x"),
        (public, MESSAGE, b""),
        (public, MESSAGE, bytes(len(signature))),
        (public[:-1], MESSAGE, signature),
        (b"\xff" * len(public), MESSAGE, signature[:-1] + b"x"),
    ):
        assert not scheme.verify(key, message, given_)


def test_ecdsa_is_deterministic_and_big_endian() -> None:
    """RFC 6979 appendix A.2.5: P-256, SHA-256, message "sample"."""
    private = bytes.fromhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
    public = (
        "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
        "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
    )
    signature = (
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
    )
    assert ECDSA_P256.public(private).hex().upper() == public
    assert ECDSA_P256.sign(private, b"sample").hex().upper() == signature


def test_of_an_ecdsa_signature_both_forms_are_right() -> None:
    private = ECDSA_P256.draw(lambda count: bytes(range(count)))
    public, signature = ECDSA_P256.public(private), ECDSA_P256.sign(private, MESSAGE)
    r, s = signature[:32], int.from_bytes(signature[32:], "big")
    assert ECDSA_P256.verify(public, MESSAGE, r + (p256.ORDER - s).to_bytes(32, "big"))
    for wrong in (r + bytes(32), bytes(32) + signature[32:], r + p256.ORDER.to_bytes(32, "big")):
        assert not ECDSA_P256.verify(public, MESSAGE, wrong)


@given(st.binary(min_size=40, max_size=40))
def test_any_40_random_bytes_give_a_scalar(random: bytes) -> None:
    """FIPS 186-5 section A.2.1."""
    scalar = p256.draw_scalar(lambda _: random)
    assert p256.is_scalar(scalar)
    assert int.from_bytes(scalar, "big") == int.from_bytes(random, "big") % (p256.ORDER - 1) + 1


def test_scalars_are_from_one_to_the_order() -> None:
    assert p256.draw_scalar(bytes) == bytes(31) + b"\1"
    for number, right in ((0, False), (1, True), (p256.ORDER - 1, True), (p256.ORDER, False), (2**256 - 1, False)):
        assert p256.is_scalar(number.to_bytes(32, "big")) == right
    for wrong in (b"", bytes(31), b"\1" + bytes(32)):
        assert not p256.is_scalar(wrong)


def test_segments_are_signed_as_the_suite_says() -> None:
    assert (DEFAULT.segments, FIPS.segments) == (ED25519, ECDSA_P256)


@pytest.mark.parametrize("error", [UnsupportedAlgorithm("no lattices here"), ValueError("a seed is 32 bytes long")])
def test_a_scheme_that_this_machine_lacks_is_told(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Where a provider lacks it, `cryptography` says that the key is none."""
    public, signature = ML_DSA_44.public(bytes(32)), ML_DSA_44.sign(bytes(32), MESSAGE)
    assert all(is_provided(scheme) for scheme in SCHEMES)

    def refuse(_: bytes) -> None:
        raise error

    monkeypatch.setattr(MLDSA44PrivateKey, "from_seed_bytes", refuse)
    monkeypatch.setattr(MLDSA44PublicKey, "from_public_bytes", refuse)
    assert [is_provided(scheme) for scheme in SCHEMES] == [True, True, False]
    for call in (
        lambda: ML_DSA_44.public(bytes(32)),
        lambda: ML_DSA_44.sign(bytes(32), MESSAGE),
        lambda: ML_DSA_44.verify(public, MESSAGE, signature),
    ):
        with pytest.raises(UnsupportedAlgorithm):
            call()
    assert not ML_DSA_44.verify(public[:-1], MESSAGE, signature)


def test_where_nonces_cannot_follow_from_the_message_they_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under a FIPS provider of OpenSSL."""
    monkeypatch.setattr(backend, "ecdsa_deterministic_supported", lambda: False)
    private = ECDSA_P256.draw(os.urandom)
    one, other = (ECDSA_P256.sign(private, MESSAGE) for _ in range(2))
    assert one != other
    assert all(ECDSA_P256.verify(ECDSA_P256.public(private), MESSAGE, signature) for signature in (one, other))
