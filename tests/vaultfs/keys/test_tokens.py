"""Tokens, by SoftHSM: the secret is wrapped by a key that never leaves, and no handle survives."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pkcs11
import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from vaultfs_format.stanza import Stanza, StanzaType
from vaultfs_format.tokenstanza import TokenStanza

from tests.vaultfs import softhsm
from tests.vaultfs.keys.support import ROOT, sealed
from tests.vaultfs.softhsm import KEY_ID, MODULE, PIN
from vaultfs.errors import ArgumentInvalid, NoRecipientMatches, VaultError
from vaultfs.keys import Passphrase, Token, cryptoki
from vaultfs.keys.errors import Extra, ExtraMissing, PinLocked, PinWrong, TokenFailed, TokenKeyMissing, TokenMissing


@pytest.fixture(scope="module")
def token() -> Token:
    return softhsm.new_token()


def in_token(token: Token, act: Callable[[pkcs11.Session], object], *, writes: bool = True) -> object:
    """Do something in a session of a token, as its owner can with any tool."""
    return cryptoki.used(str(token.module), token.label, PIN, act, writes=writes)


def test_the_token_opens_what_it_has_wrapped(token: Token) -> None:
    other = softhsm.new_token()
    superblock = sealed(Stanza(99, b"strange"), other, token)
    assert token.unlock(superblock) == ROOT
    assert other.unlock(superblock) == ROOT
    assert Token(str(MODULE), token.label, PIN).unlock(superblock) == ROOT


def test_the_pin_may_be_asked_for(token: Token) -> None:
    asked: list[int] = []

    def pin() -> bytes:
        asked.append(1)
        return PIN

    assert replace(token, pin=pin).unlock(sealed(token)) == ROOT
    assert asked == [1]


def token_with(value: bytes) -> Token:
    """Return a token into which a key was put, so that its value is known."""
    token = softhsm.new_token(key=False)
    about = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.ID: KEY_ID,
        Attribute.VALUE: value,
        Attribute.TOKEN: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.WRAP: True,
        Attribute.UNWRAP: True,
    }
    in_token(token, lambda session: session.create_object(about))
    return token


def test_the_secret_is_wrapped_as_the_specification_says() -> None:
    """OpenSSL unwraps what the token has wrapped."""
    value = os.urandom(32)
    superblock = sealed(token_with(value))
    stanza = TokenStanza.decode(superblock.stanzas[0].body)
    assert stanza.key_id == KEY_ID
    secret = aes_key_unwrap_with_padding(value, stanza.wrapped_secret)
    assert stanza.open(superblock.suite, superblock.vault_id, secret) == ROOT


def test_a_token_wraps_as_published() -> None:
    """Of the vectors of NIST's CAVP for SP 800-38F, the first of KWP_AE_256 with 8 bytes.

    SoftHSM fills up what it wraps to whole blocks, and states their length: secrets, of 32 bytes, are whole ones.
    """
    token = token_with(bytes.fromhex("3517f0efa7f0c4d74f91af83ece5e7503bcc5ab82907a6e4b7ed34d87b69ab1d"))
    wrapped = bytes.fromhex("0b06a9b635d50cda9d4210cb3a71f990")
    assert in_token(token, lambda session: cryptoki.wrap(session, KEY_ID, bytes.fromhex("897e0456b289ad31"))) == wrapped
    assert in_token(token, lambda session: cryptoki.unwrap(session, KEY_ID, wrapped)) == b""


RFC_5649 = "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"


@pytest.mark.parametrize(
    ("key", "plain", "wrapped"),
    [
        (
            RFC_5649,
            "c37b7e6492584340bed12207808941155068f738",
            "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
        ),
        (RFC_5649, "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"),
        (
            "e9bb7f44c7baafbf392ab912589a2f8db53268106eafb74689bb1833136e6113",
            "ffe952604834bff899e63658f34246815c91597eb40a21729e0a8a959b61f2",
            "15b9f06fbc765e5e3d55d6b824616f21921d2a6918ee7bf1406b524274e170b4a78333ca5ee92af5",
        ),
    ],
)
def test_the_mechanism_of_a_token_is_that_of_rfc_5649(key: str, plain: str, wrapped: str) -> None:
    """The two examples of section 6, whose key has 192 bits, and one of NIST's (KWP_AE_256) that has 31 bytes."""
    token = token_with(bytes.fromhex(key))

    def unwrapped(session: pkcs11.Session) -> bytes:
        own: Any = next(iter(session.get_objects({Attribute.ID: KEY_ID})))  # what a key can do depends on the key
        readable = {Attribute.TOKEN: False, Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}
        kinds = ObjectClass.SECRET_KEY, KeyType.GENERIC_SECRET
        mechanism = Mechanism.AES_KEY_WRAP_PAD
        found = own.unwrap_key(*kinds, bytes.fromhex(wrapped), mechanism=mechanism, template=readable)
        return bytes(found[Attribute.VALUE])

    assert in_token(token, unwrapped) == bytes.fromhex(plain)


def test_the_key_never_leaves_the_token(token: Token) -> None:
    def look(session: pkcs11.Session) -> tuple[object, ...]:
        (key,) = session.get_objects({Attribute.ID: KEY_ID})
        with pytest.raises(pkcs11.AttributeSensitive):
            key[Attribute.VALUE]
        return (
            key[Attribute.SENSITIVE],
            key[Attribute.NEVER_EXTRACTABLE],
            key[Attribute.LOCAL],
            key[Attribute.VALUE_LEN],
        )

    assert in_token(token, look) == (True, True, True, 32)


def test_nothing_of_the_secret_stays_in_the_token(token: Token) -> None:
    token.unlock(sealed(token))
    found = in_token(token, lambda session: len(list(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}))))
    assert found == 1


@pytest.mark.parametrize(
    ("bits", "template"),
    [
        (128, {}),
        (256, {Attribute.EXTRACTABLE: True}),
        (256, {Attribute.SENSITIVE: False}),
        (256, {Attribute.UNWRAP: False}),
    ],
)
def test_a_key_that_could_leave_or_is_short_is_not_used(bits: int, template: dict[Attribute, bool]) -> None:
    token = softhsm.new_token(key=False)
    rules = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False} | template
    in_token(
        token,
        lambda session: session.generate_key(
            KeyType.AES,
            bits,
            id=KEY_ID,
            store=True,
            capabilities=MechanismFlag.WRAP | MechanismFlag.UNWRAP,
            template=rules,
        ),
    )
    with pytest.raises(TokenKeyMissing):
        sealed(token)


def test_a_token_without_the_key_opens_nothing(token: Token) -> None:
    empty = softhsm.new_token(key=False)
    with pytest.raises(TokenKeyMissing):
        sealed(empty)
    with pytest.raises(TokenKeyMissing):
        empty.unlock(sealed(token))


def test_another_key_of_the_same_id_opens_nothing(token: Token) -> None:
    with pytest.raises(NoRecipientMatches):
        softhsm.new_token().unlock(sealed(token))


def test_a_vault_without_token_is_opened_by_none(token: Token) -> None:
    with pytest.raises(NoRecipientMatches):
        token.unlock(sealed(Passphrase(b"a passphrase")))


def test_any_changed_byte_opens_nothing(token: Token) -> None:
    body = sealed(token).stanzas[0].body
    for at in range(len(body)):
        changed = bytearray(body)
        changed[at] ^= 1
        with pytest.raises(VaultError):
            token.unlock(sealed(Stanza(StanzaType.TOKEN, bytes(changed))))


def test_a_secret_of_another_length_is_none(token: Token) -> None:
    """It is wrapped by the same key, by who has the token; the stanza has room for any of 25 to 32 bytes."""
    wrapped = in_token(token, lambda session: cryptoki.wrap(session, KEY_ID, bytes(31)))
    stanza = TokenStanza.decode(sealed(token).stanzas[0].body)
    assert isinstance(wrapped, bytes)
    with pytest.raises(NoRecipientMatches):
        token.unlock(sealed(Stanza(StanzaType.TOKEN, replace(stanza, wrapped_secret=wrapped).encode())))


def test_a_token_that_wraps_in_another_way_is_refused(token: Token) -> None:
    """Some have padding of another kind behind the same number: what they wrap is longer."""
    with patch.object(cryptoki, "wrap", return_value=bytes(48)), pytest.raises(TokenFailed):
        sealed(token)


def test_a_wrong_pin_is_told(token: Token) -> None:
    superblock = sealed(token)
    for wrong in (b"1234", b"", b"1" * 300):
        with pytest.raises(PinWrong) as refused:
            replace(token, pin=wrong).unlock(superblock)
        assert refused.value.__context__ is None
    assert token.unlock(superblock) == ROOT
    with pytest.raises(ArgumentInvalid):
        replace(token, pin=b"\xff\xfe").unlock(superblock)


@pytest.mark.parametrize("raised", [pkcs11.PinLocked, pkcs11.PinExpired, pkcs11.UserPinNotInitialized])
def test_a_locked_token_is_told(token: Token, raised: type[Exception]) -> None:
    """SoftHSM locks none: its login is stood in for."""
    superblock = sealed(token)
    with patch.object(cryptoki, "_login", side_effect=raised), pytest.raises(PinLocked):
        token.unlock(superblock)


def test_a_missing_token_or_library_is_told(token: Token) -> None:
    superblock = sealed(token)
    for missing in (replace(token, label="none"), replace(token, module="/nowhere/none.so")):
        with pytest.raises(TokenMissing) as refused:
            missing.unlock(superblock)
        assert refused.value.__context__ is None


def test_two_tokens_of_one_label_are_none() -> None:
    token = softhsm.new_token("twice")
    superblock = sealed(token)
    softhsm.new_token("twice", key=False)
    with pytest.raises(TokenMissing):
        token.unlock(superblock)


def test_a_token_that_fails_is_told(token: Token) -> None:
    superblock = sealed(token)
    for raised in (pkcs11.DeviceError, pkcs11.FunctionFailed):
        with patch.object(cryptoki, "_key", side_effect=raised("slot 7")), pytest.raises(TokenFailed) as failed:
            token.unlock(superblock)
        assert failed.value.__context__ is None


@pytest.mark.parametrize("key_id", [b"", b"x" * 65])
def test_a_key_has_an_id_of_1_to_64_bytes(token: Token, key_id: bytes) -> None:
    with pytest.raises(ArgumentInvalid):
        sealed(replace(token, key_id=key_id))
    with pytest.raises(ArgumentInvalid):
        replace(token, key_id=key_id).make_key()


def test_the_longest_key_id_serves(token: Token) -> None:
    long = replace(token, key_id=b"x" * 64)
    long.make_key()
    assert long.unlock(sealed(long)) == ROOT


def test_a_key_is_made_but_once(token: Token) -> None:
    superblock = sealed(token)
    with pytest.raises(ArgumentInvalid):
        token.make_key()
    assert token.unlock(superblock) == ROOT


def test_a_host_that_is_logged_in_stays_so(token: Token) -> None:
    superblock = sealed(token)
    with pkcs11.lib(str(MODULE)).get_token(token_label=token.label).open(user_pin=PIN.decode()) as session:
        assert token.unlock(superblock) == ROOT
        assert len(list(session.get_objects({Attribute.ID: KEY_ID}))) == 1


def test_threads_use_it_at_once(token: Token) -> None:
    superblock = sealed(token)
    found: list[bytes | bytearray] = []
    threads = [threading.Thread(target=lambda: found.append(token.unlock(superblock))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [ROOT] * 8


def in_a_child(act: Callable[[], bool]) -> bool:
    """Return what something returns in a forked process."""
    child = os.fork()
    if child == 0:
        done = False
        try:
            done = act()
        finally:
            os._exit(0 if done else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_forked_process_logs_in_by_itself(token: Token) -> None:
    """A child, and a child of that, initialise the library anew; the parent goes on undisturbed."""
    superblock = sealed(token)
    started: list[str] = []
    real = pkcs11.lib(str(MODULE))

    def unlocked() -> bool:
        with patch.object(cryptoki, "_restarted", lambda library: started.append(library.so)):
            return token.unlock(superblock) == token.unlock(superblock) == ROOT and started == [real.so]

    assert token.unlock(superblock) == ROOT
    assert in_a_child(lambda: token.unlock(superblock) == ROOT)
    assert in_a_child(unlocked)
    assert in_a_child(lambda: in_a_child(lambda: token.unlock(superblock) == ROOT) and token.unlock(superblock) == ROOT)
    assert token.unlock(superblock) == ROOT
    assert started == []


def test_the_library_is_initialised_once_in_each_process(token: Token) -> None:
    """As a child sees it: it finds the state of a process of another number, with what that had initialised."""
    superblock = sealed(token)
    with (
        patch.object(os, "getpid", return_value=os.getpid() + 1),
        patch.object(cryptoki, "_restarted", wraps=cryptoki._restarted) as restarted,
    ):
        for _ in range(2):
            assert token.unlock(superblock) == ROOT
        assert restarted.call_count == 1
    assert token.unlock(superblock) == ROOT


def test_a_lock_that_another_thread_held_at_a_fork_is_not_waited_for(token: Token) -> None:
    superblock = sealed(token)
    with cryptoki._own().lock:
        assert in_a_child(lambda: token.unlock(superblock) == ROOT)


def test_without_the_extra_it_is_named(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    superblock = sealed(token)
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(ExtraMissing) as refused:
        token.unlock(superblock)
    assert refused.value.facts == {"extra": Extra.HSM}


def test_a_pin_is_never_shown(token: Token) -> None:
    assert "4321" not in repr(token) + str(token)
