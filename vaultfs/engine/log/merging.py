"""Merging: the events in access journals go into the vault's own log, each once.

The group that commits events again sets a control state too: which journal, and up to which of its groups. So whatever
is interrupted, and whichever copy of a journal comes back, is gone on with from there.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from vaultfs_format import limits
from vaultfs_format.access import check_access_group, open_access
from vaultfs_format.audit import ENTRY
from vaultfs_format.entries import Role
from vaultfs_format.events.vault import AccessMerged
from vaultfs_format.frame import open_body, open_entries
from vaultfs_format.group import Group
from vaultfs_format.journal import HEADER_SIZE, JournalHeader, JournalKeys, JournalRole
from vaultfs_format.secret import Secret

from vaultfs.audit.events import NOBODYS_SESSION, Sealable, encoded, unsealed
from vaultfs.engine.committing.control import control_intent
from vaultfs.engine.committing.grouping import Intent
from vaultfs.engine.engine import Engine
from vaultfs.engine.files.journal import JournalFile, Scanned
from vaultfs.engine.files.mirrors import Mirror
from vaultfs.engine.log.accesslog import SUFFIX
from vaultfs.engine.reading.state import States
from vaultfs.errors import (
    FieldInvalid,
    FormatError,
    NotAuthentic,
    StorageFailed,
    StorageReadOnly,
    Structure,
    Unsupported,
    VaultDamaged,
    VaultMissing,
)
from vaultfs.vfs import File, path_lock

NAMESPACE = "vaultfs.access"
"""Control states: journal id to the last group that is merged, as `_MARK`."""

_MOST = 256 * limits.MIB
"""Most bytes of events in a group of a reader."""

_BATCH = 4 * limits.MIB
"""Bytes of events after which a commit is made of them."""

MERGING = 2.0
"""Seconds that merging takes at most where somebody waits for something else: a vault that opens, or a commit."""

_PATIENCE = 5.0
"""Seconds to wait for readers that are beginning a journal; after that no journal is taken for abandoned."""

_MARK = struct.Struct("<QQ32s")
"""Number of a group, where it ends in the file, and its chain value."""

_UNREADABLE = (StorageFailed, StorageReadOnly)
"""What is raised of a file that another account, or a bad sector, keeps from being read."""


@dataclass(slots=True)
class Merged:
    """What a merging did.

    Parameters
    ----------
    events
        Events that are in the vault's log now and were not before.
    removed
        Access journals that nobody needs any more.
    kept
        Access journals that are damaged, of a newer program, or of another account that keeps them to itself: what is
        good of them and can be read is merged, and they stay.
    """

    events: int = 0
    removed: int = 0
    kept: int = 0


@dataclass(slots=True)
class _Batch:
    """Events on their way into one commit, and which group is the last that they are of: see `_MARK`."""

    mark: tuple[int, int, bytes]
    chunks: list[bytes] = field(default_factory=list)
    commitments: list[bytes] = field(default_factory=list)
    size: int = 0


@dataclass(frozen=True, slots=True)
class _Found:
    """An access journal of the vault.

    Parameters
    ----------
    abandoned
        Whether nobody writes to it any more: it is this program's now.
    """

    path: Path
    journal: JournalFile
    abandoned: bool

    @property
    def id(self) -> bytes:
        """Id of the journal."""
        return self.journal.header.journal_id

    @property
    def before(self) -> bytes:
        """Id of the journal that its reader wrote to before."""
        return self.journal.header.predecessor


class _State(Enum):
    """How far merging has come with a journal."""

    PARTIAL = 0
    """The time was over."""
    MERGED = 1
    """All is merged that can be, and the journal stays: it is damaged, or somebody writes to it."""
    FINISHED = 2
    """Nobody needs it any more."""


class Merger:
    """Merges access journals. Call under the engine's lock.

    Parameters
    ----------
    inbox
        The private half of the vault's inbox key.
    """

    def __init__(self, engine: Engine, states: States, commit: Callable[[Intent], int], inbox: Secret) -> None:
        self._engine = engine
        self._states = states
        self._commit = commit
        self._inbox = inbox
        self._places: dict[bytes, tuple[int, int, bytes, int, bool]] = {}
        """Where each journal was left that somebody still writes to, so that it is not gone through anew."""

    def close(self) -> None:
        """Wipe the inbox key."""
        self._inbox.wipe()

    def merge(self, directory: Path, seconds: float | None = None) -> Merged:
        """Merge the access journals of this vault in a directory, and remove those that are done with.

        Parameters
        ----------
        seconds
            For how long, of which each has the same part; None: until all is done that there is now.

        Raises
        ------
        VaultMissing
            There is no such directory.
        StorageFailed, StorageFull, CommitUnknown
        """
        merged = Merged()
        with ExitStack() as stack:
            found = self._found(directory, stack, merged)
            ends = {one.before: one.journal.header.predecessor_group for one in found}
            states: dict[bytes, _State] = {}
            for one in _in_order(found):
                until = None if seconds is None else time.monotonic() + seconds / len(found)
                before = states.get(one.before, _State.FINISHED)
                state = before if before is _State.PARTIAL else self._merge(one, ends.get(one.id, 0), until, merged)
                if before is state is _State.FINISHED:  # it says how far the one before goes, as long as that stays
                    self._engine.vfs.unlink(one.path)
                    merged.removed += 1
                states[one.id] = state
        return merged

    def _found(self, directory: Path, stack: ExitStack, merged: Merged) -> list[_Found]:
        """Return the access journals of this vault in a directory, which the stack closes."""
        found = []
        with path_lock(directory, exclusive=True, wait=_PATIENCE) as alone:
            for name in self._engine.vfs.names(directory):
                if name.endswith(SUFFIX):
                    journal = self._opened(directory / name, merged, removable=alone)
                    if journal is not None:
                        stack.callback(journal.close)
                        found.append(_Found(directory / name, journal, alone and journal.file.lock()))
        return found

    def _opened(self, path: Path, merged: Merged, *, removable: bool) -> JournalFile | None:
        """Return a journal of this vault, None for what is none or cannot be read."""
        vfs = self._engine.vfs
        try:
            file = vfs.open(path)
        except VaultMissing:
            return None
        except _UNREADABLE:
            merged.kept += 1
            return None
        journal = None
        try:
            journal = self._checked(file)
        except (FormatError, NotAuthentic, Unsupported) as error:
            if isinstance(error, FormatError) and file.size() <= HEADER_SIZE and removable and file.lock():
                vfs.unlink(path)  # begun by a process that ended before it had logged anything
                merged.removed += 1
            else:
                merged.kept += 1
        except _UNREADABLE:
            merged.kept += 1
        finally:
            if journal is None:
                file.close()
        return journal

    def _checked(self, file: File) -> JournalFile | None:
        data = file.read(0, HEADER_SIZE)
        header = JournalHeader.decode(data)
        if header.suite is not self._engine.suite or header.vault_id != self._engine.vault_id:
            return None
        journal = JournalFile(file, header, self._keys(header), header.chain(data), Mirror(self._engine.vfs))
        header.verify(data, journal.keys)
        return journal

    def _keys(self, header: JournalHeader) -> JournalKeys:
        if header.role is not JournalRole.READER:
            raise FieldInvalid(structure=Structure.JOURNAL_HEADER)
        return open_access(header, self._inbox, self._engine.chain.access_key)

    def _merge(self, found: _Found, last: int, until: float | None, merged: Merged) -> _State:
        """Merge what a journal has beyond its mark.

        Its end is where it was at the beginning: its reader may write to it as fast as it is read.

        Parameters
        ----------
        last
            Number of the group that its reader wrote last before it went on in another journal; 0 if it has not.
        """
        try:
            mark, version = self._mark(found.id)
        except FieldInvalid:  # nothing tells where to go on
            merged.kept += 1
            return _State.MERGED
        key, journal, abandoned = found.id, found.journal, found.abandoned
        reached = _State.FINISHED if abandoned else _State.MERGED
        batch = _Batch(mark)
        self._go_on(journal, mark)
        try:
            for scanned in journal.scan(stop=journal.file.size()):
                for chunk, commitments in self._events(journal, scanned):
                    batch.chunks.append(chunk)
                    batch.commitments += commitments
                    batch.size += len(chunk)
                batch.mark = scanned.group.number, journal.end, journal.chain
                if batch.size >= _BATCH or len(batch.commitments) >= limits.MAX_GROUP_AUDIT // 4:
                    version = self._write(key, version, batch, merged)
                    batch = _Batch(batch.mark)
                if batch.chunks and until is not None and time.monotonic() >= until:
                    reached = _State.PARTIAL
                    break
            if reached is _State.FINISHED:  # while somebody writes, the end is unfinished at any time
                journal.check_tail(max(journal.durable, last))
            else:
                self._places[key] = journal.place()
        except (VaultDamaged, FormatError, NotAuthentic, StorageFailed):
            if self._engine.poisoned:  # it is the vault's own disk that fails
                raise
            reached = _State.MERGED
            merged.kept += 1
        if batch.chunks:
            self._write(key, version, batch, merged)
        return reached

    def _mark(self, key: bytes) -> tuple[tuple[int, int, bytes], int]:
        """Return the last group of a journal that was merged, as in `_MARK`, and the version of the control state.

        Raises
        ------
        FieldInvalid
        """
        state = self._states.read(NAMESPACE, key)
        if state.value is None:
            return (0, HEADER_SIZE, b""), state.version
        if len(state.value) != _MARK.size:
            raise FieldInvalid(structure=Structure.JOURNAL_HEADER)
        return _MARK.unpack(state.value), state.version

    def _go_on(self, journal: JournalFile, mark: tuple[int, int, bytes]) -> None:
        """Scan a journal from its mark on, or from where it was left if that is known of the same mark."""
        place = self._places.pop(journal.header.journal_id, None)
        if place is not None and place[0] == mark[0]:
            journal.go_on(place)
        elif mark[0]:
            journal.go_on((*mark, mark[0], False))

    def _events(self, journal: JournalFile, scanned: Scanned) -> Iterator[tuple[bytes, list[bytes]]]:
        """Yield the events of a group as they were written, with their commitments, which its entries must state."""
        group, suite = scanned.group, journal.header.suite
        check_access_group(group)
        if (
            len(group.audit) // ENTRY.size > limits.MAX_GROUP_AUDIT // 4
            or sum(row.header.body_plain for row in group.rows) > _MOST
        ):
            raise VaultDamaged(group=group.number)  # no commit can take it in
        stated = [entry.commitment for entry in group.audit_entries()]
        found: list[tuple[bytes, list[bytes]]] = []
        for row, key in zip(group.rows, self._frame_keys(journal, group), strict=True):
            block = open_entries(suite, row.header, key, row.entries)
            sealed = journal.file.read(scanned.offset + row.body_offset, row.header.body_sealed)
            body = open_body(suite, row.header, key, sealed)
            for entry in block.entries:
                if entry.role == Role.EVENTS:
                    chunk = body[entry.offset : entry.offset + entry.length]
                    found.append((chunk, [commitment for _, commitment in unsealed(suite, chunk)]))
        if [one for _, commitments in found for one in commitments] != stated:
            raise VaultDamaged(group=group.number)
        yield from found

    @staticmethod
    def _frame_keys(journal: JournalFile, group: Group) -> list[bytes]:
        return group.open_keys(journal.header.suite, journal.header.journal_id, journal.keys)

    def _write(self, key: bytes, version: int, batch: _Batch, merged: Merged) -> int:
        """Commit a batch with the mark that goes with it; return the mark's new version."""
        engine = self._engine
        count = len(batch.commitments)
        note = AccessMerged(engine.options.clock(), NOBODYS_SESSION, key, count)
        chunks, commitments = encoded(engine.suite, note)
        events = Sealable([*chunks, *batch.chunks], [*commitments, *batch.commitments])
        self._commit(control_intent(engine, NAMESPACE, key, _MARK.pack(*batch.mark), version, events))
        merged.events += count
        return version + 1


def _in_order(found: Sequence[_Found]) -> Iterator[_Found]:
    """Yield journals, each behind the one that its reader wrote to before."""
    left = list(found)
    while left:
        ids = {one.id for one in left}
        ready = [one for one in left if one.before not in ids]
        yield from ready or left  # no reader makes a circle
        left = [one for one in left if ready and one.before in ids]
