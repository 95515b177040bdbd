"""The audit tree, made anew from the entries: those of all audit segments in order, then those of the live journals.

A head's live-set leaf is the last of its tree, and the next journal begins by repeating it. So the segments hold every
leaf but the head's own, and the first leaf of the first live journal is the head's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from vaultfs_format import merkle
from vaultfs_format.errors import Structure, VaultError
from vaultfs_format.head import Head

from vaultfs_tools.keyless.errors import Disagreement, LeavesMissing, Property, TreeMismatch
from vaultfs_tools.keyless.files import HEAD, VaultFiles
from vaultfs_tools.keyless.findings import Report
from vaultfs_tools.keyless.journals import Journal
from vaultfs_tools.keyless.segments import Audited, audit_entries


def check_audit(
    files: VaultFiles, report: Report, head: Head, segments: Sequence[Audited], journals: Sequence[Journal]
) -> None:
    """Compare the tree that the entries give with the head's, and the journals' first leaf with its live set."""
    own = head.live_set().encode()
    tree = merkle.CompactRange(merkle.audit_nodes(head.suite))
    for audited in sorted(segments, key=lambda one: one.footer.first_leaf):
        if audited.footer.first_leaf != tree.size:
            missing = audited.footer.first_leaf - tree.size
            report.add(LeavesMissing(structure=Structure.AUDIT_ENTRY, leaves=missing), audited.name)
        try:
            tree.extend(merkle.audit_leaves(head.suite, audit_entries(files, audited)))
        except VaultError as error:
            report.add(error, audited.name, audited.footer.audit_offset)
    tree.append(merkle.audit_leaf(head.suite, own))
    if (tree.size, tree.peaks) != (head.tree_size, list(head.peaks)):
        report.add(TreeMismatch(structure=Structure.AUDIT_ENTRY, leaves=tree.size, expected=head.tree_size), HEAD)
    first = next((journal for journal in journals if journal.scan and journal.scan.leaves), None)
    if first is not None and first.scan is not None and first.scan.first_entry != own:
        report.add(Disagreement(structure=Structure.AUDIT_ENTRY, property=Property.LIVE_SET), first.name)
    # The first entry of the journals is the head's own leaf, which the tree has already.
    report.audit_leaves = tree.size + max(0, sum(map(_leaves, journals)) - 1)


def _leaves(journal: Journal) -> int:
    return journal.scan.leaves if journal.scan else 0
