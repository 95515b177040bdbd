"""Keys, ids and salts: where they come from, that none serves twice, and where they must not be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from vaultfs_format.entries import Role
from vaultfs_format.epoch import EpochSecret
from vaultfs_format.keytable import KeyTable

import vaultfs
from tests.vaultfs import support
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, OTHER, put
from vaultfs.engine.opening.replay import FoundFrame, live_frames, segment_frames
from vaultfs.errors import EpochSecretMissing, StorageFailed, VaultError


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return everything that the operating system's random source has given out."""
    given: list[bytes] = []

    def draw(length: int) -> bytes:
        given.append(real(length))
        return given[-1]

    real = os.urandom
    monkeypatch.setattr(os, "urandom", draw)
    return given


def _life(vault: vaultfs.Vault) -> None:
    for year in (2001, 2002):
        for subject in (MRN, OTHER):
            put(vault, subject=subject, date=date(year, 1, 1))
        put(vault, os.urandom(70_000))
        vault.settle()
    put(vault, subject=None)


def _frames(vault: vaultfs.Vault) -> Iterator[FoundFrame]:
    for row in vault.engine.head.segments:
        yield from segment_frames(vault.engine, row)
    yield from live_frames(vault.engine)


def test_keys_ids_and_salts_come_from_the_operating_system(drawn: list[bytes], opened: Open) -> None:
    vault = opened()
    _life(vault)
    given = b"".join(drawn)
    used = [vault.id]
    for frame in _frames(vault):
        used += [frame.row.header.frame_id, frame.key]
        block = frame.entries()
        keys = [entry for entry in block.entries if entry.role == Role.SUBJECT]
        used += [frame.body()[entry.offset : entry.offset + entry.length] for entry in keys]
        used += [block.subject] if any(block.subject) else []
    used += [row.segment_id for row in vault.engine.head.segments]
    used += [part for live in vault.engine.live for part in (live.journal.header.journal_id, live.journal.header.salt)]
    used += [KeyTable.decode(path.read_bytes()).salt for path in vault.path.glob("segments/**/*.vkey.*")]
    assert len(used) > 30
    assert [one for one in used if one not in given] == []


def test_every_frame_has_a_key_of_its_own(opened: Open) -> None:
    vault = opened()
    _life(vault)
    keys = {frame.row.header.frame_id: frame.key for frame in _frames(vault)}
    assert len(set(keys.values())) == len(keys) > 8


def test_every_key_table_has_a_salt_of_its_own(opened: Open) -> None:
    vault = opened()
    _life(vault)
    salts = [KeyTable.decode(path.read_bytes()).salt for path in vault.path.glob("segments/**/*.vkey.*")]
    assert len(set(salts)) == len(salts) > 3


def test_a_frame_has_the_records_of_one_subject(opened: Open) -> None:
    vault = opened()
    with support.session(vault) as session, session.transaction() as txn:
        for number in range(20):
            txn.put(b"%d" % number, kind="Observation", subject=(MRN, OTHER, None)[number % 3])
    found = 0
    for frame in _frames(vault):
        body, entries = frame.body(), frame.entries().entries
        texts = [body[one.offset : one.offset + one.length] for one in entries if one.role == Role.RECORD]
        assert len({int(text) % 3 for text in texts}) <= 1
        found += len(texts)
    assert found == 20


def test_no_file_of_a_vault_has_its_epoch_secret(opened: Open) -> None:
    vault = opened()
    _life(vault)
    store = vaultfs.DirectoryStore(vault.path.with_name(vault.path.name + ".epoch"))
    secret = store.get(vault.id, 1).secret
    files = [path.read_bytes() for path in vault.path.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert not any(secret in data for data in files)


class Forgetful(vaultfs.DirectoryStore):
    """A store that says it has kept a secret, and has not."""

    def put(self, secret: EpochSecret) -> None:
        """Keep nothing."""


class Mistaken(vaultfs.DirectoryStore):
    """A store that keeps another secret than the one that it is given."""

    def put(self, secret: EpochSecret) -> None:
        """Keep zeros."""
        super().put(replace(secret, secret=bytes(32)))


class Unreachable(vaultfs.DirectoryStore):
    """A store of a host that cannot be reached, and says more than it should."""

    def put(self, secret: EpochSecret) -> None:
        """Keep nothing."""
        raise ConnectionError("https://user:password@host")


@pytest.mark.parametrize(
    ("kind", "refused_with"),
    [(Forgetful, EpochSecretMissing), (Mistaken, EpochSecretMissing), (Unreachable, StorageFailed)],
)
def test_nothing_is_written_before_every_store_gives_the_epoch_secret_back(
    tmp_path: Path, kind: type[vaultfs.DirectoryStore], refused_with: type[VaultError]
) -> None:
    stores = [vaultfs.DirectoryStore(tmp_path / "good"), kind(tmp_path / "bad")]
    with pytest.raises(refused_with) as refused:
        support.create(tmp_path / "v", epoch_stores=stores)
    assert not isinstance(refused.value.__context__, ConnectionError), "its text may hold anything"
    assert not (tmp_path / "v").exists()
    assert [*tmp_path.rglob("secret.*")] == []
