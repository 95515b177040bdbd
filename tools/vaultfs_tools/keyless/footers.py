"""Which footer of a segment is the right one: the head's row, the name of the file and the signature tell.

A segment has two footers, and its mirror two more. One that is damaged shows by itself; one that somebody has changed
has a right digest, and says of every byte what it likes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vaultfs_format.errors import VaultError
from vaultfs_format.head import SegmentRow
from vaultfs_format.healing import find_footer, footer_at
from vaultfs_format.searching import Read, occurrences
from vaultfs_format.segment import FOOTER_MAGIC, SegmentFooter
from vaultfs_format.superblock import Superblock

from vaultfs_tools.keyless.errors import Property
from vaultfs_tools.keyless.naming import id_in


class Side(NamedTuple):
    """A segment or its mirror, and the bytes of it."""

    read: Read
    size: int


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a segment before it is looked at.

    Parameters
    ----------
    name
        Of the file.
    row
        What the head says of it; None where no head is good.
    superblock
        VAULT, which names the signers; None where it is not known.
    """

    name: str
    row: SegmentRow | None = None
    superblock: Superblock | None = None

    def right(self, footer: SegmentFooter) -> bool:
        """Return whether nothing that is known speaks against a footer."""
        if self.row is not None and any(unlike(footer, self.row)):
            return False
        if self.row is None and id_in(self.name) not in {b"", footer.head.segment_id}:
            return False
        try:
            self.verify(footer)
        except VaultError:
            return False
        return True

    def verify(self, footer: SegmentFooter) -> None:
        """Check who has signed a footer, where the signers are known.

        Raises
        ------
        SignatureInvalid, FormatError
        """
        if self.superblock is not None:
            footer.verify(self.superblock.signer(footer.signer))

    def within(self, size: int) -> int:
        """Return how many bytes of a file of `size` bytes the segment can have."""
        return size if self.row is None else min(size, self.row.length)


def choose(sides: Sequence[Side], known: Known) -> tuple[SegmentFooter | None, bool]:
    """Return the footer of a segment, and whether it is known to be the right one.

    Parameters
    ----------
    sides
        The segment, and its mirror if it has one.

    Returns
    -------
    tuple
        Where no footer is right, any that is good; None where there is none.

    Raises
    ------
    Unsupported
        The segment is of a newer kind.
    """
    any_good = None
    for read, size in sides:
        for footer in _footers(read, known.within(size)):
            if known.right(footer):
                return footer, known.superblock is not None or _unrivalled(sides, footer)
            any_good = any_good or footer
    return any_good, False


def _footers(read: Read, size: int) -> Iterator[SegmentFooter]:
    """Yield the good footers of a file, the likeliest first."""
    first = find_footer(read, size)
    if first is not None:
        yield first
        for at in occurrences(read, FOOTER_MAGIC, 0, size):
            footer = footer_at(read, at)
            if footer is not None and footer != first:
                yield footer


def _unrivalled(sides: Sequence[Side], footer: SegmentFooter) -> bool:
    """Return whether every good footer says the same: without signers, nothing tells which of two is right."""
    found = [footer_at(read, at) for read, _ in sides for at in footer.footer_offsets]
    found += [find_footer(read, size) for read, size in sides]
    return all(one is None or one == footer for one in found)


def unlike(footer: SegmentFooter, row: SegmentRow) -> Iterator[Property]:
    """Yield what the head's row states otherwise."""
    about = footer.head
    pairs = {
        Property.FILE_ID: (about.segment_id, row.segment_id),
        Property.FRAME_CLASS: (about.frame_class, row.frame_class),
        Property.DISPOSITION: (about.disposition, row.disposition),
        Property.LENGTH: (footer.length, row.length),
        Property.YEARS: ((about.first_year, about.last_year), (row.first_year, row.last_year)),
        Property.FRAMES: (footer.frames, row.frames),
        Property.ENTRIES: (footer.entries, row.entries),
        Property.ROOT: (footer.root, row.root),
    }
    yield from (stated for stated, (found, expected) in pairs.items() if found != expected)
