"""Segments without keys: every byte against a hash, every hash against a root, every count against who states it.

What is damaged is looked at as it will be once it is healed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from vaultfs_format.audit import ENTRY, check_entries
from vaultfs_format.directory import HERE, FrameRow
from vaultfs_format.errors import DigestMismatch, FormatError, SlicesLost, Structure, VaultError
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.healing import Damage, Lost, SlicedFile, examine, heal
from vaultfs_format.searching import Read
from vaultfs_format.segment import FOOTER_SIZE, SUPERBLOCK_SIZE, SegmentFooter, SegmentHead
from vaultfs_format.superblock import Superblock

from vaultfs_tools.keyless.errors import (
    Disagreement,
    FileMissing,
    FileUnreadable,
    FooterDamaged,
    FooterLost,
    HeadOlder,
    LeavesDamaged,
    MirrorBehind,
    ParityDamaged,
    Property,
    SlicesDamaged,
)
from vaultfs_tools.keyless.files import CHUNK, Reader, VaultFiles, copy_name
from vaultfs_tools.keyless.findings import Parity, Report
from vaultfs_tools.keyless.footers import Known, Side, choose, unlike
from vaultfs_tools.keyless.mirrors import Pair, opened
from vaultfs_tools.keyless.rows import read_rows

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Audited:
    """A segment of audit entries, and its footer: where they lie, and which leaves of the tree they are."""

    name: str
    footer: SegmentFooter


class Lenient:
    """Reads a file of which parts cannot be read.

    Attributes
    ----------
    size
        Bytes of the file.
    error
        The last one that the device reported.
    """

    def __init__(self, file: Reader) -> None:
        self._file = file
        self.size = file.size
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


class Doubled:
    """A segment and its mirror, if it has one; where the segment is missing the mirror takes its place.

    Attributes
    ----------
    read, size
        The segment.
    mirror
        Its mirror; None where there is none, or where it takes the place of the segment.
    missing
        Whether it does.
    """

    def __init__(self, pair: Pair) -> None:
        self.read, self.size, self.missing = Lenient(pair.main), pair.main.size, pair.file is None
        self.mirror = Lenient(pair.mirror) if pair.file is not None and pair.mirror is not None else None

    def sides(self) -> list[Side]:
        """Return what there is, for those who look for a footer."""
        return [Side(one, one.size) for one in (self.read, self.mirror) if one is not None]

    def sliced(self, footer: SegmentFooter) -> SlicedFile:
        """Return the segment slice by slice."""
        mirror = self.mirror
        return SlicedFile(self.read, footer, None if mirror is None else lambda: mirror)


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

    def check(self, name: str, head: Head | None, row: SegmentRow | None, *, mirrored: bool = False) -> Audited | None:
        """Check a segment against the head's row, or against itself where no head is good.

        Parameters
        ----------
        mirrored
            Whether it must have a mirror.

        Returns
        -------
        Audited or None
            For class audit, if the footer is good.
        """
        try:
            with opened(self._files, name) as pair:
                return self._check(Doubled(pair), Known(name, row, self._vault), head, mirrored=mirrored)
        except VaultError as error:
            self._report.add(error, name)
        return None

    def _check(self, found: Doubled, known: Known, head: Head | None, *, mirrored: bool) -> Audited | None:
        report, name = self._report, known.name
        report.segments += 1
        footer, right = choose(found.sides(), known)
        remedy = Parity(name, footer) if footer is not None and right else None
        if found.missing:
            report.add(FileMissing(structure=Structure.SEGMENT), name, remedy=remedy)
        superblock = _superblock(found.read)
        about = footer.head if footer else superblock
        if about and head:
            for stated in _strange(about, head):
                report.add(stated, name, 0)
        if footer is None:
            lost: VaultError = found.read.error or FooterLost(structure=Structure.SEGMENT)
            report.add(lost, name, max(0, found.size - FOOTER_SIZE))
            return None
        self._identity(footer, known)
        if known.row is not None and footer.length != known.row.length:
            return None  # it is another segment, of whatever size
        damage, gone = self._bytes(found, footer, remedy, name, mirrored=mirrored)
        if superblock and superblock != footer.head and not damage:
            report.add(_differs(Property.SUPERBLOCK_COPY), name)
        if gone:
            return None
        self._directory(found.sliced(footer).read_good if damage.slices else found.read, name, footer)
        return Audited(name, footer) if footer.head.frame_class is FrameClass.AUDIT else None

    def _identity(self, footer: SegmentFooter, known: Known) -> None:
        """Compare a footer with what the head says of the segment, and check who has signed it."""
        if known.row:
            for stated in unlike(footer, known.row):
                self._report.add(_differs(stated), known.name)
        try:
            known.verify(footer)
        except VaultError as error:
            self._report.add(error, known.name, footer.footer_offsets[1])

    def _bytes(
        self, found: Doubled, footer: SegmentFooter, remedy: Parity | None, name: str, *, mirrored: bool
    ) -> tuple[Damage, set[int]]:
        """Look at every byte of a segment and of its mirror; return what of the segment is damaged, and is lost."""
        report, copy = self._report, copy_name(name)
        of_mirror = None if remedy is None else replace(remedy, target=copy)
        damage, gone = self._sliced(name, found.sliced(footer), found.size, remedy)
        if found.read.error is not None:
            report.add(found.read.error, name, remedy=None if gone else remedy)
        if found.mirror is not None:
            self._sliced(copy, SlicedFile(found.mirror, footer, lambda: found.read), found.mirror.size, of_mirror)
        elif mirrored and not found.missing:
            report.add(MirrorBehind(structure=Structure.SEGMENT), copy, remedy=None if gone else of_mirror)
        return damage, gone

    def _sliced(self, name: str, sliced: SlicedFile, size: int, remedy: Parity | None) -> tuple[Damage, set[int]]:
        """Look at every byte of a copy of a segment; return its damage, and the slices that nothing gives back."""
        damage = examine(sliced, size, self._advance)
        self._report.checked += min(size, sliced.footer.length)
        lost = {number for one in heal(sliced, damage) if isinstance(one, Lost) for number in one.slices}
        self._damaged(name, sliced, damage, lost, None if lost else remedy)
        return damage, lost

    def _damaged(self, name: str, file: SlicedFile, damage: Damage, lost: set[int], remedy: Parity | None) -> None:
        """Report what is damaged, and whether it can be healed from what is good."""
        report, footer, border = self._report, file.footer, file.geometry.slices
        size = file.geometry.slice_size
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
    with opened(files, audited.name) as pair:
        sliced = Doubled(pair).sliced(audited.footer)
        step, length = CHUNK // ENTRY.size * ENTRY.size, audited.footer.audit_length
        for at in range(0, length, step):
            data = sliced.read_good(audited.footer.audit_offset + at, min(step, length - at))
            check_entries(data)
            for start in range(0, len(data), ENTRY.size):
                yield data[start : start + ENTRY.size]


def _differs(stated: Property) -> Disagreement:
    return Disagreement(structure=Structure.SEGMENT, property=stated)


def _strange(about: SegmentHead, head: Head) -> Iterator[VaultError]:
    """Yield what does not belong under this head."""
    if about.suite is not head.suite:
        yield _differs(Property.SUITE)
    if about.vault_id != head.vault_id:
        yield _differs(Property.VAULT_ID)
    if about.epoch > head.epoch:
        yield _differs(Property.EPOCH)
    if about.generation >= head.generation:
        yield HeadOlder(structure=Structure.SEGMENT, generation=about.generation, head=head.generation)


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
