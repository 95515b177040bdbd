"""The door to the file system: whole writes, whole reads, coded errors, one lock."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from vaultfs.errors import (
    StorageFailed,
    StorageFull,
    StorageReadOnly,
    VaultError,
    VaultMissing,
    WriterBusy,
)
from vaultfs.testing.vfs import FaultyVfs, Operation, When
from vaultfs.vfs import Vfs, WriterLock, coded, converted, path_lock


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EFBIG, StorageFull),
        (errno.EROFS, StorageReadOnly),
        (errno.EACCES, StorageReadOnly),
        (errno.EPERM, StorageReadOnly),
        (errno.ENOENT, VaultMissing),
        (errno.ENOTDIR, VaultMissing),
        (errno.EIO, StorageFailed),
        (None, StorageFailed),
    ],
)
def test_errors_are_coded_without_a_path(number: int | None, expected: type[VaultError]) -> None:
    error = OSError(number, "text", "/secret/path", None, "/secret/other") if number else OSError("no number")
    assert type(coded(error)) is expected
    with pytest.raises(expected) as caught, converted():
        raise error
    assert caught.value.facts == {"errno": number or 0}
    assert "secret" not in f"{caught.value} {caught.value.__context__} {caught.value.__context__!r}"
    with pytest.raises(expected), converted():
        raise coded(error)


class TestFile:
    def test_pieces_are_written_as_one_whatever_their_number(self, tmp_path: Path) -> None:
        pieces = [os.urandom(n % 7) for n in range(3000)]
        file = Vfs().create(tmp_path / "f")
        assert file.append(pieces, 5) == len(b"".join(pieces))
        assert file.read(5, 1 << 20) == b"".join(pieces)
        assert file.size() == 5 + len(b"".join(pieces))
        assert file.append([], 0) == 0
        file.close()

    def test_a_room_is_filled_as_far_as_the_file_goes(self, tmp_path: Path) -> None:
        data = os.urandom(10_000)
        vfs = FaultyVfs()
        file = vfs.create(tmp_path / "f")
        file.append([data], 0)
        file.begin_writing(0, len(data))
        for offset, length in ((0, 10_000), (9_000, 500), (9_000, 5_000), (10_000, 1), (50_000, 9), (0, 0)):
            room = bytearray(b"?" * length)
            count = file.read_into(offset, memoryview(room))
            assert room[:count] == data[offset : offset + length] == file.read(offset, length)
            assert room[count:] == b"?" * (length - count)
        vfs.fail(Operation.READ, error=errno.EIO)
        with pytest.raises(StorageFailed):
            file.read_into(0, memoryview(bytearray(10)))
        file.close()
        file.close()

    def test_short_writes_and_reads_are_gone_on_with(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write, read = os.pwritev, os.pread
        monkeypatch.setattr(os, "pwritev", lambda fd, pieces, at: write(fd, [bytes(pieces[0])[:7]], at))
        monkeypatch.setattr(os, "pread", lambda fd, length, at: read(fd, min(length, 11), at))
        pieces = [os.urandom(n) for n in (20, 0, 7, 1, 300)]
        file = Vfs().create(tmp_path / "f")
        file.append(pieces, 0)
        data = b"".join(pieces)
        assert file.read(0, len(data)) == data
        assert file.read(3, 1000) == data[3:]
        assert file.read(len(data), 10) == b""
        file.close()

    def test_a_file_is_created_once_and_private(self, tmp_path: Path) -> None:
        Vfs().create(tmp_path / "f").close()
        assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600
        with pytest.raises(StorageFailed):
            Vfs().create(tmp_path / "f")
        with pytest.raises(VaultMissing):
            Vfs().open(tmp_path / "g")

    def test_reading_a_whole_file_stops_behind_its_limit(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"x" * 100)
        assert len(Vfs().read(tmp_path / "f", 100)) == 100
        assert len(Vfs().read(tmp_path / "f", 99)) == 100
        assert len(Vfs().read(tmp_path / "f", 10)) == 11


class TestReplace:
    @pytest.mark.parametrize("kind", [Operation.CREATE, Operation.APPEND, Operation.SYNC, Operation.MOVE])
    def test_a_replacement_that_fails_leaves_the_old_content(self, tmp_path: Path, kind: Operation) -> None:
        vfs = FaultyVfs()
        vfs.replace(tmp_path / "f", b"old")
        vfs.fail(kind, error=errno.EIO, when=When.HALF_DONE if kind is Operation.APPEND else When.NOTHING_DONE)
        with pytest.raises(StorageFailed):
            vfs.replace(tmp_path / "f", b"new")
        assert (tmp_path / "f").read_bytes() == b"old"
        vfs.replace(tmp_path / "f", b"new")
        assert (tmp_path / "f").read_bytes() == b"new"
        assert os.listdir(tmp_path) == ["f"]

    def test_directories_are_made_with_their_parents(self, tmp_path: Path) -> None:
        vfs = FaultyVfs()
        vfs.make_directory(tmp_path / "a" / "b" / "c")
        assert vfs.calls[Operation.ADD_DIRECTORY] == vfs.calls[Operation.SYNC_DIRECTORY] == 3
        vfs.make_directory(tmp_path / "a" / "b")
        assert vfs.calls[Operation.ADD_DIRECTORY] == 3
        assert vfs.names(tmp_path / "a") == ["b"]
        assert vfs.names(tmp_path / "absent") == []
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(VaultError):
            vfs.make_directory(tmp_path / "file" / "x")

    def test_space_is_reserved_or_nothing_is_there(self, tmp_path: Path) -> None:
        Vfs().preallocate(tmp_path / "f", 10_000)
        assert (tmp_path / "f").read_bytes() == bytes(10_000)


class TestWriterLock:
    def test_one_holds_it_and_others_wait_their_time(self, tmp_path: Path) -> None:
        one, two = WriterLock(tmp_path / "lock"), WriterLock(tmp_path / "lock")
        one.acquire(0)
        begun = time.monotonic()
        with pytest.raises(WriterBusy):
            two.acquire(0.05)
        assert time.monotonic() - begun >= 0.05
        threading.Timer(0.05, one.release).start()
        two.acquire(30)
        two.release()
        two.release()

    def test_a_refused_lock_leaves_no_open_file(self, tmp_path: Path) -> None:
        one, two = WriterLock(tmp_path / "lock"), WriterLock(tmp_path / "lock")
        one.acquire(0)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            with pytest.raises(WriterBusy):
                two.acquire(0)
        assert len(os.listdir("/proc/self/fd")) == before
        one.release()

    def test_a_child_that_gives_it_back_does_not_take_it_from_the_parent(self, tmp_path: Path) -> None:
        lock = WriterLock(tmp_path / "lock")
        lock.acquire(0)
        descriptor = os.dup(lock._descriptor)
        lock.abandon()
        with pytest.raises(WriterBusy):
            WriterLock(tmp_path / "lock").acquire(0)
        os.close(descriptor)


def test_a_directory_that_may_fail_alone_is_told_from_one_that_cannot(tmp_path: Path) -> None:
    """A link, even one that leads nowhere; another file system; and one whose file system does not answer."""
    vfs, vault = Vfs(), tmp_path / "v"
    (vault / "below").mkdir(parents=True)
    (vault / "link").symlink_to(tmp_path / "nowhere")
    assert not vfs.apart(vault / "below", vault)
    assert not vfs.apart(vault / "absent", vault)
    assert vfs.apart(vault / "link", vault)
    assert vfs.apart(Path("/proc"), vault)
    assert vfs.apart(vault / ("long" * 100), vault)


class TestFaults:
    def test_calls_are_counted_and_fail_when_told(self, tmp_path: Path) -> None:
        vfs = FaultyVfs()
        file = vfs.create(tmp_path / "f")
        vfs.fail(Operation.APPEND, error=errno.EIO, number=2, when=When.HALF_DONE)
        file.append([b"one"], 0)
        with pytest.raises(StorageFailed):
            file.append([b"two", b"three"], 3)
        assert file.read(0, 100) == b"onetwot"
        file.append([b"four"], 3)
        assert vfs.calls == {Operation.CREATE: 1, Operation.APPEND: 3, Operation.READ: 1}
        assert vfs.changes() == 4
        vfs.fail(Operation.SYNC, Operation.TRUNCATE, error=errno.ENOSPC, lasting=True, when=When.ALL_DONE)
        for _ in range(2):
            with pytest.raises(StorageFull):
                file.truncate(3)
            with pytest.raises(StorageFull):
                file.sync()
        assert file.size() == 3
        vfs.heal()
        file.sync()
        file.allocate(10)
        vfs.fail(Operation.UNLINK, error=KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            vfs.unlink(tmp_path / "f")
        file.close()


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_the_lock_of_a_path_is_given_back_though_a_child_was_forked_meanwhile(tmp_path: Path, kind: str) -> None:
    path = tmp_path if kind == "directory" else tmp_path / "library.so"
    if kind == "file":
        path.write_bytes(b"")
    held, end = os.pipe()
    with path_lock(path, exclusive=True, wait=0) as got:
        assert got
        with path_lock(path, exclusive=True, wait=0) as twice:
            assert not twice
        child = os.fork()
        if child == 0:
            os.close(end)
            os.read(held, 1)
            os._exit(0)
    with path_lock(path, exclusive=True, wait=0) as again:
        assert again
    os.close(held)
    os.close(end)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
