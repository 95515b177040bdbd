"""A journal file of the writer: appended in groups, scanned group by group."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from vaultfs_format import limits
from vaultfs_format.errors import Fact, FileId
from vaultfs_format.group import (
    GROUP,
    GROUP_MAGIC,
    TRAILER,
    Group,
    GroupDraft,
    GroupKind,
    decode_group,
    group_sizes,
    open_group_keys,
    verify_group,
    verify_trailer,
)
from vaultfs_format.journal import HEADER_SIZE, JournalHeader, JournalKeys
from vaultfs_format.searching import occurrences

from vaultfs.engine.files.mirrors import Mirror, first_good
from vaultfs.errors import FormatError, MacMismatch, StorageFailed, StorageFull, VaultDamaged
from vaultfs.vfs import File, Vfs

SUFFIX = ".vjrn"


class Scanned(NamedTuple):
    """A group and where it begins in its file."""

    offset: int
    group: Group


class JournalFile:
    """An open journal. Writing happens under the committer's lock.

    Attributes
    ----------
    end, last_group, chain
        Bytes, number and chain value of what has been written or scanned.
    mirror
        Its second copy.
    first_chain
        The chain value before the first group.
    durable
        Number of the last group that is known to be durable.
    room
        Bytes that the file may have; None: as many as there is space for.

    Parameters
    ----------
    mend
        Whether a group that only the mirror has is written into the file when it is scanned.
    """

    def __init__(
        self,
        file: File,
        header: JournalHeader,
        keys: JournalKeys,
        chain: bytes,
        mirror: Mirror,
        *,
        room: int | None = None,
        mend: bool = False,
    ) -> None:
        self.file = file
        self.mirror = mirror
        self.room = room
        self.header = header
        self.keys = keys
        self.end = HEADER_SIZE
        self.last_group = 0
        self.durable = 0
        self._mend = mend
        self.chain = chain
        self.first_chain = chain
        self.closed = False

    @classmethod
    def create(cls, vfs: Vfs, path: Path, header: JournalHeader, keys: JournalKeys) -> JournalFile:
        """Create a journal at `path`; it is durable with its first group and its name."""
        data = header.encode(keys)
        file = vfs.create(path)
        try:
            file.append([data], 0)
        except BaseException:
            file.close()
            vfs.unlink(path)
            raise
        return cls(file, header, keys, header.chain(data), Mirror(vfs))

    @classmethod
    def take(
        cls, vfs: Vfs, path: Path, header: JournalHeader, keys: JournalKeys, room: int, mirror: Mirror
    ) -> JournalFile:
        """Begin a journal in a file of `room` zero bytes whose blocks are reserved."""
        file = vfs.open(path, writable=True)
        data = header.encode(keys)
        try:
            file.append([data], 0)
        except BaseException:
            file.close()
            raise
        return cls(file, header, keys, header.chain(data), mirror, room=room)

    @classmethod
    def open(
        cls,
        vfs: Vfs,
        path: Path,
        keys_of: Callable[[JournalHeader], JournalKeys],
        mirror: Mirror | None = None,
        *,
        mend: bool = False,
    ) -> JournalFile:
        """Open a journal for scanning; its header is checked with the keys that `keys_of` returns for it.

        Parameters
        ----------
        mend
            Whether what is damaged in the file, and good in its mirror, is written over it.
        """

        def parse(source: File | Mirror) -> tuple[JournalHeader, JournalKeys, bytes]:
            data = source.read(0, HEADER_SIZE)
            header = JournalHeader.decode(data)
            if source is mirror and header.journal_id.hex() != path.stem:
                raise VaultDamaged  # it is the mirror of another journal
            keys = keys_of(header)
            header.verify(data, keys)
            return header, keys, data

        mirror = mirror or Mirror(vfs)
        file = vfs.open(path, writable=mend)
        try:
            header, keys, data = first_good(file, mirror, parse)
            if mend and file.read(0, HEADER_SIZE) != data:
                file.append([data], 0)
                file.sync()
        except BaseException:
            file.close()
            mirror.close()
            raise
        return cls(file, header, keys, header.chain(data), mirror, mend=mend)

    def place(self) -> tuple[int, int, bytes, int, bool]:
        """Return where scanning has come to."""
        return self.last_group, self.end, self.chain, self.durable, self.closed

    def go_on(self, place: tuple[int, int, bytes, int, bool]) -> None:
        """Scan from a place on that this journal, or the same one opened before, had come to."""
        self.last_group, self.end, self.chain, self.durable, self.closed = place

    def again(self, *, mend: bool = False) -> JournalFile:
        """Return the journal as it was before its first group was scanned; it has the files of this one."""
        return JournalFile(self.file, self.header, self.keys, self.first_chain, self.mirror, mend=mend)

    def mend(self) -> None:
        """Write what the mirror has over what is damaged in the file, and sync it."""
        for _ in self.again(mend=True).scan(self.last_group):
            pass

    def begin_mirror(self, vfs: Vfs, path: Path) -> None:
        """Give the journal a mirror. It must be durable under its name: a mirror that is alone would bring it back."""
        self.mirror = Mirror.begin(vfs, path, self.file, self.end)

    def append(self, draft: GroupDraft) -> int:
        """Write a group at the end and return its offset. Not durable before `sync`.

        Raises
        ------
        StorageFull
            Of a journal with `room` nothing was written; of another one the end of the file is in doubt.
        """
        suite = self.header.suite
        pieces, chain = draft.encode(suite, self.header.journal_id, self.keys, self.chain)
        offset = self.end
        if self.room is not None and offset + sum(map(len, pieces)) > self.room:
            raise StorageFull
        self.end += self.file.append(pieces, offset)
        self.mirror.append(pieces, offset)
        self.chain = chain
        self.last_group = draft.number
        self.closed = draft.kind is GroupKind.CLOSING
        return offset

    def sync(self) -> None:
        """Return when every group written is durable."""
        self.file.sync()
        self.durable = self.last_group

    def close_with_record(self) -> None:
        """Write the closing record, durably. It says that every group before it is durable."""
        if self.durable < self.last_group:
            self.sync()
        draft = GroupDraft(GroupKind.CLOSING, self.last_group + 1, self.durable, 0, 0, os.urandom(16))
        self.append(draft)
        if self.file.size() > self.end:
            self.file.truncate(self.end)  # what a preallocated file has beyond its last group
        self.sync()

    def secure_mirror(self) -> None:
        """Have the whole journal in its mirror, durably, if that can be done."""
        self.mirror.complete(self.file, self.end)
        self.mirror.sync()

    def scan(self, stop_group: int | None = None, *, stop: int | None = None) -> Iterator[Scanned]:
        """Yield the good groups in order, authenticated; afterwards the attributes describe the last of them.

        Stops at the first group that is torn, and after `stop_group`: what a successor declared void is not looked at.
        Groups that begin at `stop` or beyond it are not looked at either.

        Raises
        ------
        VaultDamaged
            A good group follows the closing record.
        StorageFull
            What only the mirror has found no space in the file.
        """
        mended = False
        while (stop_group is None or self.last_group < stop_group) and (stop is None or self.end < stop):
            found = self._next()
            if found is None:
                break
            data, group, from_mirror = found
            if self.closed:
                raise VaultDamaged(group=group.number)
            if from_mirror and self._mend:
                self.file.append([data], self.end)
                mended = True
            offset = self.end
            self.end += group.size
            self.chain = group.chain
            self.last_group = group.number
            self.durable = max(self.durable, group.last_durable)
            self.closed = group.kind is GroupKind.CLOSING
            yield Scanned(offset, group)
        if mended:
            self.file.sync()

    def _next(self) -> tuple[bytes, Group, bool] | None:
        """Return the next group if it is there and authentic: its bytes, and whether only the mirror has it."""
        failure: StorageFailed | None = None
        try:
            found = self._next_in(self.file)
        except StorageFailed as error:
            found, failure = None, error
        if found is not None:
            return *found, False
        found = self._next_in(self.mirror)
        if found is None and failure is not None:
            raise failure
        return None if found is None else (*found, True)

    def _next_in(self, source: File | Mirror) -> tuple[bytes, Group] | None:
        suite = self.header.suite
        try:
            sizes = group_sizes(source.read(self.end, GROUP.size))
            if sizes.total > source.size() - self.end:
                return None
            data = source.read(self.end, sizes.total)
            group = decode_group(suite, data, 0, self.last_group + 1, self.chain)
            verify_group(suite, data, 0, group, self.header.journal_id, self.keys)
        except (FormatError, MacMismatch):
            return None
        return data, group

    def check_tail(self, floor: int, leaf: int | None = None) -> int:
        """Judge what follows the last good group; return the number of void bytes, zeros at the end not counted.

        Parameters
        ----------
        floor
            Number of the last group that is known, from elsewhere, to have been durable.
        leaf
            Index of the first leaf of the audit tree behind the last good group, where that is known.

        Raises
        ------
        VaultDamaged
            Durable groups are missing: the bytes are damaged, not torn. The file says so, or its mirror.
        """
        lost = self.last_group < floor
        if lost or self._claims_durable(self.file) or self._claims_durable(self.mirror):
            raise self.damaged(**({} if leaf is None else {"leaf": leaf}))
        void = 0
        for at in range(self.end, self.file.size(), limits.MIB):
            if written := len(self.file.read(at, limits.MIB).rstrip(b"\0")):
                void = at + written - self.end
        return void

    def damaged(self, **facts: Fact) -> VaultDamaged:
        """Return what says that the group after the last good one is damaged or missing: which it is, and where."""
        file = FileId.of(self.header.journal_id)
        return VaultDamaged(group=self.last_group + 1, file=file, offset=self.end, **facts)

    def _claims_durable(self, source: File | Mirror) -> bool:
        """Return whether a later group of this journal says that the one after the last good group was durable.

        Its trailer must be authentic: blocks that the file has grown over may hold groups of a journal that is gone.
        """
        return any(self._claims(source, at) for at in occurrences(source.read, GROUP_MAGIC, self.end, source.size()))

    def _claims(self, source: File | Mirror, offset: int) -> bool:
        header = source.read(offset, GROUP.size)
        try:
            sizes = group_sizes(header)
            _, _, _, _, number, last_durable, *_ = GROUP.unpack(header)
            trailer = source.read(offset + sizes.total - TRAILER, TRAILER)
            verify_trailer(self.header.suite, trailer, number, self.header.journal_id, self.keys)
        except (FormatError, MacMismatch):
            return False
        return bool(number > last_durable > self.last_group)

    def rewind(self, last: Scanned | None) -> None:
        """Go back to `last` as the last good group, or to the header; everything up to it is durable."""
        self.end = last.offset + last.group.size if last else HEADER_SIZE
        self.chain = last.group.chain if last else self.first_chain
        self.last_group = self.durable = last.group.number if last else 0
        self.closed = False

    def group_keys(self, offset: int) -> list[bytes]:
        """Return the frame keys of the group at `offset`."""
        return first_good(self.file, self.mirror, lambda source: self._group_keys(source, offset))

    def _group_keys(self, source: File | Mirror, offset: int) -> list[bytes]:
        head = source.read(offset, GROUP.size)
        sizes = group_sizes(head)
        _, _, _, _, number, *_, salt = GROUP.unpack(head)
        sealed = source.read(offset + sizes.keys_offset, sizes.keys)
        return open_group_keys(self.header.suite, self.header.journal_id, self.keys, number, salt, sealed)

    def close(self) -> None:
        """Close the file and its mirror, and let go of the keys."""
        self.keys = JournalKeys(b"", b"")
        self.file.close()
        self.mirror.close()
