"""Heads of subjects: whatever became of the index, the log states what its events give, by the book."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from vaultfs_format.audit import LeafKind
from vaultfs_format.frame import FrameClass
from vaultfs_format.subjectheads import ROW

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, OTHER, PASSPHRASE, crashed, delete, get, put, session
from tests.vaultfs_format.textbook import Logged, heads_of, root_of, rows_of
from vaultfs.audit.errors import SubjectsUncounted
from vaultfs.audit.events import subject_of
from vaultfs.audit.findings import Part
from vaultfs.audit.log import read_leaves
from vaultfs.audit.verifying import check_log, verify
from vaultfs.engine.indexing.index import BUCKET
from vaultfs.engine.log.subjectheads import recount
from vaultfs.engine.settling import carrying
from vaultfs.errors import CommitmentMismatch

PATIENTS = [vaultfs.Identifier("urn:example:mrn", f"patient {number}") for number in range(9)]


def log_of(vault: vaultfs.Vault) -> list[Logged]:
    """Return every leaf of the log so far, and what it is about."""
    return [Logged(leaf.entry, subject_of(leaf.event) if leaf.event else b"") for leaf in read_leaves(vault)]


def stated(log: list[Logged]) -> list[int]:
    """Return the leaves that state heads of subjects."""
    return [index for index, leaf in enumerate(log) if leaf.entry.kind is LeafKind.SUBJECTS]


def check(vault: vaultfs.Vault, settlings: int | None = None) -> list[Logged]:
    """Check every leaf that states heads, and that the index has those of the newest one; return the log."""
    log = log_of(vault)
    found = stated(log)
    if settlings is not None:
        assert len(found) == settlings
    for index in found:
        assert log[index].entry.number == index
        assert log[index].entry.commitment == root_of(heads_of(log[: index + 1]))
    return log


def rows_in(vault: vaultfs.Vault) -> list[bytes]:
    """Return all rows that the index has."""
    index = vault.engine.index
    with index.reading() as txn:
        buckets = b"".join(index.subject_heads(txn, bucket) for bucket in range(4096))
    return [buckets[at : at + ROW] for at in range(0, len(buckets), ROW)]


def live(vault: vaultfs.Vault, seed: int) -> None:
    """Do this and that to some patients."""
    chosen = random.Random(seed)
    for patient in chosen.sample(PATIENTS, 4):
        record = put(vault, subject=patient)
        get(vault, record)
        if chosen.random() < 0.5:
            delete(vault, record)
    put(vault, subject=None)


def test_every_settling_states_the_heads_that_the_events_give(opened: Open) -> None:
    vault = opened()
    for round_ in range(3):
        live(vault, round_)
        vault.settle()
    log = check(vault, settlings=3)
    assert rows_in(vault) == rows_of(heads_of(log))
    vault = opened(fresh=True)
    live(vault, 3)
    vault.settle()
    assert rows_in(vault) == rows_of(heads_of(check(vault, settlings=4)))


def test_the_count_of_a_subject_is_that_of_all_events_about_it(vault: vaultfs.Vault) -> None:
    for _ in range(5):
        live(vault, 0)
    vault.settle()
    log = log_of(vault)[: stated(log_of(vault))[-1]]
    counts = Counter(leaf.subject for leaf in log if any(leaf.subject))
    assert {subject: count for subject, (count, _) in heads_of(check(vault)).items()} == counts


def test_events_about_nobody_are_not_counted(vault: vaultfs.Vault) -> None:
    with session(vault) as s, s.transaction() as txn:
        txn.put(b"of nobody", kind="Observation", subject=None)
        txn.set_state("ns", b"key", b"value")
    vault.settle()
    log = check(vault, settlings=1)
    assert log[stated(log)[0]].entry.commitment == root_of({})
    assert rows_in(vault) == []


def test_many_subjects_share_a_bucket(vault: vaultfs.Vault) -> None:
    for round_ in range(2):
        with session(vault) as s, s.transaction() as txn:
            for number in range(round_ * 2000, 3000 + round_ * 2000):
                txn.put(b"r", kind="Observation", subject=vaultfs.Identifier("urn:example:mrn", str(number)))
        vault.settle()
    log = check(vault, settlings=2)
    rows = rows_in(vault)
    assert rows == rows_of(heads_of(log))
    assert len(rows) == 5000
    assert max(Counter(row[0] << 4 | row[1] >> 4 for row in rows).values()) >= 4


@pytest.mark.parametrize("how", ["rebuilt", "lost", "lost while events wait"])
def test_the_index_may_be_lost(opened: Open, tmp_path: Path, how: str) -> None:
    vault = opened()
    for round_ in range(3):
        live(vault, round_)
        vault.settle()
    if how == "rebuilt":
        vault.rebuild_index()
    else:
        if how != "lost":
            live(vault, 9)
        vault = opened(crashed(tmp_path / "v", tmp_path / "copy", index=False))
    live(vault, 3)
    vault.settle()
    assert rows_in(vault) == rows_of(heads_of(check(vault, settlings=4)))


def test_a_crash_may_come_between_head_and_index(opened: Open, tmp_path: Path) -> None:
    vault = opened()
    live(vault, 0)
    vault.settle()
    live(vault, 1)
    before = crashed(tmp_path / "v", tmp_path / "before")
    vault.settle()
    after = crashed(tmp_path / "v", tmp_path / "after", index=False)
    shutil.copytree(before / "index", after / "index")
    vault = opened(after)
    live(vault, 2)
    vault.settle()
    assert rows_in(vault) == rows_of(heads_of(check(vault, settlings=3)))


@pytest.mark.parametrize("new_signer", [False, True])
def test_the_events_of_a_turn_are_counted_with_the_next_settling(vault: vaultfs.Vault, *, new_signer: bool) -> None:
    live(vault, 0)
    with session(vault) as s:
        gone = s.subjects(PATIENTS[random.Random(0).sample(range(9), 4)[0]])[0]
    vault.keys.turn(PASSPHRASE, [gone], new_signer=new_signer)
    live(vault, 1)
    vault.settle()
    log = check(vault)
    assert log[stated(log)[-2]].entry.commitment != log[stated(log)[-1]].entry.commitment
    disposed = [index for index, leaf in enumerate(log) if leaf.subject == gone][-1]
    assert stated(log)[-2] < disposed < stated(log)[-1]
    assert rows_in(vault) == rows_of(heads_of(log))


def test_merged_segments_hold_the_same_log(opened: Open) -> None:
    vault = opened()
    for round_ in range(12):
        live(vault, round_)
        vault.settle()
    rows = [row for row in vault.engine.head.segments if row.frame_class is FrameClass.AUDIT]
    assert len(rows) < 12
    vault.rebuild_index()
    live(vault, 12)
    vault.settle()
    assert rows_in(vault) == rows_of(heads_of(check(vault, settlings=13)))


# The index is a hint.


def tamper(vault: vaultfs.Vault, how: str) -> None:
    index = vault.engine.index
    with index.writing() as txn:
        through, hashes = index.counted(txn)
        rows = {bucket: index.subject_heads(txn, bucket) for bucket in range(4096)}
        held = {bucket: found for bucket, found in rows.items() if found}
        if how == "counts":
            held = {bucket: found[:32] + b"\xff" + found[33:] for bucket, found in held.items()}
        elif how == "a subject more":
            held |= {bucket: bytes([bucket >> 4, (bucket & 15) << 4]) + bytes(70) for bucket in set(rows) - set(held)}
        elif how == "subjects missing":
            txn.drop(index.tables.heads, delete=False)
            held = {}
        elif how == "hashes":
            hashes = bytes(32) + hashes[32:]
        elif how == "short hashes":
            hashes = hashes[:-32]
        elif how == "another leaf":
            through -= 1
        elif how == "beyond the log":
            through += 1000
        index.put_subject_heads(txn, held, hashes, through, anew=False)
        if how == "both, and they fit":
            txn.put(BUCKET.pack(0), b"", db=index.tables.heads)
            index.put_subject_heads(txn, {}, merged(hashes), through, anew=False)


def merged(hashes: bytes) -> bytes:
    """Return the hashes of buckets of which the first has another place."""
    return hashes[32:] + hashes[:32]


TAMPERED = [
    "counts", "a subject more", "subjects missing", "hashes", "short hashes", "another leaf", "beyond the log",
    "both, and they fit",
]  # fmt: skip


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("how", TAMPERED)
def test_whatever_the_index_says_the_leaf_is_right(opened: Open, how: str, *, reopened: bool) -> None:
    vault = opened()
    for round_ in range(2):
        live(vault, round_)
        vault.settle()
    tamper(vault, how)
    if reopened:
        vault = opened(fresh=True)
    live(vault, 0)
    vault.settle()
    for patient in PATIENTS:
        put(vault, subject=patient)
    vault.settle()
    assert rows_in(vault) == rows_of(heads_of(check(vault, settlings=4)))


def test_an_index_of_another_time_of_the_vault_is_not_believed(opened: Open, tmp_path: Path) -> None:
    """One that says of itself that it is of this head."""
    vault = opened()
    put(vault, subject=MRN)
    vault.settle()
    other = opened(crashed(tmp_path / "v", tmp_path / "other"))
    for one, patient in ((vault, MRN), (other, OTHER)):
        put(one, subject=patient)
        one.settle()
    mixed = crashed(tmp_path / "v", tmp_path / "mixed", index=False)
    foreign = crashed(tmp_path / "other" / "v", tmp_path / "foreign")
    shutil.copytree(foreign / "index", mixed / "index")
    vault = opened(mixed)
    put(vault, subject=MRN)
    vault.settle()
    check(vault, settlings=3)


# What the log states is checked by whoever counts.


def test_a_leaf_that_states_other_heads_is_found_by_counting(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = opened()
    put(vault)
    vault.settle()
    put(vault)
    with monkeypatch.context() as patched:
        patched.setattr("vaultfs.engine.log.subjectheads.root", lambda *_: bytes(32))
        vault.settle()
    wrong = stated(log_of(vault))[-1]
    with pytest.raises(CommitmentMismatch) as told:
        recount(vault.engine)
    assert told.value.facts["leaf"] == wrong
    put(vault)
    vault.settle()  # goes on, and states what is right
    log = log_of(vault)
    assert log[stated(log)[-1]].entry.commitment == root_of(heads_of(log))


def test_a_settling_that_counts_nobody_is_found_until_the_next_one_counts(
    vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that states no heads would leave accountings without proof for ever, and nobody would notice."""
    live(vault, 1)
    vault.settle()
    verify(vault)
    with monkeypatch.context() as patched:
        patched.setattr(carrying, "count", lambda *_: None)
        live(vault, 2)
        vault.settle()
        (found,) = check_log(vault).findings
        assert (found.part, found.index) == (Part.SUBJECTS, vault.engine.head.tree_size - 1)
        assert isinstance(found.error, SubjectsUncounted)
        live(vault, 3)
        vault.settle()
        (again,) = check_log(vault).findings
        assert (again.part, again.index) == (found.part, found.index)
    put(vault)
    vault.settle()
    verify(vault)


@pytest.mark.parametrize("index", [True, False])
def test_a_segment_that_is_lost_keeps_nobody_from_settling_and_is_counted_when_it_is_back(
    opened: Open, *, index: bool
) -> None:
    vault = opened()
    live(vault, 0)
    vault.settle()
    live(vault, 1)
    vault.settle()
    rows = [row for row in vault.engine.head.segments if row.frame_class is FrameClass.AUDIT]
    paths = [vault.engine.layout.segment(row) for row in rows]
    if not index:
        vault.rebuild_index()
    vault.close()
    for path in paths:
        path.rename(path.with_suffix(".away"))
    vault = opened()
    for round_ in (2, 3):
        live(vault, round_)
        vault.settle()
    vault.close()
    for path in paths:
        path.with_suffix(".away").rename(path)
    vault = opened()
    assert len(stated(check(vault))) == 2
    live(vault, 4)
    vault.settle()
    assert rows_in(vault) == rows_of(heads_of(check(vault, settlings=3)))


def test_older_segments_that_are_lost_keep_no_heads_from_being_stated(opened: Open) -> None:
    vault = opened()
    live(vault, 0)
    vault.settle()
    old = {
        vault.engine.layout.segment(row) for row in vault.engine.head.segments if row.frame_class is FrameClass.AUDIT
    }
    live(vault, 1)
    vault.settle()
    vault.keys.turn(PASSPHRASE)
    vault.close()
    for path in old:
        path.rename(path.with_suffix(".away"))
    vault = opened()
    live(vault, 2)
    vault.settle()
    vault.close()
    for path in old:
        path.with_suffix(".away").rename(path)
    assert len(stated(check(opened()))) == 4
