"""One turn: everything that a head names is copied into the target, under names that do not count yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from vaultfs_format.copymark import CopyKind
from vaultfs_format.errors import Structure, VaultError
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.segment import SUPERBLOCK_SIZE
from vaultfs_format.suite import DIGEST
from vaultfs_format.superblock import Superblock

from vaultfs_tools.copying import admission
from vaultfs_tools.copying.journals import Live, access_journals, as_copied, look, stage_access, stage_journal
from vaultfs_tools.copying.pace import Pace
from vaultfs_tools.copying.parts import Span, copy_part
from vaultfs_tools.copying.segments import Made, is_whole, make_segment
from vaultfs_tools.copying.small import (
    InForce,
    Small,
    first_readable,
    head_in,
    keyring_file,
    read_small,
    retired_files,
    superblock_file,
    table_file,
)
from vaultfs_tools.copying.target import Target
from vaultfs_tools.copying.unlinked import Unlinked
from vaultfs_tools.keyless.access import check_access
from vaultfs_tools.keyless.errors import CopyStale, FileMissing, SlicesDamaged
from vaultfs_tools.keyless.files import HEAD, MARK, copy_name, part_name, segment_name
from vaultfs_tools.keyless.findings import Finding, Report, Severity
from vaultfs_tools.keyless.heads import check_head, check_signer

_BAD = frozenset({Severity.ERROR, Severity.UNSUPPORTED})


class Source(NamedTuple):
    """What is copied.

    Parameters
    ----------
    keys
        Where head, VAULT, keyring and key tables are taken from: the vault itself, or a key bundle.
    files
        The vault.
    """

    keys: Unlinked
    files: Unlinked

    @classmethod
    def of_vault(cls, vault: Path) -> Source:
        """Return a vault as what is copied."""
        files = Unlinked(vault, copies=True)
        return cls(files, files)

    @classmethod
    def of_copy(cls, copy: Path, bundle: Path | None = None) -> Source:
        """Return a copy as what is restored, with the keys of a bundle if there is one."""
        return cls(Unlinked(bundle or copy), Unlinked(copy))

    def heads(self) -> tuple[InForce, InForce]:
        """Return the head that is copied, and that of the vault: while both stay, nothing that they need goes."""
        return head_in(self.keys), head_in(self.files)


@dataclass(frozen=True, slots=True)
class Options:
    """How to copy.

    Parameters
    ----------
    verify
        Look at every byte that the copy has already; else a segment of the right name and length is taken for good, and
        of a part file what the journals of the copy name.
    allow_older
        Copy a vault that is older than the copy. While that is done, a kill leaves neither the one nor the other.
    signer
        Fingerprint of the signer that the vault must have; None for the one that has signed the copy's head, or where
        there is none yet, for the one that VAULT names.
    """

    kind: CopyKind = CopyKind.WHOLE
    verify: bool = False
    allow_older: bool = False
    signer: bytes | None = None


@dataclass(slots=True)
class Turn:
    """What one turn has found to copy, but for the live journals.

    Parameters
    ----------
    small
        VAULT, keyring and key tables that are written with the head, by their names.
    segments, access
        Names of files, by those under which they wait.
    keep
        Names of all files that the copy needs then.
    """

    head: Head
    data: bytes
    report: Report = field(default_factory=Report)
    small: dict[str, bytes] = field(default_factory=dict)
    segments: dict[str, str] = field(default_factory=dict)
    access: dict[str, str] = field(default_factory=dict)
    keep: set[str] = field(default_factory=set)
    copied: int = 0

    def errors(self) -> list[tuple[str, int]]:
        """Return what could not be copied as it must be."""
        return _errors(self.report)


@dataclass(slots=True)
class Journaled:
    """What one look at the live journals has found to copy: they, and the part files that they name.

    Parameters
    ----------
    staged
        Names of journals, by those under which they wait.
    keep
        Names of all files that the copy needs for them.
    """

    live: Live = field(default_factory=lambda: Live([], Report()))
    report: Report = field(default_factory=Report)
    staged: dict[str, str] = field(default_factory=dict)
    keep: set[str] = field(default_factory=set)

    def errors(self) -> list[tuple[str, int]]:
        """Return what could not be copied as it must be."""
        return _errors(self.report)


def _errors(report: Report) -> list[tuple[str, int]]:
    return [(one.file, one.error.code) for one in report.findings if one.severity in _BAD]


class Gatherer:
    """Copies what heads name; what was copied in one turn serves the next.

    Parameters
    ----------
    pace
        Is told the bytes that are read.
    present
        The head of the copy, None where it has none yet.
    verify
        Whether what the copy has is looked at, too.

    Attributes
    ----------
    have
        The live journals of the copy.
    """

    def __init__(
        self, source: Source, target: Target, options: Options, pace: Pace, present: InForce | None, *, verify: bool
    ) -> None:
        self._source = source
        self._target = target
        self._options = options
        self._pace = pace
        self._present = present
        self._verify = verify
        self.have = look(target.files, present.head, Pace()) if present else Live([], Report())
        self._made: dict[bytes, Made] = {}
        self._parts: dict[bytes, int] = {}
        self._whole: set[bytes] = set()
        """Segments of the copy that were found whole in this run."""

    def gather(self, inforce: InForce) -> Turn:
        """Copy what a head names, but for the journals.

        Raises
        ------
        SourceOlder, SignerUnknown, SignatureInvalid, SourceUnproved, OSError
        """
        turn = Turn(*inforce)
        if self._present is not None and not self._options.allow_older:
            admission.refuse_older(inforce, self._present)
        self._check_heads(turn)
        superblock = self._vault_file(turn)
        self._small(turn, keyring_file(turn.head))
        turn.keep |= {HEAD, copy_name(HEAD), MARK, copy_name(MARK)}
        for row in turn.head.segments:
            self._table(turn, row)
            if self._options.kind is CopyKind.WHOLE:
                self._segment(turn, row, superblock)
        for small in retired_files(self._source.files, turn.head):
            if (data := self._small(turn, small)) is not None:
                self._target.put_beside(small.name, data)
        if self._options.kind is CopyKind.WHOLE:
            self._access(turn)
        return turn

    def _check_heads(self, turn: Turn) -> None:
        found = Report()
        check_head(self._source.keys, found)
        # One that is behind the other may be in the middle of being written.
        turn.report.findings += [as_copied(one) for one in found.findings if not isinstance(one.error, CopyStale)]

    def _vault_file(self, turn: Turn) -> Superblock | None:
        """Copy VAULT; return it if it is good, once it is known that its signer has signed the head.

        Nothing else is copied before: what a head names that nobody has signed takes the place of nothing.
        """
        data = self._small(turn, superblock_file(turn.head))
        if data is None:
            admission.refuse_unproved(InForce(turn.head, turn.data), self._present, self._options.signer)
            return None
        superblock, signed = Superblock.decode(data), Report()
        check_signer(signed, turn.head, superblock, self._options.signer)
        for finding in signed.findings:
            raise finding.error
        if self._present is not None and self._options.signer is None:
            admission.refuse_other_signer(turn.head, superblock, self._present)
        turn.report.signer, turn.report.pinned = signed.signer, signed.pinned
        return superblock

    def _small(self, turn: Turn, small: Small) -> bytes | None:
        """Take in a small file for the commit, where it is good nowhere as it is; return it if it is good."""
        turn.keep |= {small.name, copy_name(small.name)}
        good = self._good(turn, small)
        data = self._damaged(small) if good is None else good
        if data is not None:
            turn.small[small.name] = data
        return good

    def _good(self, turn: Turn, small: Small) -> bytes | None:
        """Return a small file from wherever it is good; None where it is nowhere, which is reported."""
        try:
            data, reason = read_small([*self._source, self._target.files], small)
        except VaultError as error:
            turn.report.add(error, small.name)
            return None
        if reason is not None:
            turn.report.findings.append(Finding(Severity.CORRECTED, reason, small.name))
        return data

    def _damaged(self, small: Small) -> bytes | None:
        """Return a small file as the vault has it; None where the copy has one, which may be better, or neither has."""
        if any(self._target.read(name) is not None for name in (small.name, copy_name(small.name))):
            return None
        return first_readable(self._source, small.name)

    def _table(self, turn: Turn, row: SegmentRow) -> None:
        """Copy a key table: its name tells its segment and epoch, so it may be there before the head."""
        small = table_file(turn.head, row)
        turn.keep |= {small.name, copy_name(small.name)}
        if not all(self._has_table(name, small, row) for name in (small.name, copy_name(small.name))):
            data = self._small(turn, small)
            if data is not None:
                self._target.put_beside(small.name, data)
                if self._has_table(small.name, small, row):
                    del turn.small[small.name]

    def _has_table(self, name: str, small: Small, row: SegmentRow) -> bool:
        if self._verify:
            data = self._target.read(name)
            return data is not None and small.right(data)
        with self._target.present(name) as read:
            return read(max(0, self._target.files.size(name) - DIGEST), DIGEST) == row.table_digest

    def _segment(self, turn: Turn, row: SegmentRow, superblock: Superblock | None) -> None:
        name, target = segment_name(row), self._target
        turn.keep.add(name)
        if self._has_segment(name, row):
            return
        staged = f"{name.rpartition('.')[0]}.tmp"
        if row.segment_id not in self._made:
            if is_whole(target.files, staged, row, self._pace):  # of an earlier run
                self._made[row.segment_id] = Made(0)
            else:
                places = [(self._source.files, name), (self._source.files, copy_name(name)), (target.files, name)]
                try:
                    with target.staged(staged) as descriptor:
                        made = make_segment(descriptor, places, row, superblock, self._pace)
                except VaultError as error:
                    target.remove(staged)
                    turn.report.add(error, name)
                    return
                self._made[row.segment_id] = made
                target.written += row.length
        made = self._made[row.segment_id]
        turn.copied += 1
        turn.segments[staged] = name
        turn.keep.add(staged)
        for problem in made.problems:
            turn.report.add(problem, name)
        if made.healed:
            healed = SlicesDamaged(structure=Structure.SEGMENT, slices=made.healed)
            turn.report.findings.append(Finding(Severity.CORRECTED, healed, name))

    def _has_segment(self, name: str, row: SegmentRow) -> bool:
        if not self._verify or row.segment_id in self._whole:
            return self._target.files.size(name) == row.length
        if is_whole(self._target.files, name, row, self._pace):
            self._whole.add(row.segment_id)
            return True
        return False

    def gather_journals(self, head: Head) -> Journaled:
        """Copy the live journals under a head: they are staged, and the part files that they name written."""
        found = Journaled()
        if self._options.kind is CopyKind.WHOLE:
            found.live = look(self._source.files, head, self._pace)
            found.report.findings += found.live.report.findings
            for segment_id, end in found.live.ends.items():
                self._part(found, head, segment_id, end)
            for journal in found.live.journals:
                found.keep |= {journal.name, copy_name(journal.name)}
                try:
                    found.staged |= stage_journal(self._source.files, self._target, journal)
                except VaultError as error:
                    found.report.add(error, journal.name)
        return found

    def _part(self, found: Journaled, head: Head, segment_id: bytes, end: int) -> None:
        name = part_name(segment_id)
        found.keep |= {name, copy_name(name)}
        known = self.have.ends.get(segment_id, 0)
        start = self._parts.get(segment_id, SUPERBLOCK_SIZE if self._verify else max(SUPERBLOCK_SIZE, known))
        there = min(self._target.files.size(place) for place in (name, copy_name(name)))
        if start < end or there < end:
            span = Span(segment_id, start, end, known)
            try:
                copy_part(self._source.files, self._target, head, span, self._pace)
                self._parts[segment_id] = end
            except VaultError as error:
                found.report.add(error, name)

    def _access(self, turn: Turn) -> None:
        """Stage the access journals: before the journals, which have the events of those that are gone.

        What is damaged is reported; what the copy has of it stays.
        """
        files, found = self._source.files, Report()
        check_access(files, found, turn.head, self._pace)
        gone = [one for one in found.findings if isinstance(one.error, FileMissing)]  # merged meanwhile
        turn.report.findings += [one for one in found.findings if one.severity in _BAD and one not in gone]
        for name in access_journals(files):
            staged = None
            try:
                staged = stage_access(files, self._target, name)
            except FileMissing:
                continue
            except VaultError:
                pass  # found above; or just begun, and no read was released whose event it should have
            turn.keep.add(name)
            if staged is not None:
                turn.access[staged] = name
