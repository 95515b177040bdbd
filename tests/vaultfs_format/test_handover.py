"""Handovers: each signer names the one that follows, and where in the log its own part ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format.errors import FieldInvalid, SignatureInvalid, Structure
from vaultfs_format.handover import HANDOVER, SIZE, Handover, check_line, signer_at
from vaultfs_format.signing import HEAD_SIGNATURES, SigningKeys
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import HANDOVER as OF_HANDOVER
from vaultfs_format.superblock import INBOX, SIGNER, PublicKey, Superblock

from tests.vaultfs_format.examples import SUPERBLOCK, VAULT_ID
from tests.vaultfs_format.harming import flipped


def keys(number: int) -> SigningKeys:
    """Return the private keys of a signer."""
    return SigningKeys(DEFAULT, number, bytes([number]) * 96)


SIGNERS = [keys(number).signer for number in range(1, 5)]
U32, U64, DIGEST = st.integers(2, 2**32 - 1), st.integers(1, 2**64 - 1), st.binary(min_size=32, max_size=32)


def handed(before: int, size: int, after: int | None = None, **changes: Any) -> Handover:
    """Return what one signer has signed of another, by default of the one that follows."""
    to = SIGNERS[before if after is None else after - 1]
    made = replace(Handover(VAULT_ID, to.number, size, b"r" * 32, to.fingerprint), **changes)
    return made.signed(keys(before))


LINE = [handed(1, 5), handed(2, 9), handed(3, 10)]


@given(
    st.builds(
        Handover,
        st.binary(min_size=16, max_size=16), U32, U64, DIGEST, DIGEST,
        st.binary(min_size=HEAD_SIGNATURES, max_size=HEAD_SIGNATURES),
    )
)  # fmt: skip
def test_what_is_written_is_read(handover: Handover) -> None:
    data = handover.encode()
    assert len(data) == SIZE
    assert Handover.decode(memoryview(data)) == handover


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (LINE[0].encode()[:-1], 3),
        (LINE[0].encode() + b"\0", 3),
        (LINE[0].statement, 3),
        (b"", 3),
        (replace(LINE[0], number=1).encode(), 4),
        (replace(LINE[0], number=0).encode(), 4),
        (replace(LINE[0], tree_size=0).encode(), 4),
    ],
)
def test_a_broken_rule_is_named(data: bytes, rule: int) -> None:
    with pytest.raises(FieldInvalid) as told:
        Handover.decode(data)
    assert told.value.facts == {"structure": Structure.SIGNER, "rule": rule}


def test_reserved_bytes_are_zero() -> None:
    data = bytearray(LINE[0].encode())
    data[HANDOVER.offset_of("tree_size") - 1] = 1
    with pytest.raises(FieldInvalid):
        Handover.decode(data)


def test_a_line_of_any_length_leads_from_the_first_to_the_last() -> None:
    for count in range(1, 5):
        check_line(VAULT_ID, SIGNERS[:count], LINE[: count - 1])


@pytest.mark.parametrize(
    ("signers", "handovers"),
    [
        (SIGNERS[:2], []),
        (SIGNERS[:1], LINE[:1]),
        (SIGNERS, LINE[:2]),
        (SIGNERS, LINE[1:]),
        (SIGNERS, [LINE[1], LINE[0], LINE[2]]),
        (SIGNERS, [LINE[0], LINE[2], LINE[1]]),
        (SIGNERS[:3], [handed(1, 5), handed(2, 5)]),
        (SIGNERS[:3], [handed(1, 5), handed(2, 4)]),
        (SIGNERS[1:], LINE[1:]),
        ([SIGNERS[0], SIGNERS[2]], [handed(1, 5, after=3)]),
    ],
)
def test_what_is_no_line_is_refused(signers: list[Any], handovers: list[Handover]) -> None:
    with pytest.raises(SignatureInvalid) as told:
        check_line(VAULT_ID, signers, handovers)
    assert told.value.facts == {"structure": Structure.SUPERBLOCK}


@pytest.mark.parametrize(
    "wrong",
    [
        handed(1, 5, vault_id=bytes(16)),
        handed(1, 5, number=3),
        handed(1, 5, fingerprint=SIGNERS[2].fingerprint),
        handed(2, 5, after=2),
        handed(3, 5, after=2),
        replace(LINE[0], tree_size=6),
        replace(LINE[0], tree_root=bytes(32)),
        replace(LINE[0], signatures=keys(1).sign_head(LINE[0].statement)),
        replace(LINE[0], signatures=keys(1).sign_report(LINE[0].statement)),
        *(
            replace(LINE[0], signatures=bytes(flipped(LINE[0].signatures, [at])))
            for at in (0, 511, 512, 8 * HEAD_SIGNATURES - 1)
        ),
    ],
)
def test_what_the_signer_before_has_not_signed_of_this_one_is_refused(wrong: Handover) -> None:
    with pytest.raises(SignatureInvalid) as told:
        check_line(VAULT_ID, SIGNERS[:2], [wrong])
    assert told.value.facts == {"structure": Structure.SIGNER}


def test_no_signature_over_a_head_or_a_report_is_one_of_a_handover_nor_the_other_way_round() -> None:
    statement, signer = LINE[0].statement, SIGNERS[0]
    signer.verify_handover(statement, LINE[0].signatures)
    for verify in (signer.verify_head, signer.verify_report):
        with pytest.raises(SignatureInvalid):
            verify(statement, LINE[0].signatures)


@pytest.mark.parametrize(("size", "number"), [(1, 1), (5, 1), (6, 2), (9, 2), (10, 3), (11, 4), (2**63, 4)])
def test_the_signer_of_a_tree_is_the_one_in_whose_part_it_ends(size: int, number: int) -> None:
    assert signer_at(LINE, size) == number
    assert signer_at([], size) == 1


# In VAULT.


def superblock(signers: int, handovers: list[Handover]) -> Superblock:
    items = [PublicKey(INBOX, DEFAULT.public_key(bytes(96)))]
    items += [PublicKey(SIGNER, one.encode()) for one in SIGNERS[:signers]]
    items += [PublicKey(OF_HANDOVER, one.encode()) for one in handovers]
    return replace(SUPERBLOCK, public_keys=items)


def test_vault_carries_the_line_of_its_signers() -> None:
    found = Superblock.decode(superblock(3, LINE[:2]).encode(bytes(32)))
    assert found.handovers() == LINE[:2]
    found.check_line()
    with pytest.raises(SignatureInvalid):
        superblock(3, LINE[:1]).check_line()


def test_the_newest_signer_alone_is_in_force_beyond_what_the_others_have_signed() -> None:
    found = superblock(3, LINE[:2])
    assert found.in_force(3, 10) == SIGNERS[2]
    for number, size in ((1, 10), (2, 10), (4, 10), (3, 9), (3, 5), (3, 1)):
        with pytest.raises(SignatureInvalid):
            found.in_force(number, size)
    assert superblock(1, []).in_force(1, 1) == SIGNERS[0]
