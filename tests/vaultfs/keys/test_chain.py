"""The key chain: ids and tokens are keyed, stable, apart from each other, and the same from any thread."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from vaultfs_format.keyring import Compartment, Keyring, Turn, seal_keyring
from vaultfs_format.keytable import seal_table
from vaultfs_format.signing import draw_seeds
from vaultfs_format.suite import DEFAULT

from vaultfs.engine.reading.subjects import encode_identifier
from vaultfs.errors import ArgumentInvalid, CommitmentMismatch, NotFound
from vaultfs.keys.chain import KeyChain, new_keyring, open_signing, turned_keyring
from vaultfs.kinds import encode_names
from vaultfs.model import Identifier, RecordId

ROOT, VAULT = os.urandom(32), os.urandom(16)


def _chain(root: bytes = ROOT, vault: bytes = VAULT, epoch: int = 1) -> KeyChain:
    return KeyChain(DEFAULT, epoch, root, _keyring(root, vault, epoch))


def _keyring(root: bytes = ROOT, vault: bytes = VAULT, epoch: int = 1) -> Keyring:
    return new_keyring(DEFAULT, vault, epoch, root, encode_names([], []), bytes(96), 1, bytes(96))


@pytest.fixture
def chain() -> KeyChain:
    """Return a key chain."""
    return _chain()


@pytest.mark.parametrize(("incarnation", "number"), [(0, 1), (0, 2**64 - 1), (2**32 - 1, 0), (7, 1 << 40)])
def test_an_id_leads_back_to_its_number(chain: KeyChain, incarnation: int, number: int) -> None:
    record = chain.record_id(incarnation, number)
    assert isinstance(record, RecordId)
    assert chain.number_of(record) == incarnation.to_bytes(4, "big") + number.to_bytes(8, "big")


def test_ids_in_a_row_are_the_ids_one_by_one(chain: KeyChain) -> None:
    assert list(chain.record_ids(3, 1000, 300)) == [chain.record_id(3, 1000 + n) for n in range(300)]


def test_an_id_that_was_not_given_out_is_not_found_and_does_no_harm(chain: KeyChain) -> None:
    good = chain.record_id(0, 5)
    for wrong in (b"", b"x", good[:-1], good + b"x", bytes(16), os.urandom(16), _chain().record_id(0, 5)):
        with pytest.raises(NotFound):
            chain.number_of(wrong)
        assert chain.number_of(good) == bytes(11) + b"\x05"
        assert chain.record_id(0, 5) == good


def test_ids_and_tokens_are_the_same_from_every_thread(chain: KeyChain) -> None:
    name = encode_identifier(Identifier("urn:x", "1"))

    def draw() -> list[bytes]:
        token = chain.identifier_token(name)
        return [*chain.record_ids(0, 1, 500), token, *chain.alias_keys([token]), chain.state_token("ns", b"k")]

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(draw) for _ in range(16)]
    assert {tuple(one.result()) for one in found} == {tuple(draw())}


@pytest.mark.parametrize(
    ("incarnation", "first", "amount"),
    [(0, 1, 300), (7, 2**32 - 3, 10), (2**32 - 1, 2**33 - 1, 1), (2**32 - 1, 2**64 - 4, 4), (1, 5, 0)],
)
def test_ids_that_are_made_together_are_those_of_each_number(
    chain: KeyChain, incarnation: int, first: int, amount: int
) -> None:
    each = [chain.record_id(incarnation, number) for number in range(first, first + amount)]
    assert chain.record_ids(incarnation, first, amount) == each
    assert [chain.number_of(one) for one in each] == [
        incarnation.to_bytes(4, "big") + number.to_bytes(8, "big") for number in range(first, first + amount)
    ]


def test_tokens_of_different_things_differ(chain: KeyChain) -> None:
    tokens = [
        chain.identifier_token(encode_identifier(Identifier("ab", "c"))),
        chain.identifier_token(encode_identifier(Identifier("a", "bc"))),
        chain.state_token("ab", b"c"),
        chain.state_token("a", b"bc"),
        chain.source_token("ab", "c"),
        chain.source_token("a", "bc"),
        chain.source_token("a\udcff", "b"),
        chain.content_id(chain.nobody_content_key, b"abc"),
        chain.content_id(bytes(32), b"abc"),
        _chain().identifier_token(encode_identifier(Identifier("ab", "c"))),
    ]
    assert len(set(tokens)) == len(tokens)
    assert {len(token) for token in tokens} == {16}


def test_content_is_named_the_same_in_one_piece_or_many(chain: KeyChain) -> None:
    data = os.urandom(5000)
    hasher = chain.content_hasher(chain.nobody_content_key)
    for at in range(0, len(data), 777):
        hasher.update(data[at : at + 777])
    assert hasher.digest()[:16] == chain.content_id(chain.nobody_content_key, data)


def test_the_index_key_of_a_token_changes_with_the_epoch() -> None:
    ring = _keyring()
    token = bytes(16)
    one = KeyChain(DEFAULT, 1, ROOT, ring)
    other_root = os.urandom(32)
    two = KeyChain(DEFAULT, 2, other_root, turned_keyring(ring, ROOT, 2, other_root, {}, Turn(1, 0)))
    assert one.alias_keys([token]) != two.alias_keys([token])


def test_a_wrong_root_opens_no_keyring() -> None:
    ring = _keyring()
    with pytest.raises(CommitmentMismatch):
        KeyChain(DEFAULT, 1, bytes(32), ring)


def test_a_chain_shows_no_key(chain: KeyChain) -> None:
    shown = repr(chain) + str(chain) + repr(chain._ciphers)
    for secret in (chain.epoch_root, chain._identifier_key, chain.nobody_content_key):
        assert secret.hex() not in shown
        assert repr(secret) not in shown


@pytest.mark.parametrize("namespace", ["", "half a pair \ud800"])
def test_a_namespace_that_no_state_can_have_is_refused(chain: KeyChain, namespace: str) -> None:
    with pytest.raises(ArgumentInvalid):
        chain.state_token(namespace, b"k")


def test_what_a_later_version_has_in_a_keyring_outlives_a_turn() -> None:
    """In every compartment, that of a signer included who is replaced."""
    ring, later, seeds = _keyring(), os.urandom(32), draw_seeds(DEFAULT, os.urandom)
    content = {number: {**ring.open(ROOT, Compartment(number)), 200: b"later"} for number in ring.compartments}
    strange = seal_keyring(DEFAULT, VAULT, 1, ROOT, bytes(32), content)
    for signer in (None, (2, seeds)):
        turned = turned_keyring(strange, ROOT, 2, later, {}, Turn(1, 0), signer)
        for number in Compartment:
            assert turned.open(later, number)[200] == b"later"
    assert open_signing(turned, later).signer.number == 2


def test_a_table_of_an_earlier_epoch_opens_by_the_keyring_alone() -> None:
    """Its key was destroyed if the keyring does not have it."""
    segment, later = bytes(range(16)), os.urandom(32)
    table = seal_table(DEFAULT, VAULT, segment, 1, ROOT, os.urandom(32), [os.urandom(32)])
    key = _chain().table_key(table)
    for kept in ({segment: key}, {}):
        keyring = turned_keyring(_keyring(), ROOT, 2, later, kept, Turn(1, 0))
        turned = KeyChain(DEFAULT, 2, later, keyring)
        if kept:
            assert turned.table_key(table) == key
        else:
            with pytest.raises(CommitmentMismatch):
                turned.table_key(table)
