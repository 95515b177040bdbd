"""Power cuts at every change of the disk: what was acknowledged is there; what was not is whole or absent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import vaultfs
from tests.vaultfs.support import MRN, OTHER, create, get, put, reopen, seen, session
from vaultfs.errors import VaultMissing
from vaultfs.testing.crash import Change, Disk, Fate, RecordingVfs
from vaultfs.testing.vfs import FaultyVfs, Operation

BIG = os.urandom(70_000)
HUGE = os.urandom(1_100_000)
ALL = 1 << 30


@dataclass
class Step:
    """What was seen when a step of the scenario had been acknowledged, and between which changes it was made."""

    begun: int
    acknowledged: int
    seen: dict[Any, Any]


@dataclass
class Recording:
    """A scenario that was played on a recorded disk."""

    root: Path
    vfs: RecordingVfs
    steps: list[Step] = field(default_factory=list)
    indexes: list[tuple[int, bytes]] = field(default_factory=list)
    ids: dict[vaultfs.RecordId, int] = field(default_factory=dict)
    """The ids that were given out, and after which change."""

    @property
    def path(self) -> Path:
        """The vault."""
        return self.root / "v"

    def step(self, vault: vaultfs.Vault, act: Callable[[], Any]) -> None:
        """Play one step, and keep what is to be seen from then on."""
        begun = len(self.vfs.log)
        act()
        acknowledged = len(self.vfs.log)
        self.steps.append(Step(begun, acknowledged, observed(vault, self.ids)))
        self.indexes.append((len(self.vfs.log), (self.path / "index" / "data.mdb").read_bytes()))

    def put(self, vault: vaultfs.Vault, *data: bytes, **more: Any) -> None:
        """Put records in one transaction, as a step."""

        def act() -> None:
            with session(vault) as s, s.transaction() as txn:
                for one in data:
                    self.ids[txn.put(one, **{"kind": "Observation", "subject": MRN, **more})] = len(self.vfs.log)

        self.step(vault, act)


def observed(vault: vaultfs.Vault, ids: Iterable[vaultfs.RecordId]) -> dict[Any, Any]:
    """Return what is to be seen of a vault."""
    found: dict[Any, Any] = {record: seen(vault, record) for record in ids}
    with session(vault) as s:
        found["state"] = s.state("ns", b"k")
        for name in (MRN, OTHER):
            people = s.subjects(name)
            found[name] = {info.id for one in people for info in s.find(subject=one)}
    return {key: value for key, value in found.items() if value not in (None, set(), vaultfs.State(0, None))}


def _play(root: Path, vfs: RecordingVfs) -> Recording:
    """Play everything that changes files: commits, large bodies, settling, closing, opening, recovery."""
    played = Recording(root, vfs)
    vault = create(played.path, vfs=vfs)
    played.steps.append(Step(0, len(vfs.log), observed(vault, [])))
    played.put(vault, b"one", b"two")
    played.put(vault, BIG, b"beside a large one", subject=OTHER)
    first = next(iter(played.ids))

    def state() -> None:
        with session(vault) as s, s.transaction() as txn:
            txn.set_state("ns", b"k", b"v")
            txn.delete(first)

    played.step(vault, state)
    played.step(vault, vault.settle)
    with session(vault) as s:
        waiting = s.transaction()
        waiting.put(HUGE, kind="Binary", subject=None)
        played.put(vault, HUGE[::-1], subject=OTHER)

        def undelete() -> None:
            with s.transaction() as txn:
                txn.undelete(first)
                txn.put(b"one again", kind="Observation", subject=MRN, replaces=first)

        played.step(vault, undelete)
        played.step(vault, vault.settle)
        waiting.rollback()
    played.step(vault, lambda: put(vault, b"not looked for", subject=None))
    vault.close()
    vault = reopen(played.path, vfs=vfs)
    played.put(vault, b"after reopening", BIG[::-1])
    for record in played.ids:
        seen(vault, record)
    vault.committer.sync()
    # The process dies: the next one finds groups that no other calls durable, and writes them again.
    vault.engine.poison()
    vault.close()
    shutil.rmtree(played.path / "index")
    vault = reopen(played.path, vfs=vfs)
    played.put(vault, b"after recovery")
    played.step(vault, vault.settle)
    vault.close()
    return played


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Return the scenario, played once."""
    root = tmp_path_factory.mktemp("recorded")
    return _play(root, RecordingVfs(root))


def _check(played: Recording, image: Path, point: int, index: bytes | None, *, further: bool) -> None:
    """Check what a cut after `point` changes has left."""
    vault_path = image / "v"
    if index is not None and vault_path.is_dir():
        (vault_path / "index").mkdir()
        (vault_path / "index" / "data.mdb").write_bytes(index)
    done = [step for step in played.steps if step.acknowledged <= point]
    going = played.steps[len(done) : len(done) + 1]
    try:
        vault = reopen(vault_path, vfs=FaultyVfs(durable=False))
    except VaultMissing:
        assert not done
        return
    with vault:
        found = observed(vault, played.ids)
        allowed = [step.seen for step in [*done[-1:], *(step for step in going if step.begun <= point)]]
        assert found in (allowed or [{}])
        if further:
            record = put(vault, BIG, subject=None)
            vault.settle()
            assert get(vault, record) == BIG
            assert played.ids.get(record, ALL) > point, "an id was given out again"
            assert observed(vault, played.ids.keys() - {record}) == found


def _cut(played: Recording, target: Path, points: range, fates: list[tuple[Fate, int]], *, seeds: int = 1) -> int:
    """Cut the power at `points` and check what is left; return how many disks were looked at."""
    disk, looked_at = Disk(), 0
    for point, change in enumerate(played.vfs.log, start=1):
        disk.make(change)
        if point not in points:
            continue
        older = [data for at, data in played.indexes if at <= point]
        for fate, every in fates:
            if point % every:
                continue
            if fate is Fate.LOST and change.kind not in (Operation.SYNC, Operation.SYNC_DIRECTORY):
                continue  # the same as before this change
            for seed in range(seeds if fate in (Fate.TORN, Fate.MIXED) else 1):
                image = target / "image"
                disk.after_power_cut(image, fate, point * 1000 + seed)
                shutil.copytree(played.root / "v.epoch", image / "v.epoch", dirs_exist_ok=True)
                index = (None, *older[-1:], *older[:1])[(point + seed) % 3 % (len(older[:2]) + 1)]
                try:
                    _check(played, image, point, index, further=looked_at % 7 == 0)
                except Exception as error:
                    raise AssertionError(f"power cut after change {point}, {fate}, seed {seed}: {change}") from error
                shutil.rmtree(image)
                looked_at += 1
    return looked_at


def test_whatever_was_not_synced_is_lost_or_kept(played: Recording, in_memory: Path) -> None:
    assert _cut(played, in_memory, range(ALL), [(Fate.LOST, 1), (Fate.KEPT, 3)]) > 150


def test_writes_are_torn_and_names_are_kept_at_random(played: Recording, in_memory: Path) -> None:
    assert _cut(played, in_memory, range(ALL), [(Fate.TORN, 5), (Fate.MIXED, 3)]) > 100


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_cut_with_many_chances(played: Recording, in_memory: Path) -> None:
    fates = [(fate, 1) for fate in Fate]
    assert _cut(played, in_memory, range(ALL), fates, seeds=12) > 1000


def test_power_cuts_during_recovery_are_recovered_from(played: Recording, in_memory: Path) -> None:
    """A disk that a cut has left is opened on a recorded disk, and that opening is cut as well."""
    points = [step.acknowledged for step in played.steps[1:]] + [played.steps[-2].acknowledged - 3]
    for number, point in enumerate(points):
        disk = Disk()
        for change in played.vfs.log[:point]:
            disk.make(change)
        before = in_memory / f"before{number}"
        disk.after_power_cut(before, Fate.KEPT)
        shutil.copytree(played.root / "v.epoch", before / "v.epoch", dirs_exist_ok=True)
        root = in_memory / f"again{number}"
        root.mkdir()
        vfs = RecordingVfs(root)
        _copy_through(vfs, before, root)
        start = len(vfs.log)
        reopen(root / "v", vfs=vfs).close()
        again = Recording(root, vfs, [Step(0, start, s.seen) for s in played.steps if s.acknowledged <= point][-1:])
        again.ids = played.ids
        assert len(vfs.log) > start
        _cut(again, root, range(start, ALL), [(Fate.LOST, 1), (Fate.KEPT, 5), (Fate.MIXED, 7)])


@pytest.mark.parametrize("forgotten", [Operation.SYNC, Operation.SYNC_DIRECTORY])
def test_a_disk_that_does_not_keep_what_was_synced_is_found_out(tmp_path: Path, forgotten: Operation) -> None:
    """The control: with syncs that do nothing, the same checks fail."""

    class Lying(RecordingVfs):
        def record(self, change: Change) -> None:
            if change.kind is not forgotten:
                super().record(change)

    root = tmp_path / "recorded"
    root.mkdir()
    played = _play(root, Lying(root))
    every = range(played.steps[1].acknowledged, ALL)
    with pytest.raises(AssertionError, match="power cut after"):
        _cut(played, tmp_path, every, [(Fate.MIXED, 1)])


def _copy_through(vfs: RecordingVfs, source: Path, target: Path) -> None:
    """Copy a disk so that the copy is recorded, and durable."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            vfs.make_directory(place)
        else:
            file = vfs.create(place)
            file.append([path.read_bytes()], 0)
            file.sync()
            file.close()
            vfs.sync_directory(place.parent)
