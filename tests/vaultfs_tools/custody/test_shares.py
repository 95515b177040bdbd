"""Escrow shares in files: private, never over others, and gone again unless the vault may open by them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from vaultfs_tools.copying.errors import PlaceTaken
from vaultfs_tools.custody.errors import SharesInDoubt
from vaultfs_tools.custody.shares import create, handed_out

from vaultfs.errors import StorageFailed
from vaultfs.keys import Escrow

ESCROW = Escrow.draw([(2, 3), (1, 1)], iteration_exponent=0)


def test_each_share_is_in_a_file_of_its_own_before_the_body_runs(tmp_path: Path) -> None:
    with handed_out(ESCROW, tmp_path / "out", lambda: True):
        files = sorted((tmp_path / "out").iterdir())
    assert [file.read_text().strip() for file in files] == [*ESCROW.groups[0], *ESCROW.groups[1]]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(PlaceTaken), handed_out(ESCROW, tmp_path / "out", lambda: True):
        pytest.fail("the body ran")
    create(tmp_path / "file", b"one")
    with pytest.raises(PlaceTaken):
        create(tmp_path / "file", b"two")
    assert (tmp_path / "file").read_bytes() == b"one"


@pytest.mark.parametrize("error", [StorageFailed(), KeyboardInterrupt()], ids=["failed", "interrupted"])
def test_shares_that_open_nothing_go(error: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(error)), handed_out(ESCROW, tmp_path / "out", lambda: False):
        raise error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("error", "told"),
    [(StorageFailed(), SharesInDoubt), (KeyboardInterrupt(), KeyboardInterrupt)],
    ids=["failed", "interrupted"],
)
def test_shares_that_may_be_in_force_stay(error: BaseException, told: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(told) as raised, handed_out(ESCROW, tmp_path / "out", lambda: True):
        raise error
    assert len(list((tmp_path / "out").iterdir())) == 4
    if isinstance(raised.value, SharesInDoubt):
        assert raised.value.facts == {"cause": StorageFailed.code}
