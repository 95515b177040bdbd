"""The keyring: compartments that open apart, of one vault and one epoch."""

from __future__ import annotations

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import limits
from vaultfs_format.errors import (
    CommitmentMismatch,
    DecryptionFailed,
    FieldInvalid,
    LimitExceeded,
    NotAuthentic,
    Structure,
    Truncated,
    VaultError,
)
from vaultfs_format.keyring import COMPARTMENT, HEADER, ITEM, TURN, Compartment, Keyring, Tag, Values, seal_keyring
from vaultfs_format.layout import Buffer
from vaultfs_format.suite import DEFAULT
from vectors.world import with_digest

from tests.vaultfs_format.examples import EPOCH_ROOT, KEYRING, KEYRING_VALUES, VAULT_ID
from tests.vaultfs_format.memory import peak_of

SALT = b"n" * 32
DATA = KEYRING.encode()
GOOD: Values = KEYRING_VALUES[Compartment.DATA]


def derive(key: Buffer, label: bytes, context: bytes, length: int) -> bytes:
    """Return what the specification calls D(key, label, context, length)."""
    return blake3(bytes([len(label)]) + label + context, key=key).digest(length=length)


def test_a_compartment_is_as_the_specification_seals_it() -> None:
    derived = derive(EPOCH_ROOT, b"vaultfs/0/keyring", VAULT_ID + b"\1\0\0\0" + SALT, 64)
    bound = b"\2\0" + SALT
    key = derive(derived[32:], b"vaultfs/0/keyring-compartment", bound, 32)
    plain = ITEM.pack(1, 4) + b"\1\0\0\0" + ITEM.pack(2, 96) + bytes(range(96)) + ITEM.pack(7, 0)
    assert KEYRING.commitment == derived[:32]
    assert KEYRING.compartments[2] == AESGCM(key).encrypt(bytes(12), plain, bound)


@given(st.dictionaries(st.integers(3, 65535), st.binary(max_size=50), max_size=5), st.integers(1, 2**32 - 1))
def test_what_is_written_is_read(signing: dict[int, bytes], epoch: int) -> None:
    signing |= {1: b"\1\0\0\0", 2: bytes(96)}
    data_values = GOOD if epoch == 1 else {**GOOD, Tag.TURN: TURN.pack(7, 0)}
    content: dict[int, Values] = {Compartment.DATA: data_values, Compartment.SIGNING: signing}
    written = seal_keyring(DEFAULT, VAULT_ID, epoch, EPOCH_ROOT, SALT, content)
    data = written.encode()
    found = Keyring.decode(memoryview(data))
    assert found == written
    assert found.encode() == data
    assert found.open(EPOCH_ROOT, Compartment.SIGNING) == signing
    assert found.open(EPOCH_ROOT, Compartment.DATA) == data_values


def test_another_epoch_root_is_told_by_the_commitment() -> None:
    with pytest.raises(CommitmentMismatch):
        KEYRING.open(bytes(32), Compartment.DATA)


def test_a_compartment_that_is_not_there_is_not_authentic() -> None:
    data_only = seal_keyring(DEFAULT, VAULT_ID, 1, EPOCH_ROOT, SALT, {Compartment.DATA: GOOD})
    with pytest.raises(NotAuthentic):
        Keyring.decode(data_only.encode()).open(EPOCH_ROOT, Compartment.SIGNING)


def test_exchanged_compartments_are_refused() -> None:
    exchanged = Keyring(
        DEFAULT,
        VAULT_ID,
        1,
        SALT,
        KEYRING.commitment,
        {1: KEYRING.compartments[2], 2: KEYRING.compartments[3], 3: KEYRING.compartments[1]},
    )
    for compartment in Compartment:
        with pytest.raises(DecryptionFailed):
            Keyring.decode(exchanged.encode()).open(EPOCH_ROOT, compartment)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {Tag.REGISTRY: b"", Tag.RECORD_ID_KEY: bytes(32)},
        {Tag.RECORD_ID_KEY: bytes(32), Tag.IDENTIFIER_KEY: bytes(32)},
        {**GOOD, Tag.RECORD_ID_KEY: bytes(16)},
        {**GOOD, Tag.IDENTIFIER_KEY: bytes(33)},
        {**GOOD, Tag.ACCESS_KEY: b""},
    ],
)
def test_data_without_its_keys_is_refused(values: Values) -> None:
    keyring = seal_keyring(DEFAULT, VAULT_ID, 1, EPOCH_ROOT, SALT, {Compartment.DATA: values})
    with pytest.raises(FieldInvalid) as refused:
        keyring.open(EPOCH_ROOT, Compartment.DATA)
    assert refused.value.facts["rule"] == 5


@pytest.mark.parametrize(("epoch", "values"), [(2, GOOD), (1, {**GOOD, Tag.TURN: TURN.pack(7, 0)})])
def test_how_the_epoch_began_is_stated_of_every_epoch_but_the_first(epoch: int, values: Values) -> None:
    """Without it nobody would know which copies are behind, nor that earlier secrets wait to be destroyed."""
    keyring = seal_keyring(DEFAULT, VAULT_ID, epoch, EPOCH_ROOT, SALT, {Compartment.DATA: values})
    with pytest.raises(FieldInvalid) as refused:
        keyring.open(EPOCH_ROOT, Compartment.DATA)
    assert refused.value.facts == {"structure": Structure.KEYRING, "rule": 10}


@pytest.mark.parametrize("values", [{}, {1: bytes(95)}, {1: bytes(97)}, {2: bytes(96)}])
def test_an_inbox_without_its_key_is_refused(values: Values) -> None:
    keyring = seal_keyring(DEFAULT, VAULT_ID, 1, EPOCH_ROOT, SALT, {Compartment.DATA: GOOD, Compartment.INBOX: values})
    with pytest.raises(FieldInvalid) as refused:
        keyring.open(EPOCH_ROOT, Compartment.INBOX)
    assert refused.value.facts["rule"] == 6


@pytest.mark.parametrize(
    ("plain", "error"),
    [
        (ITEM.pack(0, 0), FieldInvalid),
        (ITEM.pack(2, 0) + ITEM.pack(1, 0), FieldInvalid),
        (ITEM.pack(1, 0) + ITEM.pack(1, 0), FieldInvalid),
        (ITEM.pack(1, 2) + b"x", FieldInvalid),
        (ITEM.pack(1, 2**32 - 1), FieldInvalid),
        (ITEM.pack(1, 0) + b"rest", Truncated),
    ],
)
def test_items_that_are_out_of_order_or_place_are_refused(plain: bytes, error: type[VaultError]) -> None:
    derived = derive(EPOCH_ROOT, b"vaultfs/0/keyring", VAULT_ID + b"\1\0\0\0" + SALT, 64)
    bound = b"\2\0" + SALT
    key = derive(derived[32:], b"vaultfs/0/keyring-compartment", bound, 32)
    sealed = AESGCM(key).encrypt(bytes(12), plain, bound)
    keyring = Keyring(DEFAULT, VAULT_ID, 1, SALT, derived[:32], {1: bytes(16), 2: sealed})
    with pytest.raises(error):
        keyring.open(EPOCH_ROOT, Compartment.SIGNING)


def raw(count: int, *compartments: tuple[int, int, bytes], epoch: int = 1) -> bytes:
    """Return a keyring of compartments with stated numbers and lengths, with a digest that fits."""
    body = b"".join(COMPARTMENT.pack(number, length) + data for number, length, data in compartments)
    header = HEADER.pack(DATA[:16], VAULT_ID, epoch, count, SALT, bytes(32))
    return with_digest(header + body + bytes(32))


SEALED = bytes(16)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (raw(1, (1, 16, SEALED), epoch=0), 1),
        (raw(1, (0, 16, SEALED)), 2),
        (raw(1, (4, 16, SEALED)), 2),
        (raw(2, (2, 16, SEALED), (1, 16, SEALED)), 2),
        (raw(2, (1, 16, SEALED), (1, 16, SEALED)), 2),
        (raw(1, (1, 15, SEALED[1:])), 2),
        (raw(1, (1, 17, SEALED)), 2),
        (raw(1, (1, 16, SEALED + b"x")), 3),
        (raw(1, (2, 16, SEALED)), 3),
        (raw(0), 3),
    ],
)
def test_a_broken_rule_is_named(data: bytes, rule: int) -> None:
    with peak_of(100_000), pytest.raises(FieldInvalid) as refused:
        Keyring.decode(data)
    assert refused.value.facts == {"structure": Structure.KEYRING, "rule": rule}


def test_more_compartments_or_bytes_than_there_can_be_are_refused_before_the_digest() -> None:
    with pytest.raises(LimitExceeded):
        Keyring.decode(raw(4, (1, 16, SEALED)))
    with pytest.raises(LimitExceeded):
        Keyring.decode(raw(0, (1, 16, SEALED)))
    for length in (limits.MAX_COMPARTMENT + 17, 2**32 - 1):
        with pytest.raises(LimitExceeded):
            Keyring.decode(raw(1, (1, length, SEALED)))
    with pytest.raises(FieldInvalid):
        Keyring.decode(raw(1, (1, limits.MAX_COMPARTMENT + 16, SEALED)))
    huge = bytearray(raw(1, (1, 16, SEALED)))
    huge.extend(bytes(limits.MAX_COMPARTMENT + 16))
    with peak_of(100_000), pytest.raises(LimitExceeded):
        Keyring.decode(huge)


def test_a_keyring_that_ends_in_its_digest_is_truncated() -> None:
    for length in range(16, HEADER.size + 32):
        with pytest.raises(Truncated):
            Keyring.decode(DATA[:length])
    with pytest.raises(Truncated):
        Keyring.decode(raw(1, (1, 16, SEALED))[: HEADER.size + 20])


def test_a_compartment_whose_header_is_cut_is_truncated() -> None:
    header = HEADER.pack(DATA[:16], VAULT_ID, 1, 1, SALT, bytes(32))
    with pytest.raises(Truncated):
        Keyring.decode(with_digest(header + b"\1\0\0" + bytes(32)))
