"""The sweep: every disk that a power cut may leave of a recording, each different one opened and checked once."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import shutil
import tempfile
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from crash.ledger import Broken
from crash.oracle import check
from crash.recordings import INDEX, AfterKill, Recording, record, record_again
from vaultfs.testing.crash import Disk, Image, cuts

SETTLE_EVERY = 9
"""One of so many images is also settled when it is checked."""
AGAIN_EVERY = 7
"""A recovery is cut at one of so many of its changes."""


class Counts(NamedTuple):
    """What a simulation looked at.

    Parameters
    ----------
    images
        Images that differ.
    opened
        Vaults opened: some images are opened with several states of the index.
    twice
        Images of a second cut, during the recovery from a first.
    recordings
        Lives of a vault that were played.
    """

    images: int
    opened: int
    twice: int
    recordings: int


@dataclass
class Sweep:
    """A sweep over recordings.

    Parameters
    ----------
    place
        A directory for images, best in memory.
    chances
        Images by chance at each moment, after those that follow a system.
    again
        One of so many images is opened on a recorded disk, and cut again while it recovers; 0 for none.
    worst
        Look at the first image of each moment only, in which everything is lost that was not synced.
    most
        Images of each moment, drawn beside that first one; 0 for all. Files that are never synced, as mirrors are not,
        make for dozens.

    Attributes
    ----------
    seen
        Digests of the images so far.
    opened
        Vaults opened: some images are opened with several states of the index.
    twice
        Images that are of a second cut.
    """

    place: Path
    chances: int = 10
    again: int = 0
    worst: bool = False
    most: int = 0
    seen: set[bytes] = field(default_factory=set)
    opened: int = 0
    twice: int = 0
    cut: int = 0

    def run(self, recording: Recording, *, every: int = 1, first: int = 0, only: Container[int] | None = None) -> None:
        """Cut a recording at every moment from its start on, at one of `every`, or `only` at some.

        Raises
        ------
        Broken
            With the recording, the moment and the way of the cut; the image stays in `place`.
        """
        disk = Disk()
        second = recording.name == "recovery"
        for moment, change in enumerate(recording.vfs.log, start=1):
            disk.make(change)
            if moment < recording.start or (moment + first) % every or (only is not None and moment not in only):
                continue
            for name, image in self._ways(disk, moment):
                digest = image.digest()
                if digest in self.seen:
                    continue
                self.seen.add(digest)
                self.twice += second
                try:
                    self._look_at(recording, moment, name, image)
                except Broken as broken:
                    place = f"{recording.name}, cut after change {moment} ({change.kind.value} {change.path}), {name}"
                    raise Broken(f"{place}: {broken}") from broken

    def _ways(self, disk: Disk, moment: int) -> Iterator[tuple[str, Image]]:
        """Yield the images that a cut at a moment may leave, as far as they are looked at."""
        ways = iter(cuts(disk, chances=self.chances, seed=moment))
        yield from itertools.islice(ways, 1)
        if self.most:
            others = list(ways)
            yield from random.Random(moment).sample(others, min(self.most, len(others)))
        elif not self.worst:
            yield from ways

    def _look_at(self, recording: Recording, moment: int, name: str, image: Image) -> None:
        allowed = recording.history.allowed(self._clock(recording, moment))
        if not any(path.startswith("v/") for path in image.content) and None in allowed:
            return
        for index in self._indexes(recording, moment, name):
            with self.directory() as target:
                image.write(target / "image")
                if index is not None:
                    (target / "image/v" / INDEX).parent.mkdir(parents=True)
                    (target / "image/v" / INDEX).write_bytes(index)
                self.opened += 1
                check(
                    target / "image/v",
                    allowed,
                    recording.history,
                    self._clock(recording, moment),
                    settle=not self.opened % SETTLE_EVERY,
                )
        self.cut += 1
        if self.again and recording.name != "recovery" and not self.cut % self.again:
            self._cut_again(recording, moment, image)

    @staticmethod
    def _clock(recording: Recording, moment: int) -> int:
        return moment - recording.start if recording.name == "recovery" else moment

    def _indexes(self, recording: Recording, moment: int, name: str) -> Sequence[bytes | None]:
        """Return the states of the index to open an image with, in turn: none, the last ones, and older ones."""
        found = recording.vfs.indexes_at(moment)
        kinds = [None, *found[:2], *found[2 :: max(1, len(found) // 2)][:2]]
        one = kinds[len(self.seen) % len(kinds)]
        return [None, *found[:1]] if name.startswith("all is") else [one]

    def _cut_again(self, recording: Recording, moment: int, image: Image) -> None:
        history = recording.history
        with self.directory() as root:
            index = recording.vfs.indexes_at(moment)[: len(self.seen) % 2]
            again = record_again(root, image, index, history.allowed(moment), history.known_at(moment))
            self.run(again, every=AGAIN_EVERY, first=len(self.seen))

    def directory(self) -> _Kept:
        """Return a directory of its own, for a with statement; it stays if what is done in it fails."""
        return _Kept(Path(tempfile.mkdtemp(dir=self.place)))


class _Kept:
    """A directory that is removed, unless what is done in it fails."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Path:
        return self._path

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            shutil.rmtree(self._path)


def moments(recording: Recording) -> range:
    """Return the changes of a recording after which its process can be killed: once the vault is there."""
    there = next(moment for moment in range(len(recording.vfs.log)) if None not in recording.history.allowed(moment))
    return range(there + 1, len(recording.vfs.log))


# The long sweep: tasks that any number of processes share.

LIFE_SHARES = 16
KILLED_SHARES = 6
"""A task cuts one of so many shares of a whole life, or of what follows a killed process."""


@dataclass(frozen=True, slots=True)
class Task:
    """A recording to make, and the share of its changes to cut it at."""

    kills: tuple[int, ...]
    index: str
    share: int
    of: int


def tasks(place: Path) -> Iterator[Task]:
    """Yield tasks without end: the whole life first, then processes that are killed at other and other moments."""
    with _Kept(Path(tempfile.mkdtemp(dir=place))) as root:
        possible = moments(record(root))
    yield from (Task((), AfterKill.KEPT, share, LIFE_SHARES) for share in range(LIFE_SHARES))
    chance = random.Random(0)
    for number in itertools.count():
        kills = sorted(chance.sample(possible, 1 + number % 2))
        if number % 2:
            kills[1] = kills[0] + chance.randrange(1, 250)
        yield Task(tuple(kills), AfterKill.WAYS[number % 3], number % KILLED_SHARES, KILLED_SHARES)


def _work(place: Path, chances: int, again: int, task: Task) -> tuple[set[bytes], int, int]:
    sweep = _SWEEPS.setdefault(os.getpid(), Sweep(place, chances=chances, again=again))
    before, opened, twice = set(sweep.seen), sweep.opened, sweep.twice
    with sweep.directory() as root:
        recording = record(root, kills=task.kills, index=task.index)
        changes = len(recording.vfs.log) - recording.start
        begin = recording.start + task.share * changes // task.of
        sweep.run(recording, only=range(begin, recording.start + (task.share + 1) * changes // task.of))
    return sweep.seen - before, sweep.opened - opened, sweep.twice - twice


_SWEEPS: dict[int, Sweep] = {}
"""The sweep of each worker, which opens no image twice."""


def simulate(place: Path, images: int, *, jobs: int, chances: int = 4, again: int = 400) -> Counts:
    """Open at least so many different images.

    Raises
    ------
    Broken
    """
    seen: set[bytes] = set()
    opened = twice = recordings = 0
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        work = partial(_work, place, chances, again)
        supply = tasks(place)
        while len(seen) < images:
            for new, more, second in pool.imap_unordered(work, itertools.islice(supply, 2 * jobs)):
                seen |= new
                opened, twice, recordings = opened + more, twice + second, recordings + 1
                print(f"{len(seen):,} images, {opened:,} opened", flush=True)
    return Counts(len(seen), opened, twice, recordings)
