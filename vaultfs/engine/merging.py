"""Merging: the events in access journals go into the vault's own log, each once.

The group that commits events again sets a control state too: which journal, and up to which of its groups. So whatever
is interrupted, and whichever copy of a journal comes back, is gone on with from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from vaultfs_format import limits
from vaultfs_format.access import check_access_group, open_access
from vaultfs_format.entries import Role
from vaultfs_format.events.vault import AccessMerged
from vaultfs_format.frame import open_body, open_entries
from vaultfs_format.group import Group
from vaultfs_format.journal import HEADER_SIZE, JournalHeader, JournalKeys, JournalRole
from vaultfs_format.secret import Secret

from vaultfs.audit.events import NOBODYS_SESSION, Sealable, encoded, unsealed
from vaultfs.engine.accesslog import SUFFIX
from vaultfs.engine.control import control_intent
from vaultfs.engine.engine import Engine
from vaultfs.engine.grouping import Intent
from vaultfs.engine.journal import JournalFile, Scanned
from vaultfs.engine.mirrors import Mirror
from vaultfs.engine.state import States
from vaultfs.errors import (
    FieldInvalid,
    FormatError,
    NotAuthentic,
    Structure,
    Unsupported,
    VaultDamaged,
    VaultMissing,
)
from vaultfs.vfs import File, path_lock

NAMESPACE = "vaultfs.access"
"""Control states: journal id to the number of the last group that is merged."""

_BATCH = 4 * limits.MIB
"""Bytes of events after which a commit is made of them."""

_PATIENCE = 5.0
"""Seconds to wait for readers that are beginning a journal; after that no journal is taken for abandoned."""

_NUMBER = 8


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
        Access journals that are damaged, or of a newer program: what is good of them is merged, and they stay.
    """

    events: int = 0
    removed: int = 0
    kept: int = 0


@dataclass(slots=True)
class _Batch:
    """Events on their way into one commit, and the number of the last group that they are of."""

    group: int
    chunks: list[bytes] = field(default_factory=list)
    commitments: list[bytes] = field(default_factory=list)
    size: int = 0


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

    def merge(self, directory: Path) -> Merged:
        """Merge the access journals of this vault in a directory, and remove those that are done with.

        Raises
        ------
        VaultMissing
            There is no such directory.
        StorageFailed, StorageFull, CommitUnknown
        """
        merged = Merged()
        vfs = self._engine.vfs
        with ExitStack() as stack:
            found: list[tuple[Path, JournalFile, bool]] = []
            with path_lock(directory, exclusive=True, wait=_PATIENCE) as alone:
                for name in vfs.names(directory):
                    if name.endswith(SUFFIX):
                        journal = self._opened(directory / name, merged, removable=alone)
                        if journal is not None:
                            stack.callback(journal.close)
                            found.append((directory / name, journal, alone and journal.file.lock()))
            for path, journal, abandoned in found:
                if self._merge(journal, merged, abandoned=abandoned) and abandoned:
                    vfs.unlink(path)
                    merged.removed += 1
        return merged

    def _opened(self, path: Path, merged: Merged, *, removable: bool) -> JournalFile | None:
        """Return a journal of this vault, None for what is none or cannot be read."""
        vfs = self._engine.vfs
        try:
            file = vfs.open(path)
        except VaultMissing:
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

    def _merge(self, journal: JournalFile, merged: Merged, *, abandoned: bool) -> bool:
        """Merge what a journal has beyond its mark; return whether it was good to its end.

        Its end is where it was at the beginning: its reader may write to it as fast as it is read.
        """
        key = journal.header.journal_id
        state = self._states.read(NAMESPACE, key)
        mark = int.from_bytes(state.value or b"", "little")
        version = state.version
        batch = _Batch(mark)
        good = True
        place = self._places.pop(key, None)
        if place is not None and place[0] == mark:
            journal.go_on(place)
        try:
            for scanned in journal.scan(stop=journal.file.size()):
                if scanned.group.number <= mark:
                    continue
                for chunk, commitments in self._events(journal, scanned):
                    batch.chunks.append(chunk)
                    batch.commitments += commitments
                    batch.size += len(chunk)
                batch.group = scanned.group.number
                if batch.size >= _BATCH:
                    version = self._write(key, version, batch, merged)
                    batch = _Batch(batch.group)
            if abandoned:  # while somebody writes, the end is unfinished at any time
                journal.check_tail(journal.durable)
        except (VaultDamaged, FormatError, NotAuthentic):
            good = False
            merged.kept += 1
        if batch.chunks:
            self._write(key, version, batch, merged)
        if good and not abandoned:
            self._places[key] = journal.place()
        return good

    def _events(self, journal: JournalFile, scanned: Scanned) -> Iterator[tuple[bytes, list[bytes]]]:
        """Yield the events of a group as they were written, with their commitments, which its entries must state."""
        group, suite = scanned.group, journal.header.suite
        check_access_group(group)
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
        value = batch.group.to_bytes(_NUMBER, "little")
        self._commit(control_intent(engine, NAMESPACE, key, value, version, events))
        merged.events += count
        return version + 1
