"""The index is a hint: whatever becomes of it, the answers are the same."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import lmdb
import pytest

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import (
    MRN,
    OTHER,
    WHO,
    answers,
    crashed,
    create,
    delete,
    get,
    index_content,
    put,
    read_only,
    reopen,
    session,
)
from vaultfs.engine.indexing.environments import identity
from vaultfs.engine.indexing.index import Index
from vaultfs.engine.indexing.indexfiles import build_index, discard, install, open_index
from vaultfs.engine.indexing.readable import index_for_reading
from vaultfs.engine.settling import upkeep
from vaultfs.errors import (
    FormatError,
    IndexDamaged,
    IndexMissing,
    NotAuthentic,
    StorageFailed,
    StorageFull,
    StorageReadOnly,
    VaultDamaged,
    VaultError,
)


def _fill(vault: vaultfs.Vault) -> None:
    """Put some of everything into a vault, in segments and in journals."""
    record = put(vault, b"one", date=date(1980, 5, 1))
    for _ in range(2):
        put(vault, b"two", replaces=record, date=date(2020, 5, 1))
        gone = put(vault, b"gone", subject=OTHER)
        delete(vault, gone)
        put(vault, os.urandom(70_000), subject=OTHER)
        put(vault, os.urandom(1_200_000), subject=None)
        with session(vault) as s:
            one, two = s.subjects(MRN)[0], s.subjects(OTHER)[0]
            with s.transaction() as txn:
                txn.link(one, two)
                txn.set_state("ns", b"k", b"v")
                txn.set_state("ns", b"other", b"v")
            with s.transaction() as txn:
                txn.identify(txn.new_subject(), vaultfs.Identifier("urn:x", os.urandom(4).hex()))
        vault.settle()
    put(vault, b"three", replaces=record, date=date(2021, 5, 1))
    put(vault, os.urandom(70_000), subject=OTHER)
    with session(vault) as s, s.transaction() as txn:
        txn.unlink(one, two)
        txn.set_state("ns", b"k", b"w")


@pytest.fixture
def filled(vault: vaultfs.Vault) -> vaultfs.Vault:
    """Return a vault with some of everything."""
    _fill(vault)
    return vault


def test_an_index_made_from_the_files_says_what_the_kept_one_says(filled: vaultfs.Vault) -> None:
    before, said = index_content(filled), answers(filled, [MRN, OTHER])
    filled.rebuild_index()
    assert index_content(filled) == before
    assert answers(filled, [MRN, OTHER]) == said
    filled.settle()
    settled = index_content(filled)
    filled.rebuild_index()
    assert index_content(filled) == settled
    assert {k: v for k, v in answers(filled).items() if k[0] == "record"} == {
        k: v for k, v in said.items() if k[0] == "record"
    }


def test_numbers_of_files_are_not_given_out_again_by_rebuilding(filled: vaultfs.Vault) -> None:
    """A reader that holds an address of before would else read another patient's frame under it."""
    seen: set[int] = set()
    for _ in range(3):
        numbers = set(filled.engine.index.containers())
        assert not numbers & seen
        seen |= numbers
        filled.rebuild_index()


def _garbage_for_a_directory(index: Path) -> None:
    shutil.rmtree(index)
    index.write_bytes(b"?")


def _dangling(index: Path) -> None:
    shutil.rmtree(index)
    index.symlink_to("nowhere")


def _emptied(index: Path) -> None:
    (index / "data.mdb").write_bytes(b"")
    (index / "lock.mdb").unlink(missing_ok=True)


def _directory_for_data(index: Path) -> None:
    (index / "data.mdb").unlink()
    (index / "data.mdb").mkdir()


HARMS: dict[str, Callable[[Path], object]] = {
    "deleted": shutil.rmtree,
    "emptied": _emptied,
    "garbage": lambda index: (index / "data.mdb").write_bytes(os.urandom(50_000)),
    "zeroes": lambda index: (index / "data.mdb").write_bytes(bytes(50_000)),
    "cut": lambda index: os.truncate(index / "data.mdb", 8192),
    "a file": _garbage_for_a_directory,
    "a dangling link": _dangling,
    "data is a directory": _directory_for_data,
    "a stranger's files": lambda index: (index / "notes.txt").write_bytes(b"mine"),
    "a half-built one beside it": lambda index: shutil.copytree(index, index.with_name("index.new")),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_harmed_index_changes_no_answer(opened: Open, harm: str) -> None:
    vault = opened()
    _fill(vault)
    before, said = index_content(vault), answers(vault, [MRN, OTHER])
    vault.close()
    HARMS[harm](vault.path / "index")
    vault = opened()
    assert answers(vault, [MRN, OTHER]) == said
    put(vault)
    assert not (vault.path / "index.new").exists()
    assert before["records"] <= index_content(vault)["records"]


def test_the_index_of_another_vault_is_not_believed(opened: Open, tmp_path: Path) -> None:
    vault, other = opened(), opened(tmp_path / "other")
    _fill(vault)
    _fill(other)
    said = answers(vault, [MRN])
    vault.close()
    other.close()
    shutil.rmtree(vault.path / "index")
    shutil.copytree(other.path / "index", vault.path / "index")
    assert answers(opened(), [MRN]) == said


def test_an_older_copy_of_the_index_is_brought_up_to_date(opened: Open, tmp_path: Path) -> None:
    """Of the same head, of an earlier journal, and of an earlier head."""
    vault = opened()
    _fill(vault)
    copies = []
    for step in range(6):
        copies.append(crashed(vault.path, tmp_path / f"old{step}") / "index")
        put(vault, b"%d" % step)
        put(vault, os.urandom(70_000))
        if step == 1:
            vault = opened(fresh=True)
        if step == 3:
            vault.settle()
    said, expected = answers(vault, [MRN]), index_content(vault)
    vault.close()
    for copy in copies:
        shutil.rmtree(vault.path / "index")
        shutil.copytree(copy, vault.path / "index")
        vault = opened()
        assert answers(vault, [MRN]) == said
        for table in ("records", "aliases", "states", "links", "subjects"):
            assert index_content(vault)[table] == expected[table]
        vault.close()


def test_an_index_that_lies_is_found_out_and_made_anew(filled: vaultfs.Vault) -> None:
    """Rows that lead nowhere, to another record's frame, or to the wrong row of it."""
    said = answers(filled, [MRN, OTHER])
    chance = random.Random(1)
    for name in ("frames", "records", "aliases", "parts", "subjects", "states"):
        for how in ("swapped", "nowhere"):
            index = filled.engine.index
            with index.writing() as txn:
                table = getattr(index.tables, name)
                rows = [(bytes(k), bytes(v)) for k, v in txn.cursor(table)]
                values = [key[16:] if name == "parts" else value for key, value in rows]
                chance.shuffle(values)
                for (key, old), value in zip(rows, values, strict=True):
                    if name == "subjects":
                        if how == "nowhere":
                            txn.put(key[:17] + b"\xff" * 8, old, db=table)
                        continue
                    if name == "parts":
                        txn.delete(key, db=table)
                        txn.put(key[:16] + (value if how == "swapped" else b"\x7f" * 8), b"", db=table)
                        continue
                    txn.put(key, value if how == "swapped" else b"\x7f" * 4 + old[4:], db=table)
            filled._rebuilt = False
            assert answers(filled, [MRN, OTHER]) == said


def test_a_rebuilt_index_is_not_rebuilt_for_every_read_of_what_is_damaged(
    filled: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebuilt = []
    real = filled.rebuild_index

    def rebuild() -> None:
        rebuilt.append(1)
        real()

    monkeypatch.setattr(filled, "rebuild_index", rebuild)

    def damaged() -> None:
        raise IndexDamaged

    for _ in range(3):
        with pytest.raises(VaultDamaged):
            filled.steady(damaged)
    assert len(rebuilt) == 1


def test_a_rebuild_that_fails_leaves_the_index_in_force(opened: Open) -> None:
    vault = opened()
    _fill(vault)
    said = answers(vault)
    (segment, *_) = (vault.path / "segments/main/control").rglob("*.vseg")
    data = segment.read_bytes()
    segment.write_bytes(data[:4096] + bytes(len(data) - 4096 - 1024) + data[-1024:])
    for _ in range(2):
        with pytest.raises((VaultDamaged, FormatError, NotAuthentic)):
            vault.rebuild_index()
        assert not (vault.path / "index.new").exists()
    assert {k: v for k, v in answers(vault).items() if k[0] == "record"} == {
        k: v for k, v in said.items() if k[0] == "record"
    }
    put(vault)
    segment.write_bytes(data)
    vault.rebuild_index()
    assert {k for k in said if k[0] == "record"} <= answers(vault).keys()


def test_the_index_may_lie_elsewhere(tmp_path: Path) -> None:
    create(tmp_path / "v").close()
    elsewhere = tmp_path / "fast" / "disk"
    for _ in range(2):
        with reopen(tmp_path / "v", index=elsewhere) as vault:
            record = put(vault)
            vault.rebuild_index()
            assert get(vault, record) == b"data"
        assert (elsewhere / "data.mdb").exists()
    shutil.rmtree(tmp_path / "v" / "index", ignore_errors=True)
    with reopen(tmp_path / "v", index=str(elsewhere)) as vault:
        assert get(vault, record) == b"data"


def test_the_index_holds_no_plaintext_of_dates_or_identifiers(filled: vaultfs.Vault) -> None:
    data = (filled.path / "index" / "data.mdb").read_bytes()
    for text in (MRN.system, MRN.value, "urn:x", "two"):
        assert text.encode() not in data


@pytest.mark.parametrize("when", ["before", "after", "taken away"])
def test_an_index_that_gives_way_while_it_is_opened_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Its locks would keep nobody from using the pages of the other one."""
    path = tmp_path / "index"
    open_index(path).close()
    real = lmdb.open

    def replace() -> None:
        path.rename(path.with_name("index.old"))
        path.with_name("index.new").rename(path)

    def swapped(*arguments: Any, **more: Any) -> lmdb.Environment:
        monkeypatch.setattr(lmdb, "open", real)
        if when == "before":
            replace()
        if when == "taken away":
            path.rename(path.with_name("index.old"))
        made = real(*arguments, **more)
        if when == "after":
            replace()
        return made

    build_index(path).close()
    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(lmdb, "open", swapped)
    with pytest.raises(IndexDamaged):
        index_for_reading(path)
    assert len(os.listdir("/proc/self/fd")) == before
    if when == "taken away":
        with pytest.raises(IndexMissing):
            index_for_reading(path)
        return
    index = index_for_reading(path)
    assert index.identity == identity(path)
    index.close()


def test_what_is_left_of_an_index_that_was_replaced_is_removed(opened: Open) -> None:
    vault = opened()
    record = put(vault)
    for _ in range(2):
        (vault.path / "index.old").mkdir()
        (vault.path / "index.old" / "lock.mdb").write_bytes(b"")
        vault.rebuild_index()
        assert not (vault.path / "index.old").exists()
    (vault.path / "index.old").mkdir()
    vault = opened(fresh=True)
    assert not (vault.path / "index.old").exists()
    assert get(vault, record) == b"data"


def test_settling_leaves_a_file_that_is_hardly_larger_than_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits of many new subjects change pages all over the index, and all of them are written anew each time."""
    monkeypatch.setattr(upkeep, "SMALL", 100_000)
    options = vaultfs.Options(sync_bound=3600.0)  # the small commits of its timer would let pages be used again sooner
    with create(tmp_path / "v", options=options) as vault:
        one = vaultfs.Identifier("urn:oid:1.2", "0")
        for commit in range(6):
            with session(vault) as s, s.transaction() as txn:
                numbers = range(1500 * commit, 1500 * (commit + 1))
                people = [vaultfs.Identifier("urn:oid:1.2", str(number)) for number in numbers]
                txn.put_many(vaultfs.NewRecord(b"data", "Observation", person) for person in people)
        index = vault.engine.index
        assert index.size() > 1.6 * index.used()
        with read_only(tmp_path / "v") as reader:
            vault.settle()
            index = vault.engine.index
            assert vault.space().index == index.size() <= 1.5 * index.used()
            with reader.session(WHO, "TREAT") as s:
                assert len(s.find(subject=one)) == 1
    with reopen(tmp_path / "v") as vault, session(vault) as s:
        assert len({*s.all_subjects()} - {vaultfs.NOBODY}) == 9000


class TestErrors:
    @pytest.mark.parametrize(
        ("raised", "coded"),
        [
            (lmdb.MapFullError("/secret/path"), StorageFull),
            (lmdb.DiskError("/secret/path"), StorageFull),
            (lmdb.ReadonlyError("/secret/path"), StorageReadOnly),
            (lmdb.Error("/secret/path: Input/output error"), StorageFailed),
            (lmdb.ReadersFullError("/secret/path"), StorageFailed),
            (lmdb.MemoryError("/secret/path"), StorageFailed),
            (lmdb.CorruptedError("/secret/path"), IndexDamaged),
            (PermissionError(13, "denied", "/secret/path"), StorageReadOnly),
        ],
        ids=lambda value: getattr(value, "__name__", type(value).__name__),
    )
    def test_errors_of_the_database_are_coded_and_name_no_place(
        self, raised: Exception, coded: type[VaultError]
    ) -> None:
        from vaultfs.engine.indexing.index import converted

        with pytest.raises(coded) as caught, converted():
            raise raised
        context = caught.value.__context__
        assert context is raised
        assert "secret" not in f"{caught.value} {context} {context!r} {context.args}"

    def test_hundreds_of_threads_may_look_something_up_at_once(self, tmp_path: Path) -> None:
        index = Index(tmp_path / "i")
        with contextlib.ExitStack() as readers:
            for _ in range(500):
                readers.enter_context(index.reading())
        index.close()

    def test_a_closed_index_is_not_read(self, tmp_path: Path) -> None:
        index = Index(tmp_path / "i")
        index.close()
        with pytest.raises(IndexDamaged), index.reading():
            pass

    def test_an_index_of_another_shape_has_no_stamp(self, tmp_path: Path) -> None:
        index = open_index(tmp_path / "i")
        assert index.stamp() is None
        with index.writing() as txn:
            txn.put(b"stamp", b"short", db=index._main)
        assert index.stamp() is None
        index.close()
        discard(tmp_path / "i")
        discard(tmp_path / "i")
        built = build_index(tmp_path / "i")
        built.close()
        install(tmp_path / "i")
        assert (tmp_path / "i" / "data.mdb").exists()
