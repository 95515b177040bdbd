"""Files of lines: durable when they are taken, mended when they were torn, and drained by who has no key."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

import pytest

from vaultfs.audit.exporting import spool
from vaultfs.audit.exporting.cursors import LOCK, alone
from vaultfs.audit.exporting.errors import CursorDamaged, DeliveryBusy, ReceiverLost, SpoolMissing
from vaultfs.audit.exporting.spool import FileSink, drain
from vaultfs.errors import ArgumentInvalid, StorageFailed, StorageFull
from vaultfs.testing.vfs import FaultyVfs, Operation, When
from vaultfs.vfs import File, Vfs


class Kept:
    """A receiver in memory, which is away when it is told so."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.away = False

    def send(self, messages: Sequence[bytes]) -> None:
        self.batches.append(list(messages))
        if self.away:
            raise ReceiverLost

    @property
    def messages(self) -> list[bytes]:
        return [message for batch in self.batches for message in batch]


def files(place: Path) -> list[Path]:
    return sorted(place.glob("*.log"))


def content(place: Path) -> bytes:
    return b"".join(path.read_bytes() for path in files(place))


class TestWriting:
    def test_messages_are_lines_that_their_owner_alone_can_read(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out")
        sink.send([b"one", b"two"])
        sink.send([b"three"])
        (path,) = files(tmp_path / "out")
        assert path.read_bytes() == b"one\ntwo\nthree\n"
        assert path.stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700

    def test_another_file_is_begun_when_one_is_large_enough(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path, largest=10)
        for number in range(5):
            sink.send([b"line %d" % number])
        assert [path.name for path in files(tmp_path)] == ["0000000001.log", "0000000002.log", "0000000003.log"]
        assert content(tmp_path) == b"".join(b"line %d\n" % number for number in range(5))

    @pytest.mark.parametrize("torn", [b"torn", b"x" * 50_000], ids=["short", "long"])
    def test_a_torn_last_line_is_cut_off(self, tmp_path: Path, torn: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spool, "_WINDOW", 4096)
        FileSink(tmp_path).send([b"whole"])
        (path,) = files(tmp_path)
        path.write_bytes(path.read_bytes() + torn)
        FileSink(tmp_path).send([b"next"])
        assert path.read_bytes() == b"whole\nnext\n"

    def test_a_file_of_nothing_but_a_torn_line_begins_anew(self, tmp_path: Path) -> None:
        (tmp_path / "0000000007.log").write_bytes(b"torn")
        FileSink(tmp_path).send([b"one"])
        assert [path.name for path in files(tmp_path)] == ["0000000007.log"]
        assert content(tmp_path) == b"one\n"

    @pytest.mark.parametrize("message", [b"a\nb", b"x" * spool._WINDOW], ids=["two lines", "too long"])
    def test_what_is_no_line_is_refused(self, tmp_path: Path, message: bytes) -> None:
        with pytest.raises(ArgumentInvalid):
            FileSink(tmp_path).send([b"good", message])
        assert files(tmp_path) == []

    @pytest.mark.parametrize("when", When)
    def test_a_full_disk_takes_nothing_and_what_follows_is_whole(self, tmp_path: Path, when: When) -> None:
        vfs = FaultyVfs(durable=False)
        sink = FileSink(tmp_path, vfs=vfs)
        sink.send([b"before"])
        vfs.fail(Operation.APPEND, error=errno.ENOSPC, when=when)
        with pytest.raises(StorageFull):
            sink.send([b"one", b"two"])
        sink.send([b"one", b"two"])
        kept = Kept()
        drain(tmp_path, "siem", kept, tmp_path / "cursors")
        assert kept.messages[0] == b"before"
        assert kept.messages[-2:] == [b"one", b"two"]
        assert set(kept.messages) == {b"before", b"one", b"two"}

    def test_a_file_that_could_not_be_synced_is_given_up(self, tmp_path: Path) -> None:
        vfs = FaultyVfs(durable=False)
        sink = FileSink(tmp_path, vfs=vfs)
        sink.send([b"before"])
        vfs.fail(Operation.SYNC, error=errno.EIO)
        with pytest.raises(StorageFailed):
            sink.send([b"one"])
        sink.send([b"one"])
        assert [path.read_bytes() for path in files(tmp_path)] == [b"before\none\n", b"one\n"]

    def test_a_file_that_cannot_be_looked_at_is_an_error(self, tmp_path: Path) -> None:
        vfs = FaultyVfs(durable=False)
        sink = FileSink(tmp_path, vfs=vfs)
        sink.send([b"before"])
        vfs.fail(Operation.READ, error=errno.EIO)
        with pytest.raises(StorageFailed):
            sink.send([b"one"])
        assert content(tmp_path) == b"before\n"

    def test_a_file_whose_name_is_not_durable_is_closed(self, tmp_path: Path) -> None:
        vfs = FaultyVfs(durable=False)
        sink = FileSink(tmp_path, largest=1, vfs=vfs)
        sink.send([b"before"])
        before = len(list(Path("/proc/self/fd").iterdir()))
        vfs.fail(Operation.SYNC_DIRECTORY, error=errno.EIO)
        with pytest.raises(StorageFailed):
            sink.send([b"one"])
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    def test_one_writes_at_a_time(self, tmp_path: Path) -> None:
        with alone(Vfs(), tmp_path / LOCK), pytest.raises(DeliveryBusy):
            FileSink(tmp_path).send([b"one"])
        FileSink(tmp_path).send([b"one"])


class TestDraining:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        sink = FileSink(tmp_path / "spool", largest=20)
        for number in range(9):
            sink.send([b"line %d" % number])
        return tmp_path / "spool"

    def test_every_line_is_sent_once_in_order(self, place: Path, tmp_path: Path) -> None:
        kept = Kept()
        assert drain(place, "siem", kept, tmp_path / "c", batch=2) == 9
        assert kept.messages == [b"line %d" % number for number in range(9)]
        assert max(map(len, kept.batches)) == 2
        assert drain(place, "siem", kept, tmp_path / "c") == 0
        FileSink(place, largest=20).send([b"new"])
        assert drain(place, "siem", kept, tmp_path / "c") == 1
        assert kept.messages[-1] == b"new"

    def test_what_was_not_taken_is_sent_again(self, place: Path, tmp_path: Path) -> None:
        kept = Kept()
        kept.away = True
        for _ in range(2):
            with pytest.raises(ReceiverLost):
                drain(place, "siem", kept, tmp_path / "c", batch=2)
        assert kept.batches == [[b"line 0", b"line 1"]] * 2
        kept.away = False
        assert drain(place, "siem", kept, tmp_path / "c", batch=2) == 9

    def test_what_was_drained_is_removed_but_the_newest(self, place: Path, tmp_path: Path) -> None:
        kept, newest = Kept(), files(place)[-1]
        drain(place, "siem", kept, tmp_path / "c", remove=True)
        assert files(place) == [newest]
        FileSink(place, largest=20).send([b"new"])
        drain(place, "siem", kept, tmp_path / "c", remove=True)
        assert kept.messages == [*(b"line %d" % number for number in range(9)), b"new"]

    def test_what_another_draining_has_removed_is_told(self, place: Path, tmp_path: Path) -> None:
        class Once(Kept):
            def send(self, messages: Sequence[bytes]) -> None:
                self.away = bool(self.batches)
                super().send(messages)

        second = Once()
        with pytest.raises(ReceiverLost):
            drain(place, "second", second, tmp_path / "c", batch=2)
        drain(place, "first", Kept(), tmp_path / "c", remove=True)
        with pytest.raises(CursorDamaged):
            drain(place, "second", second, tmp_path / "c")
        assert len(second.batches) == 2

    def test_a_file_that_is_gone_from_between_is_told(self, place: Path, tmp_path: Path) -> None:
        drain(place, "siem", Kept(), tmp_path / "c")
        for number in range(9):
            FileSink(place, largest=20).send([b"more %d" % number])
        files(place)[-2].unlink()
        kept = Kept()
        with pytest.raises(CursorDamaged):
            drain(place, "siem", kept, tmp_path / "c")
        assert kept.batches == []

    @pytest.mark.parametrize("left", [True, False], ids=["the directory stays", "another directory"])
    def test_a_spool_that_was_emptied_and_begun_anew_is_another_one(
        self, place: Path, tmp_path: Path, left: bool
    ) -> None:
        drain(place, "siem", Kept(), tmp_path / "c")
        if left:
            for path in files(place):
                path.unlink()
        else:
            place.rename(tmp_path / "before")
        with pytest.raises(CursorDamaged if left else SpoolMissing):
            drain(place, "siem", Kept(), tmp_path / "c")
        for number in range(100, 120):
            FileSink(place, largest=20).send([b"another %d" % number])
        kept = Kept()
        with pytest.raises(CursorDamaged):
            drain(place, "siem", kept, tmp_path / "c")
        assert kept.batches == []
        (tmp_path / "c" / "siem.drained").unlink()
        assert drain(place, "siem", kept, tmp_path / "c") == 20

    def test_a_file_is_removed_once_the_cursor_is_behind_it(self, place: Path, tmp_path: Path) -> None:
        """Who is killed in between goes on, and removes it later."""
        kept, count = Kept(), len(files(place))

        class Killed(Vfs):
            def unlink(self, path: Path) -> None:
                if path.suffix == ".log":
                    raise KeyboardInterrupt
                super().unlink(path)

        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                drain(place, "siem", kept, tmp_path / "c", remove=True, vfs=Killed())
        assert len(files(place)) == count
        drain(place, "siem", kept, tmp_path / "c", remove=True)
        assert kept.messages == [b"line %d" % number for number in range(9)]
        assert len(files(place)) == 1

    def test_a_directory_without_an_id_is_drained_too(self, place: Path, tmp_path: Path) -> None:
        (place / spool.ID).unlink()
        assert drain(place, "siem", Kept(), tmp_path / "c") == 9
        assert drain(place, "siem", Kept(), tmp_path / "c") == 0

    def test_lines_are_durable_before_they_are_sent(self, place: Path, tmp_path: Path) -> None:
        """Those, too, that come while others are sent."""
        synced: list[int] = []

        class Watched(File):
            def sync(self) -> None:
                synced.append(self.size())
                super().sync()

        class Watching(Vfs):
            def file(self, descriptor: int, path: Path) -> File:
                return (Watched if path.suffix == ".log" else File)(descriptor)

        class Adding(Kept):
            def send(self, messages: Sequence[bytes]) -> None:
                super().send(messages)
                if len(self.batches) == count:
                    with newest.open("ab") as file:
                        file.write(b"late\n")

        count, kept, newest = len(files(place)), Adding(), files(place)[-1]
        drain(place, "siem", kept, tmp_path / "c", vfs=Watching())
        assert kept.messages[-1] == b"late"
        assert synced[-1] == newest.stat().st_size

    def test_a_torn_line_waits(self, place: Path, tmp_path: Path) -> None:
        kept, newest = Kept(), files(place)[-1]
        newest.write_bytes(newest.read_bytes() + b"torn")
        assert drain(place, "siem", kept, tmp_path / "c") == 9
        FileSink(place).send([b"whole"])
        assert drain(place, "siem", kept, tmp_path / "c") == 1
        assert kept.messages[-1] == b"whole"

    def test_a_spool_that_does_not_exist_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(SpoolMissing):
            drain(tmp_path / "none", "siem", Kept(), tmp_path / "c")
        (tmp_path / "empty").mkdir()
        assert drain(tmp_path / "empty", "siem", Kept(), tmp_path / "c") == 0

    @pytest.mark.parametrize("text", [b"", b"{}", b"\xff", b'{"format":"other","file":1,"offset":0}'])
    def test_a_cursor_that_is_none_is_refused(self, place: Path, tmp_path: Path, text: bytes) -> None:
        drain(place, "siem", Kept(), tmp_path / "c")
        (tmp_path / "c" / "siem.drained").write_bytes(text)
        with pytest.raises(CursorDamaged):
            drain(place, "siem", Kept(), tmp_path / "c")

    def test_a_cursor_of_another_spool_is_refused(self, place: Path, tmp_path: Path) -> None:
        drain(place, "siem", Kept(), tmp_path / "c")
        FileSink(tmp_path / "shorter").send([b"one"])
        with pytest.raises(CursorDamaged):
            drain(tmp_path / "shorter", "siem", Kept(), tmp_path / "c")
        newest = files(place)[-1]
        newest.write_bytes(b"")
        with pytest.raises(CursorDamaged):
            drain(place, "siem", Kept(), tmp_path / "c")

    def test_a_batch_has_a_line_at_least(self, place: Path, tmp_path: Path) -> None:
        with pytest.raises(ArgumentInvalid):
            drain(place, "siem", Kept(), tmp_path / "c", batch=0)

    def test_one_drains_at_a_time(self, place: Path, tmp_path: Path) -> None:
        with alone(Vfs(), tmp_path / "c" / "siem.drained.lock"), pytest.raises(DeliveryBusy):
            drain(place, "siem", Kept(), tmp_path / "c")

    @pytest.mark.parametrize("name", ["", ".", "a/b", "ä", "x" * 65])
    def test_a_name_is_that_of_a_file(self, place: Path, tmp_path: Path, name: str) -> None:
        with pytest.raises(ArgumentInvalid):
            drain(place, name, Kept(), tmp_path / "c")
