"""A VAULT with one changed byte in a stanza, and a digest that fits, is refused or opens for somebody else."""

from __future__ import annotations

import os

import pytest
from vaultfs_format.stanza import Argon2Cost, Stanza
from vaultfs_format.suite import DEFAULT, FIPS, Suite
from vaultfs_format.superblock import HEADER, ITEM, Superblock
from vectors.world import flipped

from tests.vaultfs import softhsm
from tests.vaultfs.keys.support import Kms
from vaultfs.errors import MacMismatch, VaultError
from vaultfs.keys import Escrow, HostKey, Passphrase, PrivateKey, Token, Unlocker
from vaultfs.keys.recipients import _AtAnyCost

VAULT, ROOT = os.urandom(16), os.urandom(32)


def recipients(suite: Suite = DEFAULT) -> list[Passphrase | PrivateKey | Escrow | HostKey | Token]:
    token = softhsm.new_token()
    escrow = Escrow.draw([(2, 3), (1, 1)], iteration_exponent=0)
    return [
        _AtAnyCost(b"a passphrase", Argon2Cost(8, 1, 1)),
        PrivateKey.generate(suite=suite.name),
        escrow,
        HostKey("key", Kms()),
        token,
    ]


def changed(suite: Suite, data: bytes, at: int) -> bytes:
    """Return a VAULT file with one bit of one byte changed, and a digest that fits."""
    content = flipped(data, at)[: -len(suite.digest(b""))]
    return content + suite.digest(content)


def opened(data: bytes, unlock: Unlocker) -> None:
    """Do what a reader does with a VAULT file."""
    found = Superblock.decode(data)
    found.verify(data, unlock.unlock(found))


def refused(data: bytes, unlock: Unlocker) -> type[VaultError]:
    """Return what a reader refuses a VAULT file with."""
    with pytest.raises(VaultError) as error:
        opened(data, unlock)
    return error.type


@pytest.mark.parametrize(("suite", "step"), [(DEFAULT, 1), (FIPS, 7), pytest.param(FIPS, 1, marks=pytest.mark.long)])
def test_every_changed_byte_of_every_stanza_is_refused(suite: Suite, step: int) -> None:
    """In suite 2 each passphrase that is tried takes a tenth of a second, so that all bytes are left to a long run."""
    unlockers = recipients(suite)
    stanzas = [one.stanza(suite, VAULT, ROOT, os.urandom(32)) for one in unlockers]
    data = Superblock(suite, VAULT, 1, stanzas, ()).encode(ROOT)
    at = HEADER.size
    for stanza, unlock in zip(stanzas, unlockers, strict=True):
        opened(data, unlock)
        for offset in range(at, at + ITEM.size + len(stanza.body), step):
            refused(changed(suite, data, offset), unlock)
        at += ITEM.size + len(stanza.body)


def test_who_is_not_concerned_refuses_it_by_the_mac() -> None:
    first, second = _AtAnyCost(b"the first one", Argon2Cost(8, 1, 1)), PrivateKey.generate()
    stanzas = [one.stanza(DEFAULT, VAULT, ROOT, os.urandom(32)) for one in (first, second)]
    data = Superblock(DEFAULT, VAULT, 1, stanzas, ()).encode(ROOT)
    at = HEADER.size + ITEM.size
    for offset in range(at, at + len(stanzas[0].body)):
        assert refused(changed(DEFAULT, data, offset), second) is MacMismatch


def test_stanzas_that_change_places_with_those_of_another_vault_open_nothing() -> None:
    """Each leads to its secret there, too, if nothing of it is bound: the root key is sealed for its own vault."""
    other = os.urandom(16)
    for one in recipients():
        stanza = one.stanza(DEFAULT, other, ROOT, os.urandom(32))
        data = Superblock(DEFAULT, VAULT, 1, [stanza, Stanza(99, b"")], ()).encode(ROOT)
        refused(data, one)
