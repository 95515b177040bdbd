"""Mirrors of segments: what neither a file nor its parity gives back, the other copy does."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import SegmentRow
from vaultfs_tools import fsck

import vaultfs
from tests.vaultfs.support import answers, event_types, files_of, get, put, reopen
from vaultfs import EventType
from vaultfs.errors import StorageFailed, StorageFull
from vaultfs.storage.health import Concern
from vaultfs.storage.mirroring import missing_mirrors
from vaultfs.storage.repair import repair_queue
from vaultfs.testing.quota import QuotaVfs
from vaultfs.vfs import Buffer, File, Vfs, coded


def mirrors(vault: vaultfs.Vault) -> dict[SegmentRow, Path]:
    """Return where the mirrors of the segments lie."""
    layout = vault.engine.layout
    return {row: layout.copy_of(layout.segment(row)) for row in vault.engine.head.segments}


def check_mirrors(vault: vaultfs.Vault) -> None:
    """Check that every segment has its mirror, byte for byte, and that there is no other."""
    found = mirrors(vault)
    for row, path in found.items():
        assert path.read_bytes() == vault.engine.layout.segment(row).read_bytes()
    assert {*(vault.path / "copies").rglob("*.vseg")} == {*found.values()}


@pytest.fixture
def mirrored(vault: vaultfs.Vault) -> vaultfs.Vault:
    """Return a vault whose segments have mirrors."""
    put(vault, os.urandom(9000))
    put(vault, os.urandom(200_000))
    vault.settle()
    vault.maintenance.mirror_segments(on=True)
    vault.maintenance.run(60)
    return vault


def test_segments_have_mirrors_where_they_are_wanted(mirrored: vaultfs.Vault) -> None:
    check_mirrors(mirrored)
    put(mirrored, b"more")
    mirrored.settle()
    check_mirrors(mirrored)
    assert event_types(mirrored).count(EventType.MIRRORING_SET) == 1


def test_a_vault_remembers_that_mirrors_are_wanted(mirrored: vaultfs.Vault) -> None:
    path = mirrored.path
    mirrored.close()
    with reopen(path) as vault:
        put(vault, b"more")
        vault.settle()
        check_mirrors(vault)


def test_mirrors_go_when_they_are_not_wanted_any_more(mirrored: vaultfs.Vault) -> None:
    mirrored.maintenance.mirror_segments(on=False)
    assert mirrored.maintenance.run(60).mirrors > 0
    assert not [*(mirrored.path / "copies").rglob("*.vseg")]
    put(mirrored, b"more")
    mirrored.settle()
    assert not [*(mirrored.path / "copies").rglob("*.vseg")]


def test_segments_that_merge_take_their_mirrors_with_them(mirrored: vaultfs.Vault) -> None:
    for number in range(20):
        put(mirrored, b"%d" % number)
        mirrored.settle()
    check_mirrors(mirrored)


def test_a_segment_that_is_lost_is_read_and_repaired_from_its_mirror(mirrored: vaultfs.Vault) -> None:
    before = answers(mirrored)
    path = mirrored.path
    mirrored.close()
    whole = {segment: segment.read_bytes() for segment in files_of(path / "segments", "*.vseg")}
    for segment in whole:
        segment.unlink()
    with reopen(path) as vault:
        assert answers(vault) == before
        done = vault.maintenance.run(60, period=0)
        assert done.lost == []
        assert done.scrubbed is not None
        assert done.scrubbed.healed
        for segment, data in whole.items():
            if segment.exists():  # else it was merged
                assert segment.read_bytes() == data
        assert answers(vault) == before
        check_mirrors(vault)
    shutil.rmtree(path / "index")
    with reopen(path) as vault:
        assert answers(vault) == before


class Failing(Vfs):
    """A device that reports an error for a file, whenever it is opened."""

    def __init__(self) -> None:
        self.bad: set[Path] = set()

    def open(self, path: Path, *, writable: bool = False) -> File:
        if path in self.bad:
            raise coded(OSError(errno.EIO, "on purpose"))
        return super().open(path, writable=writable)


def test_a_segment_that_cannot_be_opened_is_read_and_repaired_from_its_mirror(mirrored: vaultfs.Vault) -> None:
    before = answers(mirrored)
    path, layout = mirrored.path, mirrored.engine.layout
    segments = [layout.segment(row) for row in mirrored.engine.head.segments]
    mirrored.close()
    whole = {segment: segment.read_bytes() for segment in segments}
    disk = Failing()
    disk.bad = {*segments}
    with reopen(path, vfs=disk) as vault:
        assert answers(vault) == before
        done = vault.maintenance.run(60, period=0)
        assert done.lost == []
        assert not done.failed
    assert {segment: segment.read_bytes() for segment in segments if segment.exists()} == whole
    disk.bad |= {layout.copy_of(segment) for segment in segments}
    shutil.rmtree(path / "index")
    with pytest.raises(StorageFailed):
        reopen(path, vfs=disk)


def test_a_segment_that_is_missing_waits_for_repair_when_it_is_read(mirrored: vaultfs.Vault) -> None:
    before = answers(mirrored)
    path = mirrored.path
    lost = [mirrored.engine.layout.segment(row) for row in mirrored.engine.head.segments]
    mirrored.close()
    whole = {segment: segment.read_bytes() for segment in lost}
    for segment in lost:
        segment.unlink()
    with reopen(path) as vault:
        assert answers(vault) == before
        assert Concern.DAMAGED in vault.maintenance.health().concerns
        read = {one.segment_id for one in repair_queue(vault.engine)}
        assert read
        assert Concern.DAMAGED not in vault.maintenance.health().concerns
    for segment in lost:
        assert segment.exists() == (bytes.fromhex(segment.stem) in read)
        assert not segment.exists() or segment.read_bytes() == whole[segment]


def harm(path: Path, *, odd: bool) -> None:
    """Damage every second slice of 4 KiB."""
    data = bytearray(path.read_bytes())
    for at in range(4096 * odd, len(data), 8192):
        data[at + 100 : at + 110] = bytes(10)
    path.write_bytes(data)


@pytest.mark.parametrize("keys", [True, False])
def test_damage_all_over_both_copies_is_healed_where_each_slice_is_good_in_one(
    mirrored: vaultfs.Vault, *, keys: bool
) -> None:
    """Far beyond what parity gives back."""
    row = next(row for row in mirrored.engine.head.segments if row.frame_class is FrameClass.BLOB)
    segment, mirror = mirrored.engine.layout.segment(row), mirrors(mirrored)[row]
    whole, path = segment.read_bytes(), mirrored.path
    before = answers(mirrored)
    mirrored.close()
    harm(segment, odd=False)
    harm(mirror, odd=True)
    if not keys:
        assert fsck.main([str(path)]) == 1
        assert segment.read_bytes() == mirror.read_bytes() == whole
    with reopen(path) as vault:
        assert answers(vault) == before
        assert vault.maintenance.run(60, period=0).lost == []
        assert segment.read_bytes() == mirror.read_bytes() == whole


def test_a_check_without_keys_makes_a_mirror_that_is_missing(mirrored: vaultfs.Vault) -> None:
    path, lost = mirrored.path, next(iter(mirrors(mirrored).values()))
    mirrored.close()
    whole = lost.read_bytes()
    lost.unlink()
    assert fsck.main([str(path), "--check-only"]) == 0
    assert fsck.main([str(path)]) == 1
    assert lost.read_bytes() == whole
    assert fsck.main([str(path)]) == 0


def test_a_check_without_keys_makes_a_segment_that_is_missing(mirrored: vaultfs.Vault) -> None:
    path = mirrored.path
    mirrored.close()
    for segment in files_of(path / "segments", "*.vseg"):
        whole = segment.read_bytes()
        segment.unlink()
        assert fsck.main([str(path)]) == 1
        assert segment.read_bytes() == whole


def test_mirrors_that_find_no_space_are_made_later(tmp_path: Path) -> None:
    disk = QuotaVfs(1 << 30)
    with vaultfs.create(tmp_path / "v", **_OPTIONS, vfs=disk) as vault:
        record = put(vault, os.urandom(50_000))
        vault.settle()
        vault.maintenance.mirror_segments(on=True)
        disk.left = 10_000
        done = vault.maintenance.run(60)
        assert {type(error) for error in done.failed.values()} == {StorageFull}
        assert missing_mirrors(vault.engine)
        disk.left = 1 << 30
        assert vault.maintenance.run(60).failed == {}
        check_mirrors(vault)
        assert len(get(vault, record)) == 50_000


def test_the_copies_may_lie_on_another_disk(tmp_path: Path) -> None:
    """A mirror that has all is a vault: what is left of the two is enough."""
    elsewhere = tmp_path / "elsewhere"
    with vaultfs.create(tmp_path / "v", **_OPTIONS, copies=elsewhere) as vault:
        vault.maintenance.mirror_segments(on=True)
        records = {put(vault, data): data for data in (b"settled", os.urandom(100_000))}
        vault.settle()
        records[put(vault, b"live")] = b"live"
    assert (elsewhere / "head").exists()
    assert fsck.main([str(tmp_path / "v")]) == 0
    shutil.rmtree(tmp_path / "v")
    shutil.copytree(elsewhere, tmp_path / "v")
    with reopen(tmp_path / "v") as vault:
        assert {record: get(vault, record) for record in records} == records


class _Noted(Vfs):
    """Notes the directories that are synced before any file changes."""

    def __init__(self) -> None:
        self.synced: set[Path] = set()
        self.changed = False

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        if not self.changed:
            self.synced.add(path.resolve())

    def file(self, descriptor: int, path: Path) -> File:
        return _NotedFile(descriptor, self)

    def move(self, source: Path, target: Path) -> None:
        self.changed = True
        super().move(source, target)


class _NotedFile(File):
    def __init__(self, descriptor: int, vfs: _Noted) -> None:
        super().__init__(descriptor)
        self._vfs = vfs

    def append(self, pieces: Sequence[Buffer], offset: int) -> int:
        self._vfs.changed = True
        return super().append(pieces, offset)


@pytest.mark.parametrize("linked", [True, False])
def test_names_on_the_disk_of_the_copies_are_secured_before_anything_is_written(tmp_path: Path, linked: bool) -> None:
    """A process that was killed may have made them, and not have synced them any more."""
    elsewhere = tmp_path / "elsewhere" if linked else None
    with vaultfs.create(tmp_path / "v", **_OPTIONS, copies=elsewhere) as vault:
        put(vault)
        vault.settle()
        put(vault)
    vfs = _Noted()
    with reopen(tmp_path / "v", vfs=vfs) as vault:
        put(vault)
    directories = {Path(name).resolve() for name, _, _ in os.walk(tmp_path / "v" / "copies")}
    assert len(directories) > 4
    assert directories <= vfs.synced


def test_a_disk_of_the_copies_that_cannot_secure_names_keeps_nobody_from_opening(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    with vaultfs.create(tmp_path / "v", **_OPTIONS, copies=elsewhere) as vault:
        record = put(vault, b"kept")
    with reopen(tmp_path / "v", vfs=_Unsecured(elsewhere / "journal")) as vault:
        assert get(vault, record) == b"kept"


class _Unsecured(Vfs):
    """A disk of which one directory cannot be synced."""

    def __init__(self, broken: Path) -> None:
        self._broken = broken

    def sync_directory(self, path: Path) -> None:
        if path.resolve() == self._broken:
            raise StorageFailed
        super().sync_directory(path)


_OPTIONS: dict[str, Any] = {
    "recipients": [vaultfs.Passphrase(b"correct horse battery staple")],
    "policy": vaultfs.PermitAll(),
}
