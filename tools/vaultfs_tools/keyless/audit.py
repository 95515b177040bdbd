"""The audit tree, made anew from the entries: those of all audit segments in order, then those of the live journals.

A head's live-set leaf is the last of its tree, and the next journal begins by repeating it. So the segments hold every
leaf but the head's own, and the first leaf of the first live journal is the head's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from vaultfs_format import merkle
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.errors import Structure, VaultError
from vaultfs_format.handover import Handover, signer_at
from vaultfs_format.head import Head
from vaultfs_format.superblock import Superblock

from vaultfs_tools.keyless.errors import Disagreement, LeavesMissing, Property, TreeMismatch
from vaultfs_tools.keyless.files import HEAD, VaultFiles, superblock_name
from vaultfs_tools.keyless.findings import Report
from vaultfs_tools.keyless.journals import Journal
from vaultfs_tools.keyless.segments import Audited, audit_entries

_AT_A_TIME = 1 << 16
"""Entries that are held at a time."""


def check_audit(
    files: VaultFiles,
    report: Report,
    head: Head,
    superblock: Superblock | None,
    segments: Sequence[Audited],
    journals: Sequence[Journal],
) -> None:
    """Compare the tree that the entries give with the head's, and the journals' first leaf with its live set."""
    own = head.live_set().encode()
    line = _Line(report, head, superblock)
    for audited in sorted(segments, key=lambda one: one.footer.first_leaf):
        missing = audited.footer.first_leaf - line.tree.size
        if missing > 0:
            report.add(LeavesMissing(structure=Structure.AUDIT_ENTRY, leaves=missing), audited.name)
        elif missing < 0:
            report.add(Disagreement(structure=Structure.AUDIT_ENTRY, property=Property.FIRST_LEAF), audited.name)
        try:
            line.extend(audit_entries(files, audited), audited.name)
        except VaultError as error:
            report.add(error, audited.name, audited.footer.audit_offset)
    line.extend([own], HEAD)
    tree = line.tree
    if (tree.size, tree.peaks) != (head.tree_size, list(head.peaks)):
        report.add(TreeMismatch(structure=Structure.AUDIT_ENTRY, leaves=tree.size, expected=head.tree_size), HEAD)
    first = next((journal for journal in journals if journal.scan and journal.scan.leaves), None)
    if first is not None and first.scan is not None and first.scan.first_entry != own:
        report.add(Disagreement(structure=Structure.AUDIT_ENTRY, property=Property.LIVE_SET), first.name)
    # The first entry of the journals is the head's own leaf, which the tree has already.
    report.audit_leaves = tree.size + max(0, sum(map(_leaves, journals)) - 1)


class _Line:
    """The tree as it grows, with each part of it signed by its signer: those before have stated where theirs end."""

    def __init__(self, report: Report, head: Head, superblock: Superblock | None) -> None:
        self._report = report
        self._suite = head.suite
        self.tree = head.pruned_tree()
        self._handovers: list[Handover] | None = None
        if superblock is not None:
            self._vault = superblock_name(superblock.generation)
            with suppress(VaultError):  # it is reported where the signers are checked
                superblock.check_line()
                self._handovers = superblock.handovers()
        for handover in self._handovers or ():
            if handover.tree_size == self.tree.size:
                self._hold_against(handover)

    def extend(self, entries: Iterable[bytes], name: str) -> None:
        """Add entries that stand in a file."""
        strange: set[Property] = set()
        rest = iter(entries)
        while some := list(islice(rest, _AT_A_TIME)):
            strange.update(self._strange(some))
            self._grow(some)
        for one in sorted(strange, key=lambda each: each.value):
            self._report.add(Disagreement(structure=Structure.AUDIT_ENTRY, property=one), name)

    def _grow(self, entries: Sequence[bytes]) -> None:
        hashes, first = merkle.audit_leaves(self._suite, entries), self.tree.size
        for handover in self._handovers or ():
            if self.tree.size < handover.tree_size <= first + len(entries):
                self.tree.extend(hashes[self.tree.size - first : handover.tree_size - first])
                self._hold_against(handover)
        self.tree.extend(hashes[self.tree.size - first :])

    def _hold_against(self, handover: Handover) -> None:
        """Report a handover that states another tree than this one, which is of its size."""
        if self.tree.root(merkle.AUDIT_EMPTY) != handover.tree_root:
            wrong = TreeMismatch(structure=Structure.SIGNER, leaves=self.tree.size, expected=handover.tree_size)
            self._report.add(wrong, self._vault)

    def _strange(self, entries: Sequence[bytes]) -> Iterator[Property]:
        """Yield what entries state that is not so where they stand: who had to sign, or which leaf they are."""
        for index, data in enumerate(entries, start=self.tree.size):
            if data[0] == LeafKind.EVENT:
                continue
            entry = AuditEntry.decode(data)
            if entry.kind is LeafKind.SUBJECTS:
                if entry.number != index:
                    yield Property.LEAF
            elif self._handovers is not None and entry.signer != signer_at(self._handovers, index + 1):
                yield Property.SIGNER


def _leaves(journal: Journal) -> int:
    return journal.scan.leaves if journal.scan else 0
