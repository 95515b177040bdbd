"""Records: what is put comes back, byte for byte, by id, by version and in ranges."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import BinaryIO

import pytest

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, delete, get, put, session
from vaultfs.errors import (
    ArgumentInvalid,
    Closed,
    Deleted,
    KindUnknown,
    NotFound,
    TooLarge,
    TransactionEnded,
)

KIB, MIB = 1024, 1024 * 1024


@pytest.mark.parametrize(
    "size", [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7], ids=str
)
@pytest.mark.parametrize("settled", [False, True], ids=["journal", "segment"])
def test_a_record_of_any_size_comes_back_byte_for_byte(vault: vaultfs.Vault, size: int, settled: bool) -> None:
    data = os.urandom(size)
    record = put(vault, data)
    if settled:
        vault.settle()
    with session(vault) as s:
        found = s.get(record)
        assert found.data == data
        assert (found.info.length, found.info.version, found.info.kind) == (size, 1, "Observation")
        assert s.info(record) == found.info
        with s.open(record) as file:
            assert file.read() == data


def test_the_bytes_around_a_record_are_kept_and_are_not_part_of_it(vault: vaultfs.Vault) -> None:
    for data in (b"", b"record", os.urandom(2 * MIB)):
        record = put(vault, data, before=b"[\n" * 3, after=b",\n")
        with session(vault) as s:
            found = s.get(record)
            assert (found.before, found.data, found.after) == (b"[\n" * 3, data, b",\n")
            assert s.open(record).read() == data


@pytest.mark.parametrize(("before", "after"), [(40 * KIB, 40 * KIB), (0, 3 * MIB), (3 * MIB, 0)])
def test_large_bytes_around_a_small_record_come_back(vault: vaultfs.Vault, before: int, after: int) -> None:
    left, right = os.urandom(before), os.urandom(after)
    record = put(vault, b"small", before=left, after=right)
    vault.settle()
    with session(vault) as s:
        found = s.get(record)
        assert (found.before, found.data, found.after) == (left, b"small", right)


def test_a_file_is_read_to_its_end_however_it_delivers(vault: vaultfs.Vault) -> None:
    class Dribble(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 1, 1000))

    for size in (0, 999, 64 * KIB, 2 * MIB + 3):
        data = os.urandom(size)
        assert get(vault, put(vault, Dribble(data))) == data


def test_a_source_that_gives_no_bytes_is_refused_and_leaves_nothing(vault: vaultfs.Vault) -> None:
    class Text(io.StringIO):
        pass

    with session(vault) as s, s.transaction() as txn, pytest.raises(ArgumentInvalid):
        txn.put(Text("x"), kind="Binary", subject=MRN)  # type: ignore[arg-type]
    with session(vault) as s:
        assert s.subjects(MRN) == []


def test_a_source_that_fails_midway_leaves_no_trace_in_the_transaction(vault: vaultfs.Vault) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 2 * MIB:
                raise OSError("unplugged")
            return super().read(size)

    with session(vault) as s:
        with s.transaction() as txn:
            first = txn.put(os.urandom(2 * MIB), kind="Binary", subject=MRN)
            with pytest.raises(OSError, match="unplugged"):
                txn.put(Broken(os.urandom(4 * MIB)), kind="Binary", subject=MRN, replaces=None)
            last = txn.put(b"small", kind="Binary", subject=MRN)
        assert [info.id for info in s.find(subject=MRN)] == [first, last]
    vault.settle()
    assert vault.space().bodies < 2 * MIB + 64 * KIB


def test_ranges_are_read_from_wherever_they_lie(vault: vaultfs.Vault) -> None:
    data = os.urandom(5 * MIB + 11)
    record = put(vault, data, before=b"b" * 100, after=b"a" * 100)
    for _ in range(2):
        with session(vault) as s, s.open(record) as file:
            for start, length in ((0, 1), (MIB - 101, 200), (3 * MIB, 2 * MIB), (5 * MIB, 100), (5 * MIB + 10, 5)):
                file.seek(start)
                assert file.read(length) == data[start : start + length]
            assert file.seek(-4, io.SEEK_END) == len(data) - 4
            assert file.read() == data[-4:]
            assert file.read() == b""
            file.seek(len(data) + 5)
            assert file.read(3) == b""
            file.seek(2)
            assert file.seek(3, io.SEEK_CUR) == 5 == file.tell()
            assert file.seekable()
            assert file.readable()
            assert not file.writable()
        vault.settle()


def test_an_open_record_is_read_on_while_its_frames_move_and_after_its_deletion(vault: vaultfs.Vault) -> None:
    data = os.urandom(9 * MIB)
    record = put(vault, data)
    with session(vault) as s, s.open(record) as file:
        assert file.read(MIB) == data[:MIB]
        vault.settle()
        assert file.read(5 * MIB) == data[MIB : 6 * MIB]
        delete(vault, record)
        vault.settle()
        vault.rebuild_index()
        assert file.read() == data[6 * MIB :]


def test_a_closed_record_file_and_one_of_a_closed_vault_give_nothing(opened: Open) -> None:
    vault = opened()
    record = put(vault, os.urandom(3 * MIB))
    with session(vault) as s:
        file = s.open(record)
        left_open = s.open(record).detach()
        file.close()
        with pytest.raises(ValueError, match="closed"):
            file.read(1)
        vault.close()
        with pytest.raises(Closed):
            left_open.readinto(bytearray(5))
        left_open.close()
        with pytest.raises(Closed):
            left_open.readinto(bytearray(5))


def test_a_new_version_keeps_the_id_and_the_old_ones_stay_readable(vault: vaultfs.Vault) -> None:
    record = put(vault, b"one")
    assert put(vault, b"two", replaces=record) == record
    with session(vault) as s:
        with s.transaction() as txn:
            txn.put(b"three", kind="Condition", subject=MRN, replaces=record, media_type="application/json")
            txn.put(os.urandom(MIB), kind="Binary", subject=MRN, replaces=record)
        assert [info.version for info in s.versions(record)] == [1, 2, 3, 4]
        assert [s.get(record, n).data for n in (1, 2, 3)] == [b"one", b"two", b"three"]
        assert s.get(record).info.version == 4
        assert s.get(record, 3).info.kind == "Condition"
        with pytest.raises(NotFound):
            s.get(record, 5)
        with pytest.raises(NotFound):
            s.get(record, 0)
        assert [info.version for info in s.find(subject=MRN)] == [4]
        before = [s.get(record, n).data for n in (1, 2, 3, 4)]
        vault.settle()
        assert [s.get(record, n).data for n in (1, 2, 3, 4)] == before
        assert len({info.commit for info in s.versions(record)}) == 3


def test_deletion_hides_and_undeletion_shows_the_same_bytes(vault: vaultfs.Vault) -> None:
    record = put(vault, b"one")
    put(vault, b"two", replaces=record)
    with session(vault) as s:
        delete(vault, record)
        for version in (None, 1, 2):
            with pytest.raises(Deleted):
                s.get(record, version)
        with pytest.raises(Deleted):
            s.open(record)
        assert s.find(subject=MRN) == []
        assert [info.version for info in s.versions(record)] == [1, 2]
        with pytest.raises(Deleted):
            delete(vault, record)
        with pytest.raises(Deleted):
            put(vault, b"three", replaces=record)
        vault.settle()
        with s.transaction() as txn:
            txn.undelete(record)
        assert s.get(record).data == b"two"
        assert s.get(record, 1).data == b"one"
        put(vault, b"three", replaces=record)
        assert s.get(record).data == b"three"
        assert [info.id for info in s.find(subject=MRN)] == [record]


def test_undeleting_what_is_visible_changes_nothing(vault: vaultfs.Vault) -> None:
    record = put(vault)
    with session(vault) as s:
        txn = s.transaction()
        txn.undelete(record)
        assert txn.commit() == 0


def test_within_one_transaction_the_last_word_on_a_record_counts(vault: vaultfs.Vault) -> None:
    record = put(vault, b"one")
    with session(vault) as s:
        with s.transaction() as txn:
            txn.delete(record)
            with pytest.raises(Deleted):
                txn.delete(record)
            with pytest.raises(Deleted):
                txn.put(b"two", kind="Observation", subject=MRN, replaces=record)
            txn.undelete(record)
        assert s.get(record).data == b"one"
        with s.transaction() as txn:
            txn.put(b"two", kind="Observation", subject=MRN, replaces=record)
            txn.delete(record)
        with pytest.raises(Deleted):
            s.get(record)
        assert [info.version for info in s.versions(record)] == [1, 4]


def test_nothing_of_a_transaction_is_visible_before_its_commit(vault: vaultfs.Vault) -> None:
    with session(vault) as s:
        txn = s.transaction()
        record = txn.put(b"x", kind="Observation", subject=MRN)
        with pytest.raises(NotFound):
            s.get(record)
        with pytest.raises(NotFound):
            txn.delete(record)
        with pytest.raises(NotFound):
            txn.put(b"y", kind="Observation", subject=MRN, replaces=record)
        assert s.subjects(MRN) == []
        txn.commit()
        assert s.get(record).data == b"x"


def test_a_rolled_back_transaction_leaves_nothing(vault: vaultfs.Vault) -> None:
    class Mistake(Exception):
        pass

    ids = []
    with session(vault) as s:
        with pytest.raises(Mistake), s.transaction() as txn:  # noqa: PT012 - the block is what is rolled back
            ids.append(txn.put(b"x", kind="Observation", subject=MRN))
            ids.append(txn.put(os.urandom(3 * MIB), kind="Binary", subject=MRN))
            raise Mistake
        for record in ids:
            with pytest.raises(NotFound):
                s.get(record)
        assert s.subjects(MRN) == []
        txn.rollback()
        for call in (lambda: txn.put(b"x", kind="Observation", subject=MRN), txn.commit, txn.new_subject):
            with pytest.raises(TransactionEnded):
                call()
    vault.settle()
    assert vault.space().bodies == 0


def test_an_empty_transaction_writes_nothing(vault: vaultfs.Vault) -> None:
    with session(vault) as s:
        end = vault.engine.writer().journal.end
        with s.transaction() as txn:
            pass
        assert txn.commit_number == 0
        with s.transaction():
            pass
        assert vault.engine.writer().journal.end == end


def test_a_record_needs_no_subject_and_no_date(vault: vaultfs.Vault) -> None:
    nobodys = put(vault, b"a", subject=None, date=date(2020, 1, 1))
    undated = put(vault, b"b")
    for _ in range(2):
        with session(vault) as s:
            assert s.get(nobodys).info.subject == vaultfs.NOBODY
            assert s.get(nobodys).info.date == vaultfs.ClinicalDate.of(date(2020, 1, 1))
            assert s.get(undated).info.date is None
            assert [info.id for info in s.find(subject=vaultfs.NOBODY)] == [nobodys]
            assert [info.id for info in s.find(subject=MRN)] == [undated]
        vault.settle()


@pytest.mark.parametrize(
    "when",
    [
        vaultfs.ClinicalDate(datetime(1, 1, 1), vaultfs.Precision.YEAR),
        vaultfs.ClinicalDate(datetime(9999, 12, 31, 23, 59, 59, 999000), vaultfs.Precision.MILLISECOND, -1439),
        vaultfs.ClinicalDate(datetime(1, 1, 1), vaultfs.Precision.MILLISECOND, 1439),
        vaultfs.ClinicalDate(datetime(2019, 5, 1), vaultfs.Precision.MONTH),
        vaultfs.ClinicalDate(datetime(1923, 2, 28, 4, 5), vaultfs.Precision.MINUTE, 330),
        vaultfs.ClinicalDate(datetime(1969, 12, 31, 23, 59, 59), vaultfs.Precision.SECOND, 0),
    ],
    ids=lambda when: when.when.isoformat(),
)
def test_dates_keep_what_the_source_states(vault: vaultfs.Vault, when: vaultfs.ClinicalDate) -> None:
    record = put(vault, date=when)
    for _ in range(2):
        with session(vault) as s:
            found = s.get(record).info.date
            assert found == when
            assert found is not None
            assert (found.precision, found.offset_minutes) == (when.precision, when.offset_minutes)
            assert [info.id for info in s.find(subject=MRN, since=date.min, until=None)] == [record]
        vault.settle()


def test_datetimes_are_kept_to_the_millisecond_with_their_offset(vault: vaultfs.Vault) -> None:
    zone = timezone(timedelta(hours=-5, minutes=-30))
    record = put(vault, date=datetime(2021, 3, 4, 5, 6, 7, 123456, tzinfo=zone))
    with session(vault) as s:
        expected = vaultfs.ClinicalDate(datetime(2021, 3, 4, 5, 6, 7, 123000), vaultfs.Precision.MILLISECOND, -330)
        assert s.get(record).info.date == expected


def test_kinds_and_media_types_of_the_host_are_known_in_its_vault_alone(opened: Open, tmp_path: Path) -> None:
    vault = opened(kinds=["acme.Note", "acme.Pix"], media_types=["text/acme"])
    record = put(vault, kind="acme.Pix", media_type="text/acme")
    vault = opened(fresh=True)
    with session(vault) as s:
        info = s.get(record).info
        assert (info.kind, info.media_type) == ("acme.Pix", "text/acme")
        assert [one.id for one in s.find(subject=MRN, kind="acme.Pix")] == [record]
        assert s.find(subject=MRN, kind="acme.Note") == []
    other = opened(tmp_path / "other")
    with pytest.raises(KindUnknown):
        put(other, kind="acme.Pix")


def test_an_unknown_kind_or_media_type_is_refused_and_leaves_nothing(vault: vaultfs.Vault) -> None:
    with session(vault) as s:
        with s.transaction() as txn:
            with pytest.raises(KindUnknown):
                txn.put(b"x", subject=MRN, kind="Nonsense")
            with pytest.raises(KindUnknown):
                txn.put(b"x", subject=MRN, kind="Observation", media_type="x/y")
        assert txn.commit_number == 0
        with pytest.raises(KindUnknown):
            s.find(subject=MRN, kind="Nonsense")


def test_an_id_of_another_vault_or_of_nothing_is_not_found(opened: Open, tmp_path: Path) -> None:
    vault, other = opened(), opened(tmp_path / "other")
    record = put(other)
    for wrong in (record, vaultfs.RecordId(bytes(16)), vaultfs.RecordId(os.urandom(16))):
        with session(vault) as s:
            for call in (s.get, s.info, s.open, s.versions):
                with pytest.raises(NotFound):
                    call(wrong)
            with s.transaction() as txn:
                for change in (txn.delete, txn.undelete):
                    with pytest.raises(NotFound):
                        change(wrong)
                with pytest.raises(NotFound):
                    txn.put(b"x", kind="Observation", subject=MRN, replaces=wrong)
    with pytest.raises(ArgumentInvalid):
        vaultfs.RecordId(b"short")


def test_many_records_are_read_at_once_or_none(vault: vaultfs.Vault) -> None:
    ids = [put(vault, f"{n}".encode()) for n in range(5)]
    put(vault, b"new", replaces=ids[2])
    with session(vault) as s:
        found = s.get_many([(ids[2], None), (ids[2], 1), (ids[4], None)])
        assert [record.data for record in found] == [b"new", b"2", b"4"]
        assert s.get_many([]) == []
        delete(vault, ids[4])
        with pytest.raises(Deleted):
            s.get_many([(ids[0], None), (ids[4], None)])


def test_a_transaction_of_many_small_records_spans_frames(vault: vaultfs.Vault) -> None:
    data = [os.urandom(n % 700) for n in range(1500)]
    with session(vault) as s:
        with s.transaction() as txn:
            ids = [
                txn.put(one, kind="Observation", subject=MRN, date=date(2000 + n % 20, 1, 1))
                for n, one in enumerate(data)
            ]
        for _ in range(2):
            assert [s.get(record).data for record in ids] == data
            assert [info.id for info in s.find(subject=MRN)] == ids
            vault.settle()


def test_a_transaction_beyond_the_limit_is_refused_before_anything_is_written(
    vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vaultfs.engine.committing.committer.MAX_TRANSACTION", 100_000)
    with session(vault) as s:
        with pytest.raises(TooLarge), s.transaction() as txn:  # noqa: PT012 - its end is what raises
            for _ in range(10):
                txn.put(os.urandom(20_000), kind="Observation", subject=MRN)
        assert s.subjects(MRN) == []
    assert get(vault, put(vault, b"later")) == b"later"


def test_a_record_beyond_the_limit_is_refused(vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaultfs_format.limits.MAX_RECORD", 3 * MIB)
    with session(vault) as s, s.transaction() as txn:
        with pytest.raises(TooLarge):
            txn.put(io.BytesIO(bytes(4 * MIB)), kind="Binary", subject=MRN)
        record = txn.put(io.BytesIO(bytes(2 * MIB)), kind="Binary", subject=MRN)
    assert get(vault, record) == bytes(2 * MIB)


class Pattern(io.RawIOBase):
    """A file of `size` pseudo-random bytes that are made as they are read, no stretch of them like another."""

    BLOCK = hashlib.shake_256(b"pattern").digest(MIB)

    def __init__(self, size: int) -> None:
        super().__init__()
        self.left = size
        self.hasher = hashlib.blake2b()

    def read(self, size: int = -1, /) -> bytes:
        data = (self.left.to_bytes(8, "little") + self.BLOCK)[: min(size, self.left, MIB)]
        self.left -= len(data)
        self.hasher.update(data)
        return data


def _stream(vault: vaultfs.Vault, size: int) -> None:
    source = Pattern(size)
    record = put(vault, _as_file(source), kind="Binary")
    for settle in (False, True):
        if settle:
            vault.settle()
        hasher = hashlib.blake2b()
        with session(vault) as s, s.open(record) as file:
            while piece := file.read(4 * MIB):
                hasher.update(piece)
        assert hasher.digest() == source.hasher.digest()


def _as_file(source: Pattern) -> BinaryIO:
    return source  # type: ignore[return-value]


_CHILD = """
import resource, sys
from pathlib import Path
from tests.vaultfs.engine.test_records import _stream
from tests.vaultfs.support import create
vault = create(Path(sys.argv[1]))
_stream(vault, 1 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
_stream(vault, int(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
vault.close()
"""


def _grown(tmp_path: Path, size: int) -> int:
    """Return by how many KiB a process grows that streams a record in and out."""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(tmp_path / "v"), str(size)], capture_output=True, cwd=root, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return int(done.stdout)


def test_a_record_of_64_mib_streams_in_constant_memory(tmp_path: Path) -> None:
    assert resource.getpagesize()
    assert _grown(tmp_path, 64 * MIB) < 24 * 1024


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_record_of_2_gib_streams_in_constant_memory(tmp_path: Path) -> None:
    assert _grown(tmp_path, 2 * 1024 * MIB + 1) < 32 * 1024
