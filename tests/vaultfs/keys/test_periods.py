"""A key's period that ends in the middle of a job: the job goes on under the next key, or stops and resumes.

The job is of as many commits as are said; its key expires after 40 in 100 of them, by a clock that the test holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.frame import FrameClass

import vaultfs
from tests.vaultfs.support import PASSPHRASE, WHO, create, get, put, read_only, reopen
from vaultfs.engine.opening.replay import live_frames, segment_frames
from vaultfs.errors import KeyExpired
from vaultfs.keys.lifecycle import Cryptoperiod, OnExpiry

DAY = 86_400_000_000
PATIENTS = [vaultfs.Identifier("urn:job", str(number)) for number in range(7)]
COMMITS = pytest.mark.parametrize("commits", [100, pytest.param(1000, marks=pytest.mark.long)])


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.now


def content(number: int) -> bytes:
    """Return what record `number` holds: it is large where the period ends, and elsewhere now and then."""
    return hashlib.shake_256(b"%d" % number).digest(70_000 if number % 4 == 0 else 20)


class Job:
    """Commits of records of a few patients, and now and then a settling. It goes on where it stopped."""

    def __init__(self, vault: vaultfs.Vault, commits: int) -> None:
        self.vault = vault
        self.commits = commits
        self.done: list[vaultfs.RecordId] = []

    def run(self) -> Iterator[int]:
        """Commit records one by one; yield how many are there."""
        for number in range(len(self.done), self.commits):
            self.done.append(put(self.vault, content(number), subject=PATIENTS[number % 7]))
            if number % 30 == 29:
                self.vault.settle()
            yield number + 1

    def answers(self, vault: vaultfs.Vault | vaultfs.Reader) -> dict[str, Any]:
        """Return all that a vault says of the records, each by its place in the job: ids are random."""
        place = {record: number for number, record in enumerate(self.done)}
        found: dict[str, Any] = {"data": [get(vault, record) for record in self.done]}
        with vault.session(WHO, "TREAT") as s:
            for patient in PATIENTS:
                infos = s.find(subject=patient)
                found[patient.value] = [(place[one.id], one.version, one.kind, one.date) for one in infos]
            found["subjects"] = len(list(s.all_subjects()))
        return found


def epochs_of_commits(vault: vaultfs.Vault) -> dict[int, tuple[int, int]]:
    """Return by epoch the first and the last commit whose frames have their keys under it, but for those of the log.

    Settling may move older ones to a later epoch. The log goes on until the epoch is turned: it has refusals, too.
    """
    engine = vault.engine
    under = [(row.table_epoch, frame) for row in engine.head.segments for frame in segment_frames(engine, row)]
    assert {live.journal.header.epoch for live in engine.live} <= {engine.head.epoch}
    under += [(engine.head.epoch, frame) for frame in live_frames(engine)]
    commits: dict[int, list[int]] = {}
    for epoch, frame in [one for one in under if one[1].row.header.frame_class is not FrameClass.AUDIT]:
        commits.setdefault(epoch, []).extend(commit for _, commit in frame.row.runs)
    return {epoch: (min(all_), max(all_)) for epoch, all_ in commits.items()}


def undisturbed(path: Path, commits: int) -> dict[str, Any]:
    """Return the answers of a vault in which the job was not interrupted."""
    with create(path) as vault:
        job = Job(vault, commits)
        for _ in job.run():
            pass
        return job.answers(vault)


@COMMITS
def test_a_job_goes_on_over_the_end_of_a_period_where_that_is_wanted(tmp_path: Path, commits: int) -> None:
    clock = Clock()
    options = vaultfs.Options(clock=clock)
    create(tmp_path / "v", options=options).close()
    expired = 0
    with reopen(tmp_path / "v", options=options, rotation=PASSPHRASE) as vault:
        vault.keys.turn(PASSPHRASE)
        vault.lives.set_period(Cryptoperiod(DAY, OnExpiry.ROTATE))
        job = Job(vault, commits)
        for done in job.run():
            if done == 4 * commits // 10:
                clock.now += DAY
                expired = vault.engine.last_commit
            assert vault.engine.head.epoch == (2 if done <= 4 * commits // 10 else 3)
            if done == 4 * commits // 10 + 1:
                epochs = epochs_of_commits(vault)
                assert epochs[2][1] <= expired < epochs[3][0]
        expected = undisturbed(tmp_path / "other", commits)
        assert job.answers(vault) == expected
        assert epochs_of_commits(vault).get(2, (0, 0))[1] <= expired
    with reopen(tmp_path / "v", options=options) as vault, read_only(tmp_path / "v") as reader:
        assert job.answers(vault) == job.answers(reader) == expected


@COMMITS
def test_a_job_stops_at_the_end_of_a_period_and_resumes_after_a_turn(tmp_path: Path, commits: int) -> None:
    clock = Clock()
    options = vaultfs.Options(clock=clock)
    with create(tmp_path / "v", options=options) as vault:
        vault.keys.turn(PASSPHRASE)
        vault.lives.set_period(Cryptoperiod(DAY))
        job = Job(vault, commits)
        for done in job.run():
            if done == 4 * commits // 10:
                break
        clock.now += DAY
        expired = vault.engine.last_commit
        with pytest.raises(KeyExpired):
            next(job.run())
        assert (
            vault.engine.last_commit - expired <= 3
        )  # the session, what the date did, and the refusal are still logged
    with reopen(tmp_path / "v", options=options) as vault:
        job.vault = vault
        with pytest.raises(KeyExpired):
            next(job.run())
        assert len(job.done) == 4 * commits // 10
        assert [get(vault, one) for one in job.done] == [content(number) for number in range(len(job.done))]
        vault.keys.turn(PASSPHRASE)
        assert epochs_of_commits(vault)[2][1] <= expired
        for _ in job.run():
            pass
        assert job.answers(vault) == undisturbed(tmp_path / "other", commits)
        assert epochs_of_commits(vault).get(2, (0, 0))[1] <= expired
