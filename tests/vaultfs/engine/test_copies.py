"""Copies that are behind: what they need is kept, whatever the clock was and whichever bundle lies with them."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from vaultfs_format.act import Act, ActKind
from vaultfs_format.suite import DEFAULT
from vaultfs_tools import backup

import vaultfs
from tests.vaultfs.engine.test_turning import PATIENTS, fill
from tests.vaultfs.support import PASSPHRASE, create, get, put, reopen
from vaultfs.engine.custody.epochs import Destruction
from vaultfs.errors import ArgumentInvalid
from vaultfs.keys.stores import DirectoryStore
from vaultfs.storage.copies import confirm_keys, copies_of


def test_a_bundle_of_the_epoch_before_confirms_nothing(tmp_path: Path) -> None:
    path, store = tmp_path / "v", DirectoryStore(tmp_path / "v.epoch")
    create(path).close()
    assert backup.main(["copy", str(path), str(tmp_path / "copy")]) == 0
    with reopen(path) as vault:
        (copy,) = copies_of(vault)
        vault.keys.turn(PASSPHRASE)
        for epoch in (1, 3):
            with pytest.raises(ArgumentInvalid):
                confirm_keys(vault, copy, epoch)
        assert store.epochs(vault.id) == [1, 2]
        confirm_keys(vault, copy, 2)
        assert store.epochs(vault.id) == [2]


def test_a_clock_that_was_ahead_once_makes_no_copy_newer_than_an_epoch(tmp_path: Path) -> None:
    """What the copy needs stays: the secret, and the key tables of segments that were merged."""
    path, store, year = tmp_path / "v", DirectoryStore(tmp_path / "v.epoch"), 365 * 86_400_000_000
    now = time.time_ns() // 1000
    with create(path) as vault:
        data = fill(vault, PATIENTS[:1])
    act = Act(DEFAULT, ActKind.COPIED, now + year, vault.id, os.urandom(16), os.urandom(16), 1)
    (path / "acts").mkdir(exist_ok=True)
    (path / "acts" / f"{act.act_id.hex()}.vact").write_bytes(act.encode())
    shutil.copytree(path, tmp_path / "copy")
    reopen(path, options=vaultfs.Options(clock=lambda: now + year)).close()
    with reopen(path, options=vaultfs.Options(clock=lambda: now)) as vault:
        for number in range(40):
            put(vault, b"later %d" % number)
            vault.settle()
        assert (path / "retired").is_dir()
        vault.retire()
        assert [*(path / "retired").iterdir()]
        vault.keys.turn(PASSPHRASE)
        assert vault.retire() == Destruction((), 1, 1)
        assert store.epochs(vault.id) == [1, 2]
        (copy,) = copies_of(vault)
        confirm_keys(vault, copy, 2)
        assert store.epochs(vault.id) == [2]
        assert vault.keys.turn(PASSPHRASE).epoch == 3
        assert store.epochs(vault.id) == [2, 3]
        assert {record: get(vault, record) for record in data} == data
