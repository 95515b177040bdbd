"""Options and fixtures of every test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash.places import memory
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("untimed")

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Where the sample data are looked for unless the run says."""

pytest_plugins = ["tests.plugins.report", "tests.plugins.skips"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the run say where the sample data lie that are too large for the repository."""
    parser.addoption("--samples", type=Path, metavar="DIR", help=f"sample data (default: {BESIDE})")


@pytest.fixture(scope="session")
def samples(pytestconfig: pytest.Config) -> Path:
    """Return the folder of the sample data, or skip the test by name where it is absent."""
    folder: Path = pytestconfig.getoption("--samples") or BESIDE
    if not folder.is_dir():
        pytest.skip("sample data not present: --samples")
    return folder


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """Return a directory that is quick to write to, for tests that make thousands of vaults."""
    with tempfile.TemporaryDirectory(prefix="vaultfs-test-", dir=memory() or tmp_path) as name:
        yield Path(name)
