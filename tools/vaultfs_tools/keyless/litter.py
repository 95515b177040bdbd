"""Files that the head does not name: what an interrupted write left, what an old head forgot, and strangers.

Names of files that do not follow the vault's pattern may hold data. They are counted, never told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from vaultfs_format.copymark import CopyMark
from vaultfs_format.errors import DigestMismatch, Fact, Structure, VaultError
from vaultfs_format.essentials import README, ZDICT
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head
from vaultfs_format.healing import find_footer
from vaultfs_format.segment import SUPERBLOCK_SIZE, SegmentFooter, SegmentHead

from vaultfs_tools.keyless import files as names
from vaultfs_tools.keyless.errors import (
    CopyingUnfinished,
    Disagreement,
    FileMissing,
    Foreign,
    HeadOlder,
    Leftover,
    MirrorBehind,
    NotNamed,
    PartHeadTorn,
    Property,
    SettlingUnfinished,
    Superseded,
)
from vaultfs_tools.keyless.files import VaultFiles
from vaultfs_tools.keyless.findings import Mirrored, Report, Severity
from vaultfs_tools.keyless.journals import Journal
from vaultfs_tools.keyless.naming import directory_of, is_known, is_unfinished, segment_in
from vaultfs_tools.keyless.rows import read_rows

_STRUCTURELESS = frozenset({names.LOCK, names.RESERVE, README, ZDICT})


_APART = (f"{names.ACTS}/", f"{names.RETIRED}/", f"{names.copy_name(names.RETIRED)}/")
"""Beginnings of the names of files that are looked at elsewhere."""


def has_structure(name: str) -> bool:
    """Return whether a file of this name is one that the format describes."""
    return name not in _STRUCTURELESS and is_known(name)


def is_vaults(name: str) -> bool:
    """Return whether a file of this name is what a copy of a vault may hold, and a newer one may not."""
    return has_structure(name) and not name.startswith(f"{names.ACTS}/")


def check_parts(files: VaultFiles, report: Report, head: Head, journals: Sequence[Journal]) -> set[str]:
    """Check the open blob segments that live journals name; return the names of the files that hold their bodies."""
    found: set[str] = set()
    ends: dict[bytes, int] = {}
    for journal in journals:
        for segment_id, end in journal.scan.parts.items() if journal.scan else ():
            ends[segment_id] = max(end, ends.get(segment_id, 0))
    for segment_id, end in ends.items():
        name = names.part_name(segment_id)
        found.add(name)
        if files.size(names.copy_name(name)) < end:
            report.add(MirrorBehind(structure=Structure.SEGMENT), names.copy_name(name), remedy=Mirrored(name))
        try:
            found.add(_check_part(files, report, head, segment_id, end))
        except VaultError as error:
            report.add(error, name)
    return found


def _check_part(files: VaultFiles, report: Report, head: Head, segment_id: bytes, end: int) -> str:
    name = names.part_name(segment_id)
    try:
        data, size = _beginning(files, name)
    except FileMissing as error:
        # Settling gives the file its final name, with all bodies in place, before the head names it.
        sealed = [one for one in files.walk() if segment_in(one) == segment_id.hex()]
        if not sealed and files.size(names.copy_name(name)) < end:
            raise
        if not sealed:
            report.add(error, name, remedy=Mirrored(name))
            return name
        name = sealed[0]
        data, size = _beginning(files, name)
    try:
        about = SegmentHead.decode(data)
    except DigestMismatch:
        # A settling that was cut off was writing it anew.
        report.add(PartHeadTorn(structure=Structure.SEGMENT), name, 0)
    else:
        for stated, value, expected in (
            (Property.SUITE, about.suite, head.suite),
            (Property.VAULT_ID, about.vault_id, head.vault_id),
            (Property.FILE_ID, about.segment_id, segment_id),
        ):
            if value != expected:
                report.add(Disagreement(structure=Structure.SEGMENT, property=stated), name, 0)
    if size < end:
        short = Disagreement(structure=Structure.SEGMENT, property=Property.PART_LENGTH)
        report.add(short, name, size, Mirrored(name) if files.size(names.copy_name(name)) >= end else None)
    return name


def _beginning(files: VaultFiles, name: str) -> tuple[bytes, int]:
    with files.open(name) as file:
        return file.read(0, min(SUPERBLOCK_SIZE, file.size)), file.size


def check_litter(
    files: VaultFiles, report: Report, head: Head, journals: Sequence[Journal], parts: Collection[str]
) -> None:
    """Report every file that the head and the journals do not name."""
    tables = {names.table_name(row) for row in head.segments}
    segments = {names.segment_name(row) for row in head.segments}
    ring, block = names.keyring_name(head.epoch), names.superblock_name(head.superblock_generation)
    live = {journal.name for journal in journals}
    paired = {names.HEAD, names.MARK, ring, block} | tables
    paired |= live | set(parts) | segments
    named = {*_STRUCTURELESS, *paired, *map(names.copy_name, paired)}
    # A journal that cannot be read may name any part file.
    bad = (Severity.ERROR, Severity.UNSUPPORTED)
    unsure = any(one.severity in bad and one.file.startswith(f"{names.JOURNALS}/") for one in report.findings)
    judge = _Judge(head, bool(journals), _is_copy(files))
    strangers: Counter[str] = Counter()
    # What merging has taken in is removed tables first, so that a table without a segment is never of that kind.
    merged = _Merged(files, head)
    strays = {
        segment_id
        for name in files.walk()
        if name not in named and (segment_id := segment_in(name)) and merged.holds(name)
    }
    for name in files.walk():
        if name in named or name.startswith(_APART):
            continue
        if is_unfinished(name):
            report.add(Leftover(), name)
        elif not is_known(name):
            strangers[directory_of(name)] += 1
        elif name.endswith(".vseg"):
            _stray_segment(files, report, judge, name, merged)
        elif ".vkey." in name:
            report.add(judge.table(name, strays), name)
        elif name.endswith(".part"):
            if not unsure:
                report.add(Leftover(structure=Structure.SEGMENT), name)
        elif not name.removeprefix(f"{names.COPIES}/").startswith(names.JOURNALS):
            report.add(_other_generation(head, name), name)
    for directory, count in sorted(strangers.items()):
        report.add(Foreign(files=count), directory)


def _is_copy(files: VaultFiles) -> bool:
    """Return whether the directory is marked as a copy of a vault."""
    for name in (names.MARK, names.copy_name(names.MARK)):
        with suppress(VaultError):
            CopyMark.decode(files.read(name))
            return True
    return False


@dataclass(frozen=True, slots=True)
class _Judge:
    """Tells what a segment or key table is that the head does not name."""

    head: Head
    journals: bool
    copy: bool

    def unnamed(self, written: int | None = None, **facts: Fact) -> VaultError:
        """Return what a file is that was `written` under the head of a generation, as far as that is known."""
        if self.copy:
            return CopyingUnfinished(**facts)
        if written is not None and written > self.head.generation:
            return HeadOlder(**facts)
        if written in {None, self.head.generation} and self.journals:
            return SettlingUnfinished(**facts)
        return NotNamed(**facts)

    def table(self, name: str, strays: Collection[str]) -> VaultError:
        """Return what a key table is.

        Parameters
        ----------
        strays
            Segments that the head does not name, and others have taken in.
        """
        segment, _, epoch = name.rpartition("/")[2].split(".")
        rows = {row.segment_id.hex(): row for row in self.head.segments}
        kind = Structure.KEY_TABLE
        if segment in rows and int(epoch) < rows[segment].table_epoch:
            return Superseded(structure=kind)
        if segment in rows or int(epoch) > self.head.epoch:
            return Leftover(structure=kind)  # of a turn that never ended
        merged = segment in strays and not self.journals
        return Superseded(structure=kind) if merged else self.unnamed(structure=kind)


class _Merged:
    """Tells segments that nobody needs: the head names others that hold all of their frames, or they were pruned.

    The last settling has written these; or, where the mirror of a segment is left alone, any that is in force: the
    place of the mirror was not there when the segment was removed.
    """

    def __init__(self, files: VaultFiles, head: Head) -> None:
        self._files = files
        self._head = head
        self._taken: dict[tuple[FrameClass, bool], set[bytes]] = {}

    def holds(self, name: str) -> bool:
        """Return whether a segment is of an earlier head, and all its frames are in one in force, or it was pruned."""
        try:
            about = SegmentHead.decode(_beginning(self._files, name)[0])
            if about.generation >= self._head.generation:
                return False
            if about.frame_class is FrameClass.AUDIT and self._footer(name).audited.stop <= self._head.first_leaf:
                return about.vault_id == self._head.vault_id
            wanted = about.frame_class, not self._is_left(name)
            if wanted not in self._taken:
                self._taken[wanted] = self._taken_in(*wanted)
            return self._frame_ids(name) <= self._taken[wanted]
        except VaultError:
            return False

    def _is_left(self, name: str) -> bool:
        original = name.removeprefix(f"{names.COPIES}/")
        return original != name and not self._files.size(original)

    def _taken_in(self, frame_class: FrameClass, lately: bool) -> set[bytes]:
        """Return the ids of all frames in segments of a class that are in force, or that the last settling wrote."""
        found: set[bytes] = set()
        for row in self._head.segments:
            name = names.segment_name(row)
            if row.frame_class is frame_class and (not lately or self._last(name)):
                found |= self._frame_ids(name)
        return found

    def _last(self, name: str) -> bool:
        return SegmentHead.decode(_beginning(self._files, name)[0]).generation == self._head.generation - 1

    def _footer(self, name: str) -> SegmentFooter:
        with self._files.open(name) as file:
            footer = find_footer(file.read, file.size)
        if footer is None:
            raise FileMissing(structure=Structure.SEGMENT)
        return footer

    def _frame_ids(self, name: str) -> set[bytes]:
        footer = self._footer(name)
        with self._files.open(name) as file:
            rows = read_rows(file.read, footer.directory_offset, footer.directory_length, footer.frames)
            return {row.header.frame_id for _, row in rows}


def _other_generation(head: Head, name: str) -> VaultError:
    """Judge a VAULT or keyring file that the head does not name by its number."""
    kind, _, number = name.removeprefix(f"{names.COPIES}/").partition(".")
    current = head.epoch if kind == "keyring" else head.superblock_generation
    return Superseded() if int(number) < current else Leftover()


def _stray_segment(files: VaultFiles, report: Report, judge: _Judge, name: str, merged: _Merged) -> None:
    """Judge a segment that the head does not name by the generation under which it was written, and by its frames."""
    try:
        about = SegmentHead.decode(_beginning(files, name)[0])
    except VaultError as error:
        report.add(error, name, 0)
        return
    generation, current = about.generation, judge.head.generation
    facts: dict[str, Fact] = {"structure": Structure.SEGMENT, "generation": generation, "head": current}
    if generation < current and merged.holds(name):
        report.add(Superseded(**facts), name)
    elif generation == current and about.epoch > judge.head.epoch:
        report.add(Leftover(**facts), name)
    else:
        report.add(judge.unnamed(generation, **facts), name)
