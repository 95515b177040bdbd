"""What a vault does otherwise, when its log was pruned, and what a crash leaves of a pruning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from vaultfs_format.events.base import EventType
from vaultfs_format.head import Head, SegmentRow
from vaultfs_tools.keyless import Severity, VaultFiles
from vaultfs_tools.keyless import check as check_without_keys

import vaultfs
from tests.vaultfs.engine.years import PATIENTS, Site, audit_rows, check_files, kept_apart, surrogate, vaultfs_events
from tests.vaultfs.support import PASSPHRASE, get, put, read_only, reopen
from vaultfs.audit.accounting import account
from vaultfs.audit.report import report
from vaultfs.audit.tallying import Table
from vaultfs.audit.verifying import verify
from vaultfs.audit.view import LogView
from vaultfs.engine.files.heads import read_superblock
from vaultfs.engine.log.leaves import segments_of
from vaultfs.engine.log.logbase import Pruning
from vaultfs.errors import (
    VaultError,
)

# Everything else that a vault does.


def test_a_turn_disposes_of_a_subject_whose_events_were_pruned(site: Site) -> None:
    gone = surrogate(site.vault, PATIENTS[1])
    site.prune()
    site.vault.keys.turn(PASSPHRASE, [gone])
    site.year(4)
    account(site.vault, gone).proof.verify(LogView(site.vault).keys)
    site.check()
    site.prune(4, minimum_age=timedelta(days=3 * 365))
    site.check()


def test_a_pruned_log_is_sealed_anew(site: Site) -> None:
    site.prune()
    site.vault.keys.reencrypt()
    site.check()
    site.prune(4, minimum_age=timedelta(days=3 * 365))
    site.check()


def test_a_pruned_log_is_merged(site: Site) -> None:
    site.prune()
    rows = audit_rows(site.vault)
    with kept_apart(2):
        site.year(20)
    assert len(audit_rows(site.vault)) < len(rows)
    site.check()
    site.reopened()
    site.year(21)
    site.check()


def test_a_signer_may_have_handed_over_before_the_minimum_index(tmp_path: Path) -> None:
    with kept_apart():
        site = Site(tmp_path / "v")
        first = read_superblock(site.vfs, site.vault.engine.layout, site.vault.engine.head)[0].signers()[0]
        for year in range(8):
            site.year(year)
            if year in {0, 5}:
                site.vault.keys.turn(PASSPHRASE, new_signer=True)
        done = site.prune()
        superblock, _ = read_superblock(site.vfs, site.vault.engine.layout, site.vault.engine.head)
        ends = [one.tree_size for one in superblock.handovers()]
        assert ends[0] < done.first < ends[1]
        site.year(9)
        site.check()
        site.vault.close()
    report = check_without_keys(VaultFiles(tmp_path / "v"), signer=first.fingerprint)
    assert report.pinned
    assert not [one for one in report.findings if one.severity is not Severity.RECOVERY]


def test_what_readers_have_recorded_comes_behind_what_is_pruned(site: Site) -> None:
    vault = site.vault
    record = put(vault, b"read by others")
    vault.settle()
    with read_only(vault.path, options=vault.engine.options) as reader:
        get(reader, record)
        done = site.prune()
    vault.merge_access_logs()
    (read,) = (index for index, event in vaultfs_events(vault) if event.type is EventType.READER_OPENED)
    assert read > done.first
    site.check()


def test_readers_go_on_while_the_log_is_pruned(site: Site) -> None:
    record = put(site.vault, b"read by others")
    site.vault.settle()
    with read_only(site.vault.path, options=site.vault.engine.options) as reader:
        assert get(reader, record) == b"read by others"
        site.prune()
        put(site.vault)
        assert get(reader, record) == b"read by others"


def test_mirrors_go_with_their_segments(site: Site) -> None:
    site.vault.maintenance.mirror_segments(on=True)
    site.vault.maintenance.run(60)
    names = {one.name for one in (site.vault.path / "copies" / "segments").rglob("*.vseg")}
    done = site.prune()
    left = {one.name for one in (site.vault.path / "copies").rglob("*.vseg")}
    assert len(names - left) == done.segments
    site.check()


# What a crash leaves.


@pytest.mark.parametrize("left", ["all", "no tables", "mirrors"])
def test_what_a_crash_has_left_of_it_is_removed_by_the_next_writer(
    site: Site, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    vault = site.vault
    vault.maintenance.mirror_segments(on=left == "mirrors")
    vault.maintenance.run(60)
    with monkeypatch.context() as patched:
        patched.setattr("vaultfs.engine.settling.settle.discard_segments", lambda *_, **__: None)
        done = site.prune()
    layout, gone = vault.engine.layout, pruned_files(vault)
    assert len(gone) == done.segments > 0
    vault.close()
    for path in gone:
        if left != "all":
            for table in vault.path.rglob(f"{path.stem}.vkey.*"):
                table.unlink()
        if left == "mirrors":
            path.unlink()
    found = check_without_keys(VaultFiles(vault.path)).findings
    stray = {one.file.rpartition("/")[2].partition(".")[0] for one in found if one.severity is not Severity.RECOVERY}
    assert stray == {path.stem for path in gone}
    assert {one.severity for one in found} <= {Severity.REMARK, Severity.RECOVERY}
    site.reopened()
    assert [path for stem in stray for path in vault.path.rglob(f"{stem}.*")] == []
    assert not layout.retired.exists()
    site.check()


def pruned_files(vault: vaultfs.Vault) -> list[Path]:
    named = {vault.engine.layout.segment(row) for row in vault.engine.head.segments}
    return [path for path in (vault.path / "segments").rglob("*.vseg") if path not in named]


def test_a_segment_of_the_log_that_was_not_pruned_is_not_taken_for_litter(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one of another vault, nor one that cannot be read."""
    vault = site.vault
    row = segments_of(vault.engine, vault.engine.head)[-1][1]
    path = vault.engine.layout.segment(row)
    with monkeypatch.context() as patched:
        patched.setattr(Pruning, "amended", without(row))
        patched.setattr("vaultfs.engine.settling.settle.discard_segments", lambda *_, **__: None)
        site.prune()
    vault.close()
    site.vault = reopen(vault.path, options=vault.engine.options, vfs=site.vfs)
    assert path.exists()


def without(row: SegmentRow) -> Callable[[Pruning, Head], Head]:
    real = Pruning.amended

    def amended(pruning: Pruning, head: Head) -> Head:
        made = real(pruning, head)
        return replace(made, segments=[one for one in made.segments if one != row])

    return amended


def test_what_is_gone_without_being_stated_is_damage(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(
            Pruning,
            "amended",
            lambda self, head: replace(head, segments=[one for one in head.segments if one not in self.gone]),
        )
        site.prune()
    check_files(site.vault.path, 9104, 9109, 9110)
    with pytest.raises(VaultError):
        verify(site.vault)


def test_what_is_stated_to_be_gone_and_is_named_is_damage(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(
            Pruning,
            "amended",
            lambda self, head: replace(
                head, first_leaf=self.base.first_leaf, pruned=tuple(self.base.edge.tree().peaks)
            ),
        )
        patched.setattr("vaultfs.engine.settling.settle.discard_segments", lambda *_, **__: None)
        site.prune()
    found = {one.error.code for one in check_without_keys(VaultFiles(site.vault.path)).findings}
    assert {9104, 9109} <= found
    with pytest.raises(VaultError):
        verify(site.vault)


def test_a_report_says_from_when_on_nothing_is_missing(site: Site) -> None:
    before = report(site.vault, 1, 1 << 62)
    assert before.complete == 1
    done = site.prune()
    found = report(site.vault, 1, 1 << 62)
    assert found.complete == done.since > 1
    assert report(site.vault, done.since + 1, 1 << 62).complete == done.since + 1
    assert {row.key: row.count for row in found.table(Table.UPKEEP)}["log_pruned"] == 1
