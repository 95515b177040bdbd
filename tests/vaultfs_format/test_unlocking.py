"""The root key out of VAULT by a passphrase or a private key."""

from __future__ import annotations

import pytest
from vaultfs_format.errors import NoRecipientMatches
from vaultfs_format.keystanza import seal_for_key
from vaultfs_format.stanza import Argon2Cost, Stanza, StanzaType, seal_passphrase
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import Superblock
from vaultfs_format.unlocking import by_passphrase, by_private_key

VAULT, ROOT, SALT = b"V" * 16, b"R" * 32, b"S" * 32
PRIVATE = DEFAULT.draw_private_key(lambda size: b"p" * size)
COST = Argon2Cost(8, 1, 1)


def passphrase(secret: bytes, vault: bytes = VAULT) -> Stanza:
    return Stanza(COST.kind, seal_passphrase(DEFAULT, vault, ROOT, secret, SALT, COST).encode())


def key(vault: bytes = VAULT) -> Stanza:
    made = seal_for_key(DEFAULT, vault, ROOT, DEFAULT.public_key(PRIVATE), b"s" * 32, SALT)
    return Stanza(StanzaType.PUBLIC_KEY, made.encode())


def superblock(*stanzas: Stanza) -> Superblock:
    return Superblock(DEFAULT, VAULT, 1, stanzas, ())


def test_each_opens_its_own_stanza_wherever_it_stands() -> None:
    mixed = superblock(Stanza(99, b""), passphrase(b"one"), key(), passphrase(b"two"))
    assert by_passphrase(mixed, b"two") == ROOT
    assert by_private_key(mixed, PRIVATE) == ROOT


def test_what_is_of_nobody_here_is_refused() -> None:
    other = DEFAULT.draw_private_key(lambda size: b"q" * size)
    for wrong in (other, b"", PRIVATE[:-1]):
        with pytest.raises(NoRecipientMatches):
            by_private_key(superblock(passphrase(b"one"), key()), wrong)
    with pytest.raises(NoRecipientMatches):
        by_passphrase(superblock(key(), passphrase(b"one")), b"two")


def test_a_stanza_of_another_vault_is_passed_over() -> None:
    elsewhere = b"W" * 16
    assert by_passphrase(superblock(passphrase(b"one", elsewhere), passphrase(b"one")), b"one") == ROOT
    assert by_private_key(superblock(key(elsewhere), key()), PRIVATE) == ROOT
