"""Fixtures of the migration tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import vaultfs
from tests.vaultfs.migrate.support import Archive
from tests.vaultfs.support import create


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Return a new vault with a session, and an empty folder beside it."""
    folder = tmp_path / "legacy"
    folder.mkdir()
    with (
        create(tmp_path / "vault") as vault,
        vault.session(vaultfs.Principal("importer"), "HSYSADMIN") as session,
    ):
        yield Archive(vault, session, folder)
