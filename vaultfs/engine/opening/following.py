"""Keeping up with the vault that another process writes: its head, its files and its index change under a reader.

What shows that something has changed is looked at before every read: which file the index is, and when a journal was
last begun or removed. What a read meets that has moved since makes it look again.
"""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet
from pathlib import Path

from vaultfs_format.entries import Role
from vaultfs_format.errors import forget_paths
from vaultfs_format.frame import FrameClass, open_entries

from vaultfs.engine.engine import View
from vaultfs.engine.files.journal import SUFFIX, JournalFile
from vaultfs.engine.indexing.environments import Identity, identity
from vaultfs.engine.indexing.index import ContainerKind, Index, Stamp
from vaultfs.engine.indexing.readable import index_for_reading
from vaultfs.engine.opening.replay import segment_frames
from vaultfs.engine.opening.unlocking import Opener, Unlocked
from vaultfs.engine.reading.state import state_tokens
from vaultfs.errors import (
    FormatError,
    IndexDamaged,
    IndexMissing,
    MacMismatch,
    StorageReadOnly,
    VaultMissing,
)

Signs = tuple[Identity | None, int]


class Follower:
    """Brings a reader's view up to date.

    Parameters
    ----------
    path
        Where the index lies that the writer keeps.
    unlocked
        What the view was opened with.

    Attributes
    ----------
    turn
        Changes whenever the view has got another index, which numbers the files otherwise.
    """

    def __init__(self, view: View, path: Path, opener: Opener, unlocked: Unlocked) -> None:
        self._view = view
        self._path = path
        self._opener = opener
        self._unlocked = unlocked
        self._signs: Signs | None = None
        self._uncovered: dict[str, JournalFile] = {}
        """Live journals that the index does not name yet: nothing in them may be of its matter."""
        self._tokens: set[bytes] = set()
        self._counted: set[bytes] = set()
        """Control segments whose states are in `_tokens`."""
        self.journals: dict[int, JournalFile] = {}
        self.turn = 0

    def signs(self) -> Signs:
        """Return what is different once the writer has begun or settled journals, or has made another index.

        Raises
        ------
        VaultMissing
        """
        try:
            changed = os.stat(self._view.layout.journals).st_mtime_ns
        except OSError as error:
            forget_paths(error)
            raise VaultMissing from None
        return identity(self._path), changed

    def moved(self) -> bool:
        """Return whether the view may be out of date."""
        return bool(self._uncovered) or self.signs() != self._signs

    def renew(self) -> None:
        """Bring the view up to date. Call under its lock.

        Raises
        ------
        IndexDamaged
            Head, files and index do not fit together: the writer is in the middle of a change, or will never be.
        RolledBack
            The head that is there is older than the view's, or another of its generation: the view stays as it is.
        VaultMissing, EpochSecretMissing, NoRecipientMatches, NotAuthentic, VaultDamaged
        """
        signs = self.signs()
        view = self._view
        fresh = self._fresh_index(signs[0])
        try:
            self._take(fresh or view.index, fresh is not None)
        except BaseException:
            if fresh is not None:
                fresh.close()
            raise
        self._look_for_uncovered()
        self._signs = signs

    def _look_for_uncovered(self) -> None:
        """See to it that the writer keeps this index, and not another one elsewhere.

        Raises
        ------
        IndexDamaged
            A journal holds records, and the index knows nothing of it.
        """
        view = self._view
        covered = {f"{journal.header.journal_id.hex()}{SUFFIX}" for journal in self.journals.values()}
        names = {name for name in view.vfs.names(view.layout.journals) if name.endswith(SUFFIX)} - covered
        for name in self._uncovered.keys() - names:
            self._uncovered.pop(name).close()
        for name in names - self._uncovered.keys():
            try:
                journal = view.open_journal(name)
            except (VaultMissing, FormatError, MacMismatch):
                continue  # settled meanwhile, or its header is being written
            if journal.header.generation >= view.head.generation:
                self._uncovered[name] = journal
            else:
                journal.close()
        for journal in self._uncovered.values():
            for scanned in journal.scan():
                if any(row.header.frame_class is not FrameClass.AUDIT for row in scanned.group.rows):
                    journal.rewind(None)
                    raise IndexDamaged

    def _fresh_index(self, there: Identity | None) -> Index | None:
        """Return the index that has taken the place of the present one, once it is complete.

        Until then the present one serves: nothing is acknowledged while an index is being made.
        """
        present = self._view.index
        if there is None or (there == present.identity and not present.retired()):
            return None
        try:
            index = index_for_reading(self._path)
        except (IndexDamaged, IndexMissing, StorageReadOnly):
            return None
        if index.stamp() is None:
            index.close()
            return None
        return index

    def _take(self, index: Index, fresh: bool) -> None:
        view = self._view
        stamp = index.stamp()
        containers = index.containers()
        if stamp is None:
            raise IndexDamaged
        self._follow_head(stamp)
        rows = {row.segment_id: row for row in view.head.segments}
        journals: dict[int, JournalFile] = {}
        known = {} if fresh else self.journals
        opened: list[JournalFile] = []
        try:
            for number, container in containers.items():
                file_id = container.file_id
                if container.kind is ContainerKind.SEGMENT and file_id not in rows:
                    raise IndexDamaged
                if container.kind is not ContainerKind.JOURNAL:
                    continue
                if number in known and known[number].header.journal_id == file_id:
                    journals[number] = known[number]
                else:
                    journals[number] = self._journal(file_id)
                    opened.append(journals[number])
        except BaseException:
            for journal in opened:
                journal.close()
            raise
        gone = [journal for number, journal in self.journals.items() if journals.get(number) is not journal]
        if fresh:
            self.turn += 1
            old, view.index = view.index, index
            view.store.renew(index)
        view.store.update(containers, journals.values(), rows.values())
        if fresh:
            old.close()
        self.journals = journals
        for journal in gone:
            journal.close()

    def _journal(self, journal_id: bytes) -> JournalFile:
        view = self._view
        try:
            return view.open_journal(view.layout.journal(journal_id).name)
        except (VaultMissing, FormatError, MacMismatch):
            raise IndexDamaged from None

    def _follow_head(self, stamp: Stamp) -> None:
        """Take the newest authentic head; it must not be older than what the index covers."""
        view, last = self._view, self._unlocked
        unlocked = self._opener.follow(last)
        if unlocked.epoch_root != last.epoch_root or unlocked.head.keyring_digest != last.head.keyring_digest:
            view.chain, _ = self._opener.keys(unlocked)
            view.store.use(view.chain, unlocked.head.segments)
        view.head, self._unlocked = unlocked.head, unlocked
        if stamp.vault_id != view.vault_id or stamp.generation > view.head.generation:
            raise IndexDamaged

    def state_tokens(self) -> AbstractSet[bytes]:
        """Return the tokens of all control states that the files hold and the index covers."""
        view = self._view
        with view.lock:
            view.check()
            for row in view.head.segments:
                if row.frame_class is FrameClass.CONTROL and row.segment_id not in self._counted:
                    for frame in segment_frames(view, row):
                        self._tokens.update(state_tokens(frame))
                    self._counted.add(row.segment_id)
            stamp = view.index.stamp()
            ends = {journal.header.predecessor: journal.header.predecessor_group for journal in self.journals.values()}
            if stamp is not None:
                ends[stamp.journal_id] = stamp.group
            for journal in self.journals.values():
                self._count(journal, ends.get(journal.header.journal_id))
            return self._tokens

    def _count(self, journal: JournalFile, end: int | None) -> None:
        """Take in the states of the groups that came since the last time."""
        suite = journal.header.suite
        for scanned in journal.scan(end):
            keys = scanned.group.open_keys(suite, journal.header.journal_id, journal.keys)
            for row, key in zip(scanned.group.rows, keys, strict=True):
                if row.header.frame_class is FrameClass.CONTROL:
                    block = open_entries(suite, row.header, key, row.entries)
                    self._tokens.update(entry.token for entry in block.entries if entry.role == Role.STATE)

    def close(self) -> None:
        """Close the journals."""
        for journal in [*self.journals.values(), *self._uncovered.values()]:
            journal.close()
        self.journals, self._uncovered = {}, {}

    def wipe(self) -> None:
        """Wipe the key that the vault was opened with: no other head can be followed."""
        self._unlocked.epoch_root.wipe()
