"""An archive for each test, copied from one that is made once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.rescuing import archive as archives
from tests.vaultfs_tools.rescuing.archive import Archive


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Return an archive that no test may change."""
    return archives.make(tmp_path_factory.mktemp("untouched") / "clinic.vault")


@pytest.fixture
def archive(untouched: Archive, tmp_path: Path) -> Archive:
    """Return an archive whose vault the test may damage."""
    return replace(untouched, path=vaults.copied(untouched.path, tmp_path / "clinic.vault"))
