"""A vault for each test, copied from one that is made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vaultfs_tools import vaults


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a vault that no test may change."""
    return vaults.make(tmp_path_factory.mktemp("pristine") / "clinic.vault")


@pytest.fixture
def vault(pristine: Path, tmp_path: Path) -> Path:
    """Return a vault that the test may damage."""
    return vaults.copied(pristine, tmp_path / "clinic.vault")
