"""A passphrase opens what it was given to, and nothing else."""

from __future__ import annotations

import os

import pytest
from vaultfs_format import limits
from vaultfs_format.layout import Buffer
from vaultfs_format.stanza import Argon2Cost, Stanza
from vaultfs_format.suite import DEFAULT, Suite
from vaultfs_format.superblock import Superblock

from vaultfs.errors import ArgumentInvalid, LimitExceeded, NoRecipientMatches
from vaultfs.keys.recipients import MIN_ARGON_MEMORY, MIN_ARGON_WORK, MIN_PASSPHRASE, Passphrase, _AtAnyCost, sealed_for

CHEAP = Argon2Cost(64, 1, 1)
VAULT, ROOT = os.urandom(16), os.urandom(32)
ONE, TWO = _AtAnyCost(b"first passphrase", CHEAP), _AtAnyCost(b"second passphrase", Argon2Cost(128, 2, 2))


def _superblock(*stanzas: Stanza) -> Superblock:
    return Superblock(DEFAULT, VAULT, 1, stanzas, ())


def _stanza(passphrase: Passphrase) -> Stanza:
    return passphrase.stanza(DEFAULT, VAULT, ROOT, os.urandom(32))


def test_each_of_many_recipients_opens_the_root_key_at_the_stated_cost() -> None:
    superblock = _superblock(_stanza(ONE), _stanza(TWO))
    assert ONE.unlock(superblock) == TWO.unlock(superblock) == ROOT
    assert Passphrase(TWO.secret).unlock(superblock) == ROOT


def test_recipients_of_another_kind_are_passed_over() -> None:
    assert ONE.unlock(_superblock(Stanza(999, b"of the future"), _stanza(ONE))) == ROOT
    with pytest.raises(NoRecipientMatches):
        ONE.unlock(_superblock(Stanza(999, b"of the future")))


def test_a_wrong_passphrase_opens_nothing() -> None:
    for wrong in (b"", b"first passphras", b"first passphrase\n", b"First passphrase"):
        with pytest.raises(NoRecipientMatches):
            Passphrase(wrong).unlock(_superblock(_stanza(ONE)))


def test_a_short_passphrase_is_refused_for_a_new_vault() -> None:
    _stanza(_AtAnyCost(b"x" * MIN_PASSPHRASE, CHEAP))
    with pytest.raises(ArgumentInvalid) as caught:
        _stanza(_AtAnyCost(b"x" * (MIN_PASSPHRASE - 1), CHEAP))
    assert caught.value.facts == {"length": MIN_PASSPHRASE - 1}


def test_a_cost_beyond_the_limits_is_refused_before_it_runs() -> None:
    with pytest.raises(LimitExceeded):
        _stanza(Passphrase(b"long enough", Argon2Cost(1 << 40, 1, 1)))


def test_a_passphrase_is_never_shown() -> None:
    assert "first" not in repr(ONE) + str(ONE) + f"{[ONE]}"


class _Made:
    """A recipient of a host that makes whatever stanza, and opens whatever key."""

    def __init__(self, size: int, opens: bytes) -> None:
        self._size, self._opens = size, opens

    def stanza(self, suite: Suite, vault_id: bytes, root_key: Buffer, salt: bytes) -> Stanza:
        return Stanza(99, bytes(self._size))

    def unlock(self, superblock: Superblock) -> bytes:
        return self._opens


def test_a_recipient_that_cannot_open_its_own_stanza_is_refused() -> None:
    with pytest.raises(NoRecipientMatches):
        sealed_for(_Made(1, bytes(32)), DEFAULT, VAULT, ROOT)
    assert sealed_for(_Made(1, ROOT), DEFAULT, VAULT, ROOT).kind == 99


def test_a_stanza_that_no_vault_can_hold_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        sealed_for(_Made(limits.MAX_STANZA + 1, ROOT), DEFAULT, VAULT, ROOT)


@pytest.mark.parametrize(
    "cost", [Argon2Cost(8, 1, 1), Argon2Cost(MIN_ARGON_MEMORY - 8, 9, 1), Argon2Cost(38_911, 1, 1)]
)
def test_a_cost_that_is_too_low_makes_no_stanza(cost: Argon2Cost) -> None:
    with pytest.raises(ArgumentInvalid):
        _stanza(Passphrase(b"long enough", cost))


def test_the_lowest_costs_that_make_a_stanza() -> None:
    for cost in (Argon2Cost(MIN_ARGON_MEMORY, 2, 1), Argon2Cost(MIN_ARGON_WORK, 1, 1)):
        assert _stanza(Passphrase(b"long enough", cost)).passphrase().cost == cost
