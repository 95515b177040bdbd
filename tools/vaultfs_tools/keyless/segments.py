"""Segments without keys: every byte against a hash, every hash against a root, every count against who states it.

What is damaged is looked at as it will be once it is healed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vaultfs_format.audit import ENTRY, check_entries
from vaultfs_format.directory import HERE, FrameRow
from vaultfs_format.errors import DigestMismatch, FormatError, SlicesLost, Structure, VaultError
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.healing import Damage, Lost, SlicedFile, examine, find_footer, heal
from vaultfs_format.searching import Read
from vaultfs_format.segment import FOOTER_SIZE, SUPERBLOCK_SIZE, SegmentFooter, SegmentHead
from vaultfs_format.superblock import Superblock

from vaultfs_tools.keyless.files import CHUNK, Reader, VaultFiles
from vaultfs_tools.keyless.findings import (
    Disagreement,
    FileUnreadable,
    FooterDamaged,
    FooterLost,
    HeadOlder,
    LeavesDamaged,
    Parity,
    ParityDamaged,
    Property,
    Report,
    SlicesDamaged,
)
from vaultfs_tools.keyless.rows import read_rows

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Audited:
    """The audit entries of a segment: where they lie, and which leaves of the tree they are."""

    name: str
    offset: int
    length: int
    first_leaf: int


class Lenient:
    """Reads a file of which parts cannot be read.

    Attributes
    ----------
    error
        The last one that the device reported.
    """

    def __init__(self, file: Reader) -> None:
        self._file = file
        self.error: FileUnreadable | None = None

    def __call__(self, offset: int, length: int) -> bytes:
        """Return the bytes at `offset`: fewer at the end, none where the device reports an error."""
        there = min(length, self._file.size - offset)
        if there <= 0:
            return b""
        try:
            return self._file.read(offset, there)
        except FileUnreadable as error:
            self.error = error
            return b""


class Scrubber:
    """Checks segments one after the other in one buffer.

    Parameters
    ----------
    report
        Takes the findings.
    advance
        Is told the bytes that were read.
    superblock
        VAULT, which names the signers; None where it is not known.
    """

    def __init__(
        self, files: VaultFiles, report: Report, advance: Advance, superblock: Superblock | None = None
    ) -> None:
        self._files = files
        self._vault = superblock
        self._report = report
        self._advance = advance

    def check(self, name: str, head: Head | None, row: SegmentRow | None) -> Audited | None:
        """Check a segment against the head's row, or against itself where no head is good.

        Returns
        -------
        Audited or None
            For class audit, if the footer is good.
        """
        try:
            with self._files.open(name) as file:
                return self._check(file, name, head, row)
        except VaultError as error:
            self._report.add(error, name)
        return None

    def _check(self, file: Reader, name: str, head: Head | None, row: SegmentRow | None) -> Audited | None:
        report = self._report
        report.segments += 1
        read = Lenient(file)
        superblock = _superblock(read)
        footer = find_footer(read, file.size)
        about = footer.head if footer else superblock
        if about and head:
            for stated in _strange(about, head):
                report.add(stated, name, 0)
        if footer is None:
            found: VaultError = read.error or FooterLost(structure=Structure.SEGMENT)
            report.add(found, name, max(0, file.size - FOOTER_SIZE))
            return None
        if row:
            for stated in _unlike(footer, row):
                report.add(stated, name)
        if self._vault is not None:
            try:
                footer.verify(self._vault.signer(footer.signer))
            except VaultError as error:
                report.add(error, name, footer.footer_offsets[1])
        sliced = SlicedFile(read, footer)
        damage = examine(sliced, file.size, self._advance)
        report.checked += file.size
        lost = {number for one in heal(sliced, damage) if isinstance(one, Lost) for number in one.slices}
        self._damaged(name, sliced, damage, lost)
        if read.error is not None:
            report.add(read.error, name)
        if superblock and superblock != footer.head and not damage:
            report.add(_differs(Property.SUPERBLOCK_COPY), name)
        if not lost:
            self._directory(sliced.read_good if damage.slices else read, name, footer)
        if footer.head.frame_class is FrameClass.AUDIT and not lost:
            return Audited(name, footer.audit_offset, footer.audit_length, footer.first_leaf)
        return None

    def _damaged(self, name: str, file: SlicedFile, damage: Damage, lost: set[int]) -> None:
        """Report what is damaged, and whether it can be healed from what is good."""
        report, footer, border = self._report, file.footer, file.geometry.slices
        size = file.geometry.slice_size
        remedy = None if lost else Parity(name)
        for first, count in _runs([number for number in damage.slices if number not in lost and number < border]):
            found = SlicesDamaged(structure=Structure.SEGMENT, slice=first, slices=count, size=size)
            report.add(found, name, file.offset_of(first), remedy)
        for first, count in _runs(sorted(number for number in lost if number < border)):
            gone = SlicesLost(structure=Structure.SEGMENT, slice=first, slices=count, size=size)
            report.add(gone, name, file.offset_of(first))
        for first, count in _runs([number for number in damage.slices if number >= border]):
            parity = ParityDamaged(structure=Structure.SEGMENT, slices=count, size=size)
            report.add(parity, name, file.offset_of(first), remedy)
        if damage.roots:
            report.add(DigestMismatch(structure=Structure.SEGMENT), name, footer.leaves_offset)
        for copy in damage.leaves:
            report.add(LeavesDamaged(structure=Structure.SEGMENT), name, footer.leaves_offsets[copy], remedy)
        for copy in damage.footers:
            report.add(FooterDamaged(structure=Structure.SEGMENT), name, footer.footer_offsets[copy], remedy)
        if damage.length:
            report.add(_differs(Property.LENGTH), name, None, remedy)

    # Directory and audit entries.

    def _directory(self, read: Read, name: str, footer: SegmentFooter) -> None:
        report = self._report
        frames = entries = 0
        kind, bodies, placed = footer.head.frame_class, _Bodies(footer), True
        try:
            for at, row in read_rows(read, footer.directory_offset, footer.directory_length, footer.frames):
                frames += 1
                entries += row.header.entry_count
                misplaced = not bodies.right(row)
                placed = placed and not misplaced
                if misplaced:
                    report.add(_differs(Property.PLACE), name, at)
                if row.header.frame_class is not kind:
                    report.add(_differs(Property.FRAME_CLASS), name, at)
        except VaultError as error:
            report.add(error, name, footer.directory_offset)
            return
        report.frames += frames
        report.entries += entries
        if placed and not bodies.complete():
            report.add(_differs(Property.PLACE), name, footer.directory_offset)
        if entries != footer.entries:
            report.add(_differs(Property.ENTRIES), name)


def _superblock(read: Lenient) -> SegmentHead | None:
    """Return the superblock; one that is damaged is a damaged slice.

    Raises
    ------
    Unsupported
        The segment is of a newer kind: nothing of it can be told to be damaged.
    """
    try:
        return SegmentHead.decode(read(0, SUPERBLOCK_SIZE))
    except FormatError:
        return None


class _Bodies:
    """Judges where the bodies of a segment lie, row by row."""

    def __init__(self, footer: SegmentFooter) -> None:
        self._scattered = footer.head.frame_class is FrameClass.BLOB
        self._end = footer.directory_offset
        self._next = SUPERBLOCK_SIZE
        self._spans: list[tuple[int, int]] = []

    def right(self, row: FrameRow) -> bool:
        """Return whether the body of the next row lies where it may."""
        start, end = row.body_offset, row.body_offset + row.header.body_sealed
        if row.home != HERE or start < SUPERBLOCK_SIZE or end > self._end:
            return False
        if self._scattered:
            self._spans.append((start, end))
            return True
        follows, self._next = start == self._next, end
        return follows

    def complete(self) -> bool:
        """Return whether all bodies together fill their section, or where they may have gaps, do not overlap."""
        if not self._scattered:
            return self._next == self._end
        self._spans.sort()
        return all(end <= start for (_, end), (start, _) in pairwise(self._spans))


def audit_entries(files: VaultFiles, audited: Audited) -> Iterator[bytes]:
    """Yield the encoded audit entries of a segment.

    Raises
    ------
    FormatError, FileUnreadable
    """
    with files.open(audited.name) as file:
        read = Lenient(file)
        footer = find_footer(read, file.size)
        if footer is None:
            raise SlicesLost(structure=Structure.SEGMENT)
        sliced = SlicedFile(read, footer)
        step = CHUNK // ENTRY.size * ENTRY.size
        for at in range(0, audited.length, step):
            data = sliced.read_good(audited.offset + at, min(step, audited.length - at))
            check_entries(data)
            for start in range(0, len(data), ENTRY.size):
                yield data[start : start + ENTRY.size]


def _differs(stated: Property) -> Disagreement:
    return Disagreement(structure=Structure.SEGMENT, property=stated)


def _strange(about: SegmentHead, head: Head) -> Iterator[VaultError]:
    """Yield what does not belong under this head."""
    if about.vault_id != head.vault_id:
        yield _differs(Property.VAULT_ID)
    if about.epoch > head.epoch:
        yield _differs(Property.EPOCH)
    if about.generation >= head.generation:
        yield HeadOlder(structure=Structure.SEGMENT, generation=about.generation, head=head.generation)


def _unlike(footer: SegmentFooter, row: SegmentRow) -> Iterator[VaultError]:
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
    for stated, (found, expected) in pairs.items():
        if found != expected:
            yield _differs(stated)


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield runs of consecutive numbers as first and count."""
    first = count = 0
    for number in numbers:
        if count and number == first + count:
            count += 1
            continue
        if count:
            yield first, count
        first, count = number, 1
    if count:
        yield first, count
