"""Bringing a copy up to date with a vault that is being written.

A turn reads the head, then everything that it names, then the journals, and then the head again. What each step relies
on:

- Segments and key tables are immutable, and named by random ids: what was copied under an older head serves a newer one.
- Journals and what they name are removed only when a newer head is there. So if the head is the one of the beginning,
  nothing was missed; if not, the next turn has only what is new to do. No lock keeps the writer out.
- Access journals are removed when the writer's journal has their events. They are read before that one.

In the copy, segments wait under names that do not count until all else is there. Then they get their names, the head is
written, and after it the journals, each at once as a whole: they would be damage under the head before theirs. At any
moment the copy is a state that the vault was in, never older than the last one. What only older states need goes last.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from vaultfs_format.copymark import CopyKind, CopyMark
from vaultfs_format.errors import Structure, VaultError
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.segment import SUPERBLOCK_SIZE
from vaultfs_format.suite import DEFAULT, DIGEST
from vaultfs_format.superblock import Superblock

from vaultfs_tools.copying import admission
from vaultfs_tools.copying.errors import OtherCopy, SourceChanging
from vaultfs_tools.copying.journals import Live, access_journals, look, stage_access, stage_journal
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
    superblock_file,
    table_file,
)
from vaultfs_tools.copying.target import Target
from vaultfs_tools.keyless.check import check_signer
from vaultfs_tools.keyless.files import HEAD, MARK, README, VaultFiles, copy_name, part_name, segment_name
from vaultfs_tools.keyless.findings import Finding, Report, Severity, SlicesDamaged

TURNS = 32
"""Most turns; each has only to copy what was written during the one before."""

PATIENCE = 4
"""Turns after which the state in which a settling has left the vault is taken, without the journals begun since."""

_MAX_README = 1 << 16
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

    keys: VaultFiles
    files: VaultFiles

    def heads(self) -> tuple[InForce, InForce]:
        """Return the head that is copied, and that of the vault: while both stay, nothing that they need goes."""
        return head_in(self.keys), head_in(self.files)


@dataclass(frozen=True, slots=True)
class Options:
    """How to copy.

    Parameters
    ----------
    verify
        Look at every slice that the copy has already; else a segment of the right name and length is taken for good.
    allow_older
        Copy a vault that is older than the copy. While that is done, a kill leaves neither the one nor the other.
    signer
        Fingerprint of the signer that the vault must have; None to take the one that VAULT names.
    """

    kind: CopyKind = CopyKind.WHOLE
    verify: bool = False
    allow_older: bool = False
    signer: bytes | None = None


@dataclass(slots=True)
class Copied:
    """What was copied.

    Parameters
    ----------
    bytes
        Bytes that were written because they were not there.
    segments, kept
        Segments that were copied, and those that were there already.
    turns
        How often the vault was looked at until a state of it stood still.
    report
        What was healed on the way, and what could not be.
    """

    vault_id: bytes
    copy_id: bytes
    generation: int
    bytes: int
    segments: int
    kept: int
    turns: int
    report: Report


@dataclass(slots=True)
class _Turn:
    """What one turn has found to copy.

    Parameters
    ----------
    small
        VAULT and keyring, by their names.
    segments, access, journals
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
    journals: dict[str, str] = field(default_factory=dict)
    keep: set[str] = field(default_factory=set)
    copied: int = 0

    def errors(self) -> list[tuple[str, int]]:
        """Return what could not be copied as it must be."""
        return [(one.file, one.error.code) for one in self.report.findings if one.severity in _BAD]


class Copier:
    """Copies a vault into a directory.

    Parameters
    ----------
    pace
        Is told the bytes that are read.
    """

    def __init__(self, source: Source, target: Target, options: Options, pace: Pace) -> None:
        self._source = source
        self._target = target
        self._options = options
        self._pace = pace
        self._made: dict[bytes, Made] = {}
        self._parts: dict[bytes, int] = {}
        self._whole: set[bytes] = set()
        """Segments of the copy that were found whole in this run."""

    def run(self) -> Copied:
        """Bring the copy up to date; only one process at a time can.

        Raises
        ------
        PlacesOverlap, OtherCopy, CopyBusy
        SourceOlder, SignerUnknown, SignatureInvalid
            The vault is not what may take the place of what the copy holds, which stays as it is.
        SourceChanging
        OSError
            The copy cannot be written to; it is what it was.
        FileMissing, FormatError, Unsupported
            There is no vault, or no good head.
        """
        admission.keep_apart(self._source.files.root, self._target.root)
        self._source.heads()
        with self._target.locked():
            return self.bring_up_to_date()

    def bring_up_to_date(self) -> Copied:
        """Do what `run` does, in a directory that nobody else knows of. Raises as `run` does."""
        mark = self._begin()
        before: object = None
        first = self._source.heads()[0].head.generation
        for number in range(1, TURNS + 1):
            heads = self._source.heads()
            turn = self._turn(heads[0], mark)
            live = self._stage_live(turn) if self._source.heads() == heads else None
            if self._source.heads() != heads:
                if number > PATIENCE and not turn.errors() and turn.head.generation > first:
                    return self._commit(turn, None, mark, number)
                continue
            doubts = (heads, turn.errors())
            if live is not None and (not turn.errors() or doubts == before):
                return self._commit(turn, live, mark, number)
            before = doubts
        raise SourceChanging

    def _begin(self) -> CopyMark:
        """Return the mark of the copy, which is there when this returns; what an earlier run has left undone is gone."""
        head = self._source.heads()[0].head
        mark = admission.mark_of(self._target, head.vault_id, self._options.kind)
        self._present = admission.head_of(self._target) if mark else None
        self._target.begin()
        self._target.tidy()
        if mark is None:
            mark = CopyMark(DEFAULT, self._options.kind, False, head.vault_id, os.urandom(16))
        self._write_mark(mark)
        self._verify = self._options.verify or mark.doubtful
        self._have = look(self._target.files, self._present.head, Pace()) if self._present else Live([], Report())
        return mark

    def _write_mark(self, mark: CopyMark) -> None:
        self._target.put_pair(MARK, mark.encode(), committed=True)

    # A turn.

    def _turn(self, inforce: InForce, mark: CopyMark) -> _Turn:
        """Copy what a head names, but for the journals, under names that do not count yet."""
        turn = _Turn(*inforce)
        if turn.head.vault_id != mark.vault_id:
            raise OtherCopy
        if self._present is not None and not self._options.allow_older:
            admission.refuse_older(inforce, self._present)
        superblock = self._vault_file(turn)
        self._small(turn, keyring_file(turn.head))
        turn.keep |= {HEAD, copy_name(HEAD), MARK, copy_name(MARK), README}
        for row in turn.head.segments:
            self._table(turn, row)
            if self._options.kind is CopyKind.WHOLE:
                self._segment(turn, row, superblock)
        if self._options.kind is CopyKind.WHOLE:
            self._access(turn)
        return turn

    def _vault_file(self, turn: _Turn) -> Superblock | None:
        """Copy VAULT; return it, once it is known that its signer has signed the head."""
        small = superblock_file(turn.head)
        data = self._small(turn, small)
        if data is None or not small.right(data):
            return None
        superblock, signed = Superblock.decode(data), Report()
        check_signer(signed, turn.head, superblock, self._options.signer)
        for finding in signed.findings:
            raise finding.error
        if self._present is not None:
            admission.refuse_other_signer(superblock, self._present, self._target)
        turn.report.signer, turn.report.pinned = signed.signer, signed.pinned
        return superblock

    def _small(self, turn: _Turn, small: Small) -> bytes | None:
        """Take in a small file for the commit; return it."""
        data = self._read_small(turn, small)
        if data is not None:
            turn.small[small.name] = data
        return data

    def _read_small(self, turn: _Turn, small: Small) -> bytes | None:
        """Return a small file from where it is good; where it is nowhere, as it is, if the copy has none."""
        turn.keep |= {small.name, copy_name(small.name)}
        try:
            data, reason = read_small([*self._source, self._target.files], small)
        except VaultError as error:
            turn.report.add(error, small.name)
            there = (self._target.read(name) for name in (small.name, copy_name(small.name)))
            return None if any(data is not None for data in there) else first_readable(self._source, small.name)
        if reason is not None:
            turn.report.findings.append(Finding(Severity.CORRECTED, reason, small.name))
        return data

    def _table(self, turn: _Turn, row: SegmentRow) -> None:
        """Copy a key table: its name tells its segment and epoch, so it may be there before the head."""
        small = table_file(turn.head, row)
        turn.keep |= {small.name, copy_name(small.name)}
        if not all(self._has_table(name, small, row) for name in (small.name, copy_name(small.name))):
            data = self._read_small(turn, small)
            if data is not None:
                self._target.put_pair(small.name, data, committed=False)

    def _has_table(self, name: str, small: Small, row: SegmentRow) -> bool:
        if self._verify:
            data = self._target.read(name)
            return data is not None and small.right(data)
        with self._target.present(name) as read:
            return read(max(0, self._target.files.size(name) - DIGEST), DIGEST) == row.table_digest

    def _segment(self, turn: _Turn, row: SegmentRow, superblock: Superblock | None) -> None:
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

    def _stage_live(self, turn: _Turn) -> Live | None:
        """Copy part files, and stage the journals that name them; return the journals."""
        files, target, head = self._source.files, self._target, turn.head
        if self._options.kind is not CopyKind.WHOLE:
            return Live([], Report())
        live = look(files, head, self._pace)
        turn.report.findings += live.report.findings
        for segment_id, end in live.ends.items():
            name = part_name(segment_id)
            turn.keep |= {name, copy_name(name)}
            start = max(SUPERBLOCK_SIZE, self._have.ends.get(segment_id, 0), self._parts.get(segment_id, 0))
            if start < end or target.files.size(name) < end:
                try:
                    copy_part(files, target, head, Span(segment_id, start, end), self._pace)
                    self._parts[segment_id] = end
                except VaultError as error:
                    turn.report.add(error, name)
        for journal in live.journals:
            turn.keep |= {journal.name, copy_name(journal.name)}
            try:
                turn.journals |= stage_journal(files, target, journal)
            except VaultError as error:
                turn.report.add(error, journal.name)
        return live

    def _access(self, turn: _Turn) -> None:
        """Stage the access journals: before the journals, which have the events of those that are gone."""
        for name in access_journals(self._source.files):
            try:
                staged = stage_access(self._source.files, self._target, name)
            except VaultError:
                continue  # merged meanwhile, or just begun: no read was released whose event is not elsewhere
            turn.keep.add(name)
            if staged is not None:
                turn.access[staged] = name

    # The commit.

    def _commit(self, turn: _Turn, live: Live | None, mark: CopyMark, turns: int) -> Copied:
        """Put in force what was copied; first what the new head needs, last what only older ones did."""
        target, present = self._target, self._present
        same = present is not None and present.data == turn.data
        if same and live is not None and not turn.errors() and not self._options.allow_older:
            admission.refuse_shorter(live, self._have, turn.head)
        if turn.errors() and not mark.doubtful:
            mark = replace(mark, doubtful=True)
            self._write_mark(mark)
        for staged, name in turn.segments.items():
            target.publish(staged, name)
        for committed in (False, True):
            for name, data in turn.small.items():
                target.put_pair(name, data, committed=committed)
            if not committed:
                target.put(copy_name(HEAD), turn.data)
                target.put(HEAD, turn.data)
        self._readme()
        for staged, name in (turn.access | (turn.journals if live is not None else {})).items():
            target.publish(staged, name)
        for row in turn.head.segments:  # whose table had been there under this name, and another
            small = table_file(turn.head, row)
            if not self._has_table(small.name, small, row) and (data := target.read(copy_name(small.name))):
                target.put(small.name, data)
        if turn.errors():
            target.clear(turn.keep, unfinished_only=True)
        else:
            target.clear(turn.keep, unfinished_only=False)
            self._write_mark(replace(mark, doubtful=False))
        turn.report.vault_id, turn.report.generation, turn.report.epoch = (
            mark.vault_id, turn.head.generation, turn.head.epoch,
        )  # fmt: skip
        kept = len(turn.head.segments) - turn.copied
        return Copied(
            mark.vault_id, mark.copy_id, turn.head.generation, target.written, turn.copied, kept, turns, turn.report
        )

    def _readme(self) -> None:
        try:
            self._target.put(README, self._source.files.read(README, _MAX_README))
        except VaultError:
            return
