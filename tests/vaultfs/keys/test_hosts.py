"""A key service of the host wraps and unwraps; what it says when it fails goes nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from vaultfs_format import limits
from vaultfs_format.stanza import Stanza, StanzaType

from tests.vaultfs.keys.support import ROOT, VAULT, sealed
from vaultfs.errors import ArgumentInvalid, NoRecipientMatches
from vaultfs.keys import HostKey
from vaultfs.keys.errors import KeyServiceFailed


class Kms:
    """A service with one key, which binds what it is told to."""

    def __init__(self) -> None:
        self._key = AESGCM(bytes(32))
        self.bound: list[bytes] = []

    def wrap(self, secret: bytes, bound: bytes) -> bytes:
        self.bound.append(bound)
        return self._key.encrypt(bytes(12), secret, bound)

    def unwrap(self, blob: bytes, bound: bytes) -> bytes:
        return self._key.decrypt(bytes(12), blob, bound)


class Odd:
    """A service that returns, or raises, what it was told to."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def wrap(self, secret: bytes, bound: bytes) -> bytes:
        return self._act()  # type: ignore[return-value]

    def unwrap(self, blob: bytes, bound: bytes) -> bytes:
        return self._act()  # type: ignore[return-value]


def test_the_service_opens_what_it_has_wrapped() -> None:
    key = HostKey("eu/records", Kms())
    assert key.unlock(sealed(Stanza(99, b"strange"), HostKey("us", Kms()), key)) == ROOT


def test_the_service_is_told_which_stanza_of_which_vault_it_is() -> None:
    kms = Kms()
    superblock = sealed(HostKey("one", kms), HostKey("two", kms))
    assert len(set(kms.bound)) == 2
    assert all(VAULT in bound for bound in kms.bound)
    with pytest.raises(KeyServiceFailed):
        HostKey("one", kms).unlock(replace(superblock, vault_id=bytes(16)))


class Other(Kms):
    """A service with another key."""

    def __init__(self) -> None:
        super().__init__()
        self._key = AESGCM(b"k" * 32)


def test_what_another_service_of_the_name_has_wrapped_is_passed_over() -> None:
    one, other = HostKey("key", Kms()), HostKey("key", Other())
    superblock = sealed(one, other)
    assert one.unlock(superblock) == other.unlock(superblock) == ROOT
    for failing in (superblock, sealed(other, HostKey("key", Odd(lambda: bytes(32))))):
        with pytest.raises(KeyServiceFailed) as failed:
            HostKey("key", Odd(lambda: b"")).unlock(failing)
        assert failed.value.__context__ is None


def test_another_name_is_another_recipient() -> None:
    with pytest.raises(NoRecipientMatches):
        HostKey("two", Kms()).unlock(sealed(HostKey("one", Kms())))


def test_a_service_that_gives_another_secret_opens_nothing() -> None:
    with pytest.raises(NoRecipientMatches):
        HostKey("key", Odd(lambda: bytes(32))).unlock(sealed(HostKey("key", Kms())))


@pytest.mark.parametrize("returned", [b"", bytes(limits.MAX_HOST_BLOB + 1), "text", None])
def test_what_cannot_be_kept_is_refused(returned: object) -> None:
    with pytest.raises(KeyServiceFailed):
        sealed(HostKey("key", Odd(lambda: returned)))


@pytest.mark.parametrize("returned", [b"", bytes(31), bytes(33), 32])
def test_what_is_no_secret_is_refused(returned: object) -> None:
    with pytest.raises(KeyServiceFailed):
        HostKey("key", Odd(lambda: returned)).unlock(sealed(HostKey("key", Kms())))


def test_what_the_service_raises_is_withheld() -> None:
    def refuse() -> object:
        raise ConnectionError("https://user:secret@host")

    for act in (
        lambda: sealed(HostKey("key", Odd(refuse))),
        lambda: HostKey("key", Odd(refuse)).unlock(sealed(HostKey("key", Kms()))),
    ):
        with pytest.raises(KeyServiceFailed) as failed:
            act()
        assert failed.value.__context__ is None
        assert failed.value.facts == {}


@pytest.mark.parametrize("name", ["", "n" * 65, "naïve", "a\nb"])
def test_names_that_a_vault_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(ArgumentInvalid):
        sealed(HostKey(name, Kms()))


def test_the_longest_blob_fits() -> None:
    superblock = sealed(HostKey("n" * 64, Odd(lambda: bytes(limits.MAX_HOST_BLOB))))
    assert superblock.stanzas[0].kind == StanzaType.HOST
    assert len(superblock.stanzas[0].body) <= limits.MAX_STANZA


def test_the_service_is_never_shown() -> None:
    assert repr(HostKey("eu", Kms())) == "HostKey(name='eu')"
