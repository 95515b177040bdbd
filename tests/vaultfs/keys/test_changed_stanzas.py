"""A VAULT with one changed byte in a stanza, and a digest that fits, is refused or opens for somebody else."""

from __future__ import annotations

import os

import pytest
from vaultfs_format.stanza import Argon2Cost, Stanza
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import HEADER, ITEM, Superblock
from vectors.world import edited, with_digest

from tests.vaultfs import softhsm
from tests.vaultfs.keys.support import Kms
from vaultfs.errors import MacMismatch, VaultError
from vaultfs.keys import Escrow, HostKey, Passphrase, PrivateKey, Token, Unlocker

VAULT, ROOT = os.urandom(16), os.urandom(32)


def recipients() -> list[Passphrase | PrivateKey | Escrow | HostKey | Token]:
    token = softhsm.new_token()
    escrow = Escrow.draw([(2, 3), (1, 1)], iteration_exponent=0)
    return [
        Passphrase(b"a passphrase", Argon2Cost(8, 1, 1)),
        PrivateKey.generate(),
        escrow,
        HostKey("key", Kms()),
        token,
    ]


def opened(data: bytes, unlock: Unlocker) -> None:
    """Do what a reader does with a VAULT file."""
    found = Superblock.decode(data)
    found.verify(data, unlock.unlock(found))


def refused(data: bytes, unlock: Unlocker) -> type[VaultError]:
    """Return what a reader refuses a VAULT file with."""
    with pytest.raises(VaultError) as error:
        opened(data, unlock)
    return error.type


def test_every_changed_byte_of_every_stanza_is_refused() -> None:
    unlockers = recipients()
    stanzas = [one.stanza(DEFAULT, VAULT, ROOT, os.urandom(32)) for one in unlockers]
    data = Superblock(DEFAULT, VAULT, 1, stanzas, ()).encode(ROOT)
    at = HEADER.size
    for stanza, unlock in zip(stanzas, unlockers, strict=True):
        opened(data, unlock)
        for offset in range(at, at + ITEM.size + len(stanza.body)):
            refused(with_digest(edited(data, (offset, bytes([data[offset] ^ 1])))), unlock)
        at += ITEM.size + len(stanza.body)


def test_who_is_not_concerned_refuses_it_by_the_mac() -> None:
    first, second = Passphrase(b"the first one", Argon2Cost(8, 1, 1)), PrivateKey.generate()
    stanzas = [one.stanza(DEFAULT, VAULT, ROOT, os.urandom(32)) for one in (first, second)]
    data = Superblock(DEFAULT, VAULT, 1, stanzas, ()).encode(ROOT)
    at = HEADER.size + ITEM.size
    for offset in range(at, at + len(stanzas[0].body)):
        assert refused(with_digest(edited(data, (offset, bytes([data[offset] ^ 1])))), second) is MacMismatch


def test_stanzas_that_change_places_with_those_of_another_vault_open_nothing() -> None:
    """Each leads to its secret there, too, if nothing of it is bound: the root key is sealed for its own vault."""
    other = os.urandom(16)
    for one in recipients():
        stanza = one.stanza(DEFAULT, other, ROOT, os.urandom(32))
        data = Superblock(DEFAULT, VAULT, 1, [stanza, Stanza(99, b"")], ()).encode(ROOT)
        refused(data, one)
