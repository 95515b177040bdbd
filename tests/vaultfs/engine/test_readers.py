"""Readers beside the one writer: what was acknowledged is found, what was deleted is not, whatever moves meanwhile."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.journal import NO_JOURNAL, JournalHeader

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.engine.children import READ_ON_REQUEST, child
from tests.vaultfs.support import (
    MRN,
    OTHER,
    WHO,
    answers,
    create,
    delete,
    drop_mirrors,
    events,
    get,
    put,
    read_only,
    seen,
    session,
)
from vaultfs.errors import (
    AccessDenied,
    Closed,
    Deleted,
    EpochSecretMissing,
    IndexDamaged,
    IndexMissing,
    NoRecipientMatches,
    NotFound,
    ReadOnly,
    VaultDamaged,
    VaultError,
    VaultMissing,
    WriterBusy,
)

OPEN_AGAIN = """
for number in range(60):
    with read_only(path) as reader: get(reader, vaultfs.RecordId(bytes.fromhex(sys.argv[2])))
say(number + 1)
"""
MIB = 1024 * 1024
Read = Callable[..., vaultfs.Reader]


@pytest.fixture
def read() -> Iterator[Read]:
    """Return a function that opens a reader; all are closed in the end."""
    readers: list[vaultfs.Reader] = []

    def make(path: Path, **more: Any) -> vaultfs.Reader:
        readers.append(read_only(path, **more))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reads that never succeed fail soon."""
    monkeypatch.setattr("vaultfs.engine.reader.WAITS", (0.0, 0.001, 0.01))


def fill(vault: vaultfs.Vault) -> None:
    """Put some of everything into a vault, in segments and in a journal."""
    for settled in (True, False):
        record = put(vault, b"one", date=date(1980, 5, 1))
        put(vault, b"two", replaces=record, date=date(2020, 5, 1))
        delete(vault, put(vault, b"gone", subject=OTHER))
        put(vault, os.urandom(2 * MIB + 5), subject=OTHER)
        put(vault, b"nobody's", subject=None)
        with session(vault) as s, s.transaction() as txn:
            txn.link(s.subjects(MRN)[0], s.subjects(OTHER)[0])
            txn.set_state("ns", b"k", b"%d" % settled)
        if settled:
            vault.settle()


class TestReading:
    def test_a_reader_gives_the_answers_of_the_writer(self, vault: vaultfs.Vault, read: Read) -> None:
        fill(vault)
        reader = read(vault.path)
        expected = answers(vault, [MRN, OTHER])
        assert answers(reader, [MRN, OTHER]) == expected
        assert (reader.id, reader.path) == (vault.id, vault.path)
        assert repr(reader) == f"<Reader {vault.id.hex()}>"
        with reader.session(WHO, "TREAT") as s, session(vault) as w:
            assert s.state("ns", b"k") == w.state("ns", b"k")
            assert s.state("ns", b"absent").version == 0
            assert s.subjects(MRN) == w.subjects(MRN)
            ids = [(info.id, None) for info in w.find(subject=MRN)]
            assert s.get_many(ids) == w.get_many(ids)
            assert s.info(ids[0][0]) == w.info(ids[0][0])
            s.disclose(s.subjects(MRN)[0], 1)

    def test_a_reader_writes_nothing_to_the_vault(self, vault: vaultfs.Vault, read: Read) -> None:
        with read(vault.path).session(WHO, "TREAT") as s, pytest.raises(ReadOnly):
            s.transaction()

    def test_the_policy_decides_here_too(self, vault: vaultfs.Vault, read: Read) -> None:
        record = put(vault)
        with read(vault.path, policy=None).session(WHO, "TREAT") as s, pytest.raises(AccessDenied):
            s.get(record)
        vault.merge_access_logs()
        assert [event.outcome for event in events(vault) if event.type == vaultfs.EventType.ACCESS_DENIED] == [1]

    def test_two_readers_and_the_writer_share_a_process(self, opened: Open, read: Read) -> None:
        vault = opened()
        record = put(vault)
        one, two = read(vault.path), read(vault.path)
        assert get(one, record) == get(two, record) == get(vault, record)
        one.close()
        late = put(vault, b"late")
        assert get(two, late) == b"late"
        vault.close()
        assert get(two, record) == b"data"
        again = opened()
        later = put(again, b"later")
        assert get(two, later) == b"later"

    def test_a_reader_may_come_before_the_writer(self, opened: Open, read: Read) -> None:
        vault = opened()
        record = put(vault)
        path = vault.path
        vault.close()
        reader = read(path)
        assert get(reader, record) == b"data"
        vault = opened()
        assert get(reader, put(vault, b"new")) == b"new"
        assert get(reader, record) == b"data"

    def test_a_look_up_that_does_not_end_keeps_a_writer_of_the_process_out(
        self, opened: Open, read: Read, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its pages must not be unmapped; the vault can be opened when it has ended."""
        monkeypatch.setattr("vaultfs.engine.indexing.environments._PATIENCE", 0.05)
        vault = opened()
        record = put(vault)
        vault.close()
        reader = read(vault.path)
        with reader.engine.index.reading():
            with pytest.raises(WriterBusy):
                opened()
            assert get(reader, record) == b"data"
        opened()
        assert get(reader, record) == b"data"

    def test_the_wrong_key_opens_no_reader(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        with pytest.raises(NoRecipientMatches):
            read_only(vault.path, unlock=vaultfs.Passphrase(b"another one"))
        with pytest.raises(EpochSecretMissing):
            read_only(vault.path, epoch_stores=[vaultfs.DirectoryStore(tmp_path / "nowhere")])
        with pytest.raises(VaultMissing):
            read_only(tmp_path / "nothing")

    def test_a_closed_reader_does_nothing_more(self, vault: vaultfs.Vault) -> None:
        record = put(vault)
        with read_only(vault.path) as reader:
            s = reader.session(WHO, "TREAT")
            assert s.get(record).data == b"data"
        reader.close()
        for act in (lambda: s.get(record), lambda: reader.session(WHO, "TREAT")):
            with pytest.raises(Closed):
                act()

    def test_readers_leave_no_open_files(self, opened: Open) -> None:
        def descriptors() -> int:
            return len(os.listdir("/proc/self/fd"))

        opened().close()
        before = descriptors()
        for _ in range(3):
            vault = opened()
            record = put(vault)
            with read_only(vault.path) as reader:
                get(reader, record)
                vault.settle()
                get(reader, put(vault, os.urandom(MIB)))
                vault.rebuild_index()
                time.sleep(0.1)
                get(reader, record)
                vault.close()
                get(reader, record)
        assert descriptors() == before


class TestFreshness:
    """A reader in another process, strictly: what the writer has acknowledged is there before it asks."""

    def test_every_acknowledged_change_is_seen_at_once(self, opened: Open) -> None:
        vault = opened()
        with child(READ_ON_REQUEST, vault.path) as reader:
            assert reader.hear() == "ready"
            for number in range(40):
                data = b"%d" % number if number % 4 else os.urandom(300_000)
                record = put(vault, data)
                assert reader.ask(record) == data
                if number % 3 == 0:
                    delete(vault, record)
                    assert reader.ask(record) == "Deleted"
                if number % 10 == 5:
                    vault.settle()
                    assert reader.ask(record) == ("Deleted" if number % 3 == 0 else data)
                if number % 10 == 7:
                    vault.rebuild_index()
                if number % 10 == 8:
                    vault = opened(fresh=True)
                if number == 19:
                    vault.close()
                    shutil.rmtree(vault.path / "index")
                    vault = opened()
            assert reader.ask(vaultfs.RecordId(bytes(16))) == "NotFound"

    def test_a_settling_that_did_not_finish_hides_no_blob(self, opened: Open, read: Read) -> None:
        """A part file that has got a segment's name already holds its bodies where they were."""
        vault = opened()
        data = os.urandom(2 * MIB)
        record = put(vault, data)
        part = next(vault.path.rglob("*.part"))
        sealed = part.parent / "none" / f"{part.stem}.vseg"
        sealed.parent.mkdir()
        part.rename(sealed)
        assert get(read(vault.path), record) == data
        sealed.rename(part)

    def test_a_file_that_is_read_goes_on_when_everything_moves(self, opened: Open, read: Read) -> None:
        vault = opened()
        data = os.urandom(6 * MIB)
        record = put(vault, data)
        with read(vault.path).session(WHO, "TREAT") as s:
            file = s.open(record).detach()
            found = bytearray()
            for number in range(6):
                found += file.read(MIB) or b""
                if number % 2:
                    vault.settle() if number == 1 else vault.rebuild_index()
                    continue
                vault.close()
                shutil.rmtree(vault.path / "index")
                vault = opened()
            assert bytes(found) == data

    def test_addresses_of_another_index_are_not_taken_for_those_of_this_one(self, opened: Open, read: Read) -> None:
        """An index made anew numbers the files from one on again: what was found by the old one must not be used."""
        vault = opened()
        records = {put(vault, bytes([n]) * 500): bytes([n]) * 500 for n in range(20)}
        reader = read(vault.path)
        for _ in range(4):
            vault.close()
            shutil.rmtree(vault.path / "index")
            vault = opened()
            vault.settle()
            for record, data in records.items():
                assert get(reader, record) == data
            with reader.session(WHO, "TREAT") as s:
                assert {info.id for info in s.find(subject=MRN)} == records.keys()

    def test_a_state_that_the_index_has_lost_is_not_taken_for_one_that_was_never_set(
        self, impatient: None, vault: vaultfs.Vault, read: Read
    ) -> None:
        for settled in (False, True):
            with session(vault) as s, s.transaction() as txn:
                txn.set_state("hold", b"%d" % settled, b"on")
            if settled:
                vault.settle()
            reader = read(vault.path)
            with reader.session(WHO, "TREAT") as s:
                assert s.state("hold", b"never").version == 0
                assert s.state("hold", b"%d" % settled).value == b"on"
                with vault.engine.index.writing() as txn_:
                    token = vault.engine.chain.state_token("hold", b"%d" % settled)
                    txn_.delete(token, db=vault.engine.index.tables.states)
                with pytest.raises(IndexDamaged):
                    s.state("hold", b"%d" % settled)
                vault.rebuild_index()
                time.sleep(0.1)
                assert s.state("hold", b"%d" % settled).value == b"on"

    def test_states_that_come_while_it_reads_are_counted(
        self, impatient: None, vault: vaultfs.Vault, read: Read
    ) -> None:
        with read(vault.path).session(WHO, "TREAT") as s:
            for number in range(6):
                assert s.state("ns", b"%d" % number).version == 0
                with session(vault) as w, w.transaction() as txn:
                    txn.set_state("ns", b"%d" % number, b"")
                if number % 2:
                    vault.settle()
                assert s.state("ns", b"%d" % number).version == 1
                with vault.engine.index.writing() as txn_:
                    token = vault.engine.chain.state_token("ns", b"%d" % number)
                    txn_.delete(token, db=vault.engine.index.tables.states)
                with pytest.raises(IndexDamaged):
                    s.state("ns", b"%d" % number)

    @pytest.mark.parametrize("beside", ["writer", "reader"])
    def test_a_search_sees_one_state_of_the_vault(self, vault: vaultfs.Vault, read: Read, beside: str) -> None:
        """A record that gets a new version meanwhile is in the result, in one version or the other."""
        records = {put(vault, b"0") for _ in range(30)}
        stop = threading.Event()

        def replace() -> None:
            while not stop.is_set():
                for record in records:
                    put(vault, b"again", replaces=record)

        with ThreadPoolExecutor(1) as pool:
            replacing = pool.submit(replace)
            try:
                opened: vaultfs.Vault | vaultfs.Reader = vault if beside == "writer" else read(vault.path)
                with opened.session(WHO, "TREAT") as s:
                    for _ in range(150):
                        found = [info.id for info in s.find(subject=MRN)]
                        assert len(found) == len(records)
                        assert set(found) == records
            finally:
                stop.set()
            replacing.result(30)

    def test_a_reader_can_be_opened_while_the_index_is_given_a_new_file(self, vault: vaultfs.Vault) -> None:
        record = put(vault)
        stop = threading.Event()

        def replace() -> None:
            while not stop.is_set():
                vault.rebuild_index()
                time.sleep(0.005)

        with ThreadPoolExecutor(1) as pool, child(OPEN_AGAIN, vault.path, record.hex()) as one:
            replacing = pool.submit(replace)
            try:
                assert one.hear() == "60"
            finally:
                stop.set()
            replacing.result(30)


class TestOtherVaults:
    def test_a_vault_that_is_removed_is_missing(self, opened: Open, read: Read) -> None:
        vault = opened()
        record = put(vault)
        vault.close()
        reader = read(vault.path)
        assert get(reader, record) == b"data"
        shutil.rmtree(vault.path)
        with pytest.raises(VaultMissing):
            seen(reader, record)

    def test_another_vault_in_its_place_is_not_read(self, opened: Open, read: Read) -> None:
        vault = opened()
        record = put(vault)
        vault.close()
        reader = read(vault.path)
        shutil.rmtree(vault.path)
        with create(vault.path) as other:
            put(other)
            with pytest.raises(VaultError) as failure:
                get(reader, record)
            assert isinstance(failure.value, VaultMissing)


class TestIndexElsewhere:
    def test_without_an_index_nothing_is_read(self, opened: Open) -> None:
        vault = opened()
        put(vault)
        vault.close()
        for harm in (lambda index: (index / "data.mdb").write_bytes(b""), shutil.rmtree):
            harm(vault.path / "index")
            with pytest.raises(IndexMissing):
                read_only(vault.path)
            assert list((vault.path / "journal").glob("*.vacc")) == []

    def test_a_reader_makes_an_index_of_its_own(self, opened: Open, read: Read, tmp_path: Path) -> None:
        """It sees the vault as it was when it was opened, and leaves nothing behind."""
        vault = opened()
        fill(vault)
        said = answers(vault, [MRN, OTHER])
        vault.close()
        shutil.rmtree(vault.path / "index")
        reader = read(vault.path, index=tmp_path / "own")
        assert answers(reader, [MRN, OTHER]) == said
        with reader.session(WHO, "TREAT") as s:
            assert s.state("ns", b"k").version == 2
            assert s.state("ns", b"absent").version == 0
        late = put(opened(), b"late")
        with pytest.raises(NotFound):
            get(reader, late)
        reader.close()
        assert list((tmp_path / "own").iterdir()) == []

    def test_an_index_of_its_own_covers_the_journals_of_all_earlier_writers(
        self, opened: Open, read: Read, tmp_path: Path
    ) -> None:
        """And none that was settled and has come back."""
        vault = opened()
        records = [put(vault, b"settled")]
        old = shutil.copytree(vault.path / "journal", tmp_path / "old")
        vault.settle()
        for number in range(3):
            vault = opened(fresh=True)
            records.append(put(vault, b"%d" % number))
        vault.close()
        for journal in old.glob("*.vjrn"):
            shutil.copy(journal, vault.path / "journal")
        (vault.path / "journal" / f"{1:032x}.vjrn").write_bytes(b"never used")
        shutil.rmtree(vault.path / "index")
        reader = read(vault.path, index=tmp_path / "own")
        assert [get(reader, record) for record in records] == [b"settled", b"0", b"1", b"2"]

    def test_a_damaged_vault_gives_no_index(self, opened: Open, tmp_path: Path) -> None:
        vault = opened()
        put(vault)
        vault = opened(fresh=True)
        put(vault)
        vault.close()
        shutil.rmtree(vault.path / "index")
        drop_mirrors(vault.path)
        for journal in (vault.path / "journal").glob("*.vjrn"):
            data = journal.read_bytes()
            followed = JournalHeader.decode(data).predecessor == NO_JOURNAL
            for at in (4095, 4096 + 300):  # the MAC of the header, and the first group
                if at == 4095 or followed:
                    journal.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
                    with pytest.raises(VaultDamaged):
                        read_only(vault.path, index=tmp_path / "own")
            journal.write_bytes(data)
        assert list((tmp_path / "own").iterdir()) == []

    def test_the_index_that_the_writer_keeps_elsewhere_is_shared(
        self, opened: Open, read: Read, tmp_path: Path
    ) -> None:
        opened().close()
        vault = opened(index=tmp_path / "index")
        reader = read(vault.path, index=tmp_path / "index")
        assert get(reader, put(vault)) == b"data"
        vault.settle()
        assert get(reader, put(vault)) == b"data"

    def test_an_index_that_the_writer_keeps_no_longer_is_not_read_by(
        self, impatient: None, opened: Open, read: Read, tmp_path: Path
    ) -> None:
        vault = opened()
        old = put(vault)
        vault.close()
        before = read(vault.path)
        assert get(before, old) == b"data"
        vault = opened(index=tmp_path / "index")
        delete(vault, old)
        with pytest.raises(IndexDamaged):
            get(before, old)
        with pytest.raises(IndexDamaged):
            read_only(vault.path)
        with pytest.raises(Deleted):
            get(read(vault.path, index=tmp_path / "index"), old)


def test_a_reader_needs_no_inbox_key(vault: vaultfs.Vault) -> None:
    """What opens the journals of others is a compartment of the keyring that readers leave sealed."""
    with read_only(vault.path) as reader:
        keys = [value for value in vars(reader.engine.chain).values() if isinstance(value, bytes)]
        assert vault._merger._inbox not in keys
