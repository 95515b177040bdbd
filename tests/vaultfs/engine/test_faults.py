"""A disk that fails: every call once, with every way to fail. Errors are coded, nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, OTHER, crashed, create, get, put, reopen, seen, session
from vaultfs.errors import (
    StorageFull,
    StorageReadOnly,
    VaultDamaged,
    VaultError,
)
from vaultfs.testing.vfs import CHANGES, FaultyVfs, Operation, When

BIG = os.urandom(150_000)


class Run:
    """One run of a scenario against a disk that fails somewhere: what was acknowledged, and what may be there."""

    def __init__(self, path: Path, vfs: FaultyVfs) -> None:
        self.path = path
        self.vfs = vfs
        self.acknowledged: dict[vaultfs.RecordId, bytes] = {}
        self.possible: dict[vaultfs.RecordId, bytes] = {}
        self.deleted: set[vaultfs.RecordId] = set()
        self.errors: list[VaultError] = []

    @contextlib.contextmanager
    def trying(self) -> Iterator[None]:
        """Go on after a coded error."""
        try:
            yield
        except VaultError as error:
            self.errors.append(error)

    def put(self, vault: vaultfs.Vault, *data: bytes, subject: vaultfs.Identifier = MRN) -> None:
        """Put records in one transaction."""
        with self.trying(), session(vault) as s:
            txn = s.transaction()
            ids = {txn.put(one, kind="Observation", subject=subject): one for one in data}
            self.possible |= ids
            txn.commit()
            self.acknowledged |= ids

    def play(self) -> None:
        """Open, commit, settle, close; whatever fails, go on as a host might."""
        try:
            vault = reopen(self.path, vfs=self.vfs)
        except VaultError as error:
            self.errors.append(error)
            return
        self.put(vault, b"one", b"two")
        self.put(vault, BIG, b"three", subject=OTHER)
        with self.trying():
            vault.settle()
        self.put(vault, b"four")
        if self.acknowledged:
            target = next(iter(self.acknowledged))
            with self.trying(), session(vault) as s, s.transaction() as txn:
                self.deleted.add(target)
                txn.delete(target)
        self.put(vault, BIG[::-1])
        with self.trying():
            vault.settle()
        with self.trying():
            vault.close()

    def check(self) -> None:
        """Open on a disk that works: all that was acknowledged is there, the rest is whole or absent."""
        self.vfs.heal()
        with reopen(self.path, vfs=self.vfs) as vault:
            for record, data in self.possible.items():
                found = seen(vault, record)
                if record in self.acknowledged and record not in self.deleted:
                    assert found == data
                else:
                    assert found in (data, None)
            assert get(vault, put(vault, b"goes on")) == b"goes on"
            vault.settle()
            for record, data in self.acknowledged.items():
                if record not in self.deleted:
                    assert seen(vault, record) == data
        for error in self.errors:
            _check_message(error, self.path)


def _check_message(error: BaseException | None, path: Path) -> None:
    while error is not None:
        assert str(path) not in f"{error!s} {error!r} {error.args!r}"
        error = error.__cause__ or error.__context__


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a vault to start from, of which each run gets a copy: with a segment and a journal to recover."""
    path = tmp_path_factory.mktemp("base") / "v"
    vault = create(path)
    put(vault, b"zero")
    vault.settle()
    put(vault, b"zero and a half")
    copy = crashed(path, path.parent / "copy", index=False)
    vault.close()
    return copy


def _count(base: Path, in_memory: Path) -> int:
    run = Run(crashed(base, in_memory / "count"), FaultyVfs(durable=False))
    run.play()
    assert run.errors == []
    assert len(run.acknowledged) == 6
    return run.vfs.changes()


WAYS = pytest.mark.parametrize(
    ("error", "when"),
    [(errno.EIO, When.NOTHING_DONE), (errno.EIO, When.ALL_DONE), (errno.ENOSPC, When.HALF_DONE)],
    ids=["EIO", "EIO after all", "ENOSPC midway"],
)


@WAYS
def test_any_change_may_fail_once(base: Path, in_memory: Path, error: int, when: When) -> None:
    """Every third change for each way to fail; `test_each_change_may_fail_in_each_way` looks at all."""
    _fail_once(base, in_memory, error, when, 1 + when.value, 3)


@pytest.mark.long
@WAYS
def test_each_change_may_fail_in_each_way(base: Path, in_memory: Path, error: int, when: When) -> None:
    _fail_once(base, in_memory, error, when, 1, 1)


def test_space_may_run_out_at_any_sync_of_a_directory(base: Path, in_memory: Path) -> None:
    """A file may have its new name by then: a part file that has become a segment is a part file again."""
    for number in itertools.count(1):
        run = Run(crashed(base, in_memory / str(number)), FaultyVfs(durable=False))
        run.vfs.fail(Operation.SYNC_DIRECTORY, error=errno.ENOSPC, number=number)
        run.play()
        assert not any(isinstance(one, VaultDamaged) for one in run.errors), number
        run.check()
        if not run.errors:
            break
    assert number > 10


def _fail_once(base: Path, in_memory: Path, error: int, when: When, first: int, step: int) -> None:
    for number in range(first, _count(base, in_memory) + 1, step):
        run = Run(crashed(base, in_memory / str(number)), FaultyVfs(durable=False))
        run.vfs.fail(*CHANGES, error=error, number=number, when=when)
        run.play()
        try:
            assert not any(isinstance(one, VaultDamaged) for one in run.errors)
            run.check()
        except Exception as failed:
            raise AssertionError(f"change {number}, errors {run.errors}") from failed


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
def test_a_disk_may_fail_for_good_at_any_change(base: Path, in_memory: Path, error: int) -> None:
    for number in range(1, _count(base, in_memory) + 1, 7):
        run = Run(crashed(base, in_memory / str(number)), FaultyVfs(durable=False))
        run.vfs.fail(*CHANGES, error=error, number=number, lasting=True)
        run.play()
        assert run.errors
        assert not any(isinstance(one, VaultDamaged) for one in run.errors)
        run.check()


def test_any_read_may_fail_once(base: Path, in_memory: Path) -> None:
    counting = Run(crashed(base, in_memory / "count"), FaultyVfs(durable=False))
    counting.play()
    reads = counting.vfs.calls[Operation.READ] + counting.vfs.calls[Operation.OPEN]
    for number in range(1, reads + 1, 5):
        run = Run(crashed(base, in_memory / str(number)), FaultyVfs(durable=False))
        run.vfs.fail(Operation.READ, Operation.OPEN, error=errno.EIO, number=number)
        run.play()
        run.check()


@pytest.mark.parametrize("kind", sorted(CHANGES, key=str), ids=str)
def test_a_failed_creation_leaves_no_vault(in_memory: Path, kind: Operation) -> None:
    number = 0
    while True:
        number += 1
        vfs = FaultyVfs(durable=False)
        vfs.fail(kind, error=errno.EIO, number=number)
        path = in_memory / str(number)
        try:
            vault = create(path, vfs=vfs)
        except VaultError as error:
            _check_message(error, path)
            vfs.heal()
            if path.exists():  # it stood complete when opening it failed
                reopen(path, vfs=vfs).close()
            else:
                assert [p for p in in_memory.iterdir() if p.name.startswith(f".{number}.")] == []
                create(path, vfs=vfs).close()
        else:
            vfs.heal()
            vault.close()
            return


class TestFullDisk:
    @pytest.fixture
    def full(self, opened: Open) -> tuple[vaultfs.Vault, FaultyVfs, vaultfs.RecordId]:
        """Return a vault on a disk that is full, and a record of it."""
        vfs = FaultyVfs()
        vault = opened(vfs=vfs)
        record = put(vault)
        vault.settle()
        vfs.fail(Operation.CREATE, Operation.APPEND, Operation.ALLOCATE, error=errno.ENOSPC, lasting=True)
        return vault, vfs, record

    def test_writing_says_so_and_what_was_acknowledged_is_there_when_space_is(
        self, opened: Open, full: tuple[vaultfs.Vault, FaultyVfs, vaultfs.RecordId]
    ) -> None:
        vault, vfs, record = full
        with pytest.raises(StorageFull):
            put(vault, b"more")
        with pytest.raises(StorageFull):
            reopen_closed(vault, vfs)
        vfs.heal()
        vault = opened(vfs=vfs)
        assert get(vault, record) == b"data"
        assert get(vault, put(vault, b"more")) == b"more"

    def test_a_blob_that_does_not_fit_leaves_its_transaction_and_others_usable(self, opened: Open) -> None:
        vfs = FaultyVfs()
        vault = opened(vfs=vfs)
        first = put(vault, BIG)
        with session(vault) as s, s.transaction() as txn:
            vfs.fail(Operation.APPEND, error=errno.ENOSPC, when=When.HALF_DONE)
            with pytest.raises(StorageFull):
                txn.put(BIG, kind="Binary", subject=MRN)
            second = txn.put(BIG[::-1], kind="Binary", subject=MRN)
        assert (get(vault, first), get(vault, second)) == (BIG, BIG[::-1])
        vault.settle()
        assert (get(vault, first), get(vault, second)) == (BIG, BIG[::-1])


def reopen_closed(vault: vaultfs.Vault, vfs: FaultyVfs) -> None:
    """Close a vault whose writer has failed, and open it on the same disk."""
    vault.close()
    reopen(vault.path, vfs=vfs).close()


@contextlib.contextmanager
def _unprivileged() -> Iterator[None]:
    """Act as a user without privileges: root may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def _make_read_only(root: Path) -> None:
    if os.geteuid() == 0:
        for parent in list(root.parents)[:3]:
            parent.chmod(parent.stat().st_mode | 0o055)
    for path in [root, *root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    vault = create(tmp_path / "v")
    record = put(vault)
    vault.close()
    _make_read_only(tmp_path)
    with _unprivileged():
        with pytest.raises(StorageReadOnly) as opening:
            reopen(tmp_path / "v")
        with pytest.raises(StorageReadOnly) as creating:
            create(tmp_path / "w")
    for caught in (opening, creating):
        _check_message(caught.value, tmp_path)
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(0o700)
    with reopen(tmp_path / "v") as again:
        assert get(again, record) == b"data"


def test_a_place_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    create(tmp_path / "v").close()
    if os.geteuid() != 0:
        (tmp_path / "v" / "head").chmod(0)
    with _unprivileged(), pytest.raises(StorageReadOnly) as caught:
        reopen(tmp_path / "v")
    _check_message(caught.value, tmp_path)
