"""Recordings: the life of a vault, played on a recorded disk, with processes that are killed on the way."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from vaultfs_format.signing import SigningKeys

import vaultfs
from crash import host as hosts
from crash.host import Host
from crash.ledger import Allowed, History
from crash.oracle import BLOB, state_of
from vaultfs.testing.crash import Change, Image, Killed, RecordingVfs

INDEX = "index/data.mdb"


class Recorder(RecordingVfs):
    """A recorded disk that also keeps each committed state of the index, which LMDB writes past it.

    Attributes
    ----------
    indexes
        Bytes of the index, and how many changes the disk had seen when they were first found.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.indexes: list[tuple[int, bytes]] = []
        self._index = root / "v" / INDEX

    def record(self, change: Change) -> None:
        self.look_at_index()
        super().record(change)

    def look_at_index(self) -> None:
        """Keep the state of the index, if it is a new one. Commits of the index lie between changes of the disk."""
        try:
            data = self._index.read_bytes()
        except FileNotFoundError:
            return
        if not self.indexes or data != self.indexes[-1][1]:
            self.indexes.append((len(self.log), data))

    def indexes_at(self, moment: int) -> list[bytes]:
        """Return the states of the index up to a moment, the newest first."""
        return [data for at, data in reversed(self.indexes) if at <= moment]


@dataclass
class Recording:
    """What was played, and from which change on it is to be cut."""

    name: str
    vfs: Recorder
    history: History
    start: int = 0


_SIGNED: dict[tuple[bytes, bytes], bytes] = {}
_sign_head = SigningKeys.sign_head


def _signed_once(keys: SigningKeys, statement: bytes) -> bytes:
    """Return the signatures of a head: the same ones for the same head, though ML-DSA draws random bytes for each."""
    known = keys.signer.encode(), statement
    if known not in _SIGNED:
        _SIGNED[known] = _sign_head(keys, statement)
    return _SIGNED[known]


@contextmanager
def repeatable(seed: int = 0) -> Iterator[None]:
    """Let the same scenario write the same bytes in one process: keys, ids and times come from a seed."""
    times = itertools.count(1_700_000_000_000_000, 1000)
    options = vaultfs.Options(sync_bound=hosts.OPTIONS.sync_bound, clock=lambda: next(times))
    with (
        mock.patch.object(os, "urandom", random.Random(seed).randbytes),
        mock.patch.object(hosts, "OPTIONS", options),
        mock.patch.object(SigningKeys, "sign_head", _signed_once),
    ):
        yield


def life(host: Host) -> None:
    """Do everything that changes files: commits, large bodies, settling, closing, opening, rebuilding, recovery."""
    host.create()
    host.commit(host.put(300), host.put(400))
    host.commit(host.put(BLOB, "two"), host.put(50, "two"))
    host.commit(host.state("a", "1"), host.delete(host.records[0]))
    host.vault.settle()
    with host.session() as s:
        waiting, act = s.transaction(), host.put(BLOB + 1, "nobody")
        effect = act(waiting)
        host.commit(host.put(BLOB + 5000, "two"), host.state("a", "2"))
        host.commit(host.undelete(host.records[0]), host.put(700, "one", host.records[0]))
        host.vault.settle()
        host.finish(waiting, lambda _: effect)
    host.commit(host.put(100, "nobody"))
    host.turn("one")
    host.commit(host.put(210), host.put(BLOB + 9, "one"))
    host.reopen()
    host.commit(host.put(200), host.put(BLOB, "two", host.records[2]))
    host.vault.rebuild_index()
    with host.session() as s:
        s.versions(vaultfs.RecordId(bytes.fromhex(host.records[2])))
    host.vault.committer.sync()
    host.commit(host.state("b", "1"), host.delete(host.records[3]))
    host.die()
    shutil.rmtree(host.path / "index")
    host.open()
    host.commit(host.put(120, "two"))
    host.vault.settle()
    host.reopen(index=False)
    host.commit(host.put(130))
    host.close()


def reencryption(host: Host) -> None:
    """Seal a vault anew that has segments of all classes, and a journal."""
    host.create()
    host.commit(host.put(300), host.put(BLOB, "two"), host.state("a", "1"))
    host.vault.settle()
    host.commit(host.put(120, "two"), host.put(BLOB + 7, "nobody"), host.delete(host.records[0]))
    host.turn("two")
    host.commit(host.put(90, "nobody"))
    host.reencrypt()
    host.commit(host.put(80, "one"))
    host.close()


def pruning(host: Host) -> None:
    """Prune the log twice, with journals and mirrors, before and after a turn."""
    host.create()
    host.commit(host.put(300), host.put(BLOB, "two"), host.state("a", "1"))
    host.vault.settle()
    host.vault.maintenance.mirror_segments(on=True)
    host.commit(host.put(120, "two"))
    host.vault.settle()
    host.commit(host.put(90, "nobody"), host.delete(host.records[0]))
    host.prune()
    host.turn("two")
    host.commit(host.put(80, "one"))
    host.reopen(index=False)
    host.commit(host.put(70, "one"))
    host.prune()
    host.commit(host.put(60, "nobody"))
    host.close()


def aftermath(host: Host) -> None:
    """Go on after a crash, through everything that recovery has to do with."""
    host.commit(host.put(140), host.put(BLOB, "two"), host.state("b", "after"))
    mine = host.records[-2]
    host.vault.settle()
    host.commit(host.put(150, "two"), host.delete(mine))
    host.close()


class AfterKill:
    """What is done to the index between a killed process and the next one."""

    KEPT = "kept"
    DELETED = "deleted"
    PREVIOUS = "previous"
    WAYS = (KEPT, DELETED, PREVIOUS)


def record(
    root: Path,
    *,
    kills: Sequence[int] = (),
    index: str = AfterKill.KEPT,
    make: Callable[[Path], Recorder] = Recorder,
    play: Callable[[Host], None] = life,
) -> Recording:
    """Play a life in the empty directory `root`, and return its recording.

    Parameters
    ----------
    kills
        Numbers of changes after which the process is killed, ascending. What follows the first is the aftermath.
    index
        One of `AfterKill.WAYS`.
    make
        Makes the recorded disk.
    play
        What is played.
    """
    vfs = make(root)
    history = History(lambda: len(vfs.log))
    host = Host(root / "v", history, vfs)
    left = list(kills)
    vfs.last = left.pop(0) if left else None
    recording = Recording(f"kills {list(kills)}, index {index}" if kills else "whole life", vfs, history)
    with repeatable():
        try:
            play(host)
        except Killed:
            recording.start = len(vfs.log)
            _go_on(host, vfs, history, left, index)
    vfs.look_at_index()
    return recording


def record_again(
    root: Path, image: Image, indexes: Sequence[bytes], allowed: Allowed, known: Iterable[str]
) -> Recording:
    """Open what a cut has left in the empty directory `root`, on a recorded disk, and go on."""
    vfs = Recorder(root)
    restore(vfs, image)
    _put_index(root / "v", indexes)
    start = len(vfs.log)
    again = History(lambda: len(vfs.log) - start, allowed)
    again.records = dict.fromkeys(known, 0)
    host = Host(root / "v", again, vfs)
    with repeatable(1):
        _go_on(host, vfs, again, [], AfterKill.KEPT)
    return Recording("recovery", vfs, again, start)


def _go_on(host: Host, vfs: Recorder, history: History, kills: list[int], index: str) -> None:
    while True:
        vfs.last = None
        host.die()
        _treat_index(host.path, vfs, index)
        vfs.last = next((at for at in kills if at > len(vfs.log)), None)
        kills = [at for at in kills if vfs.last is not None and at > vfs.last]
        try:
            host.open()
            history.resolve(state_of(host.vault, history.allowed(), history.records)[0])
            aftermath(host)
        except Killed:
            continue
        return


def _treat_index(vault: Path, vfs: Recorder, index: str) -> None:
    if index != AfterKill.KEPT:
        vfs.look_at_index()
        older = vfs.indexes_at(len(vfs.log))[1:2] if index == AfterKill.PREVIOUS else []
        _put_index(vault, older)


def _put_index(vault: Path, indexes: Sequence[bytes]) -> None:
    """Make the index of a vault the first of `indexes`, or remove it."""
    shutil.rmtree(vault / "index", ignore_errors=True)
    if indexes and vault.is_dir():
        (vault / INDEX).parent.mkdir()
        (vault / INDEX).write_bytes(indexes[0])


def restore(vfs: Recorder, image: Image) -> None:
    """Write an image so that it is recorded, and durable."""
    for name, data in image.content.items():
        path = vfs.root / name
        if data is None:
            vfs.make_directory(path)
            continue
        file = vfs.create(path)
        file.append([data], 0)
        file.sync()
        file.close()
        vfs.sync_directory(path.parent)
