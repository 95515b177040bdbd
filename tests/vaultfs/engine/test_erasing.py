"""The index in another epoch: every identifier token has its new key, however many there are, in bounded memory."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest
from vaultfs_format.keyring import Turn
from vaultfs_format.suite import DEFAULT

from vaultfs.engine.custody import erasing
from vaultfs.engine.custody.erasing import rekey_aliases
from vaultfs.engine.indexing.index import HANDLE, Index
from vaultfs.keys.chain import KeyChain, new_keyring, turned_keyring
from vaultfs.kinds import encode_names

VAULT = bytes(range(16))
BLOCK = 500


def two_epochs() -> tuple[KeyChain, KeyChain]:
    """Return the keys of the first epoch of a vault, and those of the next."""
    old, new = os.urandom(32), os.urandom(32)
    first = new_keyring(DEFAULT, VAULT, 1, old, encode_names([], []), bytes(96), 1, bytes(96))
    second = turned_keyring(first, old, 2, new, {}, Turn(time=1))
    return KeyChain(DEFAULT, 1, old, first), KeyChain(DEFAULT, 2, new, second)


OLD, NEW = two_epochs()
Aliases = list[tuple[bytes, bytes, bytes]]
"""Identifier token, subject, and frame of each."""


def aliases(count: int) -> Aliases:
    """Return rows that are made up; every third token is claimed by two subjects."""
    tokens = [os.urandom(16) for _ in range(count)]
    tokens[::3] = [tokens[at - at % 2] for at in range(0, count, 3)]
    return [(token, os.urandom(16), HANDLE.pack(number)) for number, token in enumerate(tokens)]


def rows_of(found: Aliases, keys: KeyChain) -> list[tuple[bytes, bytes]]:
    """Return the rows that an index has of them in an epoch, in its order."""
    tokens = keys.alias_keys([token for token, _, _ in found])
    return sorted((key + subject, frame) for key, (_, subject, frame) in zip(tokens, found, strict=True))


def filled(place: Path, found: Aliases) -> Index:
    """Return an index of the old epoch."""
    index = Index(place)
    with index.writing() as txn:
        txn.cursor(index.tables.aliases).putmulti(rows_of(found, OLD))
    return index


def rekeyed(index: Index) -> list[tuple[bytes, bytes]]:
    """Give an index the keys of the new epoch, and return the rows that it has then."""
    with index.writing() as txn:
        rekey_aliases(index, txn, OLD, NEW)
    with index.reading() as txn:
        return [(bytes(key), bytes(frame)) for key, frame in txn.cursor(index.tables.aliases)]


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 1])
def test_every_token_has_its_key_of_the_new_epoch(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "_BLOCK", BLOCK)
    found = aliases(count)
    index = filled(tmp_path / "index", found)
    assert rekeyed(index) == rows_of(found, NEW)
    index.close()


@pytest.mark.parametrize("count", [3, 3 * BLOCK])
def test_no_page_ever_has_the_new_key_of_who_is_gone(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "_BLOCK", BLOCK)
    found = aliases(count)
    gone, left = found[1::2], found[::2]
    index = filled(tmp_path / "index", found)
    with index.writing() as txn:
        rekey_aliases(index, txn, OLD, NEW, {subject for _, subject, _ in gone})
    with index.reading() as txn:
        assert [(bytes(key), bytes(frame)) for key, frame in txn.cursor(index.tables.aliases)] == rows_of(left, NEW)
    index.close()
    pages = (tmp_path / "index" / "data.mdb").read_bytes()
    assert [key for key, _ in rows_of(left, NEW) if key not in pages] == []
    assert [key for key, _ in rows_of(gone, NEW) if key in pages] == []


def test_memory_does_not_grow_with_the_number_of_identifiers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "_BLOCK", BLOCK)

    def peak(count: int) -> int:
        index = filled(tmp_path / str(count), aliases(count))
        tracemalloc.start()
        with index.writing() as txn:
            rekey_aliases(index, txn, OLD, NEW)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        index.close()
        return found

    few = peak(2 * BLOCK)
    assert peak(16 * BLOCK) < 2 * few
