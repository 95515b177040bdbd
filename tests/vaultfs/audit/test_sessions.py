"""The event that opens a session: its context, as tokens that die with the epoch, and the acting person's signature."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from vaultfs_format import labels, limits
from vaultfs_format.events.session import SessionOpened

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, PASSPHRASE, WHO, crashed, create, events_of, put, read_only, reopen
from vaultfs import CareSetting, Context, PersonSignature, SignatureScheme, statement_of
from vaultfs.errors import ArgumentInvalid, AttestationFailed
from vaultfs.testing.canary import Canaries

ENCOUNTER, ORDER = "visit-4711", "order-0815"
IN_CARE = Context(CareSetting.EMER, ENCOUNTER, ORDER)


def opening(vault: vaultfs.Vault) -> SessionOpened:
    """Return the event of the last session."""
    return events_of(vault, SessionOpened)[-1]


def test_the_context_of_a_session_is_kept_as_tokens(vault: vaultfs.Vault) -> None:
    vault.session(WHO, "TREAT", context=IN_CARE)
    event = opening(vault)
    assert event.care_setting is CareSetting.EMER
    tokens = vault.context_tokens(IN_CARE)
    assert (event.encounter, event.order) == tokens
    assert None not in tokens
    assert tokens.encounter != tokens.order
    assert ENCOUNTER not in repr(IN_CARE) + repr(event)


def test_what_is_not_stated_has_no_token(vault: vaultfs.Vault) -> None:
    vault.session(WHO, "TREAT", strict=True)
    event = opening(vault)
    assert (event.care_setting, event.encounter, event.order, event.signature) == (
        CareSetting.UNSTATED,
        None,
        None,
        None,
    )
    assert event.strict
    assert vault.context_tokens(Context()) == (None, None)


def test_a_field_has_tokens_of_its_own(vault: vaultfs.Vault) -> None:
    same = vault.context_tokens(Context(encounter="x", order="x"))
    assert same.encounter != same.order
    assert same == vault.context_tokens(Context(encounter="x", order="x"))
    assert same.encounter != vault.context_tokens(Context(encounter="y")).encounter


def test_two_vaults_have_no_token_in_common(vault: vaultfs.Vault, tmp_path: Path) -> None:
    with create(tmp_path / "other") as other:
        assert vault.context_tokens(IN_CARE).encounter != other.context_tokens(IN_CARE).encounter


def test_a_reader_makes_the_same_tokens_and_keeps_them(vault: vaultfs.Vault) -> None:
    with read_only(vault.path) as reader:
        reader.session(WHO, "TREAT", context=IN_CARE)
        assert reader.context_tokens(IN_CARE) == vault.context_tokens(IN_CARE)
    vault.merge_access_logs()
    assert (opening(vault).encounter, opening(vault).order) == vault.context_tokens(IN_CARE)


def test_after_the_next_turn_nobody_can_make_the_token_again(vault: vaultfs.Vault, tmp_path: Path) -> None:
    """Neither the vault as it is then, nor a byte copy of it from before with the stores of today."""
    put(vault)
    with vault.session(WHO, "TREAT", context=IN_CARE) as s:
        subject = s.subjects(MRN)[0]
    kept = opening(vault)
    before = vault.context_tokens(IN_CARE)
    old = crashed(vault.path, tmp_path / "old")
    vault.keys.turn(PASSPHRASE, [subject])
    assert vault.context_tokens(IN_CARE).encounter != before.encounter == kept.encounter
    assert kept in events_of(vault, SessionOpened)
    vault.close()
    with reopen(vault.path) as again:
        assert again.context_tokens(IN_CARE).order != before.order
    store = old.with_name(old.name + ".epoch")
    for path in store.rglob("*"):
        if path.is_file():
            path.unlink()
    for path in vault.path.with_name(vault.path.name + ".epoch").rglob("*"):
        if path.is_file():
            (store / path.name).write_bytes(path.read_bytes())
    with pytest.raises(vaultfs.VaultError):
        reopen(old)


@pytest.mark.parametrize("text", ["", "x" * 2000, "\ud800"])
def test_a_context_is_text_that_can_be_kept(text: str) -> None:
    with pytest.raises(ArgumentInvalid):
        Context(encounter=text)
    with pytest.raises(ArgumentInvalid):
        Context(order=text)


def test_a_principal_has_no_more_roles_than_an_event_can_hold() -> None:
    roles = [str(number) for number in range(limits.MAX_ROLES + 1)]
    assert len(vaultfs.Principal("x", frozenset(roles[1:])).roles) == limits.MAX_ROLES
    with pytest.raises(ArgumentInvalid):
        vaultfs.Principal("x", frozenset(roles))


class TestSignatures:
    def test_what_a_person_signs_can_be_verified_from_the_log(self, opened: Open) -> None:
        vault = opened()
        key = Ed25519PrivateKey.generate()

        def attest(statement: bytes) -> PersonSignature:
            return PersonSignature(SignatureScheme.ED25519, b"badge 7", key.sign(statement))

        vault.session(WHO, "TREAT", context=IN_CARE, attest=attest)
        vault.settle()
        vault = opened(fresh=True)
        event = opening(vault)
        assert event.signature is not None
        assert (event.signature.scheme, event.signature.key_id) == (SignatureScheme.ED25519, b"badge 7")
        key.public_key().verify(event.signature.signature, statement_of(vault.id, event))

    def test_the_statement_is_the_documented_bytes(self, vault: vaultfs.Vault) -> None:
        given: list[bytes] = []

        def attest(statement: bytes) -> PersonSignature:
            given.append(statement)
            return PersonSignature(SignatureScheme.JWS, b"k", b"s")

        vault.session(WHO, "TREAT", strict=True, context=IN_CARE, attest=attest)
        event = opening(vault)
        label, rest = given[0][1 : 1 + given[0][0]], given[0][1 + given[0][0] :]
        assert label == labels.SESSION
        assert msgspec.msgpack.decode(rest) == [
            vault.id, event.session, event.at, "dr-who", ["physician"], "TREAT", True, 2, event.encounter, event.order,
        ]  # fmt: skip
        assert given == [statement_of(vault.id, event)]

    @pytest.mark.parametrize(
        "change",
        [
            {"at": 1}, {"session": bytes(16)}, {"principal": "x"}, {"roles": ()}, {"purpose": "x"}, {"strict": True},
            {"care_setting": CareSetting.AMB}, {"encounter": None}, {"order": bytes(16)},
        ],
        ids=lambda change: next(iter(change)),
    )  # fmt: skip
    def test_everything_but_the_signature_is_in_the_statement(
        self, vault: vaultfs.Vault, change: dict[str, Any]
    ) -> None:
        vault.session(WHO, "TREAT", context=IN_CARE)
        event = opening(vault)
        assert statement_of(vault.id, msgspec.structs.replace(event, **change)) != statement_of(vault.id, event)
        assert statement_of(bytes(16), event) != statement_of(vault.id, event)

    def test_a_failure_to_sign_ends_the_session_and_is_audited_without_its_text(self, vault: vaultfs.Vault) -> None:
        canaries = Canaries()
        secret = canaries.text("attest")

        def raising(_: bytes) -> PersonSignature:
            raise RuntimeError(secret)

        failing: list[Callable[[bytes], Any]] = [
            raising,
            lambda _: None,
            lambda _: b"signature",
            lambda _: PersonSignature(SignatureScheme.CMS, b"", b"s"),
            lambda _: PersonSignature(SignatureScheme.CMS, b"k" * 65, b"s"),
            lambda _: PersonSignature(SignatureScheme.CMS, b"k", bytes(limits.MAX_PERSON_SIGNATURE + 1)),
            lambda _: PersonSignature(cast("SignatureScheme", 99), b"k", b"s"),
        ]
        for attest in failing:
            with pytest.raises(AttestationFailed) as told:
                vault.session(WHO, "TREAT", context=IN_CARE, attest=attest)
            assert told.value.__context__ is None
            journal = vault.engine.writer().journal
            assert journal.durable == journal.last_group
            event = opening(vault)
            assert (event.outcome, event.signature) == (vaultfs.Outcome.FAILED, None)
        assert secret not in repr(told.value)
        assert len(events_of(vault, SessionOpened)) == len(failing)
