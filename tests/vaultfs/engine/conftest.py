"""Fixtures of the tests of the engine: a vault of eight years."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vaultfs.engine.years import YEARS, Site, kept_apart


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where a closed vault of eight years lies."""
    place = tmp_path_factory.mktemp("grown") / "v"
    with kept_apart():
        site = Site(place)
        for year in range(YEARS):
            site.year(year)
        site.vault.close()
    return place


@pytest.fixture
def site(grown: Path, tmp_path: Path) -> Iterator[Site]:
    """Return a vault of eight years."""
    for name in ("v", "v.epoch"):
        shutil.copytree(grown.with_name(name), tmp_path / name)
    with kept_apart():
        site = Site(tmp_path / "v", YEARS)
        yield site
        site.vault.close()
