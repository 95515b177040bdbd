"""Escrow: enough people together open a vault, fewer do not, and only the commitment tells."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from itertools import combinations

import pytest
import shamir_mnemonic
from hypothesis import given, settings
from hypothesis import strategies as st
from vaultfs_format import limits
from vaultfs_format.escrowstanza import EscrowStanza
from vaultfs_format.stanza import Stanza, StanzaType, seal_root
from vaultfs_format.suite import DEFAULT

from tests.vaultfs.keys.support import ROOT, VAULT, sealed
from vaultfs.errors import ArgumentInvalid, FieldInvalid, LimitExceeded, NoRecipientMatches, VaultError
from vaultfs.keys import Escrow, Passphrase, Shares
from vaultfs.keys.errors import Extra, ExtraMissing, ShareInvalid, SharesMissing
from vaultfs.keys.escrow import MAX_MNEMONIC


def draw(groups: list[tuple[int, int]], threshold: int = 1, passphrase: bytes = b"") -> Escrow:
    """Draw a secret whose shares cost little."""
    return Escrow.draw(groups, threshold, passphrase=passphrase, iteration_exponent=0)


TWO_OF_THREE = draw([(2, 3)])
SEALED = sealed(TWO_OF_THREE)
FIRST, SECOND, THIRD = TWO_OF_THREE.groups[0]


def test_any_two_of_three_open_it_and_one_does_not() -> None:
    for two in combinations((FIRST, SECOND, THIRD), 2):
        assert Shares(two).unlock(SEALED) == ROOT
    for one in (FIRST, SECOND, THIRD):
        with pytest.raises(SharesMissing) as refused:
            Shares([one]).unlock(SEALED)
        assert refused.value.facts == {"shares": 1}


def test_more_shares_than_are_needed_are_welcome() -> None:
    assert Shares([FIRST, SECOND, THIRD, SECOND]).unlock(SEALED) == ROOT


def test_case_and_blanks_are_forgiven() -> None:
    assert Shares([FIRST.upper(), f"  {SECOND.replace(' ', '   ')}\n"]).unlock(SEALED) == ROOT


@settings(max_examples=25)
@given(st.data())
def test_any_sufficient_set_of_groups_opens_it(data: st.DataObject) -> None:
    groups = data.draw(st.lists(st.sampled_from([(1, 1), (2, 2), (2, 3), (3, 4)]), min_size=1, max_size=4))
    threshold = data.draw(st.integers(1, len(groups)))
    escrow = draw(groups, threshold)
    superblock = sealed(escrow)
    chosen = data.draw(st.permutations(range(len(groups))))[:threshold]
    shares = [
        one for number in chosen for one in data.draw(st.permutations(escrow.groups[number]))[: groups[number][0]]
    ]
    assert Shares(shares).unlock(superblock) == ROOT
    for left_out in range(len(shares)):
        with pytest.raises(SharesMissing):
            Shares(shares[:left_out] + shares[left_out + 1 :]).unlock(superblock)


def test_it_opens_by_all_of_its_shares() -> None:
    assert TWO_OF_THREE.unlock(SEALED) == ROOT
    large = draw([(8, 16), (3, 5), (1, 1)], 2)
    assert large.unlock(sealed(large)) == ROOT


def test_the_secret_is_that_of_the_shares() -> None:
    assert shamir_mnemonic.combine_mnemonics([FIRST, THIRD]) == TWO_OF_THREE.secret


def test_shares_of_another_secret_do_not_open_it() -> None:
    with pytest.raises(SharesMissing):
        Shares(draw([(2, 3)]).groups[0]).unlock(SEALED)


def test_a_wrong_passphrase_of_the_shares_is_found_out() -> None:
    """It gives another secret, without telling."""
    escrow = draw([(2, 3)], passphrase=b"of the shares")
    superblock = sealed(escrow)
    shares = escrow.groups[0][:2]
    assert Shares(shares, b"of the shares").unlock(superblock) == ROOT
    for wrong in (b"", b"of the share"):
        with pytest.raises(NoRecipientMatches):
            Shares(shares, wrong).unlock(superblock)


def forged(share: str) -> str:
    """Return a share with another value, and a checksum that fits."""
    found = shamir_mnemonic.Share.from_mnemonic(share)
    return replace(found, value=bytes(reversed(found.value))).mnemonic()


@pytest.mark.parametrize("groups", [[(2, 3)], [(3, 5)], [(8, 16)], [(12, 16)], [(2, 3), (2, 3)]])
def test_one_who_brings_a_forged_share_does_not_keep_the_others_from_opening_it(groups: list[tuple[int, int]]) -> None:
    escrow = draw(groups, len(groups))
    superblock = sealed(escrow)
    for number, (threshold, count) in enumerate(groups):
        for at in range(count):
            brought = [list(group) for group in escrow.groups]
            brought[number][at] = forged(brought[number][at])
            assert Shares([one for group in brought for one in group]).unlock(superblock) == ROOT, (threshold, at)


def test_a_forged_share_that_is_needed_opens_nothing() -> None:
    with pytest.raises(SharesMissing):
        Shares([FIRST, forged(SECOND)]).unlock(SEALED)
    alone = draw([(1, 1)])
    with pytest.raises(NoRecipientMatches):
        Shares([forged(alone.groups[0][0])]).unlock(sealed(alone))


def test_ever_so_many_forged_shares_are_given_up_on_soon() -> None:
    escrow = draw([(15, 16)])
    found = [shamir_mnemonic.Share.from_mnemonic(one) for one in escrow.groups[0]]
    values = random.Random(1)
    junk = [replace(one, value=values.randbytes(32)).mnemonic() for one in found for _ in range(10)]
    with pytest.raises(SharesMissing):
        Shares(junk).unlock(sealed(escrow))


def test_a_share_that_is_misspelt_is_named_if_it_is_needed() -> None:
    misspelt = SECOND.rpartition(" ")[0] + " xyz"
    swapped = " ".join(reversed(SECOND.split()))
    for wrong in (misspelt, swapped, SECOND.rpartition(" ")[0], "", "x" * (MAX_MNEMONIC + 1)):
        with pytest.raises(ShareInvalid) as refused:
            Shares([FIRST, wrong, "also wrong"]).unlock(SEALED)
        assert refused.value.facts == {"share": 2}
        assert Shares([FIRST, wrong, THIRD]).unlock(SEALED) == ROOT


def test_a_vault_without_escrow_is_opened_by_no_shares() -> None:
    for superblock in (sealed(Passphrase(b"a passphrase")), sealed(Stanza(99, b"strange"))):
        with pytest.raises(NoRecipientMatches):
            Shares([FIRST, SECOND]).unlock(superblock)


def test_each_of_several_escrows_is_tried() -> None:
    other = draw([(3, 5)])
    superblock = sealed(other, TWO_OF_THREE)
    stanza, root_key = Shares([FIRST, SECOND]).opened(superblock)
    assert stanza == superblock.stanzas[1]
    assert root_key == ROOT


def test_costs_are_those_of_the_stanza_and_bounded_before_they_run() -> None:
    """A share that states another cost is of another secret, whatever else it states."""
    found = shamir_mnemonic.Share.from_mnemonic(FIRST)
    costly = replace(found, iteration_exponent=15).mnemonic()
    with pytest.raises(SharesMissing):
        Shares([costly, SECOND]).unlock(SEALED)
    plan = replace(TWO_OF_THREE.plan, iteration_exponent=limits.MAX_ESCROW_EXPONENT + 1)
    stanza = EscrowStanza(plan, seal_root(DEFAULT, VAULT, ROOT, TWO_OF_THREE.secret, bytes(32)))
    with pytest.raises(LimitExceeded):
        Shares([FIRST, SECOND]).unlock(sealed(Stanza(StanzaType.ESCROW, stanza.encode())))


def test_shares_that_cannot_be_extended_are_of_another_kind() -> None:
    found = [replace(shamir_mnemonic.Share.from_mnemonic(one), extendable=False).mnemonic() for one in (FIRST, SECOND)]
    with pytest.raises(SharesMissing):
        Shares(found).unlock(SEALED)


@pytest.mark.parametrize(
    ("groups", "threshold", "error"),
    [
        ([], 1, FieldInvalid),
        ([(2, 3)], 2, FieldInvalid),
        ([(2, 3)], 0, FieldInvalid),
        ([(1, 3)], 1, FieldInvalid),
        ([(4, 3)], 1, FieldInvalid),
        ([(0, 0)], 1, FieldInvalid),
        ([(2, 17)], 1, LimitExceeded),
        ([(1, 1)] * 17, 1, LimitExceeded),
    ],
)
def test_what_cannot_be_shared_out_is_refused(
    groups: list[tuple[int, int]], threshold: int, error: type[VaultError]
) -> None:
    with pytest.raises(error):
        Escrow.draw(groups, threshold)


def test_a_passphrase_that_not_everybody_can_type_is_refused() -> None:
    for wrong in ("naïve".encode(), b"tab\t", b"\xff"):
        with pytest.raises(ArgumentInvalid):
            draw([(1, 1)], passphrase=wrong)


def test_a_cost_beyond_the_limits_is_refused_before_it_runs() -> None:
    with pytest.raises(LimitExceeded):
        Escrow.draw([(1, 1)], iteration_exponent=31)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shamir_mnemonic", None)
    for act in (lambda: Shares([FIRST]).unlock(SEALED), lambda: Escrow.draw([(2, 3)])):
        with pytest.raises(ExtraMissing) as refused:
            act()
        assert refused.value.facts == {"extra": Extra.ESCROW}
        assert "extra=escrow" in str(refused.value)


def test_every_draw_is_another_one() -> None:
    assert draw([(1, 1)]).secret != draw([(1, 1)]).secret


def test_shares_are_never_shown() -> None:
    said = f"{TWO_OF_THREE!r}{TWO_OF_THREE.shares!r}{[TWO_OF_THREE.shares]}"
    assert not any(word in said for share in TWO_OF_THREE.groups[0] for word in share.split() if len(word) > 6)
    assert repr(Shares([FIRST], b"of the shares")) == "Shares()"
