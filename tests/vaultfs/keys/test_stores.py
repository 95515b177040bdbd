"""A directory keeps epoch secrets, and gives out none but the one that is asked for."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
from vaultfs_format.epoch import EpochSecret
from vaultfs_format.suite import DEFAULT

from vaultfs.errors import EpochSecretMissing, StorageFailed, StorageFull, VaultError
from vaultfs.keys.stores import DirectoryStore, put_new
from vaultfs.testing.vfs import FaultyVfs, Operation
from vaultfs.vfs import Vfs

VAULT = os.urandom(16)
SECRET = EpochSecret(DEFAULT, VAULT, 1, os.urandom(32))


def test_what_is_kept_is_given_back(tmp_path: Path) -> None:
    for place in (tmp_path / "a", str(tmp_path / "b" / "deeper")):
        store = DirectoryStore(place)
        store.put(SECRET)
        store.put(SECRET)
        assert store.get(VAULT, 1) == SECRET


def test_what_is_not_kept_is_missing(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put(SECRET)
    for vault, epoch in ((VAULT, 2), (bytes(16), 1)):
        with pytest.raises(EpochSecretMissing) as caught:
            store.get(vault, epoch)
        assert caught.value.facts == {"epoch": epoch}


def test_what_is_damaged_or_of_another_vault_is_missing(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put(SECRET)
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    stranger = EpochSecret(DEFAULT, bytes(16), 1, bytes(32)).encode()
    later = EpochSecret(DEFAULT, VAULT, 2, bytes(32)).encode()
    for data in (b"", b"x", SECRET.encode()[:-1], SECRET.encode() + b"x", stranger, later):
        file.write_bytes(data)
        with pytest.raises(EpochSecretMissing):
            store.get(VAULT, 1)


def test_a_store_that_cannot_be_read_is_not_taken_for_one_that_lacks_the_secret(tmp_path: Path) -> None:
    vfs = FaultyVfs()
    store = DirectoryStore(tmp_path, vfs)
    store.put(SECRET)
    vfs.fail(Operation.READ, error=errno.EIO)
    with pytest.raises(StorageFailed):
        store.get(VAULT, 1)
    vfs.fail(Operation.APPEND, error=errno.ENOSPC)
    with pytest.raises(StorageFull):
        store.put(EpochSecret(DEFAULT, VAULT, 2, bytes(32)))
    assert store.get(VAULT, 1) == SECRET


def test_secrets_are_private_and_never_shown(tmp_path: Path) -> None:
    DirectoryStore(tmp_path / "s").put(SECRET)
    for path in [tmp_path / "s", *(tmp_path / "s").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0
    assert SECRET.secret.hex() not in repr(SECRET)
    assert repr(SECRET.secret) not in repr(SECRET)


class Failing(DirectoryStore):
    """A store that gives back something else than it was given, or fails in its own words."""

    def __init__(self, path: Path, fault: Exception | None = None) -> None:
        super().__init__(path)
        self._fault = fault

    def put(self, secret: EpochSecret) -> None:
        super().put(replace(secret, secret=bytes(32)))
        if self._fault:
            raise self._fault


@pytest.mark.parametrize(
    ("fault", "refused_with"),
    [(None, EpochSecretMissing), (StorageFull(), StorageFull), (OSError("https://user@host"), StorageFailed)],
)
def test_a_new_secret_is_in_every_store_or_in_none(
    tmp_path: Path, fault: Exception | None, refused_with: type[VaultError]
) -> None:
    good, bad = DirectoryStore(tmp_path / "good"), Failing(tmp_path / "bad", fault)
    with pytest.raises(refused_with) as refused:
        put_new([good, bad], SECRET)
    assert refused.value.__context__ is None, "the text of another error may hold anything"
    assert good.epochs(VAULT) == bad.epochs(VAULT) == []
    put_new([good], SECRET)
    assert good.get(VAULT, 1) == SECRET


def test_files_of_others_are_no_secrets(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put(SECRET)
    for name in ("secret.x", "secret.x.tmp", "2.tmp", "3", f"secret.{'9' * 30}", "seen"):
        (tmp_path / VAULT.hex() / name).write_bytes(b"")
    assert store.epochs(VAULT) == [1]


class Stopped(BaseException):
    """The process has ended."""


class Stopping(Vfs):
    """A disk whose process ends before a file that was written has its name."""

    stopping = True

    def rename(self, source: Path, target: Path) -> None:
        if self.stopping:
            raise Stopped
        super().rename(source, target)


def test_what_was_never_finished_is_destroyed_with_its_secret(tmp_path: Path) -> None:
    vfs = Stopping()
    store, place = DirectoryStore(tmp_path, vfs), tmp_path / VAULT.hex()
    for _ in range(2):
        with pytest.raises(Stopped):
            store.put(SECRET)
        (left,) = place.iterdir()
        os.link(left, tmp_path / f"{left.name}.link")
        assert bytes(SECRET.secret) in left.read_bytes()
        assert store.epochs(VAULT) == [1]
        with pytest.raises(EpochSecretMissing):
            store.get(VAULT, 1)
        store.destroy(VAULT, 1)
        assert not [*place.iterdir()]
        assert not any((tmp_path / f"{left.name}.link").read_bytes())
        (tmp_path / f"{left.name}.link").unlink()
    with pytest.raises(Stopped):
        store.put(SECRET)
    vfs.stopping = False
    store.put(SECRET)
    assert [one.name for one in place.iterdir()] == ["secret.1"]
