"""What a reader has logged before its data is given out, and what is kept back when that fails."""

from __future__ import annotations

import errno
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from vaultfs_format.journal import HEADER_SIZE

import vaultfs
from tests.vaultfs.engine.test_access_logs import logs, reads
from tests.vaultfs.engine.test_concurrency import SlowSync
from tests.vaultfs.support import (
    WHO,
    put,
    read_only,
)
from vaultfs.engine.reader import Reader
from vaultfs.errors import StorageFailed, StorageFull, VaultError, WriterPoisoned
from vaultfs.testing.vfs import FaultyVfs, Operation, When
from vaultfs.vfs import File


def test_strict_reads_are_durable_before_they_are_released(vault: vaultfs.Vault) -> None:
    vfs = FaultyVfs()
    record = put(vault)
    with read_only(vault.path, vfs=vfs) as reader, reader.session(WHO, "TREAT", strict=True) as s:
        for _ in range(3):
            before = vfs.calls[Operation.SYNC]
            s.get(record)
            assert vfs.calls[Operation.SYNC] == before + 1


def test_buffered_reads_become_durable_within_the_bound(vault: vaultfs.Vault) -> None:
    vfs = FaultyVfs()
    record = put(vault)
    with read_only(vault.path, vfs=vfs, options=vaultfs.Options(sync_bound=0.05)) as reader:
        s = reader.session(WHO, "TREAT")
        before = vfs.calls[Operation.SYNC]
        for _ in range(10):
            s.get(record)
        deadline = time.monotonic() + 10
        while reader._log._journal is not None and reader._log._journal.durable < 12:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert 1 <= vfs.calls[Operation.SYNC] - before <= 5


def test_strict_reads_at_once_share_syncs(vault: vaultfs.Vault) -> None:
    vfs = SlowSync()
    record = put(vault)
    with read_only(vault.path, vfs=vfs) as reader, reader.session(WHO, "TREAT", strict=True) as s:
        before = vfs.calls[Operation.SYNC]
        threads = [threading.Thread(target=lambda: [s.get(record) for _ in range(20)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert vfs.calls[Operation.SYNC] - before < 120
    vault.merge_access_logs()
    assert reads(vault, record) == 160


@pytest.mark.parametrize("when", list(When))
def test_what_cannot_be_logged_is_not_released(vault: vaultfs.Vault, when: When) -> None:
    """The file that failed is given up; the next read goes on in another."""
    vfs = FaultyVfs()
    record = put(vault)
    with read_only(vault.path, vfs=vfs) as reader, reader.session(WHO, "TREAT") as s:
        s.get(record)
        vfs.fail(Operation.APPEND, error=errno.ENOSPC, when=when)
        with pytest.raises(StorageFull):
            s.get(record)
        assert s.get(record).data == b"data"
        assert len(logs(vault.path / "journal")) == 2
    vault.merge_access_logs()
    assert reads(vault, record) == (3 if when is When.ALL_DONE else 2)


@pytest.mark.parametrize("strict", [False, True])
def test_a_log_that_cannot_be_made_durable_ends_all_reading(vault: vaultfs.Vault, strict: bool) -> None:
    vfs = FaultyVfs()
    record = put(vault)
    reader = read_only(vault.path, vfs=vfs)
    s = reader.session(WHO, "TREAT", strict=strict)
    s.get(record)
    vfs.fail(Operation.SYNC, error=errno.EIO)
    with pytest.raises(StorageFailed):
        s.get(record) if strict else reader._log.sync()
    with pytest.raises(WriterPoisoned):
        s.get(record)
    reader.close()


@pytest.mark.parametrize("reader", [False, True])
def test_where_no_thread_can_be_begun_what_was_read_is_durable_at_once(
    vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch, *, reader: bool
) -> None:
    """There may be as many as there can be, or the interpreter ends."""
    record = put(vault)
    vault.settle()
    with ExitStack() as stack:
        opened = stack.enter_context(read_only(vault.path)) if reader else vault
        s = opened.session(WHO, "TREAT")

        def none_left(_: threading.Thread) -> None:
            raise RuntimeError

        time.sleep(2 * vaultfs.Options().sync_bound)  # until nothing is waited for any more
        monkeypatch.setattr(threading.Thread, "start", none_left)
        assert s.get(record).data == b"data"
        journal = opened._log._journal if isinstance(opened, Reader) else opened.engine.writer().journal
        assert journal is not None
        assert journal.durable == journal.last_group
        monkeypatch.undo()


def test_two_reads_whose_sync_fails_are_both_kept_back(vault: vaultfs.Vault) -> None:
    """The system tells of a failed sync once: the next one would seem to have made both durable."""
    record, begun, go_on = put(vault), threading.Event(), threading.Event()

    class Failing(FaultyVfs):
        """A disk whose next sync fails, once another read waits for one."""

        armed = False

        def file(self, descriptor: int, path: Path) -> File:
            file = super().file(descriptor, path)
            sync = file.sync

            def failing() -> None:
                if self.armed:
                    self.armed = False
                    begun.set()
                    go_on.wait(30)
                    raise StorageFailed(errno=errno.EIO)
                sync()

            file.sync = failing  # type: ignore[method-assign] # of this file alone
            return file

    vfs = Failing()
    with read_only(vault.path, vfs=vfs) as reader:
        s = reader.session(WHO, "TREAT", strict=True)
        vfs.armed = True
        found: list[str] = []

        def read() -> None:
            try:
                s.get(record)
                found.append("data")
            except VaultError as error:
                found.append(type(error).__name__)

        threads = [threading.Thread(target=read) for _ in range(2)]
        threads[0].start()
        assert begun.wait(30)
        journal = reader._log._journal
        assert journal is not None
        written = journal.last_group
        threads[1].start()
        while journal.last_group == written:
            time.sleep(0.001)
        go_on.set()
        for one in threads:
            one.join(30)
    assert sorted(found) == ["StorageFailed", "WriterPoisoned"]


def test_a_full_disk_at_the_end_of_a_file_ends_reading_coded(
    vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vaultfs.engine.log.accesslog.MAX_ACCESS_JOURNAL", HEADER_SIZE + 1)
    vfs = FaultyVfs()
    record = put(vault)
    with read_only(vault.path, vfs=vfs) as reader, reader.session(WHO, "TREAT") as s:
        for kind in (Operation.CREATE, Operation.SYNC_DIRECTORY):
            s.get(record)
            vfs.fail(kind, error=errno.ENOSPC)
            with pytest.raises(VaultError):
                s.get(record)
        assert s.get(record).data == b"data"
    vault.merge_access_logs()
    assert reads(vault, record) == 3
