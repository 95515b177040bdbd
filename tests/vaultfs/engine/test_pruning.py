"""The log without its oldest part: all that is left of it is proved as before, and who asked for more is told so."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vaultfs_format import merkle
from vaultfs_format.audit import LeafKind
from vaultfs_format.errors import CommitmentMismatch, ProofInvalid
from vaultfs_format.events.base import EventType
from vaultfs_format.events.vault import LogPruned
from vaultfs_format.handover import Handover
from vaultfs_format.subjectproof import SubjectProof
from vaultfs_format.suite import DEFAULT

import vaultfs
from tests.vaultfs.engine.test_subject_heads import log_of, rows_in, stated
from tests.vaultfs.engine.years import PATIENTS, YEAR, Site, audit_rows, kept_apart, ruin, surrogate, vaultfs_events
from tests.vaultfs.support import events_of, get, put, reopen, session
from tests.vaultfs_format.textbook import Logged, heads_of, root_of, rows_of
from vaultfs.audit.accounting import account
from vaultfs.audit.checking import Checking
from vaultfs.audit.errors import LogPrunedBefore, LogStillNeeded, LogTooYoung
from vaultfs.audit.findings import Part
from vaultfs.audit.log import read_leaves
from vaultfs.audit.verifying import check_log, verify
from vaultfs.audit.view import LogView
from vaultfs.engine.log import pruning
from vaultfs.engine.log.leaves import segments_of
from vaultfs.engine.log.logbase import read_base
from vaultfs.engine.log.pruning import MINIMUM_AGE, Pruned
from vaultfs.errors import (
    ArgumentInvalid,
    StorageFull,
    VaultDamaged,
    VaultError,
)
from vaultfs.testing.vfs import Operation

NODES = merkle.audit_nodes(DEFAULT)


# What is kept.


def test_what_is_old_goes_and_all_else_stays_as_it_was(site: Site) -> None:
    vault = site.vault
    before, names = list(read_leaves(vault)), {path.name for path in vault.path.rglob("*.vseg")}
    done = site.prune()
    assert (done.first, done.leaves) == (vault.engine.head.first_leaf, vault.engine.head.first_leaf)
    assert done.segments == len(names - {path.name for path in vault.path.rglob("*.vseg")}) > 0
    after = list(read_leaves(vault))
    assert after[: len(before) - done.first] == before[done.first :]
    old, kept = before[: done.first], before[done.first :]
    assert max(one.event.at for one in old if one.event) == done.since - 1 < site.time.now - 6.5 * YEAR
    assert min(one.event.at for one in kept if one.event) >= done.since
    assert old[-1].entry.kind is LeafKind.SUBJECTS
    (told,) = events_of(vault, LogPruned)
    assert (told.first, told.leaves, told.since) == (done.first, done.leaves, done.since)
    assert [one.type for _, one in vaultfs_events(vault)][-2:] == [EventType.LOG_PRUNED, EventType.SETTLED]
    site.check()


def test_records_are_not_touched(site: Site) -> None:
    with session(site.vault) as s:
        records = [info.id for one in s.all_subjects() for info in s.find(subject=one)]
    site.prune()
    assert all(get(site.vault, record) for record in records)


def test_it_is_shown_before_it_is_done(site: Site) -> None:
    head, told = site.vault.engine.head, vaultfs_events(site.vault)
    shown = site.prune(dry_run=True)
    assert site.vault.engine.head == head
    assert vaultfs_events(site.vault) == told
    assert site.prune() == shown
    assert shown.leaves
    assert shown.bytes == sum(row.length for row in head.segments if row not in site.vault.engine.head.segments)


@pytest.mark.parametrize("years", [8.5, 20])
def test_there_may_be_nothing_to_prune(site: Site, years: float) -> None:
    head = site.vault.engine.head
    assert site.prune(years) == Pruned(0)
    assert site.vault.engine.head == head
    site.prune()
    again = site.prune()
    assert (again.leaves, again.segments, again.bytes) == (0, 0, 0)
    assert again.first == site.vault.engine.head.first_leaf > 0
    assert again.since == read_base(site.vault.engine, site.vault.engine.head).since


def test_all_that_is_settled_may_go(site: Site) -> None:
    size = site.vault.engine.head.tree_size
    assert site.prune(0, minimum_age=timedelta(0)).first == size - 1
    assert len(audit_rows(site.vault)) == 1
    site.check()
    site.year(10)
    site.check()


def test_what_is_in_the_journals_stays(site: Site) -> None:
    put(site.vault, b"not settled")
    site.time.now += 20 * YEAR
    settled, told = site.vault.engine.head.tree_size, vaultfs_events(site.vault)
    assert site.prune(0, minimum_age=timedelta(0)).first == settled - 1
    assert vaultfs_events(site.vault)[:-2] == [(index, one) for index, one in told if index >= settled]
    site.check()


# The laws, over any log.


class Lives:
    """A log in all its states, and the same log as a textbook has it, which forgets nothing."""

    def __init__(self, path: Path) -> None:
        self.site = Site(path)
        self.whole: list[Logged] = []

    def look(self) -> None:
        """Take in what the log has now, which goes on from what it had."""
        first = self.site.vault.engine.head.first_leaf
        found = log_of(self.site.vault)
        assert found[: len(self.whole) - first] == self.whole[first:]
        self.whole = self.whole[:first] + found

    def check(self) -> None:
        vault = self.site.vault
        for index in stated(self.whole):
            assert self.whole[index].entry.commitment == root_of(heads_of(self.whole[: index + 1]))
        settled = [one for one in self.whole if one.entry.kind is LeafKind.SUBJECTS]
        assert rows_in(vault) == rows_of(heads_of(self.whole[: settled[-1].entry.number + 1]))
        self._check_proofs(vault)
        self.site.check()

    def _check_proofs(self, vault: vaultfs.Vault) -> None:
        view = LogView(vault)
        leaves = merkle.audit_leaves(DEFAULT, (one.entry.encode() for one in self.whole))
        leaves += [merkle.audit_leaf(DEFAULT, view.entry(index)) for index in range(len(leaves), view.size)]
        tree = merkle.CompactRange(NODES)
        for index, leaf in enumerate(leaves[: view.size]):
            old, size = tree.root(merkle.AUDIT_EMPTY), view.size
            if index >= view.minimum:
                assert merkle.included(NODES, view.root, leaf, index, size, view.inclusion(index))
                path = view.consistency(index)
                assert merkle.consistent(NODES, merkle.AUDIT_EMPTY, index, old, size, view.root, path)
            tree.append(leaf)
        assert tree.root(merkle.AUDIT_EMPTY) == view.root


STEPS = st.lists(st.integers(0, 6).map(lambda puts: ("year", puts)) | st.floats(0, 4).map(lambda age: ("prune", age)))


def _lives(steps: list[tuple[str, float]], path: Path) -> None:
    lives = Lives(path)
    with kept_apart(3):
        for kind, amount in [*steps, ("year", 2), ("year", 1), ("prune", 1), ("year", 1)]:
            if kind == "year":
                lives.site.year(len(lives.whole), int(amount))
            else:
                lives.look()
                lives.site.prune(amount, minimum_age=timedelta(0))
            lives.look()
        lives.site.vault.rebuild_index()
        lives.site.year(0, 2)
        lives.look()
        lives.check()
    lives.site.vault.close()


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS.filter(lambda steps: len(steps) < 6))
def test_any_log_proves_after_any_prunings_what_it_proved_before(in_memory: Path, steps: Any) -> None:
    _lives(steps, in_memory / f"v{len(list(in_memory.iterdir()))}")


@pytest.mark.long
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_any_long_log_proves_after_any_prunings_what_it_proved_before(in_memory: Path, steps: Any) -> None:
    _lives(steps, in_memory / f"v{len(list(in_memory.iterdir()))}")


# Accountings.


def test_an_accounting_says_from_when_on_it_is_complete_and_proves_it(site: Site) -> None:
    one = surrogate(site.vault, PATIENTS[0])
    whole = account(site.vault, one)
    assert (whole.first, whole.since, whole.proof.base) == (0, 0, None)
    done = site.prune()
    found = account(site.vault, one)
    assert (found.first, found.since) == (done.first, done.since)
    assert found.proof.first == done.first
    kept = [entry for entry in whole.entries if entry.index >= done.first]
    assert [(one.index, one.event) for one in found.entries][: len(kept)] == [(one.index, one.event) for one in kept]
    keys = LogView(site.vault).keys
    proof = SubjectProof.decode(found.proof.encode())
    proof.verify(keys)
    assert proof.base is not None
    new = msgspec.structs.replace
    for wrong in (
        new(proof, base=None),
        new(proof, base=new(proof.base, rows=b"")),
        new(proof, base=new(proof.base, index=proof.base.index - 1)),
        new(proof, base=new(proof.base, root=bytes(32))),
        new(proof, base=new(proof.base, path=proof.base.path[1:])),
        new(proof, groups=proof.groups[1:]),
        new(proof, base=proof.stated, stated=proof.base, groups=()),
    ):
        with pytest.raises(ProofInvalid):
            wrong.verify(keys)


def test_who_came_after_the_pruning_and_who_is_not_known_are_accounted_for_too(site: Site) -> None:
    site.prune()
    for one in (vaultfs.SubjectId(b"x" * 16), surrogate(site.vault, PATIENTS[0])):
        found = account(site.vault, one)
        found.proof.verify(LogView(site.vault).keys)


def test_who_reads_what_is_pruned_meanwhile_is_told_so(site: Site) -> None:
    view, reading = LogView(site.vault), read_leaves(site.vault)
    assert next(reading).index == 0
    with kept_apart():  # else what is left is merged with what goes
        done = site.prune()
    for left in (view.leaves(), reading):
        with pytest.raises(LogPrunedBefore) as told:
            list(left)
        assert told.value.facts["first"] == done.first
    assert [leaf.index for leaf in view.leaves(done.first)] == list(range(done.first, view.size - 1))


# Refusals.


@pytest.mark.parametrize("keep", [0, 1, -1])
def test_what_somebody_needs_is_not_pruned(site: Site, keep: int) -> None:
    shown, head = site.prune(dry_run=True), site.vault.engine.head
    needed = keep if keep > 0 else shown.first + keep if keep else 0
    for dry_run in (False, True):
        with pytest.raises(LogStillNeeded) as told:
            site.prune(keep_from=needed, dry_run=dry_run)
        assert told.value.facts == {"first": shown.first, "keep_from": needed}
    assert site.vault.engine.head == head
    assert site.prune(keep_from=shown.first) == shown


def test_the_log_must_be_old_enough(site: Site) -> None:
    head = site.vault.engine.head
    for years in (0, 5.9, -1):
        with pytest.raises(LogTooYoung):
            site.prune(years)
    assert site.vault.engine.head == head
    assert timedelta(days=6 * 365.25) <= MINIMUM_AGE < timedelta(days=6 * 366)
    assert site.prune(3, minimum_age=timedelta(days=3 * 365)).leaves


def test_a_time_without_zone_and_an_age_below_nothing_are_refused(site: Site) -> None:
    with pytest.raises(ArgumentInvalid):
        site.vault.maintenance.prune_log(datetime(2000, 1, 1))
    with pytest.raises(ArgumentInvalid):
        site.prune(minimum_age=timedelta(seconds=-1))


@pytest.mark.parametrize("which", [0, -1])
def test_nothing_is_pruned_of_a_log_that_cannot_be_read_whole(site: Site, which: int) -> None:
    vault = site.vault
    head, row = vault.engine.head, segments_of(vault.engine, vault.engine.head)[which][1]
    vault.close()
    ruin(vault.engine.layout.segment(row))
    site.vault = reopen(vault.path, options=vault.engine.options, vfs=site.vfs)
    with pytest.raises(VaultError):
        site.prune()
    assert set(head.segments) <= set(site.vault.engine.head.segments)
    assert site.vault.engine.head.first_leaf == 0


@pytest.mark.parametrize("number", [1, 4])
def test_a_full_disk_leaves_the_log_as_it_was(site: Site, number: int) -> None:
    put(site.vault)
    site.vfs.fail(Operation.CREATE, error=errno.ENOSPC, number=number, lasting=True)
    with pytest.raises(StorageFull):
        site.prune()
    site.vfs.heal()
    assert site.vault.engine.head.first_leaf == 0
    assert site.prune().leaves
    site.check()


def test_what_others_replace_meanwhile_is_read_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare, calls = pruning._prepared, []

    def disturbed(*words: Any, **more: Any) -> Any:
        found = prepare(*words, **more)
        calls.append(site.vault.engine.lock._is_owned())  # type: ignore[attr-defined] # of any RLock of Python
        if len(calls) == 1:
            site.vault.keys.reencrypt()
        return found

    monkeypatch.setattr(pruning, "_prepared", disturbed)
    assert site.prune().leaves
    assert calls == [False, True]
    site.check()


def test_a_log_whose_head_states_another_tree_is_not_pruned(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    head = site.vault.engine.head
    monkeypatch.setattr(site.vault.engine, "head", replace(head, peaks=tuple(bytes(32) for _ in head.peaks)))
    with pytest.raises(CommitmentMismatch):
        site.prune()


def test_events_that_do_not_give_the_heads_that_are_stated_are_not_pruned(tmp_path: Path) -> None:
    with kept_apart(), pytest.MonkeyPatch.context() as patched:
        site = Site(tmp_path / "v")
        patched.setattr("vaultfs.engine.log.subjectheads.root", lambda *_: bytes(32))
        site.year(0)
        patched.undo()
    with kept_apart(), site.vault:
        site.time.now += 9 * YEAR
        with pytest.raises(CommitmentMismatch):
            site.prune()


# The base.


def test_a_base_that_is_lost_is_told_of(site: Site) -> None:
    site.prune()
    vault = site.vault
    (row,) = (one for extent, one in segments_of(vault.engine, vault.engine.head)[-1:])
    vault.close()
    ruin(vault.engine.layout.segment(row))
    site.vault = reopen(vault.path, options=vault.engine.options, vfs=site.vfs)
    put(site.vault)
    site.vault.settle()
    assert get(site.vault, put(site.vault)) == b"data"
    with pytest.raises(VaultDamaged):
        verify(site.vault)
    found = check_log(site.vault).findings
    assert {one.part for one in found} == {Part.SUBJECTS, Part.FILE}
    assert next(one.index for one in found if one.part is Part.SUBJECTS) == site.vault.engine.head.first_leaf


def test_a_tree_of_what_was_pruned_is_the_one_that_its_signer_has_stated(site: Site) -> None:
    site.prune()
    engine = site.vault.engine
    head = engine.head
    root = head.pruned_tree().root(merkle.AUDIT_EMPTY)
    for peaks, wrong in ((root, set()), (bytes(32), {Part.TREE})):
        line = [Handover(head.vault_id, 2, head.first_leaf, peaks, bytes(32))]
        found = Checking(engine, head, line, lambda _, __: None).run([])
        assert {one.part for one in found.findings} - {Part.SIGNER} == wrong


@pytest.mark.parametrize("how", ["the base", "the head"])
def test_a_base_and_a_head_of_different_prunings_do_not_fit(
    site: Site, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    site.prune()
    head = site.vault.engine.head
    wrong = replace(head, pruned=(bytes(32),) * len(head.pruned))
    if how == "the base":
        first = head.first_leaf + 1
        wrong = replace(head, first_leaf=first, pruned=(bytes(32),) * first.bit_count())
    with pytest.raises(VaultDamaged if how == "the base" else CommitmentMismatch):
        read_base(site.vault.engine, wrong)


def test_an_index_that_is_lost_is_counted_anew_from_the_base(site: Site) -> None:
    site.prune()
    rows = rows_in(site.vault)
    site.vault.close()
    shutil.rmtree(site.vault.path / "index")
    site.reopened()
    site.year(3)
    assert {row[:32] for row in rows} <= {row[:32] for row in rows_in(site.vault)}
    site.check()
