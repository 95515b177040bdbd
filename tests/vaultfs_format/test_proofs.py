"""A slice is proved by the signed footer and a path, and nothing else is proved by them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from vaultfs_format.errors import DigestMismatch, SignatureInvalid, SlicesLost
from vaultfs_format.frame import FrameClass
from vaultfs_format.healing import SlicedFile
from vaultfs_format.proofs import SliceProof, prove
from vaultfs_format.segment import SegmentFooter
from vaultfs_format.signing import SigningKeys
from vaultfs_format.suite import DEFAULT

from tests.vaultfs_format.examples import FRAMES, SIGNING, segment_bytes

DATA, FOOTER = segment_bytes(FrameClass.RECORD, [FRAMES[0]] * 120, (2001, 2001))
SLICES = FOOTER.geometry.slices
SIGNER = SIGNING.signer


def opened(data: bytes) -> SlicedFile:
    """Return a segment of these bytes."""
    return SlicedFile(lambda offset, length: data[offset : offset + length], FOOTER)


FILE = opened(DATA)
PROOFS = [prove(FILE, number) for number in range(SLICES)]


def test_every_slice_is_proved_and_by_its_own_proof_alone() -> None:
    assert SLICES == 12, "no power of two, so that paths differ in length"
    for number, proof in enumerate(PROOFS):
        proof.verify(FILE.stored(number), SIGNER)
        for other in range(SLICES):
            if other != number:
                with pytest.raises(DigestMismatch):
                    proof.verify(FILE.stored(other), SIGNER)
                with pytest.raises(DigestMismatch):
                    replace(proof, number=other).verify(FILE.stored(number), SIGNER)


def test_a_proof_needs_nothing_but_what_can_be_sent() -> None:
    footer = SegmentFooter.decode(PROOFS[3].footer.encode())
    SliceProof(footer, 3, tuple(PROOFS[3].path)).verify(FILE.stored(3), SIGNER)


@pytest.mark.parametrize("number", [-1, SLICES, SLICES + 1, 1 << 64, 1 << 200])
def test_a_slice_that_the_tree_does_not_have_is_not_proved(number: int) -> None:
    with pytest.raises(DigestMismatch):
        replace(PROOFS[0], number=number).verify(FILE.stored(0), SIGNER)
    with pytest.raises(IndexError):
        prove(FILE, number)


def test_changed_bytes_and_paths_are_not_proved() -> None:
    proof, data = PROOFS[5], FILE.stored(5)
    for changed in (b"", data[:-1], data + b"\0", bytes([data[0] ^ 1]) + data[1:]):
        with pytest.raises(DigestMismatch):
            proof.verify(changed, SIGNER)
    for path in ([], proof.path[:-1], proof.path[1:], [*proof.path, bytes(32)], proof.path[::-1]):
        with pytest.raises(DigestMismatch):
            replace(proof, path=path).verify(data, SIGNER)


def test_a_footer_that_the_signer_has_not_signed_proves_nothing() -> None:
    other = SigningKeys(DEFAULT, 1, bytes(range(100, 196))).signer
    with pytest.raises(SignatureInvalid):
        PROOFS[0].verify(FILE.stored(0), other)
    forged = replace(FOOTER, root=bytes(32))
    with pytest.raises(SignatureInvalid):
        replace(PROOFS[0], footer=forged).verify(FILE.stored(0), SIGNER)


def test_a_proof_of_a_damaged_segment_is_the_same() -> None:
    harmed = bytearray(DATA)
    harmed[5000] ^= 1
    harmed[FOOTER.leaves_offset] ^= 1
    harmed[-FOOTER.length + FOOTER.parity_offset] ^= 1
    assert [prove(opened(bytes(harmed)), number) for number in range(SLICES)] == PROOFS


def test_where_the_leaf_hash_of_a_damaged_slice_is_lost_nothing_is_proved() -> None:
    harmed = bytearray(DATA)
    for at in (100, *FOOTER.leaves_offsets):
        harmed[at] ^= 1
    with pytest.raises(SlicesLost):
        prove(opened(bytes(harmed)), 3)
