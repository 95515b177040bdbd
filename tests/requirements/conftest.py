"""An archive of ten thousand patient records, made once."""

from __future__ import annotations

import pytest

from tests.requirements.archives import Archive, archived


@pytest.fixture(scope="session")
def ten_thousand(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Return the archive: a thousand patients with ten records each."""
    return archived(tmp_path_factory.mktemp("archive") / "v", 1_000, 10)
