"""Copies of a vault whose log was pruned: they keep what they have until they are brought up to date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from vaultfs_tools.keyless import Severity, VaultFiles, check

from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.copying.support import copy, errors, restored, store_of
from vaultfs.audit.log import read_events
from vaultfs.audit.verifying import verify
from vaultfs.engine.settling.retired import put_away_tables


def segments(path: Path) -> set[str]:
    return {one.name for one in path.rglob("*.vseg")}


def test_a_copy_loses_what_was_pruned_when_it_is_brought_up_to_date(vault: Path, tmp_path: Path) -> None:
    copy(vault, tmp_path / "copy")
    before = segments(tmp_path / "copy")
    with vaults.opened(vault) as opened:
        vaults.fill(opened, 2021)
        opened.settle()
        done = opened.maintenance.prune_log(datetime.now(UTC), minimum_age=timedelta(0))
        assert put_away_tables(opened.engine) == []
    gone = before - segments(vault)
    assert 0 < len(gone) <= done.segments
    assert segments(tmp_path / "copy") == before
    assert not errors(copy(vault, tmp_path / "copy"))
    assert not segments(tmp_path / "copy") & gone
    new = restored(tmp_path / "copy", tmp_path / "new", store_of(vault))
    bad = [one for one in check(VaultFiles(new)).findings if one.severity not in (Severity.REMARK, Severity.RECOVERY)]
    assert bad == []
    with vaults.opened(new) as opened:
        assert verify(opened).first == done.first
        assert next(index for index, _ in read_events(opened)) >= done.first


def test_a_copy_that_was_made_before_is_restored_with_all_of_its_log(vault: Path, tmp_path: Path) -> None:
    copy(vault, tmp_path / "copy")
    with vaults.opened(vault) as opened:
        opened.settle()
        opened.maintenance.prune_log(datetime.now(UTC), minimum_age=timedelta(0))
    new = restored(tmp_path / "copy", tmp_path / "new", store_of(vault))
    found = check(VaultFiles(new))
    assert not [one for one in found.findings if one.severity is Severity.ERROR]
    assert found.audit_leaves > 0
