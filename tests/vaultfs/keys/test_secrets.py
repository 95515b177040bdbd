"""The secrets that stanzas of the types 3, 4 and 6 seal: random, and each of one stanza alone."""

from __future__ import annotations

import os
from unittest.mock import patch

import pytest
from vaultfs_format.errors import Structure
from vaultfs_format.keystanza import KeyStanza
from vaultfs_format.stanza import StanzaType, place_of
from vaultfs_format.suite import DEFAULT
from vaultfs_format.tokenstanza import TokenStanza

from tests.vaultfs import softhsm
from tests.vaultfs.keys.support import VAULT, sealed
from vaultfs.keys import HostKey, PrivateKey, cryptoki


class Kms:
    """A service that remembers what it was given to wrap."""

    def __init__(self) -> None:
        self.secrets: list[bytes] = []

    def wrap(self, secret: bytes, bound: bytes) -> bytes:
        self.secrets.append(secret)
        return secret

    def unwrap(self, blob: bytes, bound: bytes) -> bytes:
        return blob


def test_secrets_are_random_and_of_one_stanza_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bytes] = []
    real = os.urandom

    def draw(length: int) -> bytes:
        given.append(real(length))
        return given[-1]

    kms, key, token = Kms(), PrivateKey.generate(), softhsm.new_token()
    monkeypatch.setattr(os, "urandom", draw)
    sealed(HostKey("a", kms), HostKey("a", kms))
    secrets = list(kms.secrets)
    for stanza in sealed(key, key).stanzas:
        found = KeyStanza.decode(DEFAULT, stanza.body)
        place = place_of(StanzaType.PUBLIC_KEY, VAULT, found.seal.salt)
        secrets.append(DEFAULT.open_from(key.secret, found.sealed_secret, place, Structure.STANZA))
    with patch.object(cryptoki, "wrap", wraps=cryptoki.wrap) as wrap:
        wrapped = [TokenStanza.decode(stanza.body).wrapped_secret for stanza in sealed(token, token).stanzas]
    secrets += [call.args[2] for call in wrap.call_args_list]
    assert len(set(wrapped)) == 2
    assert len(set(secrets)) == len(secrets) == 6
    assert all(secret in given for secret in secrets)
