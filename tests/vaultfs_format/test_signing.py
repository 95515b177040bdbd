"""Signatures: of one signer, over one statement, for one purpose, and in heads by both keys."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from vaultfs_format.errors import FieldInvalid, SignatureInvalid, Structure, TrailingBytes, Truncated
from vaultfs_format.signing import HEAD_SIGNATURES, SEEDS, SIGNER, Signer, SigningKeys
from vaultfs_format.superblock import INBOX, PublicKey
from vaultfs_format.superblock import SIGNER as SIGNER_PURPOSE
from vaultfs_format.witness import Witnessed
from vectors.world import with_digest

from tests.vaultfs_format.examples import HEAD, RECORD_FOOTER, SIGNING, SUPERBLOCK

OTHER = SigningKeys(1, os.urandom(SEEDS))
STATEMENT = b"so it is"


def changed_in(value: Any, changes: dict[str, Any]) -> Any:
    """Return a dataclass with other fields."""
    return replace(value, **changes)


class TestSigner:
    def test_what_is_written_is_read(self) -> None:
        data = SIGNING.signer.encode()
        assert len(data) == SIGNER.size == 1384
        assert Signer.decode(memoryview(data)) == SIGNING.signer
        assert Signer.decode(data).encode() == data

    def test_what_is_no_signer_is_refused(self) -> None:
        data = SIGNING.signer.encode()
        for wrong, error in ((data[:-1], Truncated), (data + b"x", TrailingBytes), (bytes(4) + data[4:], FieldInvalid)):
            with pytest.raises(error):
                Signer.decode(wrong)

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
        second = SigningKeys(2, bytes(range(96))).signer
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
            witnessed.verify(SigningKeys(1, bytes(96)).signer)
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


class TestVault:
    def test_signers_are_found_by_their_number(self) -> None:
        assert SUPERBLOCK.signers() == [SIGNING.signer]
        assert SUPERBLOCK.signer(1) == SIGNING.signer
        with pytest.raises(SignatureInvalid):
            SUPERBLOCK.signer(2)

    @pytest.mark.parametrize("numbers", [[], [1, 1], [2, 1]])
    def test_they_are_there_and_ascend(self, numbers: list[int]) -> None:
        keys = [PublicKey(SIGNER_PURPOSE, SigningKeys(number, bytes(96)).signer.encode()) for number in numbers]
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
