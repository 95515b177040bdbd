"""The log without its oldest part: all that is left of it is proved as before, and who asked for more is told so."""

from __future__ import annotations

import errno
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter
from vaultfs_format.subjectproof import SubjectProof
from vaultfs_format.suite import DEFAULT
from vaultfs_tools.keyless import Severity, VaultFiles
from vaultfs_tools.keyless import check as check_without_keys

import vaultfs
from tests.vaultfs.engine.test_subject_heads import log_of, rows_in, stated
from tests.vaultfs.support import PASSPHRASE, create, events_of, get, lost, put, read_only, reopen, session
from tests.vaultfs_format.textbook import Logged, heads_of, root_of, rows_of
from vaultfs.audit.accounting import account
from vaultfs.audit.log import read_leaves
from vaultfs.audit.verifying import verify
from vaultfs.audit.view import LogView
from vaultfs.engine import compaction, pruning
from vaultfs.engine.compare import index_differences
from vaultfs.engine.engine import Options
from vaultfs.engine.heads import read_superblock
from vaultfs.engine.leaves import segments_of
from vaultfs.engine.logbase import Pruning, read_base
from vaultfs.engine.pruning import MINIMUM_AGE, Pruned
from vaultfs.errors import (
    ArgumentInvalid,
    LogStillNeeded,
    LogTooYoung,
    StorageFull,
    VaultDamaged,
    VaultError,
)
from vaultfs.testing.vfs import FaultyVfs, Operation

NODES = merkle.audit_nodes(DEFAULT)
PATIENTS = [vaultfs.Identifier("urn:example:mrn", f"patient {number}") for number in range(5)]
YEAR = 365 * 86_400 * 10**6
BEGUN = 1_400_000_000_000_000


class Time:
    """A clock that is put on by hand."""

    def __init__(self, years: int) -> None:
        self.now = BEGUN + years * YEAR

    def __call__(self) -> int:
        return self.now

    def years_ago(self, years: float) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.now - int(years * YEAR))


class Site:
    """A vault that has lived for some years, each of them settled at its end."""

    def __init__(self, path: Path, years: int = 0) -> None:
        """Open the vault at a path, which has lived for so many years, or create it."""
        self.time = Time(years)
        self.vfs = FaultyVfs(durable=False)
        make = reopen if path.exists() else create
        self.vault = make(path, options=Options(clock=self.time), vfs=self.vfs)

    def year(self, seed: int, puts: int = 4) -> None:
        chance = random.Random(seed)
        for _ in range(puts):
            record = put(self.vault, b"%d" % seed, subject=chance.choice(PATIENTS))
            if chance.random() < 0.3:
                get(self.vault, record)
        self.vault.settle()
        self.time.now += YEAR

    def prune(self, years: float = 6.5, **more: Any) -> Pruned:
        return self.vault.maintenance.prune_log(self.time.years_ago(years), **more)

    def reopened(self) -> None:
        self.vault.close()
        self.vault = reopen(self.vault.path, options=self.vault.engine.options, vfs=self.vfs)

    def check(self) -> None:
        """Check the log with keys and without them, and the index against the files."""
        verify(self.vault)
        assert index_differences(self.vault.engine, self.vault.path / "index") == {}
        check_files(self.vault.path)


def check_files(path: Path, *codes: int) -> None:
    found = check_without_keys(VaultFiles(path)).findings
    assert sorted({one.error.code for one in found if one.severity is not Severity.RECOVERY}) == sorted(codes)


def ruin(path: Path) -> None:
    """Damage a segment beyond repair."""
    footer = SegmentFooter.decode(path.read_bytes()[-FOOTER_SIZE:])
    lost(path, *range(footer.geometry.slices))


def audit_rows(vault: vaultfs.Vault) -> list[SegmentRow]:
    return [row for row in vault.engine.head.segments if row.frame_class is FrameClass.AUDIT]


@contextmanager
def kept_apart(fan: int = 1000) -> Iterator[None]:
    """Keep segments from being merged, but for so many."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(compaction, "FAN", fan)
        yield


YEARS = 9


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where a closed vault of nine years lies."""
    place = tmp_path_factory.mktemp("grown") / "v"
    with kept_apart():
        site = Site(place)
        for year in range(YEARS):
            site.year(year)
        site.vault.close()
    return place


@pytest.fixture
def site(grown: Path, tmp_path: Path) -> Iterator[Site]:
    """Return a vault of nine years."""
    for name in ("v", "v.epoch"):
        shutil.copytree(grown.with_name(name), tmp_path / name)
    with kept_apart():
        site = Site(tmp_path / "v", YEARS)
        yield site
        site.vault.close()


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
    assert [one.type.name for _, one in vaultfs_events(vault)][-2:] == ["LOG_PRUNED", "SETTLED"]
    site.check()


def vaultfs_events(vault: vaultfs.Vault) -> list[tuple[int, vaultfs.Event]]:
    return [(leaf.index, leaf.event) for leaf in read_leaves(vault) if leaf.event is not None]


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


@pytest.mark.parametrize("years", [9.5, 20])
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


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS.filter(lambda steps: len(steps) < 6))
def test_any_log_proves_after_any_prunings_what_it_proved_before(in_memory: Path, steps: Any) -> None:
    _lives(steps, in_memory / f"v{len(list(in_memory.iterdir()))}")


@pytest.mark.long
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_any_long_log_proves_after_any_prunings_what_it_proved_before(in_memory: Path, steps: Any) -> None:
    _lives(steps, in_memory / f"v{len(list(in_memory.iterdir()))}")


# Accountings.


def surrogate(vault: vaultfs.Vault, patient: vaultfs.Identifier) -> vaultfs.SubjectId:
    with session(vault) as s:
        return s.subjects(patient)[0]


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


@pytest.mark.parametrize("which", [0, 1, -1])
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


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_full_disk_leaves_the_log_as_it_was(site: Site, number: int) -> None:
    put(site.vault)
    site.vfs.fail(Operation.CREATE, error=errno.ENOSPC, number=number, lasting=True)
    with pytest.raises(StorageFull):
        site.prune()
    site.vfs.heal()
    assert site.vault.engine.head.first_leaf == 0
    assert site.prune().leaves
    site.check()


def test_what_others_merge_meanwhile_is_read_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare, calls = pruning._prepared, []

    def disturbed(*words: Any, **more: Any) -> Any:
        found = prepare(*words, **more)
        calls.append(site.vault.engine.lock._is_owned())  # type: ignore[attr-defined] # of any RLock of Python
        if len(calls) == 1:
            with kept_apart(3):
                site.year(50)
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
        patched.setattr("vaultfs.engine.subjectheads.root", lambda *_: bytes(32))
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


@pytest.mark.parametrize("how", ["the base", "the head"])
def test_a_base_and_a_head_of_different_prunings_do_not_fit(
    site: Site, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    site.prune()
    head = site.vault.engine.head
    other = {"first_leaf": head.first_leaf + 1} if how == "the base" else {"pruned": (bytes(32),) * len(head.pruned)}
    if how == "the base":
        other["pruned"] = (bytes(32),) * other["first_leaf"].bit_count()
    with pytest.raises(VaultDamaged if how == "the base" else CommitmentMismatch):
        read_base(site.vault.engine, replace(head, **other))


def test_an_index_that_is_lost_is_counted_anew_from_the_base(site: Site) -> None:
    site.prune()
    rows = rows_in(site.vault)
    site.vault.close()
    shutil.rmtree(site.vault.path / "index")
    site.reopened()
    site.year(3)
    assert {row[:32] for row in rows} <= {row[:32] for row in rows_in(site.vault)}
    site.check()


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
        patched.setattr("vaultfs.engine.settle.discard_segments", lambda *_, **__: None)
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
        patched.setattr("vaultfs.engine.settle.discard_segments", lambda *_, **__: None)
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
        patched.setattr("vaultfs.engine.settle.discard_segments", lambda *_, **__: None)
        site.prune()
    found = {one.error.code for one in check_without_keys(VaultFiles(site.vault.path)).findings}
    assert {9104, 9109} <= found
    with pytest.raises(VaultError):
        verify(site.vault)
