"""Many accesses by processes that are killed: each is in the log once, in the order of its session, none is lost."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from vaultfs_format.events.records import RecordRead
from vaultfs_format.events.session import SessionOpened
from vaultfs_tools import fsck

import vaultfs
from tests.vaultfs.engine.children import Child
from tests.vaultfs.support import create, put, reopen
from vaultfs.audit.log import read_events
from vaultfs.audit.verifying import verify

ACTOR = """
import mmap, struct, threading
notes, life, kind, count, most = Path(sys.argv[2]), *sys.argv[3:5], *map(int, sys.argv[5:])
records = [vaultfs.RecordId(bytes.fromhex(line)) for line in (notes / "records").read_text().split()]
options = vaultfs.Options(sync_bound=0.1, settle_bytes=8_000_000)
opened = reopen(path, options=options, wait=60) if kind == "writer" else read_only(path, options=options)
def act(number):
    name = f"{life}.{number}"
    place = notes / f"board.{name}"
    place.write_bytes(bytes(16))
    with place.open("r+b") as file:
        board = mmap.mmap(file.fileno(), 16)
    with opened.session(vaultfs.Principal(name), "TREAT", strict=kind != "buffered" and number % 2 == 0) as s:
        done = 0
        while done < most:
            struct.pack_into("<Q", board, 0, done + 1)
            s.get(records[done % len(records)])
            done += 1
            struct.pack_into("<Q", board, 8, done)
threads = [threading.Thread(target=act, args=(number,), daemon=True) for number in range(count)]
for thread in threads: thread.start()
say("ready")
while True: time.sleep(1)
"""
"""Threads that read one record after the other, and note on a board what they have asked for and what they have got."""

_BOARD = struct.Struct("<QQ")
_READERS = 7
_PATIENCE = 300
"""Seconds for a process to begin: the writer's merges what readers have logged, all of whom want the processor too."""
_THREADS = {"writer": 4, "strict": 2, "buffered": 1}


class Actors:
    """A process that writes, and seven that read, of which one after the other is killed and started again.

    Parameters
    ----------
    most
        Accesses of one thread, which rests then until it is killed.
    """

    def __init__(self, path: Path, notes: Path, most: int) -> None:
        self._path, self._notes, self._most = path, notes, most
        self._running: dict[int, Child] = {}
        self.lives = 0

    def start(self, place: int) -> None:
        """Start the process of a place: the first is the writer's."""
        kind = "writer" if not place else "strict" if place == 1 else "buffered"
        self._running[place] = Child(
            ACTOR, self._path, self._notes, f"life{self.lives}", kind, _THREADS[kind], self._most
        )
        self.lives += 1

    def kill(self, place: int) -> None:
        """Kill it; it must not have failed before."""
        process = self._running.pop(place).process
        ended = process.poll()
        process.kill()
        _, said = process.communicate()
        assert ended is None, said.decode()

    def run(self, accesses: int, chance: random.Random) -> None:
        """Let them run, and kill one after the other, until there are so many accesses."""
        try:
            for place in range(1 + _READERS):
                self.start(place)
            for child in self._running.values():
                child.hear(_PATIENCE)
            while sum(got for _, got in self.boards().values()) < accesses or self.lives < 2 * _READERS:
                time.sleep(0.1 + 0.4 * chance.random())
                place = chance.randrange(1 + _READERS)
                self.kill(place)
                self.start(place)
                self._running[place].hear(_PATIENCE)
        finally:
            for place in list(self._running):
                self.kill(place)

    def boards(self) -> dict[str, tuple[int, int]]:
        """Return what each thread has asked for, and what it has got."""
        found = {}
        for board in self._notes.glob("board.*"):
            data = board.read_bytes()
            if len(data) == _BOARD.size:
                asked, got = _BOARD.unpack(data)
                found[board.name.removeprefix("board.")] = (asked, got)
        return found


@pytest.mark.parametrize(
    ("accesses", "most"),
    [(2_000, 200), pytest.param(1_000_000, 1_000_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])],
)
def test_every_access_is_in_the_log_once(
    tmp_path: Path, accesses: int, most: int, record_property: Callable[[str, object], None]
) -> None:
    path, notes = tmp_path / "v", tmp_path / "notes"
    notes.mkdir()
    with create(path) as vault:
        records = [put(vault, b"%d" % number) for number in range(40)]
    (notes / "records").write_text("\n".join(record.hex() for record in records))
    actors = Actors(path, notes, most)
    actors.run(accesses, random.Random(1))
    boards = actors.boards()
    with reopen(path) as vault:
        vault.merge_access_logs()  # opening does so for a while only
        logged = counted(vault, [bytes(record) for record in records])
        verify(vault)
        vault.settle()
        verify(vault)
    for name, (asked, got) in boards.items():
        assert got <= logged.pop(name, 0) <= asked, "an access is not logged once"
    assert set(logged) <= set(), "an access that nobody asked for"
    assert fsck.main([str(path)]) == 0
    record_property("accesses", sum(got for _, got in boards.values()))
    record_property("lives", actors.lives)
    assert sum(got for _, got in boards.values()) >= accesses


def counted(vault: vaultfs.Vault, records: list[bytes]) -> dict[str, int]:
    """Return how many reads the log has of each thread; each must be of the record whose turn it was."""
    names: dict[bytes, str] = {}
    found: dict[str, int] = {}
    for _, event in read_events(vault):
        if isinstance(event, SessionOpened):
            names[event.session] = event.principal
        elif isinstance(event, RecordRead):
            done = found.get(names[event.session], 0)
            assert event.record == records[done % len(records)], "an access is lost, doubled or out of its order"
            found[names[event.session]] = done + 1
    return found
