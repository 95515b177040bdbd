"""Public-key stanzas: for one private key, one vault and one stanza."""

from __future__ import annotations

import pytest
from vaultfs_format.errors import (
    CommitmentMismatch,
    DecryptionFailed,
    FieldInvalid,
    Structure,
    TrailingBytes,
    Truncated,
)
from vaultfs_format.keystanza import PUBLIC_KEY, KeyStanza, fingerprint_of, seal_for_key
from vaultfs_format.stanza import RootSeal, StanzaType, seal_root
from vaultfs_format.suite import DEFAULT

from tests.vaultfs_format.examples import ROOT_KEY, VAULT_ID

PRIVATE = bytes(range(96))
PUBLIC = DEFAULT.public_key(PRIVATE)
SECRET, SALT = b"s" * 32, b"p" * 32
SEALED_SECRET = 1088 + 32 + 32 + 16
SEALED = seal_for_key(DEFAULT, VAULT_ID, ROOT_KEY, PUBLIC, SECRET, SALT)


def test_a_stanza_is_as_the_specification_derives_it() -> None:
    label = b"vaultfs/0/recipient"
    whose = DEFAULT.derive(bytes(32), label, PUBLIC, 16)
    place = b"\x10vaultfs/0/stanza" + b"\3\0" + VAULT_ID + SALT
    body = SEALED.encode()
    assert body[:16] == whose == fingerprint_of(DEFAULT, PUBLIC)
    assert body[16:128] == b"".join(seal_root(DEFAULT, VAULT_ID, ROOT_KEY, SECRET, SALT).fields())
    assert DEFAULT.open_from(PRIVATE, body[128:], place, Structure.STANZA) == SECRET
    assert len(body) == 16 + 112 + 1168 == PUBLIC_KEY.size + SEALED_SECRET


def test_what_is_written_is_read_and_opens_with_the_private_key() -> None:
    found = KeyStanza.decode(DEFAULT, SEALED.encode())
    assert found == SEALED
    assert found.open(DEFAULT, VAULT_ID, PRIVATE) == ROOT_KEY


def test_another_private_key_opens_nothing() -> None:
    with pytest.raises(DecryptionFailed):
        SEALED.open(DEFAULT, VAULT_ID, bytes(96))


def test_a_stanza_does_not_serve_another_vault() -> None:
    with pytest.raises(DecryptionFailed):
        SEALED.open(DEFAULT, bytes(16), PRIVATE)


def test_a_sealed_secret_does_not_serve_another_stanza() -> None:
    other = seal_for_key(DEFAULT, VAULT_ID, ROOT_KEY, PUBLIC, SECRET, b"q" * 32)
    moved = KeyStanza(other.fingerprint, other.seal, SEALED.sealed_secret)
    with pytest.raises(DecryptionFailed):
        moved.open(DEFAULT, VAULT_ID, PRIVATE)


def test_a_secret_that_the_stanza_does_not_commit_to_opens_nothing() -> None:
    """Whoever knows the public key can seal a secret to it: not one that two keys take for theirs."""
    other = seal_root(DEFAULT, VAULT_ID, ROOT_KEY, b"t" * 32, SALT)
    forged = KeyStanza(SEALED.fingerprint, other, SEALED.sealed_secret)
    with pytest.raises(CommitmentMismatch):
        forged.open(DEFAULT, VAULT_ID, PRIVATE)


def test_a_ciphertext_for_two_secrets_is_refused_by_the_commitment() -> None:
    """The commitment of one secret beside the sealed root of another: the AEAD alone would have to tell."""
    other = seal_root(DEFAULT, VAULT_ID, ROOT_KEY, b"t" * 32, SALT)
    mixed = RootSeal(SALT, SEALED.seal.commitment, other.sealed_root)
    with pytest.raises(DecryptionFailed):
        mixed.open(DEFAULT, VAULT_ID, SECRET)
    with pytest.raises(CommitmentMismatch):
        mixed.open(DEFAULT, VAULT_ID, b"t" * 32)


def test_any_changed_byte_behind_the_fingerprint_opens_nothing() -> None:
    for at in range(16, PUBLIC_KEY.size + SEALED_SECRET):
        body = bytearray(SEALED.encode())
        body[at] ^= 1
        with pytest.raises((DecryptionFailed, CommitmentMismatch)):
            KeyStanza.decode(DEFAULT, body).open(DEFAULT, VAULT_ID, PRIVATE)


def test_the_body_has_one_size() -> None:
    body = SEALED.encode()
    with pytest.raises(Truncated):
        KeyStanza.decode(DEFAULT, body[:-1])
    with pytest.raises(TrailingBytes):
        KeyStanza.decode(DEFAULT, body + b"\0")


def test_what_is_no_public_key_is_refused() -> None:
    with pytest.raises(FieldInvalid):
        seal_for_key(DEFAULT, VAULT_ID, ROOT_KEY, b"\xff" * DEFAULT.public_key_size, SECRET, SALT)


def test_the_types_have_their_numbers() -> None:
    assert {one.name: int(one) for one in StanzaType} == {
        "PASSPHRASE": 1,
        "PBKDF2": 2,
        "PUBLIC_KEY": 3,
        "TOKEN": 4,
        "ESCROW": 5,
        "HOST": 6,
    }
