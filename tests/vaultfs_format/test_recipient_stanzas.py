"""Stanzas for tokens, escrow and key services of the host: read strictly, and opened by their one secret."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding, aes_key_wrap_with_padding
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import limits
from vaultfs_format.errors import (
    CommitmentMismatch,
    DecryptionFailed,
    FieldInvalid,
    LimitExceeded,
    Structure,
    TrailingBytes,
    Truncated,
    VaultError,
)
from vaultfs_format.escrowstanza import ESCROW, GROUP, EscrowStanza, Group, SharePlan
from vaultfs_format.hoststanza import HOST, HostStanza
from vaultfs_format.stanza import RootSeal, Stanza, StanzaType, place_of, seal_passphrase, seal_root
from vaultfs_format.stanzas import AnyStanza, parsed, stanza_id
from vaultfs_format.suite import DEFAULT
from vaultfs_format.tokenstanza import TOKEN, WRAPPED_SECRET, Mechanism, TokenStanza

from tests.vaultfs_format.examples import CHEAP, PASSPHRASE, ROOT_KEY, VAULT_ID

SECRET, SALT = b"s" * 32, b"p" * 32
SEAL = seal_root(DEFAULT, VAULT_ID, ROOT_KEY, SECRET, SALT)
FIELDS = b"".join(SEAL.fields())
PLAN = SharePlan(1234, 1, 2, [Group(2, 3), Group(1, 1), Group(3, 5)])
TOKENS = TokenStanza(Mechanism.AES_KWP, b"\1\2\3", b"w" * 40, SEAL)
ESCROWED = EscrowStanza(PLAN, SEAL)
HOSTED = HostStanza("key/1", b"wrapped", SEAL)
SEALED: list[TokenStanza | EscrowStanza | HostStanza] = [TOKENS, ESCROWED, HOSTED]


def test_bodies_are_as_the_specification_writes_them() -> None:
    assert TOKENS.encode() == b"\1\0\3\0" + b"w" * 40 + FIELDS + b"\1\2\3"
    assert ESCROWED.encode() == b"\xd2\4\1\2\3\0\0\0" + FIELDS + b"\2\3\1\1\3\5"
    assert HOSTED.encode() == b"\5\0\7\0" + FIELDS + b"key/1wrapped"


def test_the_place_is_as_the_specification_writes_it() -> None:
    assert place_of(StanzaType.HOST, VAULT_ID, SALT) == b"\x10vaultfs/0/stanza\6\0" + VAULT_ID + SALT


@pytest.mark.parametrize(
    ("plain", "wrapped"),
    [
        (
            "c37b7e6492584340bed12207808941155068f738",
            "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
        ),
        ("466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"),
    ],
)
def test_a_token_wraps_as_rfc_5649_says(plain: str, wrapped: str) -> None:
    """The two examples of RFC 5649, section 6."""
    key = bytes.fromhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
    assert aes_key_wrap_with_padding(key, bytes.fromhex(plain)).hex() == wrapped
    assert aes_key_unwrap_with_padding(key, bytes.fromhex(wrapped)).hex() == plain


def test_a_secret_has_the_size_that_a_stanza_has_room_for_once_it_is_wrapped() -> None:
    wrapped = aes_key_wrap_with_padding(b"k" * 32, SECRET)
    assert len(wrapped) == WRAPPED_SECRET
    assert aes_key_unwrap_with_padding(b"k" * 32, wrapped) == SECRET


@pytest.mark.parametrize("stanza", SEALED, ids=lambda one: type(one).__name__)
def test_what_is_written_is_read_and_opens_with_its_secret(stanza: TokenStanza) -> None:
    found = type(stanza).decode(memoryview(stanza.encode()))
    assert found == stanza
    assert found.open(DEFAULT, VAULT_ID, SECRET) == ROOT_KEY
    with pytest.raises(CommitmentMismatch):
        found.open(DEFAULT, VAULT_ID, b"t" * 32)
    with pytest.raises(DecryptionFailed):
        found.open(DEFAULT, bytes(16), SECRET)


@pytest.mark.parametrize("stanza", SEALED, ids=lambda one: type(one).__name__)
def test_the_body_has_the_size_that_it_states(stanza: TokenStanza) -> None:
    body = stanza.encode()
    for length in range(len(body)):
        with pytest.raises(Truncated):
            type(stanza).decode(body[:length])
    with pytest.raises(TrailingBytes):
        type(stanza).decode(body + b"\0")


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read_as_they_stand(data: bytes) -> None:
    for kind in StanzaType:
        try:
            found = parsed(DEFAULT, Stanza(kind, data))
        except VaultError:
            continue
        assert found is not None
        assert found.encode() == data


def token(mechanism: int, key_id: bytes, length: int | None = None) -> bytes:
    return TOKEN.pack(mechanism, len(key_id) if length is None else length, bytes(40), *SEAL.fields()) + key_id


@pytest.mark.parametrize(
    ("body", "error", "rule"),
    [
        (token(0, b"id"), FieldInvalid, 5),
        (token(2, b"id"), FieldInvalid, 5),
        (token(1, b""), FieldInvalid, 6),
        (token(1, b"x" * 65), LimitExceeded, None),
        (token(1, b"", 0xFFFF), LimitExceeded, None),
    ],
)
def test_what_no_token_stanza_holds_is_refused(body: bytes, error: type[VaultError], rule: int | None) -> None:
    with pytest.raises(error) as refused:
        TokenStanza.decode(body)
    assert refused.value.facts["structure"] is Structure.STANZA
    assert refused.value.facts.get("rule") == rule


def test_the_longest_key_id_is_taken() -> None:
    assert TokenStanza.decode(token(1, b"x" * 64)).key_id == b"x" * 64


GOOD = [(2, 3)]


@pytest.mark.parametrize(
    ("identifier", "exponent", "threshold", "groups", "error", "rule"),
    [
        (1 << 15, 1, 1, GOOD, FieldInvalid, 7),
        (1, 1, 0, GOOD, FieldInvalid, 8),
        (1, 1, 2, GOOD, FieldInvalid, 8),
        (1, 1, 1, [], FieldInvalid, 8),
        (1, 1, 1, [(0, 1)], FieldInvalid, 9),
        (1, 1, 1, [(2, 1)], FieldInvalid, 9),
        (1, 1, 1, [(1, 2)], FieldInvalid, 9),
        (1, limits.MAX_ESCROW_EXPONENT + 1, 1, GOOD, LimitExceeded, None),
        (1, 1, 1, GOOD * 17, LimitExceeded, None),
        (1, 1, 1, [(2, 17)], LimitExceeded, None),
    ],
)
def test_what_no_secret_can_be_shared_by_is_refused(
    identifier: int, exponent: int, threshold: int, groups: list[tuple[int, int]], error: type[VaultError], rule: int
) -> None:
    body = ESCROW.pack(identifier, exponent, threshold, len(groups), *SEAL.fields())
    body += b"".join(GROUP.pack(*group) for group in groups)
    with pytest.raises(error) as refused:
        EscrowStanza.decode(body)
    assert refused.value.facts["structure"] is Structure.STANZA
    assert refused.value.facts.get("rule") == rule


def test_negative_costs_of_a_plan_are_refused() -> None:
    for plan in (replace(PLAN, iteration_exponent=-1), replace(PLAN, identifier=-1)):
        with pytest.raises(FieldInvalid):
            plan.check()


def test_the_largest_escrow_is_taken() -> None:
    plan = SharePlan(32767, limits.MAX_ESCROW_EXPONENT, 16, [Group(16, 16)] * 16)
    stanza = EscrowStanza(plan, SEAL)
    assert EscrowStanza.decode(stanza.encode()) == stanza


def host(name: bytes, blob: bytes, named: int | None = None, wrapped: int | None = None) -> bytes:
    lengths = len(name) if named is None else named, len(blob) if wrapped is None else wrapped
    return HOST.pack(*lengths, *SEAL.fields()) + name + blob


@pytest.mark.parametrize(
    ("body", "error", "rule"),
    [
        (host(b"", b"b"), FieldInvalid, 10),
        (host(b"n", b""), FieldInvalid, 10),
        (host(b"n" * 65, b"b"), LimitExceeded, None),
        (host(b"n", b"", wrapped=limits.MAX_HOST_BLOB + 1), LimitExceeded, None),
        (host(b"n\n", b"b"), FieldInvalid, 11),
        (host(b"\xe9", b"b"), FieldInvalid, 11),
    ],
)
def test_what_no_host_stanza_holds_is_refused(body: bytes, error: type[VaultError], rule: int | None) -> None:
    with pytest.raises(error) as refused:
        HostStanza.decode(body)
    assert refused.value.facts["structure"] is Structure.STANZA
    assert refused.value.facts.get("rule") == rule


@pytest.mark.parametrize(
    "stanza", [HostStanza("", b"b", SEAL), HostStanza("é", b"b", SEAL), HostStanza("n", b"", SEAL)]
)
def test_what_could_not_be_read_is_not_written(stanza: HostStanza) -> None:
    with pytest.raises(FieldInvalid):
        stanza.encode()


def test_the_longest_names_and_blobs_are_taken_and_fit() -> None:
    stanza = HostStanza("n" * 64, b"b" * limits.MAX_HOST_BLOB, SEAL)
    assert HostStanza.decode(stanza.encode()) == stanza
    assert len(stanza.encode()) <= limits.MAX_STANZA


def kinds() -> list[tuple[int, AnyStanza]]:
    passphrase = seal_passphrase(DEFAULT, VAULT_ID, ROOT_KEY, PASSPHRASE, SALT, CHEAP)
    return [(1, passphrase), (4, TOKENS), (5, ESCROWED), (6, HOSTED)]


def test_a_stanza_is_named_by_its_salt() -> None:
    for kind, stanza in kinds():
        assert parsed(DEFAULT, Stanza(kind, stanza.encode())) == stanza
        assert stanza_id(DEFAULT, Stanza(kind, stanza.encode())) == SALT[:8]


def test_a_stanza_of_a_type_that_is_not_known_has_a_name_too() -> None:
    strange = Stanza(99, b"of the future")
    assert parsed(DEFAULT, strange) is None
    assert stanza_id(DEFAULT, strange) == DEFAULT.digest(b"of the future")[:8]


def test_a_ciphertext_for_two_secrets_is_refused() -> None:
    """A commitment is to one key: whatever was found that opens under two of them, one of the two is refused first."""
    other = seal_root(DEFAULT, VAULT_ID, bytes(32), b"t" * 32, SALT)
    for seal in (
        RootSeal(SALT, SEAL.commitment, other.sealed_root),
        RootSeal(SALT, other.commitment, SEAL.sealed_root),
    ):
        for secret in (SECRET, b"t" * 32):
            with pytest.raises((CommitmentMismatch, DecryptionFailed)):
                seal.open(DEFAULT, VAULT_ID, secret)
