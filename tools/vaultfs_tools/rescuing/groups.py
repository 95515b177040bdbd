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
from vaultfs_format.suite import DIGEST, Suite

from vaultfs_tools.rescuing.reading import File


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


@dataclass(frozen=True, slots=True, repr=False)
class GroupReader:
    """Reads the groups of a journal from a file that may be a copy of it."""

    read: File
    suite: Suite
    journal_id: bytes
    keys: JournalKeys

    def at(self, offset: int) -> FoundGroup | None:
        """Return the group at an offset, None where its header does not follow the format."""
        start = self.read(offset, GROUP.size)
        try:
            sizes = group_sizes(start)
            _, _, kind, _, number, *_, salt = GROUP.unpack(start)
        except VaultError:
            return None
        chain = self._chain(offset + sizes.total, number)
        return FoundGroup(offset, sizes, number, kind == GroupKind.CLOSING, salt, chain)

    def next(self, offset: int, end: int) -> FoundGroup | None:
        """Return the first group between two offsets whose trailer is authentic, None where there is none."""
        groups = (self.at(place) for place in self.read.occurrences(GROUP_MAGIC, offset, end))
        return next((group for group in groups if group is not None and group.chain), None)

    def chain_before(self, group: FoundGroup) -> bytes:
        """Return the chain value before a group, as the trailer before it has it; empty where that is not authentic."""
        return self._chain(group.at, group.number - 1)

    def _chain(self, end: int, number: int) -> bytes:
        """Return the chain value in the trailer that ends at an offset; empty where it is not authentic."""
        trailer = self.read(end - TRAILER, TRAILER)
        try:
            verify_trailer(self.suite, trailer, number, self.journal_id, self.keys)
        except VaultError:
            return b""
        return trailer[:DIGEST]

    def continues(self, group: FoundGroup, chain: bytes) -> bool:
        """Return whether all bytes of a group are those that its authentic trailer covers, behind a chain value."""
        hasher = self.suite.hasher()
        hasher.update(chain)
        end = group.end - TRAILER
        for at in range(group.at, end, limits.MIB):
            hasher.update(self.read(at, min(limits.MIB, end - at)))
        return bool(chain) and group.chain == hasher.digest()

    def frame_keys(self, group: FoundGroup) -> list[bytes]:
        """Return the keys of all frames in row order: their seal proves number and salt of the group.

        Raises
        ------
        DecryptionFailed
        """
        if not group.sizes.frames:
            return []
        sealed = self.read(group.at + group.sizes.keys_offset, group.sizes.keys)
        return open_group_keys(self.suite, self.journal_id, self.keys, group.number, group.salt, sealed)

    def parts(self, group: FoundGroup) -> list[tuple[bytes, int]]:
        """Return the open blob segments that a group names, and up to where they were durable."""
        data = self.read(group.at + GROUP.size, group.sizes.parts * PART.size)
        return [tuple(row) for row in PART.struct.iter_unpack(data[: len(data) - len(data) % PART.size])]
