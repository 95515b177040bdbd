"""Who stays when the root key is replaced, and that nobody is lost by accident; by vaults that are opened again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from vaultfs_format import limits
from vaultfs_format.events.keys import RecipientAdded, RecipientRemoved, RecipientRenewed
from vaultfs_format.layout import Buffer
from vaultfs_format.secret import Secret
from vaultfs_format.stanza import Argon2Cost, Stanza, StanzaType
from vaultfs_format.suite import DEFAULT, FIPS, Suite
from vaultfs_format.superblock import Superblock

from tests.vaultfs import softhsm
from tests.vaultfs.conftest import Open
from tests.vaultfs.keys.support import Kms, sealed
from tests.vaultfs.support import PASSPHRASE, events_of, get, put
from vaultfs.engine.files.heads import read_superblock
from vaultfs.errors import ArgumentInvalid, MacMismatch, NoRecipientMatches, NotFound
from vaultfs.keys import Escrow, HostKey, Passphrase, PrivateKey, Recipient, Shares, Token, Unlocker
from vaultfs.keys.errors import PinWrong, RecipientsUnheld
from vaultfs.keys.listing import RecipientInfo
from vaultfs.keys.recipients import MIN_ARGON_MEMORY, Known, _AtAnyCost
from vaultfs.keys.succession import Changes, Given, succession

KEY, OTHER_KEY = PrivateKey.generate(), PrivateKey.generate()
ESCROW = Escrow.draw([(2, 3), (1, 1)], iteration_exponent=0)
CHEAP = Argon2Cost(64, 1, 1)


class Strange:
    """A recipient of a later version."""

    def stanza(self, suite: Suite, vault_id: bytes, root_key: Buffer, salt: bytes) -> Stanza:
        return Stanza(999, salt)


def host() -> tuple[Recipient, Given, Unlocker]:
    key = HostKey("kms/records", Kms())
    return key, key, key


def token() -> tuple[Recipient, Given, Unlocker]:
    """Whoever stays need not name the key in the token again."""
    made = softhsm.new_token()
    bare = Token(made.module, made.label, made.pin)
    return made, bare, bare


def passphrase() -> tuple[Recipient, Given, Unlocker]:
    one = _AtAnyCost(b"another passphrase", CHEAP)
    return one, one, one


KINDS: dict[str, Callable[[], tuple[Recipient, Given, Unlocker]]] = {
    "passphrase": passphrase,
    "private key": lambda: (KEY.public_key, KEY, KEY),
    "public key": lambda: (KEY.public_key, KEY.public_key, KEY),
    "token": token,
    "shares": lambda: (ESCROW, Shares(ESCROW.groups[0][1:]), Shares(ESCROW.groups[1])),
    "escrow": lambda: (ESCROW, ESCROW, Shares(ESCROW.groups[0][:2])),
    "host": host,
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_stays_by_what_stands_for_it_and_opens_the_vault_afterwards(kind: str, opened: Open) -> None:
    recipient, given, unlock = KINDS[kind]()
    vault = opened()
    record = put(vault)
    before = vault.keys.add(recipient, unlock=PASSPHRASE)
    after, turned = vault.keys.rekey(unlock=PASSPHRASE, staying=[given])
    assert after == vault.keys.recipients()
    assert (after[1].type, after[1].about, turned.epoch) == (before.type, before.about, 2)
    assert after[1].id != before.id
    for one in (unlock, PASSPHRASE):
        vault.close()
        vault = opened(unlock=one)
        assert get(vault, record) == b"data"


class TestNobodyIsLost:
    def test_stanzas_that_nobody_stands_for_are_named_and_nothing_changes(self, opened: Open) -> None:
        vault = opened()
        lost = [vault.keys.add(one, unlock=PASSPHRASE) for one in (KEY, ESCROW, Strange())]
        head = vault.engine.head
        few = Shares(ESCROW.groups[0][:1])
        with pytest.raises(RecipientsUnheld) as error:
            vault.keys.rekey(unlock=PASSPHRASE, staying=[OTHER_KEY, few])
        assert all(one.id in error.value.message() for one in lost)
        assert len(error.value.facts) == len(lost)
        assert vault.engine.head == head

    def test_a_stanza_of_a_later_version_goes_only_if_it_is_named(self, opened: Open) -> None:
        vault = opened(recipients=[PASSPHRASE, Strange()])
        (_, strange) = vault.keys.recipients()
        with pytest.raises(RecipientsUnheld):
            vault.keys.rekey(unlock=PASSPHRASE)
        after, _ = vault.keys.rekey(unlock=PASSPHRASE, removed=[strange.id])
        assert [one.type for one in after] == [StanzaType.PASSPHRASE]

    def test_who_is_to_stay_and_is_no_recipient_is_refused(self, opened: Open) -> None:
        vault = opened(recipients=[PASSPHRASE, KEY])
        for stranger in (
            OTHER_KEY.public_key,
            OTHER_KEY,
            Passphrase(b"another passphrase"),
            ESCROW,
            Known(Secret(bytes(32))),
        ):
            with pytest.raises(NoRecipientMatches):
                vault.keys.rekey(unlock=PASSPHRASE, staying=[KEY, stranger])

    def test_who_is_to_stay_and_to_be_removed_is_refused(self, opened: Open) -> None:
        vault = opened(recipients=[PASSPHRASE, KEY])
        (_, key) = vault.keys.recipients()
        with pytest.raises(NoRecipientMatches):
            vault.keys.rekey(unlock=PASSPHRASE, staying=[KEY], removed=[key.id])

    def test_who_is_not_there_cannot_be_removed(self, opened: Open) -> None:
        with pytest.raises(NotFound):
            opened().keys.rekey(unlock=PASSPHRASE, removed=["0" * 16])

    def test_somebody_must_be_left(self, opened: Open) -> None:
        vault = opened()
        (only,) = vault.keys.recipients()
        with pytest.raises(ArgumentInvalid):
            vault.keys.rekey(unlock=PASSPHRASE, removed=[only.id])
        after, _ = vault.keys.rekey(unlock=PASSPHRASE, removed=[only.id], added=[KEY])
        assert [one.type for one in after] == [StanzaType.PUBLIC_KEY]
        vault.close()
        opened(unlock=KEY).close()

    def test_there_are_not_more_than_the_format_allows(self, opened: Open) -> None:
        vault = opened(recipients=[PASSPHRASE] * limits.MAX_STANZAS)
        with pytest.raises(ArgumentInvalid):
            vault.keys.rekey(unlock=PASSPHRASE, added=[KEY])

    def test_a_wrong_pin_is_tried_once(self, opened: Open) -> None:
        tokens = [softhsm.new_token() for _ in range(2)]
        vault = opened(recipients=[PASSPHRASE, *tokens])
        asked = []

        def pin() -> bytes:
            asked.append(1)
            return b"wrong"

        wrong = Token(tokens[0].module, tokens[0].label, pin)
        with pytest.raises(PinWrong):
            vault.keys.rekey(unlock=PASSPHRASE, staying=[wrong, tokens[1]])
        assert asked == [1]


def test_who_is_removed_and_kept_the_root_key_opens_nothing(opened: Open) -> None:
    vault = opened(recipients=[PASSPHRASE, KEY])
    record = put(vault)
    superblock, _ = read_superblock(vault.engine.vfs, vault.engine.layout, vault.engine.head)
    kept = Known(KEY.unlock(superblock))
    (_, gone) = vault.keys.recipients()
    vault.keys.rekey(unlock=PASSPHRASE, removed=[gone.id])
    vault.close()
    with pytest.raises(NoRecipientMatches):
        opened(unlock=KEY)
    with pytest.raises(MacMismatch):
        opened(unlock=kept)
    assert get(opened(), record) == b"data"


def test_a_recipient_that_was_given_twice_stays_once(opened: Open) -> None:
    vault = opened(recipients=[PASSPHRASE, KEY])
    after, _ = vault.keys.rekey(unlock=PASSPHRASE, staying=[PASSPHRASE, KEY, KEY.public_key])
    assert len(after) == 2


def costs(found: list[RecipientInfo]) -> list[tuple[object, object]]:
    return [(one.about["memory_kib"], one.about["passes"]) for one in found]


def test_one_passphrase_stands_for_all_of_its_stanzas_each_at_its_own_cost_or_a_dearer_one(opened: Open) -> None:
    dear = _AtAnyCost(PASSPHRASE.secret, Argon2Cost(128, 2, 1))
    vault = opened(recipients=[PASSPHRASE, dear])
    before = [one.about for one in vault.keys.recipients()]
    after, _ = vault.keys.rekey(unlock=PASSPHRASE)
    assert [one.about for one in after] == before
    after, _ = vault.keys.rekey(unlock=replace(PASSPHRASE, cost=Argon2Cost(100, 2, 1)))
    assert costs(after) == [(100, 2), (128, 2)]
    after, _ = vault.keys.rekey(unlock=Passphrase(PASSPHRASE.secret, Argon2Cost(MIN_ARGON_MEMORY, 2, 1)))
    assert costs(after) == [(MIN_ARGON_MEMORY, 2)] * 2


def test_a_cost_that_is_dear_by_its_passes_alone_gives_way() -> None:
    many = _AtAnyCost(PASSPHRASE.secret, Argon2Cost(5_000, 8, 1))
    least = Passphrase(PASSPHRASE.secret, Argon2Cost(MIN_ARGON_MEMORY, 2, 1))
    made = succession(sealed(many), many.unlock(sealed(many)), b"K" * 32, Changes(least))
    assert costs([one for one, _ in made.renewed]) == [(MIN_ARGON_MEMORY, 2)]


def test_a_passphrase_of_suite_fips_keeps_its_cost() -> None:
    one = Passphrase(b"correct horse")
    vault_id, root = os.urandom(16), os.urandom(32)
    old = Superblock(FIPS, vault_id, 1, [one.stanza(FIPS, vault_id, root, os.urandom(32))], ())
    new = succession(old, root, os.urandom(32), Changes(one))
    assert one.unlock(new.superblock) == new.root_key
    assert new.superblock.generation == 2


def test_what_comes_of_it_shows_no_key() -> None:
    old = sealed(PASSPHRASE)
    made = succession(old, PASSPHRASE.unlock(old), b"K" * 32, Changes(PASSPHRASE))
    assert "K" * 8 not in repr(made)
    assert made.superblock.suite is DEFAULT


def test_the_log_says_of_every_stanza_what_became_of_it(opened: Open) -> None:
    vault = opened(recipients=[PASSPHRASE, KEY])
    passphrase, key = vault.keys.recipients()
    (stayed, new), _ = vault.keys.rekey(unlock=PASSPHRASE, removed=[key.id], added=[OTHER_KEY])
    (renewed,), (removed,), (added,) = (
        events_of(vault, RecipientRenewed),
        events_of(vault, RecipientRemoved),
        events_of(vault, RecipientAdded),
    )
    assert (renewed.stanza.hex(), renewed.before.hex()) == (stayed.id, passphrase.id)
    assert (removed.stanza.hex(), added.stanza.hex()) == (key.id, new.id)
    types = (renewed.stanza_type, removed.stanza_type, added.stanza_type)
    assert types == (StanzaType.PASSPHRASE, StanzaType.PUBLIC_KEY, StanzaType.PUBLIC_KEY)
