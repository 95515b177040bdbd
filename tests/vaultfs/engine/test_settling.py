"""Settling: journals become segments by class, subject and range of years, and no answer changes."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import lmdb
import pytest
from vaultfs_format.entries import Role
from vaultfs_format.frame import FrameClass
from vaultfs_format.layout import Buffer
from vaultfs_format.segment import NO_YEAR

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, OTHER, answers, delete, get, put, session
from vaultfs.engine.indexing.facts import year_of
from vaultfs.engine.indexing.index import Index, Place
from vaultfs.engine.opening.replay import segment_frames
from vaultfs.engine.settling import carrying
from vaultfs.errors import VaultError, WriterPoisoned
from vaultfs.testing.vfs import FaultyVfs, Operation
from vaultfs.vfs import File

KIB = 1024


def _years_of(vault: vaultfs.Vault) -> list[tuple[FrameClass, int, int]]:
    return sorted((row.frame_class, row.first_year, row.last_year) for row in vault.engine.head.segments)


def test_settling_twice_writes_once(vault: vaultfs.Vault) -> None:
    put(vault)
    assert vault.settle() == 2
    assert vault.settle() == 0
    assert [row.frame_class for row in vault.engine.head.segments if row.frame_class is FrameClass.AUDIT]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_settling_whose_closing_record_may_not_be_there_ends_the_writer(opened: Open, number: int) -> None:
    """Nothing may follow it: neither another commit nor another closing record."""
    vfs = FaultyVfs(durable=False)
    vault = opened(vfs=vfs)
    record = put(vault)
    vfs.fail(Operation.SYNC, error=errno.EIO, number=number)
    with pytest.raises(VaultError):
        vault.settle()
    with pytest.raises(WriterPoisoned):
        put(vault)
    vault.close()
    assert get(opened(fresh=True), record) == b"data"


def test_settling_what_an_earlier_process_wrote_looks_at_no_older_frames(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or every command that opens a vault, and settles it, would take longer the larger the vault is."""
    looked: list[int] = []
    whole = Index.newest_places

    def watched(self: Index, txn: lmdb.Transaction) -> Iterator[tuple[int, Place]]:
        for found in whole(self, txn):
            looked.append(found[0])
            yield found

    monkeypatch.setattr(Index, "newest_places", watched)
    vault = opened()
    for _ in range(20):
        put(vault)
    vault.settle()
    for recent in (0, 3):
        vault.close()
        vault = opened()
        records = [put(vault) for _ in range(recent)]
        vault.close()
        looked.clear()
        vault = opened()
        vault.settle()
        assert len(looked) == recent
        assert [get(vault, record) for record in records] == [b"data"] * recent


def test_each_class_has_segments_of_its_own(vault: vaultfs.Vault) -> None:
    with session(vault) as s, s.transaction() as txn:
        txn.put(b"dated", kind="Observation", subject=MRN, date=date(1999, 1, 1))
        txn.put(b"undated", kind="Observation", subject=OTHER)
        txn.put(os.urandom(70_000), kind="Binary", subject=MRN, date=date(2005, 1, 1))
        txn.set_state("ns", b"k", b"v")
    vault.settle()
    assert _years_of(vault) == [
        (FrameClass.RECORD, NO_YEAR, NO_YEAR),
        (FrameClass.RECORD, 1999, 1999),
        (FrameClass.BLOB, 2005, 2005),
        (FrameClass.CONTROL, NO_YEAR, NO_YEAR),
        (FrameClass.AUDIT, NO_YEAR, NO_YEAR),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_any_mixture_settles_without_changing_an_answer(
    opened: Open, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """With small ranges and segments: records of one frame part ways, tombstones and aliases come along."""
    monkeypatch.setattr(carrying, "SEGMENT_TARGET", 12 * KIB)
    chance = random.Random(seed)
    vault = opened()
    names = [vaultfs.Identifier("urn:x", str(n)) for n in range(4)]
    known: list[vaultfs.RecordId] = []
    for round_ in range(3):
        for _ in range(12):
            with session(vault) as s, s.transaction() as txn:
                put_now = []
                for _ in range(chance.randrange(1, 12)):
                    replaced = known.pop(chance.randrange(len(known))) if known and chance.random() < 0.2 else None
                    record = txn.put(
                        chance.randbytes(chance.choice([0, 10, 500, 3000, 40_000])),
                        kind="Observation",
                        subject=chance.choice([*names, None]),
                        date=chance.choice([None, date(chance.randrange(1920, 2020), 1, 1), date(2000, 1, 1)]),
                        replaces=replaced,
                    )
                    put_now.append(record)
                known += put_now
                if round_ and chance.random() < 0.5:
                    txn.set_state("ns", b"%d" % chance.randrange(5), chance.randbytes(10))
        for record in chance.sample(known, 3):
            delete(vault, record)
            known.remove(record)
        said = answers(vault, names)
        vault.settle()
        assert answers(vault, names) == said
        vault.rebuild_index()
        assert answers(vault, names) == said
    assert sum(row.frame_class is FrameClass.RECORD for row in vault.engine.head.segments) > 6
    _check_ranges(vault)
    assert answers(opened(fresh=True), names) == said


def _check_ranges(vault: vaultfs.Vault) -> None:
    """Check that every dated record of a subject lies within the years of its segment."""
    for row in vault.engine.head.segments:
        if row.frame_class is not FrameClass.RECORD:
            continue
        for frame in segment_frames(vault.engine, row):
            block = frame.entries()
            for entry in block.entries:
                if entry.role != Role.RECORD or block.subject == vaultfs.NOBODY:
                    continue
                year = year_of(entry.date) if entry.precision else NO_YEAR
                if row.first_year == NO_YEAR:
                    assert year == NO_YEAR
                else:
                    assert row.first_year <= year <= row.last_year


def test_a_frame_without_a_date_may_end_a_range_of_years(vault: vaultfs.Vault) -> None:
    """What has no date of its own, as an identifier, goes with the records it came with and widens no range."""
    long = vaultfs.Identifier("u" * 1024, "v" * 1024)
    with session(vault) as s:
        for _ in range(2):
            with s.transaction() as txn:
                txn.put(os.urandom(31 * KIB), kind="Observation", subject=MRN, date=date(2001, 1, 1))
        with s.transaction() as txn:
            last = txn.put(b"last", kind="Observation", subject=MRN, date=date(2001, 6, 1))
            txn.identify(txn.subject(MRN), long)
        vault.settle()
        assert (FrameClass.RECORD, 2001, 2001) in _years_of(vault)
        (row,) = [row for row in vault.engine.head.segments if row.frame_class is FrameClass.RECORD]
        assert Role.ALIAS in {entry.role for entry in list(segment_frames(vault.engine, row))[-1].entries().entries}
        assert len(s.find(subject=long, since=date(2001, 1, 1), until=date(2002, 1, 1))) == 3
        assert get(vault, last) == b"last"


def test_a_state_that_was_replaced_is_not_carried_over(vault: vaultfs.Vault) -> None:
    for value in (b"one", b"two", b"three"):
        with session(vault) as s, s.transaction() as txn:
            txn.set_state("ns", b"k", value)
            txn.set_state("ns", value, value)
    vault.settle()
    (row,) = [row for row in vault.engine.head.segments if row.frame_class is FrameClass.CONTROL]
    assert row.entries == 4
    with session(vault) as s:
        assert s.state("ns", b"k") == vaultfs.State(3, b"three")


@pytest.mark.parametrize("settled", [False, True])
def test_the_census_of_states_knows_those_in_journals_and_segments(vault: vaultfs.Vault, settled: bool) -> None:
    with session(vault) as s, s.transaction() as txn:
        txn.set_state("ns", b"before", b"")
    vault.settle()
    with session(vault) as s:
        with s.transaction() as txn:
            txn.set_state("ns", b"between", b"")
        assert s.state("ns", b"absent").version == 0
        with s.transaction() as txn:
            txn.set_state("ns", b"after", b"")
        if settled:
            vault.settle()
        tokens = {vault.engine.chain.state_token("ns", key) for key in (b"before", b"between", b"after")}
        assert vault._census.tokens() == tokens


def test_a_part_file_that_is_full_is_followed_by_another(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaultfs.engine.files.parts.MAX_PART_FILE", 1_200_000)
    vault = opened()
    data = [os.urandom(size) for size in (500_000, 800_000, 2_500_000, 70_000)]
    ids = [put(vault, one) for one in data]
    assert len(list(vault.path.rglob("*.part"))) > 2
    for _ in range(2):
        assert [get(vault, record) for record in ids] == data
        vault.settle()
    assert not list(vault.path.rglob("*.part"))


def test_space_is_told_by_layer(vault: vaultfs.Vault) -> None:
    empty = vault.space()
    assert (empty.bodies, empty.entries, empty.keys, empty.control, empty.audit) == (0, 0, 0, 0, 0)
    put(vault, os.urandom(100_000))
    put(vault, b"small")
    with session(vault) as s, s.transaction() as txn:
        txn.set_state("ns", b"k", b"v")
    assert vault.space().journal > empty.journal
    vault.settle()
    full = vault.space()
    assert 100_000 < full.bodies < 101_000
    assert min(full.entries, full.framing, full.keys, full.control, full.audit, full.index, full.copies) > 0
    assert full.journal == 0


class _Altering(FaultyVfs):
    """A disk that flips a bit of every segment that is written to it."""

    def file(self, descriptor: int, path: Path) -> File:
        """Return a file, altered where it is a segment's."""
        return (
            _Altered(descriptor)
            if "segments" in path.parts and path.suffix == ".tmp"
            else super().file(descriptor, path)
        )


class _Altered(File):
    def append(self, pieces: Sequence[Buffer], offset: int) -> int:
        data = bytearray(b"".join(pieces))
        data[-1] ^= 1
        return super().append([data], offset)


def test_a_segment_that_is_not_read_back_as_it_was_written_gets_no_name(opened: Open) -> None:
    vault = opened(vfs=_Altering(durable=False))
    record = put(vault)
    with pytest.raises(VaultError):
        vault.settle()
    vault.close()
    assert list(vault.path.rglob("*.vseg")) == []
    assert get(opened(fresh=True), record) == b"data"
