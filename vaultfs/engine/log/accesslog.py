"""The access log of a process that only reads: the events of its reads, in journals of its own.

Reads that run at once share syncs. A journal that cannot be written to is given up for another one; if what it holds
cannot be made durable, nothing more is read.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vaultfs_format import limits
from vaultfs_format.access import access_keys, seal_access
from vaultfs_format.audit import encode_events
from vaultfs_format.directory import HERE, encode_row
from vaultfs_format.group import GroupDraft, GroupKind, bodies_offset
from vaultfs_format.head import Head
from vaultfs_format.journal import NO_JOURNAL, JournalHeader, JournalRole
from vaultfs_format.secret import Secret
from vaultfs_format.suite import KEY

from vaultfs import processes
from vaultfs.audit.events import Event, encoded
from vaultfs.engine.committing.grouping import audit_frames
from vaultfs.engine.engine import Options
from vaultfs.engine.files.journal import JournalFile
from vaultfs.errors import (
    AccessLogBusy,
    AccessLogMissing,
    Closed,
    StorageReadOnly,
    VaultError,
    VaultMissing,
    WriterPoisoned,
)
from vaultfs.vfs import Vfs, path_lock

SUFFIX = ".vacc"
MAX_ACCESS_JOURNAL = 64 * limits.MIB
"""Size at which an access journal is closed and another begun, so that the first can be merged and removed."""

_PATIENCE = 10.0
"""Seconds to wait for a writer that is looking through the directory."""

_LAST_WAIT = 2.0
"""Seconds that the end of the process waits for a thread that is writing."""


class AccessLog:
    """Where the events of a reader go. Safe to use from many threads.

    Parameters
    ----------
    directory
        The journals of the vault, or a place elsewhere.
    inbox
        The vault's public key for journal keys.
    access_key
        What the keys of access journals are made with.

    Raises
    ------
    AccessLogMissing
        The directory cannot be written to.
    """

    def __init__(
        self, vfs: Vfs, directory: Path, head: Head, inbox: bytes, access_key: Secret, options: Options
    ) -> None:
        self._vfs = vfs
        self._directory = directory
        self._head = head
        self._inbox = inbox
        self._access_key = access_key
        self._options = options
        self._lock = threading.Lock()
        self._syncing = threading.Lock()
        """Held while journals are synced, begun or left; taken before `_lock`."""
        self._commit = 0
        self._left: list[JournalFile] = []
        """Journals that are written to no more, and may not be durable."""
        self._before = (NO_JOURNAL, 0, 0, bytes(32))
        """Id of the journal that was written to last, the number of its last group, its end, and its chain value."""
        self._failed = self._closed = False
        self._timer: threading.Timer | None = None
        try:
            self._journal: JournalFile | None = self._begin()
        except (StorageReadOnly, VaultMissing):
            raise AccessLogMissing from None
        processes.watch(self)
        processes.finish_at_exit(self)

    def _begin(self) -> JournalFile:
        head = self._head
        header = JournalHeader(
            head.suite,
            JournalRole.READER,
            head.epoch,
            head.vault_id,
            os.urandom(16),
            os.urandom(32),
            *self._before,
            head.generation,
            head.incarnation,
            0,
            0,
            0,
        )
        journal_key = os.urandom(KEY)
        header = seal_access(header, self._inbox, journal_key)
        path = self._directory / f"{header.journal_id.hex()}{SUFFIX}"
        self._commit = 0
        # A writer that looks through the directory meanwhile would find a journal that nobody holds yet.
        with path_lock(self._directory, exclusive=False, wait=_PATIENCE) as alone:
            if not alone:
                raise AccessLogBusy
            journal = JournalFile.create(self._vfs, path, header, access_keys(header, journal_key, self._access_key))
            try:
                journal.file.lock()
                journal.sync()
                self._vfs.sync_directory(self._directory)
            except BaseException:
                journal.close()
                raise
        return journal

    def record(self, events: Sequence[Event], *, durable: bool) -> None:
        """Write events; they are durable when this returns, or within the bound.

        Raises
        ------
        StorageFailed, StorageFull, WriterPoisoned, Closed
            Nothing may be released that these events are of.
        """
        while (written := self._written(events)) is None:
            self._renew()
        if durable:
            self._sync(*written)
        else:
            self._sync_soon()

    def _written(self, events: Sequence[Event]) -> tuple[JournalFile, int] | None:
        """Write events; return the journal and the number of their group, None where another journal is needed."""
        with self._lock:
            journal = self._ready()
            if journal is None or journal.end >= MAX_ACCESS_JOURNAL:
                return None
            return journal, self._append(journal, events)

    def _ready(self) -> JournalFile | None:
        if self._closed:
            raise Closed
        if self._failed:
            raise WriterPoisoned
        return self._journal

    def _append(self, journal: JournalFile, events: Sequence[Event]) -> int:
        chunks, commitments = encoded(journal.header.suite, *events)
        commit = self._commit = self._commit + 1
        rows, bodies, keys, offset = [], [], [], bodies_offset(0)
        for drafted, runs in audit_frames(journal.header.suite, [(commit, chunk) for chunk in chunks]):
            sealed = drafted.sealed
            rows.append(encode_row(sealed.encoded, sealed.entries, offset, HERE, runs))
            bodies.append(sealed.body)
            keys.append(sealed.key)
            offset += len(sealed.body)
        leaves = encode_events(commit, commitments)
        draft = GroupDraft(
            GroupKind.COMMIT, journal.last_group + 1, journal.durable, commit, 1, os.urandom(16), (),
            rows, bodies, keys, leaves,
        )  # fmt: skip
        try:
            journal.append(draft)
        except BaseException:
            self._leave()
            raise
        return draft.number

    def _renew(self) -> None:
        """Begin another journal, once all that was written to those before it is durable."""
        with self._syncing:
            with self._lock:
                journal = self._ready()
                if journal is not None:
                    if journal.end < MAX_ACCESS_JOURNAL:
                        return
                    self._leave()
            self._end_left()
            begun = self._begin()
            with self._lock:
                self._journal = begun

    def _leave(self) -> None:
        """Write no more to the present journal. Call under `_lock`."""
        journal = self._journal
        if journal is not None:
            self._left.append(journal)
            self._before = journal.header.journal_id, journal.last_group, journal.end, journal.chain
            self._journal = None

    def _end_left(self) -> None:
        """Make durable what was written to journals that were left. Call under `_syncing`."""
        while self._left:
            self._make_durable(self._left[0], self._left[0].last_group)
            self._left.pop(0).close()

    def _make_durable(self, journal: JournalFile, last: int) -> None:
        try:
            journal.file.sync()
        except VaultError:
            self._failed = True
            raise
        journal.durable = last

    # Durability.

    def _sync(self, journal: JournalFile, number: int) -> None:
        with self._syncing:
            if journal.durable >= number:
                return
            with self._lock:
                if self._closed:
                    raise Closed  # while this waited, and what was to be made durable could not be
                if self._failed:
                    raise WriterPoisoned  # the system says it once: another sync would seem to have done it
                last = journal.last_group
            self._end_left()
            if journal.durable < number:
                self._make_durable(journal, last)

    def sync(self) -> None:
        """Make everything written durable.

        Raises
        ------
        StorageFailed, StorageFull
            Nothing more is read.
        """
        with self._lock:
            journal = self._journal
            number = journal.last_group if journal else 0
        if journal is not None:
            self._sync(journal, number)
        else:
            with self._syncing:
                self._end_left()

    def _sync_soon(self) -> None:
        with self._lock:
            if self._timer is None and not self._closed:
                self._timer = threading.Timer(self._options.sync_bound, self._sync_buffered)
                self._timer.daemon = True
                with suppress(RuntimeError):  # there are as many threads as there may be, or the interpreter ends
                    self._timer.start()
                    return
                self._timer = None
            else:
                return
        self.sync()

    def _sync_buffered(self) -> None:
        with self._lock:
            self._timer = None
        with suppress(VaultError):
            self.sync()

    # Ending.

    def close(self) -> None:
        """Write the closing record and let go of the journal.

        Raises
        ------
        StorageFailed, StorageFull
        """
        with self._syncing:
            with self._lock:
                journal, self._journal, self._closed = self._journal, None, True
                timer, self._timer = self._timer, None
                if timer is not None:
                    timer.cancel()
            try:
                self._end_left()
                if journal is not None and not self._failed:
                    journal.close_with_record()
            finally:
                for one in (*self._left, journal):
                    if one is not None:
                        one.close()
                self._access_key.wipe()

    def finish(self) -> None:
        """Make durable what is not yet, at the end of the process."""
        if self._syncing.acquire(timeout=_LAST_WAIT):
            self._syncing.release()
            with suppress(VaultError):
                self.sync()

    def abandon(self) -> None:
        """Let go of the parent's journal, in a forked child: as long as it is open here, it has an owner."""
        for journal in (*self._left, self._journal):
            if journal is not None:
                journal.close()
