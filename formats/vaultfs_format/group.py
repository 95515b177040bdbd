"""The journal group: whole commits, with their frames, the sealed keys of these and the audit entries.

Its trailer has an unkeyed hash chain, which shows damage without a key, and a MAC over journal id, group number and the
chain, so that a group copied elsewhere is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from vaultfs_format import labels, limits
from vaultfs_format.audit import ENTRY, AuditEntry, check_entries
from vaultfs_format.directory import HERE, FrameRow, decode_rows
from vaultfs_format.errors import BadMagic, ChainBroken, LimitExceeded, MacMismatch, Structure, Truncated
from vaultfs_format.journal import JournalKeys
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, require
from vaultfs_format.prefix import VERSION
from vaultfs_format.segment import SUPERBLOCK_SIZE
from vaultfs_format.suite import DIGEST, KEY, TAG, Suite, same

GROUP_MAGIC = b"VGRP"


class GroupKind(IntEnum):
    """What a group is."""

    COMMIT = 1
    CLOSING = 2


_KINDS = frozenset(GroupKind)

GROUP = Layout(
    Structure.JOURNAL_GROUP,
    "journal group header",
    Field("magic", "4s", "VGRP"),
    Field("version", "B", "version of the group: that of the file, 0"),
    Field("kind", "B", "1 commit, 2 closing"),
    Field("part_files", "H", "number of part files named"),
    Field("number", "Q", "1 for the first group of a file, then one more each"),
    Field("last_durable", "Q", "number of the last group that was known to be durable when this one was written"),
    Field("first_commit", "Q", "commit number of the first commit; 0: none"),
    Field("commits", "I", "number of commits, numbered consecutively"),
    Field("frames", "I", "number of frame rows"),
    Field("audit_entries", "I", "number of audit entries"),
    Field(RESERVED, "4s"),
    Field("bodies_length", "Q", "bytes of the bodies"),
    Field("directory_length", "Q", "bytes of the frame rows"),
    Field("keys_length", "Q", "bytes of the sealed frame keys; 0 where there are no frames"),
    Field("salt", "16s", "random"),
)
PART = Layout(
    Structure.JOURNAL_GROUP,
    "journal group: part file",
    Field("segment_id", "16s", "id of the open blob segment"),
    Field("valid_end", "Q", "its bytes that were durable before this group was written"),
)
TRAILER = 2 * DIGEST

SMALL = 16 * limits.KIB
"""Bytes of bodies below which a group is joined before it is hashed and written: that is quicker than many pieces."""


@dataclass(frozen=True, slots=True)
class PartFile:
    """An open blob segment that holds bodies of a group."""

    segment_id: bytes
    valid_end: int


@dataclass(frozen=True, slots=True)
class Group:
    """One group of a journal, parsed. `keys` is still sealed; offsets are from the start of the group."""

    kind: GroupKind
    number: int
    last_durable: int
    first_commit: int
    commits: int
    salt: bytes
    parts: Sequence[PartFile]
    rows: Sequence[FrameRow]
    sealed_keys: bytes
    audit: bytes
    chain: bytes
    size: int
    directory_offset: int
    keys_offset: int

    @property
    def audit_offset(self) -> int:
        """Where the audit entries begin."""
        return self.keys_offset + len(self.sealed_keys)

    def audit_entries(self) -> list[AuditEntry]:
        """Return the audit entries of the group, in order."""
        return [AuditEntry.decode(self.audit, at) for at in range(0, len(self.audit), ENTRY.size)]

    def open_keys(self, suite: Suite, journal_id: bytes, keys: JournalKeys) -> list[bytes]:
        """Return the frame keys of the group, in row order."""
        if not self.rows:
            return []
        return open_group_keys(suite, journal_id, keys, self.number, self.salt, self.sealed_keys)


def open_group_keys(
    suite: Suite, journal_id: bytes, keys: JournalKeys, number: int, salt: bytes, sealed: Buffer
) -> list[bytes]:
    """Return the frame keys of group `number`, in row order.

    Raises
    ------
    DecryptionFailed
    """
    key, bound = _keys_key(suite, journal_id, keys, number, salt)
    plain = suite.open(key, sealed, bound, Structure.JOURNAL_GROUP)
    return [plain[at : at + KEY] for at in range(0, len(plain), KEY)]


def _keys_key(suite: Suite, journal_id: bytes, keys: JournalKeys, number: int, salt: bytes) -> tuple[bytes, bytes]:
    context = journal_id + number.to_bytes(8, "little") + salt
    return suite.derive(keys.table, labels.JOURNAL_KEYS, context, KEY), context


def bodies_offset(parts: int) -> int:
    """Return where the bodies of a group that names `parts` part files begin."""
    return GROUP.size + PART.size * parts


@dataclass(frozen=True, slots=True, repr=False)
class GroupDraft:
    """What a group is made of before it has bytes.

    Parameters
    ----------
    rows
        Encoded frame rows. Bodies that lie here begin at `bodies_offset`.
    bodies
        Sealed bodies of the rows that lie here, in order.
    frame_keys
        Keys of all rows, in row order.
    audit
        Encoded audit entries.
    """

    kind: GroupKind
    number: int
    last_durable: int
    first_commit: int
    commits: int
    salt: bytes
    parts: Sequence[PartFile] = ()
    rows: Sequence[bytes] = ()
    bodies: Sequence[bytes] = ()
    frame_keys: Sequence[bytes] = ()
    audit: bytes = b""

    def encode(self, suite: Suite, journal_id: bytes, keys: JournalKeys, chain: bytes) -> tuple[list[bytes], bytes]:
        """Return the group's bytes in pieces, and its chain value.

        Parameters
        ----------
        chain
            The chain value of the group before, or of the header.
        """
        directory, bodies = b"".join(self.rows), sum(map(len, self.bodies))
        sealed = b""
        if self.frame_keys:
            key, bound = _keys_key(suite, journal_id, keys, self.number, self.salt)
            sealed = suite.seal(key, b"".join(self.frame_keys), bound)
        header = GROUP.pack(
            GROUP_MAGIC,
            VERSION,
            self.kind,
            len(self.parts),
            self.number,
            self.last_durable,
            self.first_commit,
            self.commits,
            len(self.rows),
            len(self.audit) // ENTRY.size,
            bodies,
            len(directory),
            len(sealed),
            self.salt,
        )
        parts = [PART.pack(part.segment_id, part.valid_end) for part in self.parts]
        pieces = [header, *parts, *self.bodies, directory, sealed, self.audit]
        if bodies < SMALL:
            pieces = [b"".join(pieces)]
        value = _chain(suite, chain, pieces)
        mac = _mac(suite, journal_id, keys, self.number, value)
        return [*pieces, value + mac], value


def _chain(suite: Suite, before: bytes, pieces: Sequence[Buffer]) -> bytes:
    hasher = suite.hasher()
    hasher.update(before)
    for piece in pieces:
        hasher.update(piece)
    return hasher.digest()


def _mac(suite: Suite, journal_id: bytes, keys: JournalKeys, number: int, chain: bytes) -> bytes:
    return suite.mac(keys.mac, labels.JOURNAL_GROUP_MAC, journal_id + number.to_bytes(8, "little") + chain)


class GroupSizes(NamedTuple):
    """The sizes that a group header states, checked against the limits."""

    parts: int
    frames: int
    audit_entries: int
    bodies: int
    directory: int
    keys: int

    @property
    def directory_offset(self) -> int:
        """Where the frame rows begin."""
        return bodies_offset(self.parts) + self.bodies

    @property
    def keys_offset(self) -> int:
        """Where the sealed frame keys begin."""
        return self.directory_offset + self.directory

    @property
    def total(self) -> int:
        """Bytes of the whole group."""
        return self.keys_offset + self.keys + ENTRY.size * self.audit_entries + TRAILER


def group_sizes(data: Buffer, offset: int = 0) -> GroupSizes:
    """Parse and bound the sizes in the group header at `offset`.

    Raises
    ------
    FormatError, Unsupported
    """
    magic, version, kind, parts, *_, frames, audit, bodies, directory, keys, _salt = GROUP.unpack(data, offset)
    if magic != GROUP_MAGIC:
        raise BadMagic(structure=Structure.JOURNAL_GROUP)
    require(version == VERSION and kind in _KINDS, Structure.JOURNAL_GROUP, 1)
    over = parts > limits.MAX_GROUP_PARTS or frames > limits.MAX_GROUP_FRAMES or audit > limits.MAX_GROUP_AUDIT
    sizes = GroupSizes(parts, frames, audit, bodies, directory, keys)
    if over or max(bodies, directory, keys) > limits.MAX_GROUP or sizes.total > limits.MAX_GROUP:
        raise LimitExceeded(structure=Structure.JOURNAL_GROUP, size=min(sizes.total, 1 << 63))
    require(keys == (frames * KEY + TAG if frames else 0), Structure.JOURNAL_GROUP, 2)
    require(kind == GroupKind.COMMIT or not (frames or audit or parts or bodies), Structure.JOURNAL_GROUP, 3)
    return sizes


def _chained(suite: Suite, data: Buffer, offset: int, number: int, chain: bytes) -> tuple[GroupSizes, bytes]:
    """Return the sizes of the group at `offset` and its chain value, which the group states too."""
    sizes = group_sizes(data, offset)
    if len(data) - offset < sizes.total:
        raise Truncated(structure=Structure.JOURNAL_GROUP, expected=sizes.total, got=len(data) - offset)
    view = memoryview(data)[offset : offset + sizes.total]
    end = sizes.total - TRAILER
    value = _chain(suite, chain, [view[:end]])
    if value != bytes(view[end : end + DIGEST]):
        raise ChainBroken(structure=Structure.JOURNAL_GROUP, number=number)
    return sizes, value


def authentic_group(
    suite: Suite, data: Buffer, offset: int, number: int, chain: bytes, journal_id: bytes, keys: JournalKeys
) -> tuple[GroupSizes, bytes]:
    """Return the sizes of a group that was parsed before, and its chain value, checking only that it is unchanged.

    Parameters
    ----------
    number, chain
        The number that the group has, and the chain value before it.

    Raises
    ------
    FormatError, Unsupported, MacMismatch
    """
    sizes, value = _chained(suite, data, offset, number, chain)
    end = offset + sizes.total
    verify_trailer(suite, data[end - TRAILER : end], number, journal_id, keys)
    return sizes, value


def decode_group(suite: Suite, data: Buffer, offset: int, number: int, chain: bytes) -> Group:
    """Parse the group at `offset` and check its place in the chain; needs no key.

    Parameters
    ----------
    number, chain
        The number that the group must have, and the chain value before it.

    Raises
    ------
    FormatError, Unsupported
    """
    sizes, value = _chained(suite, data, offset, number, chain)
    view = memoryview(data)[offset : offset + sizes.total]
    end = sizes.total - TRAILER
    _, _, kind, _, stated, last_durable, first_commit, commits, *_, salt = GROUP.unpack(view)
    require(stated == number, Structure.JOURNAL_GROUP, 4)
    closing = kind == GroupKind.CLOSING
    require(last_durable == number - 1 if closing else last_durable < number, Structure.JOURNAL_GROUP, 5)
    require((commits > 0) == (first_commit > 0) == (not closing), Structure.JOURNAL_GROUP, 6)
    require(first_commit + commits - 1 <= limits.MAX_NUMBER, Structure.JOURNAL_GROUP, 11)
    parts = [PartFile(*PART.unpack(view, GROUP.size + i * PART.size)) for i in range(sizes.parts)]
    bodies_at = bodies_offset(sizes.parts)
    directory_at, keys_at = sizes.directory_offset, sizes.keys_offset
    audit_at = keys_at + sizes.keys
    rows = decode_rows(view[directory_at:keys_at], sizes.frames)
    _check_places(rows, parts, bodies_at, directory_at)
    within = all(0 <= commit - first_commit < commits for row in rows for _, commit in row.runs)
    require(within, Structure.JOURNAL_GROUP, 12)
    check_entries(view[audit_at:end])
    return Group(
        GroupKind(kind),
        number,
        last_durable,
        first_commit,
        commits,
        salt,
        parts,
        rows,
        bytes(view[keys_at:audit_at]),
        bytes(view[audit_at:end]),
        value,
        sizes.total,
        directory_at,
        keys_at,
    )


def _check_places(rows: Sequence[FrameRow], parts: Sequence[PartFile], start: int, end: int) -> None:
    """Bodies that lie here follow each other and fill their section; others lie within a named part file."""
    at = start
    for row in rows:
        if row.home == HERE:
            require(row.body_offset == at, Structure.JOURNAL_GROUP, 7)
            at += row.header.body_sealed
        else:
            require(row.home <= len(parts), Structure.JOURNAL_GROUP, 8)
            last = parts[row.home - 1].valid_end
            within = SUPERBLOCK_SIZE <= row.body_offset <= last - row.header.body_sealed
            require(within, Structure.JOURNAL_GROUP, 9)
    require(at == end, Structure.JOURNAL_GROUP, 10)


def verify_group(suite: Suite, data: Buffer, offset: int, group: Group, journal_id: bytes, keys: JournalKeys) -> None:
    """Check that the group was written with the keys of this journal, for this place in it.

    Raises
    ------
    MacMismatch
    """
    end = offset + group.size
    verify_trailer(suite, data[end - TRAILER : end], group.number, journal_id, keys)


def verify_trailer(suite: Suite, trailer: Buffer, number: int, journal_id: bytes, keys: JournalKeys) -> None:
    """Check that a trailer is that of group `number` of this journal, whatever the bytes before it are by now.

    Raises
    ------
    MacMismatch
    """
    if not same(_mac(suite, journal_id, keys, number, bytes(trailer[:DIGEST])), trailer[DIGEST:]):
        raise MacMismatch(structure=Structure.JOURNAL_GROUP)
