"""The simulator of power cuts: what it says may be left is what the model allows, all of it and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from vaultfs.errors import VaultMissing
from vaultfs.testing.crash import Change, Disk, Image, Killed, RecordingVfs, cuts
from vaultfs.testing.vfs import Operation


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a place to record."""
    place = tmp_path / "root"
    place.mkdir()
    return place


@pytest.fixture
def vfs(root: Path) -> RecordingVfs:
    """Return a recorded disk."""
    return RecordingVfs(root)


def left(vfs: RecordingVfs, chances: int = 40) -> list[Image]:
    """Return every different disk that a cut may leave now."""
    disk = Disk()
    for change in vfs.log:
        disk.make(change)
    return list({image.digest(): image for _, image in cuts(disk, chances=chances)}.values())


def files(image: Image) -> dict[str, bytes]:
    """Return the files of an image."""
    return {name: data for name, data in image.content.items() if data is not None}


def test_what_was_not_synced_is_lost_or_kept(vfs: RecordingVfs, root: Path) -> None:
    file = vfs.create(root / "f")
    file.append([b"synced"], 0)
    file.sync()
    assert [files(image) for image in left(vfs)] == [{}, {"f": b"synced"}]
    vfs.sync_directory(root)
    assert [files(image) for image in left(vfs)] == [{"f": b"synced"}]
    file.append([b" and not"], 6)
    found = [files(image)["f"] for image in left(vfs)]
    assert {b"synced", b"synced and not", b"synced\0\0\0\0\0\0\0\0"} < set(found)
    assert all(data.startswith(b"synced") for data in found)
    file.truncate(2)
    file.allocate(4)
    assert b"sy\0\0" == (root / "f").read_bytes() in [files(image)["f"] for image in left(vfs)]
    vfs.unlink(root / "f")
    vfs.unlink(root / "absent")
    assert {} in [files(image) for image in left(vfs)]
    assert {"f": b"synced"} in [files(image) for image in left(vfs)]
    file.close()


@pytest.mark.parametrize("unit", [512, 4096])
def test_writes_are_torn_at_sectors_and_blocks(vfs: RecordingVfs, root: Path, unit: int) -> None:
    file = vfs.create(root / "f")
    file.append([bytes(20_000)], 0)
    file.sync()
    vfs.sync_directory(root)
    file.append([b"x" * 15_000], 100)
    found = [files(image)["f"] for image in left(vfs, 200)]
    assert len(found) > 50
    for data in found:
        for at in range(512, 14_848, 512):
            assert len(set(data[at : at + 512])) == 1, "a sector is whole"
    in_blocks = [d for d in found if all(len(set(d[at : at + unit])) == 1 for at in range(4096, 12_288, unit))]
    assert len({data[4096:12_288:unit] for data in in_blocks}) == 2 ** (8192 // unit) or unit == 512
    file.close()


def test_writes_of_one_file_may_be_kept_out_of_order(vfs: RecordingVfs, root: Path) -> None:
    file = vfs.create(root / "f")
    file.append([bytes(3)], 0)
    file.sync()
    vfs.sync_directory(root)
    for at, data in enumerate((b"a", b"b", b"c")):
        file.append([data], at)
    every = {bytes(one) for one in itertools.product(b"a\0", b"b\0", b"c\0")}
    assert {files(image)["f"] for image in left(vfs)} == every
    file.close()


def test_a_file_that_grew_may_hold_what_a_removed_one_held(vfs: RecordingVfs, root: Path) -> None:
    old = vfs.create(root / "old")
    old.append([b"stale" * 2000], 0)
    old.sync()
    old.close()
    vfs.unlink(root / "old")
    file = vfs.create(root / "f")
    vfs.sync_directory(root)
    file.append([b"new" * 2000], 0)
    found = [files(image)["f"] for image in left(vfs)]
    assert any(b"stale" in data and len(data) == 6000 for data in found)
    assert all(b"stale" not in data[: len(data) % 4096] or len(data) == 6000 for data in found)
    file.close()


def test_names_are_lost_and_kept_each_by_itself(vfs: RecordingVfs, root: Path) -> None:
    for name in ("a", "b"):
        file = vfs.create(root / name)
        file.sync()
        file.close()
    assert {tuple(files(image)) for image in left(vfs)} == {(), ("a",), ("b",), ("a", "b")}
    vfs.sync_directory(root)
    vfs.unlink(root / "a")
    vfs.move(root / "b", root / "c")
    assert {tuple(files(image)) for image in left(vfs)} == {("a", "b"), ("b",), ("a", "c"), ("c",)}


def test_a_file_that_changes_its_directory_is_never_in_neither(vfs: RecordingVfs, root: Path) -> None:
    for name in ("a", "b"):
        vfs.make_directory(root / name)
    file = vfs.create(root / "a" / "f")
    file.append([b"data"], 0)
    file.sync()
    vfs.sync_directory(root / "a")
    vfs.move(root / "a" / "f", root / "b" / "g")
    assert {tuple(files(image)) for image in left(vfs)} == {("a/f",), ("b/g",), ("a/f", "b/g")}
    vfs.sync_directory(root / "a")
    assert [files(image) for image in left(vfs)] == [{"b/g": b"data"}]
    again = vfs.open(root / "b" / "g", writable=True)
    again.append([b"!"], 4)
    assert {"b/g": b"data!"} in [files(image) for image in left(vfs)]
    again.close()
    file.close()


def test_whole_directories_move(vfs: RecordingVfs, root: Path) -> None:
    vfs.make_directory(root / "a" / "b")
    vfs.replace(root / "a" / "b" / "f", b"data")
    vfs.rename(root / "a", root / "c")
    vfs.replace(root / "c" / "b" / "f", b"more")
    assert [files(image) for image in left(vfs)] == [{"c/b/f": b"more"}]


def test_an_image_is_written_as_it_is(vfs: RecordingVfs, root: Path, tmp_path: Path) -> None:
    vfs.make_directory(root / "a")
    vfs.replace(root / "a" / "f", b"data")
    vfs.preallocate(root / "zeros", 5000)
    vfs.sync_directory(root)
    (image,) = left(vfs)
    image.write(tmp_path / "image")
    assert {p.relative_to(tmp_path / "image").as_posix() for p in (tmp_path / "image").rglob("*")} == set(image.content)
    assert (tmp_path / "image/zeros").read_bytes() == bytes(5000)
    assert (tmp_path / "image/a/f").read_bytes() == b"data"


def test_a_failed_creation_is_not_recorded(vfs: RecordingVfs, root: Path) -> None:
    with pytest.raises(VaultMissing):
        vfs.create(root / "absent" / "f")
    assert vfs.log == []
    vfs.record(Change(Operation.SYNC_DIRECTORY))
    assert [files(image) for image in left(vfs)] == [{}]


def test_a_killed_process_changes_nothing_any_more(vfs: RecordingVfs, root: Path) -> None:
    file = vfs.create(root / "f")
    file.append([b"data"], 0)
    vfs.last = len(vfs.log)
    calls: list[Callable[[], object]] = [
        lambda: file.append([b"x"], 4),
        file.sync,
        lambda: file.truncate(0),
        lambda: file.allocate(9),
        lambda: vfs.create(root / "g"),
        lambda: vfs.move(root / "f", root / "g"),
        lambda: vfs.unlink(root / "f"),
        lambda: vfs.add_directory(root / "d"),
        lambda: vfs.sync_directory(root),
    ]
    for call in calls:
        with pytest.raises(Killed):
            call()
    assert [p.name for p in root.iterdir()] == ["f"]
    vfs.last = None
    file.append([b"!"], 4)
    assert (root / "f").read_bytes() == b"data!"
    file.close()
