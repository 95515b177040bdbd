"""Segments as the head names them: what is read is checked slice by slice, and healed in memory where it is damaged."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from vaultfs_format import limits
from vaultfs_format.errors import SlicesLost
from vaultfs_format.head import SegmentRow
from vaultfs_format.healing import Damage, Lost, Right, SlicedFile, examine, find_footer, heal
from vaultfs_format.searching import Read, read_through
from vaultfs_format.segment import SegmentFooter

from vaultfs.engine.files.mirrors import Mirror
from vaultfs.engine.files.pairs import open_named
from vaultfs.engine.files.paths import Layout
from vaultfs.errors import StorageFailed, Unsupported, VaultDamaged, VaultError, VaultMissing
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
        Its bytes as they are: those of its mirror where the segment is missing.
    mirror
        Its mirror, which may be missing.
    missing
        Whether the segment is.
    footer
        Where everything lies in it.
    """

    def __init__(self, file: File, mirror: Mirror, right: Right, *, missing: bool) -> None:
        self.file = file
        self.mirror = mirror
        self.missing = missing
        self.footer: SegmentFooter = _footer_of(right, file, mirror)

    @cached_property
    def sliced(self) -> SlicedFile:
        """The file, slice by slice, by the leaf hashes that it holds."""
        mirror = self.mirror  # not by way of the segment, which would then refer to itself
        return SlicedFile(lenient(self.file), self.footer, lambda: mirror.read)

    @cached_property
    def mirrored(self) -> SlicedFile:
        """The mirror, slice by slice; what it lacks is taken from the file."""
        file = self.file
        return SlicedFile(self.mirror.read, self.footer, lambda: lenient(file))

    @property
    def healed(self) -> int:
        """How often a slice was given out that is not good in the file."""
        return self.sliced.healed

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes that slices cover, as they were written.

        Raises
        ------
        VaultDamaged
            Too much is damaged.
        """
        try:
            return self.sliced.read_good(offset, length)
        except SlicesLost:
            raise VaultDamaged from None

    def close(self) -> None:
        """Close the file and the mirror."""
        self.file.close()
        self.mirror.close()


def _footer_of(right: Right, file: File, mirror: Mirror) -> SegmentFooter:
    """Return the footer that the file or its mirror has, if it is the right one."""
    failure: VaultError = VaultDamaged()
    for read, size in ((lenient(file), file.size), (mirror.read, mirror.size)):
        try:
            footer = find_footer(read, size(), right)
        except Unsupported as error:
            failure = error
            continue
        if footer is not None:
            return footer
    raise failure


def stage_whole(vfs: Vfs, path: Path, sliced: SlicedFile, damage: Damage) -> Path:
    """Write a whole segment beside one that is damaged or missing, durably; return where.

    Parameters
    ----------
    sliced, damage
        The damaged file, and what of it is.

    Raises
    ------
    VaultDamaged
        Something is lost, or what was written is not the segment: nothing is left of it.
    StorageFull, StorageReadOnly, StorageFailed
        Nothing is left of it.
    """
    footer = sliced.footer
    temporary = path.with_suffix(".tmp")
    vfs.make_directory(path.parent)
    vfs.unlink(temporary)
    try:
        file = vfs.create(temporary)
    except BaseException:
        vfs.unlink(temporary)
        raise
    try:
        for at in range(0, footer.length, limits.MIB):
            length = min(limits.MIB, footer.length - at)
            file.append([read_through(sliced.read, at, length)], at)
        for patch in heal(sliced, damage):
            if isinstance(patch, Lost):
                raise VaultDamaged
            file.append([patch.data], patch.offset)
        file.sync()
        written = SlicedFile(file.read, footer)
        if not written.right(written.leaves) or examine(written, file.size()):
            raise VaultDamaged
    except BaseException:
        vfs.unlink(temporary)
        raise
    finally:
        file.close()
    return temporary


def write_whole(vfs: Vfs, path: Path, sliced: SlicedFile, damage: Damage) -> None:
    """Write a whole segment over one that is damaged or missing. Parameters and errors are those of `stage_whole`."""
    temporary = stage_whole(vfs, path, sliced, damage)
    try:
        vfs.rename(temporary, path)
    except BaseException:
        vfs.unlink(temporary)
        raise


def mirror_segment(vfs: Vfs, layout: Layout, row: SegmentRow) -> None:
    """Give a segment a mirror.

    Raises
    ------
    VaultDamaged, StorageFull, StorageReadOnly, StorageFailed
        It has none, or the one that it had.
    """
    segment = open_segment(vfs, layout, row)
    try:
        write_whole(vfs, layout.copy_of(layout.segment(row)), segment.sliced, Damage())
    except VaultDamaged:
        damage = examine(segment.sliced, segment.file.size())
        write_whole(vfs, layout.copy_of(layout.segment(row)), segment.sliced, damage)
    finally:
        segment.close()


def _opened_mirror(vfs: Vfs, path: Path, failure: StorageFailed) -> File:
    try:
        return vfs.open(path)
    except (VaultMissing, StorageFailed):
        raise failure from None


def open_segment(vfs: Vfs, layout: Layout, row: SegmentRow, right: Right = lambda _: True) -> SealedSegment:
    """Open a segment that the head names.

    Parameters
    ----------
    right
        Judges its footers, beyond what the head says of it.

    Raises
    ------
    VaultDamaged
        It is missing, is not the one that the head names, or nothing in it says where anything is; and no mirror helps.
    Unsupported
        It is of a newer kind, and no mirror helps.
    StorageFailed
        It cannot be opened, and no mirror helps.
    """
    path = layout.segment(row)
    mirror, missing = Mirror(vfs, layout.copy_of(path)), False
    try:
        file = vfs.open(path)
    except VaultMissing:
        file, missing = open_named(vfs, layout.copy_of(path)), True
    except StorageFailed as error:
        file, missing = _opened_mirror(vfs, layout.copy_of(path), error), True
    try:
        return SealedSegment(file, mirror, lambda one: row.names(one) and right(one), missing=missing)
    except BaseException:
        file.close()
        mirror.close()
        raise
