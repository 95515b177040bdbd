"""A vault is copied while a writer commits, settles and merges without pause, and nobody waits."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import vaultfs
from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.copying.support import copy, errors, store_of


def content(number: int) -> bytes:
    """Return what a record holds: now and then a large one."""
    return hashlib.shake_256(b"%d" % number).digest(70_000 if number % 3 == 0 else 700)


class Writing:
    """A vault to which a thread writes; what it has acknowledged stands in `acknowledged`."""

    def __init__(self, path: Path, every: int) -> None:
        self.path = path
        self.acknowledged: dict[vaultfs.RecordId, int] = {}
        self.settled = 0
        self._every = every
        self._stop = threading.Event()

    def run(self) -> None:
        """Write until `stop`."""
        with vaultfs.create(self.path, recipients=[vaults.unlocking()], policy=vaultfs.PermitAll()) as vault:
            for number in itertools.count():
                with vault.session(vaults.WHO, "TREAT") as session, session.transaction() as txn:
                    record = txn.put(content(number), kind="Binary", subject=vaults.PATIENT)
                self.acknowledged[record] = number
                if number % self._every == self._every - 1:
                    vault.settle()
                    self.settled += 1
                if self._stop.is_set():
                    return

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Have the thread write meanwhile."""
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            while not self.acknowledged and thread.is_alive():
                pass
            yield
        finally:
            self._stop.set()
            thread.join()


def check(place: Path, store: Path, scratch: Path, expected: dict[vaultfs.RecordId, int]) -> None:
    """Check that a copy is sound, and holds what it must."""
    found = [one for one in vaults.findings(place) if one.severity.name in {"ERROR", "UNSUPPORTED"}]
    assert found == []
    shutil.copytree(place, scratch / "v")
    shutil.copytree(store, scratch / "v.epoch", ignore=shutil.ignore_patterns("*.tmp"))
    opened = vaultfs.open(scratch / "v", unlock=vaults.unlocking(), policy=vaultfs.PermitAll(), accept_older=True)
    with opened, opened.session(vaults.WHO, "TREAT") as session:
        for record, number in expected.items():
            assert session.get(record).data == content(number)
    shutil.rmtree(scratch)


@pytest.mark.parametrize("every", [2, 7, 1_000_000])
def test_every_copy_holds_what_was_acknowledged_before_it_began(tmp_path: Path, every: int) -> None:
    writing = Writing(tmp_path / "v", every)
    with writing.at_work():
        for number in range(8):
            before = dict(writing.acknowledged)
            assert errors(copy(writing.path, tmp_path / "copy")) == []
            if number % 2:
                check(tmp_path / "copy", store_of(writing.path), tmp_path / "x", before)
    copy(writing.path, tmp_path / "copy")
    check(tmp_path / "copy", store_of(writing.path), tmp_path / "x", writing.acknowledged)
    if every < 100:
        assert writing.settled > 0
