"""The test vectors of SLIP-39: which of them open a vault, and which are refused as what.

They are those of `vectors.json` in its reference implementation, by their numbers there: of 256 bits, with the
passphrase TREZOR. Where a secret is published, the shares are good ones.
"""

from __future__ import annotations

import pytest
import shamir_mnemonic
from shamir_mnemonic import MnemonicError, Share
from vaultfs_format.escrowstanza import EscrowStanza, Group, SharePlan
from vaultfs_format.stanza import Stanza, StanzaType, seal_root
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import Superblock

from tests.vaultfs.keys.support import ROOT, VAULT, sealed
from vaultfs.errors import NoRecipientMatches
from vaultfs.keys import Shares
from vaultfs.keys.errors import ShareInvalid, SharesMissing

PASSPHRASE = b"TREZOR"


class Published:
    """The shares of a vector, and the secret that they give, in hexadecimal; empty where they give none."""

    def __init__(self, secret: str, *shares: str) -> None:
        self.secret = bytes.fromhex(secret)
        self.shares = shares


VECTORS = {
    20: Published(
        "989baf9dcaad5b10ca33dfd8cc75e42477025dce88ae83e75a230086a0e00e92",
        (
            "theory painting academic academic armed sweater year military elder discuss acne wildlife boring "
            "employer fused large satoshi bundle carbon diagnose anatomy hamster leaves tracks paces beyond phantom "
            "capital marvel lips brave detect luck"
        ),
    ),
    21: Published(
        "",
        (
            "theory painting academic academic armed sweater year military elder discuss acne wildlife boring "
            "employer fused large satoshi bundle carbon diagnose anatomy hamster leaves tracks paces beyond phantom "
            "capital marvel lips brave detect lunar"
        ),
    ),
    22: Published(
        "",
        (
            "theory painting academic academic campus sweater year military elder discuss acne wildlife boring "
            "employer fused large satoshi bundle carbon diagnose anatomy hamster leaves tracks paces beyond phantom "
            "capital marvel lips facility obtain sister"
        ),
    ),
    23: Published(
        "c938b319067687e990e05e0da0ecce1278f75ff58d9853f19dcaeed5de104aae",
        (
            "humidity disease academic always aluminum jewelry energy woman receiver strategy amuse duckling lying "
            "evidence network walnut tactics forget hairy rebound impulse brother survive clothes stadium mailman "
            "rival ocean reward venture always armed unwrap"
        ),
        (
            "humidity disease academic agency actress jacket gross physics cylinder solution fake mortgage benefit "
            "public busy prepare sharp friar change work slow purchase ruler again tricycle involve viral wireless "
            "mixture anatomy desert cargo upgrade"
        ),
    ),
    29: Published(
        "",
        (
            "smirk pink acrobat acid auction wireless impulse spine sprinkle fortune clogs elbow guest hush loyalty "
            "crush dictate tracks airport talent"
        ),
    ),
    37: Published(
        "5385577c8cfc6c1a8aa0f7f10ecde0a3318493262591e78b8c14c6686167123b",
        (
            "wildlife deal decision scared acne fatal snake paces obtain election dryer dominant romp tactics "
            "railroad marvel trust helpful flip peanut theory theater photo luck install entrance taxi step oven "
            "network dictate intimate listen"
        ),
        (
            "wildlife deal beard romp alcohol space mild usual clothes union nuclear testify course research heat "
            "listen task location thank hospital slice smell failure fawn helpful priest ambition average recover "
            "lecture process dough stadium"
        ),
        (
            "wildlife deal decision smug ancestor genuine move huge cubic strategy smell game costume extend swimming "
            "false desire fake traffic vegan senior twice timber submit leader payroll fraction apart exact forward "
            "pulse tidy install"
        ),
    ),
    38: Published(
        "5385577c8cfc6c1a8aa0f7f10ecde0a3318493262591e78b8c14c6686167123b",
        (
            "wildlife deal beard romp alcohol space mild usual clothes union nuclear testify course research heat "
            "listen task location thank hospital slice smell failure fawn helpful priest ambition average recover "
            "lecture process dough stadium"
        ),
        (
            "wildlife deal acrobat romp anxiety axis starting require metric flexible geology game drove editor edge "
            "screw helpful have huge holy making pitch unknown carve holiday numb glasses survive already tenant "
            "adapt goat fangs"
        ),
    ),
    39: Published(
        "",
        (
            "junk necklace academic academic acne isolate join hesitate lunar roster dough calcium chemical ladybug "
            "amount mobile glasses verify cylinder"
        ),
    ),
    40: Published(
        "",
        (
            "fraction necklace academic academic award teammate mouse regular testify coding building member verdict "
            "purchase blind camera duration email prepare spirit quarter"
        ),
    ),
    44: Published(
        "8340611602fe91af634a5f4608377b5235fa2d757c51d720c0c7656249a3035f",
        (
            "impulse calcium academic academic alcohol sugar lyrics pajamas column facility finance tension extend "
            "space birthday rainbow swimming purple syndrome facility trial warn duration snapshot shadow hormone "
            "rhyme public spine counter easy hawk album"
        ),
    ),
    45: Published(
        "8dc652d6d6cd370d8c963141f6d79ba440300f25c467302c1d966bff8f62300d",
        (
            "western apart academic always artist resident briefing sugar woman oven coding club ajar merit pecan "
            "answer prisoner artist fraction amount desktop mild false necklace muscle photo wealthy alpha category "
            "unwrap spew losing making"
        ),
        (
            "western apart academic acid answer ancient auction flip image penalty oasis beaver multiple thunder "
            "problem switch alive heat inherit superior teaspoon explain blanket pencil numb lend punish endless aunt "
            "garlic humidity kidney observe"
        ),
    ),
}


def sealed_as_stated(number: int, groups: list[Group]) -> Superblock:
    """Return a vault whose escrow states what the shares of a vector state, under their secret."""
    found = VECTORS[number]
    share = Share.from_mnemonic(found.shares[0])
    plan = SharePlan(share.identifier, share.iteration_exponent, share.group_threshold, groups)
    stanza = EscrowStanza(plan, seal_root(DEFAULT, VAULT, ROOT, found.secret, bytes(32)))
    return sealed(Stanza(StanzaType.ESCROW, stanza.encode()))


@pytest.mark.parametrize(("number", "group"), [(44, Group(1, 1)), (45, Group(2, 3))])
def test_published_shares_open_a_stanza_of_their_secret(number: int, group: Group) -> None:
    superblock, shares = sealed_as_stated(number, [group]), VECTORS[number].shares
    assert Shares(shares, PASSPHRASE).unlock(superblock) == ROOT
    with pytest.raises(NoRecipientMatches):
        Shares(shares).unlock(superblock)


def test_one_of_two_published_shares_opens_nothing() -> None:
    superblock = sealed_as_stated(45, [Group(2, 3)])
    for share in VECTORS[45].shares:
        with pytest.raises(SharesMissing):
            Shares([share], PASSPHRASE).unlock(superblock)


@pytest.mark.parametrize(
    ("number", "groups"),
    [
        (20, [Group(1, 1)]),
        (23, [Group(2, 3)]),
        (37, [Group(1, 1), Group(1, 1), Group(3, 5), Group(2, 6)]),
        (38, [Group(1, 1), Group(1, 1), Group(3, 5), Group(2, 6)]),
    ],
)
def test_good_shares_without_the_extendable_flag_are_of_no_vault(number: int, groups: list[Group]) -> None:
    """The library takes them, and gives the secret that is published; a vault leaves them out (STZ-29)."""
    found = VECTORS[number]
    assert shamir_mnemonic.combine_mnemonics(found.shares, PASSPHRASE) == found.secret
    with pytest.raises(SharesMissing):
        Shares(found.shares, PASSPHRASE).unlock(sealed_as_stated(number, groups))


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(21, id="checksum"),
        pytest.param(22, id="padding"),
        pytest.param(29, id="group threshold"),
        pytest.param(39, id="length"),
        pytest.param(40, id="length of the secret"),
    ],
)
def test_what_is_no_share_is_told_by_its_place(number: int) -> None:
    (wrong,) = VECTORS[number].shares
    with pytest.raises(MnemonicError):
        Share.from_mnemonic(wrong)
    good, _ = VECTORS[45].shares
    with pytest.raises(ShareInvalid) as refused:
        Shares([good, wrong], PASSPHRASE).unlock(sealed_as_stated(45, [Group(2, 3)]))
    assert refused.value.facts == {"share": 2}
