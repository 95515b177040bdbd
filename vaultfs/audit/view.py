"""The log of an open vault as its newest head states it, with all that can be proved of it to who has no key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY
from vaultfs_format.eventproof import EventProof
from vaultfs_format.events.vault import LogExported
from vaultfs_format.levels import HashLevels, consistency_proof, inclusion_proof, root_at
from vaultfs_format.limits import MAX_NOTE
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import note_signers, sign_checkpoint, verifier_keys
from vaultfs_format.tlog.note import Note, NoteSignature
from vaultfs_format.tlog.proof import LogProof
from vaultfs_format.tlog.tiles import WIDTH, Tile, encode_bundle, encode_tile, tiles_of
from vaultfs_format.tlog.witness import AddCheckpoint

from vaultfs.audit.events import NOBODYS_SESSION
from vaultfs.engine.engine import Engine
from vaultfs.engine.leaves import Leaf, leaves
from vaultfs.engine.vault import Vault
from vaultfs.errors import CommitmentMismatch, LogDiverged, NotFound, Structure, VaultMissing
from vaultfs.vfs import Vfs, absolute

CHECKPOINT = "checkpoint"
_SECOND = 1_000_000


def origin_of(vault_id: bytes) -> str:
    """Return the name of the log of a vault, which is also that of the keys that sign it."""
    return f"vaultfs/{vault_id.hex()}"


def signed_head(engine: Engine) -> Note:
    """Return the checkpoint of the head in force, signed by its signer. Call under the lock."""
    head, origin = engine.head, origin_of(engine.vault_id)
    stated = Checkpoint(origin, head.tree_size, head.tree_root)
    return sign_checkpoint(stated, note_signers(engine.signing, origin), engine.options.clock() // _SECOND)


class LogView:
    """The settled log of a vault: every leaf that its head has signed, read, checked and hashed once.

    What is settled later is not in it: make another.

    Attributes
    ----------
    keys
        The keys that verify its checkpoint: all of them have signed it.
    minimum
        Index of the first leaf that is kept.

    Raises
    ------
    CommitmentMismatch
        An event, or the tree, is not the one that was written.
    VaultDamaged
        Entries or events are missing.
    """

    def __init__(self, vault: Vault) -> None:
        engine = vault.engine
        with engine.lock:
            engine.check_writable()
            self._head = engine.head
            self._checkpoint = signed_head(engine)
            self.keys = verifier_keys(engine.signing.signer, self.origin)
        self._engine = engine
        self._nodes = merkle.audit_nodes(engine.suite)
        pruned = self._head.pruned_tree()
        self._hashes = HashLevels(self._nodes, pruned if pruned.size else None)
        self.minimum = pruned.size
        entries = [leaf.entry.encode() for leaf in leaves(engine, self._head, (), pruned.size)]
        self._entries = b"".join([*entries, self._head.live_set().encode()])
        self._hashes.extend(merkle.audit_leaves(engine.suite, self._each()))
        if self._hashes.size != self.size or root_at(self._nodes, self._hashes, self.size, b"") != self.root:
            raise CommitmentMismatch(structure=Structure.HEAD)

    def _each(self) -> Iterator[bytes]:
        return (self._entries[at : at + ENTRY.size] for at in range(0, len(self._entries), ENTRY.size))

    @property
    def origin(self) -> str:
        """Name of the log."""
        return origin_of(self._head.vault_id)

    @property
    def size(self) -> int:
        """Leaves of the tree."""
        return self._head.tree_size

    @property
    def root(self) -> bytes:
        """Root of the tree."""
        return self._head.tree_root

    def checkpoint(self) -> Note:
        """Return the signed checkpoint: signed once, when the head was looked at, by the signer of the head."""
        return self._checkpoint

    def add_cosignatures(self, signatures: Iterable[NoteSignature]) -> None:
        """Put cosignatures to the checkpoint, which proofs and exports of this view then have, too.

        Raises
        ------
        LimitExceeded
        """
        self._checkpoint = self._checkpoint.cosigned(signatures)

    def request(self, old: int = 0) -> AddCheckpoint:
        """Return what a witness is asked that has cosigned an earlier size last. Raises as `consistency` does."""
        return AddCheckpoint(old, tuple(self.consistency(old)), self.checkpoint())

    def entry(self, index: int) -> bytes:
        """Return the bytes of an entry.

        Raises
        ------
        NotFound
            The log has none of that index, or none any more.
        """
        if not self.minimum <= index < self.size:
            raise NotFound
        at = (index - self.minimum) * ENTRY.size
        return self._entries[at : at + ENTRY.size]

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the inclusion proof of an entry, in the tree of an earlier size if one is given.

        Raises
        ------
        NotFound
            The log has none of that index, or none any more, or had none at that size.
        """
        self.entry(index)
        within = self.size if size is None else size
        if not index < within <= self.size:
            raise NotFound
        return inclusion_proof(self._nodes, self._hashes, index, within)

    def consistency(self, old: int) -> list[bytes]:
        """Return the proof that the tree of an earlier size is the beginning of this one.

        Raises
        ------
        NotFound
            The log has no such size, or is pruned beyond it.
        """
        if old and not self.minimum <= old <= self.size:
            raise NotFound
        return consistency_proof(self._nodes, self._hashes, old, self.size)

    def prove(self, index: int, under: Note | None = None) -> EventProof:
        """Return the proof of an entry, with the event that it is of.

        Parameters
        ----------
        under
            An earlier checkpoint of the log, with the cosignatures that it has got; by default that of this view.

        Raises
        ------
        LogDiverged
            The checkpoint is not the beginning of this log.
        NotFound
            The log has no such entry, or none any more, or it came after that checkpoint.
        """
        return self.prove_leaf(self.leaf(index), under)

    def prove_leaf(self, leaf: Leaf, under: Note | None = None) -> EventProof:
        """Return the proof of a leaf of this log. Parameters and errors as of `prove`."""
        note = self.checkpoint() if under is None else under
        known = Checkpoint.decode(note.text)
        self.check_grown_from(known)
        proof = LogProof(leaf.index, tuple(self.inclusion(leaf.index, known.size)), note)
        return EventProof(proof, leaf.entry, leaf.salted)

    def leaf(self, index: int) -> Leaf:
        """Return a leaf, with its event. Raises as `entry` does."""
        if index == self.size - 1:
            return Leaf(index, self._head.live_set(), None)
        self.entry(index)
        return next(leaf for leaf in self.leaves(index) if leaf.index == index)

    def leaves(self, first: int = 0) -> Iterator[Leaf]:
        """Yield the leaves from one on, and perhaps some before it; the head's own is not among them."""
        return leaves(self._engine, self._head, (), first)

    # Tiles.

    def export(self, directory: Path | str, vfs: Vfs | None = None) -> int:
        """Write the log as tiles, bundles and checkpoint (c2sp.org/tlog-tiles); return how many files were written.

        What is there already stays, if this log goes on from there: so a directory on another machine is a witness.

        Raises
        ------
        LogDiverged
            What is there is not the beginning of this log.
        StorageFull, StorageReadOnly, StorageFailed, ArgumentInvalid
        """
        files, place = vfs or Vfs(), absolute(directory)
        before = self._exported(files, place / CHECKPOINT)
        written = 0
        for tile in tiles_of(self.size, before, self.minimum):
            if not self._has(tile):
                continue
            path = place / tile.path
            files.make_directory(path.parent)
            files.replace(path, self.content(tile))
            written += 1
        files.make_directory(place)
        files.replace(place / CHECKPOINT, self.checkpoint().encode())
        return written + 1

    def _exported(self, files: Vfs, path: Path) -> int:
        """Return the size of the log that was exported before."""
        try:
            data = files.read(path, MAX_NOTE)
        except VaultMissing:
            return 0
        known = Checkpoint.decode(Note.decode(data).text)
        self.check_grown_from(known)
        return known.size

    def check_grown_from(self, known: Checkpoint) -> None:
        """Check that a checkpoint that somebody has kept is of this log, and its beginning.

        Raises
        ------
        LogDiverged
        """
        if known.origin != self.origin or not self._begins(known):
            raise LogDiverged(size=known.size)

    def _begins(self, known: Checkpoint) -> bool:
        if known.size > self.size or 0 < known.size < self.minimum:
            return False
        return root_at(self._nodes, self._hashes, known.size, merkle.AUDIT_EMPTY) == known.root

    def _has(self, tile: Tile) -> bool:
        """Return whether no part of a tile was pruned."""
        return tile.index * WIDTH << 8 * (tile.level or 0) >= self.minimum

    def content(self, tile: Tile) -> bytes:
        """Return the bytes of a tile, or of a bundle, of which nothing was pruned.

        Raises
        ------
        NotFound, IndexError
            The log has no such tile.
        """
        if tile.level is not None:
            return encode_tile(tile, self._hashes)
        first = tile.index * WIDTH
        return encode_bundle([self.entry(index) for index in range(first, first + tile.width)])


def prove(vault: Vault, index: int, under: Note | None = None) -> EventProof:
    """Return the proof of an entry, with its event; that it was given out is recorded, and settled, first.

    It is an act of the vault's keeper: no policy is asked. Parameters as of `LogView.prove`.

    Raises
    ------
    NotFound, LogDiverged
        As of `LogView.prove`.
    CommitmentMismatch, VaultDamaged, StorageFull, StorageReadOnly, StorageFailed, WriterPoisoned, Closed
    """
    return shown(vault, entries=1, events=1).prove(index, under)


def export(vault: Vault, directory: Path | str) -> tuple[int, int]:
    """Show the whole log as tiles (`LogView.export`); that it was shown is recorded, and settled, first.

    Returns
    -------
    tuple
        How many entries the log has, and how many files were written.

    Raises
    ------
    LogDiverged
        What is there is not the beginning of this log.
    CommitmentMismatch, VaultDamaged, ArgumentInvalid
    StorageFull, StorageReadOnly, StorageFailed, WriterPoisoned, Closed
    """
    view = shown(vault, entries=vault.engine.leaves, events=0)
    return view.size, view.export(directory)


def shown(vault: Vault, *, entries: int, events: int) -> LogView:
    """Return the log to show so much of it: that it is shown is recorded, and settled, first.

    Raises
    ------
    CommitmentMismatch, VaultDamaged
    StorageFull, StorageReadOnly, StorageFailed, WriterPoisoned, Closed
    """
    engine = vault.engine
    engine.check_writable()
    with engine.lock:
        vault.record([LogExported(engine.options.clock(), NOBODYS_SESSION, entries, events)], durable=True)
        vault.settle()
        return LogView(vault)
