"""The whole log of an open vault, checked: events, tree, who signed which part, and the heads of subjects."""

from __future__ import annotations

from dataclasses import dataclass

from vaultfs_format import merkle
from vaultfs_format.audit import LeafKind
from vaultfs_format.errors import CommitmentMismatch, SignatureInvalid
from vaultfs_format.handover import signer_at
from vaultfs_format.superblock import Superblock

from vaultfs.audit.log import read_leaves
from vaultfs.engine.heads import read_superblock
from vaultfs.engine.subjectheads import Heads
from vaultfs.engine.vault import Vault
from vaultfs.errors import Structure


@dataclass(slots=True)
class Verified:
    """What was checked, and found right.

    Parameters
    ----------
    leaves, events
        Of the tree; those that are not settled yet included.
    subjects
        Subjects with a head.
    signers
        Signers that have signed a part of the log.
    first
        Index of the first leaf: those before were pruned.
    """

    leaves: int = 0
    events: int = 0
    subjects: int = 0
    signers: int = 0
    first: int = 0


def verify(vault: Vault) -> Verified:
    """Check every event against its entry, the tree against the head, signers and the heads of subjects.

    Raises
    ------
    CommitmentMismatch
        An event, the tree, or a head of a subject is not the one that was written; `leaf` is the first that is wrong.
    SignatureInvalid
        A part of the log is not that of its signer.
    VaultDamaged, FormatError
        Entries or events are missing, or damaged.
    """
    engine, suite = vault.engine, vault.engine.suite
    with engine.lock:
        engine.check()
        head = engine.head
        superblock, _ = read_superblock(engine.vfs, engine.layout, head)
    superblock.check_line()
    line, heads = _Line(superblock, head.pruned_tree()), Heads(suite)
    done = Verified(first=head.first_leaf, signers=len(superblock.signers()))
    for leaf in read_leaves(vault):
        hashed = merkle.audit_leaf(suite, leaf.entry.encode())
        heads.take_leaf(leaf)
        if leaf.entry.kind is LeafKind.LIVESET:
            line.check(leaf.index, leaf.entry.signer)
        elif leaf.entry.kind is LeafKind.SUBJECTS and leaf.entry != heads.entry():
            raise CommitmentMismatch(structure=Structure.AUDIT_ENTRY, leaf=leaf.index)
        done.events += leaf.event is not None
        line.append(hashed)
    done.leaves, done.subjects = max(line.tree.size, head.tree_size), heads.subjects
    return done


class _Line:
    """The tree as it grows: of the sizes at which signers have handed over it has the roots that they state."""

    def __init__(self, superblock: Superblock, tree: merkle.CompactRange) -> None:
        self._handovers = superblock.handovers()
        self._roots = {one.tree_size: one.tree_root for one in self._handovers}
        self.tree = tree

    def check(self, index: int, signer: int) -> None:
        if signer != signer_at(self._handovers, index + 1):
            raise SignatureInvalid(structure=Structure.AUDIT_ENTRY, leaf=index)

    def append(self, hashed: bytes) -> None:
        self.tree.append(hashed)
        stated = self._roots.get(self.tree.size)
        if stated is not None and stated != self.tree.root(merkle.AUDIT_EMPTY):
            raise SignatureInvalid(structure=Structure.AUDIT_ENTRY, leaf=self.tree.size - 1)
