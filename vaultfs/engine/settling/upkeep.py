"""Keeping the file of the index small. It only grows, and two things make it grow beyond what it holds.

Large commits whose keys lie all over change a good part of all pages at once, and each page that is changed is written
anew; and pages that a stopped reader holds cannot be used again. Now and then, and after each settling, the writer
looks how large the file is and how much of it is in use. When it is too large, a compacted copy takes its place;
readers find the new file by themselves.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from vaultfs_format import limits

from vaultfs.engine.engine import Condition, Engine
from vaultfs.engine.indexing.index import Index
from vaultfs.engine.indexing.indexfiles import copied, install
from vaultfs.errors import VaultError

_EVERY = 256
"""Commits between two looks."""

SMALL = 16 * limits.MIB
"""A file of this size is left as it is."""


class Upkeep:
    """Looks after the index of a vault that is open for writing."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._commits = 0

    def after_commit(self) -> None:
        """Look after the index if it is time."""
        self._commits += 1
        if self._commits >= _EVERY:
            self.look()

    def look(self) -> None:
        """Free what dead readers hold; make the file anew if it is too large.

        Call when what was to be done is done: it stays so, whatever comes of this. A failure shows at the next commit.
        """
        self._commits = 0
        with self._engine.lock, suppress(VaultError):
            if self._engine.condition is Condition.OPEN and self._engine.writable():
                self._look()

    def _look(self) -> None:
        index = self._engine.index
        index.forget_dead_readers()
        size = index.size()
        if size > SMALL and size > self._engine.options.index_growth * index.used():
            self.compact()

    def compact(self) -> None:
        """Give the index a new file, which holds what the old one does. Call under the engine's lock."""
        engine = self._engine
        old = engine.index
        engine.index = engine.store.index = copied(old, self._path)
        self.put_in_place(old)

    def put_in_place(self, old: Index) -> None:
        """Let the index that the engine goes on with take the place of `old`, which readers have followed so far.

        Raises
        ------
        StorageFailed
            The writer is poisoned: readers would not see what it acknowledges.
        """
        try:
            old.close()
            install(self._path)
        except BaseException:
            self._engine.poison()
            raise
