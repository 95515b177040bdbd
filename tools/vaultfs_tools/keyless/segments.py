"""Segments without keys: every byte against a hash, every hash against the root, every count against who states it.

What the slices cover is checked even where the footer is damaged: the length of the file gives where they end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY, check_entries
from vaultfs_format.directory import HERE
from vaultfs_format.errors import DigestMismatch, Structure, VaultError
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.segment import FOOTER_SIZE, SUPERBLOCK_SIZE, SegmentFooter, SegmentHead, slice_count, tree_root
from vaultfs_format.suite import DIGEST

from vaultfs_tools.keyless.files import CHUNK, Reader, VaultFiles
from vaultfs_tools.keyless.findings import (
    Disagreement,
    HeadOlder,
    LeavesDamaged,
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


class Scrubber:
    """Checks segments one after the other in one buffer.

    Parameters
    ----------
    report
        Takes the findings.
    advance
        Is told the bytes that were read.
    """

    def __init__(self, files: VaultFiles, report: Report, advance: Advance) -> None:
        self._files = files
        self._report = report
        self._advance = advance
        self._buffer = memoryview(bytearray(CHUNK))

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
        superblock = self._superblock(file, name)
        footer = self._footer(file, name)
        if superblock and footer and footer.head != superblock:
            report.add(_differs(Property.SUPERBLOCK_COPY), name)
        about = superblock or (footer.head if footer else None)
        if about and head:
            for stated in _strange(about, head):
                report.add(stated, name, 0)
        if footer and row:
            for stated in _unlike(footer, row):
                report.add(stated, name)
        if row and file.size != row.length:
            report.add(_differs(Property.LENGTH), name)
        if about:
            end = footer.leaves_offset if footer else _covered(row.length if row else file.size, about.slice_size)
            root = row.root if row else footer.root if footer else None
            self._slices(file, name, about, end, root)
        if footer:
            self._directory(file, name, footer)
            if footer.head.frame_class is FrameClass.AUDIT:
                return Audited(name, footer.audit_offset, footer.audit_length, footer.first_leaf)
        return None

    def _superblock(self, file: Reader, name: str) -> SegmentHead | None:
        try:
            return SegmentHead.decode(file.read(0, min(SUPERBLOCK_SIZE, file.size)))
        except VaultError as error:
            self._report.add(error, name, 0)
            return None

    def _footer(self, file: Reader, name: str) -> SegmentFooter | None:
        at = max(0, file.size - FOOTER_SIZE)
        try:
            return SegmentFooter.decode(file.read(at, file.size - at), file.size)
        except VaultError as error:
            self._report.add(error, name, at)
            return None

    # Slices.

    def _slices(self, file: Reader, name: str, about: SegmentHead, end: int, root: bytes | None) -> None:
        """Hash everything before the leaf hashes, and compare leaf by leaf and with the root."""
        if not 0 < end <= file.size - DIGEST * slice_count(end, about.slice_size):
            return
        computed = list(self._hashes(file, about, end))
        self._report.checked += end
        if root is not None and tree_root(about.suite, computed) == root:
            bad = self._compared(file, end, computed)
            if bad:
                self._report.add(
                    LeavesDamaged(structure=Structure.SEGMENT, leaves=len(bad)), name, end + DIGEST * bad[0]
                )
            return
        bad = self._compared(file, end, computed)
        for first, count in _runs(bad):
            damaged = SlicesDamaged(structure=Structure.SEGMENT, slice=first, slices=count, size=about.slice_size)
            self._report.add(damaged, name, first * about.slice_size)
        if not bad and root is not None:
            self._report.add(DigestMismatch(structure=Structure.SEGMENT), name, end)

    def _hashes(self, file: Reader, about: SegmentHead, end: int) -> Iterator[bytes]:
        index, size = 0, about.slice_size
        for at in range(0, end, CHUNK):
            view = self._buffer[: min(CHUNK, end - at)]
            file.into(view, at)
            for start in range(0, len(view), size):
                yield merkle.slice_leaf(about.suite, about.segment_id, index, view[start : start + size])
                index += 1
            self._advance(len(view))

    def _compared(self, file: Reader, at: int, computed: Sequence[bytes]) -> list[int]:
        """Return the numbers of the leaves that are not the ones stored at `at`."""
        stored = file.read(at, DIGEST * len(computed))
        return [i for i, leaf in enumerate(computed) if stored[i * DIGEST : (i + 1) * DIGEST] != leaf]

    # Directory and audit entries.

    def _directory(self, file: Reader, name: str, footer: SegmentFooter) -> None:
        report = self._report
        frames = entries = 0
        kind = footer.head.frame_class
        try:
            for at, row in read_rows(file, footer.directory_offset, footer.directory_length, footer.frames):
                frames += 1
                entries += row.header.entry_count
                end = row.body_offset + row.header.body_sealed
                within = row.body_offset >= SUPERBLOCK_SIZE and end <= footer.directory_offset
                if row.home != HERE or not within:
                    report.add(_differs(Property.PLACE), name, at)
                if row.header.frame_class is not kind:
                    report.add(_differs(Property.FRAME_CLASS), name, at)
        except VaultError as error:
            report.add(error, name, footer.directory_offset)
            return
        report.frames += frames
        report.entries += entries
        if entries != footer.entries:
            report.add(_differs(Property.ENTRIES), name)


def audit_entries(files: VaultFiles, audited: Audited) -> Iterator[bytes]:
    """Yield the encoded audit entries of a segment.

    Raises
    ------
    FormatError, FileUnreadable
    """
    with files.open(audited.name) as file:
        step = CHUNK // ENTRY.size * ENTRY.size
        for at in range(0, audited.length, step):
            data = file.read(audited.offset + at, min(step, audited.length - at))
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
        Property.YEARS: ((about.first_year, about.last_year), (row.first_year, row.last_year)),
        Property.FRAMES: (footer.frames, row.frames),
        Property.ENTRIES: (footer.entries, row.entries),
        Property.ROOT: (footer.root, row.root),
    }
    for stated, (found, expected) in pairs.items():
        if found != expected:
            yield _differs(stated)


def _covered(length: int, slice_size: int) -> int:
    """Return where the leaf hashes begin in a file of `length` bytes, from n slices, n leaf hashes and a footer."""
    rest = length - FOOTER_SIZE
    return rest - DIGEST * -(-rest // (slice_size + DIGEST))


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
