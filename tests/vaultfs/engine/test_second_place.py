"""The place of the second copies may fail: that takes redundancy, which is told, and nothing else."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from vaultfs_tools import fsck

import vaultfs
from tests.vaultfs.support import create, delete, get, put, read_only, reopen
from vaultfs.errors import StorageFull, VaultError
from vaultfs.metrics import Counter, Tally
from vaultfs.storage.health import Concern, Thresholds
from vaultfs.storage.maintenance import Step
from vaultfs.vfs import Buffer, File, Vfs, coded

QUIET = Thresholds(copy_age=None, epoch_stores=1)
GONE = 0
WAYS = {
    "leads nowhere": GONE,
    "device reports errors": errno.EIO,
    "read-only": errno.EROFS,
    "permission denied": errno.EACCES,
}


class Place:
    """Another disk, which can be lost: its directory is gone, or every call for it fails in one way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.error: int | None = None

    def lose(self, error: int) -> None:
        """Lose it."""
        self.error = error
        if error == GONE:
            self.path.rename(self.path.with_name("gone"))

    def bring_back(self) -> None:
        """Have it back as it was."""
        if self.error == GONE:
            self.path.with_name("gone").rename(self.path)
        self.error = None

    def check(self, path: Path, *, writes: bool = True) -> None:
        """Fail where the place is lost and a path lies in it."""
        if self.error and "copies" in path.parts and (writes or self.error != errno.EROFS):
            raise coded(OSError(self.error, "on purpose"))


class PlaceFile(File):
    """A file that fails with its place."""

    def __init__(self, descriptor: int, path: Path, place: Place) -> None:
        super().__init__(descriptor)
        self._path = path
        self._place = place

    def append(self, pieces: Sequence[Buffer], offset: int) -> int:
        self._place.check(self._path)
        return super().append(pieces, offset)

    def sync(self) -> None:
        self._place.check(self._path)
        super().sync()

    def read(self, offset: int, length: int) -> bytes:
        self._place.check(self._path, writes=False)
        return super().read(offset, length)


class PlaceVfs(Vfs):
    """The operating system's files, one place of which can be lost."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def create(self, path: Path) -> File:
        self._place.check(path)
        return super().create(path)

    def open(self, path: Path, *, writable: bool = False) -> File:
        self._place.check(path, writes=writable)
        return super().open(path, writable=writable)

    def file(self, descriptor: int, path: Path) -> File:
        return PlaceFile(descriptor, path, self._place)

    def move(self, source: Path, target: Path) -> None:
        self._place.check(source)
        super().move(source, target)

    def unlink(self, path: Path) -> None:
        self._place.check(path)
        super().unlink(path)

    def add_directory(self, path: Path) -> None:
        self._place.check(path)
        super().add_directory(path)

    def sync_directory(self, path: Path) -> None:
        self._place.check(path)
        super().sync_directory(path)

    def names(self, path: Path) -> list[str]:
        self._place.check(path, writes=False)
        return super().names(path)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "other")


def used(vault: vaultfs.Vault, name: bytes) -> dict[vaultfs.RecordId, bytes]:
    """Put records into a vault in all ways, delete one, and settle often enough for segments to be merged."""
    kept = {}
    for number in range(6):
        data = name + b"%d" % number
        kept[put(vault, data)] = data
        delete(vault, put(vault, b"gone"))
        vault.settle()
    blob = os.urandom(200_000)
    kept[put(vault, blob)] = blob
    return kept


def check(vault: vaultfs.Vault | vaultfs.Reader, kept: dict[vaultfs.RecordId, bytes]) -> None:
    """Check that the records are there."""
    assert {record: get(vault, record) for record in kept} == kept


@pytest.mark.parametrize(("way", "mirrored"), [*((way, True) for way in WAYS), ("leads nowhere", False)])
def test_a_vault_goes_on_without_its_second_place(in_memory: Path, way: str, *, mirrored: bool) -> None:
    """While it is open and when it is opened again; when the place is back, maintenance makes all of it good."""
    place = Place(in_memory / "other")
    path, files, tally = in_memory / "v", PlaceVfs(place), Tally()
    with create(path, copies=place.path, vfs=files, options=vaultfs.Options(metrics=tally)) as vault:
        vault.maintenance.mirror_segments(on=mirrored)
        kept = used(vault, b"with it")
        assert vault.maintenance.run(60).failed == {}
        assert vault.maintenance.health(QUIET).concerns == ()
        assert tally.counts[Counter.COPIES_MISSED] == 0
        place.lose(WAYS[way])
        kept |= used(vault, b"without it")
        check(vault, kept)
        assert tally.counts[Counter.COPIES_MISSED] > 0
    tally = Tally()
    with reopen(path, vfs=files, options=vaultfs.Options(metrics=tally)) as vault:
        kept |= used(vault, b"opened without it")
        done = vault.maintenance.run(60, period=0)
        assert set(done.failed) == {Step.COPIES, *([Step.MIRROR] if mirrored else [])}
        assert done.scrubbed is not None
        assert done.scrubbed.finished
        assert Concern.COPIES_MISSING in vault.maintenance.health(QUIET).concerns
        check(vault, kept)
        vault.rebuild_index()
        with read_only(path, vfs=files) as reader:
            check(reader, kept)
    place.bring_back()
    assert fsck.main([str(path)]) == 1
    with reopen(path, vfs=files) as vault:
        vault.settle()
        assert vault.maintenance.run(60, period=0).failed == {}
        assert vault.maintenance.health(QUIET).concerns == ()
        check(vault, kept)
    assert fsck.main([str(path), "--check-only"]) == 0
    for one in [path / "head", path / "VAULT.1", path / "keyring.1", *(path / "segments").rglob("*.vkey.1")]:
        one.unlink()
    with reopen(path) as vault:
        check(vault, kept)


def test_a_second_place_that_is_there_and_full_is_want_of_space(tmp_path: Path, place: Place) -> None:
    """Settling says so and takes itself back; it may be repeated when there is space."""
    with create(tmp_path / "v", copies=place.path, vfs=PlaceVfs(place)) as vault:
        kept = {put(vault): b"data"}
        place.lose(errno.ENOSPC)
        with pytest.raises(StorageFull):
            vault.settle()
        assert vault.condition is vaultfs.Condition.OPEN
        place.bring_back()
        assert vault.settle() > 0
        check(vault, kept)
        assert vault.maintenance.health(QUIET).concerns == ()


def test_a_vault_is_not_created_without_the_second_place_that_was_asked_for(tmp_path: Path, place: Place) -> None:
    place.lose(errno.EIO)
    with pytest.raises(VaultError):
        create(tmp_path / "v", copies=place.path, vfs=PlaceVfs(place))
    assert not (tmp_path / "v").exists()
