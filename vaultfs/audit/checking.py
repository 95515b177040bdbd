"""One pass over the whole log: each event against its entry, the tree against its heads, signers, heads of subjects.

What is wrong with one file does not keep the others from being checked. Where entries are missing the tree cannot be
made any further, and where events are, the heads of subjects cannot: what follows from a fault is not told as another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import pairwise

from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY, SALT, AuditEntry, LeafKind, check_entries
from vaultfs_format.errors import Fact, FileId, VaultError
from vaultfs_format.events.keys import EpochTurned
from vaultfs_format.frame import FrameClass
from vaultfs_format.handover import Handover, signer_at
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.healing import examine

from vaultfs.audit.errors import SubjectsUncounted
from vaultfs.audit.events import Event, decode_event, subject_of
from vaultfs.audit.findings import Finding, Healed, Part, Verified
from vaultfs.engine.engine import LiveJournal, View
from vaultfs.engine.files.mirrors import DAMAGE, same
from vaultfs.engine.files.sealed import open_segment
from vaultfs.engine.log.leaves import Section, extent_of, journal_sections, placed, runs, segment_section
from vaultfs.engine.log.subjectheads import Heads, first_heads
from vaultfs.errors import CommitmentMismatch, Structure, VaultDamaged

See = Callable[[int, Event], None]
_BATCH = 1 << 15


class Checking:
    """A pass over the log of an open vault.

    Parameters
    ----------
    handovers
        Of VAULT, in their order.
    see
        Is given every event with its index.
    """

    def __init__(self, engine: View, head: Head, handovers: Sequence[Handover], see: See) -> None:
        self._engine = engine
        self._head = head
        self._handovers = handovers
        self._see = see
        self._heads: Heads | None = None
        self._tree: merkle.CompactRange | None = head.pruned_tree()
        self._proved = self._next = head.first_leaf
        self._roots = {one.tree_size: (one.tree_root, Structure.SIGNER) for one in handovers}
        self._roots[head.tree_size] = head.tree_root, Structure.HEAD
        self._found: list[Finding] = []
        self._lost: list[VaultError] = []
        self._healed: list[Healed] = []
        self._sections: list[Section] = []
        self._subjects: list[bytes] = []
        self._events = 0
        self._turns: list[int] = []
        """Events of turns: what is recorded with one, the next settling counts."""
        self._last_head = -1
        self._uncounted: int | None = None
        """Index of the leaf of a settling before which are events that no heads count."""

    def run(self, journals: Sequence[LiveJournal]) -> Verified:
        """Check everything that is settled, and journals that follow."""
        self._begin()
        self._segments()
        for live in journals:
            self._journal(live)
        if self._next == self._head.tree_size - 1:  # the head's own leaf stands in no file until a journal repeats it
            self._settled(self._next)
            self._grow(self._head.live_set().encode())
        if self._heads is not None and self._uncounted is not None:
            self._note(Part.SUBJECTS, SubjectsUncounted(leaf=self._uncounted))
        self._reach(max(self._next, self._head.tree_size))
        subjects = 0 if self._heads is None else self._heads.subjects
        signers = 1 + len(self._handovers)
        found = tuple(self._found)
        return Verified(self._next, self._events, subjects, signers, self._head.first_leaf, found, tuple(self._healed))

    def _begin(self) -> None:
        """Begin behind what was pruned: with its tree, and with the heads of subjects that its base states."""
        first = self._head.first_leaf
        try:
            self._heads = first_heads(self._engine, self._head)
        except DAMAGE as error:
            self._note(Part.SUBJECTS, placed(error, {"leaf": first}))
        if self._tree is not None and first in self._roots:
            self._compare(self._tree, first)

    def _note(self, part: Part, error: VaultError) -> None:
        self._found.append(Finding(part, error))

    def _reach(self, index: int) -> None:
        """Go on at a leaf, before which some may be missing: then nothing more can be said of tree and heads.

        Where a file cannot be read, that is what is told of it.
        """
        if index != self._next and not self._lost:
            self._note(Part.FILE, VaultDamaged(leaf=min(index, self._next), leaves=index - self._next))
        if index != self._next or self._lost:
            self._tree = self._heads = None
        self._next = index

    # Files.

    def _segments(self) -> None:
        extents, lost = [], self._lost
        for row in self._head.segments:
            if row.frame_class is FrameClass.AUDIT:
                try:
                    extents.append((extent_of(self._engine, row), row))
                except DAMAGE as error:
                    lost.append(placed(error, {"file": FileId.of(row.segment_id)}))
        extents.sort(key=lambda one: one[0].start)
        gap = _gap([extent for extent, _ in extents], self._head)
        for one in lost:
            self._note(Part.FILE, placed(one, {"leaf": gap}))
        for extent, row in extents:
            self._reach(extent.start)
            self._segment(row)
            self._next = extent.stop

    def _segment(self, row: SegmentRow) -> None:
        try:
            self._section(segment_section(self._engine, row))
        except DAMAGE as error:
            self._note(Part.FILE, placed(error, {"file": FileId.of(row.segment_id)}))
            self._tree = self._heads = None
            return
        with suppress(*DAMAGE), closing(open_segment(self._engine.vfs, self._engine.layout, row)) as segment:
            damage = examine(segment.sliced, segment.file.size())
            if damage:
                self._healed.append(Healed(FileId.of(row.segment_id), len(damage.slices)))

    def _journal(self, live: LiveJournal) -> None:
        header, journal = live.journal.header, live.journal
        self._reach(header.first_leaf)
        try:
            for section in journal_sections(self._engine, live):
                self._section(section)
        except DAMAGE as error:
            self._note(Part.FILE, error)
            self._tree = self._heads = None
        else:
            if not same(journal.file, journal.mirror, min(journal.mirror.size(), journal.end)):
                self._healed.append(Healed(FileId.of(header.journal_id), 0))

    # Entries and events.

    def _section(self, section: Section) -> None:
        """Check the entries of a section, and the events that they commit to."""
        self._sections.append(section._replace(entries=b"", frames=()))
        try:
            for run in runs(self._engine, section):
                self._take(run.first, run.salted, section)
                if run.first + max(1, len(run.salted)) - self._next >= _BATCH:
                    self._flush(section)
        except DAMAGE as error:
            self._note(Part.EVENT, error)
            self._heads = None
        self._subjects += [b""] * (section.end - self._next - len(self._subjects))
        self._flush(section)

    def _take(self, first: int, salted: Sequence[bytes], section: Section) -> None:
        see, subjects = self._see, self._subjects
        if not salted:
            subjects.append(b"")
        for index, one in enumerate(salted, start=first):
            try:
                event = decode_event(one[SALT:])
            except DAMAGE as error:
                raise placed(error, section.place(index)) from None
            subjects.append(subject_of(event))
            if isinstance(event, EpochTurned):
                self._turns.append(index)
            see(index, event)
        self._events += len(salted)

    def _flush(self, section: Section) -> None:
        """Take the entries whose events are known into the tree and the heads."""
        subjects, self._subjects = self._subjects, []
        at = (self._next - section.first) * ENTRY.size
        entries = section.entries[at : at + len(subjects) * ENTRY.size]
        first, hashes = self._next, self._grow(entries)
        special = [number for number, kind in enumerate(entries[:: ENTRY.size]) if kind != LeafKind.EVENT]
        for before, number in pairwise([-1, *special, len(subjects)]):
            if self._heads is not None:
                self._heads.take(zip(subjects[before + 1 : number], hashes[before + 1 : number], strict=True))
            if number < len(subjects):
                self._special(section, first + number, entries[number * ENTRY.size :][: ENTRY.size])

    def _special(self, section: Section, index: int, data: bytes) -> None:
        """Check a leaf that is no event: who had to sign, or which leaf it is and what it states of subjects."""
        place = section.place(index)
        try:
            check_entries(data)
        except DAMAGE as error:
            self._note(Part.ENTRY, placed(error, place))
            return
        entry = AuditEntry.decode(data)
        wrong = CommitmentMismatch(structure=Structure.AUDIT_ENTRY, **place)
        if entry.kind is LeafKind.LIVESET:
            self._settled(index)
            if entry.signer != signer_at(self._handovers, index + 1):
                self._note(Part.SIGNER, wrong)
        if entry.kind is LeafKind.SUBJECTS:
            self._uncounted = None
            if entry.number != index:
                self._note(Part.ENTRY, wrong)
                self._heads = None
            elif self._heads is not None:
                self._heads.fold(index)
                if self._heads.entry() != entry:
                    self._note(Part.SUBJECTS, wrong)
                    self._heads = None

    def _settled(self, index: int) -> None:
        """Note, at the leaf of a head, whether a settling left events uncounted."""
        turns = [one for one in self._turns if one > self._last_head]  # entries are taken later than their events
        turned = bool(turns) and turns[0] < index
        if self._heads is not None and self._heads.waiting and not turned and self._uncounted is None:
            self._uncounted = index
        self._turns, self._last_head = turns, index

    # The tree.

    def _grow(self, entries: bytes) -> list[bytes]:
        """Add entries to the tree, compare it where a signer has stated its root, and return the hashes."""
        hashes = merkle.audit_leaves(self._engine.suite, list(_each(entries)))
        first, self._next = self._next, self._next + len(hashes)
        done = first
        for size in sorted(size for size in self._roots if first < size <= self._next):
            if self._tree is not None:
                self._tree.extend(hashes[done - first : size - first])
                self._compare(self._tree, size)
            done = size
        if self._tree is not None:
            self._tree.extend(hashes[done - first :])
        return hashes

    def _compare(self, tree: merkle.CompactRange, size: int) -> None:
        root, stated_in = self._roots[size]
        if tree.root(merkle.AUDIT_EMPTY) == root:
            self._proved = size
            return
        section = next((one for one in reversed(self._sections) if one.first <= self._proved), None)
        facts: dict[str, Fact] = {"leaf": self._proved} if section is None else {**section.place(self._proved)}
        self._note(Part.TREE, CommitmentMismatch(structure=stated_in, leaves=size - self._proved, **facts))
        self._tree = None


def _each(entries: bytes) -> Iterator[bytes]:
    return (entries[at : at + ENTRY.size] for at in range(0, len(entries), ENTRY.size))


def _gap(extents: Sequence[range], head: Head) -> int:
    """Return the first leaf that none of these extents has, which ascend."""
    end = head.first_leaf
    for extent in extents:
        if extent.start > end:
            break
        end = max(end, extent.stop)
    return end
