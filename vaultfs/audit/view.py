"""The log of an open vault as its newest head states it, with all that can be proved of it to who has no key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY
from vaultfs_format.eventproof import EventProof
from vaultfs_format.events.vault import LogExported
from vaultfs_format.levels import HashLevels, HashReader, JoinedHashes, consistency_proof, inclusion_proof, root_at
from vaultfs_format.limits import MAX_NOTE
from vaultfs_format.logbase import LogBase
from vaultfs_format.subjectheads import bucket_of, row_keys
from vaultfs_format.subjectproof import Stated
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import note_signers, sign_checkpoint, verifier_keys
from vaultfs_format.tlog.note import Note, NoteSignature
from vaultfs_format.tlog.proof import LogProof
from vaultfs_format.tlog.tiles import WIDTH, Tile, encode_bundle, encode_tile, tiles_of
from vaultfs_format.tlog.witness import AddCheckpoint

from vaultfs.audit.errors import LogPrunedBefore
from vaultfs.audit.events import NOBODYS_SESSION
from vaultfs.audit.moving import MOVED, leaves_between
from vaultfs.audit.tiling import write_tiles
from vaultfs.engine.engine import Engine
from vaultfs.engine.log.leaves import Leaf, leaves
from vaultfs.engine.log.logbase import read_base
from vaultfs.engine.log.subjectheads import Heads
from vaultfs.engine.vault import Vault
from vaultfs.errors import CommitmentMismatch, LogDiverged, NotFound, Structure, VaultMissing
from vaultfs.vfs import Vfs, absolute

CHECKPOINT = "checkpoint"
_SECOND = 1_000_000
_ATTEMPTS = 3
"""How often the log is read again where a settling has merged what was being read, before nobody may settle."""


def origin_of(vault_id: bytes) -> str:
    """Return the name of the log of a vault, which is also that of the keys that sign it."""
    return f"vaultfs/{vault_id.hex()}"


def signed_head(engine: Engine) -> Note:
    """Return the checkpoint of the head in force, signed by its signer. Call under the lock."""
    head, origin = engine.head, origin_of(engine.vault_id)
    stated = Checkpoint(origin, head.tree_size, head.tree_root)
    return sign_checkpoint(stated, note_signers(engine.signing, origin), engine.options.clock() // _SECOND)


def _nothing() -> None:
    """Do nothing."""


class LogView:
    """The settled log of a vault: every leaf that its head has signed, read, checked and hashed once.

    What is settled later is not in it: make another.

    Parameters
    ----------
    beside
        Called under the lock, when the head is the one that this is of: again where another has followed meanwhile.

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

    def __init__(self, vault: Vault, beside: Callable[[], None] = _nothing) -> None:
        self._engine, self._beside = vault.engine, beside
        self._nodes = merkle.audit_nodes(self._engine.suite)
        for _ in range(_ATTEMPTS):
            self._look()
            try:
                self._read()
            except MOVED:
                if self._engine.head is self._head:
                    raise
            else:
                return
        with self._engine.lock:
            self._look()
            self._read()

    def _look(self) -> None:
        """Take the head that is in force."""
        engine = self._engine
        with engine.lock:
            engine.check_writable()
            self._head = engine.head
            self._checkpoint = signed_head(engine)
            self.keys = verifier_keys(engine.signing.signer, self.origin)
            self._beside()

    def _read(self) -> None:
        engine, pruned = self._engine, self._head.pruned_tree()
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
            The log has no such size.
        LogPrunedBefore
            It was pruned beyond it.
        """
        if not 0 <= old <= self.size:
            raise NotFound
        if 0 < old < self.minimum:
            raise LogPrunedBefore(size=old, first=self.minimum)
        return consistency_proof(self._nodes, self._hashes, old, self.size)

    def base(self, subject: bytes) -> Stated | None:
        """Return the heads of subjects from which the log counts, for a proof about one; None where it is whole.

        Raises
        ------
        CommitmentMismatch, VaultDamaged, FormatError, NotAuthentic
        """
        if not self.minimum:
            return None
        last = self.minimum - 1
        path = inclusion_proof(self._nodes, self._all_hashes, last, self.size)
        heads, number = Heads.of_base(self._base), bucket_of(row_keys(self._engine.suite, [subject])[0])
        rows, bucket_path = heads.bucket(number)
        return Stated(last, tuple(path), heads.entry().commitment, rows, tuple(bucket_path))

    @property
    def since(self) -> int:
        """From which time on every event is kept, in microseconds since 1970; 0 where the log is whole."""
        return self._base.since if self.minimum else 0

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
        LogPrunedBefore
            It ends before the first entry that this log has.
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
        return next(self.leaves(index))

    def leaves(self, first: int = 0) -> Iterator[Leaf]:
        """Yield the leaves from one on, of those that are kept; the head's own is not among them.

        Raises
        ------
        CommitmentMismatch, VaultDamaged
        """
        return leaves_between(self._engine, self._head, (), max(first, self.minimum), self.size - 1)

    # Tiles.

    def export(self, directory: Path | str, vfs: Vfs | None = None) -> int:
        """Write the log as tiles, bundles and checkpoint (c2sp.org/tlog-tiles); return how many files were written.

        What is there already stays, if this log goes on from there: so a directory on another machine is a witness.
        Of a log that was pruned, what lies wholly before its minimum index is not written.

        Raises
        ------
        LogDiverged
            What is there is not the beginning of this log.
        LogPrunedBefore
            It ends before the first entry that this log has.
        StorageFull, StorageReadOnly, StorageFailed, ArgumentInvalid
        """
        files, place = vfs or Vfs(), absolute(directory)
        before = self._exported(files, place / CHECKPOINT)
        written = write_tiles(files, place, self._tiles(before))
        files.make_directory(place)
        files.replace(place / CHECKPOINT, self.checkpoint().encode())
        return written + 1

    def _tiles(self, before: int) -> Iterator[tuple[Tile, bytes]]:
        """Yield tiles and bundles, and what they hold, but for those that a log of a size before has."""
        return ((tile, self.content(tile)) for tile in tiles_of(self.size, before, self.minimum))

    def content(self, tile: Tile) -> bytes:
        """Return the bytes of a tile or bundle, of which not all was pruned.

        Raises
        ------
        NotFound, IndexError
            The log has no such tile.
        CommitmentMismatch, VaultDamaged, FormatError, NotAuthentic
            It begins before the minimum index, and the base of the log cannot be read.
        """
        return self._bundle(tile) if tile.level is None else encode_tile(tile, self._all_hashes)

    @cached_property
    def _all_hashes(self) -> HashReader:
        """All hashes that there are: those of the tiles that straddle the minimum index, too."""
        return JoinedHashes(self._base.edge, self._hashes) if self.minimum else self._hashes

    @cached_property
    def _base(self) -> LogBase:
        return read_base(self._engine, self._head)

    def _bundle(self, tile: Tile) -> bytes:
        first = tile.index * WIDTH
        before = self._base.edge.entries if first < self.minimum else []
        own = (self.entry(index) for index in range(max(first, self.minimum), first + tile.width))
        return encode_bundle([*before, *own])

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
            It is not.
        LogPrunedBefore
            It ends before the first entry that this log has: that cannot be told.
        """
        if known.origin != self.origin or known.size > self.size:
            raise LogDiverged(size=known.size)
        if 0 < known.size < self.minimum:
            raise LogPrunedBefore(size=known.size, first=self.minimum)
        if not self._begins(known):
            raise LogDiverged(size=known.size)

    def _begins(self, known: Checkpoint) -> bool:
        return root_at(self._nodes, self._hashes, known.size, merkle.AUDIT_EMPTY) == known.root


def prove(vault: Vault, index: int, under: Note | None = None) -> EventProof:
    """Return the proof of an entry, with its event; that it was given out is recorded, and settled, first.

    It is an act of the vault's keeper: no policy is asked. Parameters as of `LogView.prove`.

    Raises
    ------
    NotFound, LogDiverged, LogPrunedBefore
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
    LogPrunedBefore
        It ends before the first entry that this log has.
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
