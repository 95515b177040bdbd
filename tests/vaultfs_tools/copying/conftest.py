"""A vault with everything in it, and a copy of that, which are made once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import vaultfs
from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.copying.support import copy


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a vault with segments, live journals, part files, versions, deletions and an access journal."""
    path = vaults.make(tmp_path_factory.mktemp("full") / "clinic.vault")
    with vaults.opened(path) as vault, vault.session(vaults.WHO, "TREAT") as session:
        with session.transaction() as txn:
            first = txn.put(b"one", kind="Observation", subject=vaults.PATIENT)
            gone = txn.put(b"gone", kind="Observation", subject=vaults.PATIENT)
            large = txn.put(os.urandom(200_000), kind="Binary", subject=vaults.PATIENT)
        with session.transaction() as txn:
            txn.put(b"two", kind="Observation", subject=vaults.PATIENT, replaces=first)
            txn.delete(gone)
    reader = vaultfs.open_reader(path, unlock=vaults.unlocking(), policy=vaultfs.PermitAll())
    with reader, reader.session(vaults.WHO, "TREAT", strict=True) as session:
        session.get(large)
    return path


@pytest.fixture
def vault(full: Path, tmp_path: Path) -> Path:
    """Return a vault that the test may write to."""
    return vaults.copied(full, tmp_path / "clinic.vault")


@pytest.fixture
def made(vault: Path, tmp_path: Path) -> Path:
    """Return a copy of the vault."""
    copy(vault, tmp_path / "copy")
    return tmp_path / "copy"
