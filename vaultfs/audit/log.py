"""The audit log, read back: every event in order, each checked against its clear entry and the tree in the head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from vaultfs_format import merkle
from vaultfs_format.audit import LeafKind
from vaultfs_format.handover import Handover, signer_at
from vaultfs_format.head import Head

from vaultfs.audit.events import Event
from vaultfs.audit.moving import leaves_between
from vaultfs.engine.engine import Engine, LiveJournal
from vaultfs.engine.files.heads import read_superblock
from vaultfs.engine.files.journal import JournalFile
from vaultfs.engine.files.mirrors import Mirror
from vaultfs.engine.files.pairs import open_named
from vaultfs.engine.log.leaves import Leaf
from vaultfs.engine.vault import Vault
from vaultfs.errors import CommitmentMismatch, Structure, VaultDamaged


def read_events(vault: Vault) -> Iterator[tuple[int, Event]]:
    """Yield the index in the audit tree and the event of every event so far, oldest first.

    What is appended after the iteration has begun is not read.

    Raises
    ------
    CommitmentMismatch
        An event, or the tree, is not the one that was written.
    VaultDamaged
        Entries or events are missing.
    """
    for leaf in read_leaves(vault):
        if leaf.event is not None:
            yield leaf.index, leaf.event


def read_leaves(vault: Vault, known: merkle.CompactRange | None = None) -> Iterator[Leaf]:
    """Yield every leaf of the audit tree so far, oldest first. Raises as `read_events` does.

    Parameters
    ----------
    known
        The tree of leaves that were read before: those that follow are yielded, if the log has grown from it.
    """
    engine = vault.engine
    with engine.lock:
        engine.check()
        head = engine.head
        handovers = read_superblock(engine.vfs, engine.layout, head)[0].handovers()
        journals = [reopened(engine, live) for live in engine.live]
        end = engine.leaves
    try:
        tree = head.pruned_tree() if known is None else known.copy()
        found = leaves_between(engine, head, journals, tree.size, end)
        yield from _placed(handovers, _against_head(head, handovers, tree, found))
    finally:
        for live in journals:
            live.journal.close()


def reopened(engine: Engine, live: LiveJournal) -> LiveJournal:
    """Return a live journal with a file of its own, which settling does not close, up to where it is now."""
    path = engine.layout.journal(live.journal.header.journal_id)
    mirror = Mirror(engine.vfs, engine.layout.copy_of(path))
    file = open_named(engine.vfs, path)
    journal = JournalFile(file, live.journal.header, live.journal.keys, live.journal.first_chain, mirror)
    journal.last_group, journal.chain, journal.end = live.journal.last_group, live.journal.chain, live.journal.end
    return LiveJournal(live.number, journal)


def _placed(handovers: Sequence[Handover], found: Iterable[Leaf]) -> Iterator[Leaf]:
    """Pass on leaves; check that live sets name the signer of their part, and heads of subjects their leaf."""
    for leaf in found:
        entry = leaf.entry
        if entry.kind is LeafKind.LIVESET and entry.signer != signer_at(handovers, leaf.index + 1):
            raise CommitmentMismatch(structure=Structure.AUDIT_ENTRY, leaf=leaf.index)
        if entry.kind is LeafKind.SUBJECTS and entry.number != leaf.index:
            raise CommitmentMismatch(structure=Structure.AUDIT_ENTRY, leaf=leaf.index)
        yield leaf


def _against_head(
    head: Head, handovers: Sequence[Handover], tree: merkle.CompactRange, found: Iterable[Leaf]
) -> Iterator[Leaf]:
    """Pass on consecutive leaves; check that the tree that the head states is theirs, and those that signers state."""
    roots = {one.tree_size: (one.tree_root, Structure.SIGNER) for one in handovers}
    roots[head.tree_size] = head.tree_root, Structure.HEAD
    _check_tree(roots, tree)
    for leaf in found:
        if leaf.index != tree.size:
            raise VaultDamaged(leaf=tree.size)
        tree.append(merkle.audit_leaf(head.suite, leaf.entry.encode()))
        _check_tree(roots, tree)
        yield leaf
    if tree.size == head.tree_size - 1:  # the head's own leaf stands in no file until a journal repeats it
        tree.append(merkle.audit_leaf(head.suite, head.live_set().encode()))
        _check_tree(roots, tree)
    if tree.size < head.tree_size:
        raise VaultDamaged(leaf=tree.size)


def _check_tree(roots: Mapping[int, tuple[bytes, Structure]], tree: merkle.CompactRange) -> None:
    if tree.size in roots:
        root, stated_in = roots[tree.size]
        if tree.root(merkle.AUDIT_EMPTY) != root:
            raise CommitmentMismatch(structure=stated_in)
