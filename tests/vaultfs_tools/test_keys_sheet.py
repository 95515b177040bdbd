"""vaultfs-keys: the custody sheet, and what there is to read of one vault."""

from __future__ import annotations

from pathlib import Path

import pytest
from vaultfs_tools import backup, keys

from tests.vaultfs_tools import test_keys
from tests.vaultfs_tools.test_keys import Run, pair, split

given, path, run = test_keys.given, test_keys.path, test_keys.run


class TestTheSheet:
    def test_it_says_who_and_where_and_leaves_room_for_the_rest(
        self, run: Run, path: Path, tmp_path: Path, given: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _, public = pair(run, tmp_path / "mine")
        run("add", path, "--to-key", public)
        split(run, path, tmp_path / "shares", "2/3")
        backup.main(["copy", str(path), str(tmp_path / "copy")])
        (_, key, escrow) = run("list", path)[1]["recipients"]
        capsys.readouterr()
        assert keys.main(["sheet", str(path), "--passphrase-file", str(given)]) == 0
        shown = capsys.readouterr().out
        for part in (key["id"], key["fingerprint"], escrow["id"], "groups 2/3", "store 1 of 1, directory"):
            assert part in shown
        assert shown.count("holder ____") == shown.count("signature ____") == 1 + 1 + 3 + 1 + 1

    def test_it_lies_beside_the_shares(self, run: Run, path: Path, tmp_path: Path) -> None:
        split(run, path, tmp_path / "shares")
        sheet = (tmp_path / "shares" / "custody-sheet.txt").read_text()
        assert sheet.startswith("Custody of vault ")
        assert run("sheet", path)[1]["epoch_stores"] == {"directory": 1}

    def test_it_counts_the_stores_that_are_named(self, run: Run, path: Path) -> None:
        stores = ["--epoch-store", f"{path}.epoch", "--epoch-store", f"{path}.second"]
        assert run("sheet", path, *stores)[1]["epoch_stores"] == {"directory": 2}
