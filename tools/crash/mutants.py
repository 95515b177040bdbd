"""Seeded mutants: engines that break one rule of durability each. A simulator that lets one live proves nothing.

Most are the engine as it is, on a disk that takes note of a sync too late or never: what is recorded is then what an
engine without that sync, or with it in the wrong place, would have done. The names of the engine that are replaced
are here, and in no other file.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from vaultfs_format.epoch import EpochSecret
from vaultfs_format.suite import KEY

from crash.ledger import Broken
from crash.recordings import AfterKill, Recorder, record
from crash.simulate import Sweep, moments
from vaultfs.engine.custody import turning
from vaultfs.engine.indexing import index as indexes
from vaultfs.engine.opening import recovery
from vaultfs.testing.crash import Change
from vaultfs.testing.vfs import Operation

JOURNAL = re.compile(r"v/journal/\w+\.vjrn")
FOLDER = re.compile(r"v/journal")
SUCCESSOR = re.compile(r"v/journal/\w+\.tmp")
UNNAMED = re.compile(r".*\.tmp")
KEY_TABLE = re.compile(r"v/.*\.vkey\..*")
SEGMENT = re.compile(r"v/segments/.*/\w+\.(tmp|part)")
PART = re.compile(r"v/segments/.*\.part")
UNSYNCED = re.compile(r"v/journal/\w+\.vjrn|v/copies/.*\.(vjrn|part)")
"""The journal, and the mirrors, which are written meanwhile."""
SECRET = re.compile(r"v\.epoch/.*/secret\.\d+")
NEW_SECRET = re.compile(r"v\.epoch/.*/secret\.(?!1\.)\d+\.tmp")
NEW_RING = re.compile(r"v/(copies/)?keyring\.(?!1\.)\d+\.tmp")
NEW_TABLE = re.compile(r"v/.*\.vkey\.(?!1\.)\d+\.tmp")
"""What a turn makes: the first epoch is that of a new vault."""
RING = re.compile(r"v/(copies/)?keyring\.\d+")
ANY = re.compile(r".*")
NOTHING = re.compile(r"(?!)")
Release = Callable[[Change], bool]


class Late(Recorder):
    """A disk on which some syncs count only when something else has happened, or never.

    Parameters
    ----------
    kind, path
        The syncs that are held back.
    until
        The change after which they count; None for never.
    unless
        The change before which they count.
    """

    def __init__(
        self,
        root: Path,
        path: re.Pattern[str],
        until: Release | None,
        kind: Operation = Operation.SYNC,
        unless: Release | None = None,
    ) -> None:
        super().__init__(root)
        self._kind = kind
        self._path = path
        self._until = until
        self._unless = unless
        self._held: list[Change] = []

    def record(self, change: Change) -> None:
        if change.kind is self._kind and self._path.fullmatch(change.path):
            self.look_at_index()
            self._held.append(change)
            return
        if self._unless is not None and self._unless(change):
            self.let_go()
        super().record(change)
        if self._until is not None and self._until(change):
            self.let_go()

    def let_go(self) -> None:
        """Let the held syncs count."""
        held, self._held = self._held, []
        for change in held:
            super().record(change)


def _on(kind: Operation, path: re.Pattern[str] = ANY) -> Release:
    return lambda change: change.kind is kind and path.fullmatch(change.path) is not None


def _at_head(change: Change) -> bool:
    """Return whether the head has its name, and the directory was synced."""
    return change.kind is Operation.SYNC_DIRECTORY and change.path == "v"


@contextmanager
def _index_first(disks: Sequence[Late]) -> Iterator[None]:
    """Let the syncs that are held back count when the index has committed."""
    writing = indexes.Index.writing

    @contextmanager
    def first(index: indexes.Index) -> Iterator[Any]:
        with writing(index) as txn:
            yield txn
        for disk in disks:
            disk.look_at_index()
            disk.let_go()

    with mock.patch.object(indexes.Index, "writing", first):
        yield


@contextmanager
def _appending_to_recovered(_: Sequence[Late]) -> Iterator[None]:
    """Take a recovered journal as it is, and go on writing at its end."""

    def adopt(engine: Any, journal: Any, doubtful: Sequence[Any]) -> None:
        journal.rewind(doubtful[-1])
        path = engine.layout.journal(journal.header.journal_id)
        journal.file.close()
        journal.file = engine.vfs.open(path, writable=True)
        live = engine.live.pop()
        engine.store.drop([live.number])
        recovery._adopt(engine, journal, doubtful, active=True)  # noqa: SLF001 - what the mutant is made of
        engine.live[-1].parts |= live.parts

    with mock.patch.object(recovery, "_rewrite", adopt):
        yield


@contextmanager
def _destroying_first(_: Sequence[Late]) -> Iterator[None]:
    """Destroy the secrets of earlier epochs when the new head is yet to be written."""
    log = turning._log  # noqa: SLF001 - what the mutant is made of

    def destroyed(coming: Any, events: Any) -> Any:
        for store in coming.stores:
            for epoch in store.epochs(coming.vault_id):
                if epoch < coming.chain.epoch:
                    store.destroy(coming.vault_id, epoch)
        return log(coming, events)

    with mock.patch.object(turning, "_log", destroyed):
        yield


@contextmanager
def _storing_last(_: Sequence[Late]) -> Iterator[None]:
    """Put the secret of the new epoch into the stores when the head is in force."""
    take_over = turning._take_over  # noqa: SLF001 - what the mutant is made of
    drawn: list[EpochSecret] = []

    def draw(engine: Any) -> EpochSecret:
        drawn.append(EpochSecret(engine.suite, engine.vault_id, engine.head.epoch + 1, os.urandom(KEY)))
        return drawn[-1]

    def stored(engine: Any, *rest: Any) -> None:
        for store in engine.stores:
            store.put(drawn[-1])
        take_over(engine, *rest)

    with mock.patch.object(turning, "_new_secret", draw), mock.patch.object(turning, "_take_over", stored):
        yield


@dataclass(frozen=True)
class Mutant:
    """An engine that breaks a rule.

    Parameters
    ----------
    make
        Makes the disk to record it on.
    patched
        A context in which the engine breaks the rule, given the disks that it makes.
    window
        The changes after which it is looked for first, where it lives for a moment only.
    """

    make: Callable[[Path], Late]
    patched: Callable[[Sequence[Late]], Any] = nullcontext
    window: Release | None = None


def _late(
    path: re.Pattern[str],
    until: Release | None,
    kind: Operation = Operation.SYNC,
    unless: Release | None = None,
) -> Callable[[Path], Late]:
    return lambda root: Late(root, path, until, kind, unless)


NO_MUTANT = Mutant(_late(NOTHING, None))
"""The engine as it is, recorded in the same way."""

MUTANTS = {
    "a commit is acknowledged before its sync": Mutant(
        _late(JOURNAL, _on(Operation.APPEND)), window=_on(Operation.APPEND, JOURNAL)
    ),
    "the index is written before the journal is synced": Mutant(_late(JOURNAL, None), _index_first),
    "files are renamed before they are synced": Mutant(
        _late(UNNAMED, _on(Operation.SYNC_DIRECTORY)), window=_on(Operation.MOVE)
    ),
    "directories are not synced": Mutant(_late(ANY, None, Operation.SYNC_DIRECTORY)),
    "a recovered journal is appended to": Mutant(
        _late(NOTHING, None), _appending_to_recovered, _on(Operation.SYNC, JOURNAL)
    ),
    "what recovery writes is not synced": Mutant(_late(SUCCESSOR, None), window=_on(Operation.SYNC_DIRECTORY, FOLDER)),
    "journals are removed before key tables are durable": Mutant(
        _late(KEY_TABLE, _on(Operation.UNLINK, JOURNAL)), window=_at_head
    ),
    "the head is written before segments are durable": Mutant(_late(SEGMENT, _at_head)),
    "a group names bodies before they are synced": Mutant(
        _late(PART, _on(Operation.SYNC, JOURNAL), unless=lambda change: not UNSYNCED.fullmatch(change.path)),
        window=_on(Operation.SYNC, JOURNAL),
    ),
    "the head is written before the keyring of its epoch is synced": Mutant(
        _late(NEW_RING, _on(Operation.UNLINK, RING)), window=_at_head
    ),
    "the head is written before the key tables of its epoch are synced": Mutant(
        _late(NEW_TABLE, _on(Operation.UNLINK, KEY_TABLE)), window=_at_head
    ),
    "the head is written before the secret of its epoch is synced": Mutant(
        _late(NEW_SECRET, _on(Operation.APPEND, SECRET)), window=_at_head
    ),
    "the secret of an epoch is stored after the head": Mutant(_late(NOTHING, None), _storing_last, _at_head),
    "an old secret is destroyed before the head": Mutant(
        _late(NOTHING, None), _destroying_first, _on(Operation.UNLINK, SECRET)
    ),
}


STRIDES = (23, 5)
"""A recording is cut at one of so many changes, then at one of so many: most mutants do not live long."""


def hunt(mutant: Mutant, place: Path, *, kills: int = 6, strides: Sequence[int] = STRIDES) -> str:
    """Look for a cut that a mutant does not survive; return what it broke, "" where it lives.

    Parameters
    ----------
    place
        A directory for recordings and images, best in memory.
    kills
        Processes to kill, each at another moment, after a life without.
    strides
        A recording is cut at one of so many changes, each stride in turn.
    """
    possible: Sequence[int] = ()
    for number in range(1 + kills):
        moment = [possible[(2 * number - 1) * len(possible) // (2 * kills)]] if number else []
        sweep = Sweep(place, chances=3, most=8)
        made: list[Late] = []

        def make(root: Path, made: list[Late] = made) -> Late:
            made.append(mutant.make(root))
            return made[-1]

        with tempfile.TemporaryDirectory(dir=place) as root:
            try:
                with mutant.patched(made):
                    recording = record(Path(root), kills=moment, index=AfterKill.WAYS[number % 3], make=make)
                if mutant.window is not None:
                    log = recording.vfs.log
                    sweep.run(recording, only=[at for at, one in enumerate(log, start=1) if mutant.window(one)])
                for stride in strides:
                    sweep.run(recording, every=stride, first=number)
            except Broken as broken:
                return str(broken)
        possible = possible or moments(recording)
    return ""
