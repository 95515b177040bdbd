"""What is told of recipients: what is in the clear of each kind, and nothing of one that is not known."""

from __future__ import annotations

import os

import pytest
from vaultfs_format.stanza import Argon2Cost, Stanza, StanzaType
from vaultfs_format.suite import DEFAULT

from tests.vaultfs import softhsm
from tests.vaultfs.keys.support import ROOT, VAULT
from vaultfs.keys import Escrow, HostKey, PrivateKey, Recipient
from vaultfs.keys.listing import listed
from vaultfs.keys.recipients import _AtAnyCost


class _Service:
    def wrap(self, secret: bytes, bound: bytes) -> bytes:
        return secret

    def unwrap(self, blob: bytes, bound: bytes) -> bytes:
        return blob


_ESCROW = Escrow.draw([(2, 3), (1, 1)], 2, iteration_exponent=0)
_KEY = PrivateKey.generate()


@pytest.mark.parametrize(
    ("recipient", "kind", "names"),
    [
        (_AtAnyCost(b"a passphrase", Argon2Cost(64, 1, 1)), StanzaType.PASSPHRASE, {"memory_kib", "passes", "lanes"}),
        (_KEY, StanzaType.PUBLIC_KEY, {"fingerprint"}),
        (_ESCROW, StanzaType.ESCROW, {"identifier", "group_threshold", "groups"}),
        (HostKey("kms/records", _Service()), StanzaType.HOST, {"name"}),
    ],
)
def test_what_is_in_the_clear_is_listed(recipient: Recipient, kind: StanzaType, names: set[str]) -> None:
    found = listed(DEFAULT, recipient.stanza(DEFAULT, VAULT, ROOT, os.urandom(32)))
    assert (found.type, set(found.about)) == (kind, names)
    assert len(bytes.fromhex(found.id)) == 8


def test_values_are_those_of_the_recipient() -> None:
    token = softhsm.new_token()
    about = [
        listed(DEFAULT, one.stanza(DEFAULT, VAULT, ROOT, os.urandom(32))).about
        for one in (token, _ESCROW, HostKey("kms/records", _Service()))
    ]
    assert about[0] == {"mechanism": "AES_KWP", "key_id": softhsm.KEY_ID.hex()}
    assert about[1] == {
        "identifier": _ESCROW.plan.identifier,
        "group_threshold": 2,
        "groups": [(2, 3), (1, 1)],
    }
    assert about[2] == {"name": "kms/records"}


def test_of_a_recipient_that_is_not_known_its_number_is_listed() -> None:
    found = listed(DEFAULT, Stanza(99, b"strange"))
    assert (found.type, found.about) == (99, {})
