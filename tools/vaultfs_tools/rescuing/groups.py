"""Groups of a journal, wherever damage lies before them.

The trailer of a group has its MAC over the chain value alone. So a group behind a damaged one is proved by the trailer
of the damaged one, if that is left: its chain value is authentic whatever the bytes before it are by now.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaultfs_format import limits
from vaultfs_format.errors import VaultError
from vaultfs_format.group import (
    GROUP,
    GROUP_MAGIC,
    PART,
    TRAILER,
    GroupKind,
    GroupSizes,
    group_sizes,
    open_group_keys,
    verify_trailer,
)
from vaultfs_format.journal import JournalKeys
from vaultfs_format.searching import Read, occurrences
from vaultfs_format.suite import DIGEST, Suite


@dataclass(frozen=True, slots=True)
class FoundGroup:
    """What the header of a group states. Offsets are those of the file.

    Parameters
    ----------
    chain
        The chain value in its trailer; empty where that is not authentic.
    """

    at: int
    sizes: GroupSizes
    number: int
    closing: bool
    salt: bytes
    chain: bytes

    @property
    def end(self) -> int:
        """Where the next group begins."""
        return self.at + self.sizes.total

    @property
    def rows(self) -> tuple[int, int]:
        """Where the frame rows begin and end."""
        return self.at + self.sizes.directory_offset, self.at + self.sizes.keys_offset

    def frame_keys(self, read: Read, suite: Suite, journal_id: bytes, keys: JournalKeys) -> list[bytes]:
        """Return the keys of all frames in row order: their seal proves number and salt of the group.

        Raises
        ------
        DecryptionFailed
        """
        if not self.sizes.frames:
            return []
        sealed = read(self.at + self.sizes.keys_offset, self.sizes.keys)
        return open_group_keys(suite, journal_id, keys, self.number, self.salt, sealed)

    def parts(self, read: Read) -> list[tuple[bytes, int]]:
        """Return the open blob segments that the group names, and up to where they were durable."""
        data = read(self.at + GROUP.size, self.sizes.parts * PART.size)
        return [tuple(row) for row in PART.struct.iter_unpack(data[: len(data) - len(data) % PART.size])]


def group_at(read: Read, suite: Suite, journal_id: bytes, keys: JournalKeys, at: int) -> FoundGroup | None:
    """Return the group at an offset, None where its header does not follow the format."""
    start = read(at, GROUP.size)
    try:
        sizes = group_sizes(start)
        _, _, kind, _, number, *_, salt = GROUP.unpack(start)
    except VaultError:
        return None
    trailer = read(at + sizes.total - TRAILER, TRAILER)
    try:
        verify_trailer(suite, trailer, number, journal_id, keys)
        chain = trailer[:DIGEST]
    except VaultError:
        chain = b""
    return FoundGroup(at, sizes, number, kind == GroupKind.CLOSING, salt, chain)


def next_group(read: Read, end: int, suite: Suite, journal_id: bytes, keys: JournalKeys, at: int) -> FoundGroup | None:
    """Return the first group from an offset on whose trailer is authentic, None where there is none before `end`."""
    for place in occurrences(read, GROUP_MAGIC, at, end):
        found = group_at(read, suite, journal_id, keys, place)
        if found is not None and found.chain:
            return found
    return None


def chain_before(read: Read, suite: Suite, journal_id: bytes, keys: JournalKeys, group: FoundGroup) -> bytes:
    """Return the chain value before a group, as the trailer before it has it; empty where that is not authentic."""
    trailer = read(group.at - TRAILER, TRAILER)
    try:
        verify_trailer(suite, trailer, group.number - 1, journal_id, keys)
    except VaultError:
        return b""
    return trailer[:DIGEST]


def continues(read: Read, suite: Suite, group: FoundGroup, chain: bytes) -> bool:
    """Return whether all bytes of a group are those that its authentic trailer covers, behind a chain value."""
    hasher = suite.hasher()
    hasher.update(chain)
    end = group.end - TRAILER
    for at in range(group.at, end, limits.MIB):
        hasher.update(read(at, min(limits.MIB, end - at)))
    return bool(chain) and group.chain == hasher.digest()
