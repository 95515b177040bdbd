"""Fixtures of the engine's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vaultfs
from tests.vaultfs.support import create, reopen

Open = Callable[..., vaultfs.Vault]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens the test's vault, created by the first call; all are closed in the end.

    ``fresh=True`` closes what is open first.
    """
    vaults: list[vaultfs.Vault] = []

    def make(path: Path | None = None, *, fresh: bool = False, **more: Any) -> vaultfs.Vault:
        place = path or tmp_path / "v"
        if fresh:
            for vault in vaults:
                vault.close()
        vault = (reopen if place.exists() else create)(place, **more)
        vaults.append(vault)
        return vault

    yield make
    for vault in vaults:
        vault.close()


@pytest.fixture
def vault(opened: Open) -> vaultfs.Vault:
    """Return a new vault."""
    return opened()


@pytest.fixture
def session(vault: vaultfs.Vault) -> Iterator[vaultfs.Session]:
    """Return a session of a new vault."""
    with vault.session(vaultfs.Principal("dr-who"), "TREAT") as s:
        yield s
