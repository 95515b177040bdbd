"""Repair: byte for byte what was there, or nothing is touched and every record that is affected is named."""

from __future__ import annotations

import errno
import os
from datetime import date
from pathlib import Path

import pytest
from vaultfs_format.head import SegmentRow
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, OTHER, get, lost, put, read_only, session
from vaultfs.engine.settling.compaction import FAN
from vaultfs.errors import StorageFailed, StorageFull, VaultDamaged
from vaultfs.storage.maintenance import Step
from vaultfs.storage.repair import Repaired, repair, repair_queue
from vaultfs.testing.vfs import FaultyVfs, Operation, When
from vaultfs.vfs import File, Vfs, coded

KIB = 1024


@pytest.fixture
def records(opened: Open) -> dict[str, vaultfs.RecordId]:
    """Return records of several kinds in a settled vault, which `vault` has open."""
    vault = opened()
    made = {
        "small": put(vault, b"small", date=date(2001, 1, 1)),
        "other": put(vault, os.urandom(30 * KIB), subject=OTHER, date=date(2001, 1, 1)),
        "nobody's": put(vault, os.urandom(30 * KIB), subject=None),
        "blob": put(vault, os.urandom(3000 * KIB), kind="Binary"),
    }
    with session(vault) as s, s.transaction() as txn:
        txn.set_state("ns", b"k", b"v")
    vault.settle()
    vault.close()
    return made


def path_of(vault: vaultfs.Vault, row: SegmentRow) -> Path:
    """Return where a segment lies."""
    return vault.engine.layout.segment(row)


def harm(path: Path, *positions: int) -> bytes:
    """Flip a bit at each position; return what the file was."""
    data = path.read_bytes()
    changed = bytearray(data)
    for at in positions:
        changed[at] ^= 4
    path.write_bytes(changed)
    return data


def footer_of(path: Path) -> SegmentFooter:
    """Return the footer of a segment."""
    return SegmentFooter.decode(path.read_bytes()[-FOOTER_SIZE:])


def test_every_segment_is_made_whole(opened: Open, records: dict[str, vaultfs.RecordId]) -> None:
    vault = opened()
    for row in vault.engine.head.segments:
        path = path_of(vault, row)
        assert repair(vault.engine, row) == Repaired(row.segment_id)
        footer = footer_of(path)
        size = footer.geometry.slice_size
        for positions, healed in (
            ((5,), 1),
            ((size + 1, footer.parity_offset), 2),
            (footer.leaves_offsets, 1),
            ((footer.footer_offsets[1],), 1),
        ):
            whole = harm(path, *positions)
            inode = path.stat().st_ino
            assert repair(vault.engine, row) == Repaired(row.segment_id, healed)
            assert path.read_bytes() == whole
            assert path.stat().st_ino != inode
    for record in records.values():
        assert get(vault, record)


def test_a_file_of_another_length_is_made_whole(opened: Open, records: dict[str, vaultfs.RecordId]) -> None:
    vault = opened()
    for row in vault.engine.head.segments:
        path = path_of(vault, row)
        whole = path.read_bytes()
        for harmed in (whole[:-700], whole + b"more"):
            path.write_bytes(harmed)
            assert repair(vault.engine, row).healed
            assert path.read_bytes() == whole


class BadSectors(Vfs):
    """A device that reports an error for a read that meets one of some sectors of a file."""

    def __init__(self) -> None:
        self.path = Path()
        self.sectors: set[int] = set()

    def file(self, descriptor: int, path: Path) -> File:
        return _BadFile(descriptor, self.sectors) if path == self.path else super().file(descriptor, path)


class _BadFile(File):
    def __init__(self, descriptor: int, sectors: set[int]) -> None:
        super().__init__(descriptor)
        self._sectors = sectors

    def read(self, offset: int, length: int) -> bytes:
        if any(offset < 4096 * (number + 1) and 4096 * number < offset + length for number in self._sectors):
            raise coded(OSError(errno.EIO, "on purpose"))
        return super().read(offset, length)


def test_a_sector_that_cannot_be_read_takes_no_other_along(opened: Open, records: dict[str, vaultfs.RecordId]) -> None:
    """What is near it, and is read with it, is copied as it is; its slice alone is rebuilt."""
    disk = BadSectors()
    vault = opened(vfs=disk)
    for row in vault.engine.head.segments:
        disk.path = path_of(vault, row)
        whole = disk.path.read_bytes()
        disk.sectors = {1}
        assert repair(vault.engine, row).healed
        disk.path = Path()
        assert path_of(vault, row).read_bytes() == whole
        assert not repair(vault.engine, row).healed
    assert get(vault, records["small"]) == b"small"


def test_what_a_read_has_met_is_repaired(opened: Open, records: dict[str, vaultfs.RecordId]) -> None:
    vault = opened()
    for row in vault.engine.head.segments:
        if row.frame_class.name in ("RECORD", "BLOB"):
            harm(path_of(vault, row), 4200)
    wanted = {name: get(vault, record) for name, record in records.items()}
    damaged = set(vault.engine.store.damaged)
    assert damaged
    assert {done.segment_id for done in repair_queue(vault.engine)} == damaged
    assert vault.engine.store.damaged == set()
    assert list(repair_queue(vault.engine)) == []
    for row in vault.engine.head.segments:
        if row.segment_id in damaged:
            assert not repair(vault.engine, row).healed
    assert {name: get(vault, record) for name, record in records.items()} == wanted


def test_a_reader_in_another_place_goes_on_while_a_segment_is_repaired(
    opened: Open, records: dict[str, vaultfs.RecordId]
) -> None:
    vault = opened()
    with read_only(vault.path) as reader:
        for _ in range(3):
            for row in vault.engine.head.segments:
                harm(path_of(vault, row), 4200)
            assert get(reader, records["small"]) == b"small"
            for row in vault.engine.head.segments:
                assert repair(vault.engine, row).healed
            assert get(reader, records["small"]) == b"small"


@pytest.mark.parametrize("mirrors", [False, True])
def test_a_segment_that_is_merged_while_it_is_repaired_does_not_come_back(opened: Open, mirrors: bool) -> None:
    vault = opened()
    vault.maintenance.mirror_segments(on=mirrors)
    for _ in range(FAN - 1):
        put(vault, os.urandom(3000), subject=None)
        vault.settle()
    row = next(row for row in vault.engine.head.segments if row.frame_class.name == "RECORD")
    harm(path_of(vault, row), 4200)

    def merge(_: int) -> None:
        if row in vault.engine.head.segments:
            put(vault, os.urandom(3000), subject=None)
            vault.settle()

    assert repair(vault.engine, row, merge) == Repaired(row.segment_id)
    assert row not in vault.engine.head.segments
    assert list(vault.path.rglob(f"*{row.segment_id.hex()}*")) == []


class TestLoss:
    def test_what_is_lost_is_told_to_the_record(self, opened: Open, records: dict[str, vaultfs.RecordId]) -> None:
        vault = opened()
        found = {}
        for row in vault.engine.head.segments:
            path = path_of(vault, row)
            footer = footer_of(path)
            if row.frame_class.name not in ("RECORD", "BLOB"):
                continue
            size = footer.geometry.slice_size
            for number in range(1, footer.directory_offset // size):
                whole = path.read_bytes()
                gone = lost(path, number)
                harmed = path.read_bytes()
                done = repair(vault.engine, row)
                assert (done.healed, list(done.lost), done.complete) == (0, gone, True)
                assert path.read_bytes() == harmed
                unread = set()
                vault.engine.store._bodies.clear()
                for name, record in records.items():
                    try:
                        get(vault, record)
                    except VaultDamaged:
                        unread.add(record)
                        found[name] = record
                assert unread == set(done.records)
                path.write_bytes(whole)
                vault.engine.store.reopen(row.segment_id)
        assert set(found) >= {"other", "nobody's", "blob"}

    def test_a_directory_that_is_lost_names_no_record(self, opened: Open, records: dict[str, vaultfs.RecordId]) -> None:
        vault = opened()
        (row,) = [row for row in vault.engine.head.segments if row.frame_class.name == "BLOB"]
        footer = footer_of(path_of(vault, row))
        lost(path_of(vault, row), footer.directory_offset // footer.geometry.slice_size)
        done = repair(vault.engine, row)
        assert (done.records, done.complete) == ([], False)
        assert done.lost

    @pytest.mark.parametrize("data", [b"", b"something else", bytes(100_000)])
    def test_a_file_that_is_something_else_is_lost_whole(
        self, opened: Open, records: dict[str, vaultfs.RecordId], data: bytes
    ) -> None:
        vault = opened()
        row = vault.engine.head.segments[0]
        path_of(vault, row).write_bytes(data)
        assert not repair(vault.engine, row).complete
        assert path_of(vault, row).read_bytes() == data
        path_of(vault, row).unlink()
        assert not repair(vault.engine, row).complete

    def test_a_part_of_a_blob_is_lost_whose_records_are_too(self, opened: Open) -> None:
        """Nothing says any more which records all these are, and the round of scrubbing is completed all the same."""
        vault = opened()
        put(vault, os.urandom(30 * KIB), date=date(1990, 1, 1))
        put(vault, os.urandom(3000 * KIB), date=date(2000, 1, 1))
        vault.settle()
        paths = {row.frame_class.name: (row.segment_id, path_of(vault, row)) for row in vault.engine.head.segments}
        vault.close()
        paths["RECORD"][1].unlink()
        lost(paths["BLOB"][1], 20)
        vault = opened()
        done = vault.maintenance.run(60)
        assert done.failed.keys() <= {Step.INDEX}
        assert done.scrubbed is not None
        assert done.scrubbed.finished
        assert {one.segment_id: one.complete for one in done.lost} == {
            paths["RECORD"][0]: False,
            paths["BLOB"][0]: False,
        }
        assert vault.maintenance.health().lost == {paths["RECORD"][0], paths["BLOB"][0]}


class TestFaults:
    @pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
    @pytest.mark.parametrize("when", list(When))
    def test_each_call_of_a_repair_may_fail(
        self, opened: Open, records: dict[str, vaultfs.RecordId], error: int, when: When
    ) -> None:
        """Then the file is the damaged one or the whole one, nothing else is left, and repairing again heals it."""
        vfs = FaultyVfs()
        vault = opened(vfs=vfs)
        row = max(vault.engine.head.segments, key=lambda row: row.length)
        path = path_of(vault, row)
        kinds = (Operation.CREATE, Operation.APPEND, Operation.SYNC, Operation.MOVE, Operation.SYNC_DIRECTORY)
        number, failed = 0, True
        whole = path.read_bytes()
        while failed:
            number += 1
            harm(path, 4200)
            harmed = path.read_bytes()
            vfs.fail(*kinds, error=error, number=number, when=when)
            try:
                repair(vault.engine, row)
                failed = False
            except (StorageFull, StorageFailed):
                assert path.read_bytes() in (harmed, whole)
            vfs.heal()
            assert [p for p in path.parent.iterdir() if p.suffix == ".tmp"] == []
            repair(vault.engine, row)
            assert path.read_bytes() == whole
        assert number > 5
        assert get(vault, records["small"]) == b"small"


def test_nothing_is_repaired_that_a_settling_has_taken_away(opened: Open, records: dict[str, vaultfs.RecordId]) -> None:
    vault = opened()
    for row in vault.engine.head.segments:
        if row.frame_class.name == "RECORD":
            harm(path_of(vault, row), 4200)
    get(vault, records["small"])
    vault.engine.store.damaged.add(bytes(16))
    assert {done.segment_id for done in repair_queue(vault.engine)}.isdisjoint({bytes(16)})
    with session(vault) as s:
        assert s.find(subject=MRN)
