"""Ciphertexts that open under two keys: the commitment lets one of them in, so nobody can try many keys at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from vaultfs_format import labels
from vaultfs_format.entries import EntryBlock
from vaultfs_format.errors import CommitmentMismatch
from vaultfs_format.frame import FrameClass, check_body, open_body, open_entries, seal_frame
from vaultfs_format.keyring import ITEM, Compartment, Keyring, Tag, seal_keyring
from vaultfs_format.keytable import KeyTable, seal_table
from vaultfs_format.stanza import Argon2Cost, PassphraseStanza, Pbkdf2Cost, StanzaType, seal_passphrase
from vaultfs_format.suite import FIPS, SUITES, Suite

from tests.vaultfs_format.examples import CHEAP, KEYRING_VALUES, ROOT_KEY, SUBJECT, VAULT_ID, record
from tests.vaultfs_format.salamander import both

FIRST, SECOND = b"one" + bytes(29), b"two" + bytes(29)
SALT, SEGMENT, FRAME = b"p" * 32, b"g" * 16, b"f" * 16
SUITES_OF = pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)


def two_keys(suite: Suite, secrets: tuple[bytes, bytes], label: bytes, context: bytes, at: int) -> tuple[bytes, bytes]:
    """Return the keys that are derived from each of two secrets: the 32 bytes from `at` on."""
    first, second = [suite.derive(secret, label, context, at + 32)[at:] for secret in secrets]
    return first, second


def opens(sealed: bytes, keys: tuple[bytes, bytes], bound: bytes) -> list[bytes]:
    """Return what a ciphertext opens to under each of two keys, by AES-GCM alone."""
    return [AESGCM(key).decrypt(bytes(12), sealed, bound) for key in keys]


@SUITES_OF
def test_a_passphrase_stanza_opens_for_the_passphrase_that_it_commits_to(suite: Suite) -> None:
    passphrases = b"the first passphrase", b"the second passphrase"
    cost: Argon2Cost | Pbkdf2Cost = Pbkdf2Cost() if suite is FIPS else CHEAP
    first, second = [cost.hash(passphrase, SALT) for passphrase in passphrases]
    keys = two_keys(suite, (first, second), labels.STANZA_KEK, SALT, 0)
    sealed = both(*keys, ROOT_KEY, VAULT_ID, 1)
    roots = opens(sealed, keys, VAULT_ID)
    assert roots[0] != roots[1]
    for number, passphrase in enumerate(passphrases):
        honest = seal_passphrase(suite, VAULT_ID, ROOT_KEY, passphrase, SALT, cost)
        crafted = replace(honest, seal=replace(honest.seal, sealed_root=sealed)).encode()
        stanza = PassphraseStanza.decode(crafted, StanzaType(cost.kind))
        assert stanza.open(suite, VAULT_ID, passphrase) == roots[number]
        with pytest.raises(CommitmentMismatch):
            stanza.open(suite, VAULT_ID, passphrases[1 - number])


@SUITES_OF
def test_a_compartment_of_a_keyring_opens_for_the_epoch_that_it_commits_to(suite: Suite) -> None:
    """An item of a tag that is not known has room for the block that makes the two tags one."""
    context = VAULT_ID + (1).to_bytes(4, "little") + SALT
    bound = Compartment.DATA.to_bytes(2, "little") + SALT
    first, second = two_keys(suite, (FIRST, SECOND), labels.KEYRING, context, 32)
    keys = two_keys(suite, (first, second), labels.KEYRING_COMPARTMENT, bound, 0)
    items = KEYRING_VALUES[Compartment.DATA] | {99: bytes(64)}
    plain = b"".join(ITEM.pack(tag, len(value)) + value for tag, value in sorted(items.items()))
    sealed = both(*keys, plain, bound, len(plain) // 16 - 2)
    assert opens(sealed, keys, bound)[0] != opens(sealed, keys, bound)[1]
    for root, other in ((FIRST, SECOND), (SECOND, FIRST)):
        honest = seal_keyring(suite, VAULT_ID, 1, root, SALT, KEYRING_VALUES)
        crafted = Keyring.decode(replace(honest, compartments={Compartment.DATA: sealed}).encode())
        with pytest.raises(CommitmentMismatch):
            crafted.open(other, Compartment.DATA)
        if root is FIRST:
            found = crafted.open(root, Compartment.DATA)
            assert found[Tag.ACCESS_KEY] == KEYRING_VALUES[Compartment.DATA][Tag.ACCESS_KEY]


@SUITES_OF
def test_a_key_table_opens_for_the_epoch_that_it_commits_to(suite: Suite) -> None:
    context = VAULT_ID + SEGMENT + (1).to_bytes(4, "little") + SALT
    bound = SEGMENT + bytes(4)
    tables = two_keys(suite, (FIRST, SECOND), labels.KEY_TABLE, context, 0)
    keys = two_keys(suite, tables, labels.KEY_BLOCK, bound, 0)
    sealed = both(*keys, bytes(3 * 32), bound, 2)
    for number, (root, plain) in enumerate(zip((FIRST, SECOND), opens(sealed, keys, bound), strict=True)):
        honest = seal_table(suite, VAULT_ID, SEGMENT, 1, root, SALT, [bytes(32)] * 3)
        crafted = KeyTable.decode(replace(honest, blocks=[sealed]).encode())
        assert b"".join(crafted.open_block(tables[number], 0)) == plain
        with pytest.raises(CommitmentMismatch):
            crafted.open_block(tables[1 - number], 0)


@SUITES_OF
def test_a_frame_opens_for_the_key_that_it_commits_to(suite: Suite) -> None:
    """Its header is bound, and has the commitment to one of the two keys."""
    entries = EntryBlock(SUBJECT, 0, [record(1, 0, 64)]).encode()
    body = bytes(range(100, 164))
    honest = seal_frame(suite, FrameClass.RECORD, entries, 1, body, frame_id=FRAME, key=FIRST)
    header, bound = honest.header, honest.header.encode()
    keys = two_keys(suite, (FIRST, SECOND), labels.FRAME, FRAME, 0)
    sealed = both(*keys, body, bound, 1)
    assert opens(sealed, keys, bound)[0] == open_body(suite, header, FIRST, sealed)
    for call in (open_body, check_body, open_entries):
        with pytest.raises(CommitmentMismatch):
            call(suite, header, SECOND, sealed)
