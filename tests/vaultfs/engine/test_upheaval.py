"""Whatever is done to a vault at once, what it has acknowledged is there, and nothing else is found in its files."""

from __future__ import annotations

from pathlib import Path

import pytest
from vaultfs_tools import fsck

from tests.vaultfs.engine.upheaval import Upheaval
from tests.vaultfs.support import create


@pytest.mark.parametrize(
    ("seconds", "seed"),
    [(8, 1), *(pytest.param(150, seed, marks=[pytest.mark.long, pytest.mark.timeout(900)]) for seed in (2, 3))],
)
def test_what_was_acknowledged_is_there_after_an_upheaval(tmp_path: Path, seconds: float, seed: int) -> None:
    create(tmp_path / "v").close()
    upheaval = Upheaval(tmp_path / "v", tmp_path / "other", seconds, seed)
    upheaval.run()
    assert upheaval.errors == []
    assert upheaval.done["commits"] > 10
    assert upheaval.done["settle"] > 0
    assert fsck.main([str(tmp_path / "v")]) in (0, 1)
    assert fsck.main([str(tmp_path / "v")]) == 0
