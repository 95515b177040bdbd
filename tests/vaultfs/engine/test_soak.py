"""Many hands for a while: readers are killed, frames move, the index is made anew, and every access is logged once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vaultfs.engine.soak import Soak
from tests.vaultfs.support import create


def run(tmp_path: Path, seconds: float, note: Callable[[str, object], None]) -> Soak:
    """Run a soak of a new vault and check it."""
    create(tmp_path / "v").close()
    (tmp_path / "work").mkdir()
    soak = Soak(tmp_path / "v", tmp_path / "work", seconds)
    soak.run()
    assert soak.errors == []
    soak.check()
    for name in ("accesses", "kills", "largest"):
        note(name, getattr(soak, name))
    return soak


def test_every_access_is_logged_once_and_no_read_is_stale(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    soak = run(tmp_path, 12, record_property)
    assert soak.accesses > 100
    assert soak.kills > 3


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_ten_minutes_of_many_hands(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    soak = run(tmp_path, 600, record_property)
    assert soak.accesses > 5000
    assert soak.kills > 200
