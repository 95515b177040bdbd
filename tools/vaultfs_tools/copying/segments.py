"""Segments on their way into a copy: read once, proved slice by slice, healed from whatever is good."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from vaultfs_format.errors import SlicesLost, Structure, VaultError
from vaultfs_format.head import SegmentRow
from vaultfs_format.healing import Damage, Patch, SlicedFile, examine, find_footer, heal
from vaultfs_format.searching import Read
from vaultfs_format.segment import SegmentFooter
from vaultfs_format.superblock import Superblock

from vaultfs_tools.copying.pace import Pace
from vaultfs_tools.keyless.durable import write_all
from vaultfs_tools.keyless.errors import FileMissing, FooterLost
from vaultfs_tools.keyless.files import CHUNK, Reader, VaultFiles
from vaultfs_tools.keyless.segments import Lenient

_SECTOR = 4096
"""Bytes that are read at a time around what the device does not give."""

Place = tuple[VaultFiles, str]
"""A directory, and the name of a file in it."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of a segment.

    Parameters
    ----------
    healed
        Slices, and copies of hashes and footers, that were damaged in the file it was made from and are not in it.
    problems
        What is wrong with it all the same.
    """

    healed: int
    problems: Sequence[VaultError] = ()


def make_segment(
    descriptor: int, places: Sequence[Place], row: SegmentRow, superblock: Superblock | None, pace: Pace
) -> Made:
    """Write a segment as it was sealed to an empty file; what no place gives back is written as the first one has it.

    The segment is immutable: whoever merges or removes it meanwhile takes its name, and not the bytes of what is open
    here. The first place is read once; what was written is proved, and healed, where it is.

    Parameters
    ----------
    places
        Where it may lie, the best first.
    superblock
        VAULT, which names the signers; None where it is not known.

    Raises
    ------
    FileMissing
        It is at none of the places.
    OSError
        The file cannot be written.
    """
    with ExitStack() as stack:
        readers = []
        for files, name in places:
            with suppress(VaultError):
                readers.append(stack.enter_context(files.open(name)))
        if not readers:
            raise FileMissing(structure=Structure.SEGMENT)
        written = Written(descriptor)
        for reader in readers:
            _fill(descriptor, reader, row.length, pace)
            footer = _footer(written, row)
            if footer is not None:
                break
        else:
            _fill(descriptor, readers[0], row.length, pace)
            return Made(0, [FooterLost(structure=Structure.SEGMENT)])
        healed, left = _heal(written, footer, [Lenient(reader) for reader in readers])
    return Made(healed, [*_lost(written, footer, left), *_unsigned(footer, superblock)])


def is_whole(files: VaultFiles, name: str, row: SegmentRow, pace: Pace) -> bool:
    """Return whether a file is a segment, every byte of it."""
    try:
        with files.open(name) as file:
            read = Lenient(file)
            footer = _footer(read, row) if file.size == row.length else None
            return footer is not None and not examine(SlicedFile(read, footer), row.length, pace)
    except VaultError:
        return False


class Written:
    """Reads the file that is being written."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __call__(self, offset: int, length: int) -> bytes:
        """Return the bytes at `offset`: fewer at the end."""
        pieces = []
        while length and (data := os.pread(self.descriptor, length, offset)):
            pieces.append(data)
            offset, length = offset + len(data), length - len(data)
        return b"".join(pieces)


def _fill(descriptor: int, reader: Reader, length: int, pace: Pace) -> None:
    """Write the first `length` bytes of a file; zeros where it has none, or the device does not give them."""
    read = Lenient(reader)
    os.ftruncate(descriptor, 0)
    for at in range(0, length, CHUNK):
        count = min(CHUNK, length - at)
        data = read(at, count)
        if len(data) == count:
            write_all(descriptor, data, at)
        else:
            for sector in range(at, at + count, _SECTOR):
                write_all(descriptor, read(sector, min(_SECTOR, at + count - sector)), sector)
        pace(count)
    os.ftruncate(descriptor, length)


def _footer(read: Read, row: SegmentRow) -> SegmentFooter | None:
    """Return the footer of the segment that the head names, if there is a good one."""
    footer = find_footer(read, row.length)
    if footer is None:
        return None
    about = footer.head
    found = (about.segment_id, about.frame_class, footer.length, footer.root)
    return footer if found == (row.segment_id, row.frame_class, row.length, row.root) else None


def _heal(written: Written, footer: SegmentFooter, others: Sequence[Read]) -> tuple[int, Damage]:
    """Write what is good over what is damaged: first what another place has, then what parity gives back."""
    sliced = SlicedFile(written, footer)
    damage = examine(sliced, footer.length)
    if not damage:
        return 0, damage
    before = _count(damage)
    for other in others:
        for number in damage.slices:
            data = other(sliced.offset_of(number), sliced.length_of(number))
            if sliced.good(number, data):
                write_all(written.descriptor, data, sliced.offset_of(number))
    sliced = SlicedFile(written, footer)
    for one in heal(sliced, examine(sliced, footer.length)):
        if isinstance(one, Patch):
            write_all(written.descriptor, one.data, one.offset)
    left = examine(SlicedFile(written, footer), footer.length)
    return before - _count(left), left


def _count(damage: Damage) -> int:
    return len(damage.slices) + len(damage.leaves) + len(damage.footers)


def _lost(written: Written, footer: SegmentFooter, left: Damage) -> Iterator[VaultError]:
    if left:
        size = SlicedFile(written, footer).geometry.slice_size
        first = left.slices[0] if left.slices else 0
        yield SlicesLost(structure=Structure.SEGMENT, slice=first, slices=len(left.slices), size=size)


def _unsigned(footer: SegmentFooter, superblock: Superblock | None) -> Iterator[VaultError]:
    if superblock is not None:
        try:
            footer.verify(superblock.signer(footer.signer))
        except VaultError as error:
            yield error
