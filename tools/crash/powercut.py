"""Real power cuts: a vault on a file system of its own, whose unwritten state is thrown away while a process writes.

XFS and ext4 take a "shutdown" ioctl, made for such tests: from then on nothing reaches the device, not even the log of
the file system. What a mount shows afterwards is what a power cut would have left of the page cache, and of the file
system's own journal. It needs root; everything happens in a mount namespace of its own, which goes with the process.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import random
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

from crash.ledger import Allowed, Broken, History, Report
from crash.oracle import check
from crash.places import memory
from crash.workload import work
from vaultfs.engine.indexing.index import Index
from vaultfs.errors import VaultError
from vaultfs.vfs import File, Vfs

SHUTDOWN = 0x8004587D
"""FS_IOC_SHUTDOWN (linux/fs.h): _IOR('X', 125, __u32)."""
WITHOUT_LOG = Struct("=I").pack(2)
"""The flag that keeps the file system's own journal from being written."""
SIZES = {"ext4": 64 << 20, "xfs": 320 << 20}
"""Bytes of a device: XFS takes no less than 300 MiB. The file behind it is sparse."""
ROUNDS_A_LIFE = 10
"""Cuts of one vault, one after the other, before the next begins."""
_PR_SET_PDEATHSIG = 1
_CLONE_NEWNS = 0x00020000


@contextmanager
def device(kind: str) -> Iterator[Path]:
    """Yield a new file system in a file, whose directory tells the process that made it."""
    with tempfile.TemporaryDirectory(prefix=f"vaultfs-powercut-{os.getpid()}-", dir=memory()) as place:
        image = Path(place) / "device"
        with image.open("wb") as file:
            file.truncate(SIZES[kind])
        _run(f"mkfs.{kind}", "-q", str(image))
        yield image


@contextmanager
def mounted(image: Path) -> Iterator[Path]:
    """Yield where a file system is mounted; it is unmounted whatever happens, and its loop device goes with it."""
    place = image.with_name("mount")
    place.mkdir(exist_ok=True)
    _run("mount", "-o", "loop", str(image), str(place))
    try:
        yield place
    finally:
        for options in ((), ("-l",)):
            command = ["umount", *options, str(place)]
            if not subprocess.run(command, capture_output=True, check=False).returncode:
                break


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def own_mounts() -> None:
    """Let this process and its children have mounts of their own, which nobody else sees and which go with them."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "no mount namespace")
    _run("mount", "--make-rprivate", "/")


def cut(place: int) -> None:
    """Cut the power of the file system that a descriptor lies on."""
    fcntl.ioctl(place, SHUTDOWN, WITHOUT_LOG)


# Engines that must lose data.


class Careless(Vfs):
    """Files whose syncs do nothing."""

    def file(self, descriptor: int, path: Path) -> File:  # noqa: ARG002 - the signature of `Vfs`
        return _CarelessFile(descriptor)

    def sync_directory(self, path: Path) -> None:
        pass


class _CarelessFile(File):
    def sync(self) -> None:
        pass


class IndexFirst(Vfs):
    """Journals are synced some time after the index that says so was committed, durably."""

    DELAY = 0.01

    def __init__(self) -> None:
        self._late: list[_LateFile] = []
        writing = Index.writing

        @contextmanager
        def first(index: Index) -> Iterator[object]:
            with writing(index) as txn:
                yield txn
            index._environment.env.sync(True)  # noqa: SLF001 - else LMDB makes its newest root durable with the next one
            time.sleep(self.DELAY)
            for file in self._late:
                file.sync_now()
            self._late.clear()

        Index.writing = first  # type: ignore[assignment,method-assign] # this process has no other engine

    def file(self, descriptor: int, path: Path) -> File:
        return _LateFile(descriptor, self._late) if path.parent.name == "journal" else File(descriptor)


class _LateFile(File):
    def __init__(self, descriptor: int, late: list[_LateFile]) -> None:
        super().__init__(descriptor)
        self._late = late

    def sync(self) -> None:
        self._late.append(self)

    def sync_now(self) -> None:
        """Make what was written durable."""
        super().sync()

    def close(self) -> None:
        if self in self._late:
            self._late.remove(self)
            super().sync()
        super().close()


ENGINES: dict[str, Callable[[], Vfs]] = {"sound": Vfs, "careless": Careless, "index-first": IndexFirst}


# Rounds.


@dataclass
class Result:
    """What came of a number of rounds.

    Parameters
    ----------
    acknowledged
        Commits that were acknowledged, in all rounds.
    broken
        What the first broken promise was, "" if there is none.
    """

    rounds: int = 0
    acknowledged: int = 0
    unresolved: int = 0
    broken: str = ""


def run(kind: str, rounds: int, seed: int, engine: str = "sound") -> Result:
    """Cut the power `rounds` times, or until a promise is broken, on a file system of one kind.

    The process must have mounts of its own (`own_mounts`).
    """
    result, chance = Result(), random.Random(seed)
    while result.rounds < rounds and not result.broken:
        with device(kind) as image:
            allowed: Allowed = (None,)
            known: set[str] = set()
            for _ in range(min(ROUNDS_A_LIFE, rounds - result.rounds)):
                result.rounds += 1
                try:
                    allowed = _round(image, allowed, known, chance, engine, result)
                except Broken as broken:
                    result.broken = f"{kind}, round {result.rounds}, seed {seed}: {broken}"
                    break
    return result


def _round(
    image: Path, allowed: Allowed, known: set[str], chance: random.Random, engine: str, result: Result
) -> Allowed:
    """Let a process write, cut its power, look at what is left; return what the vault may show from then on."""
    history = History(allowed=allowed)
    with mounted(image) as place:
        said = _written(place, allowed, chance, engine)
    history.read(said)
    known.update(history.records)
    result.acknowledged += sum(b"acknowledge" in line for line in said)
    allowed = history.allowed()
    result.unresolved += len(allowed) > 1
    if chance.random() < 0.3:
        return allowed  # the next process recovers, and is cut off as well
    with mounted(image) as place:
        history.records = dict.fromkeys(known, 0)
        epoch, copy = place / "v.epoch", image.with_name("copy")
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for one in (place / "v", epoch):
            if one.exists():
                shutil.copytree(one, copy / one.name)
        check(copy / "v", allowed, history, 0, settle=chance.random() < 0.3)
    return allowed


def _written(place: Path, allowed: Allowed, chance: random.Random, engine: str) -> list[bytes]:
    """Run a process that writes, and return what it said until the power was cut under it."""
    seed, patience = chance.randrange(1 << 30), chance.choice((0.0, 0.002, 0.01, 0.03)) * chance.random()
    commits = chance.randrange(8)

    def write(say: Callable[[bytes], object]) -> None:
        work(place / "v", Report(say), allowed, seed, ENGINES[engine]())

    return cut_off(place, write, commits + 1, patience)


def cut_off(
    place: Path, act: Callable[[Callable[[bytes], object]], object], acknowledged: int, patience: float
) -> list[bytes]:
    """Let a process act on a file system until its power is cut; return the lines that it said.

    Parameters
    ----------
    act
        Is given what to say lines with, as a `Report` does.
    acknowledged, patience
        The power is cut so many seconds after so many lines that acknowledge something.
    """
    inside = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _child(act, writing)
    os.close(writing)
    try:
        said = _await(reading, acknowledged)
        time.sleep(patience)
        cut(inside)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(inside)
    with os.fdopen(reading, "rb") as rest:
        said += rest.read()
    return said.splitlines(keepends=True)


def _child(act: Callable[[Callable[[bytes], object]], object], writing: int) -> None:
    """Act until the power is cut. Never returns."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    status = 0
    try:
        act(lambda line: os.write(writing, line))
    except VaultError:
        pass  # what it says is judged, not how it ends
    except Broken as broken:
        os.write(writing, _broken(str(broken)))
    except BaseException as error:  # noqa: BLE001 - a child of a fork must not go on in its parent's place
        os.write(writing, _broken(f"an error without a code: {type(error).__name__}: {error}"))
        status = 1
    finally:
        os._exit(status)


def _broken(what: str) -> bytes:
    return json.dumps(["broken", what]).encode() + b"\n"


def _await(reading: int, acknowledged: int) -> bytes:
    """Return what was said until so much was acknowledged, or nothing is said any more."""
    said = b""
    while said.count(b"acknowledge") < acknowledged and select.select([reading], [], [], 10)[0]:
        more = os.read(reading, 1 << 16)
        if not more:
            break
        said += more
    return said
