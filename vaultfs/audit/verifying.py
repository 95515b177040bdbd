"""The whole log of an open vault, checked: events, tree, who signed which part, and the heads of subjects."""

from __future__ import annotations

from dataclasses import dataclass

from vaultfs_format.audit import LeafKind
from vaultfs_format.errors import CommitmentMismatch

from vaultfs.audit.log import read_leaves
from vaultfs.engine.heads import read_superblock
from vaultfs.engine.subjectheads import first_heads
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
        Index of the first leaf: those before were pruned, and what is left of them checked.
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
        An event, the tree, the signer of a part, or a head of a subject is not the one that was written; `leaf` is the
        first that is wrong, where that can be told.
    SignatureInvalid
        A signer was not named by the one before.
    VaultDamaged, FormatError
        Entries or events are missing, or damaged.
    """
    engine = vault.engine
    with engine.lock:
        engine.check()
        head = engine.head
        superblock, _ = read_superblock(engine.vfs, engine.layout, head)
    superblock.check_line()
    heads, end = first_heads(engine), head.tree_size
    done = Verified(first=head.first_leaf, signers=len(superblock.signers()))
    for leaf in read_leaves(vault):
        heads.take_leaf(leaf)
        if leaf.entry.kind is LeafKind.SUBJECTS and leaf.entry != heads.entry():
            raise CommitmentMismatch(structure=Structure.AUDIT_ENTRY, leaf=leaf.index)
        done.events += leaf.event is not None
        end = max(end, leaf.index + 1)
    done.leaves, done.subjects = end, heads.subjects
    return done
