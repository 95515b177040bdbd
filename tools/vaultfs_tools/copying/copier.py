"""Bringing a copy up to date with a vault that is being written.

A turn reads the head, then everything that it names, then the journals, and then the head again. What each step relies
on:

- Segments and key tables are immutable, and named by random ids: what was copied under one head serves the next.
- Journals and what they name are removed only when a newer head is there. So if the head is the one of the beginning,
  nothing was missed; if not, the next turn has only what is new to do. No lock keeps the writer out.
- Access journals are removed when the writer's journal has their events. They are read before that one.

In the copy, segments wait under names that do not count until all else is there. Then they get their names, the head is
written, and after it the journals, each at once as a whole: they would be damage under the head before theirs. At any
moment the copy is a state that the vault was in, never older than the last one. What only older states need goes last.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from vaultfs_format.copymark import CopyKind, CopyMark
from vaultfs_format.essentials import essentials
from vaultfs_format.head import Head
from vaultfs_format.suite import Suite

from vaultfs_tools.copying import admission
from vaultfs_tools.copying.errors import SourceChanging, SourceOlder, SourceUnproved
from vaultfs_tools.copying.journals import Live
from vaultfs_tools.copying.pace import Pace
from vaultfs_tools.copying.small import InForce
from vaultfs_tools.copying.target import Target
from vaultfs_tools.copying.turn import Gatherer, Journaled, Options, Source, Turn
from vaultfs_tools.keyless.files import HEAD, MARK, copy_name
from vaultfs_tools.keyless.findings import Report, Severity

TURNS = 32
"""Most turns; each has only to copy what was written during the one before."""

PATIENCE = 4
"""Turns after which the state in which a settling has left the vault is taken, without the journals begun since."""


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

    copy_id: bytes
    bytes: int
    segments: int
    kept: int
    turns: int
    report: Report

    @property
    def complete(self) -> bool:
        """Whether everything is in it, and good."""
        return not self.report.count(Severity.ERROR) and not self.report.count(Severity.UNSUPPORTED)


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

    def run(self) -> Copied:
        """Bring the copy up to date; only one process at a time can.

        Raises
        ------
        PlacesOverlap, OtherCopy, DirectoryLinked, CopyBusy
        CopyUnreadable, SourceOlder, SourceUnproved, SignerUnknown, SignatureInvalid
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
        first = self._source.heads()[0].head
        mark, present = self._begin(first.suite, first.vault_id)
        verify = self._options.verify or mark.doubtful
        gatherer = Gatherer(self._source, self._target, self._options, self._pace, present, verify=verify)
        before: object = None
        for number in range(1, TURNS + 1):
            heads = self._source.heads()
            settled = self._gathered(gatherer, heads)
            if settled is None:
                continue
            journaled = gatherer.gather_journals(settled.head) if self._source.heads() == heads else None
            if journaled is not None and self._source.heads() == heads:
                # What is missing may have gone with a head that was there already; so it is looked for twice.
                errors = settled.errors() + journaled.errors()
                if not errors or (heads, errors) == before:
                    if not errors and present is not None and present.data == settled.data:
                        self._refuse_shorter(journaled.live, gatherer.have, settled.head)
                    return self._commit(settled, journaled, mark, number)
                before = heads, errors
            elif number > PATIENCE and not settled.errors() and settled.head.generation > first.generation:
                return self._commit(settled, Journaled(), mark, number)
        raise SourceChanging

    def _gathered(self, gatherer: Gatherer, heads: tuple[InForce, InForce]) -> Turn | None:
        """Return what a head names; None where it was replaced meanwhile, and VAULT removed that belongs to it."""
        try:
            return gatherer.gather(heads[0])
        except SourceUnproved:
            if self._source.heads() == heads:
                raise
            return None

    def _begin(self, suite: Suite, vault_id: bytes) -> tuple[CopyMark, InForce | None]:
        """Return the mark of the copy, and its head if it has one; what an earlier run has left undone is gone."""
        mark = admission.mark_of(self._target, vault_id, self._options.kind)
        present = admission.head_of(self._target, replaceable=self._options.allow_older) if mark else None
        self._target.begin()
        self._target.tidy()
        if mark is None:
            mark = CopyMark(suite, self._options.kind, False, vault_id, os.urandom(16))
        self._write_mark(mark)
        return mark, present

    def _write_mark(self, mark: CopyMark) -> None:
        self._target.put_both(MARK, mark.encode())

    def _refuse_shorter(self, live: Live, have: Live, head: Head) -> None:
        if not self._options.allow_older:
            try:
                admission.refuse_shorter(live, have, head)
            except SourceOlder:
                self._target.tidy()
                raise

    def _commit(self, turn: Turn, journaled: Journaled, mark: CopyMark, turns: int) -> Copied:
        """Put in force what was copied; first what the new head needs, last what only older ones did."""
        target, head, damaged = self._target, turn.head, bool(turn.errors() or journaled.errors())
        if damaged and not mark.doubtful:
            self._write_mark(replace(mark, doubtful=True))
        for staged, name in turn.segments.items():
            target.publish(staged, name)
        for name, data in turn.small.items():
            target.put_beside(name, data)
        target.put(copy_name(HEAD), turn.data)
        target.put(HEAD, turn.data)
        for name, data in turn.small.items():
            target.put_both(name, data)
        for staged, name in (turn.access | journaled.staged).items():
            target.publish(staged, name)
        for name, data in essentials(head.suite).items():
            target.put(name, data)
        target.clear(turn.keep | journaled.keep, unfinished_only=damaged)
        if not damaged:
            self._write_mark(replace(mark, doubtful=False))
        report = turn.report
        report.findings += journaled.report.findings
        report.suite, report.vault_id = head.suite, head.vault_id
        report.generation, report.epoch = head.generation, head.epoch
        kept = len(head.segments) - turn.copied if self._options.kind is CopyKind.WHOLE else 0
        return Copied(mark.copy_id, target.written, turn.copied, kept, turns, report)
