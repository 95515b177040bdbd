"""A vault that is sealed for a public key opens with its private key alone."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from vaultfs_format.stanza import Stanza, StanzaType

from tests.vaultfs.keys.support import ROOT, sealed
from vaultfs.errors import ArgumentInvalid, NoRecipientMatches
from vaultfs.keys import PrivateKey, RecipientKey, Unlocker

KEY, OTHER = PrivateKey.generate(), PrivateKey.generate()


def test_the_private_key_opens_what_was_sealed_for_the_public_one() -> None:
    assert KEY.unlock(sealed(OTHER, KEY.public_key)) == ROOT
    assert KEY.unlock(sealed(KEY)) == ROOT


def test_the_public_key_opens_nothing() -> None:
    assert isinstance(KEY, Unlocker)
    assert not isinstance(KEY.public_key, Unlocker)


def test_another_private_key_opens_nothing() -> None:
    for superblock in (sealed(OTHER.public_key), sealed(Stanza(99, b"of the future"))):
        with pytest.raises(NoRecipientMatches):
            KEY.unlock(superblock)


def test_a_stanza_that_was_put_in_its_place_is_passed_over() -> None:
    """One with its fingerprint, which is no secret, and another body."""
    good = sealed(KEY).stanzas[0]
    body = bytearray(good.body)
    body[-1] ^= 1
    forged = Stanza(StanzaType.PUBLIC_KEY, bytes(body))
    assert KEY.unlock(sealed(forged, good)) == ROOT
    with pytest.raises(NoRecipientMatches):
        KEY.unlock(sealed(forged))


def test_a_stanza_does_not_open_in_another_vault() -> None:
    with pytest.raises(NoRecipientMatches):
        KEY.unlock(replace(sealed(KEY), vault_id=os.urandom(16)))


@pytest.mark.parametrize("public", [b"", b"short", b"\xff" * 1216, bytes(1217)])
def test_what_is_no_public_key_is_refused(public: bytes) -> None:
    with pytest.raises(ArgumentInvalid) as refused:
        sealed(RecipientKey(public))
    assert refused.value.facts == {"length": len(public)}


def test_what_is_no_private_key_is_refused() -> None:
    for secret in (b"", bytes(95), bytes(97)):
        with pytest.raises(ArgumentInvalid):
            PrivateKey(secret).unlock(sealed(KEY))


def test_every_key_is_another_one() -> None:
    assert KEY != OTHER
    assert KEY.public_key != OTHER.public_key


def test_a_private_key_is_never_shown() -> None:
    assert repr(KEY) == str(KEY) == "PrivateKey()"
