"""Segments as the head names them: what is read is checked slice by slice, and healed in memory where it is damaged."""

from __future__ import annotations

from functools import cached_property

from vaultfs_format.errors import SlicesLost
from vaultfs_format.head import SegmentRow
from vaultfs_format.healing import SlicedFile, find_footer
from vaultfs_format.searching import Read
from vaultfs_format.segment import SegmentFooter

from vaultfs.engine.pairs import open_named
from vaultfs.engine.paths import Layout
from vaultfs.errors import StorageFailed, VaultDamaged
from vaultfs.vfs import File, Vfs


def lenient(file: File) -> Read:
    """Return what reads a file; where the device reports an error it gives nothing, which is damage like any other."""

    def read(offset: int, length: int) -> bytes:
        try:
            return file.read(offset, length)
        except StorageFailed:
            return b""

    return read


class SealedSegment:
    """An open segment.

    Attributes
    ----------
    file
        Its bytes as they are.
    footer
        Where everything lies in it.
    """

    def __init__(self, file: File, row: SegmentRow) -> None:
        self.file = file
        footer = find_footer(lenient(file), file.size())
        if footer is None or (footer.root, footer.frames, footer.head.segment_id) != (
            row.root,
            row.frames,
            row.segment_id,
        ):
            raise VaultDamaged
        self.footer: SegmentFooter = footer

    @cached_property
    def sliced(self) -> SlicedFile:
        """The file, slice by slice, by the leaf hashes that it holds."""
        return SlicedFile(lenient(self.file), self.footer)

    @cached_property
    def _right(self) -> bool:
        return self.sliced.right(self.sliced.leaves)

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes that slices cover, as they were written.

        Raises
        ------
        VaultDamaged
            Too much is damaged.
        """
        sliced = self.sliced
        if None not in sliced.leaves and not self._right:
            raise VaultDamaged
        try:
            return sliced.read_good(offset, length)
        except SlicesLost:
            raise VaultDamaged from None

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def open_segment(vfs: Vfs, layout: Layout, row: SegmentRow) -> SealedSegment:
    """Open a segment that the head names.

    Raises
    ------
    VaultDamaged
        It is missing, is not the one that the head names, or nothing in it says where anything is.
    """
    file = open_named(vfs, layout.segment(row))
    try:
        return SealedSegment(file, row)
    except BaseException:
        file.close()
        raise
