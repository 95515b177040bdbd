"""The LMDB environments of this process: one a file, shared by the writer and the readers of a vault.

Opened twice in one process, LMDB loses its locks: POSIX drops them all with the first descriptor that is closed. So an
environment is found by the device and inode of its data file, which it keeps open, and nothing else in the process ever
opens `lock.mdb`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from weakref import WeakSet

import lmdb
from vaultfs_format.errors import forget_paths

from vaultfs import processes
from vaultfs.errors import IndexDamaged, WriterBusy

MAP_SIZES = (1 << 38, 1 << 35, 1 << 32, 1 << 29)
"""Address space of the map, the first that the system grants: LMDB takes disk for what is used only, and the map grows
when half of it is in use."""

MAX_READERS = 1024
"""Read transactions at one time, over all processes."""

DATA = "data.mdb"
LOCK = "lock.mdb"

_PATIENCE = 10.0
_INTERVAL = 0.001
"""Seconds to wait for those that use an environment, and between two looks."""

_ATTEMPTS = 3
"""How often a map that another process makes larger is followed for one look-up."""

Identity = tuple[int, int]


class Mode(Enum):
    """How an environment is opened."""

    WRITE = "write"
    READ = "read"
    FROZEN = "frozen"
    """Without locks: for media that nobody can write to."""


def identity(path: Path) -> Identity | None:
    """Return device and inode of the data file of the environment at `path`, None where there is none."""
    try:
        found = os.stat(path / DATA)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class _User:
    """Somebody who uses an environment; an interrupt that keeps them from leaving ends them all the same."""

    __slots__ = ("__weakref__",)


class Environment:
    """An open environment. The `lmdb` object is used between `enter` and `leave` only."""

    def __init__(self, path: Path, mode: Mode, tables: tuple[str, ...]) -> None:
        self.mode = mode
        self.users = 0
        # The file by its own number: an index is built at one place and serves at another.
        self._data = os.open(path / DATA, (os.O_RDWR if mode is Mode.WRITE else os.O_RDONLY) | os.O_CLOEXEC)
        try:
            self.env = _opened(path, mode, len(tables))
        except BaseException:
            os.close(self._data)
            raise
        self._steady = threading.Event()
        """Cleared while the map is given another size: nobody may look into it then."""
        self._steady.set()
        try:
            used = self.size()  # before the look at the file, which may be growing
            if os.fstat(self._data).st_size < used:
                raise IndexDamaged  # a page beyond the end of the file would kill the process
            self.tables = [self.env.open_db(name.encode(), create=mode is Mode.WRITE) for name in tables]
            self.main = self.env.open_db()
        except BaseException:
            self.close()
            raise
        self._active: WeakSet[_User] = WeakSet()
        self.retired = False

    def close(self) -> None:
        """Close it, whoever uses it."""
        self.env.close()
        os.close(self._data)

    def size(self) -> int:
        """Return the bytes of the file that have ever been in use."""
        info, stat = self.env.info(), self.env.stat()
        return (int(info["last_pgno"]) + 1) * int(stat["psize"])

    def enter(self, user: _User) -> None:
        """Begin to use the environment.

        Raises
        ------
        IndexDamaged
            It has given way to another one.
        """
        while True:
            self._active.add(user)  # before the look: whoever retires or resizes it looks here after
            if self._steady.is_set():
                break
            self._active.discard(user)
            self._steady.wait()
        if self.retired:
            raise IndexDamaged

    def leave(self, user: _User) -> None:
        """Stop using it."""
        self._active.discard(user)

    def retire(self) -> bool:
        """Close it once nobody uses it: unmapped pages would kill the process. Return False if that does not come."""
        self.retired = True
        if not self._deserted():
            self.retired = False
            return False
        self.close()
        return True

    def _deserted(self) -> bool:
        """Wait until nobody uses the environment; return False if that does not come."""
        deadline = time.monotonic() + _PATIENCE
        while self._active:
            if time.monotonic() > deadline:
                return False
            time.sleep(_INTERVAL)
        return True

    def make_room(self) -> None:
        """Double the map if half of it is in use. Call before a write transaction, where no other one can be open."""
        size = int(self.env.info()["map_size"])
        if self.size() > size // 2:
            self._resize(2 * size)

    def fill(self) -> None:
        """Let the file hold all pages that were ever in use. Call after a write transaction, where no other is open.

        Pages that a transaction has taken and given back are not written; at the end of the file they would be missing,
        and the file would look as if it had been cut off.
        """
        used = self.size()
        if os.fstat(self._data).st_size < used:
            os.ftruncate(self._data, used)

    def follow_size(self) -> None:
        """Take over the size that another process has given the map."""
        self._resize(0)

    def _resize(self, size: int) -> None:
        self._steady.clear()
        try:
            if self._deserted():
                self.env.set_mapsize(size)
        finally:
            self._steady.set()


def _opened(path: Path, mode: Mode, tables: int) -> lmdb.Environment:
    """Open the environment with the largest map that the process can have."""
    for size in MAP_SIZES:
        try:
            return lmdb.open(
                str(path),
                map_size=size,
                max_dbs=tables,
                max_readers=MAX_READERS,
                readonly=mode is not Mode.WRITE,
                lock=mode is not Mode.FROZEN,
                create=mode is Mode.WRITE,
                sync=True,
                metasync=False,
                mode=0o600,
            )
        except lmdb.Error:
            if size == MAP_SIZES[-1]:
                raise
    raise IndexDamaged  # there is at least one size


class _Registry:
    """The open environments of this process by the identity of their files."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open: dict[Identity, Environment] = {}
        processes.watch(self)

    def abandon(self) -> None:
        """Let go of what the parent has open, so that this process can open it for itself."""
        self.lock = threading.Lock()
        inherited, self.open = self.open, {}
        processes.watch(self)
        if inherited:
            from vaultfs.engine.indexing.unshare import never_collect, unshare_maps  # ctypes is for the few that fork

            alone = unshare_maps(LOCK)
            for one in inherited.values():
                if alone:
                    one.close()
                else:
                    never_collect(one.env)


_registry = _Registry()


def acquire(path: Path, mode: Mode, tables: tuple[str, ...]) -> tuple[Identity, Environment]:
    """Return the environment at `path` and its identity, the one that is open already if there is one.

    Raises
    ------
    IndexDamaged
        There is none, or another one takes its place at this moment.
    WriterBusy
        A reader of this process does not let go of the index.
    OSError, lmdb.Error
        For the caller to convert.
    """
    if mode is Mode.WRITE:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path / DATA, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with _registry.lock, pinned(path) as unchanged:
        key = identity(path)
        if key is None:
            raise IndexDamaged
        found = _registry.open.get(key)
        if found is not None and mode is Mode.WRITE and found.mode is not Mode.WRITE:
            # Readers of this process came first. They meet a retired environment and open this one.
            if not found.retire():
                raise WriterBusy
            found = None
        if found is None:
            found = _registry.open[key] = _made(path, mode, tables, unchanged)
        found.users += 1
        return key, found


@contextmanager
def pinned(path: Path) -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether the directory at `path` is still the same one.

    Raises
    ------
    IndexDamaged
        There is none.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # so that no other gets its number
    except (FileNotFoundError, NotADirectoryError) as error:
        forget_paths(error)
        raise IndexDamaged from None
    place = os.fstat(descriptor)

    def unchanged() -> bool:
        try:
            return os.path.samestat(os.stat(path), place)
        except OSError:
            return False

    try:
        yield unchanged
    finally:
        os.close(descriptor)


def _made(path: Path, mode: Mode, tables: tuple[str, ...], unchanged: Callable[[], bool]) -> Environment:
    """Open the environment at `path`, both of its files.

    LMDB opens its lock file and its data file one after the other. Were another environment to take the place of this
    one in between, locks would be taken that keep nobody from using the pages that are read.
    """
    made = None
    try:
        made = Environment(path, mode, tables)
    except (OSError, lmdb.Error):
        if unchanged():
            raise
    if made is not None:
        if unchanged():
            return made
        made.close()
    raise IndexDamaged


def exchange(exchanged: Callable[[], None]) -> None:
    """Call what puts another environment at a place, while nobody in this process opens one."""
    with _registry.lock:
        exchanged()


def release(key: Identity, environment: Environment) -> None:
    """Give back an environment; the last to do so closes it."""
    with _registry.lock:
        environment.users -= 1
        if not environment.users and _registry.open.get(key) is environment and environment.retire():
            del _registry.open[key]


@contextmanager
def using(environment: Environment) -> Iterator[lmdb.Environment]:
    """Keep an environment open for as long as the block lasts, however it ends."""
    user = _User()
    try:
        environment.enter(user)
        yield environment.env
    finally:
        environment.leave(user)


@contextmanager
def transaction(environment: Environment) -> Iterator[lmdb.Transaction]:
    """Open a read transaction, also where another process has made the map larger meanwhile."""
    for attempt in range(_ATTEMPTS):
        with using(environment) as env:
            try:
                txn = env.begin(buffers=False)
            except lmdb.MapResizedError:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                with txn:
                    yield txn
                return
        environment.follow_size()
