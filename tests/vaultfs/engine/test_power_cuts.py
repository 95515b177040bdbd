"""Power cuts at every change of the disk: what was acknowledged is there; what was not is whole or absent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from crash.mutants import MUTANTS, NO_MUTANT, hunt
from crash.recordings import AfterKill, Recording, pruning, record, record_again, reencryption
from crash.simulate import Sweep, moments, simulate
from crash.turning import Turning

from vaultfs.testing.crash import Disk, cuts
from vaultfs.testing.vfs import Operation


def recorded(place: Path, **more: object) -> Recording:
    """Play a life in a new directory."""
    root = place / f"recorded{len(list(place.iterdir()))}"
    root.mkdir()
    return record(root, **more)  # type: ignore[arg-type]


@pytest.fixture
def life(in_memory: Path) -> Recording:
    """Return the whole life of a vault."""
    return recorded(in_memory)


def test_what_an_engine_writes_is_repeatable(in_memory: Path) -> None:
    """So a broken promise is found again by the numbers in its message, and images are counted once."""
    assert recorded(in_memory).vfs.log == recorded(in_memory).vfs.log


def test_a_life_does_everything_that_changes_files(life: Recording) -> None:
    made = {change.kind for change in life.vfs.log}
    assert made == set(Operation) - {Operation.OPEN, Operation.READ}
    names = [change.target or change.path for change in life.vfs.log]
    for part in ("head", ".vkey.", ".vseg", ".part", ".vjrn", "copies/"):
        assert any(part in name for name in names), part
    assert len(life.vfs.indexes) > 10


def test_cuts_anywhere_in_a_life_keep_what_was_acknowledged(life: Recording, in_memory: Path) -> None:
    sweep = Sweep(in_memory, chances=2, most=4)
    sweep.run(life, every=37)
    assert len(sweep.seen) > 50


@pytest.mark.parametrize("kind", [Operation.ADD_DIRECTORY, Operation.MOVE])
def test_what_a_killed_process_left_in_the_cache_alone_is_secured(
    life: Recording, in_memory: Path, kind: Operation
) -> None:
    """The next process builds on names and headers that were never synced; a cut must not take them from under it."""
    _kill(life, in_memory, [moment for moment in moments(life)[:-1] if life.vfs.log[moment - 1].kind is kind][::9])


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("number", [1, 2])
def test_a_journal_whose_process_died_as_it_began_is_built_on_safely(
    life: Recording, in_memory: Path, number: int, step: int
) -> None:
    """Killed with the name alone, or with the header that was not synced."""
    log = life.vfs.log
    begun = [at for at in moments(life) if log[at - 1].kind is Operation.CREATE and log[at - 1].path.endswith(".vjrn")]
    assert len(begun) > 3
    _kill(life, in_memory, [at + number - 1 for at in begun[number % step :: step]])


def turning(life: Recording) -> range:
    """Return the moments of a life from the first of a turn to the last."""
    ring = [at for at, change in enumerate(life.vfs.log, start=1) if "keyring." in (change.target or change.path)]
    secret = [at for at, change in enumerate(life.vfs.log, start=1) if "secret." in (change.target or change.path)]
    begun = next(at for at in secret if at > ring[1])
    return range(begun, max(secret) + 2)


def test_cuts_anywhere_in_a_turn_leave_the_old_epoch_or_the_new_one(life: Recording, in_memory: Path) -> None:
    """Never neither, and never half of both: what is disposed of is there as a whole, or not at all."""
    sweep = Sweep(in_memory, chances=1, most=3)
    sweep.run(life, only=turning(life))
    assert len(sweep.seen) > 60


@pytest.mark.parametrize("step", [37, pytest.param(1, marks=pytest.mark.long)])
def test_cuts_anywhere_in_a_turn_keep_the_tables_that_a_copy_needs(in_memory: Path, step: int) -> None:
    """Segments have been merged since the copy was made; it is given up at the end. Every change in a long run."""
    root = in_memory / "recorded"
    root.mkdir()
    recording = Turning(in_memory / "start").recorded(root)
    assert any("retired" in change.path for change in recording.vfs.log[recording.start :])
    sweep = Sweep(in_memory, chances=1, most=3)
    sweep.run(recording, every=step)
    assert len(sweep.seen) > 20


@pytest.mark.parametrize("step", [23, pytest.param(1, marks=pytest.mark.long)])
def test_a_process_may_be_killed_in_the_middle_of_a_turn(life: Recording, in_memory: Path, step: int) -> None:
    """After every change in a long run."""
    _kill(life, in_memory, [moment for moment in moments(life) if moment in turning(life)][::step])


@pytest.mark.parametrize("step", [61, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_cuts_while_everything_is_sealed_anew_keep_all_of_it(in_memory: Path, step: int) -> None:
    """Every change in a long run."""
    recording = recorded(in_memory, play=reencryption)
    sweep = Sweep(in_memory, chances=1, most=3)
    sweep.run(recording, every=step)
    assert len(sweep.seen) > 30


@pytest.mark.parametrize("step", [80, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_cuts_while_the_log_is_pruned_leave_it_as_it_was_or_pruned(in_memory: Path, step: int) -> None:
    """Every change in a long run."""
    recording = recorded(in_memory, play=pruning)
    assert sum(change.kind is Operation.UNLINK and ".vseg" in change.path for change in recording.vfs.log) > 3
    sweep = Sweep(in_memory, chances=1, most=2)
    sweep.run(recording, every=step)
    assert len(sweep.seen) > 6


@pytest.mark.parametrize("step", [500, pytest.param(5, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_a_process_may_be_killed_while_everything_is_sealed_anew(in_memory: Path, step: int) -> None:
    recording = recorded(in_memory, play=reencryption)
    for number in moments(recording)[:-1][::step]:
        place = in_memory / f"killed{number}"
        place.mkdir()
        killed = recorded(place, kills=[number], play=reencryption)
        Sweep(place, chances=1, most=2).run(killed, every=13)
        shutil.rmtree(place)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_process_may_be_killed_after_any_change(life: Recording, in_memory: Path) -> None:
    _kill(life, in_memory, moments(life)[:-1])


def _kill(life: Recording, place: Path, kills: Sequence[int]) -> None:
    """Kill a process after each of these changes, and cut the power after each acknowledgement of the next one."""
    for kill in kills:
        sweep = Sweep(place, worst=True)
        after = recorded(place, kills=[kill])
        sweep.run(after, only=[*after.history.moments(), len(after.vfs.log)])
        assert sweep.opened > 1
        shutil.rmtree(after.vfs.root)


@pytest.mark.parametrize("index", AfterKill.WAYS)
def test_cuts_after_a_killed_process_keep_what_was_acknowledged(life: Recording, in_memory: Path, index: str) -> None:
    """The next process recovers, with the index as it was, without it or with an older one, and is cut off as well."""
    sweep = Sweep(in_memory, chances=2, most=6)
    possible = moments(life)
    first = AfterKill.WAYS.index(index)
    for number in range(2):
        kill = possible[(3 * number + first) * len(possible) // 6]
        sweep.run(recorded(in_memory, kills=[kill], index=index), every=61, first=number)
    assert len(sweep.seen) > 20


def test_cuts_after_processes_killed_in_recovery_keep_what_was_acknowledged(life: Recording, in_memory: Path) -> None:
    sweep = Sweep(in_memory, chances=2, most=6)
    possible = moments(life)
    for number in range(2):
        kill = possible[(2 * number + 1) * len(possible) // 4]
        sweep.run(recorded(in_memory, kills=[kill, kill + 5 + 9 * number]), every=61, first=number)
    assert len(sweep.seen) > 20


def test_cuts_while_recovering_from_a_cut_keep_what_was_acknowledged(life: Recording, in_memory: Path) -> None:
    sweep, disk = Sweep(in_memory, chances=1, most=3), Disk()
    for moment, change in enumerate(life.vfs.log, start=1):
        disk.make(change)
        if moment in moments(life)[50::250]:
            image = [image for _, image in cuts(disk, chances=1)][-1]
            with sweep.directory() as root:
                history = life.history
                again = record_again(root, image, [], history.allowed(moment), history.known_at(moment))
                sweep.run(again, every=47)
    assert len(sweep.seen) > 10


def test_the_engine_survives_the_hunt_for_mutants(in_memory: Path) -> None:
    """The control of the controls: what kills them does not kill the engine that they are made of."""
    assert hunt(NO_MUTANT, in_memory, kills=0, strides=(61,)) == ""


@pytest.mark.parametrize("name", MUTANTS)
def test_a_seeded_mutant_is_caught(in_memory: Path, name: str) -> None:
    """Each breaks one rule of durability; a simulator that let it live would prove nothing."""
    assert hunt(MUTANTS[name], in_memory) != "", name


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_twenty_thousand_different_disks_keep_what_was_acknowledged(in_memory: Path) -> None:
    counts = simulate(in_memory, 20_000, jobs=os.cpu_count() or 1)
    assert counts.images >= 20_000
    assert counts.twice > 0
