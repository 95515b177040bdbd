"""Signatures: of one signer, over one statement, for one purpose, and in heads by both keys."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from blake3 import blake3
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from vaultfs_format import limits
from vaultfs_format.errors import (
    AlgorithmMissing,
    FieldInvalid,
    LimitExceeded,
    SignatureInvalid,
    Structure,
    TrailingBytes,
    Truncated,
)
from vaultfs_format.signing import (
    FIPS_SIGNER,
    HEAD_SIGNATURES,
    LATTICE_SIGNATURE,
    SEEDS,
    SIGNER,
    Signer,
    SigningKeys,
    are_seeds,
    draw_seeds,
)
from vaultfs_format.suite import DEFAULT, FIPS
from vaultfs_format.superblock import INBOX, PublicKey
from vaultfs_format.superblock import SIGNER as SIGNER_PURPOSE
from vaultfs_format.witness import Witnessed
from vectors.world import with_digest

from tests.vaultfs_format.examples import HEAD, RECORD_FOOTER, SIGNING, SUPERBLOCK

OTHER = SigningKeys(DEFAULT, 1, os.urandom(SEEDS))
STATEMENT = b"so it is"


def changed_in(value: Any, changes: dict[str, Any]) -> Any:
    """Return a dataclass with other fields."""
    return replace(value, **changes)


class TestSigner:
    def test_what_is_written_is_read(self) -> None:
        data = SIGNING.signer.encode()
        assert len(data) == SIGNER.size == 1384
        assert Signer.decode(DEFAULT, memoryview(data)) == SIGNING.signer
        assert Signer.decode(DEFAULT, data).encode() == data

    def test_what_is_no_signer_is_refused(self) -> None:
        data = SIGNING.signer.encode()
        for wrong, error in ((data[:-1], Truncated), (data + b"x", TrailingBytes), (bytes(4) + data[4:], FieldInvalid)):
            with pytest.raises(error):
                Signer.decode(DEFAULT, wrong)

    def test_the_fingerprint_is_that_of_all_keys(self) -> None:
        signer = SIGNING.signer
        label = b"vaultfs/0/signer"
        expected = blake3(bytes([len(label)]) + label + signer.encode(), key=bytes(32)).digest()
        assert signer.fingerprint == expected
        for name in ("segment_key", "head_key", "lattice_key"):
            changed = changed_in(signer, {name: bytes(len(getattr(signer, name)))})
            assert changed.fingerprint != expected

    def test_secrets_are_not_shown(self) -> None:
        assert repr(SIGNING) == "<SigningKeys 1>"
        assert repr(SIGNING.signer) == "<Signer 1>"


class TestSignatures:
    def test_they_are_the_standards(self) -> None:
        """Checked here by the text of the specification alone."""
        label = b"vaultfs/0/segment-signature"
        signature = SIGNING.sign_segment(STATEMENT)
        key = Ed25519PublicKey.from_public_bytes(SIGNING.signer.segment_key)
        key.verify(signature, bytes([len(label)]) + label + STATEMENT)
        label = b"vaultfs/0/head-signature"
        message = bytes([len(label)]) + label + STATEMENT
        both = SIGNING.sign_head(STATEMENT)
        assert len(both) == HEAD_SIGNATURES
        Ed25519PublicKey.from_public_bytes(SIGNING.signer.head_key).verify(both[:64], message)
        MLDSA44PublicKey.from_public_bytes(SIGNING.signer.lattice_key).verify(both[64:], message)

    def test_a_segment_is_signed_by_one_signer_and_as_a_segment(self) -> None:
        signature = SIGNING.sign_segment(STATEMENT)
        SIGNING.signer.verify_segment(STATEMENT, signature)
        heads = SIGNING.sign_head(STATEMENT)
        for signer, statement, given in (
            (OTHER.signer, STATEMENT, signature),
            (SIGNING.signer, STATEMENT + b"!", signature),
            (SIGNING.signer, STATEMENT, bytes(64)),
            (SIGNING.signer, STATEMENT, signature[:-1]),
            (SIGNING.signer, STATEMENT, heads[:64]),
            (replace(SIGNING.signer, segment_key=b"\xff" * 32), STATEMENT, signature),
        ):
            with pytest.raises(SignatureInvalid) as refused:
                signer.verify_segment(statement, given)
            assert refused.value.facts == {"structure": Structure.SEGMENT}

    @pytest.mark.parametrize(
        "harm",
        [
            lambda good, other: other[:64] + good[64:],
            lambda good, other: good[:64] + other[64:],
            lambda good, _: good[:-1],
            lambda good, _: good + b"x",
            lambda good, _: good[:64],
            lambda good, _: bytes(64) + good[64:],
        ],
    )
    def test_of_a_head_both_signatures_must_be_right(self, harm: Callable[[bytes, bytes], bytes]) -> None:
        good, other = SIGNING.sign_head(STATEMENT), OTHER.sign_head(STATEMENT)
        SIGNING.signer.verify_head(STATEMENT, good)
        with pytest.raises(SignatureInvalid):
            SIGNING.signer.verify_head(STATEMENT, harm(good, other))

    def test_a_key_that_is_none_verifies_nothing(self) -> None:
        signer = replace(SIGNING.signer, lattice_key=bytes(7))
        with pytest.raises(SignatureInvalid):
            signer.verify_head(STATEMENT, SIGNING.sign_head(STATEMENT))


class TestFiles:
    def test_a_head_and_a_segment_name_their_signer(self) -> None:
        HEAD.verify_signatures(SIGNING.signer)
        RECORD_FOOTER.verify(SIGNING.signer)
        second = SigningKeys(DEFAULT, 2, bytes(range(96))).signer
        for check in (HEAD.verify_signatures, RECORD_FOOTER.verify):
            for signer in (second, OTHER.signer):
                with pytest.raises(SignatureInvalid):
                    check(signer)

    def test_every_field_is_signed(self) -> None:
        for name in ("bodies_length", "first_leaf", "frames", "entries", "root", "parity_root"):
            value = getattr(RECORD_FOOTER, name)
            changed = changed_in(RECORD_FOOTER, {name: value[::-1] + b"" if isinstance(value, bytes) else value + 1})
            with pytest.raises(SignatureInvalid):
                changed.verify(SIGNING.signer)
        for name in ("generation", "epoch", "last_commit", "superblock_digest", "segments", "journals"):
            value = getattr(HEAD, name)
            other = value + 1 if isinstance(value, int) else value[:0] if isinstance(value, list) else bytes(32)
            with pytest.raises(SignatureInvalid):
                changed_in(HEAD, {name: other}).verify_signatures(SIGNING.signer)

    def test_a_witnessed_head_is_signed_as_the_head(self) -> None:
        witnessed = Witnessed.of(HEAD)
        assert witnessed.statement() == HEAD.statement()
        witnessed.verify(SIGNING.signer)
        with pytest.raises(SignatureInvalid) as caught:
            witnessed.verify(SigningKeys(DEFAULT, 1, bytes(96)).signer)
        assert caught.value.facts["structure"] is Structure.WITNESS
        for name in ("vault_id", "generation", "tree_size", "tree_root", "content"):
            value = getattr(witnessed, name)
            changed = changed_in(witnessed, {name: value + 1 if isinstance(value, int) else bytes(len(value))})
            with pytest.raises(SignatureInvalid):
                changed.verify(SIGNING.signer)
            assert Witnessed.decode(changed.encode()) == changed

    @pytest.mark.parametrize("name", ["generation", "tree_size", "signer"])
    def test_a_witnessed_head_of_nothing_is_refused(self, name: str) -> None:
        data = changed_in(Witnessed.of(HEAD), {name: 0}).encode()
        with pytest.raises(FieldInvalid) as refused:
            Witnessed.decode(with_digest(data))
        assert refused.value.facts == {"structure": Structure.WITNESS, "rule": 1}

    @pytest.mark.parametrize("name", ["generation", "tree_size"])
    def test_a_witnessed_head_of_a_larger_number_than_there_can_be_is_refused(self, name: str) -> None:
        over = limits.MAX_NUMBER + 1
        most = changed_in(Witnessed.of(HEAD), {name: over - 1})
        assert Witnessed.decode(most.encode()) == most
        with pytest.raises(LimitExceeded) as refused:
            Witnessed.decode(changed_in(most, {name: over}).encode())
        assert refused.value.facts == {"structure": Structure.WITNESS, "size": over}


class TestVault:
    def test_signers_are_found_by_their_number(self) -> None:
        assert SUPERBLOCK.signers() == [SIGNING.signer]
        assert SUPERBLOCK.signer(1) == SIGNING.signer
        with pytest.raises(SignatureInvalid):
            SUPERBLOCK.signer(2)

    @pytest.mark.parametrize("numbers", [[], [1, 1], [2, 1]])
    def test_they_are_there_and_ascend(self, numbers: list[int]) -> None:
        keys = [
            PublicKey(SIGNER_PURPOSE, SigningKeys(DEFAULT, number, bytes(96)).signer.encode()) for number in numbers
        ]
        with pytest.raises(FieldInvalid) as refused:
            replace(SUPERBLOCK, public_keys=[PublicKey(INBOX, b""), *keys]).signers()
        assert refused.value.facts == {"structure": Structure.SUPERBLOCK, "rule": 5}


def test_the_signatures_of_a_report_are_of_nothing_else() -> None:
    statement = HEAD.statement()
    SIGNING.signer.verify_report(statement, SIGNING.sign_report(statement))
    with pytest.raises(SignatureInvalid) as caught:
        SIGNING.signer.verify_report(statement, SIGNING.sign_head(statement))
    assert caught.value.facts == {"structure": Structure.REPORT}
    with pytest.raises(SignatureInvalid):
        SIGNING.signer.verify_head(statement, SIGNING.sign_report(statement))
    signatures = SIGNING.sign_report(statement)
    for at in (3, 64, 2000):
        with pytest.raises(SignatureInvalid):
            SIGNING.signer.verify_report(
                statement, signatures[:at] + bytes([signatures[at] ^ 1]) + signatures[at + 1 :]
            )


_KEY = "88aa55e6afeed8960a3191de78600347db8acd0a3795412f275f049b86260488"
_R = "3e54c441927f9f0ee5e13e34f0b0404c5043651a8f4b7ef087a1c42262a85d0a"
_S = "2767bde76ba0141e6ef5829ea0422d1911a91836b21397ec0724774e2af74006"
_LOG_R = "2e77a7db3b2f65a47efd3cf9bbe5f05486e88756c8cc06c7691f6d5679727502"
_MIXED = "99555efe5dbf5b50b6fb4d8c38ee05c4ea8a97011c08e11366e8c8c00e8ce5d5"
_ZERO = "00" * 32
_ONE = "01" + "00" * 31
_SIGNED_ONE = "01" + "00" * 30 + "80"
_P = "ed" + "ff" * 30 + "7f"
_ONE_AND_P = "ee" + "ff" * 30 + "7f"
"""Of the points the neutral one has y = 1, and one of order 4 has y = 0.

P is the prime of the field; LOG_R is what R is of the base point; MIXED is KEY and a point of order 8.
"""


@pytest.mark.parametrize(
    ("right", "statement", "key", "point", "scalar"),
    [
        pytest.param(True, b"so it is", _KEY, _R, _S, id="a signature"),
        pytest.param(
            False,
            b"so it is",
            _KEY,
            _R,
            "143bb3448603277644927a417f3c0c2e11a91836b21397ec0724774e2af74016",
            id="S and the order",
        ),
        pytest.param(
            False,
            b"so it is",
            _ONE,
            _ONE,
            "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010",
            id="S is the order",
        ),
        pytest.param(True, b"so it is", _ONE, _ONE, _ZERO, id="all of small order"),
        pytest.param(
            True,
            b"so it is",
            _ONE_AND_P,
            _R,
            _LOG_R,
            id="y of the key is not below the prime",
        ),
        pytest.param(
            True,
            b"so it is",
            _SIGNED_ONE,
            _R,
            _LOG_R,
            id="the key has a sign and no x",
        ),
        pytest.param(False, b"so it is", _ONE, _ONE_AND_P, _ZERO, id="y of R is not below the prime"),
        pytest.param(False, b"so it is", _ONE, _SIGNED_ONE, _ZERO, id="R has a sign and no x"),
        pytest.param(
            False,
            b"so it is",
            _KEY,
            "5b61c2e3b93e6c06450f327ea72cdfeb8cde6aa020d2dd827ab3f86e708c8393",
            "5c72092cb189cd6f18a4755b65b589e3971b447b5329ffed492a32d6f48a5607",
            id="R has a part of small order",
        ),
        pytest.param(
            True,
            b"6",
            _MIXED,
            _R,
            "47417f5d715f6367c904b82e6735d63c10eaef5a0cf6d2f435baea7ae56c9400",
            id="the key has a part of small order, and k none of it",
        ),
        pytest.param(
            False,
            b"0",
            _MIXED,
            _R,
            "95cd754e78b36922e3b5b63c2d86a3ba56b3a435ee130a0bc987016e8e082b0b",
            id="the key has a part of small order",
        ),
        pytest.param(
            True,
            b"0",
            _P,
            _R,
            _LOG_R,
            id="k is made of the key as it stands",
        ),
        pytest.param(
            False,
            b"4",
            _P,
            _R,
            _LOG_R,
            id="k is made of the key as it should be",
        ),
        pytest.param(
            False,
            b"so it is",
            "0200000000000000000000000000000000000000000000000000000000000000",
            _R,
            _S,
            id="the key is no point",
        ),
    ],
)
def test_signatures_are_right_as_the_specification_says(
    right: bool, statement: bytes, key: str, point: str, scalar: str
) -> None:
    """Where verifiers of Ed25519 are known to differ: the cofactor, and encodings that are not canonical."""
    signer = Signer(DEFAULT, 1, bytes.fromhex(key), bytes(32), bytes(1312))
    with nullcontext() if right else pytest.raises(SignatureInvalid):
        signer.verify_segment(statement, bytes.fromhex(point + scalar))


# Suite 2.

FIPS_SEEDS = draw_seeds(FIPS, os.urandom)
APPROVED = SigningKeys(FIPS, 1, FIPS_SEEDS)
ALONE = SigningKeys(FIPS, 1, FIPS_SEEDS[:64])
"""The same signer, had it been made where there is no ML-DSA."""


def _framed(label: bytes) -> bytes:
    return bytes([len(label)]) + label + STATEMENT


class TestSuite2:
    @pytest.mark.parametrize("keys", [APPROVED, ALONE])
    def test_what_is_written_is_read(self, keys: SigningKeys) -> None:
        data = keys.signer.encode()
        assert len(data) == FIPS_SIGNER.size == 1417
        assert Signer.decode(FIPS, memoryview(data)) == keys.signer
        assert bool(data[4]) == bool(keys.signer.lattice_key)

    def test_what_is_no_signer_is_refused(self) -> None:
        data, alone = APPROVED.signer.encode(), ALONE.signer.encode()
        for wrong, rule in (
            (bytes(4) + data[4:], 1),
            (data[:4] + b"\0" + data[5:], 2),
            (data[:4] + b"\2" + data[5:], 2),
            (alone[:-1] + b"x", 2),
        ):
            with pytest.raises(FieldInvalid) as refused:
                Signer.decode(FIPS, wrong)
            assert refused.value.facts == {"structure": Structure.SIGNER, "rule": rule}
        with pytest.raises(TrailingBytes):
            Signer.decode(DEFAULT, data)

    def test_the_fingerprint_is_an_hmac_of_all_keys(self) -> None:
        label = b"vaultfs/0/signer"
        for signer in (APPROVED.signer, ALONE.signer):
            expected = hmac.digest(bytes(32), bytes([len(label)]) + label + signer.encode(), "sha256")
            assert signer.fingerprint == expected
        assert APPROVED.signer.fingerprint != ALONE.signer.fingerprint

    def test_signatures_are_the_standards(self) -> None:
        signature = APPROVED.sign_segment(STATEMENT)
        assert signature == APPROVED.sign_segment(STATEMENT)
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), APPROVED.signer.segment_key)
        key.verify(encode_dss_signature(r, s), _framed(b"vaultfs/0/segment-signature"), ec.ECDSA(hashes.SHA256()))
        APPROVED.signer.verify_segment(STATEMENT, signature)
        both = APPROVED.sign_head(STATEMENT)
        message = _framed(b"vaultfs/0/head-signature")
        Ed25519PublicKey.from_public_bytes(APPROVED.signer.head_key).verify(both[:64], message)
        MLDSA44PublicKey.from_public_bytes(APPROVED.signer.lattice_key).verify(both[64:], message)

    def test_a_head_has_exactly_the_signatures_that_its_signer_states(self) -> None:
        both, alone = APPROVED.sign_head(STATEMENT), ALONE.sign_head(STATEMENT)
        assert alone == both[:64] + bytes(LATTICE_SIGNATURE)
        APPROVED.signer.verify_head(STATEMENT, both)
        ALONE.signer.verify_head(STATEMENT, alone)
        ALONE.signer.verify_report(STATEMENT, ALONE.sign_report(STATEMENT))
        for signer, given in (
            (APPROVED.signer, alone),
            (ALONE.signer, both),
            (ALONE.signer, alone[:-1]),
            (ALONE.signer, alone + b"\0"),
            (ALONE.signer, bytes(64) + alone[64:]),
        ):
            with pytest.raises(SignatureInvalid):
                signer.verify_head(STATEMENT, given)

    def test_keys_are_drawn_and_told_from_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert are_seeds(DEFAULT, draw_seeds(DEFAULT, os.urandom))
        assert are_seeds(FIPS, FIPS_SEEDS)
        assert are_seeds(FIPS, FIPS_SEEDS[:64])
        for suite, wrong in (
            (DEFAULT, bytes(64)),
            (DEFAULT, bytes(97)),
            (FIPS, FIPS_SEEDS[:32]),
            (FIPS, bytes(32) + FIPS_SEEDS[32:]),
            (FIPS, FIPS_SEEDS + b"x"),
        ):
            assert not are_seeds(suite, wrong)

        def refuse(_: bytes) -> None:
            raise UnsupportedAlgorithm("no lattices here")

        monkeypatch.setattr(MLDSA44PrivateKey, "from_seed_bytes", refuse)
        assert [len(draw_seeds(suite, os.urandom)) for suite in (DEFAULT, FIPS)] == [96, 64]
        assert SigningKeys(FIPS, 1, FIPS_SEEDS[:64]).signer == ALONE.signer
        with pytest.raises(AlgorithmMissing):
            SigningKeys(FIPS, 1, FIPS_SEEDS)

    def test_what_this_machine_cannot_check_is_not_taken_for_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: bytes) -> None:
            raise UnsupportedAlgorithm("no lattices here")

        both = APPROVED.sign_head(STATEMENT)
        monkeypatch.setattr(MLDSA44PublicKey, "from_public_bytes", refuse)
        with pytest.raises(AlgorithmMissing) as refused:
            APPROVED.signer.verify_head(STATEMENT, both)
        assert refused.value.facts == {"structure": Structure.HEAD}
