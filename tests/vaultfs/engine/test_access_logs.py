"""Access logs: every read of a reader is in the vault's log once, in order, and before its data was given out."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path

import pytest
from vaultfs_format.access import access_keys, seal_access
from vaultfs_format.events.records import RecordRead
from vaultfs_format.events.vault import AccessMerged
from vaultfs_format.journal import HEADER_SIZE, JournalHeader

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.engine.children import READ_ON_REQUEST, child
from tests.vaultfs.engine.disks import Chased, Stuck
from tests.vaultfs.support import (
    MRN,
    PASSPHRASE,
    WHO,
    crashed,
    create,
    events,
    events_of,
    get,
    newer,
    put,
    read_only,
    reopen,
)
from vaultfs import EventType
from vaultfs.audit.events import sealable
from vaultfs.audit.log import read_leaves
from vaultfs.engine.committing.control import control_intent
from vaultfs.engine.log.merging import NAMESPACE
from vaultfs.engine.opening.unlocking import Opener
from vaultfs.errors import Closed, StorageFailed, StorageReadOnly, VaultMissing, WriterPoisoned
from vaultfs.vfs import File, Vfs


def logs(directory: Path) -> list[Path]:
    """Return the access journals in a directory."""
    return sorted(directory.glob("*.vacc"))


def reads(vault: vaultfs.Vault, record: vaultfs.RecordId) -> int:
    """Return how often the log says that a record was read."""
    return sum(event.record == record for event in events_of(vault, RecordRead))


def test_a_sync_that_waits_for_a_closing_finds_the_log_closed(vault: vaultfs.Vault) -> None:
    """The file is gone by then; a thread in the background must not fail in a way that nobody knows."""
    record, disk = put(vault), Stuck()
    reader = read_only(vault.path, vfs=disk, options=vaultfs.Options(sync_bound=0.5))
    session = reader.session(WHO, "TREAT")
    session.get(record)
    disk.stuck = True

    def read() -> None:
        with suppress(StorageFailed, WriterPoisoned, Closed):
            reader.session(WHO, "TREAT", strict=True).get(record)

    strict = threading.Thread(target=read)
    closing = threading.Thread(target=reader.close)
    strict.start()
    assert disk.reached.wait(60)
    closing.start()
    time.sleep(1)  # both wait now: who closes, and who syncs what is half a second old
    disk.let_go.set()
    strict.join(60)
    closing.join(60)
    assert not strict.is_alive()
    assert not closing.is_alive()


class TestMerging:
    @pytest.mark.parametrize("strict", [False, True])
    def test_every_read_is_in_the_log_once(self, vault: vaultfs.Vault, strict: bool) -> None:
        records = [put(vault, b"%d" % n) for n in range(5)]
        with read_only(vault.path) as reader, reader.session(WHO, "TREAT", strict=strict) as s:
            for n, record in enumerate(records):
                for _ in range(n):
                    s.get(record)
            assert vault.merge_access_logs().events == 2 + 10
            assert vault.merge_access_logs() == vaultfs.Merged(0, 0, 0)
            s.get(records[0])
        assert vault.merge_access_logs() == vaultfs.Merged(1, 1, 0)
        assert [reads(vault, record) for record in records] == [1, 1, 2, 3, 4]
        assert logs(vault.path / "journal") == []
        assert len(list(read_leaves(vault))) == vault.engine.leaves

    def test_a_reader_that_never_rests_keeps_nobody_waiting(self, vault: vaultfs.Vault) -> None:
        """What it reads meanwhile is merged the next time: else merging would not end while it is faster."""
        record, path = put(vault), vault.path
        vault.close()
        with read_only(path) as reader, reader.session(WHO, "TREAT") as s:
            chased = Chased(lambda: s.get(record))
            for _ in range(10):
                s.get(record)
            with reopen(path, vfs=chased) as again:
                assert 10 <= reads(again, record) < 20
                more, chased.act = chased.acts, lambda: None
                again.merge_access_logs()
                assert reads(again, record) == 10 + more

    def test_what_was_merged_is_not_read_again(self, vault: vaultfs.Vault) -> None:
        path, record = vault.path, put(vault)
        vault.close()
        counting = Chased(lambda: None)
        with read_only(path) as reader, reader.session(WHO, "TREAT") as s, reopen(path, vfs=counting) as again:
            for _ in range(50):
                s.get(record)
            again.merge_access_logs()
            before = counting.acts
            s.get(record)
            assert again.merge_access_logs().events == 1
            assert counting.acts - before < 20
        assert before > 50

    def test_what_another_process_has_merged_is_not_read_again(self, opened: Open) -> None:
        """Else who opens a vault would wait for all that running readers have ever logged."""
        vault = opened()
        path, record = vault.path, put(vault)
        with read_only(path) as reader, reader.session(WHO, "TREAT") as s:
            for _ in range(50):
                s.get(record)
            vault.merge_access_logs()
            vault.close()
            counting = Chased(lambda: None)
            with reopen(path, vfs=counting) as again:
                before = counting.acts
                s.get(record)
                assert again.merge_access_logs().events == 1
                assert before < 50
                assert counting.acts - before < 20
                assert reads(again, record) == 51

    @pytest.mark.parametrize("at_work", [False, True])
    def test_merging_for_a_while_goes_on_the_next_time(self, vault: vaultfs.Vault, *, at_work: bool) -> None:
        """Readers may be faster than the writer: who opens the vault, or commits, does not wait for all they did."""
        record = put(vault)
        with ExitStack() as stack:
            readers = [stack.enter_context(read_only(vault.path)) for _ in range(3)]
            for reader in readers:
                for _ in range(5):
                    get(reader, record)
            if not at_work:
                stack.close()
            counts = [0]
            while counts[-1] < 15:
                assert vault.merge_access_logs(seconds=0).events > 0
                counts.append(reads(vault, record))
            assert max(after - before for before, after in pairwise(counts)) <= 3
            while not at_work and logs(vault.path / "journal"):
                vault.merge_access_logs(seconds=0)
            assert vault.merge_access_logs(seconds=0).events == 0
            assert reads(vault, record) == 15

    def test_events_keep_their_order_and_their_times(self, vault: vaultfs.Vault) -> None:
        times = iter(range(1000, 2000))
        record = put(vault)
        options = vaultfs.Options(clock=lambda: next(times))
        with read_only(vault.path, options=options) as reader, reader.session(WHO, "TREAT") as s:
            s.get(record)
            s.find(subject=MRN)
            s.versions(record)
        vault.merge_access_logs()
        found = [event for event in events(vault) if event.at < 2000]
        assert [event.at for event in found] == [1000, 1001, 1002, 1003, 1004]
        assert [EventType(event.type).name for event in found] == [
            "READER_OPENED", "SESSION_OPENED", "RECORD_READ", "RECORDS_SEARCHED", "VERSIONS_LISTED",
        ]  # fmt: skip
        (note,) = events_of(vault, AccessMerged)
        assert note.events == 5

    @pytest.mark.parametrize("when", ["open", "settle", "close"])
    def test_the_vault_merges_when_it_opens_settles_and_closes(self, opened: Open, when: str) -> None:
        vault = opened()
        record = put(vault)
        if when == "open":
            vault.close()
        with read_only(vault.path) as reader:
            get(reader, record)
        if when == "settle":
            vault.settle()
            assert reads(vault, record) == 1
        if when == "close":
            vault.close()
            assert logs(vault.path / "journal") == []
        vault = opened(fresh=True)
        assert reads(vault, record) == 1
        assert logs(vault.path / "journal") == []

    def test_the_log_of_a_reader_that_is_at_work_stays(self, opened: Open) -> None:
        vault = opened()
        record = put(vault)
        with child(READ_ON_REQUEST, vault.path) as reader:
            assert reader.hear() == "ready"
            for number in range(1, 4):
                assert reader.ask(record) == b"data"
                vault = opened(fresh=True) if number == 2 else vault
                vault.merge_access_logs()
                assert reads(vault, record) == number
                assert len(logs(vault.path / "journal")) == 1
            reader.ask(record)
            reader.process.send_signal(signal.SIGKILL)
            reader.process.wait()
        assert vault.merge_access_logs() == vaultfs.Merged(1, 1, 0)
        assert reads(vault, record) == 4

    def test_a_log_that_comes_back_is_not_merged_again(self, opened: Open, tmp_path: Path) -> None:
        vault = opened()
        record = put(vault)
        with read_only(vault.path) as reader:
            get(reader, record)
            early = tmp_path / "early"
            shutil.copytree(vault.path / "journal", early)
            get(reader, record)
        late = logs(vault.path / "journal")[0]
        shutil.copy(late, tmp_path / late.name)
        vault.merge_access_logs()
        for copy in (early / late.name, tmp_path / late.name):
            for settled in (False, True):
                shutil.copy(copy, late)
                assert vault.merge_access_logs() == vaultfs.Merged(0, 1, 0)
                if settled:
                    vault.settle()
                vault = opened(fresh=True)
        assert reads(vault, record) == 2

    def test_a_crash_after_a_merge_merges_nothing_twice(self, opened: Open, tmp_path: Path) -> None:
        vault = opened()
        record = put(vault)
        with read_only(vault.path) as reader:
            get(reader, record)
            copies = [crashed(vault.path, tmp_path / "before")]
            vault.merge_access_logs()
            copies += [crashed(vault.path, tmp_path / f"after{index}", index=index) for index in (False, True)]
        for copy in copies:
            again = opened(copy)
            assert reads(again, record) == 1

    def test_many_events_are_merged_in_several_commits(
        self, vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("vaultfs.engine.log.merging._BATCH", 500)
        record = put(vault)
        with read_only(vault.path) as reader, reader.session(WHO, "TREAT") as s:
            for _ in range(30):
                s.get(record)
        assert vault.merge_access_logs() == vaultfs.Merged(32, 1, 0)
        assert reads(vault, record) == 30
        assert sum(event.type == EventType.ACCESS_MERGED for event in events(vault)) > 3


class TestElsewhere:
    def test_a_log_elsewhere_is_handed_over(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        record = put(vault)
        with read_only(vault.path, access_log=tmp_path / "logs") as reader:
            get(reader, record)
        assert logs(vault.path / "journal") == []
        copy = shutil.copytree(tmp_path / "logs", tmp_path / "copy")
        assert vault.merge_access_logs(tmp_path / "logs") == vaultfs.Merged(3, 1, 0)
        assert vault.merge_access_logs(copy) == vaultfs.Merged(0, 1, 0)
        assert reads(vault, record) == 1

    def test_logs_of_other_vaults_are_left_alone(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        with create(tmp_path / "other") as other:
            record = put(other)
            with read_only(other.path, access_log=tmp_path / "logs") as reader:
                get(reader, record)
            assert vault.merge_access_logs(tmp_path / "logs") == vaultfs.Merged(0, 0, 0)
            assert other.merge_access_logs(tmp_path / "logs") == vaultfs.Merged(3, 1, 0)

    def test_a_directory_that_is_not_there_is_missing(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        with pytest.raises(VaultMissing):
            vault.merge_access_logs(tmp_path / "nowhere")


class TestDamage:
    @pytest.fixture
    def log(self, vault: vaultfs.Vault) -> Path:
        """Return the log of a reader that has ended, with three reads."""
        record = put(vault)
        with read_only(vault.path) as reader, reader.session(WHO, "TREAT", strict=True) as s:
            for _ in range(3):
                s.get(record)
        return logs(vault.path / "journal")[0]

    def test_damage_keeps_the_file_and_what_is_good_of_it(self, vault: vaultfs.Vault, log: Path) -> None:
        data = bytearray(log.read_bytes())
        data[HEADER_SIZE + (len(data) - HEADER_SIZE) * 5 // 8] ^= 1
        log.write_bytes(data)
        for _ in range(2):
            assert vault.merge_access_logs().kept == 1
        assert 0 < sum(event.type == EventType.RECORD_READ for event in events(vault)) < 3
        assert log.exists()

    @pytest.mark.parametrize("at", [20, 100, 250, 1000, HEADER_SIZE - 1])
    def test_a_damaged_header_keeps_the_file(self, vault: vaultfs.Vault, log: Path, at: int) -> None:
        data = bytearray(log.read_bytes())
        data[at] ^= 1
        log.write_bytes(data)
        assert vault.merge_access_logs() == vaultfs.Merged(0, 0, 1)
        assert log.exists()

    def test_a_torn_end_is_a_read_that_was_never_released(self, vault: vaultfs.Vault, log: Path) -> None:
        data = log.read_bytes()
        closing = 88 + 64
        log.write_bytes(data[: -closing - 10])
        assert vault.merge_access_logs() == vaultfs.Merged(4, 1, 0)

    def test_a_log_that_was_never_used_is_removed(self, vault: vaultfs.Vault, log: Path) -> None:
        for length in (0, 100, HEADER_SIZE - 1):
            other = log.with_name(f"{length:032x}.vacc")
            other.write_bytes(log.read_bytes()[:length])
        assert vault.merge_access_logs().removed == 4

    def test_a_log_of_a_newer_program_is_kept(self, vault: vaultfs.Vault, log: Path) -> None:
        log.write_bytes(newer(log.read_bytes()))
        assert vault.merge_access_logs() == vaultfs.Merged(0, 0, 1)

    def test_who_has_not_the_keys_adds_nothing_to_the_log(self, vault: vaultfs.Vault, log: Path) -> None:
        """The inbox key lies in VAULT in clear; a journal that is sealed to it is not believed for that."""
        header = JournalHeader.decode(log.read_bytes())
        inbox = Opener(vault.engine.vfs, vault.engine.layout, PASSPHRASE, ()).unlock().superblock.inbox()
        forged = seal_access(header, inbox, b"m" * 32)
        log.write_bytes(forged.encode(access_keys(forged, b"m" * 32, bytes(32))) + log.read_bytes()[HEADER_SIZE:])
        assert vault.merge_access_logs() == vaultfs.Merged(0, 0, 1)

    def test_a_journal_of_the_writer_is_no_access_log(self, vault: vaultfs.Vault, log: Path) -> None:
        journal = next((vault.path / "journal").glob("*.vjrn"))
        shutil.copy(journal, log)
        assert vault.merge_access_logs().kept == 1


def test_reads_that_a_killed_reader_released_are_in_the_log(opened: Open) -> None:
    """Strictly: all of them, and at most one that was not released; each once."""
    vault = opened()
    record = put(vault)
    for round_ in range(3):
        with child(READ_ON_REQUEST, vault.path) as reader:
            assert reader.hear() == "ready"
            for _ in range(10 * (round_ + 1)):
                assert reader.ask(record) == b"data"
            reader.process.kill()
        vault.merge_access_logs()
        assert logs(vault.path / "journal") == []
    assert reads(vault, record) == 60
    counted = Counter(event.type for event in events(vault))
    assert counted[EventType.ACCESS_MERGED] == 3


def test_the_vault_opens_whatever_lies_among_its_access_logs(opened: Open) -> None:
    """A log that is damaged must not keep anyone from the records."""
    vault = opened()
    record = put(vault)
    vault.close()
    (vault.path / "journal" / f"{1:032x}.vacc").write_bytes(os.urandom(10_000))
    assert get(opened(), record) == b"data"


def test_what_is_no_file_among_the_access_logs_keeps_nobody_waiting(opened: Open) -> None:
    vault = opened()
    record = put(vault)
    vault.close()
    (vault.path / "journal" / f"{1:032x}.vacc").mkdir()
    os.mkfifo(vault.path / "journal" / f"{2:032x}.vacc")
    vault = opened()
    assert vault.merge_access_logs().kept == 2
    assert get(vault, record) == b"data"


def test_a_log_that_another_account_keeps_to_itself_stops_nothing(opened: Open, tmp_path: Path) -> None:
    vault = opened()
    record, path = put(vault), vault.path
    with read_only(path) as reader:
        get(reader, record)
        (log,) = logs(path / "journal")
        kept = tmp_path / "kept"
        shutil.copy(log, kept)
    vault.close()
    shutil.copy(kept, log)

    class Other(Vfs):
        """A disk with one file of somebody else's."""

        def open(self, path: Path, *, writable: bool = False) -> File:
            if path == log:
                raise StorageReadOnly(errno=errno.EACCES)
            return super().open(path, writable=writable)

    with reopen(path, vfs=Other()) as again:
        assert again.merge_access_logs().kept == 1
        again.settle()


def test_a_mark_that_is_none_keeps_the_log_and_stops_nothing(opened: Open) -> None:
    vault = opened()
    record = put(vault)
    with read_only(vault.path) as reader:
        get(reader, record)
        (log,) = logs(vault.path / "journal")
        events = sealable(vault.engine.suite, [])
        vault.commit(control_intent(vault.engine, NAMESPACE, bytes.fromhex(log.stem), bytes(8), 0, events))
        assert vault.merge_access_logs().kept == 1
    vault.close()
    assert get(opened(), record) == b"data"
    assert log.exists()


def test_merging_needs_an_open_vault(opened: Open) -> None:
    vault = opened()
    vault.close()
    with pytest.raises(Closed):
        vault.merge_access_logs()


def test_merging_into_a_full_journal_settles_once_and_merges_nothing_twice(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commits of a merging make the journal grow; a settling begun by them would merge the same logs."""
    monkeypatch.setattr("vaultfs.engine.log.merging._BATCH", 500)
    vault = opened(options=vaultfs.Options(settle_bytes=6_000))
    record = put(vault)
    with read_only(vault.path) as reader, reader.session(WHO, "TREAT") as s:
        for _ in range(60):
            s.get(record)
    assert vault.merge_access_logs().events == 62
    put(vault)
    assert reads(vault, record) == 60
    assert vault.engine.head.generation > 1


def test_a_log_shows_nobody_who_read_what(vault: vaultfs.Vault, tmp_path: Path) -> None:
    record = put(vault, b"secret content")
    who = vaultfs.Principal("dr-plainly-visible")
    with read_only(vault.path, access_log=tmp_path / "logs") as reader, reader.session(who, "PURPOSEFUL") as s:
        s.find(subject=MRN)
        s.get(record)
        subject = s.subjects(MRN)[0]
    (log,) = logs(tmp_path / "logs")
    for text in (b"plainly", b"PURPOSEFUL", b"secret", MRN.value.encode(), MRN.system.encode(), record, subject):
        assert bytes(text) not in log.read_bytes()
        assert bytes(text).hex() not in log.name
